/** A table, view or query as a Source: described once, then read by keyset pages. */
import type { Entity, SourceConfig } from '../sync/entity.ts';
import { SyncError } from '../sync/errors.ts';
import type { Row, Source } from '../sync/ports.ts';
import { type SourceColumn, sourceColumn, typeName } from './columns.ts';
import { quoteName, quoteTableName } from './names.ts';
import { int, type Parameter } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { ColumnDescription, Session } from './session.ts';
import { ERROR_NUMBERS, errorNumber, errorText, isPermissionError } from './statement-error.ts';

/** What the source needs to know of its entity. */
export type SourceEntity = Pick<Entity, 'name' | 'source'>;

/**
 * The rows of an entity. Reads `columns` and the key's, or every column where `columns` is absent.
 *
 * Its methods throw SyncError: SOURCE_UNAVAILABLE, SOURCE_MISSING (no such table), SOURCE_COLUMN_MISSING,
 * SOURCE_KEY_INVALID (no key type), SOURCE_REFUSED (permission, type that cannot be read, error of the server's).
 */
export function createSource(pool: Pool, entity: SourceEntity, columns?: readonly string[]): Source {
  const { source } = entity;
  let described: Promise<Description> | undefined;
  const description = () => {
    described ??= onSession((session) => describe(session, pool.settings.name, entity, columns)).catch((error) => {
      described = undefined;
      throw error;
    });
    return described;
  };

  /** Errors of the server's are told in terms of the entity. */
  async function onSession<T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const translated = async (session: Session) => {
      try {
        return await work(session);
      } catch (error) {
        throw sourceError(error, entity, pool.settings.name);
      }
    };
    return pool.repeating(translated, signal && { signal });
  }

  return {
    async describe() {
      return (await description()).columns;
    },
    async page(from, limit, signal) {
      const { columns, key } = await description();
      const { sql, parameters } = pageStatement(entity, columns, key, from);
      const { rows } = await onSession(
        (session) => session.query(sql, { limit: int(limit), ...parameters }, signal),
        signal,
      );
      return convertCells(rows, columns);
    },
    async count(atMost) {
      const filter = where(source.where === undefined ? [] : [predicate(source.where)]);
      const rows = `${rowSet(entity)}${filter}`;
      const { rows: counted } = await onSession((session) =>
        atMost === undefined
          ? session.query(`SELECT COUNT_BIG(*) FROM ${rows}`)
          : session.query(`SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS present FROM ${rows}) AS counted`, {
              limit: int(atMost),
            }),
      );
      return Number(counted[0]?.[0]);
    },
  };
}

interface Description {
  readonly columns: readonly SourceColumn[];
  /** In the order of the entity's key. */
  readonly key: readonly KeyColumn[];
}

type KeyColumn = SourceColumn & { readonly parameter: NonNullable<SourceColumn['parameter']> };

/** Named columns are asked for by name: some users may read these and no others. */
async function describe(
  session: Session,
  connection: string,
  entity: SourceEntity,
  names: readonly string[] | undefined,
): Promise<Description> {
  const wanted = names && [...names, ...entity.source.key.filter((key) => !names.some((name) => sameName(name, key)))];
  const described = wanted === undefined ? await head(session, entity, '*') : await named(session, entity, wanted);
  const columns = described.map((description) => {
    const column = sourceColumn(description);
    if (column !== undefined) return column;
    throw new SyncError(
      'SOURCE_REFUSED',
      `${entity.name}: column ${description.colName} of ${sourceName(entity.source)} has the type ${typeName(description)}, which cannot be read.`,
      'Leave it out by naming source.columns, or convert it in a view or in source.query.',
    );
  });
  const key = keyColumns(entity, columns);
  refuseOtherCodePages(entity, key, session.codePage, connection);
  return { columns, key };
}

async function head(session: Session, entity: SourceEntity, list: string): Promise<readonly ColumnDescription[]> {
  return (await session.query(`SELECT TOP (0) ${list} FROM ${rowSet(entity)}`)).columns;
}

async function named(
  session: Session,
  entity: SourceEntity,
  names: readonly string[],
): Promise<readonly ColumnDescription[]> {
  try {
    return await head(session, entity, names.map(quoteName).join(', '));
  } catch (error) {
    // Which of them is missing, the server says for one at a time at best.
    if (!mayBeMissingColumn(error)) throw error;
    const present = (await head(session, entity, '*')).map(({ colName }) => colName);
    const missing = names.filter((name) => !present.some((other) => sameName(other, name)));
    if (missing.length === 0) throw error;
    throw columnsMissing(entity, missing, present);
  }
}

function mayBeMissingColumn(error: unknown): boolean {
  const number = errorNumber(error);
  return number === ERROR_NUMBERS.invalidColumn || (number === ERROR_NUMBERS.babelfish && !isPermissionError(error));
}

function keyColumns(entity: SourceEntity, columns: readonly SourceColumn[]): KeyColumn[] {
  const { key } = entity.source;
  const found = key.map((name) => columns.find((column) => sameName(column.name, name)));
  const missing = key.filter((_, index) => found[index] === undefined);
  if (missing.length > 0) {
    throw columnsMissing(
      entity,
      missing,
      columns.map(({ name }) => name),
    );
  }
  return (found as SourceColumn[]).map((column) => {
    if (column.parameter !== undefined) return column as KeyColumn;
    throw new SyncError(
      'SOURCE_KEY_INVALID',
      `${entity.name}: the key column ${column.name} has the type ${column.sqlType}, which cannot be a key.`,
      'Key columns are of the types tinyint, smallint, int, bigint, uniqueidentifier, char, varchar, nchar, nvarchar (not max) and date.',
    );
  });
}

