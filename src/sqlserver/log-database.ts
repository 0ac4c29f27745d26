/** The log database as a run uses it: the run's own row, the entities' locks, their ledgers. */
import { hostname } from 'node:os';
import type { ConnectionSettings } from '../sync/connection.ts';
import type { EntityIdentity, EntityLock, LockHolder, LogDatabase } from '../sync/ports.ts';
import { acquireAppLock, entityLock, releaseAppLock } from './app-lock.ts';
import { connect } from './connect.ts';
import { createLedger } from './ledger.ts';
import { requireMigrated } from './migrate.ts';
import { guid, int, nvarchar } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { statementError } from './statement-error.ts';
import { createTracking, ENTITY_TYPE_LENGTH } from './tracking.ts';

/** `pool` lends the connections for everything but the locks, and is closed with the rest. */
export function createLogDatabase(pool: Pool): LogDatabase {
  const locks = createLockConnection(pool.settings);
  return {
    async startRun({ runId, host, processId, version, arguments: commandLine }) {
      await pool.withSession(async (session) => {
        await requireMigrated(session, pool.settings.name);
        await session.query(
          `INSERT INTO dbo.TB_R_SYNC_RUN (RunId, StartedAt, State, Host, ProcessId, Version, Arguments)
           VALUES (@run, SYSUTCDATETIME(), N'running', @host, @processId, @version, @arguments)`,
          {
            run: guid(runId),
            host: nvarchar(host, 255),
            processId: int(processId),
            version: nvarchar(version, 50),
            arguments: nvarchar(commandLine, 4000),
          },
        );
      });
    },
    async finishRun(runId, state, exitCode, summary) {
      await pool.withSession((session) =>
        session.query(
          `UPDATE dbo.TB_R_SYNC_RUN
           SET FinishedAt = SYSUTCDATETIME(), State = @state, ExitCode = @exitCode, Summary = @summary
           WHERE RunId = @run`,
          {
            run: guid(runId),
            state: nvarchar(state, 20),
            exitCode: int(exitCode),
            summary: nvarchar(JSON.stringify(summary), Number.POSITIVE_INFINITY),
          },
        ),
      );
    },
    lock: (entity, runId) => lockEntity(pool, locks, entity, runId),
    readOnlyLedger: (entity) => createTracking(pool, entity),
    async close() {
      await locks.close();
      await pool.close();
    },
  };
}

/** The connection that holds the locks: none of the pool's, which come and go. */
interface LockConnection {
  /** `work` rejects with SyncError LOG_DATABASE_*. */
  use<T>(work: (session: Session) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

function createLockConnection(settings: ConnectionSettings): LockConnection {
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

async function lockEntity(
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
