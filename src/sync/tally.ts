/** Counts of an entity's run while they grow. */
import type { Batch, ComparisonReport, EntitySummary } from './ports.ts';

/** The counts of an EntitySummary. */
export type Tally = {
  -readonly [Count in
    | 'read'
    | 'tracked'
    | 'pending'
    | 'changed'
    | 'deletions'
    | 'accepted'
    | 'deleted'
    | 'heldDeletions'
    | 'hashesTaken'
    | 'refused'
    | 'unresolved'
    | 'newDeadLetters'
    | 'oldDeadLetters'
    | 'left'
    | 'bytes']: EntitySummary[Count];
} & {
  comparison?: ComparisonReport;
  batchError?: string;
  readonly batches: { -readonly [Count in keyof EntitySummary['batches']]: number };
};

/** All counts at zero. */
export function emptyTally(): Tally {
  return {
    read: 0,
    tracked: 0,
    pending: 0,
    changed: 0,
    deletions: 0,
    accepted: 0,
    deleted: 0,
    heldDeletions: 0,
    hashesTaken: 0,
    refused: 0,
    unresolved: 0,
    newDeadLetters: 0,
    oldDeadLetters: 0,
    left: 0,
    bytes: 0,
    batches: { pending: 0, accepted: 0, refused: 0, unresolved: 0, split: 0 },
  };
}

/** Counts a batch that is (in a dry run: would be) sent. */
export function countPending(tally: Tally, { operation, keys, body }: Batch): void {
  tally.pending += keys.length;
  if (operation === 'delete') tally.deletions += keys.length;
  tally.bytes += body.length;
  tally.batches.pending += 1;
}
