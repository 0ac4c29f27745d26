/** Binds FROM clauses: tables, views, derived tables, joins, APPLY, OPENJSON, common table expressions, catalogue views. */

import type { Cte, QueryBody, TableSource } from '../ast.ts';
import type { Table, View } from '../catalogue/objects.ts';
import { sameName, storageName } from '../catalogue/objects.ts';
import { catalogueRows, catalogueViews } from '../catalogue/views.ts';
import { sqlError, unsupported } from '../errors.ts';
import { parseBatch, parseExpression } from '../parser/statement.ts';
import { isText, nvarchar, types } from '../types.ts';
import { defaultCollation, fold } from '../values/collation.ts';
import type { Json } from '../values/json.ts';
import { jsonKind, jsonParse, jsonPath, jsonScalar, jsonWalk } from '../values/json.ts';
import type { Bound } from './bound.ts';
import { convert, invoke } from './bound.ts';
import type { BoundQuery } from './expression.ts';
import { ExpressionBinder } from './expression.ts';
import type { CteScope, Scope, ScopeColumn, Source } from './scope.ts';

/** A column of a query's output. */
export interface OutputColumn extends Bound {
  readonly name: string;
}

/** A bound query with all that the caller needs of it. */
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

/** Adds FROM clauses and common table expressions to the binder. */
export abstract class FromBinder extends ExpressionBinder {
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

  /** Binds what stands between WITH and ORDER BY; the query half of the binder provides it. */
  protected abstract body(body: QueryBody, scope: Scope | undefined): BoundSelect;

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
    if (this.compilation.viewDepth === 0) this.compilation.names.allow(object, 'SELECT');
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
    this.compilation.viewDepth++;
    try {
      return this.derived(this.subquery(statement.query, noScope, true), alias, view.columns);
    } finally {
      this.compilation.viewDepth--;
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

/** The same without being a constant: a column of a derived table is none. */
export function withoutConstant<T extends Bound>(bound: T): T {
  const { constant: _, ...rest } = bound;
  return rest as T;
}

const nullableSource = (source: Source): Source => ({
  ...source,
  columns: source.columns.map((column) => ({ ...column, nullable: true })),
});

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
