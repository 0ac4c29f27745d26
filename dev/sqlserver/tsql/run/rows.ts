/**
 * Writes rows into a table one by one, so that every error can name its row: identity and rowversion values, NOT NULL, lengths,
 * CHECK, unique keys, FOREIGN KEY.
 */
import type { SqlType } from '../../engine.ts';
import { convert, keySql } from '../bind/bound.ts';
import { tableSource } from '../bind/from.ts';
import { QueryBinder } from '../bind/query.ts';
import { type Binding, Compilation, type Scope, type ScopeColumn } from '../bind/scope.ts';
import {
  type Column,
  columnById,
  type ForeignKey,
  findObjectById,
  type Index,
  shownName,
  storageName,
  storedColumns,
  type Table,
} from '../catalogue/objects.ts';
import { sqlError } from '../errors.ts';
import { rowversionBytes } from '../functions/session.ts';
import { parseCondition, parseExpression } from '../parser/statement.ts';
import { isBinary, isText, isUnicode, varchar } from '../types.ts';
import { defaultCollation } from '../values/collation.ts';
import { converter, toCodePage } from '../values/convert.ts';
import { decimalFrom, decimalTo, type Stored } from '../values/stored.ts';
import { compiled } from './compiled.ts';
import type { RowImages, SessionCore } from './core.ts';

/** A row's stored values by column id. */
export type RowImage = ReadonlyMap<number, Stored>;

/** How rows are inserted. */
export interface InsertOptions {
  /** Values for the identity column are given. */
  readonly keepIdentity?: boolean;
  /** CHECK and FOREIGN KEY are left out, as bulk load does unless told otherwise. */
  readonly unchecked?: boolean;
  /** Called with each row as written. */
  readonly written?: (image: RowImage) => void;
}

/** The type that a value is converted to before its length is checked: (max) instead of cutting it silently. */
export function assignmentType(type: SqlType): SqlType {
  if (type.length === undefined || type.length === 'max') return type;
  if (isText(type)) return { name: isUnicode(type) ? 'nvarchar' : 'varchar', length: 'max' };
  return { name: 'varbinary', length: 'max' };
}

/** Makes the check that brings a value of the assignment type into a column: NULL, length, padding. */
function fitter(table: Table, column: Column, action: 'INSERT' | 'UPDATE'): (value: Stored) => Stored {
  const { type } = column;
  const limit = type.length;
  const qualified = `${table.temporary ? 'tempdb' : table.database}.${shownName(table)}`;
  const fixed = type.name === 'char' || type.name === 'nchar';
  const padded = type.name === 'binary';
  const narrow = isText(type) && !isUnicode(type);
  return (value) => {
    if (value === null) {
      if (!column.nullable) throw sqlError(515, column.name, qualified, action);
      return null;
    }
    if (typeof limit !== 'number') return value;
    if (typeof value === 'string') {
      const text = narrow ? toCodePage(value) : value;
      if (text.length > limit) {
        // Spaces beyond the end are dropped without an error.
        if (text.slice(limit).trim() !== '')
          throw sqlError(2628, qualified, column.name, text.slice(0, Math.min(limit, 100)));
        return text.slice(0, limit);
      }
      return fixed ? text.padEnd(limit) : text;
    }
    if (isBinary(type)) {
      const bytes = value as Uint8Array;
      if (bytes.length > limit) throw sqlError(2628, qualified, column.name, '');
      if (padded && bytes.length < limit) {
        const whole = new Uint8Array(limit);
        whole.set(bytes);
        return whole;
      }
    }
    return value;
  };
}

/**
 * Inserts rows. `columnIds` says which column each value of a row is for; identity and rowversion columns may be left out, all
 * other stored columns must be there. Values are of each column's assignment type.
 */
export function insertRows(
  core: SessionCore,
  table: Table,
  columnIds: readonly number[],
  rows: Iterable<readonly Stored[]>,
  options: InsertOptions,
): number {
  const inserter = rowInserter(core, table, columnIds, options);
  let count = 0;
  for (const row of rows) {
    inserter.add(row);
    count++;
  }
  inserter.finish();
  return count;
}

/** Takes rows one by one. */
export interface RowInserter {
  add(row: readonly Stored[]): void;
  /** Checks what can only be checked when all rows are in. */
  finish(): void;
}

