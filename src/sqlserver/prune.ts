/**
 * Removing history by age: runs, settled batches, and of TB_R_Log, which other applications share, the rows that this tool
 * wrote.
 */
import { SyncError } from '../sync/errors.ts';
import type { Pruned, PruneOptions } from '../sync/ledger-store.ts';
import { APPLICATION_NAME, LOG_CATEGORY, readLogColumns } from './activity-log.ts';
import { RUNS_SEARCHED } from './history.ts';
import { deleteListed, type KeyedTable } from './listed-rows.ts';
import { datetime2 } from './parameters.ts';
import type { Repeat } from './repeat.ts';
import type { Session } from './session.ts';
import { errorText, isPermissionError } from './statement-error.ts';

/** A table, and the rows of it that ended before `@before`. */
interface History extends KeyedTable {
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

/**
 * A run that died has no end; a day after its start it has none to come. Whatever their age there stay the runs that
 * `status` looks at, the last one that ended well, and those that an entity names.
 */
const RUNS: History = {
  table: 'dbo.TB_R_SYNC_RUN',
  key: 'RunId',
  condition: `COALESCE(FinishedAt, DATEADD(day, 1, StartedAt)) < @before
    AND RunId NOT IN (SELECT TOP (${RUNS_SEARCHED}) RunId FROM dbo.TB_R_SYNC_RUN ORDER BY StartedAt DESC, RunId)
    AND RunId NOT IN (SELECT TOP (1) RunId FROM dbo.TB_R_SYNC_RUN WHERE ExitCode = 0 ORDER BY StartedAt DESC, RunId)
    AND NOT EXISTS (SELECT 1 FROM dbo.TB_R_SYNC_ENTITY AS e WHERE e.OwnerRunId = TB_R_SYNC_RUN.RunId)`,
};

/**
 * LedgerStore.prune. Throws SyncError LOG_DATABASE_REFUSED where the login lacks the right to delete, with nothing deleted
 * where it is TB_R_Log's; else what the session rejects with. `repeat` does one DELETE again.
 */
export async function pruneHistory(
  session: Session,
  { before, dryRun }: PruneOptions,
  connectionName: string,
  repeat: Repeat,
): Promise<Pruned> {
  const prune = (history: History) =>
    dryRun ? count(session, history, before) : remove(session, history, before, connectionName, repeat);
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
  history: History,
  before: Date,
  connectionName: string,
  repeat: Repeat,
): Promise<number> {
  const { table, key, condition } = history;
  return deleteListed(session, repeat, {
    from: history,
    wanted: `SELECT ${key} AS Id FROM ${table} WHERE ${condition}`,
    parameters: { before: datetime2(before) },
    each: (removeChunk) =>
      removeChunk().catch((error) => {
        throw isPermissionError(error) ? deleteDenied(error, table, connectionName) : error;
      }),
  });
}

function deleteDenied(error: unknown, table: string, connectionName: string): SyncError {
  return new SyncError(
    'LOG_DATABASE_REFUSED',
    `Connection ${connectionName}: its user may not delete rows of ${table}: ${errorText(error)}`,
    `Have DELETE on ${table} granted to that user, or have a DBA remove old rows.`,
    { cause: error },
  );
}
