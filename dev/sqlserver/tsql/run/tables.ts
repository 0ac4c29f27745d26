/** CREATE, ALTER, DROP and TRUNCATE TABLE, and indexes: the catalogue's side and SQLite's side of each. */
import { randomBytes } from 'node:crypto';
import type { ResultColumn, SqlType } from '../../engine.ts';
import type { ColumnDefinition, ConstraintDefinition, IndexDefinition, ObjectName, TableDefinition } from '../ast.ts';
import { keySql } from '../bind/bound.ts';
import { tableSource } from '../bind/from.ts';
import { QueryBinder } from '../bind/query.ts';
import { Compilation } from '../bind/scope.ts';
import {
  type Column,
  columnById,
  findColumn,
  findObject,
  type Index,
  sameName,
  shownName,
  storageName,
  storedColumns,
  type Table,
  withObject,
  withoutObject,
} from '../catalogue/objects.ts';
import { sqlError, unsupported } from '../errors.ts';
import { constraintsOf } from '../functions/session.ts';
import { parseCondition, parseExpression } from '../parser/statement.ts';
import { isInteger, isLob, isText } from '../types.ts';
import { collationOf, defaultCollation } from '../values/collation.ts';
import { creationTime } from '../values/datetime.ts';
import type { Stored } from '../values/stored.ts';
import type { SessionCore } from './core.ts';
import { checkPlans, keyText, referencesTo } from './rows.ts';

/** Finds a table to define on. Throws 4902 (`number`) when there is none. */
export function requireTable(core: SessionCore, name: ObjectName, number: number): Table {
  const object = core.object(name.parts);
  if (object?.kind !== 'table') throw sqlError(number, name.parts.join('.'));
  return object;
}

function place(
  core: SessionCore,
  name: ObjectName,
): { database: string; schema: string; name: string; temporary: boolean } {
  const [last, schema, database] = [...name.parts].reverse() as [string, string | undefined, string | undefined];
  const isTemporary = last.startsWith('#') || last.startsWith('@');
  if (last.startsWith('##')) throw unsupported(last);
  if (isTemporary) return { database: 'tempdb', schema: 'dbo', name: last, temporary: true };
  const owner = core.databaseOf(database === undefined || database === '' ? core.database : database);
  const found = owner.schemas.find((candidate) =>
    sameName(candidate.name, schema === undefined || schema === '' ? 'dbo' : schema),
  );
  if (found === undefined) throw sqlError(2760, schema ?? 'dbo');
  return { database: owner.name, schema: found.name, name: last, temporary: false };
}

/** Is the name free? Throws 2714. */
function claim(core: SessionCore, at: ReturnType<typeof place>): void {
  const taken = at.temporary
    ? core.temporaryInScope(at.name)
    : findObject(core.databaseOf(at.database), at.schema, at.name);
  if (taken !== undefined) throw sqlError(2714, at.name);
}

/** Puts a new or changed table into the catalogue or among the session's temporary ones. */
export function store(core: SessionCore, table: Table, isNew: boolean): void {
  if (!table.temporary) core.changeCatalogue(withObject(core.catalogue, table), [table.database]);
  else if (isNew) core.addTemporary(table);
  else core.replaceTemporary(table);
}

function createStorage(core: SessionCore, table: Table): void {
  core.connection.exec(
    `CREATE TABLE ${storageName(table)} (${storedColumns(table)
      .map((column) => `c${column.id}`)
      .join(',')})`,
  );
  for (const index of table.indexes) createStorageIndex(core, table, index);
}

/**
 * A SQLite index over the comparison keys of the columns. SQL Server takes NULL for a value in a unique index, SQLite does not:
 * where a column may be NULL, a second index (name ending in n) keeps NULLs unique.
 */