/** As insertRows, for rows that come one by one. */
export function rowInserter(
  core: SessionCore,
  table: Table,
  columnIds: readonly number[],
  options: InsertOptions,
): RowInserter {
  core.refuseReadOnly(table);
  const columns = storedColumns(table);
  const statement = core.prepare(
    `INSERT INTO ${storageName(table)} (${columns.map((column) => `c${column.id}`).join(',')}) VALUES (${columns.map(() => '?').join(',')})`,
  );
  const makers = columns.map((column) =>
    valueMaker(core, table, column, columnIds.indexOf(column.id), options.keepIdentity ?? false),
  );
  const identity = columns.findIndex((column) => column.identity !== undefined);
  const checks = options.unchecked ? [] : checkPlans(core, table);
  const foreign = options.unchecked ? [] : table.foreignKeys;
  const needsImage = options.written !== undefined || checks.length > 0 || foreign.length > 0;
  const images: RowImage[] = [];
  return {
    add(row) {
      const values = makers.map((make) => make(row));
      try {
        statement.run(...values);
      } catch (error) {
        throw uniqueError(error, table, (id) => values[columns.findIndex((column) => column.id === id)] as Stored);
      }
      if (identity >= 0) {
        core.lastIdentity = identityNumber(values[identity] as Stored);
        core.scopeIdentity = core.lastIdentity;
      }
      if (!needsImage) return;
      const image = new Map(columns.map((column, index) => [column.id, values[index] as Stored]));
      checkRow(core, table, checks, image, 'INSERT');
      if (foreign.length > 0) images.push(image);
      options.written?.(image);
    },
    finish() {
      for (const image of images) checkForeignKeys(core, table, foreign, image, 'INSERT');
    },
  };
}

function valueMaker(
  core: SessionCore,
  table: Table,
  column: Column,
  index: number,
  keepIdentity: boolean,
): (row: readonly Stored[]) => Stored {
  if (column.type.name === 'rowversion') return () => rowversionBytes(core.nextRowversion(table.database));
  const fit = fitter(table, column, 'INSERT');
  const { identity } = column;
  if (identity === undefined) return (row) => fit(index < 0 ? null : (row[index] as Stored));
  const shape =
    column.type.precision === undefined
      ? (value: bigint): Stored => value
      : (value: bigint) => decimalTo(value, column.type.precision ?? 38);
  if (keepIdentity && index >= 0) {
    return (row) => {
      const value = fit(row[index] as Stored);
      const given = identityNumber(value);
      const last = core.server.lastIdentity(table);
      if (last === undefined || (identity.increment > 0n ? given > last : given < last))
        core.server.setIdentity(table, given);
      return value;
    };
  }
  const check = converter({ name: 'bigint' }, column.type);
  return () => {
    const last = core.server.lastIdentity(table);
    const next = last === undefined ? identity.seed : last + identity.increment;
    if (column.type.precision === undefined) check?.(next);
    core.server.setIdentity(table, next);
    return shape(next);
  };
}

const identityNumber = (value: Stored): bigint => decimalFrom(value);

