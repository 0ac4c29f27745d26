/** The lock of an entity, which one run or command has at a time; TB_R_SYNC_ENTITY says which run. */
import { hostname } from 'node:os';
import type { ConnectionSettings } from '../sync/connection.ts';
import { lockHeld } from '../sync/lock-held.ts';
import type { EntityIdentity, EntityLock, LockHolder } from '../sync/ports.ts';
import { acquireAppLock, entityLock, releaseAppLock } from './app-lock.ts';
import { connect } from './connect.ts';
import { createLedger } from './ledger.ts';
import { guid, nvarchar } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { statementError } from './statement-error.ts';
import { ENTITY_TYPE_LENGTH } from './tracking.ts';

/** The connection that holds the locks: none of the pool's, which come and go. */
export interface LockConnection {
  /** `work` rejects with SyncError LOG_DATABASE_*. */
  use<T>(work: (session: Session) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens nothing until it is used. */
export function createLockConnection(settings: ConnectionSettings): LockConnection {
  let session: Session | undefined;
  return {
    async use(work) {
      if (!session?.usable) session = await connect(settings, 'LOG_DATABASE');
      try {
        return await work(session);
      } catch (error) {
        throw statementError(error, 'LOG_DATABASE', settings.name);
      }
    },
    async close() {
      await session?.close();
    },
  };
}

/** LogDatabase.lock of ports.ts. */
export async function lockEntity(
  pool: Pool,
  locks: LockConnection,
  entity: EntityIdentity,
  runId: string,
): Promise<EntityLock | { readonly heldBy: LockHolder }> {
  const entityType = entity.trackingLabels[0];
  const resource = entityLock(entityType);
  const session = await locks.use(async (session) => {
    if (!(await acquireAppLock(session, resource, 0))) return undefined;
    try {
      await takeOwnership(session, entityType, runId);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  });
  if (session === undefined) return { heldBy: await locks.use((session) => readHolder(session, entityType)) };
  const ledger = createLedger(pool, { entity, runId, host: hostname() });
  const lock: EntityLock = {
    ledger,
    lost: session.ended,
    async release() {
      try {
        await pool.withSession((session) => giveUpOwnership(session, entityType, runId));
        if (session.usable) await locks.use(() => releaseAppLock(session, resource));
      } catch (error) {
        await session.close();
        throw error;
      }
    },
  };
  await ledger.rehearseSettle().catch(async (error) => {
    // Where this fails too, it has closed the connection that holds the lock.
    await lock.release().catch(() => {});
    throw error;
  });
  return lock;
}

/**
 * Does `work` under the entity's lock, on the session that holds it: for commands, which are no run. A run that has it
 * excludes it, and the other way round. Throws SyncError LOCK_HELD, LOG_DATABASE_*, and what `work` throws.
 */
export async function withEntityLock<T>(
  pool: Pool,
  entity: EntityIdentity,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const entityType = entity.trackingLabels[0];
  const resource = entityLock(entityType);
  return pool.withSession(async (session) => {
    if (!(await acquireAppLock(session, resource, 0))) throw lockHeld(entity, await readHolder(session, entityType));
    try {
      return await work(session);
    } finally {
      // Back in the pool it would go on holding the lock.
      if (session.usable) await releaseAppLock(session, resource).catch(() => session.close());
    }
  });
}

/** An owner that is still named died without giving up: else the lock would not have been free. */
async function takeOwnership(session: Session, entityType: string, runId: string): Promise<void> {
  const parameters = { entityType: nvarchar(entityType, ENTITY_TYPE_LENGTH), run: guid(runId) };
  await session.transaction(async () => {
    await session.query(
      `UPDATE dbo.TB_R_SYNC_RUN SET State = N'aborted'
       WHERE State = N'running' AND RunId <> @run
         AND RunId IN (SELECT OwnerRunId FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = @entityType)`,
      parameters,
    );
    const { rowCount } = await session.query(
      'UPDATE dbo.TB_R_SYNC_ENTITY SET OwnerRunId = @run, LockedAt = SYSUTCDATETIME() WHERE EntityType = @entityType',
      parameters,
    );
    if (rowCount > 0) return;
    await session.query(
      'INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, OwnerRunId, LockedAt) VALUES (@entityType, @run, SYSUTCDATETIME())',
      parameters,
    );
  });
}

async function giveUpOwnership(session: Session, entityType: string, runId: string): Promise<void> {
  await session.query(
    'UPDATE dbo.TB_R_SYNC_ENTITY SET OwnerRunId = NULL WHERE EntityType = @entityType AND OwnerRunId = @run',
    { entityType: nvarchar(entityType, ENTITY_TYPE_LENGTH), run: guid(runId) },
  );
}

async function readHolder(session: Session, entityType: string): Promise<LockHolder> {
  const { rows } = await session.query(
    `SELECT e.OwnerRunId, r.Host, r.ProcessId, e.LockedAt
     FROM dbo.TB_R_SYNC_ENTITY AS e LEFT JOIN dbo.TB_R_SYNC_RUN AS r ON r.RunId = e.OwnerRunId
     WHERE e.EntityType = @entityType`,
    { entityType: nvarchar(entityType, ENTITY_TYPE_LENGTH) },
  );
  const [runId = null, host = null, processId = null, since = null] = rows[0] ?? [];
  if (runId === null) return {};
  return {
    runId: runId as string,
    ...(host !== null && { host: host as string }),
    ...(processId !== null && { processId: processId as number }),
    ...(since !== null && { since: since as Date }),
  };
}
