/** The one answer to "why did it not arrive": what becomes of a row, from all that is known of it. */
import type { Entity } from './entity.ts';
import type { ShownRow } from './ledger-show.ts';

/**
 * What becomes of a row.
 *
 *   inDoubt      a batch that may have been taken holds it: the next run sends that again, before all else
 *   deadLetter   it cannot be sent by itself
 *   colliding    its key is one with another row's to the ledger: the next run makes it a dead letter
 *   unmappable   it has no payload: the next run makes it a dead letter
 *   pending      the next run sends it
 *   changed      the next run that compares it sends it again
 *   outdated     it has changed since it was sent, and is not sent again, since changes is new
 *   sent         nothing is to be done
 *   toDelete     gone from the source of a mirror: the next run deletes it
 *   stays        gone from the source, and stays at the receiver
 *   leftOut      source.where leaves it out, and it was never sent
 *   sourceUnread the source could not be read, and the log database alone does not tell
 */
export type RowVerdict =
  | 'inDoubt'
  | 'deadLetter'
  | 'colliding'
  | 'unmappable'
  | 'pending'
  | 'changed'
  | 'outdated'
  | 'sent'
  | 'toDelete'
  | 'stays'
  | 'leftOut'
  | 'sourceUnread';

/** The first that applies. */
export function verdictOf(row: ShownRow, changes: Entity['changes']): RowVerdict {
  const isTracked = row.tracked.length > 0;
  if (row.unresolved !== undefined) return 'inDoubt';
  if (row.deadLetter !== undefined) return 'deadLetter';
  if (row.inSource === 'unknown') return 'sourceUnread';
  if (row.inSource === 'yes') {
    if (row.collidesWith !== undefined) return 'colliding';
    if (row.unmappable !== undefined && !(isTracked && changes === 'new')) return 'unmappable';
    if (!isTracked) return 'pending';
    if (row.hash !== 'different') return 'sent';
    return changes === 'new' ? 'outdated' : 'changed';
  }
  if (!isTracked) return 'leftOut';
  return changes === 'mirror' ? 'toDelete' : 'stays';
}
