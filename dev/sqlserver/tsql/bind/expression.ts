/** Binds expressions: names to columns, types to operators, and the whole to SQLite text. */
import type { SqlType } from '../../engine.ts';
import type { Call, Expression, OrderItem, Query } from '../ast.ts';
import { sqlError, unsupported } from '../errors.ts';
import { aggregates } from '../functions/aggregates.ts';
import { type Builtin, builtins, windowOnly } from '../functions/builtins.ts';
import { systemVariables } from '../functions/session.ts';
import {
  arithmeticType,
  commonType,
  isBinary,
  isDecimal,
  isFloat,
  isInteger,
  isLob,
  isMoney,
  isNumber,
  isTemporal,
  isText,
  typeLabel,
  types,
} from '../types.ts';
import { arithmetic } from '../values/arithmetic.ts';
import { collationOf, defaultCollation, likeMatcher } from '../values/collation.ts';
import type { Stored } from '../values/stored.ts';
import {
  type Bound,
  commonOf,
  comparable,
  constant,
  convert,
  decimalOfConstant,
  invoke,
  isNullConstant,
  keySql,
  resolveCollation,
} from './bound.ts';
import { type Compilation, resolveColumn, type Scope, someNode } from './scope.ts';

/** A query's output, as subqueries need it. */
export interface BoundQuery {
  readonly sql: string;
  readonly columns: readonly (Bound & { readonly name: string })[];
}

/** Binds expressions and conditions; what they need of queries comes from below. */
export abstract class ExpressionBinder {
  readonly compilation: Compilation;

  constructor(compilation: Compilation) {
    this.compilation = compilation;
  }

  /** Binds a query whose expressions may name the columns of `scope`; the query half of the binder provides it. */
  abstract subquery(query: Query, scope: Scope | undefined, ordered: boolean): BoundQuery;

  /** Binds a scalar expression. */
  bind(expression: Expression, scope: Scope | undefined): Bound {
    const grouping = scope?.grouping;
    if (grouping !== undefined && !grouping.insideAggregate && expression.kind !== 'column' && grouping.keys.size > 0) {
      const whole = this.groupedWhole(expression, scope as Scope);
      if (whole !== undefined) return whole;
    }
    switch (expression.kind) {
      case 'literal':
        return constant(expression.value, expression.type);
      case 'null':
        return constant(null, types.int);
      case 'column':
        return this.column(expression.parts, scope);
      case 'variable':
        return this.variable(expression.name);
      case 'system':
        return this.system(expression.name);
      case 'unary':
        return this.unary(expression.operator, this.bind(expression.operand, scope));
      case 'binary':
        return this.binary(expression.operator, this.bind(expression.left, scope), this.bind(expression.right, scope));
      case 'case':
        return this.case(expression, scope);
      case 'cast':
        return this.cast(expression, scope);
      case 'collate': {
        const operand = this.bind(expression.operand, scope);
        if (!isText(operand.type)) throw sqlError(447, typeLabel(operand.type));
        collationOf(expression.collation);
        const collation = /^database_default$/i.test(expression.collation) ? defaultCollation : expression.collation;
        return { ...operand, collation, explicitCollation: true };
      }
      case 'subquery': {
        const query = this.subquery(expression.query, scope, true);
        const [column] = query.columns;
        if (column === undefined || query.columns.length !== 1) throw sqlError(116);
        return { ...column, sql: this.single(query.sql, expression.query), nullable: true, identity: false };
      }
      case 'call':
        return this.call(expression, scope);
      case 'default':
        throw sqlError(156, 'DEFAULT');
      default:
        throw sqlError(4145, expression.kind);
    }
  }

  /** A column; a WITH-less double-quoted or bare name. */
  private column(parts: readonly string[], scope: Scope | undefined): Bound {
    return resolveColumn(parts, scope);
  }

