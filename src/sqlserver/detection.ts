/** How changed rows of a source are found without reading all: which column tells of them, and up to where it does now. */
import { SyncError } from '../sync/errors.ts';
import type { ChosenDetection, IncrementalDetection, Watermark } from '../sync/ports.ts';
import { compareWatermarks, encodeTime } from '../sync/watermark.ts';
import { type SourceColumn, sourceColumn, typeName } from './columns.ts';
import { quoteTableName } from './names.ts';
import { nvarchar } from './parameters.ts';
import type { Session } from './session.ts';
import { named } from './source-description.ts';
import { type SourceEntity, sameName, sourceName } from './source-entity.ts';
import { highestStatement, latestStatement, ROWVERSION_BYTES, type TimeColumn } from './source-statements.ts';
import { errorNumber, isPermissionError } from './statement-error.ts';
import { isTransient } from './transient.ts';

const CONFIGURED = 'the configuration says so';

/** Longest name of an object, in characters. */
const NAME_LENGTH = 128;

/**
 * Chooses as Source.detection says. `connection` is the name in the configuration. Rejects with SyncError
 * SOURCE_COLUMN_MISSING or SOURCE_REFUSED, or with the driver's error.
 */
export async function chooseDetection(
  session: Session,
  connection: string,
  entity: SourceEntity,
): Promise<ChosenDetection> {
  const { method } = entity.detection;
  switch (method) {
    case 'hash':
      return { why: CONFIGURED };
    case 'modifiedAt': {
      const column = entity.detection.column ?? '';
      await timeColumn(session, entity, column);
      return { incremental: { method, column }, why: CONFIGURED };
    }
    case 'rowversion':
      return {
        incremental: { method, column: await configuredRowversion(session, connection, entity) },
        why: CONFIGURED,
      };
    case 'auto':
      return automatic(session, connection, entity);
  }
}

/**
 * The watermark as Source.watermark says, of what chooseDetection chose. Rejects with SyncError SOURCE_COLUMN_MISSING or
 * SOURCE_REFUSED, or with the driver's error.
 */
export async function readWatermark(
  session: Session,
  connection: string,
  entity: SourceEntity,
  { method, column }: IncrementalDetection,
): Promise<Watermark | undefined> {
  if (method === 'modifiedAt') return latestTime(session, entity, column);
  // Connections may lead to another replica by now, after a failover.
  const obstacle = await rowversionObstacle(session, connection);
  if (obstacle !== undefined) throw noRowversion(entity, obstacle);
  const active = (await session.query(MIN_ACTIVE)).rows[0]?.[0] as Watermark;
  const { table } = entity.source;
  if (table !== undefined && (await lookAtTable(session, table)).kind === 'table') return active;
  // Of a view or query nobody knows whose rowversions these are: another database counts by itself.
  const highest = (await session.query(highestStatement(entity, column))).rows[0]?.[0] as Watermark | null;
  return highest !== null && compareWatermarks(highest, active) < 0 ? highest : active;
}

/** Describes a modified-at column. Rejects with SyncError SOURCE_COLUMN_MISSING or SOURCE_REFUSED, or the driver's error. */
export async function timeColumn(session: Session, entity: SourceEntity, name: string): Promise<TimeColumn> {
  const [description] = await named(session, entity, [name]);
  const column = description && sourceColumn(description);
  if (description !== undefined && column !== undefined && isTimeColumn(column)) return column;
  throw new SyncError(
    'SOURCE_REFUSED',
    `${entity.name}: column ${name} of ${sourceName(entity)} has the type ${column?.sqlType ?? (description && typeName(description))}, which holds no time of a change.`,
    'Name a column of the type datetime2, datetime, smalldatetime, datetimeoffset or date in detection.column, or set detection.method to "hash".',
  );
}

function isTimeColumn(column: SourceColumn): column is TimeColumn {
  return column.since !== undefined;
}

/**
 * A time in the future, such as a typing error's 2099, would hide all changes until then, so the watermark never passes the
 * server's clock. Nobody knows whether the column holds local times, UTC or some of both. By the later of the two clocks the
 * changes of hours would be missed in a column of the other; by the earlier, rows of so many hours are compared once more.
 */
