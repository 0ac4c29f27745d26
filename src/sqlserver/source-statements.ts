/** The statements that read a source's rows: by pages, by keys, and their number. */
import { createHash } from 'node:crypto';
import type { PageFilter, Row } from '../sync/ports.ts';
import { decodeTime } from '../sync/watermark.ts';
import type { SourceColumn } from './columns.ts';
import { quoteName } from './names.ts';
import { binary, int, type Parameter, type Statement } from './parameters.ts';
import type { KeyColumn } from './source-description.ts';
import { rowSet, type SourceEntity } from './source-entity.ts';
import type { TemporaryTable } from './temporary-table.ts';

/** The bytes of a rowversion: https://learn.microsoft.com/sql/t-sql/data-types/rowversion-transact-sql */
export const ROWVERSION_BYTES = 8;

/** A predicate over the source's columns, with its parameters. */
export type Predicate = Statement;

/**
 * At most `limit` rows from the key `from` on, in the key's order: those of `where`, and of `since` where it is there.
 * `a >= @from0 AND (a > @from0 OR (a = @from0 AND b >= @from1))`: the first term is what an index can seek.
 */
export function pageStatement(
  entity: SourceEntity,
  columns: readonly SourceColumn[],
  key: readonly KeyColumn[],
  { from, limit, since }: { readonly from: Row | undefined; readonly limit: number; readonly since?: Predicate },
): Statement {
  const predicates = since === undefined ? [] : [since.sql];
  const parameters: Record<string, Parameter> = { limit: int(limit), ...since?.parameters };
  if (from !== undefined) {
    for (const [index, column] of key.entries()) {
      parameters[`from${index}`] = { ...column.key, value: from[index] ?? null };
    }
    const names = key.map((column) => quoteName(column.name));
    if (names.length > 1) predicates.push(`${names[0]} >= @from0`);
    predicates.push(atOrBeyond(names, 0));
  }
  const order = key.map((column) => quoteName(column.name)).join(', ');
  return {
    sql: `SELECT TOP (@limit) ${list(columns)} FROM ${rows(entity, predicates)} ORDER BY ${order}`,
    parameters,
  };
}

function atOrBeyond(names: readonly string[], index: number): string {
  const name = names[index];
  if (index === names.length - 1) return `${name} >= @from${index}`;
  return `(${name} > @from${index} OR (${name} = @from${index} AND ${atOrBeyond(names, index + 1)}))`;
}

/** Rows whose rowversion is the watermark's or higher: MIN_ACTIVE_ROWVERSION is the first that was not committed. */
export function sinceRowversion({ column, from }: Since): Predicate {
  return { sql: `${quoteName(column)} >= @since`, parameters: { since: binary(from, ROWVERSION_BYTES) } };
}

/**
 * Rows whose time is `overlapMinutes` before the watermark or later; those without a time may have been changed at any.
 * Undefined where that is so early that all rows are meant.
 */
export function sinceTime({ column, from }: Since, time: TimeColumn, overlapMinutes: number): Predicate | undefined {
  const name = quoteName(column);
  const since = time.since(new Date(decodeTime(from).getTime() - overlapMinutes * 60_000));
  return since && { sql: `(${name} >= @since OR ${name} IS NULL)`, parameters: { since } };
}

type Since = NonNullable<PageFilter['since']>;

/** A column that holds dates. */
export type TimeColumn = SourceColumn & Required<Pick<SourceColumn, 'since'>>;

/** One row with the number of rows, counted no further than `atMost`. */
export function countStatement(entity: SourceEntity, atMost: number | undefined): Statement {
  return atMost === undefined
    ? { sql: `SELECT COUNT_BIG(*) FROM ${rows(entity)}`, parameters: {} }
    : {
        sql: `SELECT COUNT_BIG(*) FROM (SELECT TOP (@limit) 1 AS present FROM ${rows(entity)}) AS counted`,
        parameters: { limit: int(atMost) },
      };
}

/** A row where one has a NULL in its key, else none. */
export function nullKeyStatement(entity: SourceEntity): string {
  const isNull = entity.source.key.map((name) => `${quoteName(name)} IS NULL`).join(' OR ');
  return `SELECT TOP (1) 1 AS found FROM ${rows(entity, [`(${isNull})`])}`;
}

/** A row where two have the same key, as the server compares, else none. */
export function duplicateKeyStatement(entity: SourceEntity): string {
  const key = entity.source.key.map(quoteName).join(', ');
  return `SELECT TOP (1) COUNT_BIG(*) AS found FROM ${rows(entity)} GROUP BY ${key} HAVING COUNT_BIG(*) > 1`;
}

/** One row: the highest value in that column. */
export function highestStatement(entity: SourceEntity, column: string): string {
  return `SELECT MAX(${quoteName(column)}) FROM ${rows(entity)}`;
}

/** One row: the latest time in that column, and the server's clock, as it is there and in UTC. */
export function latestStatement(entity: SourceEntity, column: string): string {
  return `SELECT MAX(${quoteName(column)}), SYSDATETIME(), SYSUTCDATETIME() FROM ${rows(entity)}`;
}

/**
 * The table for keys that are looked up: Ord, their place in the list, and Key0, Key1 … in the type and collation of the
 * key's columns, so that they compare as these do. CAST leaves an IDENTITY behind. Sessions are shared by sources and know
 * tables by their names, so the name tells what the columns are like.
 */
export function keysTable(entity: SourceEntity, key: readonly KeyColumn[]): TemporaryTable {
  const casts = key.map((column, index) => `CAST(${quoteName(column.name)} AS ${column.sqlType}) AS Key${index}`);
  const list = `0 AS Ord, ${casts.join(', ')}`;
  const from = rowSet(entity);
  const name = `#tamhr_${createHash('sha256').update(`${list}\n${from}`).digest('hex').slice(0, 32)}`;
  return {
    name,
    definition: `SELECT TOP (0) ${list} INTO ${name} FROM ${from}`,
    columns: [
      { name: 'Ord', type: 'Int', nullable: false },
      ...key.map((column, index) => ({ name: `Key${index}`, ...column.key, nullable: true })),
    ],
  };
}

/**
 * The rows whose keys are in `keys`, each after its key's Ord. Within the parentheses names of the source's are the only
 * ones, so that `where` needs no alias.
 */
export function lookupStatement(
  entity: SourceEntity,
  columns: readonly SourceColumn[],
  key: readonly KeyColumn[],
  keys: TemporaryTable,
): string {
  const equal = key.map((column, index) => `found.${quoteName(column.name)} = wanted.Key${index}`);
  return `SELECT wanted.Ord, found.* FROM ${keys.name} AS wanted
    INNER JOIN (SELECT ${list(columns)} FROM ${rows(entity)}) AS found ON ${equal.join(' AND ')}`;
}

function list(columns: readonly SourceColumn[]): string {
  return columns.map((column) => column.expression).join(', ');
}

/** The source's rows that `where` and these predicates leave. A comment at the end of `where` ends before the parenthesis. */
function rows(entity: SourceEntity, predicates: readonly string[] = []): string {
  const { where } = entity.source;
  const all = [...(where === undefined ? [] : [`(\n${where}\n)`]), ...predicates];
  return `${rowSet(entity)}${all.length === 0 ? '' : ` WHERE ${all.join(' AND ')}`}`;
}
