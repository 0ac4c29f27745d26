/** Binds queries: FROM with its joins, grouping, DISTINCT, set operations, TOP and OFFSET, to one SQLite SELECT. */
import type { Cte, Expression, OrderItem, Query, QueryBody, Select, SelectItem, TableSource } from '../ast.ts';
import { sameName, storageName, type Table, type View } from '../catalogue/objects.ts';
import { catalogueRows, catalogueViews } from '../catalogue/views.ts';
import { sqlError, unsupported } from '../errors.ts';
import { parseBatch, parseExpression } from '../parser/statement.ts';
import { isText, nvarchar, types } from '../types.ts';
import { defaultCollation, fold } from '../values/collation.ts';
import { type Json, jsonKind, jsonParse, jsonPath, jsonScalar, jsonWalk } from '../values/json.ts';
import { type Bound, commonOf, convert, invoke, keySql } from './bound.ts';
import { type BoundQuery, containsAggregate, ExpressionBinder } from './expression.ts';
import { type CteScope, matches, type Scope, type ScopeColumn, type Source } from './scope.ts';

export interface OutputColumn extends Bound {
  readonly name: string;
}

/** A select list's item once bound; `assign` names the variable that it sets. */
interface Item {
  readonly name: string;
  readonly bound: Bound;
  readonly expression: Expression | undefined;
  readonly assign?: string;
}

export interface BoundSelect extends BoundQuery {
  readonly columns: readonly OutputColumn[];
  /** The variables that the columns are assigned to, one for one, for SELECT @x = …. */
  readonly assigns: readonly string[];
}

/** A bound FROM clause. */
export interface BoundFrom {
  readonly sql: string;
  readonly sources: readonly Source[];
}

const noScope: Scope | undefined = undefined;

export class QueryBinder extends ExpressionBinder {
  private ctes: readonly CteScope[] = [];

  /** Runs with common table expressions in reach. */
  withCtes<T>(ctes: readonly Cte[], body: () => T): T {
    const before = this.ctes;
    for (const cte of ctes) {
      if (this.ctes.slice(0, this.ctes.length - before.length).some((other) => sameName(other.cte.name, cte.name)))
        throw sqlError(239, cte.name);
      this.ctes = [{ cte, outer: this.ctes }, ...this.ctes];
    }
    try {
      return body();
    } finally {
      this.ctes = before;
    }
  }

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

