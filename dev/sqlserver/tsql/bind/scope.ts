/** Which columns an expression can name, and the place where a compiled statement collects its parameters. */
import type { SqlType } from '../../engine.ts';
import type { Cte, Expression } from '../ast.ts';
import { type Catalogue, sameName, type Table, type View } from '../catalogue/objects.ts';
import type { Permission } from '../catalogue/permissions.ts';
import { sqlError } from '../errors.ts';
import type { Stored } from '../values/stored.ts';
import type { Bound } from './bound.ts';
import type { Runtime } from './runtime.ts';

/** A column that an expression can name. */
export interface ScopeColumn extends Bound {
  readonly name: string;
}

/** One table, view or derived table of a FROM clause. */
export interface Source {
  /** Its alias, or the last part of its name. */
  readonly alias: string;
  /** The full name, where no alias hides it. */
  readonly name: readonly string[] | undefined;
  readonly columns: readonly ScopeColumn[];
  /** The base table and its SQLite alias, where rows can be changed through it. */
  readonly table?: { readonly table: Table; readonly sqlAlias: string };
}

/** The tables in reach, and those of the query around. */
export interface Scope {
  readonly sources: readonly Source[];
  readonly parent: Scope | undefined;
  /** Set where the select is grouped: the SQLite text of the grouping expressions. */
  grouping: { readonly keys: ReadonlySet<string>; insideAggregate: boolean; readonly clause: number } | undefined;
}

/** A common table expression in reach: where it was defined decides what its own query may name. */
export interface CteScope {
  readonly cte: Cte;
  readonly outer: readonly CteScope[];
  /** While its own recursive part is bound: the SQLite name and the columns that the anchor gave it. */
  readonly recursive?: { readonly sqlName: string; readonly columns: readonly ScopeColumn[] };
}

/** Where a parameter of the SQLite statement comes from each time it runs. */
export type Binding =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'session'; readonly key: string; readonly read: (runtime: Runtime) => Stored }
  /** A stored column of the row that a change is about: for OUTPUT, CHECK and FOREIGN KEY. */
  | { readonly kind: 'row'; readonly image: 'inserted' | 'deleted'; readonly column: number };

/** What names mean where a statement is compiled. */
export interface Names {
  readonly catalogue: Catalogue;
  readonly database: string;
  /** Finds a table or view, or undefined. Throws 911 and 7202 for unknown databases and servers. */
  object(parts: readonly string[]): Table | View | undefined;
  variableType(name: string): SqlType | undefined;
  /** Throws 229 where the session's user must not do that with the object. */
  allow(object: Table | View, permission: Permission): void;
}

/** One statement being compiled. */
export class Compilation {
  readonly names: Names;
  private readonly bindings: Binding[] = [];
  /** A lock hint or an isolation level asks for the writer's place even to read. */
  locksForRead = false;
  /** How many views the binder is inside of: who may read a view need not be allowed to read what is behind it. */
  viewDepth = 0;
  /** Tables that the statement reads. */
  readonly reads = new Set<Table>();
  private aliases = 0;

  constructor(names: Names) {
    this.names = names;
  }

  alias(): string {
    this.aliases++;
    return `s${this.aliases}`;
  }

  /** The finished statement: parameters numbered without gaps, those that no longer occur left out. */
  finish(sql: string): { readonly sql: string; readonly bindings: readonly Binding[] } {
    const used: Binding[] = [];
    const numbers = new Map<number, number>();
    const renumbered = sql.replace(/'(?:[^']|'')*'|\?(\d+)/g, (token: string, digits: string | undefined) => {
      if (digits === undefined) return token;
      const old = Number(digits);
      let number = numbers.get(old);
      if (number === undefined) {
        number = used.push(this.bindings[old - 1] as Binding);
        numbers.set(old, number);
      }
      return `?${number}`;
    });
    return { sql: renumbered, bindings: used };
  }

  parameter(binding: Binding): string {
    const key = bindingKey(binding);
    const same = this.bindings.findIndex((other) => bindingKey(other) === key);
    return `?${same >= 0 ? same + 1 : this.bindings.push(binding)}`;
  }
}

function bindingKey(binding: Binding): string {
  if (binding.kind === 'variable') return binding.name;
  return binding.kind === 'session' ? `session ${binding.key}` : `${binding.image} ${binding.column}`;
}

/** Finds a column by name. Throws 207, 209, 4104, or 8120/8121 when it is not grouped by. */
export function resolveColumn(parts: readonly string[], scope: Scope | undefined): Bound {
  const name = parts.at(-1) as string;
  const qualifier = parts.slice(0, -1);
  for (let level = scope; level !== undefined; level = level.parent) {
    const found: ScopeColumn[] = [];
    for (const source of level.sources) {
      if (qualifier.length > 0 && !matches(source, qualifier)) continue;
      found.push(...source.columns.filter((column) => sameName(column.name, name)));
    }
    if (found.length > 1) throw sqlError(209, name);
    const [column] = found;
    if (column !== undefined) {
      checkGrouped(column, level, parts);
      return column;
    }
    if (qualifier.length > 0 && level.sources.some((source) => matches(source, qualifier))) throw sqlError(207, name);
  }
  throw qualifier.length > 0 ? sqlError(4104, parts.join('.')) : sqlError(207, name);
}

function checkGrouped(column: ScopeColumn, level: Scope, parts: readonly string[]): void {
  const { grouping } = level;
  if (grouping === undefined || grouping.insideAggregate || grouping.keys.has(column.sql)) return;
  const source = level.sources.find((candidate) => candidate.columns.includes(column));
  throw sqlError(grouping.clause, parts.length > 1 ? parts.join('.') : `${source?.alias}.${column.name}`);
}

/** Does `a.b` before a column's name mean this source? */
export function matches(source: Source, qualifier: readonly string[]): boolean {
  const last = qualifier.at(-1) as string;
  if (!sameName(source.alias, last)) return false;
  if (qualifier.length === 1) return true;
  if (source.name === undefined) return false;
  const full = source.name.slice(0, -1).reverse();
  return qualifier
    .slice(0, -1)
    .reverse()
    .every((part, index) => part === '' || full[index] === undefined || sameName(full[index] as string, part));
}

/** Walks an expression without entering subqueries. */
export function someNode(expression: Expression, test: (node: Expression) => boolean): boolean {
  if (test(expression)) return true;
  const children: (Expression | undefined)[] = [];
  switch (expression.kind) {
    case 'call':
      children.push(
        ...expression.args,
        ...(expression.over?.partitionBy ?? []),
        ...(expression.over?.orderBy ?? []).map((item) => item.expression),
      );
      break;
    case 'unary':
    case 'cast':
    case 'collate':
    case 'not':
    case 'isNull':
      children.push(expression.operand);
      break;
    case 'binary':
    case 'compare':
      children.push(expression.left, expression.right);
      break;
    case 'case':
      children.push(
        expression.operand,
        expression.otherwise,
        ...expression.branches.flatMap((branch) => [branch.when, branch.result]),
      );
      break;
    case 'logical':
      children.push(...expression.operands);
      break;
    case 'like':
      children.push(expression.operand, expression.pattern, expression.escape);
      break;
    case 'between':
      children.push(expression.operand, expression.low, expression.high);
      break;
    case 'in':
      children.push(expression.operand, ...('kind' in expression.list ? [] : expression.list));
      break;
  }
  return children.some((child) => child !== undefined && someNode(child, test));
}
