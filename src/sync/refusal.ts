/** Answers that stop an entity, told to a person. */
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import type { Attempt } from './ports.ts';

/** The SyncError DESTINATION_REFUSED of an answer that no batch of the entity would change. */
export function refusalError({ name, destination }: Entity, attempt: Attempt | undefined): SyncError {
  const what = attempt?.error ?? 'no reason was given';
  return new SyncError(
    'DESTINATION_REFUSED',
    `${name}: the destination ${new URL(destination.url).host} refuses every request (${what}).`,
    hintOf(attempt?.status ?? 0),
  );
}

function hintOf(status: number): string {
  if (status === 401 || status === 403) return 'Check destination.auth, and that its account may import this entity.';
  if (status === 404 || status === 410) return 'Check destination.url.';
  if (status === 405 || status === 501) return 'Check destination.method and destination.url.';
  if (status === 415) return 'Check destination.compression and the Content-Type in destination.headers.';
  if (status === 407) return 'Check the user and password in destination.proxy.';
  if (status >= 300 && status < 400)
    return 'Redirects are not followed: write the address it leads to into destination.url.';
  return 'Ask who runs the destination what this answer means; the rows wait for the next run.';
}

/** The SyncError DESTINATION_REFUSED of a batch in which every row is refused for one reason. */
export function schemaError({ name }: Entity, rows: number, reason: string): SyncError {
  return new SyncError(
    'DESTINATION_REFUSED',
    `${name}: the destination refuses every row of a batch of ${rows} for the same reason (${reason}).`,
    'Compare the map of this entity with what the destination expects; no row became a dead letter by it.',
  );
}
