/**
 * Deleting many rows of a table: their keys are listed once, then they go in chunks, each found by its keys. To look for
 * each chunk anew would read what is to stay again and again.
 */
import { int, type Parameters } from './parameters.ts';
import type { Repeat } from './repeat.ts';
import type { Session } from './session.ts';
import { fill, type TemporaryTable } from './temporary-table.ts';

/**
 * Rows that one statement changes where many are to be. From 5,000 locks on the server would lock the whole table, which
 * others use:
 * https://learn.microsoft.com/troubleshoot/sql/database-engine/performance/resolve-blocking-problems-caused-lock-escalation
 */
const CHUNK_ROWS = 2000;

/** A table, or the view or synonym that stands for one. */
export interface KeyedTable {
  /** With its schema, which is dbo. */
  readonly table: `dbo.${string}`;
  /** The column of its primary key. */
  readonly key: string;
}

/** Rows that are deleted by one statement. */
export interface Chunk {
  /** What follows FROM; the rows are `t`. */
  readonly source: string;
  readonly parameters: Parameters;
}

/** Does, for one chunk, what belongs to it; `remove` deletes its rows and returns how many they were. May be repeated. */
type EachChunk = (remove: () => Promise<number>, chunk: Chunk) => Promise<number>;

/** What is deleted, and how. */
export interface Deletion {
  readonly from: KeyedTable;
  /** A SELECT that gives the keys of the rows as `Id`. */
  readonly wanted: string;
  readonly parameters: Parameters;
  /** Where absent, the rows are deleted and that is all. */
  readonly each?: EachChunk;
}

/**
 * Returns the sum of what `each` gives, or of the deleted rows. Rows that come meanwhile stay. `repeat` does the listing, or
 * one chunk, again. Not in a transaction.
 */
export async function deleteListed(session: Session, repeat: Repeat, deletion: Deletion): Promise<number> {
  const { from, wanted, parameters, each = (remove) => remove() } = deletion;
  const list = listOf(from);
  await fill(session, list, []);
  const { rowCount: listed } = await repeat(() =>
    session.query(
      `INSERT INTO ${list.name} (Ord, Id) SELECT ROW_NUMBER() OVER (ORDER BY Id), Id FROM (${wanted}) AS wanted`,
      parameters,
    ),
  );
  let removed = 0;
  for (let after = 0; after < listed; after += CHUNK_ROWS) {
    const chunk: Chunk = {
      source: `${list.name} AS listed INNER LOOP JOIN ${from.table} AS t ON t.${from.key} = listed.Id
        WHERE listed.Ord > @after AND listed.Ord <= @to`,
      parameters: { after: int(after), to: int(after + CHUNK_ROWS) },
    };
    const remove = async () => (await session.query(`DELETE t FROM ${chunk.source}`, chunk.parameters)).rowCount;
    removed += await repeat(() => each(remove, chunk));
  }
  return removed;
}

/** The keys, numbered from 1 on. ISNULL: a column that numbers itself would go on doing so in the list. */
function listOf({ table, key }: KeyedTable): TemporaryTable {
  const name = `#tamhr_listed_${table.slice('dbo.'.length)}`;
  return {
    name,
    definition: `SELECT TOP (0) 0 AS Ord, ISNULL(${key}, ${key}) AS Id INTO ${name} FROM ${table};
      CREATE UNIQUE CLUSTERED INDEX IX_tamhr_listed ON ${name} (Ord)`,
    columns: [],
  };
}
