/** What a run or command says that finds an entity locked by another run. */
import { SyncError } from './errors.ts';
import type { EntityIdentity, LockHolder } from './ports.ts';

/** The SyncError LOCK_HELD of an entity whose lock `holder` has. */
export function lockHeld(
  entity: Pick<EntityIdentity, 'name'>,
  { runId, host, processId, since }: LockHolder,
): SyncError {
  const who = host === undefined ? 'another run' : `run ${runId} on ${host} (process ${processId})`;
  const when = since === undefined ? '' : ` since ${since.toISOString()}`;
  return new SyncError(
    'LOCK_HELD',
    `${entity.name}: ${who} has been syncing it${when}.`,
    'Wait until that run has ended, or stop it; its lock ends with it.',
  );
}