export function createStorageIndex(core: SessionCore, table: Table, index: Index): void {
  const columns = index.columns.map(({ column, descending }) => ({ ...columnById(table, column), descending }));
  const key = (column: Column): string =>
    keySql({
      sql: `c${column.id}`,
      type: column.type,
      nullable: true,
      collation: column.collation ?? defaultCollation,
    });
  const schema = table.temporary ? 'temp' : 'main';
  const where = index.filter === undefined ? '' : ` WHERE ${filterSql(core, table, index.filter)}`;
  const list = columns.map((column) => `${key(column)}${column.descending ? ' DESC' : ''}`).join(',');
  const run = (sql: string): void => {
    try {
      core.connection.exec(sql);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('UNIQUE constraint failed'))
        throw duplicateInTable(core, table, index, columns.map(key));
      throw error;
    }
  };
  run(
    `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${schema}.i${table.id}_${index.id} ON o${table.id} (${list})${where}`,
  );
  if (!index.unique || columns.every((column) => !column.nullable)) return;
  const nulls = columns.flatMap((column) => [`(${key(column)} IS NULL)`, `ifnull(${key(column)},0)`]).join(',');
  run(`CREATE UNIQUE INDEX ${schema}.i${table.id}_${index.id}n ON o${table.id} (${nulls})${where}`);
}

