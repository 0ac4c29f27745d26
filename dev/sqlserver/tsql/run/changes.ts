/**
 * INSERT, UPDATE, DELETE. Each first reads what it will do (one compiled SELECT), then does it row by row: so a statement never
 * sees its own changes, and every error names its row.
 */
import type { ResultColumn, SqlType } from '../../engine.ts';
import type { Expression, ObjectName, Output, Query, Statement, TableSource } from '../ast.ts';
import { type Bound, convert } from '../bind/bound.ts';
import type { BoundFrom } from '../bind/from.ts';
import { QueryBinder } from '../bind/query.ts';
import { type Binding, Compilation, matches, type Scope, type Source } from '../bind/scope.ts';
import {
  type Column,
  findColumn,
  sameName,
  shownName,
  storageName,
  storedColumns,
  type Table,
} from '../catalogue/objects.ts';
import { sqlError, unsupported } from '../errors.ts';
import { rowversionBytes } from '../functions/session.ts';
import { parseExpression } from '../parser/statement.ts';
import { presenter, type Stored } from '../values/stored.ts';
import { compiled } from './compiled.ts';
import type { SessionCore, Step } from './core.ts';
import {
  assignmentType,
  checkForeignKeys,
  checkPlans,
  checkReferences,
  checkRow,
  imageScope,
  insertRows,
  type RowImage,
  referencesTo,
  uniqueError,
  updateFitter,
} from './rows.ts';

type Insert = Extract<Statement, { kind: 'insert' }>;
type Update = Extract<Statement, { kind: 'update' }>;
type Delete = Extract<Statement, { kind: 'delete' }>;

interface ReadPlan {
  readonly table: Table;
  readonly sql: string;
  readonly bindings: readonly Binding[];
  readonly output: OutputPlan | undefined;
}

interface InsertPlan extends ReadPlan {
  /** Which column each value of a row is for. */
  readonly columnIds: readonly number[];
}

interface UpdatePlan extends ReadPlan {
  readonly set: readonly Column[];
  readonly variables: readonly string[];
}

interface OutputPlan {
  readonly sql: string;
  readonly bindings: readonly Binding[];
  readonly columns: readonly ResultColumn[];
  readonly into: { readonly table: Table; readonly columnIds: readonly number[] } | undefined;
}

function targetTable(core: SessionCore, name: ObjectName): Table {
  const object = core.object(name.parts);
  if (object === undefined) throw sqlError(208, name.parts.join('.'));
  if (object.kind === 'view') throw unsupported(`change through view ${object.name}`);
  return object;
}

// OUTPUT

function outputPlan(
  core: SessionCore,
  table: Table,
  output: Output | undefined,
  images: readonly ('inserted' | 'deleted')[],
): OutputPlan | undefined {
  if (output === undefined) return undefined;
  const compilation = new Compilation(core);
  const binder = new QueryBinder(compilation);
  const sources = images.flatMap((image) =>
    imageScope(binder, table, image).sources.map(
      (source): Source => ({
        ...source,
        columns: source.columns.map((column) => ({
          ...column,
          nullable: findColumn(table, column.name)?.nullable ?? true,
        })),
      }),
    ),
  );
  const items = binder.items(output.items, { sources, parent: undefined, grouping: undefined });
  if (items.some((item) => item.assign !== undefined)) throw sqlError(102, '=');
  const into = output.into === undefined ? undefined : outputTarget(core, output.into, items.length);
  const list = items.map(
    (item, index) =>
      (into === undefined
        ? item.bound
        : convert(
            item.bound,
            assignmentType((into.table.columns.find((column) => column.id === into.columnIds[index]) as Column).type),
          )
      ).sql,
  );
  const columns = items.map(
    (item): ResultColumn => ({ name: item.name, type: item.bound.type, nullable: item.bound.nullable }),
  );
  return { ...compilation.finish(`SELECT ${list.join(',')}`), columns, into };
}

function outputTarget(
  core: SessionCore,
  into: NonNullable<Output['into']>,
  count: number,
): { table: Table; columnIds: readonly number[] } {
  const table = targetTable(core, into.name);
  core.allow(table, 'INSERT');
  const columns =
    into.columns === undefined ? writableColumns(table) : into.columns.map((name) => requireColumn(table, name));
  if (columns.length !== count) throw sqlError(213);
  return { table, columnIds: columns.map((column) => column.id) };
}