  private body(body: QueryBody, scope: Scope | undefined): BoundSelect {
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

  /** Binds a FROM clause; `outer` is what its subqueries and APPLY may name beside its own tables. */
  from(source: TableSource, outer: Scope | undefined): BoundFrom {
    const bound = this.source(source, outer, []);
    const seen = new Set<string>();
    for (const { alias, name } of bound.sources) {
      const key = name === undefined ? fold(alias) : fold(name.join('.'));
      if (seen.has(key)) throw name === undefined ? sqlError(1011, alias) : sqlError(1013, name.join('.'));
      seen.add(key);
    }
    return bound;
  }

  private source(source: TableSource, outer: Scope | undefined, left: readonly Source[]): BoundFrom {
    switch (source.kind) {
      case 'table':
        return this.table(source, outer);
      case 'derived': {
        const query = this.subquery(source.query, outer, true);
        return this.derived(query, source.alias, source.columns);
      }
      case 'openjson':
        return this.openJson(source, { sources: left, parent: outer, grouping: undefined });
      case 'function':
        throw sqlError(208, source.name.parts.join('.'));
      case 'join':
        return this.join(source, outer, left);
      case 'apply':
        return this.apply(source, outer, left);
    }
  }

  private join(
    source: Extract<TableSource, { kind: 'join' }>,
    outer: Scope | undefined,
    before: readonly Source[],
  ): BoundFrom {
    const left = this.source(source.left, outer, before);
    const right = this.source(source.right, outer, before);
    const padLeft = source.type === 'RIGHT' || source.type === 'FULL';
    const padRight = source.type === 'LEFT' || source.type === 'FULL';
    const sources = [
      ...(padLeft ? left.sources.map(nullableSource) : left.sources),
      ...(padRight ? right.sources.map(nullableSource) : right.sources),
    ];
    const nested = source.right.kind === 'join' || source.right.kind === 'apply';
    const rightSql = nested ? `(${right.sql})` : right.sql;
    if (source.on === undefined)
      return { sql: `${left.sql} CROSS JOIN ${rightSql}`.replace(' CROSS JOIN ', ' JOIN '), sources };
    const on = this.condition(source.on, {
      sources: [...left.sources, ...right.sources],
      parent: outer,
      grouping: undefined,
    });
    return { sql: `${left.sql} ${source.type} JOIN ${rightSql} ON ${on}`, sources };
  }

  /**
   * APPLY: SQLite has no lateral join, but a table-valued function may name the tables to its left. So the right side is
   * gathered into a JSON array by a correlated subquery, and json_each makes rows of it again.
   */
  private apply(
    source: Extract<TableSource, { kind: 'apply' }>,
    outer: Scope | undefined,
    before: readonly Source[],
  ): BoundFrom {
    const left = this.source(source.left, outer, before);
    const lateral: Scope = { sources: [...before, ...left.sources], parent: outer, grouping: undefined };
    const join = source.outer ? 'LEFT JOIN' : 'JOIN';
    const on = source.outer ? ' ON true' : '';
    const pad = (sources: readonly Source[]): readonly Source[] =>
      source.outer ? sources.map(nullableSource) : sources;
    if (source.right.kind === 'openjson') {
      const right = this.openJson(source.right, lateral);
      return { sql: `${left.sql} ${join} ${right.sql}${on}`, sources: [...left.sources, ...pad(right.sources)] };
    }
    if (source.right.kind !== 'derived') throw unsupported('APPLY');
    const query = this.subquery(source.right.query, lateral, true);
    const inner = this.compilation.alias();
    const alias = this.compilation.alias();
    const packed = query.columns.map((_, index) => `pack(${inner}.c${index + 1})`).join(',');
    const rows = `(SELECT json_group_array(json_array(${packed})) FROM (${query.sql}) AS ${inner})`;
    const columns = query.columns.map((column, index) => ({
      ...withoutConstant(column),
      sql: `unpack(${alias}.value->>${index})`,
    }));
    const right = named(columns, source.right.alias, source.right.columns);
    return {
      sql: `${left.sql} ${join} json_each(${rows}) AS ${alias}${on}`,
      sources: [...left.sources, ...pad([right])],
    };
  }

  private derived(query: BoundQuery, alias: string, names: readonly string[] | undefined): BoundFrom {
    const sqlAlias = this.compilation.alias();
    const columns = query.columns.map((column, index) => ({
      ...withoutConstant(column),
      sql: `${sqlAlias}.c${index + 1}`,
    }));
    return { sql: `(${query.sql}) AS ${sqlAlias}`, sources: [named(columns, alias, names)] };
  }

  private table(source: Extract<TableSource, { kind: 'table' }>, outer: Scope | undefined): BoundFrom {
    const { parts } = source.name;
    if (
      source.hints.some((hint) =>
        ['UPDLOCK', 'XLOCK', 'HOLDLOCK', 'SERIALIZABLE', 'REPEATABLEREAD', 'TABLOCK', 'TABLOCKX'].includes(hint),
      )
    ) {
      this.compilation.locksForRead = true;
    }
    const cte =
      parts.length === 1 ? this.ctes.find((candidate) => sameName(candidate.cte.name, parts[0] as string)) : undefined;
    if (cte !== undefined) return this.cte(cte, source.alias ?? cte.cte.name);
    const view = this.catalogueView(parts, source.alias);
    if (view !== undefined) return view;
    const object = this.compilation.names.object(parts);
    if (object === undefined) throw sqlError(208, parts.join('.'));
    const alias = source.alias ?? (parts.at(-1) as string);
    const name = source.alias === undefined ? [object.database, object.schema, object.name] : undefined;
    return object.kind === 'table' ? this.baseTable(object, alias, name) : this.view(object, alias, outer);
  }

  /** A base table as the FROM clause of a change, or within one. */
  baseTable(table: Table, alias: string, name: readonly string[] | undefined): BoundFrom {
    this.compilation.reads.add(table);
    const sqlAlias = this.compilation.alias();
    const source = tableSource(table, alias, name, sqlAlias);
    const computed = table.columns.filter((column) => column.computed !== undefined);
    if (computed.length === 0) return { sql: `${storageName(table)} AS ${sqlAlias}`, sources: [source] };
    const scope: Scope = { sources: [source], parent: undefined, grouping: undefined };
    const columns = table.columns.map((column): ScopeColumn => {
      if (column.computed === undefined)
        return source.columns.find((candidate) => candidate.name === column.name) as ScopeColumn;
      const bound = convert(this.bind(parseExpression(column.computed), scope), column.type);
      return { ...withoutConstant(bound), name: column.name, nullable: column.nullable };
    });
    return { sql: `${storageName(table)} AS ${sqlAlias}`, sources: [{ ...source, columns }] };
  }

  private view(view: View, alias: string, _outer: Scope | undefined): BoundFrom {
    const [statement] = parseBatch(view.text);
    if (statement?.kind !== 'select') throw sqlError(208, view.name);
    const before = this.ctes;
    this.ctes = [];
    try {
      return this.derived(this.subquery(statement.query, noScope, true), alias, view.columns);
    } finally {
      this.ctes = before;
    }
  }

  private cte(scope: CteScope, alias: string): BoundFrom {
    if (scope.recursive !== undefined) {
      const sqlAlias = this.compilation.alias();
      const columns = scope.recursive.columns.map((column, index) => ({ ...column, sql: `${sqlAlias}.c${index + 1}` }));
      return { sql: `${scope.recursive.sqlName} AS ${sqlAlias}`, sources: [{ alias, name: undefined, columns }] };
    }
    const before = this.ctes;
    this.ctes = scope.outer;
    try {
      const { body } = scope.cte.query;
      if (body.kind === 'set' && body.operator === 'UNION ALL' && mentions(body.right, scope.cte.name))
        return this.recursive(scope, body, alias);
      return this.derived(this.subquery(scope.cte.query, noScope, true), alias, scope.cte.columns);
    } finally {
      this.ctes = before;
    }
  }

  /** WITH name AS (anchor UNION ALL part that names itself). SQL Server's limit of 100 levels is not modelled: it runs to its end. */
  private recursive(scope: CteScope, body: Extract<QueryBody, { kind: 'set' }>, alias: string): BoundFrom {
    const anchor = this.body(body.left, noScope);
    const sqlName = this.compilation.alias();
    const source = named(
      anchor.columns.map((column, index) => ({ ...withoutConstant(column), sql: `c${index + 1}`, nullable: true })),
      alias,
      scope.cte.columns,
    );
    this.ctes = [{ ...scope, recursive: { sqlName, columns: source.columns } }, ...scope.outer];
    const step = this.body(body.right, noScope);
    if (step.columns.length !== anchor.columns.length) throw sqlError(205);
    const sqlAlias = this.compilation.alias();
    const list = step.columns.map((column, index) => {
      const wanted = (anchor.columns[index] as OutputColumn).type;
      const same =
        column.type.name === wanted.name &&
        column.type.precision === wanted.precision &&
        column.type.scale === wanted.scale;
      if (!same && column.constant?.value !== null)
        throw sqlError(240, source.columns[index]?.name ?? '', scope.cte.name);
      return `c${index + 1}`;
    });
    const definition = `WITH RECURSIVE ${sqlName}(${list.join(',')}) AS (SELECT * FROM (${anchor.sql}) UNION ALL ${step.sql}) SELECT * FROM ${sqlName}`;
    const columns = source.columns.map((column, index) => ({ ...column, sql: `${sqlAlias}.c${index + 1}` }));
    return { sql: `(${definition}) AS ${sqlAlias}`, sources: [{ alias, name: undefined, columns }] };
  }

  private catalogueView(parts: readonly string[], alias: string | undefined): BoundFrom | undefined {
    const [view, schema, database] = [...parts].reverse();
    if (view === undefined || schema === undefined) return undefined;
    const key = `${schema.toLowerCase()}.${view.toLowerCase()}`;
    const definition = catalogueViews[key];
    if (definition === undefined) return undefined;
    const databaseName = database === undefined || database === '' ? this.compilation.names.database : database;
    const sqlAlias = this.compilation.alias();
    const rows = this.compilation.parameter({
      kind: 'session',
      key: `${key} ${databaseName}`,
      read: (runtime) => catalogueRows(key, databaseName, runtime),
    });
    const columns = definition.columns.map(([name, type], index): ScopeColumn => {
      const value = `${sqlAlias}.value->>${index}`;
      return {
        name,
        type,
        nullable: true,
        sql: type.name === 'datetime' ? `unpack(${value})` : `(${value})`,
        ...(isText(type) ? { collation: defaultCollation } : {}),
      };
    });
    return { sql: `json_each(${rows}) AS ${sqlAlias}`, sources: [{ alias: alias ?? view, name: undefined, columns }] };
  }

  /** OPENJSON: the document is made into an array of rows of texts, which json_each lists. */
  private openJson(source: Extract<TableSource, { kind: 'openjson' }>, scope: Scope): BoundFrom {
    const document = convert(this.bind(source.document, scope), types.nvarcharMax);
    const path =
      source.path === undefined
        ? { sql: "'$'", type: types.nvarcharMax, nullable: false }
        : convert(this.bind(source.path, scope), types.nvarcharMax);
    const sqlAlias = this.compilation.alias();
    const wanted = source.columns;
    const steps = wanted?.map((column) => ({
      ...jsonPath(column.path ?? `$."${column.name}"`),
      asJson: column.asJson,
    }));
    const rows = (text: string | null, at: string | null): string | null => {
      if (text === null) return null;
      const { steps: first, strict } = jsonPath(at ?? '$');
      const root = jsonWalk(jsonParse(text), first);
      if (root === undefined || typeof root !== 'object' || root === null) {
        if (strict) throw sqlError(13608);
        return '[]';
      }
      return JSON.stringify(steps === undefined ? listed(root) : explicit(root, steps));
    };
    const key = `openjson ${JSON.stringify(steps ?? null)}`;
    const list = invoke(key, () => rows, [document, path], types.nvarcharMax, { strict: false });
    const columns =
      wanted === undefined
        ? [
            { name: 'key', type: nvarchar(4000), nullable: false, sql: `(${sqlAlias}.value->>0)` },
            { name: 'value', type: types.nvarcharMax, nullable: true, sql: `(${sqlAlias}.value->>1)` },
            { name: 'type', type: types.tinyint, nullable: false, sql: `(${sqlAlias}.value->>2)` },
          ]
        : wanted.map((column, index): ScopeColumn => {
            const text: Bound = { sql: `(${sqlAlias}.value->>${index})`, type: types.nvarcharMax, nullable: true };
            return { ...convert(text, column.type, { explicit: true }), name: column.name };
          });
    return {
      sql: `json_each(${list.sql}) AS ${sqlAlias}`,
      sources: [{ alias: source.alias ?? 'OPENJSON', name: undefined, columns }],
    };
  }
}

/** A table's columns under a SQLite alias, computed ones left out. */
export function tableSource(
  table: Table,
  alias: string,
  name: readonly string[] | undefined,
  sqlAlias: string,
): Source {
  const columns = table.columns
    .filter((column) => column.computed === undefined)
    .map(
      (column): ScopeColumn => ({
        name: column.name,
        sql: `${sqlAlias}.c${column.id}`,
        type: column.type,
        nullable: column.nullable,
        identity: column.identity !== undefined,
        ...(isText(column.type) ? { collation: column.collation ?? defaultCollation } : {}),
      }),
    );
  return { alias, name, columns, table: { table, sqlAlias } };
}

function listed(root: Json[] | { [key: string]: Json } | object): unknown[] {
  const entries: [string, Json][] = Array.isArray(root)
    ? root.map((value, index) => [String(index), value as Json])
    : Object.entries(root as { [key: string]: Json });
  return entries.map(([key, value]) => [key, jsonScalar(value), jsonKind(value)]);
}

function explicit(
  root: Json[] | object,
  steps: readonly { steps: readonly (string | number)[]; strict: boolean; asJson: boolean }[],
): unknown[] {
  const rows = Array.isArray(root) ? (root as Json[]) : [root as Json];
  return rows.map((row) =>
    steps.map((column) => {
      const value = jsonWalk(row, column.steps);
      if (value === undefined && column.strict) throw sqlError(13608);
      const composite = value !== undefined && jsonKind(value) >= 4;
      if (value === undefined || composite !== column.asJson) return null;
      return jsonScalar(value);
    }),
  );
}

function named(columns: readonly ScopeColumn[], alias: string, names: readonly string[] | undefined): Source {
  if (names !== undefined && names.length !== columns.length)
    throw sqlError(names.length < columns.length ? 8158 : 8159, alias);
  const renamed = columns.map((column, index) => ({ ...column, name: names?.[index] ?? column.name }));
  const seen = new Set<string>();
  renamed.forEach((column, index) => {
    if (column.name === '') throw sqlError(8155, index + 1, alias);
    const key = fold(column.name);
    if (seen.has(key)) throw sqlError(8156, column.name, alias);
    seen.add(key);
  });
  return { alias, name: undefined, columns: renamed };
}

function withoutConstant<T extends Bound>(bound: T): T {
  const { constant: _, ...rest } = bound;
  return rest as T;
}

const nullableSource = (source: Source): Source => ({
  ...source,
  columns: source.columns.map((column) => ({ ...column, nullable: true })),
});

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

/** Does a query body name this table in a FROM clause (its own subqueries included)? */
function mentions(body: QueryBody, name: string): boolean {
  const inSource = (source: TableSource | undefined): boolean => {
    if (source === undefined) return false;
    if (source.kind === 'table')
      return source.name.parts.length === 1 && sameName(source.name.parts[0] as string, name);
    if (source.kind === 'join' || source.kind === 'apply') return inSource(source.left) || inSource(source.right);
    return source.kind === 'derived' && mentions(source.query.body, name);
  };
  if (body.kind === 'set') return mentions(body.left, name) || mentions(body.right, name);
  return body.kind === 'select' && inSource(body.from);
}

/** SQLite takes 500 terms in a compound SELECT unless it is one of VALUES; longer lists are nested. */
function compound(selects: readonly string[]): string {
  if (selects.length <= 400) return selects.join(' UNION ALL ');
  const parts: string[] = [];
  for (let i = 0; i < selects.length; i += 400)
    parts.push(`SELECT * FROM (${selects.slice(i, i + 400).join(' UNION ALL ')})`);
  return parts.join(' UNION ALL ');
}
