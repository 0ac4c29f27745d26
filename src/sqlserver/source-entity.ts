/** What the source of an entity is called, in T-SQL and in messages, and the server's errors in terms of it. */
import type { Entity } from '../sync/entity.ts';
import { SyncError } from '../sync/errors.ts';
import { quoteTableName } from './names.ts';
import { ERROR_NUMBERS, errorNumber, errorText, isPermissionError } from './statement-error.ts';

/** What the source needs to know of its entity. */
export type SourceEntity = Pick<Entity, 'name' | 'source' | 'detection'>;

/** The table's name as it is configured, or `the query`. */
export function sourceName({ source }: SourceEntity): string {
  return source.table ?? 'the query';
}

/** Whether a name in the configuration is that of a column, however it is written. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** What follows FROM. A query and its comments end before the parenthesis. Throws SyncError SOURCE_MISSING. */
export function rowSet(entity: SourceEntity): string {
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

/** The error SOURCE_COLUMN_MISSING for these columns, with those that are there. */
export function columnsMissing(
  entity: SourceEntity,
  missing: readonly string[],
  present: readonly string[],
): SyncError {
  return new SyncError(
    'SOURCE_COLUMN_MISSING',
    `${entity.name}: ${sourceName(entity)} has no column ${missing.join(', ')}.`,
    `Its columns are: ${present.join(', ')}.`,
  );
}

/** What the driver rejected with, in terms of the entity where the number tells; else as it is. */
export function sourceError(error: unknown, entity: SourceEntity, connection: string): unknown {
  const number = errorNumber(error);
  if (number === undefined) return error;
  const name = sourceName(entity);
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
