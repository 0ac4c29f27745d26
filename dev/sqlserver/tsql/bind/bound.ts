/**
 * A bound expression: its SQLite text and its T-SQL type. Here: constants as SQLite text, implicit conversion, and the keys by
 * which values are compared, grouped and sorted.
 */
import type { SqlType } from '../../engine.ts';
import { sqlError } from '../errors.ts';
import {
  commonType,
  conversionKind,
  isBinary,
  isDecimal,
  isInteger,
  isLob,
  isText,
  numeric,
  spell,
  typeLabel,
  types,
} from '../types.ts';
import { collationOf, defaultCollation, fold } from '../values/collation.ts';
import { converter } from '../values/convert.ts';
import type { Stored } from '../values/stored.ts';
import { type Closure, closureId } from './closures.ts';

/** A bound expression. */
export interface Bound {
  readonly sql: string;
  readonly type: SqlType;
  readonly nullable: boolean;
  /** Name of the collation of a text; undefined takes on that of the other side. */
  readonly collation?: string | undefined;
  /** Given by COLLATE, so it wins. */
  readonly explicitCollation?: boolean;
  /** The value of a constant. */
  readonly constant?: { readonly value: Stored };
  readonly identity?: boolean;
}

/** A constant as SQLite text. */
function literalSql(value: Stored): string {
  if (value === null) return 'NULL';
  if (typeof value === 'bigint')
    return value === -(1n << 63n) ? '(-9223372036854775807-1)' : value < 0n ? `(${value})` : String(value);
  if (typeof value === 'number')
    return value < 0 || Object.is(value, -0) ? `(${value.toExponential()})` : value.toExponential();
  if (typeof value === 'string') {
    // A zero byte would end SQLite's text.
    return value.includes('\u0000')
      ? `js(${closureId(`text:${value}`, () => () => value)})`
      : `'${value.replaceAll("'", "''")}'`;
  }
  return `x'${Buffer.from(value).toString('hex')}'`;
}

/** A constant of that type. */
export function constant(value: Stored, type: SqlType): Bound {
  return { sql: literalSql(value), type, nullable: value === null, constant: { value } };
}

/** Is it the constant NULL, which fits every type? */
export const isNullConstant = (bound: Bound): boolean => bound.constant?.value === null;

/** A call of a JavaScript function; `strict` (the default) gives NULL for a NULL argument without calling it. */
export function invoke(
  key: string,
  make: () => Closure,
  args: readonly Bound[],
  type: SqlType,
  options: { strict?: boolean; nullable?: boolean; volatile?: boolean } = {},
): Bound {
  const strict = options.strict ?? true;
  const id = closureId(strict ? key : `${key}?`, () => {
    const closure = make();
    return strict ? (...values) => (values.includes(null) ? null : closure(...values)) : closure;
  });
  const list = args.map((arg) => `,${arg.sql}`).join('');
  const nullable = options.nullable ?? args.some((arg) => arg.nullable);
  return { sql: `${options.volatile ? 'jsv' : 'js'}(${id}${list})`, type, nullable, ...textCollation(type, args) };
}

function textCollation(
  type: SqlType,
  args: readonly Bound[],
): { collation?: string | undefined; explicitCollation?: boolean } {
  if (!isText(type)) return {};
  const source = args.find((arg) => arg.explicitCollation) ?? args.find((arg) => arg.collation !== undefined);
  return source === undefined
    ? {}
    : { collation: source.collation, explicitCollation: source.explicitCollation ?? false };
}

/** How convert() is asked to go about it. */
export interface ConvertOptions {
  /** CAST or CONVERT: more is allowed than implicitly. */
  readonly explicit?: boolean;
  /** TRY_: NULL instead of an error. */
  readonly attempt?: boolean;
  readonly style?: number | undefined;
}

/** Converts to a type. Throws 206, 257 or 529 where the types don't allow it. */
export function convert(bound: Bound, type: SqlType, options: ConvertOptions = {}): Bound {
  if (isNullConstant(bound)) return { sql: 'NULL', type, nullable: true, constant: { value: null } };
  const kind = conversionKind(bound.type, type);
  if (kind === 'none') throw sqlError(options.explicit ? 529 : 206, typeLabel(bound.type), typeLabel(type));
  if (kind === 'explicit' && !options.explicit) throw sqlError(257, typeLabel(bound.type), typeLabel(type));
  const conversion = converter(bound.type, type, options.style);
  const kept = isText(type) ? { collation: bound.collation, explicitCollation: bound.explicitCollation ?? false } : {};
  const nullable = bound.nullable || (options.attempt ?? false);
  if (conversion === undefined) {
    return {
      sql: bound.sql,
      type,
      nullable,
      ...kept,
      ...(bound.constant === undefined ? {} : { constant: bound.constant }),
    };
  }
  if (bound.constant !== undefined) {
    try {
      return { ...constant(conversion(bound.constant.value as Exclude<Stored, null>), type), ...kept };
    } catch {
      // The error belongs to the moment the statement runs.
    }
  }
  const key = `convert ${spell(bound.type)} ${spell(type)} ${options.style ?? ''} ${options.attempt ?? false}`;
  const attempted: Closure = (value) => {
    try {
      return conversion(value);
    } catch {
      return null;
    }
  };
  return {
    ...invoke(key, () => (options.attempt ? attempted : (conversion as Closure)), [bound], type, { nullable }),
    ...kept,
  };
}

