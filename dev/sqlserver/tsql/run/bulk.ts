/** INSERT BULK: rows that a driver sends after the statement, written in one transaction. */
import type { ResultColumn, SqlType, SqlValue } from '../../engine.ts';
import { type Column, findColumn } from '../catalogue/objects.ts';
import { sqlError } from '../errors.ts';
import { parseExpression } from '../parser/statement.ts';
import { conversionKind, typeLabel } from '../types.ts';
import { converter } from '../values/convert.ts';
import { type Stored, storer } from '../values/stored.ts';
import type { SessionCore, Step } from './core.ts';
import { evaluate } from './evaluate.ts';
import { assignmentType, rowInserter } from './rows.ts';

/** What the wire hands over: rows as they arrive, and the number written at the end. */
export interface BulkLoad {
  readonly columns: readonly ResultColumn[];
  readonly rows: AsyncIterable<readonly SqlValue[]>;
}

/**
 * Runs INSERT BULK and returns the number of rows. CHECK and FOREIGN KEY count only with CHECK_CONSTRAINTS, NULL takes the
 * column's default unless KEEP_NULLS is given, values for an identity column count only with KEEP_IDENTITY
 * (https://learn.microsoft.com/sql/t-sql/statements/bulk-insert-transact-sql).
 */
export function* runBulk(core: SessionCore, sql: string, load: BulkLoad): Generator<Step, number> {
  const [statement] = core.server.parse(sql, core.settings.quotedIdentifier);
  if (statement?.kind !== 'insertBulk') throw sqlError(102, 'INSERT BULK');
  const table = core.object(statement.target.parts);
  if (table?.kind !== 'table') throw sqlError(208, statement.target.parts.join('.'));
  core.allow(table, 'INSERT');
  const options = new Set(statement.options);
  const columns = statement.columns.map(({ name }) => {
    const column = findColumn(table, name);
    if (column === undefined) throw sqlError(207, name);
    return column;
  });
  if (columns.length !== load.columns.length) throw sqlError(213);
  const keepNulls = options.has('KEEP_NULLS');
  const missing = table.columns.filter((column) => column.default !== undefined && !columns.includes(column));
  const fallbacks = missing.map((column) => defaultValue(core, column));
  const makers = columns.map((column, index) =>
    maker(core, (load.columns[index] as ResultColumn).type, column, keepNulls),
  );
  const ids = [...columns, ...missing].map((column) => column.id);
  return yield* core.writeSteps(table.temporary, function* (): Generator<Step, number> {
    const inserter = rowInserter(core, table, ids, {
      keepIdentity: options.has('KEEP_IDENTITY'),
      unchecked: !options.has('CHECK_CONSTRAINTS'),
    });
    let count = 0;
    const failures: unknown[] = [];
    yield forEachRow(load.rows, (row) => {
      inserter.add([...row.map((value, index) => (makers[index] as (value: SqlValue) => Stored)(value)), ...fallbacks]);
      count++;
    }).catch((error: unknown) => {
      failures.push(error);
    });
    if (failures.length > 0) throw failures[0];
    inserter.finish();
    return count;
  });
}

async function forEachRow(
  rows: AsyncIterable<readonly SqlValue[]>,
  write: (row: readonly SqlValue[]) => void,
): Promise<void> {
  for await (const row of rows) write(row);
}

function defaultValue(core: SessionCore, column: Column): Stored {
  return column.default === undefined
    ? null
    : evaluate(core, parseExpression(column.default.text), assignmentType(column.type));
}

function maker(core: SessionCore, from: SqlType, column: Column, keepNulls: boolean): (value: SqlValue) => Stored {
  const wanted = assignmentType(column.type);
  if (conversionKind(from, wanted) !== 'implicit') throw sqlError(206, typeLabel(from), typeLabel(column.type));
  const toStored = storer(from);
  const conversion = converter(from, wanted);
  const fallback = keepNulls ? null : defaultValue(core, column);
  return (value) => {
    if (value === null) return fallback;
    const stored = toStored(value);
    return stored === null || conversion === undefined ? stored : conversion(stored);
  };
}
