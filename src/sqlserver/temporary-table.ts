/** #temporary tables that carry lists to the server: bulk loaded, so that a list's length never matters to a statement. */
import type { Cell } from '../sync/ports.ts';
import { quoteName } from './names.ts';
import type { BulkColumn, Session } from './session.ts';

/** A temporary table, which a session creates once and empties before each use. */
export interface TemporaryTable {
  /** Begins with `#`. */
  readonly name: string;
  readonly columns: readonly BulkColumn[];
  /** The batch that creates it, where a column has to be like another table's; else its columns say how. */
  readonly definition?: string;
}

const created = new WeakMap<Session, Set<string>>();

/**
 * Makes the table hold exactly `rows` (cells in the order of `columns`, which are the table's first ones; the others are NULL).
 * Not in a transaction: a rollback would drop the table.
 */
export async function fill(
  session: Session,
  table: TemporaryTable,
  rows: Iterable<readonly Cell[]>,
  columns = table.columns.length,
): Promise<void> {
  const known = created.get(session) ?? new Set();
  if (known.has(table.name)) {
    await session.batch(`TRUNCATE TABLE ${table.name}`);
  } else {
    await session.batch(table.definition ?? definitionOf(table));
    created.set(session, known.add(table.name));
  }
  await session.bulkInsert(table.name, table.columns.slice(0, columns), rows);
}

/** tempdb may have another collation than the database whose columns the table is joined with. */
function definitionOf({ name, columns }: TemporaryTable): string {
  const lines = columns.map(({ name, type, length, nullable }) => {
    const declared = length === undefined ? type : `${type}(${length})`;
    const collation = type === 'NVarChar' ? ' COLLATE DATABASE_DEFAULT' : '';
    return `${quoteName(name)} ${declared.toLowerCase()}${collation} ${nullable ? 'NULL' : 'NOT NULL'}`;
  });
  return `CREATE TABLE ${name} (${lines.join(', ')})`;
}
