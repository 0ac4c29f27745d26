/** TB_R_SYNC_BATCH, a statement a function: how a batch is stored, kept, ended and read again. ledger.ts has the transactions. */
import type { BatchRecord, UnresolvedKeys } from '../sync/ledger-store.ts';
import { reasonOf } from '../sync/outcome.ts';
import type { Batch, Doubt, Operation, Outcome, Row, UnresolvedBatch } from '../sync/ports.ts';
import { totalDurationMs } from './activity-log.ts';
import { binary, blob, guid, int, nvarchar, type Parameter, type Parameters, type Statement } from './parameters.ts';
import type { Session } from './session.ts';
import { type StoredBatch, unpackBatch, unpackKeys } from './stored-batch.ts';
import { placeholders } from './tracking.ts';

/** Whose batch a row is. */
interface Owner {
  readonly run: Parameter;
  readonly entityType: Parameter;
  /** BatchId of the batch that this one is a half of. */
  readonly parentId?: string;
}

/** Stores it as `sending`; `stored` is what packBatch made of it, `place` tells several in one query apart. */
export function insertBatch(batch: Batch, stored: StoredBatch, owner: Owner, place = 0): Statement {
  return {
    sql: `INSERT INTO dbo.TB_R_SYNC_BATCH
       (BatchId, RunId, EntityType, Operation, ParentId, State, RowsInBatch, BodyHash, Body, RowKeys, Attempts, RunsTried, CreatedAt)
     VALUES (@batch${place}, @run, @entityType, @operation, @parent, N'sending',
       @rows${place}, @bodyHash${place}, @body${place}, @rowKeys${place}, 0, 1, SYSUTCDATETIME())`,
    parameters: {
      run: owner.run,
      entityType: owner.entityType,
      operation: nvarchar(batch.operation, 20),
      parent: guid(owner.parentId ?? null),
      [`batch${place}`]: guid(batch.id),
      [`rows${place}`]: int(batch.keys.length),
      [`bodyHash${place}`]: binary(stored.bodyHash, 32),
      [`body${place}`]: blob(stored.body),
      [`rowKeys${place}`]: blob(stored.rowKeys),
    },
  };
}

/** Removes it, unless it was ended. */
export function deleteBatch(batch: Batch): Statement {
  return {
    sql: "DELETE FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = @batch AND State = N'sending'",
    parameters: { batch: guid(batch.id) },
  };
}

/** Gives it the outcome's state, and clears body and keys; changes no row where it was ended before. */
export function endBatch(batch: Batch, outcome: Outcome, run: Parameter): Statement {
  return {
    sql: `UPDATE dbo.TB_R_SYNC_BATCH
     SET State = @state, Attempts = Attempts + @attempts,
       RunsTried = RunsTried + CASE WHEN RunId = @run OR LastRunId = @run THEN 0 ELSE 1 END,
       HttpStatus = @httpStatus, DurationMs = @durationMs, Error = @error,
       SettledAt = SYSUTCDATETIME(), Body = NULL, RowKeys = NULL
     WHERE BatchId = @batch AND State = N'sending'`,
    parameters: { batch: guid(batch.id), run, state: nvarchar(outcome.state, 20), ...outcomeParameters(outcome) },
  };
}

/** Records that its outcome is unknown; changes no row where this run has recorded it before, or the batch was ended. */
export function recordUnknown(batch: Batch, outcome: Outcome, doubt: Doubt, run: Parameter): Statement {
  return {
    sql: `UPDATE dbo.TB_R_SYNC_BATCH
     SET Attempts = Attempts + @attempts, RunsTried = RunsTried + CASE WHEN RunId = @run THEN 0 ELSE 1 END,
       HttpStatus = @httpStatus, DurationMs = @durationMs, Error = @error,
       LastRunId = @run, RefusedRuns = @refusedRuns, ServerErrorRuns = @serverErrorRuns
     WHERE BatchId = @batch AND State = N'sending' AND (LastRunId IS NULL OR LastRunId <> @run)`,
    parameters: {
      batch: guid(batch.id),
      run,
      refusedRuns: int(doubt.refusedRuns),
      serverErrorRuns: int(doubt.serverErrorRuns),
      ...outcomeParameters(outcome),
    },
  };
}

function outcomeParameters(outcome: Outcome): Parameters {
  return {
    attempts: int(outcome.attempts.length),
    httpStatus: int(outcome.attempts.at(-1)?.status ?? null),
    durationMs: int(totalDurationMs(outcome)),
    error: nvarchar(reasonOf(outcome) ?? null, Number.POSITIVE_INFINITY),
  };
}

/** BatchIds of what is `sending` under any of the labels: those tried in the fewest runs first, of these the oldest. */
export async function unresolvedIds(session: Session, labels: Parameters): Promise<readonly string[]> {
  const { rows } = await session.query(
    `SELECT BatchId FROM dbo.TB_R_SYNC_BATCH
     WHERE EntityType IN (${placeholders(labels)}) AND State = N'sending' ORDER BY RunsTried, CreatedAt, BatchId`,
    labels,
  );
  return rows.map(([id]) => id as string);
}

/** Undefined where it is no longer `sending`. Throws SyncError LOG_DATABASE_REFUSED where it is damaged. */
export async function readUnresolved(session: Session, id: string): Promise<UnresolvedBatch | undefined> {
  const { rows } = await session.query(
    `SELECT Operation, Body, RowKeys, BodyHash, CreatedAt, RefusedRuns, ServerErrorRuns
     FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = @batch AND State = N'sending'`,
    { batch: guid(id) },
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const [operation, body, rowKeys, bodyHash] = row as [Operation, Uint8Array | null, Uint8Array | null, Uint8Array];
  const [createdAt, refusedRuns, serverErrorRuns] = row.slice(4) as [Date, number | null, number | null];
  return {
    batch: await unpackBatch(id, operation, { body, rowKeys, bodyHash }),
    createdAt,
    doubt: { refusedRuns: refusedRuns ?? 0, serverErrorRuns: serverErrorRuns ?? 0 },
  };
}

const RECORD_COLUMNS = 'BatchId, RunId, Operation, State, CreatedAt, SettledAt, HttpStatus';

/** Undefined where there is none. */
export async function readBatchRecord(session: Session, id: string): Promise<BatchRecord | undefined> {
  const { rows } = await session.query(`SELECT ${RECORD_COLUMNS} FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = @batch`, {
    batch: guid(id),
  });
  return rows[0] && recordOf(rows[0]);
}

/** Undefined where it is no longer `sending`. Throws SyncError LOG_DATABASE_REFUSED where its keys are damaged. */
export async function readUnresolvedKeys(session: Session, id: string): Promise<UnresolvedKeys | undefined> {
  const { rows } = await session.query(
    `SELECT RowKeys, ${RECORD_COLUMNS} FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = @batch AND State = N'sending'`,
    { batch: guid(id) },
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const [rowKeys, ...record] = row;
  return { record: recordOf(record), keys: await unpackKeys(id, rowKeys as Uint8Array | null) };
}

function recordOf([id, runId, operation, state, createdAt, settledAt = null, httpStatus = null]: Row): BatchRecord {
  return {
    id: id as string,
    runId: runId as string,
    operation: operation as Operation,
    state: state as string,
    createdAt: createdAt as Date,
    ...(settledAt !== null && { settledAt: settledAt as Date }),
    ...(httpStatus !== null && { httpStatus: httpStatus as number }),
  };
}
