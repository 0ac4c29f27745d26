/** Binds queries: FROM with its joins, grouping, DISTINCT, set operations, TOP and OFFSET, to one SQLite SELECT. */

import type { Expression, OrderItem, Query, QueryBody, Select, SelectItem } from '../ast.ts';
import { sameName } from '../catalogue/objects.ts';
import { sqlError } from '../errors.ts';
import { isText, types } from '../types.ts';
import { type Bound, commonOf, convert, invoke, keySql } from './bound.ts';
import { type BoundQuery, containsAggregate } from './expression.ts';
import type { BoundSelect, OutputColumn } from './from.ts';
import { FromBinder, withoutConstant } from './from.ts';
import { matches, type Scope } from './scope.ts';

/** A select list's item once bound; `assign` names the variable that it sets. */
interface Item {
  readonly name: string;
  readonly bound: Bound;
  readonly expression: Expression | undefined;
  readonly assign?: string;
}

/** The whole binder. */
export class QueryBinder extends FromBinder {
  override subquery(query: Query, scope: Scope | undefined, _ordered: boolean): BoundQuery {
    if (
      query.orderBy.length > 0 &&
      query.offset === undefined &&
      !(query.body.kind === 'select' && query.body.top !== undefined)
    )
      throw sqlError(1033);
    return this.query(query, scope);
  }

  /** Binds a whole query; its SQLite columns are c1, c2 …. */
  query(query: Query, scope: Scope | undefined): BoundSelect {
    return this.withCtes(query.ctes, () => {
      if (query.body.kind === 'select') return this.select(query.body, query, scope);
      const body = this.body(query.body, scope);
      return this.ordered(body, query, scope);
    });
  }

  protected override body(body: QueryBody, scope: Scope | undefined): BoundSelect {
    if (body.kind === 'select') return this.select(body, undefined, scope);
    if (body.kind === 'values') return this.values(body.rows, scope);
    const left = this.body(body.left, scope);
    const right = this.body(body.right, scope);
    if (left.assigns.length > 0 || right.assigns.length > 0) throw sqlError(10734);
    return this.setOperation(body.operator, left, right);
  }

  private setOperation(
    operator: 'UNION' | 'UNION ALL' | 'EXCEPT' | 'INTERSECT',
    left: BoundSelect,
    right: BoundSelect,
  ): BoundSelect {
    if (left.columns.length !== right.columns.length) throw sqlError(205);
    const a = this.compilation.alias();
    const b = this.compilation.alias();
    const merged = left.columns.map((column, index): { left: Bound; right: Bound; column: OutputColumn } => {
      const other = right.columns[index] as OutputColumn;
      const type = commonOf([column, other]);
      const result = {
        name: column.name,
        sql: `c${index + 1}`,
        type,
        nullable: column.nullable || other.nullable,
        collation: isText(type) ? (column.collation ?? other.collation) : undefined,
      };
      // A NULL constant's converted form lost its column; refer to it again.
      const side = (bound: OutputColumn, alias: string): Bound => {
        const converted = convert({ ...bound, sql: `${alias}.c${index + 1}` }, type);
        return converted.sql === 'NULL' || converted.constant !== undefined
          ? { ...converted, sql: `${alias}.c${index + 1}` }
          : converted;
      };
      return { left: side(withoutConstant(column), a), right: side(withoutConstant(other), b), column: result };
    });
    const columns = merged.map((item) => item.column);
    const leftSql = `SELECT ${merged.map((item, index) => `${item.left.sql} AS c${index + 1}`).join(',')} FROM (${left.sql}) AS ${a}`;
    const rightSql = `SELECT ${merged.map((item, index) => `${item.right.sql} AS c${index + 1}`).join(',')} FROM (${right.sql}) AS ${b}`;
    if (operator === 'UNION ALL') return { sql: `${leftSql} UNION ALL ${rightSql}`, columns, assigns: [] };
    if (operator === 'UNION')
      return { sql: this.distinct(`${leftSql} UNION ALL ${rightSql}`, columns), columns, assigns: [] };
    const x = this.compilation.alias();
    const y = this.compilation.alias();
    const same = columns
      .map(
        (column) =>
          `${keySql({ ...column, sql: `${x}.${column.sql}` })} IS ${keySql({ ...column, sql: `${y}.${column.sql}` })}`,
      )
      .join(' AND ');
    const kept = `SELECT ${x}.* FROM (${leftSql}) AS ${x} WHERE ${operator === 'EXCEPT' ? 'NOT ' : ''}EXISTS (SELECT 1 FROM (${rightSql}) AS ${y} WHERE ${same})`;
    return { sql: this.distinct(kept, columns), columns, assigns: [] };
  }

