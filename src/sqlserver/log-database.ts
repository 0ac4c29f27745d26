/** The log database as a run uses it: the run's own row, the entities' locks (entity-lock.ts), their ledgers (ledger.ts). */
import type { LogDatabase } from '../sync/ports.ts';
import { createLockConnection, lockEntity } from './entity-lock.ts';
import { requireMigrated } from './migrate.ts';
import { guid, int, nvarchar } from './parameters.ts';
import type { Pool } from './pool.ts';
import { createReadOnlyLedger } from './read-only-ledger.ts';
import { isDuplicateKey } from './statement-error.ts';

/** `pool` lends the connections for everything but the locks, and is closed with the rest. */
export function createLogDatabase(pool: Pool): LogDatabase {
  const locks = createLockConnection(pool);
  return {
    async startRun({ runId, host, processId, version, arguments: commandLine }) {
      await pool.repeating(async (session, isRepeat) => {
        await requireMigrated(session, pool.settings.name);
        const stored = session.query(
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
        await stored.catch((error) => {
          if (!isRepeat || !isDuplicateKey(error)) throw error;
        });
      });
    },
    async finishRun(runId, state, exitCode, summary) {
      await pool.repeating((session) =>
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
    readOnlyLedger: (entity) => createReadOnlyLedger(pool, entity),
    async close() {
      await locks.close();
      await pool.close();
    },
  };
}