/** Collects OUTPUT's rows while the change runs, and gives them to the client or to a table when it is done. */
class OutputRows {
  private readonly rows: Stored[][] = [];
  private readonly core: SessionCore;
  private readonly plan: OutputPlan;

  constructor(core: SessionCore, plan: OutputPlan) {
    this.core = core;
    this.plan = plan;
  }

  add(inserted: RowImage | undefined, deleted: RowImage | undefined): void {
    this.rows.push(
      this.core
        .prepare(this.plan.sql)
        .get(...this.core.parameters(this.plan.bindings, { inserted, deleted })) as unknown as Stored[],
    );
  }

  /** Writes them to OUTPUT … INTO's table. */
  store(): void {
    const { into } = this.plan;
    if (into !== undefined) insertRows(this.core, into.table, into.columnIds, this.rows, {});
  }

  *send(): Generator<Step> {
    if (this.plan.into !== undefined) return;
    const presenters = this.plan.columns.map((column) => presenter(column.type));
    yield { kind: 'columns', columns: this.plan.columns };
    for (const row of this.rows)
      yield { kind: 'row', values: row.map((value, index) => presenters[index]?.(value) ?? value) };
  }
}

function* counted(core: SessionCore, rowCount: number): Generator<Step> {
  core.rowCount = BigInt(rowCount);
  yield core.settings.noCount ? { kind: 'done' } : { kind: 'done', rowCount };
}

// INSERT

function writableColumns(table: Table): readonly Column[] {
  return table.columns.filter(
    (column) => column.computed === undefined && column.identity === undefined && column.type.name !== 'rowversion',
  );
}

function requireColumn(table: Table, name: string): Column {
  const column = findColumn(table, name);
  if (column === undefined) throw sqlError(207, name);
  return column;
}

/** Compiles an INSERT. */
export function insertPlan(core: SessionCore, statement: Insert): InsertPlan {
  return compiled(core, statement, () => {
    const table = targetTable(core, statement.target);
    core.allow(table, 'INSERT');
    const isIdentityOn = core.identityInsert?.id === table.id;
    const columns = insertColumns(table, statement.columns, isIdentityOn);
    const compilation = new Compilation(core);
    const binder = new QueryBinder(compilation);
    const defaults = storedColumns(table).filter(
      (column) => column.default !== undefined && !columns.includes(column) && column.type.name !== 'rowversion',
    );
    const missing = defaults.map((column) => defaultOf(binder, column));
    const sql = binder.withCtes(statement.ctes, () => insertSource(binder, statement.source, columns, missing));
    const output = outputPlan(core, table, statement.output, ['inserted']);
    return {
      table,
      ...compilation.finish(sql),
      columnIds: [...columns, ...defaults].map((column) => column.id),
      output,
    };
  });
}

function insertColumns(table: Table, names: readonly string[] | undefined, isIdentityOn: boolean): readonly Column[] {
  if (names === undefined) {
    const all = writableColumns(table);
    if (isIdentityOn && all.length < table.columns.length) throw sqlError(8101, shownName(table));
    return all;
  }
  const columns = names.map((name) => requireColumn(table, name));
  columns.forEach((column, index) => {
    if (columns.indexOf(column) !== index) throw sqlError(264, column.name);
    if (column.computed !== undefined) throw sqlError(271, column.name);
    if (column.type.name === 'rowversion') throw sqlError(273);
    if (column.identity !== undefined && !isIdentityOn) throw sqlError(544, table.name);
  });
  const identity = table.columns.find((column) => column.identity !== undefined);
  if (isIdentityOn && identity !== undefined && !columns.includes(identity)) throw sqlError(545, table.name);
  return columns;
}

function defaultOf(binder: QueryBinder, column: Column): string {
  if (column.default === undefined) return 'NULL';
  return convert(binder.bind(parseExpression(column.default.text), undefined), assignmentType(column.type)).sql;
}

