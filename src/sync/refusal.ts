/** Answers that stop an entity, told to a person. */
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import type { Attempt, Operation } from './ports.ts';

/** The SyncError DESTINATION_REFUSED of an answer that no batch of the entity would change. */
export function refusalError(
  { name, destination, deleted }: Entity,
  operation: Operation,
  attempt: Attempt | undefined,
): SyncError {
  const { host } = new URL((operation === 'delete' && deleted?.url) || destination.url);
  const what = attempt?.error ?? 'no reason was given';
  return new SyncError(
    'DESTINATION_REFUSED',
    `${name}: the destination ${host} refuses every ${operation === 'delete' ? 'deletion' : 'request'} (${what}).`,
    refusalHint(attempt?.status ?? 0, operation === 'delete' ? 'deleted' : 'destination'),
  );
}

/** What to do about an answer of this status that stops an entity; `where` is the configuration's part it came by. */
export function refusalHint(status: number, where: 'deleted' | 'destination'): string {
  if (status === 401 || status === 403) return 'Check destination.auth, and that its account may import this entity.';
  if (status === 404 || status === 410) return `Check ${where}.url.`;
  if (status === 405 || status === 501) return `Check ${where}.method and ${where}.url.`;
  if (status === 415) return 'Check destination.compression and the Content-Type in destination.headers.';
  if (status === 407) return 'Check the user and password in destination.proxy.';
  if (status >= 300 && status < 400)
    return `Redirects are not followed: write the address it leads to into ${where}.url.`;
  return 'Ask who runs the destination what this answer means; the rows wait for the next run.';
}

/** The SyncError DESTINATION_REFUSED of deletions that were all answered with 404 or 410. */
export function nothingThereError({ name }: Entity, rows: number, attempt: Attempt | undefined): SyncError {
  return new SyncError(
    'DESTINATION_REFUSED',
    `${name}: the destination answers the deletion of each of ${rows} rows as if it had none of them (${attempt?.error}); they count as not deleted.`,
    'Check deleted.url. Where the destination really has none of them any more, `tamhr-sync ledger forget` takes them out of the ledger.',
  );
}

/** The SyncError DESTINATION_REFUSED of a batch in which every row is refused for one reason; `isTooLarge`: by a 413. */
export function schemaError(
  { name }: Entity,
  rows: number,
  { reason, isTooLarge }: { readonly reason: string; readonly isTooLarge: boolean },
): SyncError {
  return new SyncError(
    'DESTINATION_REFUSED',
    `${name}: the destination refuses every row of a batch of ${rows} for the same reason (${reason}).`,
    isTooLarge
      ? 'Have the destination, or a proxy before it, take larger bodies: even a single row is too large for it; no row became a dead letter by it.'
      : 'Compare the map of this entity with what the destination expects; no row became a dead letter by it.',
  );
}