  /** In a grouped select, an expression that is grouped by as a whole. */
  private groupedWhole(expression: Expression, scope: Scope): Bound | undefined {
    const { grouping } = scope;
    if (grouping === undefined) return undefined;
    if (!['call', 'binary', 'cast', 'case', 'unary', 'collate'].includes(expression.kind)) return undefined;
    if (containsAggregate(expression)) return undefined;
    const plain: Scope = { sources: scope.sources, parent: scope.parent, grouping: undefined };
    const bound = this.bind(expression, plain);
    return grouping.keys.has(bound.sql) || grouping.keys.has(safeKey(bound)) ? bound : undefined;
  }

  private variable(name: string): Bound {
    const type = this.compilation.names.variableType(name);
    if (type === undefined) throw sqlError(137, name);
    return { sql: this.compilation.parameter({ kind: 'variable', name: name.toLowerCase() }), type, nullable: true };
  }

  private system(name: string): Bound {
    const variable = systemVariables.get(name);
    if (variable === undefined) throw sqlError(137, name);
    const sql = this.compilation.parameter({ kind: 'session', key: name, read: variable.read });
    return { sql, type: variable.type, nullable: variable.nullable ?? false };
  }

  /** A scalar subquery must not give more than one row. */
  private single(sql: string, query: Query): string {
    const body = query.body;
    const atMostOne =
      body.kind === 'select' &&
      ((body.groupBy.length === 0 &&
        body.items.some((item) => item.kind === 'expression' && containsAggregate(item.expression))) ||
        body.from === undefined ||
        (body.top?.kind === 'literal' && body.top.value === 1n));
    if (atMostOne) return `(${sql})`;
    const alias = this.compilation.alias();
    const check = (count: bigint, value: Stored): Stored => {
      if (count > 1n) throw sqlError(512);
      return value;
    };
    const counted = [`count(*)`, `first(${alias}.c1)`].map(
      (part): Bound => ({ sql: part, type: types.bigint, nullable: true }),
    );
    const only = invoke('single', () => check, counted, types.bigint, { strict: false });
    return `(SELECT ${only.sql} FROM (${sql}) AS ${alias})`;
  }

  private unary(operator: '-' | '+' | '~', operand: Bound): Bound {
    if (operator === '+') return operand;
    if (operator === '~') {
      if (!isInteger(operand.type)) throw sqlError(8117, typeLabel(operand.type), "'~'");
      if (operand.type.name === 'bit') return { ...operand, sql: `(1-${operand.sql})` };
      return {
        sql: operand.type.name === 'tinyint' ? `(255-${operand.sql})` : `(~${operand.sql})`,
        type: operand.type,
        nullable: operand.nullable,
      };
    }
    if (!isNumber(operand.type)) throw sqlError(8117, typeLabel(operand.type), 'minus');
    return this.binary('-', constant(0n, types.int), operand, operand.type);
  }

  private binary(operator: string, left: Bound, right: Bound, resultType?: SqlType): Bound {
    const a = isNullConstant(left) ? { ...left, type: right.type } : left;
    const b = isNullConstant(right) ? { ...right, type: left.type } : right;
    const leftType = decimalOfConstant(a, b.type);
    const rightType = decimalOfConstant(b, a.type);
    const type = resultType ?? arithmeticType(operator, leftType, rightType);
    const nullable = a.nullable || b.nullable || !isText(type);
    if (isText(type)) {
      const collation = collationMix(a, b);
      return {
        sql: `(${convert(a, isText(a.type) ? a.type : type).sql}||${convert(b, isText(b.type) ? b.type : type).sql})`,
        type,
        nullable,
        ...collation,
      };
    }
    if (isBinary(type)) return { sql: `concat_bytes(${a.sql},${b.sql})`, type, nullable };
    if (isTemporal(type)) {
      const days = (side: Bound): Bound =>
        isTemporal(side.type) ? convert(side, type) : convert(side, types.datetime);
      return invoke(`datetime${operator}`, () => arithmetic(operator, type, type, type), [days(a), days(b)], type);
    }
    if (isDecimal(type)) {
      const operandType = (side: Bound, shape: SqlType): SqlType =>
        isText(side.type) ? type : isMoney(side.type) || isInteger(side.type) ? decimalTypeOf(shape) : shape;
      const leftOperand = operandType(a, leftType);
      const rightOperand = operandType(b, rightType);
      const x = convert(a, leftOperand);
      const y = convert(b, rightOperand);
      const key = `${operator} ${JSON.stringify([leftOperand, rightOperand, type])}`;
      return invoke(key, () => arithmetic(operator, leftOperand, rightOperand, type), [x, y], type, { nullable });
    }
    const x = convert(a, type);
    const y = convert(b, type);
    if (isInteger(type) && '&|'.includes(operator)) return { sql: `(${x.sql}${operator}${y.sql})`, type, nullable };
    if (isFloat(type) && operator !== '/' && type.name === 'float')
      return { sql: `(${x.sql}${operator}${y.sql})`, type, nullable };
    return invoke(`${operator} ${type.name}`, () => arithmetic(operator, type, type, type), [x, y], type, { nullable });
  }