function insertSource(
  binder: QueryBinder,
  source: Query | 'default',
  columns: readonly Column[],
  missing: readonly string[],
): string {
  if (source === 'default')
    return `SELECT ${[...columns.map((column) => defaultOf(binder, column)), ...missing].join(',') || 'NULL'}`;
  if (source.body.kind === 'values') {
    const rows = source.body.rows.map((row) => {
      if (row.length !== columns.length) throw sqlError(row.length < columns.length ? 109 : 110);
      return `(${[...row.map((value, index) => insertValue(binder, value, columns[index] as Column)), ...missing].join(',')})`;
    });
    return `VALUES ${rows.join(',')}`;
  }
  const query = binder.query(source, undefined);
  if (query.columns.length !== columns.length) throw sqlError(query.columns.length < columns.length ? 120 : 121);
  const list = query.columns.map((column, index) => {
    const { constant: _, ...plain } = column;
    const isNull = column.constant?.value === null;
    const bound: Bound = { ...plain, sql: `q.c${index + 1}`, ...(isNull ? { constant: { value: null } } : {}) };
    return convert(bound, assignmentType((columns[index] as Column).type)).sql;
  });
  return `SELECT ${[...list, ...missing].join(',')} FROM (${query.sql}) AS q`;
}

function insertValue(binder: QueryBinder, value: Expression, column: Column): string {
  if (value.kind === 'default') return defaultOf(binder, column);
  return convert(binder.bind(value, undefined), assignmentType(column.type)).sql;
}

/** Runs an INSERT. */
export function* runInsert(core: SessionCore, statement: Insert): Generator<Step> {
  const plan = insertPlan(core, statement);
  const output = plan.output === undefined ? undefined : new OutputRows(core, plan.output);
  const count = yield* core.write(plan.table.temporary, (): number => {
    const rows = core.prepare(plan.sql).all(...core.parameters(plan.bindings)) as unknown as Stored[][];
    const written = output === undefined ? {} : { written: (image: RowImage) => output.add(image, undefined) };
    insertRows(core, plan.table, plan.columnIds, rows, {
      keepIdentity: core.identityInsert?.id === plan.table.id,
      ...written,
    });
    output?.store();
    return rows.length;
  });
  if (output !== undefined) yield* output.send();
  yield* counted(core, count);
}

// UPDATE and DELETE

interface Target {
  readonly from: BoundFrom;
  readonly source: Source & { readonly table: NonNullable<Source['table']> };
}

/** Finds the table to change: an alias of the FROM clause, a table of it, or a table by itself. */
function bindTarget(core: SessionCore, binder: QueryBinder, name: ObjectName, from: TableSource | undefined): Target {
  if (from === undefined) {
    const table = targetTable(core, name);
    const bound = binder.baseTable(table, name.parts.at(-1) as string, [table.database, table.schema, table.name]);
    return { from: bound, source: changeable(bound.sources[0]) };
  }
  const bound = binder.from(from, undefined);
  const [alias] = name.parts;
  const byAlias =
    name.parts.length === 1 ? bound.sources.find((source) => sameName(source.alias, alias as string)) : undefined;
  if (byAlias !== undefined) return { from: bound, source: changeable(byAlias) };
  const table = targetTable(core, name);
  const same = bound.sources.filter((source) => source.table?.table.id === table.id);
  if (same.length > 1) throw sqlError(8154, name.parts.join('.'));
  if (same[0] !== undefined) return { from: bound, source: changeable(same[0]) };
  const extra = binder.baseTable(table, name.parts.at(-1) as string, [table.database, table.schema, table.name]);
  return {
    from: { sql: `${extra.sql} JOIN ${bound.sql}`, sources: [...extra.sources, ...bound.sources] },
    source: changeable(extra.sources[0]),
  };
}

/** A condition is read, too, and reading takes SELECT: https://learn.microsoft.com/sql/t-sql/queries/update-transact-sql#permissions */
function allowChange(core: SessionCore, table: Table, permission: 'UPDATE' | 'DELETE', hasCondition: boolean): void {
  core.allow(table, permission);
  if (hasCondition) core.allow(table, 'SELECT');
}

function changeable(source: Source | undefined): Target['source'] {
  if (source?.table === undefined) throw unsupported(`change through ${source?.alias ?? 'this source'}`);
  return { ...source, table: source.table };
}

/** SELECT rowid, all stored columns, `extra` … of the rows to change. */
function targetSql(
  binder: QueryBinder,
  target: Target,
  statement: Update | Delete,
  extra: readonly string[],
  scope: Scope,
): string {
  const { table, sqlAlias } = target.source.table;
  const list = [`${sqlAlias}.rowid`, ...storedColumns(table).map((column) => `${sqlAlias}.c${column.id}`), ...extra];
  const where = statement.where === undefined ? '' : ` WHERE ${binder.condition(statement.where, scope)}`;
  return `SELECT ${list.join(',')} FROM ${target.from.sql}${where}${binder.limit(statement.top, undefined, undefined)}`;
}

