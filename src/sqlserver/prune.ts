/**
 * Removing history by age: runs, settled batches, and of TB_R_Log, which other applications share, the rows that this tool
 * wrote.
 */
import { SyncError } from '../sync/errors.ts';
import type { Pruned, PruneOptions } from '../sync/ledger-store.ts';
import { APPLICATION_NAME, LOG_CATEGORY, readLogColumns } from './activity-log.ts';
import { CHUNK_ROWS } from './ledger-changes.ts';
import { datetime2, int } from './parameters.ts';
import type { Session } from './session.ts';
import { errorText, isPermissionError } from './statement-error.ts';

/** A table, and the rows of it that ended before `@before`. */
interface History {
  readonly table: 'dbo.TB_R_Log' | 'dbo.TB_R_SYNC_BATCH' | 'dbo.TB_R_SYNC_RUN';
  /** Its primary key. */
  readonly key: string;
  readonly condition: string;
}

const LOG: History = {
  table: 'dbo.TB_R_Log',
  key: 'ID',
  condition: `ApplicationName = N'${APPLICATION_NAME}' AND LogCategory = N'${LOG_CATEGORY}' AND CreatedOn < CAST(@before AS datetime)`,
};

const BATCHES: History = {
  table: 'dbo.TB_R_SYNC_BATCH',
  key: 'BatchId',
  condition: "State <> N'sending' AND SettledAt < @before",
};

/** A run that died has no end; a day after its start it has none to come. */
const RUNS: History = {
  table: 'dbo.TB_R_SYNC_RUN',
  key: 'RunId',
  condition: `COALESCE(FinishedAt, DATEADD(day, 1, StartedAt)) < @before
    AND NOT EXISTS (SELECT 1 FROM dbo.TB_R_SYNC_ENTITY AS e WHERE e.OwnerRunId = TB_R_SYNC_RUN.RunId)`,
};

/**
 * LedgerStore.prune. Throws SyncError LOG_DATABASE_REFUSED where the login lacks the right to delete, with nothing deleted
 * where it is TB_R_Log's; else what the session rejects with.
 */
export async function pruneHistory(
  session: Session,
  { before, dryRun }: PruneOptions,
  connectionName: string,
): Promise<Pruned> {
  const prune = (history: History) =>
    dryRun ? count(session, history, before) : remove(session, history, before, connectionName);
  // First, since it is where a right is most likely lacking.
  const logEntries = (await canTellOwnRows(session, connectionName)) ? await prune(LOG) : 0;
  return { logEntries, batches: await prune(BATCHES), runs: await prune(RUNS) };
}

/** An installation may lack one of the columns; where one is too short for the tool's name, rows do not match it. */
async function canTellOwnRows(session: Session, connectionName: string): Promise<boolean> {
  const columns = await readLogColumns(session, connectionName);
  return ['applicationname', 'logcategory', 'createdon'].every((name) => columns.has(name));
}

async function count(session: Session, { table, condition }: History, before: Date): Promise<number> {
  const { rows } = await session.query(`SELECT COUNT_BIG(*) FROM ${table} WHERE ${condition}`, {
    before: datetime2(before),
  });
  return Number(rows[0]?.[0]);
}

async function remove(
  session: Session,
  { table, key, condition }: History,
  before: Date,
  connectionName: string,
): Promise<number> {
  let removed = 0;
  for (;;) {
    const { rowCount } = await session
      .query(
        `DELETE FROM ${table}
         WHERE ${key} IN (SELECT TOP (@rows) ${key} FROM ${table} WHERE ${condition} ORDER BY ${key})`,
        {
          rows: int(CHUNK_ROWS),
          before: datetime2(before),
        },
      )
      .catch((error) => {
        throw isPermissionError(error) ? deleteDenied(error, table, connectionName) : error;
      });
    removed += rowCount;
    if (rowCount < CHUNK_ROWS) return removed;
  }
}

function deleteDenied(error: unknown, table: string, connectionName: string): SyncError {
  return new SyncError(
    'LOG_DATABASE_REFUSED',
    `Connection ${connectionName}: its user may not delete rows of ${table}: ${errorText(error)}`,
    `Have DELETE on ${table} granted to that user, or have a DBA remove old rows.`,
    { cause: error },
  );
}