  private case(expression: Extract<Expression, { kind: 'case' }>, scope: Scope | undefined): Bound {
    const results = expression.branches.map((branch) => this.bind(branch.result, scope));
    const otherwise =
      expression.otherwise === undefined ? constant(null, types.int) : this.bind(expression.otherwise, scope);
    const all = [...results, otherwise];
    if (all.every(isNullConstant)) throw sqlError(8133);
    const type = commonOf(all);
    const { operand } = expression;
    const branches = expression.branches.map((branch, index) => {
      const condition =
        operand === undefined
          ? this.condition(branch.when, scope)
          : this.condition({ kind: 'compare', operator: '=', left: operand, right: branch.when }, scope);
      return `WHEN ${condition} THEN ${convert(results[index] as Bound, type).sql}`;
    });
    const sql = `CASE ${branches.join(' ')} ELSE ${convert(otherwise, type).sql} END`;
    return {
      sql: `(${sql})`,
      type,
      nullable: all.some((bound) => bound.nullable),
      ...(isText(type) ? collationMix(...all) : {}),
    };
  }

  private cast(expression: Extract<Expression, { kind: 'cast' }>, scope: Scope | undefined): Bound {
    const operand = this.bind(expression.operand, scope);
    let style: number | undefined;
    if (expression.style !== undefined) {
      const bound = this.bind(expression.style, scope);
      if (typeof bound.constant?.value !== 'bigint') throw unsupported('style');
      style = Number(bound.constant.value);
    }
    return convert(operand, expression.type, { explicit: true, attempt: expression.attempt, style });
  }

  private call(call: Call, scope: Scope | undefined): Bound {
    const aggregate = aggregates.get(call.name);
    if (aggregate !== undefined) {
      if (call.over !== undefined) return this.windowed(call, scope);
      return this.aggregate(call, scope);
    }
    if (windowOnly.has(call.name)) {
      if (call.over === undefined) throw sqlError(4112, call.name);
      return this.windowed(call, scope);
    }
    const builtin: Builtin | undefined = builtins.get(call.name);
    if (builtin === undefined) {
      if (call.name.includes('.')) throw sqlError(4121, call.name.split('.')[0] ?? '', call.name);
      throw sqlError(195, call.name.toLowerCase(), 'built-in function name');
    }
    if (call.over !== undefined || call.distinct || call.withinGroup !== undefined) throw sqlError(102, call.name);
    const [low, high] = builtin.arity;
    if (call.args.length < low || call.args.length > high) {
      throw low === high
        ? sqlError(174, call.name.toLowerCase(), low)
        : sqlError(189, call.name.toLowerCase(), low, high);
    }
    const skip = builtin.keywordFirst ? 1 : 0;
    const args = call.args.slice(skip).map((arg) => this.bind(arg, scope));
    let keyword = '';
    if (skip === 1) {
      const [first] = call.args;
      if (first?.kind !== 'column' || first.parts.length !== 1) throw sqlError(1023, 1, call.name.toLowerCase());
      keyword = (first.parts[0] as string).toLowerCase();
    }
    return builtin.bind(args, { compilation: this.compilation, keyword });
  }