/** Compiles an UPDATE. */
export function updatePlan(core: SessionCore, statement: Update): UpdatePlan {
  return compiled(core, statement, () => {
    const compilation = new Compilation(core);
    const binder = new QueryBinder(compilation);
    return binder.withCtes(statement.ctes, () => {
      const target = bindTarget(core, binder, statement.target, statement.from);
      const { table } = target.source.table;
      allowChange(core, table, 'UPDATE', statement.where !== undefined);
      const scope: Scope = { sources: target.from.sources, parent: undefined, grouping: undefined };
      const set: Column[] = [];
      const values: string[] = [];
      const variables: string[] = [];
      const assigned: string[] = [];
      for (const assignment of statement.set) {
        if (assignment.column === undefined) {
          const type = core.variableType(assignment.variable as string) as SqlType | undefined;
          if (type === undefined) throw sqlError(137, assignment.variable as string);
          variables.push(assignment.variable as string);
          assigned.push(convert(binder.bind(assignment.expression, scope), type).sql);
          continue;
        }
        const column = assignedColumn(table, target.source, assignment.column);
        if (set.includes(column)) throw sqlError(264, column.name);
        set.push(column);
        values.push(
          assignment.expression.kind === 'default'
            ? defaultOf(binder, column)
            : convert(binder.bind(assignment.expression, scope), assignmentType(column.type)).sql,
        );
      }
      const sql = targetSql(binder, target, statement, [...values, ...assigned], scope);
      return {
        table,
        ...compilation.finish(sql),
        set,
        variables,
        output: outputPlan(core, table, statement.output, ['inserted', 'deleted']),
      };
    });
  });
}

function assignedColumn(table: Table, source: Source, parts: readonly string[]): Column {
  if (parts.length > 1 && !matches(source, parts.slice(0, -1)) && !sameName(table.name, parts.at(-2) as string))
    throw sqlError(4104, parts.join('.'));
  const column = requireColumn(table, parts.at(-1) as string);
  if (column.computed !== undefined) throw sqlError(271, column.name);
  if (column.identity !== undefined) throw sqlError(8102, column.name);
  if (column.type.name === 'rowversion') throw sqlError(272);
  return column;
}

/** Runs an UPDATE. */
export function* runUpdate(core: SessionCore, statement: Update): Generator<Step> {
  const plan = updatePlan(core, statement);
  const output = plan.output === undefined ? undefined : new OutputRows(core, plan.output);
  const count = yield* core.write(plan.table.temporary, (): number => {
    core.refuseReadOnly(plan.table);
    const changes = readChanges(core, plan);
    applyUpdates(core, plan, changes);
    for (const change of changes) output?.add(change.after, change.before);
    output?.store();
    return changes.length;
  });
  if (output !== undefined) yield* output.send();
  yield* counted(core, count);
}

interface Change {
  readonly rowid: Stored;
  readonly before: RowImage;
  readonly after: RowImage;
}

/** The rows to update as they are and as they will be. A row that a join finds twice is changed once. */
function readChanges(core: SessionCore, plan: UpdatePlan): Change[] {
  const { table } = plan;
  const columns = storedColumns(table);
  const fitters = plan.set.map((column) => updateFitter(table, column));
  const version = columns.find((column) => column.type.name === 'rowversion');
  const seen = new Set<Stored>();
  const changes: Change[] = [];
  const rows = core.prepare(plan.sql).all(...core.parameters(plan.bindings)) as unknown as Stored[][];
  for (const row of rows) {
    const rowid = row[0] as Stored;
    if (seen.has(rowid)) continue;
    seen.add(rowid);
    const before = new Map(columns.map((column, index) => [column.id, row[index + 1] as Stored]));
    const after = new Map(before);
    plan.set.forEach((column, index) => {
      after.set(column.id, (fitters[index] as (value: Stored) => Stored)(row[1 + columns.length + index] as Stored));
    });
    if (version !== undefined) after.set(version.id, rowversionBytes(core.nextRowversion(table.database)));
    changes.push({ rowid, before, after });
    plan.variables.forEach((name, index) => {
      core.variable(name).value = row[1 + columns.length + plan.set.length + index] as Stored;
    });
  }
  return changes;
}

