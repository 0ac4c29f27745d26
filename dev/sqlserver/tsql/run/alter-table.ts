/** ALTER TABLE: columns and constraints added, dropped and altered, with the rows that are there. */

import type { ColumnDefinition, ConstraintDefinition, ObjectName, TableChange, TableDefinition } from '../ast.ts';
import { convert } from '../bind/bound.ts';
import type { Column, Table } from '../catalogue/objects.ts';
import { findColumn, sameName, storageName, storedColumns } from '../catalogue/objects.ts';
import { sqlError, unsupported } from '../errors.ts';
import { constraintsOf } from '../functions/session.ts';
import { parseExpression } from '../parser/statement.ts';
import { isText, spell } from '../types.ts';
import { defaultCollation } from '../values/collation.ts';
import type { Stored } from '../values/stored.ts';
import type { SessionCore } from './core.ts';
import { evaluate } from './evaluate.ts';
import { assignmentType, checkForeignKeys, checkPlans, checkRow, referencesTo, updateFitter } from './rows.ts';
import { createStorageIndex, dropStorageIndex, requireTable, store, withColumn, withConstraint } from './tables.ts';

/** ALTER TABLE. Only within a write. */
export function alterTable(core: SessionCore, name: ObjectName, change: TableChange): void {
  const table = requireTable(core, name, 4902);
  switch (change.kind) {
    case 'add':
      addToTable(core, table, change.definition);
      break;
    case 'dropColumn':
      for (const column of change.names) dropColumn(core, requireTable(core, name, 4902), column, change.ifExists);
      break;
    case 'dropConstraint':
      for (const constraint of change.names)
        dropConstraint(core, requireTable(core, name, 4902), constraint, change.ifExists);
      break;
    case 'alterColumn':
      alterColumn(core, table, change);
      break;
  }
}

function addToTable(core: SessionCore, original: Table, definition: TableDefinition): void {
  let table = original;
  for (const column of definition.columns) table = addColumn(core, table, column);
  const constraints = [...definition.columns.flatMap((column) => column.constraints), ...definition.constraints];
  for (const constraint of constraints) {
    const added = withConstraint(core, table, constraint);
    table = added.table;
    if (added.index !== undefined) createStorageIndex(core, table, added.index);
    store(core, table, false);
    if (constraint.kind === 'check' || constraint.kind === 'foreign') verifyRows(core, table, constraint);
  }
}

function addColumn(core: SessionCore, original: Table, definition: ColumnDefinition): Table {
  const table = withColumn(core, original, definition);
  const column = table.columns.at(-1) as Column;
  if (column.computed === undefined) {
    const isEmpty = core.rowsIn(original) === 0;
    const given = column.default !== undefined || column.identity !== undefined || column.type.name === 'rowversion';
    if (!column.nullable && !given && !isEmpty) throw sqlError(4901, column.name, table.name);
    core.connection.exec(`ALTER TABLE ${storageName(table)} ADD COLUMN c${column.id}`);
    if (!isEmpty) fillColumn(core, table, column);
  }
  store(core, table, false);
  return table;
}

/** Existing rows get the default of a NOT NULL column; of a nullable one they stay NULL. */
function fillColumn(core: SessionCore, table: Table, column: Column): void {
  if (column.identity !== undefined || column.type.name === 'rowversion')
    throw unsupported(`ADD ${column.name} to a table with rows`);
  if (column.nullable || column.default === undefined) return;
  const fit = updateFitter(table, column);
  const name = storageName(table);
  const rowids = core.prepare(`SELECT rowid FROM ${name}`).all() as unknown as [Stored][];
  const update = core.prepare(`UPDATE ${name} SET c${column.id} = ? WHERE rowid = ?`);
  const expression = parseExpression(column.default.text);
  for (const [rowid] of rowids) update.run(fit(evaluate(core, expression, assignmentType(column.type))), rowid);
}

/** A new CHECK or FOREIGN KEY holds for the rows that are there. */
function verifyRows(core: SessionCore, table: Table, constraint: ConstraintDefinition): void {
  const columns = storedColumns(table);
  const checks = constraint.kind === 'check' ? checkPlans(core, table).slice(-1) : [];
  const keys = constraint.kind === 'foreign' ? table.foreignKeys.slice(-1) : [];
  const rows = core
    .prepare(`SELECT ${columns.map((column) => `c${column.id}`).join(',')} FROM ${storageName(table)}`)
    .all() as unknown as Stored[][];
  for (const row of rows) {
    const image = new Map(columns.map((column, index) => [column.id, row[index] as Stored]));
    checkRow(core, table, checks, image, 'INSERT');
    checkForeignKeys(core, table, keys, image, 'INSERT');
  }
}

