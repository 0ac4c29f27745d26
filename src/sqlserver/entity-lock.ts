/** The lock of an entity, which one run or command has at a time; TB_R_SYNC_ENTITY says which run. */
import { hostname } from 'node:os';
import { lockHeld } from '../sync/lock-held.ts';
import type { EntityIdentity, EntityLock, LockHolder } from '../sync/ports.ts';
import { acquireAppLock, entityLock, releaseAppLock } from './app-lock.ts';
import { createLedger, takenOver } from './ledger.ts';
import { requireMigrated } from './migrate.ts';
import { guid, nvarchar } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { statementError } from './statement-error.ts';
import { ENTITY_TYPE_LENGTH } from './tracking.ts';
import { isTransient } from './transient.ts';

/** The connection that holds the locks: none of the pool's, which come and go. */
export interface LockConnection {
  /** One caller at a time. `work` rejects with SyncError LOG_DATABASE_*. */
  use<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Aborts when it is closed for good. */
  readonly closed: AbortSignal;
  close(): Promise<void>;
}

/** With the settings of the log database's pool. Opens nothing until it is used. */
export function createLockConnection({ connect, settings }: Pool): LockConnection {
  const closed = new AbortController();
  let session: Session | undefined;
  return {
    closed: closed.signal,
    async use(work) {
      if (!session?.usable) session = await connect();
      try {
        closed.signal.throwIfAborted();
        return await work(session);
      } catch (error) {
        if (closed.signal.aborted || isTransient(error)) await session.close();
        throw statementError(error, 'LOG_DATABASE', settings.name);
      }
    },
    async close() {
      closed.abort();
      await session?.close();
    },
  };
}

/** The lock is held, and perhaps by a connection of this run that the server does not know to be dead. */
class StillHeld extends Error {}

const isStillHeld = (error: unknown) => error instanceof StillHeld;

/** LogDatabase.lock of ports.ts. */
export async function lockEntity(
  pool: Pool,
  locks: LockConnection,
  entity: EntityIdentity,
  runId: string,
): Promise<EntityLock | { readonly heldBy: LockHolder }> {
  const session = await acquire(pool, locks, entity, runId);
  if (session === undefined) {
    return { heldBy: await pool.repeating((session) => readHolder(session, entity.trackingLabels[0])) };
  }
  const ledger = createLedger(pool, { entity, runId, host: hostname() });
  const lock: EntityLock = { ledger, ...keep(pool, locks, entity, runId, session) };
  await ledger.rehearseSettle().catch(async (error) => {
    // Where this fails too, it has closed the connection that holds the lock.
    await lock.release().catch(() => {});
    throw error;
  });
  return lock;
}

/** Takes lock and ownership; undefined where another run has the lock. */
async function acquire(
  pool: Pool,
  locks: LockConnection,
  entity: EntityIdentity,
  runId: string,
): Promise<Session | undefined> {
  const entityType = entity.trackingLabels[0];
  const attempt = async (session: Session, isRepeat: boolean) => {
    if (!(await acquireAppLock(session, entityLock(entityType), 0))) {
      if (isRepeat) throw new StillHeld();
      return undefined;
    }
    try {
      await takeOwnership(session, entityType, runId);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  };
  const acquired = pool.repeat((isRepeat) => locks.use((session) => attempt(session, isRepeat)), { also: isStillHeld });
  return acquired.catch((error) => {
    if (isStillHeld(error)) return undefined;
    throw error;
  });
}

/** Keeps the lock, and takes it again where its connection is lost: docs/decisions/0009-lock-is-taken-again.md. */
function keep(
  pool: Pool,
  locks: LockConnection,
  entity: EntityIdentity,
  runId: string,
  first: Session,
): Pick<EntityLock, 'lost' | 'release'> {
  const entityType = entity.trackingLabels[0];
  const resource = entityLock(entityType);
  const lost = new AbortController();
  const released = new AbortController();
  const over = AbortSignal.any([released.signal, locks.closed]);
  let session = first;
  let retaking: Promise<void> = Promise.resolve();

  function hold(held: Session): void {
    session = held;
    const again = () => {
      if (!over.aborted) retaking = retake();
    };
    if (held.ended.aborted) again();
    else held.ended.addEventListener('abort', again, { once: true });
  }

  async function retake(): Promise<void> {
    try {
      hold(await pool.repeat(() => locks.use(takeAgain), { signal: over, also: isStillHeld }));
    } catch (error) {
      lost.abort(error);
    }
  }

  async function takeAgain(session: Session): Promise<Session> {
    const acquired = await acquireAppLock(session, resource, 0);
    const { runId: owner } = await readHolder(session, entityType);
    if (owner !== runId) {
      await session.close();
      throw takenOver(entity);
    }
    if (!acquired) throw new StillHeld();
    return session;
  }

  hold(first);
  return {
    lost: lost.signal,
    async release() {
      released.abort();
      await retaking;
      try {
        await pool.repeating((session) => giveUpOwnership(session, entityType, runId));
        // Where that fails, the lock ends with its connection.
        if (session.usable) await locks.use((used) => releaseAppLock(used, resource)).catch(() => session.close());
      } catch (error) {
        await session.close();
        throw error;
      }
    },
  };
}

/**
 * Does `work` under the entity's lock, on the session that holds it: for commands, which are no run. A run that has it
 * excludes it, and the other way round. A run that has lost it for the moment stops at its next change: what `work` changes
 * is not what the run knows. Throws SyncError LOCK_HELD, LOG_DATABASE_* (LOG_DATABASE_NOT_MIGRATED, too), and what `work`
 * throws.
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
      await requireMigrated(session, pool.settings.name);
      await session.transaction(() => endOwner(session, entityType));
      return await work(session);
    } finally {
      // Back in the pool it would go on holding the lock.
      if (session.usable) await releaseAppLock(session, resource).catch(() => session.close());
    }
  });
}

async function takeOwnership(session: Session, entityType: string, runId: string): Promise<void> {
  const parameters = { entityType: nvarchar(entityType, ENTITY_TYPE_LENGTH), run: guid(runId) };
  await session.transaction(async () => {
    await endOwner(session, entityType, runId);
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

/**
 * An owner that is still named has died, or has lost its lock, since that was free: its run counts as aborted, and may write
 * nothing more. `runId`, where given, is its successor, which may be itself.
 */
async function endOwner(session: Session, entityType: string, runId?: string): Promise<void> {
  const parameters = { entityType: nvarchar(entityType, ENTITY_TYPE_LENGTH), successor: guid(runId ?? null) };
  await session.query(
    `UPDATE dbo.TB_R_SYNC_RUN SET State = N'aborted'
     WHERE State = N'running' AND (@successor IS NULL OR RunId <> @successor)
       AND RunId IN (SELECT OwnerRunId FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = @entityType)`,
    parameters,
  );
  await session.query(
    'UPDATE dbo.TB_R_SYNC_ENTITY SET OwnerRunId = NULL WHERE EntityType = @entityType AND OwnerRunId IS NOT NULL',
    parameters,
  );
}

async function giveUpOwnership(session: Session, entityType: string, runId: string): Promise<void> {
  await session.query(
    'UPDATE dbo.TB_R_SYNC_ENTITY SET OwnerRunId = NULL WHERE EntityType = @entityType AND OwnerRunId = @run',
    { entityType: nvarchar(entityType, ENTITY_TYPE_LENGTH), run: guid(runId) },
  );
}

/** Which run TB_R_SYNC_ENTITY names; one that died without giving the lock up stays named until the next. */
export async function readHolder(session: Session, entityType: string): Promise<LockHolder> {
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