  /** Rows that differ in at least one key, as DISTINCT and UNION want them. */
  private distinct(sql: string, columns: readonly OutputColumn[]): string {
    const alias = this.compilation.alias();
    const list = columns.map((_, index) => `${alias}.c${index + 1} AS c${index + 1}`).join(',');
    const keys = columns
      .map((column, index) => keySql({ ...withoutConstant(column), sql: `${alias}.c${index + 1}` }))
      .join(',');
    return `SELECT ${list} FROM (${sql}) AS ${alias} GROUP BY ${keys}`;
  }

  private values(rows: readonly (readonly Expression[])[], scope: Scope | undefined): BoundSelect {
    const bound = rows.map((row) => row.map((value) => this.bind(value, scope)));
    const width = bound[0]?.length ?? 0;
    if (bound.some((row) => row.length !== width)) throw sqlError(10709);
    const columns = Array.from({ length: width }, (_, index): OutputColumn => {
      const all = bound.map((row) => row[index] as Bound);
      const type = commonOf(all);
      const collation = isText(type) ? all.find((value) => value.collation !== undefined)?.collation : undefined;
      return { name: '', sql: `c${index + 1}`, type, nullable: all.some((value) => value.nullable), collation };
    });
    const list = bound.map(
      (row, at) =>
        `SELECT ${row.map((value, index) => `${convert(value, (columns[index] as OutputColumn).type).sql}${at === 0 ? ` AS c${index + 1}` : ''}`).join(',')}`,
    );
    return { sql: compound(list), columns, assigns: [] };
  }

  /** ORDER BY and OFFSET around a set operation: only output columns can be named. */
  private ordered(body: BoundSelect, query: Query, scope: Scope | undefined): BoundSelect {
    if (query.orderBy.length === 0 && query.offset === undefined) return body;
    const alias = this.compilation.alias();
    const columns = body.columns.map((column, index) => ({
      ...withoutConstant(column),
      sql: `${alias}.c${index + 1}`,
    }));
    const inner: Scope = { sources: [{ alias: '', name: undefined, columns }], parent: scope, grouping: undefined };
    const order = query.orderBy.map((item) => {
      const position = ordinal(item.expression);
      const bound = position === undefined ? this.bind(item.expression, inner) : columns[position - 1];
      if (bound === undefined) throw sqlError(108, position ?? 0);
      return `${keySql(bound)}${item.descending ? ' DESC' : ''}`;
    });
    const list = columns.map((column, index) => `${column.sql} AS c${index + 1}`).join(',');
    const sql = `SELECT ${list} FROM (${body.sql}) AS ${alias} ORDER BY ${order.join(',')}${this.limit(undefined, query, scope)}`;
    return { ...body, sql };
  }