async function latestTime(session: Session, entity: SourceEntity, name: string): Promise<Watermark | undefined> {
  const { kind } = await timeColumn(session, entity, name);
  const { rows } = await session.query(latestStatement(entity, name));
  const [latest, local, utc] = rows[0] as readonly [Date | null, Date, Date];
  if (latest === null) return undefined;
  const clock = kind === 'datetimeoffset' ? utc.getTime() : Math.min(local.getTime(), utc.getTime());
  return encodeTime(new Date(Math.min(latest.getTime(), clock)));
}

/** Whether a row may meet the predicate one day and not the next without being modified: by the clock, or other tables. */
function mayChangeByItself(where = ''): boolean {
  return /\(|\bcurrent_timestamp\b/i.test(where);
}

async function automatic(session: Session, connection: string, entity: SourceEntity): Promise<ChosenDetection> {
  const { table } = entity.source;
  if (table === undefined) return { why: 'the source is a query' };
  const found = await lookAtTable(session, table);
  if (found.kind !== 'table') return { why: `${table} ${NO_TABLE[found.kind]}` };
  const column = found.rowversion;
  if (column === undefined) return { why: `${table} has no rowversion column` };
  if (found.isComputed) return { why: `${table} has computed columns, which may change without its row` };
  if (mayChangeByItself(entity.source.where)) {
    return { why: 'source.where calls functions or looks elsewhere, so that rows may come in that are not modified' };
  }
  const obstacle = await rowversionObstacle(session, connection);
  if (obstacle !== undefined) return { why: obstacle };
  try {
    await named(session, entity, [column]);
  } catch (error) {
    if (!isPermissionError(error)) throw error;
    return { why: `the user of connection ${connection} may not read the rowversion column ${column} of ${table}` };
  }
  return { incremental: { method: 'rowversion', column }, why: `${table} has the rowversion column ${column}` };
}

async function configuredRowversion(session: Session, connection: string, entity: SourceEntity): Promise<string> {
  const { table } = entity.source;
  const configured = entity.detection.column;
  const found = table === undefined ? undefined : await lookAtTable(session, table);
  // The watermark would be that of the connection's database, and say nothing of the rows.
  if (found?.kind === 'elsewhere') throw noRowversion(entity, `${table} ${NO_TABLE.elsewhere}`);
  if (configured === undefined && found?.kind !== 'table') {
    throw noRowversion(
      entity,
      found === undefined ? 'the source is a query' : `${table} ${NO_TABLE[found.kind]}`,
      'Name the column in detection.column, or set detection.method to "hash".',
    );
  }
  const column = configured ?? found?.rowversion;
  if (column === undefined) {
    throw new SyncError(
      'SOURCE_COLUMN_MISSING',
      `${entity.name}: ${table} has no rowversion column.`,
      'Have one added (ALTER TABLE … ADD RowVer rowversion), or set detection.method to "hash" or "modifiedAt".',
    );
  }
  const [description] = await named(session, entity, [column]);
  const isRowversion =
    description !== undefined &&
    /^(Var)?Binary$/.test(description.type.name) &&
    description.dataLength === ROWVERSION_BYTES &&
    // Of a table it is known: a copy of another database's rowversion has nothing to do with this one's.
    (found?.kind !== 'table' || (found.rowversion !== undefined && sameName(found.rowversion, column)));
  if (!isRowversion) {
    throw noRowversion(
      entity,
      `column ${column} of ${sourceName(entity)} is no rowversion`,
      'Name a rowversion column in detection.column, or set detection.method to "hash" or "modifiedAt".',
    );
  }
  const obstacle = await rowversionObstacle(session, connection);
  if (obstacle !== undefined) throw noRowversion(entity, obstacle);
  return column;
}

function noRowversion(
  entity: SourceEntity,
  why: string,
  hint = 'Set detection.method to "hash" or "modifiedAt", or connect to the database, on its primary server, that holds the table.',
): SyncError {
  return new SyncError('SOURCE_REFUSED', `${entity.name}: changed rows cannot be found by rowversion: ${why}.`, hint);
}

/** Where a source.table leads. */
interface FoundTable {
  readonly kind: 'table' | keyof typeof NO_TABLE;
  /** A table's rowversion column; it has one at most. */
  readonly rowversion?: string;
  /** Whether a column of it is computed: by the clock, or by a function that reads other tables, perhaps. */
  readonly isComputed: boolean;
}

const NO_TABLE = {
  view: 'is a view',
  synonym: 'is a synonym',
  other: "is no table of the connection's database",
  elsewhere: "is in another database than the connection's",
} as const;

/** Types of objects: https://learn.microsoft.com/sql/relational-databases/system-catalog-views/sys-objects-transact-sql */
const KINDS: Readonly<Record<string, FoundTable['kind']>> = { U: 'table', V: 'view', SN: 'synonym' };

/** https://learn.microsoft.com/sql/relational-databases/system-catalog-views/sys-types-transact-sql, as sys.columns has it */
const ROWVERSION_TYPE_ID = 189;

async function lookAtTable(session: Session, table: string): Promise<FoundTable> {
  const name = quoteTableName(table) ?? '';
  const database = databaseOf(name);
  if (database !== undefined) {
    const { rows } = await session.query('SELECT CASE WHEN DB_ID(@database) = DB_ID() THEN 1 ELSE 0 END', {
      database: nvarchar(database, NAME_LENGTH),
    });
    if (rows[0]?.[0] !== 1) return { kind: 'elsewhere', isComputed: false };
  }
  const { rows } = await session.query(
    `SELECT found.type, version.name,
       (SELECT COUNT(*) FROM sys.columns AS computed
        WHERE computed.object_id = found.object_id AND computed.is_computed = 1)
     FROM sys.objects AS found
     LEFT JOIN sys.columns AS version
       ON version.object_id = found.object_id AND version.system_type_id = ${ROWVERSION_TYPE_ID}
     WHERE found.object_id = OBJECT_ID(@name)`,
    { name: nvarchar(name, 3 * (NAME_LENGTH * 2 + 3)) },
  );
  const [type, rowversion, computed] = (rows[0] ?? []) as readonly [string?, (string | null)?, number?];
  return {
    kind: KINDS[type?.trim() ?? ''] ?? 'other',
    ...(rowversion != null && { rowversion }),
    isComputed: (computed ?? 0) > 0,
  };
}

/** The first of three quoted parts. */
function databaseOf(quoted: string): string | undefined {
  const parts = quoted.match(/\[(?:[^\]]|\]\])*\]|(?<=\.)(?=\.)/g) ?? [];
  return parts.length === 3 ? parts[0].slice(1, -1).replaceAll(']]', ']') : undefined;
}

/** https://learn.microsoft.com/sql/t-sql/functions/min-active-rowversion-transact-sql */
const MIN_ACTIVE = 'SELECT MIN_ACTIVE_ROWVERSION()';

/**
 * Why rowversions are no guide on this connection, as a part of a sentence. On a readable secondary replica
 * MIN_ACTIVE_ROWVERSION knows nothing of the transactions that are open on the primary one; some servers do not know it.
 * https://learn.microsoft.com/sql/t-sql/functions/databasepropertyex-transact-sql
 */
async function rowversionObstacle(session: Session, connection: string): Promise<string | undefined> {
  const { rows } = await session.query(`SELECT CONVERT(nvarchar(60), DATABASEPROPERTYEX(DB_NAME(), 'Updateability'))`);
  if (rows[0]?.[0] === 'READ_ONLY') return `the database of connection ${connection} is read-only`;
  try {
    await session.query(MIN_ACTIVE);
    return undefined;
  } catch (error) {
    // What the number of an unknown function is, differs by server.
    if (errorNumber(error) === undefined || isTransient(error)) throw error;
    return `the server of connection ${connection} does not know MIN_ACTIVE_ROWVERSION()`;
  }
}