function dropColumn(core: SessionCore, table: Table, name: string, ifExists: boolean): void {
  const column = findColumn(table, name);
  if (column === undefined) {
    if (ifExists) return;
    throw sqlError(4924, 'DROP COLUMN', name, table.name);
  }
  const index = table.indexes.find(
    (candidate) => candidate.columns.some((key) => key.column === column.id) || candidate.include.includes(column.id),
  );
  if (
    index !== undefined ||
    column.default !== undefined ||
    table.foreignKeys.some((key) => key.columns.includes(column.id))
  )
    throw sqlError(4922, 'DROP COLUMN', column.name);
  if (column.computed === undefined)
    core.connection.exec(`ALTER TABLE ${storageName(table)} DROP COLUMN c${column.id}`);
  store(core, { ...table, columns: table.columns.filter((candidate) => candidate !== column) }, false);
}

function dropConstraint(core: SessionCore, table: Table, name: string, ifExists: boolean): void {
  const index = table.indexes.find((candidate) => candidate.kind !== 'index' && sameName(candidate.name, name));
  if (index !== undefined) {
    const reference = referencesTo(core, table).find(({ key }) =>
      index.columns.every(({ column }) => key.references.includes(column)),
    );
    if (reference !== undefined) throw sqlError(3725, index.name, reference.table.name, reference.key.name);
    dropStorageIndex(core, table, index);
    store(core, { ...table, indexes: table.indexes.filter((candidate) => candidate !== index) }, false);
    return;
  }
  const changed: Table = {
    ...table,
    checks: table.checks.filter((check) => !sameName(check.name, name)),
    foreignKeys: table.foreignKeys.filter((key) => !sameName(key.name, name)),
    columns: table.columns.map((column) =>
      column.default !== undefined && sameName(column.default.name, name) ? { ...column, default: undefined } : column,
    ),
  };
  if (constraintsOf(changed).length === constraintsOf(table).length) {
    if (ifExists) return;
    throw sqlError(3728, name);
  }
  store(core, changed, false);
}

/** Converts a column's values to another type, or to NOT NULL. */
function alterColumn(core: SessionCore, table: Table, change: Extract<TableChange, { kind: 'alterColumn' }>): void {
  const column = findColumn(table, change.name);
  if (column === undefined) throw sqlError(4924, 'ALTER COLUMN', change.name, table.name);
  if (column.computed !== undefined || column.identity !== undefined) throw sqlError(4928, column.name);
  const nullable = change.nullable ?? true;
  const inKey = table.indexes.filter((index) => index.columns.some((key) => key.column === column.id));
  const sameKind = column.type.name === change.type.name;
  if (inKey.some((index) => index.kind === 'primary') && nullable) throw sqlError(4922, 'ALTER COLUMN', column.name);
  if (inKey.length > 0 && !sameKind) throw sqlError(4922, 'ALTER COLUMN', column.name);
  const collation = isText(change.type) ? (change.collation ?? column.collation ?? defaultCollation) : undefined;
  const altered: Column = { ...column, type: change.type, nullable, collation };
  const changed: Table = { ...table, columns: table.columns.map((other) => (other === column ? altered : other)) };
  const fit = updateFitter(changed, altered);
  const source = { sql: `c${column.id}`, type: column.type, nullable: true, collation: column.collation };
  const converted = spell(column.type) === spell(change.type) ? source : convert(source, assignmentType(change.type));
  const name = storageName(table);
  for (const index of inKey) dropStorageIndex(core, table, index);
  const update = core.prepare(`UPDATE ${name} SET c${column.id} = ? WHERE rowid = ?`);
  for (const [rowid, value] of core.prepare(`SELECT rowid, ${converted.sql} FROM ${name}`).all() as unknown as [
    Stored,
    Stored,
  ][])
    update.run(fit(value), rowid);
  for (const index of inKey) createStorageIndex(core, changed, index);
  store(core, changed, false);
}