function applyUpdates(core: SessionCore, plan: UpdatePlan, changes: readonly Change[]): void {
  const { table } = plan;
  const columns = storedColumns(table);
  const setIds = new Set(plan.set.map((column) => column.id));
  const touchesKey = table.indexes.some(
    (index) => index.unique && index.columns.some(({ column }) => setIds.has(column)),
  );
  const name = storageName(table);
  if (touchesKey) {
    // Keys are unique when the statement has ended, not between two of its rows: take all rows out, then put them in.
    const remove = core.prepare(`DELETE FROM ${name} WHERE rowid = ?`);
    for (const change of changes) remove.run(change.rowid);
    const insert = core.prepare(
      `INSERT INTO ${name} (rowid,${columns.map((column) => `c${column.id}`).join(',')}) VALUES (?,${columns.map(() => '?').join(',')})`,
    );
    for (const change of changes)
      runChecked(table, change, () =>
        insert.run(change.rowid, ...columns.map((column) => change.after.get(column.id) as Stored)),
      );
  } else {
    const changed = columns.filter((column) => setIds.has(column.id) || column.type.name === 'rowversion');
    if (changed.length > 0) {
      const update = core.prepare(
        `UPDATE ${name} SET ${changed.map((column) => `c${column.id} = ?`).join(',')} WHERE rowid = ?`,
      );
      for (const change of changes)
        runChecked(table, change, () =>
          update.run(...changed.map((column) => change.after.get(column.id) as Stored), change.rowid),
        );
    }
  }
  const checks = checkPlans(core, table);
  const foreign = table.foreignKeys.filter((key) => key.columns.some((id) => setIds.has(id)));
  const isReferenced = touchesKey && referencesTo(core, table).length > 0;
  for (const change of changes) {
    checkRow(core, table, checks, change.after, 'UPDATE');
    checkForeignKeys(core, table, foreign, change.after, 'UPDATE');
    if (isReferenced) checkReferences(core, table, change.before, 'UPDATE');
  }
}

function runChecked(table: Table, change: Change, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw uniqueError(error, table, (id) => change.after.get(id) ?? null);
  }
}

/** Compiles a DELETE. */
export function deletePlan(core: SessionCore, statement: Delete): ReadPlan {
  return compiled(core, statement, () => {
    const compilation = new Compilation(core);
    const binder = new QueryBinder(compilation);
    return binder.withCtes(statement.ctes, () => {
      const target = bindTarget(core, binder, statement.target, statement.from);
      const { table } = target.source.table;
      allowChange(core, table, 'DELETE', statement.where !== undefined);
      const scope: Scope = { sources: target.from.sources, parent: undefined, grouping: undefined };
      const sql = targetSql(binder, target, statement, [], scope);
      return { table, ...compilation.finish(sql), output: outputPlan(core, table, statement.output, ['deleted']) };
    });
  });
}

/** Runs a DELETE. */
export function* runDelete(core: SessionCore, statement: Delete): Generator<Step> {
  const plan = deletePlan(core, statement);
  const output = plan.output === undefined ? undefined : new OutputRows(core, plan.output);
  const count = yield* core.write(plan.table.temporary, (): number => {
    core.refuseReadOnly(plan.table);
    const rows = core.prepare(plan.sql).all(...core.parameters(plan.bindings)) as unknown as Stored[][];
    const columns = storedColumns(plan.table);
    const byRowid = new Map(rows.map((row) => [row[0] as Stored, row]));
    const remove = core.prepare(`DELETE FROM ${storageName(plan.table)} WHERE rowid = ?`);
    for (const rowid of byRowid.keys()) remove.run(rowid);
    const isReferenced = referencesTo(core, plan.table).length > 0;
    if (isReferenced || output !== undefined) {
      for (const row of byRowid.values()) {
        const image = new Map(columns.map((column, index) => [column.id, row[index + 1] as Stored]));
        if (isReferenced) checkReferences(core, plan.table, image, 'DELETE');
        output?.add(undefined, image);
      }
    }
    output?.store();
    return byRowid.size;
  });
  if (output !== undefined) yield* output.send();
  yield* counted(core, count);
}
