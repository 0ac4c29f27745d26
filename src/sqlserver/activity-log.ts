/**
 * One row of TB_R_Log per batch outcome. The table is shared with other applications, and its columns' lengths differ by
 * installation.
 */
import { randomUUID } from 'node:crypto';
import { reasonOf } from '../sync/outcome.ts';
import type { Batch, EntityIdentity, Outcome } from '../sync/ports.ts';
import { cut, guid, int, nvarchar, type Parameter, type Statement } from './parameters.ts';
import { type ColumnDescription, MAX_LENGTH, type Session } from './session.ts';
import { activity, columnsOf } from './tracking.ts';

/** What tells the rows of this tool from those of others. */
export const APPLICATION_NAME = 'tamhr-sync';
/** LogCategory of batch outcomes, from whichever job. */
export const LOG_CATEGORY = 'DataSync';

/** A column of TB_R_Log. */
interface LogColumn {
  /** In characters, for char and varchar in bytes; Infinity for (max) and for what is no text. */
  readonly length: number;
  /** char or varchar. */
  readonly narrow: boolean;
}

/** The columns by name in lower case. */
export type LogColumns = ReadonlyMap<string, LogColumn>;

/** Throws SyncError LOG_DATABASE_NOT_MIGRATED where there is no such table. */
export async function readLogColumns(session: Session, connectionName: string): Promise<LogColumns> {
  const columns = await columnsOf(session, 'dbo.TB_R_Log', connectionName);
  return new Map(columns.map((column) => [column.colName.toLowerCase(), logColumn(column)]));
}

function logColumn({ type, dataLength = MAX_LENGTH }: ColumnDescription): LogColumn {
  const narrow = type.name === 'VarChar' || type.name === 'Char';
  const wide = type.name === 'NVarChar' || type.name === 'NChar';
  const unlimited = dataLength === MAX_LENGTH || !(narrow || wide);
  return { length: unlimited ? Number.POSITIVE_INFINITY : dataLength / (wide ? 2 : 1), narrow };
}

/** What a row of TB_R_Log tells. */
export interface LogEntry {
  readonly entity: EntityIdentity;
  readonly runId: string;
  readonly host: string;
  readonly batch: Pick<Batch, 'id' | 'operation' | 'keys'>;
  readonly outcome: Outcome;
  /** Rows of the batch that became dead letters. */
  readonly rowsRefused?: number;
}

/** Writes the row; texts are cut to the columns, and columns that this installation lacks are left out. */
export function logOutcome(columns: LogColumns, entry: LogEntry): Statement {
  const columnOf = (name: string) => columns.get(name.toLowerCase());
  const lengthOf = (name: string) => columnOf(name)?.length ?? Number.POSITIVE_INFINITY;
  const values: Record<string, string> = {};
  const parameters: Record<string, Parameter> = {};
  const add = (name: string, parameter: Parameter) => {
    if (columnOf(name) === undefined) return;
    parameters[name] = parameter;
    values[name] = textValue(name, columnOf(name));
  };
  add('ID', guid(randomUUID()));
  add('RowStatus', int(1));
  for (const [name, text] of Object.entries(entryTexts(entry, lengthOf('AdditionalInformation')))) {
    add(name, nvarchar(text, lengthOf(name)));
  }
  for (const name of ['CreatedOn', 'ModifiedOn']) if (columnOf(name)) values[name] = 'SYSUTCDATETIME()';
  return {
    sql: `INSERT INTO dbo.TB_R_Log (${Object.keys(values).join(', ')}) VALUES (${Object.values(values).join(', ')})`,
    parameters,
  };
}

/** A character may take several bytes of a varchar column; unlike an assignment, CAST cuts what does not fit. */
function textValue(name: string, column: LogColumn | undefined): string {
  return column?.narrow && Number.isFinite(column.length) ? `CAST(@${name} AS varchar(${column.length}))` : `@${name}`;
}

function entryTexts(entry: LogEntry, length: number): Record<string, string | null> {
  const { entity, host, batch, outcome } = entry;
  return {
    ApplicationName: APPLICATION_NAME,
    ApplicationModule: APPLICATION_NAME,
    LogID: batch.id,
    LogCategory: LOG_CATEGORY,
    Activity: activity(entity),
    IPHostName: host,
    Status: outcome.state === 'accepted' ? 'Success' : 'Failure',
    AdditionalInformation: information(entry, length),
    ExceptionMessage: reasonOf(outcome) ?? null,
    CreatedBy: 'System',
    ModifiedBy: 'System',
  };
}

/** JSON, without its attempts where the column is too short for them: cut JSON is none. */
function information({ entity, runId, batch, outcome, rowsRefused = 0 }: LogEntry, length: number): string {
  const { attempts } = outcome;
  const isDeletion = batch.operation === 'delete';
  const { url } = isDeletion && entity.deleted !== undefined ? entity.deleted : entity.destination;
  const facts = {
    EndpointUrl: publicUrl(url),
    ...(isDeletion && { Operation: batch.operation }),
    BatchSize: entity.destination.batchSize,
    HttpResponseCode: attempts.at(-1)?.status ?? null,
    DurationMs: totalDurationMs(outcome),
    RowsInBatch: batch.keys.length,
    ...(rowsRefused > 0 && { RowsRefused: rowsRefused }),
    Outcome: outcome.state,
    BatchId: batch.id,
    RunId: runId,
  };
  const full = JSON.stringify({
    ...facts,
    Attempts: attempts.map(({ status, durationMs, error }) => ({ status, durationMs: Math.round(durationMs), error })),
  });
  return full.length <= length ? full : cut(JSON.stringify(facts), length);
}

/** The time of all attempts together, in whole milliseconds. */
export function totalDurationMs({ attempts }: Outcome): number {
  return Math.round(attempts.reduce((sum, { durationMs }) => sum + durationMs, 0));
}

/** An address without user, password and the values of its query, which may be keys; `{key}` is as it was configured. */
function publicUrl(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  for (const name of [...url.searchParams.keys()]) url.searchParams.set(name, '***');
  url.hash = '';
  return url.href.replaceAll('%7Bkey%7D', '{key}');
}