  private aggregate(call: Call, scope: Scope | undefined): Bound {
    const grouping = scope?.grouping;
    if (scope === undefined || grouping === undefined) throw sqlError(147);
    if (grouping.insideAggregate) throw sqlError(130);
    grouping.insideAggregate = true;
    try {
      const args = call.args.map((arg) => this.bind(arg, scope));
      const order = call.withinGroup === undefined ? '' : ` ORDER BY ${this.orderBy(call.withinGroup, scope)}`;
      return (aggregates.get(call.name) as NonNullable<ReturnType<typeof aggregates.get>>)(args, {
        star: call.star,
        distinct: call.distinct,
        order,
        windowed: false,
      });
    } finally {
      grouping.insideAggregate = false;
    }
  }

  /** f(…) OVER (…). */
  private windowed(call: Call, scope: Scope | undefined): Bound {
    const { over } = call;
    if (scope === undefined || over === undefined) throw sqlError(4108);
    if (call.withinGroup !== undefined) throw unsupported('WITHIN GROUP');
    const args = call.args.map((arg) => this.bind(arg, scope));
    const parts: string[] = [];
    if (over.partitionBy.length > 0)
      parts.push(`PARTITION BY ${over.partitionBy.map((item) => keySql(this.bind(item, scope))).join(',')}`);
    if (over.orderBy.length > 0) parts.push(`ORDER BY ${this.orderBy(over.orderBy, scope)}`);
    if (over.frame !== undefined) parts.push(over.frame);
    const window = `OVER (${parts.join(' ')})`;
    const special = windowOnly.get(call.name);
    if (special !== undefined) {
      if (over.orderBy.length === 0) throw sqlError(4112, call.name);
      return special(args, window);
    }
    if (call.distinct) throw unsupported('DISTINCT');
    const aggregate = aggregates.get(call.name) as NonNullable<ReturnType<typeof aggregates.get>>;
    return aggregate(args, { star: call.star, distinct: false, order: '', windowed: true, window });
  }

  orderBy(items: readonly OrderItem[], scope: Scope | undefined): string {
    return items
      .map((item) => `${keySql(this.bind(item.expression, scope))}${item.descending ? ' DESC' : ''}`)
      .join(',');
  }

  /** Binds a search condition to SQLite text. */
  condition(expression: Expression, scope: Scope | undefined): string {
    switch (expression.kind) {
      case 'logical':
        return `(${expression.operands.map((operand) => this.condition(operand, scope)).join(` ${expression.operator} `)})`;
      case 'not':
        return `(NOT ${this.condition(expression.operand, scope)})`;
      case 'compare': {
        const sides = comparable(
          this.bind(expression.left, scope),
          this.bind(expression.right, scope),
          operationName(expression.operator),
        );
        return `(${sides.left} ${expression.operator} ${sides.right})`;
      }
      case 'isNull':
        return `(${this.bind(expression.operand, scope).sql} IS ${expression.negated ? 'NOT ' : ''}NULL)`;
      case 'between': {
        const operand = this.bind(expression.operand, scope);
        const low = comparable(operand, this.bind(expression.low, scope), 'between');
        const high = comparable(operand, this.bind(expression.high, scope), 'between');
        const sql =
          low.left === high.left
            ? `${low.left} BETWEEN ${low.right} AND ${high.right}`
            : `${low.left} >= ${low.right} AND ${high.left} <= ${high.right}`;
        return expression.negated ? `(NOT (${sql}))` : `(${sql})`;
      }
      case 'like':
        return this.like(expression, scope);
      case 'in':
        return this.in(expression, scope);
      case 'exists':
        return `EXISTS (${this.subquery(expression.query, scope, true).sql})`;
      default:
        throw sqlError(4145, expression.kind);
    }
  }