/** A key that its parameter's code page has no characters for would come back as another one: pages would repeat or skip rows. */
function refuseOtherCodePages(
  entity: SourceEntity,
  key: readonly KeyColumn[],
  codePage: string | undefined,
  connection: string,
): void {
  for (const column of key) {
    if (column.codePage === undefined || column.codePage === codePage) continue;
    throw new SyncError(
      'SOURCE_KEY_INVALID',
      `${entity.name}: the key column ${column.name} is text in the code page ${column.codePage}, while that of the database of connection ${connection} is ${codePage ?? 'unknown'}.`,
      `Use a source.query that converts it, such as SELECT CONVERT(n${column.sqlType}, ${column.name}) AS ${column.name}, … FROM …`,
    );
  }
}

/** `a >= @from0 AND (a > @from0 OR (a = @from0 AND b >= @from1))`: the first term is what an index can seek. */
function pageStatement(
  entity: SourceEntity,
  columns: readonly SourceColumn[],
  key: readonly KeyColumn[],
  from: Row | undefined,
): { readonly sql: string; readonly parameters: Readonly<Record<string, Parameter>> } {
  const predicates = entity.source.where === undefined ? [] : [predicate(entity.source.where)];
  const parameters: Record<string, Parameter> = {};
  if (from !== undefined) {
    for (const [index, column] of key.entries()) {
      parameters[`from${index}`] = column.parameter(from[index] ?? null);
    }
    const names = key.map((column) => quoteName(column.name));
    if (names.length > 1) predicates.push(`${names[0]} >= @from0`);
    predicates.push(atOrBeyond(names, 0));
  }
  const list = columns.map((column) => column.expression).join(', ');
  const order = key.map((column) => quoteName(column.name)).join(', ');
  return {
    sql: `SELECT TOP (@limit) ${list} FROM ${rowSet(entity)}${where(predicates)} ORDER BY ${order}`,
    parameters,
  };
}

function atOrBeyond(names: readonly string[], index: number): string {
  const name = names[index];
  if (index === names.length - 1) return `${name} >= @from${index}`;
  return `(${name} > @from${index} OR (${name} = @from${index} AND ${atOrBeyond(names, index + 1)}))`;
}

/** What follows FROM. A query and its comments end before the parenthesis. */
function rowSet(entity: SourceEntity): string {
  const { table, query } = entity.source;
  if (query !== undefined) return `(\n${query.replace(/[\s;]+$/, '')}\n) AS source`;
  const name = quoteTableName(table ?? '');
  if (name !== undefined) return name;
  throw new SyncError(
    'SOURCE_MISSING',
    `${entity.name}: ${table} is no name of a table.`,
    'Write source.table as schema.table, parts with special characters in brackets: [my schema].[my.table].',
  );
}

function predicate(text: string): string {
  return `(\n${text}\n)`;
}

function where(predicates: readonly string[]): string {
  return predicates.length === 0 ? '' : ` WHERE ${predicates.join(' AND ')}`;
}

function convertCells(rows: readonly Row[], columns: readonly SourceColumn[]): Row[] {
  const converted = columns.flatMap(({ cell }, index) => (cell === undefined ? [] : [{ cell, index }]));
  if (converted.length === 0) return rows as Row[];
  return rows.map((row) => {
    const copy = [...row];
    for (const { cell, index } of converted) copy[index] = cell(copy[index] ?? null);
    return copy;
  });
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function sourceName({ table }: SourceConfig): string {
  return table ?? 'the query';
}

function columnsMissing(entity: SourceEntity, missing: readonly string[], present: readonly string[]): SyncError {
  return new SyncError(
    'SOURCE_COLUMN_MISSING',
    `${entity.name}: ${sourceName(entity.source)} has no column ${missing.join(', ')}.`,
    `Its columns are: ${present.join(', ')}.`,
  );
}

/** What the driver rejected with, in terms of the entity where the number tells; else as it is. */
function sourceError(error: unknown, entity: SourceEntity, connection: string): unknown {
  const number = errorNumber(error);
  if (number === undefined) return error;
  const name = sourceName(entity.source);
  if (number === ERROR_NUMBERS.invalidObject) {
    return new SyncError(
      'SOURCE_MISSING',
      `${entity.name}: ${name} is not there on connection ${connection}: ${errorText(error)}`,
      'Check source.table (or the tables in source.query), the database in the connection string, and that its user may see the table.',
      { cause: error },
    );
  }
  if (isPermissionError(error)) {
    return new SyncError(
      'SOURCE_REFUSED',
      `${entity.name}: the user of connection ${connection} may not read ${name}: ${errorText(error)}`,
      'Have SELECT on it granted to that user.',
      { cause: error },
    );
  }
  return new SyncError(
    'SOURCE_REFUSED',
    `${entity.name}: reading ${name} failed with error ${number}: ${errorText(error)}`,
    `Try source.table or source.query, and source.where, by hand on connection ${connection}.`,
    { cause: error },
  );
}
