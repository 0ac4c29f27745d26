/** TB_R_SYNC_RUN and TB_R_SYNC_BATCH for people: what `runs` reads. */
import type { ConnectionSettings } from '../sync/connection.ts';
import type { Row } from '../sync/ports.ts';
import type { BatchRecord, RunDetail, RunReference, RunStore } from '../sync/run-history.ts';
import { readDeadRuns, readRun, readRuns } from './history.ts';
import { requireMigrated } from './migrate.ts';
import { guid, int } from './parameters.ts';
import { createPool } from './pool.ts';
import type { Session } from './session.ts';

/** TOP takes no more here. */
const MAX_INT = 2_147_483_647;

/** Opens nothing until it is used. */
export function openRuns(settings: ConnectionSettings): RunStore {
  const pool = createPool(settings, 'LOG_DATABASE', 1);
  const onTables = <T>(work: (session: Session) => Promise<T>): Promise<T> =>
    pool.withSession(async (session) => {
      await requireMigrated(session, settings.name);
      return work(session);
    });
  return {
    list: (limit) =>
      onTables(async (session) => {
        const found = await readRuns(session, Math.min(limit, MAX_INT), await readDeadRuns(session));
        const { rows } = await session.query('SELECT COUNT_BIG(*) FROM dbo.TB_R_SYNC_RUN');
        return { total: Number(rows[0]?.[0] ?? 0), runs: found.map(({ record }) => record) };
      }),
    references: () =>
      onTables(async (session) => {
        const { rows } = await session.query(
          'SELECT RunId, StartedAt FROM dbo.TB_R_SYNC_RUN ORDER BY StartedAt DESC, RunId',
        );
        return rows.map(
          ([runId, startedAt]): RunReference => ({
            runId: runId as string,
            startedAt: startedAt as Date,
          }),
        );
      }),
    detail: (runId, limit) => onTables((session) => readDetail(session, runId, limit)),
    close: () => pool.close(),
  };
}

async function readDetail(session: Session, runId: string, limit: number): Promise<RunDetail | undefined> {
  const found = await readRun(session, runId, await readDeadRuns(session));
  if (found === undefined) return undefined;
  const run = { run: guid(runId) };
  const { rows: counted } = await session.query(
    'SELECT COUNT_BIG(*) FROM dbo.TB_R_SYNC_BATCH WHERE RunId = @run OR LastRunId = @run',
    run,
  );
  const { rows } = await session.query(
    `SELECT TOP (@limit) BatchId, RunId, EntityType, Operation, ParentId, State, RowsInBatch, Attempts, HttpStatus, DurationMs,
       Error, CreatedAt, SettledAt
     FROM dbo.TB_R_SYNC_BATCH WHERE RunId = @run OR LastRunId = @run
     ORDER BY CASE State WHEN N'sending' THEN 0 WHEN N'refused' THEN 1 WHEN N'split' THEN 2 ELSE 3 END, CreatedAt, BatchId`,
    { ...run, limit: int(Math.min(limit, MAX_INT)) },
  );
  return { ...found, batchCount: Number(counted[0]?.[0] ?? 0), batches: rows.map(batchOf) };
}

function batchOf(row: Row): BatchRecord {
  const [batchId, runId, label, operation, parentId, state, count, attempts, httpStatus, durationMs, error] = row;
  const [createdAt, settledAt] = row.slice(11);
  return {
    batchId: batchId as string,
    runId: runId as string,
    label: label as string,
    operation: operation as BatchRecord['operation'],
    ...(parentId !== null && { parentId: parentId as string }),
    state: state as BatchRecord['state'],
    rows: count as number,
    attempts: attempts as number,
    ...(httpStatus !== null && { httpStatus: httpStatus as number }),
    ...(durationMs !== null && { durationMs: durationMs as number }),
    ...(error !== null && { error: error as string }),
    createdAt: createdAt as Date,
    ...(settledAt !== null && { settledAt: settledAt as Date }),
  };
}