  private like(expression: Extract<Expression, { kind: 'like' }>, scope: Scope | undefined): string {
    const asText = (bound: Bound): Bound => (isText(bound.type) ? bound : convert(bound, types.nvarcharMax));
    const operand = asText(this.bind(expression.operand, scope));
    const pattern = asText(this.bind(expression.pattern, scope));
    const escapeCharacter =
      expression.escape === undefined ? constant(null, types.nvarcharMax) : this.bind(expression.escape, scope);
    const collation = collationOf(resolveCollation('like', operand, pattern));
    const cache = new Map<string, (text: string) => boolean>();
    const id = invoke(
      `like ${collation}`,
      () => (text: string | null, like: string | null, escaped: string | null) => {
        if (text === null || like === null) return null;
        const key = `${escaped ?? ''}\u0000${like}`;
        let matcher = cache.get(key);
        if (matcher === undefined) {
          if (cache.size > 500) cache.clear();
          matcher = likeMatcher(like, escaped, collation);
          cache.set(key, matcher);
        }
        return matcher(text) ? 1n : 0n;
      },
      [operand, pattern, escapeCharacter],
      types.bit,
      { strict: false },
    );
    return expression.negated ? `(NOT ${id.sql})` : `(${id.sql})`;
  }

  private in(expression: Extract<Expression, { kind: 'in' }>, scope: Scope | undefined): string {
    const operand = this.bind(expression.operand, scope);
    const not = expression.negated ? 'NOT ' : '';
    if ('kind' in expression.list) {
      const query = this.subquery(expression.list, scope, true);
      const [column] = query.columns;
      if (column === undefined || query.columns.length !== 1) throw sqlError(116);
      const alias = this.compilation.alias();
      const sides = comparable(operand, { ...column, sql: `${alias}.c1` }, 'in');
      return `(${sides.left} ${not}IN (SELECT ${sides.right} FROM (${query.sql}) AS ${alias}))`;
    }
    const items = expression.list.map((item) => this.bind(item, scope));
    const type = commonOf([operand, ...items]);
    const wanted = isText(type) || isLob(type) ? undefined : type;
    const sides = items.map((item) =>
      comparable(
        wanted === undefined ? operand : castForIn(operand, type),
        wanted === undefined ? item : castForIn(item, type),
        'in',
      ),
    );
    const [first] = sides;
    if (first === undefined) throw sqlError(102, ')');
    return `(${first.left} ${not}IN (${sides.map((side) => side.right).join(',')}))`;
  }
}

/** Every item of an IN list is compared in the type of highest precedence among all of them. */
function castForIn(bound: Bound, type: SqlType): Bound {
  const same = isInteger(bound.type) && isInteger(type);
  return same || (isBinary(bound.type) && isBinary(type)) ? bound : convert(bound, type);
}

function safeKey(bound: Bound): string {
  return isLob(bound.type) ? bound.sql : keySql(bound);
}

function decimalTypeOf(type: SqlType): SqlType {
  if (isDecimal(type)) return type;
  return commonType({ name: 'numeric', precision: 1, scale: 0 }, type);
}

function collationMix(...sides: readonly Bound[]): { collation?: string | undefined; explicitCollation?: boolean } {
  const source = sides.find((side) => side.explicitCollation) ?? sides.find((side) => side.collation !== undefined);
  return source === undefined
    ? {}
    : { collation: source.collation, explicitCollation: source.explicitCollation ?? false };
}

function operationName(operator: string): string {
  const names: Record<string, string> = {
    '=': 'equal to',
    '<>': 'not equal to',
    '<': 'less than',
    '>': 'greater than',
    '<=': 'less than or equal to',
    '>=': 'greater than or equal to',
  };
  return names[operator] ?? operator;
}

/** Does an expression hold an aggregate (not a windowed one) outside of subqueries? */
export function containsAggregate(expression: Expression): boolean {
  const visit = (node: Expression): boolean => {
    if (node.kind === 'call' && node.over === undefined && aggregates.has(node.name)) return true;
    return false;
  };
  return someNode(expression, visit);
}
