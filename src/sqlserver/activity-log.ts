/** One row of TB_R_Log per batch outcome. The table is shared with other applications; its columns' lengths differ by installation. */
import { SyncError } from '../sync/errors.ts';
import type { Batch, EntityIdentity, Outcome } from '../sync/ports.ts';
import { cut, guid, int, nvarchar, type Parameter } from './parameters.ts';
import type { Session } from './session.ts';
import { activity } from './tracking.ts';

/** Column name in lower case → its length in characters; Infinity for (max) and for what is no text. */
export type LogColumns = ReadonlyMap<string, number>;

/** Throws SyncError LOG_DATABASE_NOT_MIGRATED where there is no such table. */
export async function readLogColumns(session: Session): Promise<LogColumns> {
  const { rows } = await session.query(
    `SELECT COLUMN_NAME, CHARACTER_MAXIMUM_LENGTH FROM INFORMATION_SCHEMA.COLUMNS
     WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'TB_R_Log'`,
  );
  if (rows.length === 0) {
    throw new SyncError(
      'LOG_DATABASE_NOT_MIGRATED',
      'The log database has no table dbo.TB_R_Log.',
      'Check the database in the connection string; where it is right, run `tamhr-sync migrate`.',
    );
  }
  return new Map(
    rows.map(([name, length]) => [
      (name as string).toLowerCase(),
      length === null || length === -1 ? Number.POSITIVE_INFINITY : Number(length),
    ]),
  );
}

/** What a row of TB_R_Log tells. */
export interface LogEntry {
  readonly entity: EntityIdentity;
  readonly runId: string;
  readonly host: string;
  readonly batch: Pick<Batch, 'id' | 'keys'>;
  readonly outcome: Outcome;
}

/** Writes the row; texts are cut to the columns, and columns that this installation lacks are left out. */
export async function logOutcome(session: Session, columns: LogColumns, entry: LogEntry): Promise<void> {
  const texts = entryTexts(entry, columns.get('additionalinformation') ?? Number.POSITIVE_INFINITY);
  const values: Record<string, Parameter | string> = {
    ID: guid(crypto.randomUUID()),
    RowStatus: int(1),
    CreatedOn: 'SYSUTCDATETIME()',
    ModifiedOn: 'SYSUTCDATETIME()',
  };
  for (const [name, text] of Object.entries(texts)) {
    values[name] = nvarchar(text, columns.get(name.toLowerCase()) ?? Number.POSITIVE_INFINITY);
  }
  const present = Object.entries(values).filter(([name]) => columns.has(name.toLowerCase()));
  const names = present.map(([name]) => name).join(', ');
  const list = present.map(([name, value]) => (typeof value === 'string' ? value : `@${name}`)).join(', ');
  const parameters = Object.fromEntries(
    present.filter((value): value is [string, Parameter] => typeof value[1] !== 'string'),
  );
  await session.query(`INSERT INTO dbo.TB_R_Log (${names}) VALUES (${list})`, parameters);
}

function entryTexts({ entity, runId, host, batch, outcome }: LogEntry, length: number): Record<string, string | null> {
  const error = outcome.attempts.findLast((attempt) => attempt.error !== undefined)?.error;
  const accepted = outcome.state === 'accepted';
  return {
    ApplicationName: 'tamhr-sync',
    ApplicationModule: 'tamhr-sync',
    LogID: batch.id,
    LogCategory: 'DataSync',
    Activity: activity(entity),
    IPHostName: host,
    Status: accepted ? 'Success' : 'Failure',
    AdditionalInformation: information({ entity, runId, batch, outcome }, length),
    ExceptionMessage: accepted ? null : (error ?? null),
    CreatedBy: 'System',
    ModifiedBy: 'System',
  };
}

/** JSON, without its attempts where the column is too short for them: cut JSON is none. */
function information({ entity, runId, batch, outcome }: Omit<LogEntry, 'host'>, length: number): string {
  const { attempts } = outcome;
  const facts = {
    EndpointUrl: publicUrl(entity.destination.url),
    BatchSize: entity.destination.batchSize,
    HttpResponseCode: attempts.at(-1)?.status ?? null,
    DurationMs: totalDurationMs(outcome),
    RowsInBatch: batch.keys.length,
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

/** An address without user, password and the values of its query, which may be keys. */
function publicUrl(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  for (const name of [...url.searchParams.keys()]) url.searchParams.set(name, '***');
  url.hash = '';
  return url.href;
}