/** Collation for an operation on several texts. Throws 468 when two columns disagree. */
export function resolveCollation(operation: string, ...sides: readonly Bound[]): string {
  const explicit = sides.filter((side) => side.explicitCollation);
  const deciding = explicit.length > 0 ? explicit : sides.filter((side) => side.collation !== undefined);
  const [first] = deciding;
  if (first?.collation === undefined) return defaultCollation;
  for (const other of deciding) {
    if (other.collation !== undefined && other.collation.toLowerCase() !== first.collation.toLowerCase()) {
      throw sqlError(468, first.collation, other.collation, operation);
    }
  }
  return first.collation;
}

/** The SQLite expression by which a value is compared, grouped and sorted. Throws 306 for text, ntext, image, xml. */
export function keySql(bound: Bound, collationName = bound.collation ?? defaultCollation): string {
  if (isLob(bound.type)) throw sqlError(306);
  if (isText(bound.type)) {
    const collation = collationOf(collationName);
    if (typeof bound.constant?.value === 'string') return literalSql(fold(bound.constant.value, collation));
    return bound.sql === 'NULL' ? 'NULL' : `fold_${collation}(${bound.sql})`;
  }
  if (bound.type.name === 'datetimeoffset') return `substr(${bound.sql},1,8)`;
  if (bound.type.name === 'varbinary') return `trim_zeros(${bound.sql})`;
  return bound.sql;
}

/** Both sides converted to their common type and as comparable SQLite text. */
export function comparable(left: Bound, right: Bound, operation: string): { left: string; right: string } {
  if (isLob(left.type) || isLob(right.type))
    throw sqlError(402, typeLabel(left.type), typeLabel(right.type), operation);
  // Integers, and decimals of one scale that fit SQLite's integers, compare as they are.
  if (isInteger(left.type) && isInteger(right.type)) return { left: left.sql, right: right.sql };
  if (isText(left.type) && isText(right.type)) {
    const collation = resolveCollation(operation, left, right);
    return { left: keySql(left, collation), right: keySql(right, collation) };
  }
  const sameBinary = isBinary(left.type) && isBinary(right.type);
  if (sameBinary) {
    const fixed =
      left.type.name !== 'varbinary' && right.type.name !== 'varbinary' && left.type.length === right.type.length;
    if (fixed) return { left: left.sql, right: right.sql };
    return { left: `trim_zeros(${left.sql})`, right: `trim_zeros(${right.sql})` };
  }
  if (isDecimal(left.type) && isDecimal(right.type) && left.type.scale === right.type.scale) {
    const low = (type: SqlType): boolean => (type.precision ?? 38) <= 18;
    if (low(left.type) === low(right.type)) return { left: left.sql, right: right.sql };
  }
  const type = comparisonType(left, right);
  const a = convert(left, type);
  const b = convert(right, type);
  return { left: keySql(a), right: keySql(b) };
}

function comparisonType(left: Bound, right: Bound): SqlType {
  if (isNullConstant(left)) return right.type;
  if (isNullConstant(right)) return left.type;
  return commonType(decimalOfConstant(left, right.type), decimalOfConstant(right, left.type));
}

/** An integer constant beside a decimal has only the digits it needs. */
export function decimalOfConstant(bound: Bound, other: SqlType): SqlType {
  if (isDecimal(other) && bound.type.name === 'int' && typeof bound.constant?.value === 'bigint') {
    return numeric(Math.max(1, String(bound.constant.value).replace('-', '').length), 0);
  }
  return bound.type;
}

/** The common type of several expressions, as CASE, COALESCE, IN and UNION need it. NULL constants don't count. */
export function commonOf(all: readonly Bound[]): SqlType {
  let type: SqlType | undefined;
  for (const bound of all) {
    if (isNullConstant(bound)) continue;
    type = type === undefined ? bound.type : commonType(type, bound.type);
  }
  return type ?? types.int;
}
