/** What columns a source has, and which of them are its key; refuses those that cannot be read. */
import { SyncError } from '../sync/errors.ts';
import { type KeyType, type SourceColumn, sourceColumn, typeName } from './columns.ts';
import { quoteName } from './names.ts';
import type { ColumnDescription, Session } from './session.ts';
import { columnsMissing, rowSet, type SourceEntity, sameName, sourceName } from './source-entity.ts';
import { ERROR_NUMBERS, errorNumber, isPermissionError } from './statement-error.ts';

/** A column of the key. */
export type KeyColumn = SourceColumn & { readonly key: KeyType };

/** The columns that are read. */
export interface Description {
  readonly columns: readonly SourceColumn[];
  /** In the order of the entity's key. */
  readonly key: readonly KeyColumn[];
}

/**
 * Describes the columns of these names and the key's, or all where `names` is absent. Named columns are asked for by name:
 * some users may read these and no others.
 *
 * Rejects with SyncError SOURCE_MISSING, SOURCE_COLUMN_MISSING, SOURCE_KEY_INVALID or SOURCE_REFUSED, or with the driver's
 * error. `connection` is the name in the configuration.
 */
export async function describe(
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
      `${entity.name}: column ${description.colName} of ${sourceName(entity)} has the type ${typeName(description)}, which cannot be read.`,
      'Leave it out by naming source.columns, or convert it in a view or in source.query.',
    );
  });
  const key = keyColumns(entity, columns);
  refuseOtherCodePages(entity, key, session.codePage, connection);
  return { columns, key };
}

/** The columns of these names as the driver has them. Rejects with SyncError SOURCE_COLUMN_MISSING, or with its error. */
export async function named(
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

async function head(session: Session, entity: SourceEntity, list: string): Promise<readonly ColumnDescription[]> {
  return (await session.query(`SELECT TOP (0) ${list} FROM ${rowSet(entity)}`)).columns;
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
    if (column.key !== undefined) return column as KeyColumn;
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