  private select(select: Select, query: Query | undefined, scope: Scope | undefined): BoundSelect {
    const from = select.from === undefined ? { sql: '', sources: [] } : this.from(select.from, scope);
    const inner: Scope = { sources: from.sources, parent: scope, grouping: undefined };
    const where = select.where === undefined ? '' : ` WHERE ${this.condition(select.where, inner)}`;
    const orderBy = query?.orderBy ?? [];
    const grouped = select.groupBy.length > 0 || select.having !== undefined || usesAggregate(select.items, orderBy);
    const groupBy = select.groupBy.map((expression) => {
      const bound = this.bind(expression, inner);
      if (bound.constant !== undefined) throw sqlError(164);
      return bound;
    });
    if (grouped) {
      const keys = new Set(groupBy.flatMap((bound) => [bound.sql, keySql(bound)]));
      inner.grouping = { keys, insideAggregate: false, clause: 8120 };
    }
    const items = this.items(select.items, inner);
    const assigns = items.flatMap((item) => (item.assign === undefined ? [] : [item.assign]));
    if (assigns.length > 0 && assigns.length !== items.length) throw sqlError(141);
    let having = '';
    if (select.having !== undefined) {
      if (inner.grouping !== undefined) inner.grouping = { ...inner.grouping, clause: 8121 };
      having = ` HAVING ${this.condition(select.having, inner)}`;
      if (inner.grouping !== undefined) inner.grouping = { ...inner.grouping, clause: 8120 };
    }
    const groupSql = groupBy.length === 0 ? '' : ` GROUP BY ${groupBy.map((bound) => keySql(bound)).join(',')}`;
    // HAVING without GROUP BY and aggregates: SQLite wants to see that there is one group.
    const lone = groupSql === '' && having !== '' ? ' GROUP BY NULL' : groupSql;
    const columns = items.map((item, index): OutputColumn => {
      const { bound } = item;
      return {
        name: item.name,
        sql: `c${index + 1}`,
        type: bound.type,
        nullable: bound.nullable,
        collation: bound.collation,
        identity: bound.identity ?? false,
        ...(bound.constant === undefined ? {} : { constant: bound.constant }),
      };
    });
    const list = items.map((item, index) => `${item.bound.sql} AS c${index + 1}`).join(',');
    const core = `SELECT ${list}${from.sql === '' ? '' : ` FROM ${from.sql}`}${where}${lone}${having}`;
    const limit = this.limit(select.top, query, scope);
    if (!select.distinct) {
      const order = orderBy.map((item) => `${this.orderKey(item, items, inner)}${item.descending ? ' DESC' : ''}`);
      return { sql: `${core}${order.length > 0 ? ` ORDER BY ${order.join(',')}` : ''}${limit}`, columns, assigns };
    }
    const order = orderBy.map((item) => {
      const index = this.selectIndex(item, items, inner);
      return `${keySql({ ...withoutConstant(columns[index] as OutputColumn), sql: `c${index + 1}` })}${item.descending ? ' DESC' : ''}`;
    });
    const distinct = this.distinct(core, columns);
    return {
      sql: order.length > 0 ? `SELECT * FROM (${distinct}) ORDER BY ${order.join(',')}${limit}` : `${distinct}${limit}`,
      columns,
      assigns,
    };
  }

  private orderKey(item: OrderItem, items: readonly Item[], scope: Scope): string {
    const position = ordinal(item.expression);
    if (position !== undefined) {
      const chosen = items[position - 1];
      if (chosen === undefined) throw sqlError(108, position);
      return keySql(chosen.bound);
    }
    const alias = aliasOf(item.expression, items);
    return keySql(alias === undefined ? this.bind(item.expression, scope) : alias.bound);
  }

  /** Which select item an ORDER BY item of a DISTINCT query is. */
  private selectIndex(item: OrderItem, items: readonly Item[], scope: Scope): number {
    const position = ordinal(item.expression);
    if (position !== undefined) {
      if (items[position - 1] === undefined) throw sqlError(108, position);
      return position - 1;
    }
    const alias = aliasOf(item.expression, items);
    if (alias !== undefined) return items.indexOf(alias);
    const bound = this.bind(item.expression, scope);
    const index = items.findIndex((candidate) => candidate.bound.sql === bound.sql);
    if (index < 0) throw sqlError(145);
    return index;
  }