/** Turns SQLite's report of a broken unique index into 2627 or 2601 with the key's value. */
export function uniqueError(error: unknown, table: Table, keyValue: (column: number) => Stored): unknown {
  const match =
    error instanceof Error ? /UNIQUE constraint failed: (?:index ')?(?:i\d+_(\d+)n?|.*)/.exec(error.message) : null;
  if (match === null) return error;
  const byName = match[1] === undefined ? undefined : table.indexes.find((index) => index.id === Number(match[1]));
  const index =
    byName ??
    table.indexes.find(
      (candidate) =>
        candidate.unique && candidate.columns.every(({ column }) => (error as Error).message.includes(`.c${column}`)),
    );
  return index === undefined ? error : duplicateKey(table, index, keyValue);
}

/** Error 2627 (key constraint) or 2601 (unique index) for a duplicate key. */
function duplicateKey(table: Table, index: Index, keyValue: (column: number) => Stored): Error {
  const text = index.columns.map(({ column }) => keyText(columnById(table, column).type, keyValue(column))).join(', ');
  if (index.kind === 'index') return sqlError(2601, shownName(table), index.name, text);
  return sqlError(2627, index.kind === 'primary' ? 'PRIMARY KEY' : 'UNIQUE KEY', index.name, shownName(table), text);
}

/** A key's value as the error messages show it. */
export function keyText(type: SqlType, value: Stored): string {
  if (value === null) return '<NULL>';
  if (isBinary(type)) return `0x${Buffer.from(value as Uint8Array).toString('hex')}`;
  const convertToText = converter(type, varchar(8000));
  const text = isText(type) ? (value as string) : String(convertToText === undefined ? value : convertToText(value));
  return type.name === 'uniqueidentifier' ? text.toLowerCase() : text;
}

interface CheckPlan {
  readonly name: string;
  readonly text: string;
  readonly sql: string;
  readonly bindings: readonly Binding[];
}

/** The scope in which a table's columns are those of a row image. */
export function imageScope(binder: QueryBinder, table: Table, image: 'inserted' | 'deleted'): Scope {
  const plain = tableSource(table, image, undefined, '');
  const columns = storedColumns(table).map(
    (column, index): ScopeColumn => ({
      ...(plain.columns[index] as ScopeColumn),
      sql: binder.compilation.parameter({ kind: 'row', image, column: column.id }),
      nullable: true,
    }),
  );
  const scope: Scope = {
    sources: [{ alias: image, name: undefined, columns }],
    parent: undefined,
    grouping: undefined,
  };
  const computed = table.columns.flatMap((column): ScopeColumn[] => {
    if (column.computed === undefined) return [];
    return [{ ...convert(binder.bind(parseExpression(column.computed), scope), column.type), name: column.name }];
  });
  const byName = [...columns, ...computed];
  const ordered = table.columns.map(
    (column) => byName.find((candidate) => candidate.name === column.name) as ScopeColumn,
  );
  return { ...scope, sources: [{ alias: image, name: undefined, columns: ordered }] };
}

/** Compiles a table's CHECK constraints. */
export function checkPlans(core: SessionCore, table: Table): readonly CheckPlan[] {
  return compiled(core, table.checks, () =>
    table.checks.map((check) => {
      const compilation = new Compilation(core);
      const binder = new QueryBinder(compilation);
      const condition = binder.condition(parseCondition(check.text), imageScope(binder, table, 'inserted'));
      return { name: check.name, text: check.text, ...compilation.finish(`SELECT 1 WHERE NOT (${condition})`) };
    }),
  );
}

/** `, column 'x'` where a CHECK is about one column only. */
function checkColumn(table: Table, text: string): string {
  const named = table.columns.filter((column) =>
    new RegExp(`\\b${column.name.replace(/[^\p{L}\p{N}_]/gu, '\\$&')}\\b`, 'iu').test(text),
  );
  return named.length === 1 ? `, column '${named[0]?.name}'` : '';
}

/** Throws 547 for the first CHECK that a row breaks. */
export function checkRow(
  core: SessionCore,
  table: Table,
  checks: readonly CheckPlan[],
  image: RowImage,
  action: 'INSERT' | 'UPDATE',
): void {
  const images: RowImages = { inserted: image, deleted: undefined };
  for (const check of checks) {
    const broken = core.prepare(check.sql).get(...core.parameters(check.bindings, images));
    if (broken !== undefined)
      throw sqlError(
        547,
        action,
        'CHECK',
        check.name,
        table.database,
        shownName(table),
        checkColumn(table, check.text),
      );
  }
}

/** The key that a column is compared by, for a value given as a parameter. */
function parameterKey(column: Column): string {
  return keySql({ sql: '?', type: column.type, nullable: true, collation: column.collation ?? defaultCollation });
}

function columnKey(column: Column): string {
  return keySql({
    sql: `c${column.id}`,
    type: column.type,
    nullable: true,
    collation: column.collation ?? defaultCollation,
  });
}

/** Is every key that a row refers to there? */
export function checkForeignKeys(
  core: SessionCore,
  _table: Table,
  keys: readonly ForeignKey[],
  image: RowImage,
  action: 'INSERT' | 'UPDATE',
): void {
  for (const key of keys) {
    const values = key.columns.map((id) => image.get(id) ?? null);
    if (values.includes(null)) continue;
    const target = findObjectById(core.catalogue, key.table);
    if (target?.kind !== 'table') continue;
    const condition = key.references
      .map((id) => `${columnKey(columnById(target, id))} = ${parameterKey(columnById(target, id))}`)
      .join(' AND ');
    if (core.prepare(`SELECT 1 FROM ${storageName(target)} WHERE ${condition}`).get(...values) !== undefined) continue;
    const column =
      key.references.length === 1 ? `, column '${columnById(target, key.references[0] as number).name}'` : '';
    throw sqlError(547, action, 'FOREIGN KEY', key.name, target.database, shownName(target), column);
  }
}

/** The foreign keys of other tables that refer to a table. */
export function referencesTo(core: SessionCore, table: Table): { table: Table; key: ForeignKey }[] {
  const found: { table: Table; key: ForeignKey }[] = [];
  for (const database of core.catalogue.values()) {
    for (const object of database.objects.values()) {
      if (object.kind === 'table')
        for (const key of object.foreignKeys) if (key.table === table.id) found.push({ table: object, key });
    }
  }
  return found;
}

/** Does no row refer to a key that has just gone? */
export function checkReferences(core: SessionCore, table: Table, image: RowImage, action: 'DELETE' | 'UPDATE'): void {
  for (const { table: child, key } of referencesTo(core, table)) {
    const values = key.references.map((id) => image.get(id) ?? null);
    const condition = key.columns
      .map((id) => `${columnKey(columnById(child, id))} = ${parameterKey(columnById(child, id))}`)
      .join(' AND ');
    if (core.prepare(`SELECT 1 FROM ${storageName(child)} WHERE ${condition}`).get(...values) === undefined) continue;
    const own = key.references
      .map((id) => `${columnKey(columnById(table, id))} = ${parameterKey(columnById(table, id))}`)
      .join(' AND ');
    if (core.prepare(`SELECT 1 FROM ${storageName(table)} WHERE ${own}`).get(...values) !== undefined) continue;
    const column = key.columns.length === 1 ? `, column '${columnById(child, key.columns[0] as number).name}'` : '';
    throw sqlError(547, action, 'REFERENCE', key.name, child.database, shownName(child), column);
  }
}

/** Makes the check for the columns that an UPDATE sets. */
export const updateFitter = (table: Table, column: Column): ((value: Stored) => Stored) =>
  fitter(table, column, 'UPDATE');