function filterSql(core: SessionCore, table: Table, filter: string): string {
  const compilation = new Compilation(core);
  const source = tableSource(table, table.name, undefined, '');
  const columns = source.columns.map((column) => ({ ...column, sql: column.sql.slice(1) }));
  const sql = new QueryBinder(compilation).condition(parseCondition(filter), {
    sources: [{ ...source, columns }],
    parent: undefined,
    grouping: undefined,
  });
  if (/\bjs[vs]?\(|\?/.test(sql)) throw unsupported(`WHERE ${filter}`);
  return sql;
}

/** Error 1505 for the first key that is there twice. */
function duplicateInTable(core: SessionCore, table: Table, index: Index, keys: readonly string[]): Error {
  const list = index.columns.map(({ column }) => `c${column}`).join(',');
  const row = core
    .prepare(`SELECT ${list} FROM ${storageName(table)} GROUP BY ${keys.join(',')} HAVING count(*) > 1 LIMIT 1`)
    .get() as unknown as Stored[] | undefined;
  const text = index.columns
    .map(({ column }, at) => keyText(columnById(table, column).type, row?.[at] ?? null))
    .join(', ');
  return sqlError(1505, shownName(table), index.name, text);
}

function constraintName(prefix: string, table: string, column = ''): string {
  const hash = randomBytes(4).toString('hex').toUpperCase();
  return `${prefix}__${table.slice(0, 9)}__${column === '' ? '' : `${column.slice(0, 5)}__`}${hash}`;
}

/** Names of constraints are unique within a schema. */
function claimConstraint(core: SessionCore, table: Table, name: string | undefined): void {
  if (name === undefined || table.temporary) return;
  for (const object of core.databaseOf(table.database).objects.values()) {
    const same =
      sameName(object.schema, table.schema) &&
      (sameName(object.name, name) ||
        (object.kind === 'table' && constraintsOf(object).some((constraint) => sameName(constraint.name, name))));
    if (same) throw sqlError(2714, name);
  }
}

/** A column without its constraints. */
function makeColumn(core: SessionCore, table: Table, definition: ColumnDefinition, id: number): Column {
  if (definition.computed !== undefined) return computedColumn(core, table, definition, id);
  const type = definition.type as SqlType;
  if (definition.collation !== undefined) collationOf(definition.collation);
  const { identity } = definition;
  if (identity !== undefined) {
    const exact = (isInteger(type) && type.name !== 'bit') || (type.precision !== undefined && type.scale === 0);
    if (!exact || definition.nullable === true) throw sqlError(2749, definition.name);
  }
  const collation = /^database_default$/i.test(definition.collation ?? '')
    ? defaultCollation
    : (definition.collation ?? defaultCollation);
  const isKey = definition.constraints.some((constraint) => constraint.kind === 'key' && constraint.primary);
  if (isKey && definition.nullable === true) throw sqlError(8111, table.name);
  const nullable = identity === undefined && !isKey && type.name !== 'rowversion' && (definition.nullable ?? true);
  const value = definition.default;
  if (value !== undefined) claimConstraint(core, table, value.name);
  return {
    id,
    name: definition.name,
    type,
    nullable: type.name === 'rowversion' ? (definition.nullable ?? false) : nullable,
    collation: isText(type) ? collation : undefined,
    identity,
    default:
      value === undefined
        ? undefined
        : {
            id: core.server.nextObjectId(),
            name: value.name ?? constraintName('DF', table.name, definition.name),
            text: value.text,
          },
    computed: undefined,
  };
}

function computedColumn(core: SessionCore, table: Table, definition: ColumnDefinition, id: number): Column {
  const text = definition.computed?.text as string;
  const source = tableSource(table, table.name, undefined, 't');
  const bound = new QueryBinder(new Compilation(core)).bind(parseExpression(text), {
    sources: [source],
    parent: undefined,
    grouping: undefined,
  });
  return {
    id,
    name: definition.name,
    type: bound.type,
    nullable: definition.nullable ?? bound.nullable,
    collation: isText(bound.type) ? (bound.collation ?? defaultCollation) : undefined,
    identity: undefined,
    default: undefined,
    computed: text,
  };
}

/** The table with a column added, its name and kind checked. */
export function withColumn(core: SessionCore, table: Table, definition: ColumnDefinition): Table {
  if (findColumn(table, definition.name) !== undefined) throw sqlError(2705, definition.name, table.name);
  const id = Math.max(0, ...table.columns.map((column) => column.id)) + 1;
  const column = makeColumn(core, table, definition, id);
  if (column.identity !== undefined && table.columns.some((other) => other.identity !== undefined))
    throw sqlError(2744, table.name);
  if (column.type.name === 'rowversion' && table.columns.some((other) => other.type.name === 'rowversion'))
    throw sqlError(2738, table.name, column.name);
  return { ...table, columns: [...table.columns, column] };
}

function indexColumns(table: Table, columns: IndexDefinition['columns'], number = 1911): Index['columns'] {
  return columns.map(({ name, descending }) => {
    const column = findColumn(table, name);
    if (column === undefined) throw sqlError(number, name);
    if (column.computed !== undefined) throw unsupported(`index on computed column ${column.name}`);
    if (isLob(column.type) || column.type.length === 'max') throw sqlError(1919, column.name, table.name);
    return { column: column.id, descending };
  });
}

function nextIndexId(table: Table, clustered: boolean): number {
  return clustered ? 1 : Math.max(1, ...table.indexes.map((index) => index.id)) + 1;
}

/** The table with an index added. */
function withIndex(table: Table, definition: IndexDefinition): { table: Table; index: Index } {
  if (table.indexes.some((index) => sameName(index.name, definition.name)))
    throw sqlError(1913, definition.name, 'table', shownName(table));
  const clustered = table.indexes.find((index) => index.clustered);
  if (definition.clustered && clustered !== undefined) throw sqlError(1902, 'table', shownName(table), clustered.name);
  const index: Index = {
    id: nextIndexId(table, definition.clustered),
    name: definition.name,
    kind: 'index',
    constraintId: undefined,
    unique: definition.unique,
    clustered: definition.clustered,
    columns: indexColumns(table, definition.columns),
    include: definition.include.map((name) => {
      const column = findColumn(table, name);
      if (column === undefined) throw sqlError(1911, name);
      return column.id;
    }),
    filter: definition.filter?.text,
  };
  return { table: { ...table, indexes: [...table.indexes, index] }, index };
}

/** The table with a constraint added; `index` is the one that a key brings. */
export function withConstraint(
  core: SessionCore,
  table: Table,
  constraint: ConstraintDefinition,
): { table: Table; index?: Index } {
  claimConstraint(core, table, constraint.name);
  switch (constraint.kind) {
    case 'key':
      return withKey(core, table, constraint);
    case 'check': {
      const name = constraint.name ?? constraintName('CK', table.name);
      return {
        table: { ...table, checks: [...table.checks, { id: core.server.nextObjectId(), name, text: constraint.text }] },
      };
    }
    case 'default': {
      const column = findColumn(table, constraint.column);
      if (column === undefined) throw sqlError(1752, constraint.column, table.name);
      if (column.default !== undefined) throw sqlError(1781);
      const value = {
        id: core.server.nextObjectId(),
        name: constraint.name ?? constraintName('DF', table.name, column.name),
        text: constraint.text,
      };
      return {
        table: {
          ...table,
          columns: table.columns.map((other) => (other === column ? { ...column, default: value } : other)),
        },
      };
    }
    case 'foreign':
      return { table: withForeignKey(core, table, constraint) };
  }
}

function withKey(
  core: SessionCore,
  table: Table,
  constraint: Extract<ConstraintDefinition, { kind: 'key' }>,
): { table: Table; index: Index } {
  if (constraint.primary && table.indexes.some((index) => index.kind === 'primary')) throw sqlError(1779, table.name);
  const columns = indexColumns(table, constraint.columns);
  const keys = new Set(columns.map(({ column }) => column));
  if (constraint.primary && table.columns.some((column) => keys.has(column.id) && column.nullable))
    throw sqlError(8111, table.name);
  const existing = table.indexes.find((index) => index.clustered);
  if (constraint.clustered === true && existing !== undefined)
    throw sqlError(1902, 'table', shownName(table), existing.name);
  const clustered = constraint.clustered ?? (constraint.primary && existing === undefined);
  const index: Index = {
    id: nextIndexId(table, clustered),
    name: constraint.name ?? constraintName(constraint.primary ? 'PK' : 'UQ', table.name),
    kind: constraint.primary ? 'primary' : 'unique',
    constraintId: core.server.nextObjectId(),
    unique: true,
    clustered,
    columns,
    include: [],
    filter: undefined,
  };
  return { table: { ...table, indexes: [...table.indexes, index] }, index };
}

function withForeignKey(
  core: SessionCore,
  table: Table,
  constraint: Extract<ConstraintDefinition, { kind: 'foreign' }>,
): Table {
  const name = constraint.name ?? constraintName('FK', table.name);
  const self = constraint.table.parts.length === 1 && sameName(constraint.table.parts[0] as string, table.name);
  const target = self ? table : core.object(constraint.table.parts);
  if (target?.kind !== 'table') throw sqlError(1767, name, constraint.table.parts.join('.'));
  const columns = constraint.columns.map((column) => {
    const found = findColumn(table, column);
    if (found === undefined) throw sqlError(1769, name, column, table.name);
    return found.id;
  });
  const primary = target.indexes.find((index) => index.kind === 'primary');
  const references =
    constraint.references.length === 0
      ? (primary?.columns.map(({ column }) => column) ?? [])
      : constraint.references.map((column) => findColumn(target, column)?.id ?? -1);
  const isKey = target.indexes.some(
    (index) =>
      index.unique &&
      index.columns.length === references.length &&
      index.columns.every(({ column }) => references.includes(column)),
  );
  if (!isKey || references.length !== columns.length) throw sqlError(1776, shownName(target), name);
  return {
    ...table,
    foreignKeys: [
      ...table.foreignKeys,
      { id: core.server.nextObjectId(), name, columns, table: target.id, references },
    ],
  };
}

/** CREATE TABLE, and DECLARE @t TABLE. Only within a write. */
export function createTable(core: SessionCore, name: ObjectName, definition: TableDefinition): Table {
  const at = place(core, name);
  claim(core, at);
  let table: Table = {
    kind: 'table',
    id: core.server.nextObjectId(),
    ...at,
    columns: [],
    indexes: [],
    checks: [],
    foreignKeys: [],
    createdAt: creationTime(),
  };
  // Computed columns may name columns that stand after them.
  const computed = definition.columns.filter((column) => column.computed !== undefined);
  for (const column of [...definition.columns.filter((candidate) => candidate.computed === undefined), ...computed])
    table = withColumn(core, table, column);
  const order = new Map(definition.columns.map((column, index) => [column.name, index]));
  table = { ...table, columns: table.columns.toSorted((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0)) };
  const primary = definition.constraints.find((constraint) => constraint.kind === 'key' && constraint.primary);
  if (primary?.kind === 'key') table = withKeyColumnsNotNull(table, definition, primary);
  const constraints = [...definition.columns.flatMap((column) => column.constraints), ...definition.constraints];
  const clusteredFirst = constraints.toSorted(
    (a, b) => Number(b.kind === 'key' && b.clustered === true) - Number(a.kind === 'key' && a.clustered === true),
  );
  for (const constraint of clusteredFirst) table = withConstraint(core, table, constraint).table;
  for (const index of definition.indexes) table = withIndex(table, index).table;
  store(core, table, true);
  createStorage(core, table);
  checkPlans(core, table);
  return table;
}

/** The columns of a table-level PRIMARY KEY are NOT NULL unless they say NULL. */
function withKeyColumnsNotNull(
  table: Table,
  definition: TableDefinition,
  key: Extract<ConstraintDefinition, { kind: 'key' }>,
): Table {
  const columns = table.columns.map((column) => {
    const isKey = key.columns.some((keyColumn) => sameName(keyColumn.name, column.name));
    const said = definition.columns.find((candidate) => candidate.name === column.name)?.nullable;
    if (isKey && said === true) throw sqlError(8111, table.name);
    return isKey ? { ...column, nullable: false } : column;
  });
  return { ...table, columns };
}

/** The table that SELECT … INTO makes. Only within a write. */
export function createFromColumns(
  core: SessionCore,
  name: ObjectName,
  columns: readonly ResultColumn[],
  collations: readonly (string | undefined)[],
): Table {
  const definitions = columns.map((column, index): ColumnDefinition => {
    if (column.name === '') throw sqlError(1038);
    const type: SqlType = column.type.name === 'rowversion' ? { name: 'binary', length: 8 } : column.type;
    return {
      name: column.name,
      type,
      collation: collations[index],
      nullable: column.identity ? undefined : column.nullable,
      identity: column.identity ? { seed: 1n, increment: 1n } : undefined,
      default: undefined,
      computed: undefined,
      constraints: [],
    };
  });
  return createTable(core, name, { columns: definitions, constraints: [], indexes: [] });
}

/** CREATE INDEX. Only within a write. */
export function createIndex(core: SessionCore, name: ObjectName, definition: IndexDefinition): void {
  const { table, index } = withIndex(requireTable(core, name, 1088), definition);
  createStorageIndex(core, table, index);
  store(core, table, false);
}

/** Drops an index's SQLite side. */
export function dropStorageIndex(core: SessionCore, table: Table, index: Index): void {
  const schema = table.temporary ? 'temp' : 'main';
  core.connection.exec(
    `DROP INDEX IF EXISTS ${schema}.i${table.id}_${index.id}; DROP INDEX IF EXISTS ${schema}.i${table.id}_${index.id}n`,
  );
}

/** DROP INDEX. Only within a write. */
export function dropIndex(core: SessionCore, name: ObjectName, indexName: string, ifExists: boolean): void {
  const object = core.object(name.parts);
  const table = object?.kind === 'table' ? object : undefined;
  const index = table?.indexes.find((candidate) => sameName(candidate.name, indexName));
  if (table === undefined || index === undefined) {
    if (ifExists) return;
    throw sqlError(3701, 'drop', 'index', `${name.parts.join('.')}.${indexName}`);
  }
  if (index.kind !== 'index')
    throw sqlError(
      3723,
      `${name.parts.join('.')}.${indexName}`,
      index.kind === 'primary' ? 'PRIMARY KEY' : 'UNIQUE KEY',
    );
  dropStorageIndex(core, table, index);
  store(core, { ...table, indexes: table.indexes.filter((candidate) => candidate !== index) }, false);
}

/** DROP TABLE. Only within a write. */
export function dropTable(core: SessionCore, name: ObjectName, ifExists: boolean): void {
  const table = core.object(name.parts);
  if (table?.kind !== 'table') {
    if (ifExists && table === undefined) return;
    throw sqlError(3701, 'drop', 'table', name.parts.join('.'));
  }
  if (referencesTo(core, table).some((reference) => reference.table.id !== table.id))
    throw sqlError(3726, name.parts.join('.'));
  core.connection.exec(`DROP TABLE ${storageName(table)}`);
  core.server.setIdentity(table, undefined);
  if (table.temporary) core.removeTemporary(table);
  else core.changeCatalogue(withoutObject(core.catalogue, table), [table.database]);
}

/** TRUNCATE TABLE: the identity begins anew. Only within a write. */
export function truncateTable(core: SessionCore, name: ObjectName): void {
  const table = requireTable(core, name, 4701);
  core.refuseReadOnly(table);
  if (referencesTo(core, table).some((reference) => reference.table.id !== table.id))
    throw sqlError(4712, name.parts.join('.'));
  core.connection.exec(`DELETE FROM ${storageName(table)}`);
  core.server.setIdentity(table, undefined);
}