  /** TOP, or OFFSET … FETCH. */
  limit(top: Expression | undefined, query: Query | undefined, scope: Scope | undefined): string {
    if (top !== undefined) {
      if (query?.offset !== undefined) throw sqlError(10741);
      return ` LIMIT ${this.rowLimit(top, 'top', scope)}`;
    }
    if (query?.offset === undefined) return '';
    const fetch = query.fetch === undefined ? '-1' : this.rowLimit(query.fetch, 'fetch', scope);
    return ` LIMIT ${fetch} OFFSET ${this.rowLimit(query.offset, 'offset', scope)}`;
  }

  private rowLimit(expression: Expression, clause: 'top' | 'offset' | 'fetch', scope: Scope | undefined): string {
    const bound = convert(this.bind(expression, clause === 'top' ? undefined : scope), types.bigint);
    const check = (value: bigint | null): bigint => {
      if (value === null) throw sqlError(1060);
      if (value < 0n && clause === 'top') throw sqlError(1014);
      if (value < 0n && clause === 'offset') throw sqlError(10742);
      if (value < 1n && clause === 'fetch') throw sqlError(10744);
      return value;
    };
    return invoke(`limit ${clause}`, () => check, [bound], types.bigint, { strict: false }).sql;
  }

  /** Binds a select list, stars expanded. */
  items(items: readonly SelectItem[], scope: Scope): Item[] {
    return items.flatMap((item): Item[] => {
      if (item.kind === 'star') return this.star(item.qualifier, scope);
      const bound = this.bind(item.expression, scope);
      if (item.kind === 'assign')
        return [
          {
            name: '',
            bound: this.assigned(item.variable, bound),
            expression: item.expression,
            assign: item.variable.toLowerCase(),
          },
        ];
      const name = item.alias ?? (item.expression.kind === 'column' ? (item.expression.parts.at(-1) as string) : '');
      return [{ name, bound, expression: item.expression }];
    });
  }

  private assigned(variable: string, bound: Bound): Bound {
    const type = this.compilation.names.variableType(variable);
    if (type === undefined) throw sqlError(137, variable);
    return convert(bound, type);
  }

  private star(qualifier: readonly string[], scope: Scope): Item[] {
    const sources =
      qualifier.length === 0 ? scope.sources : scope.sources.filter((source) => matches(source, qualifier));
    if (sources.length === 0) throw qualifier.length === 0 ? sqlError(263) : sqlError(107, qualifier.join('.'));
    return sources.flatMap((source) =>
      source.columns.map(
        (column): Item => ({
          name: column.name,
          bound: this.bind(
            { kind: 'column', parts: [source.alias, column.name].slice(source.alias === '' ? 1 : 0) },
            { ...scope, sources: [source] },
          ),
          expression: undefined,
        }),
      ),
    );
  }
}

function usesAggregate(items: readonly SelectItem[], orderBy: readonly OrderItem[]): boolean {
  return (
    items.some((item) => item.kind !== 'star' && containsAggregate(item.expression)) ||
    orderBy.some((item) => containsAggregate(item.expression))
  );
}

function ordinal(expression: Expression): number | undefined {
  return expression.kind === 'literal' && typeof expression.value === 'bigint' && expression.type.name === 'int'
    ? Number(expression.value)
    : undefined;
}

function aliasOf(expression: Expression, items: readonly Item[]): Item | undefined {
  if (expression.kind !== 'column' || expression.parts.length !== 1) return undefined;
  const found = items.filter((item) => item.name !== '' && sameName(item.name, expression.parts[0] as string));
  if (found.length > 1 && found.some((item) => item.bound.sql !== found[0]?.bound.sql))
    throw sqlError(209, expression.parts[0] as string);
  return found[0];
}

/** SQLite takes 500 terms in a compound SELECT unless it is one of VALUES; longer lists are nested. */
function compound(selects: readonly string[]): string {
  if (selects.length <= 400) return selects.join(' UNION ALL ');
  const parts: string[] = [];
  for (let i = 0; i < selects.length; i += 400)
    parts.push(`SELECT * FROM (${selects.slice(i, i + 400).join(' UNION ALL ')})`);
  return parts.join(' UNION ALL ');
}
