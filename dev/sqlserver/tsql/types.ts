/**
 * SQL Server's data types: spelling, classes, precedence, and the types that operators give
 * (https://learn.microsoft.com/sql/t-sql/data-types/data-type-precedence-transact-sql,
 * https://learn.microsoft.com/sql/t-sql/data-types/precision-scale-and-length-transact-sql).
 */
import type { SqlType } from '../engine.ts';
import { sqlError } from './errors.ts';

/** From the highest precedence to the lowest. */
const precedence: readonly SqlType['name'][] = [
  'xml',
  'datetimeoffset',
  'datetime2',
  'datetime',
  'smalldatetime',
  'date',
  'time',
  'float',
  'real',
  'decimal',
  'numeric',
  'money',
  'smallmoney',
  'bigint',
  'int',
  'smallint',
  'tinyint',
  'bit',
  'ntext',
  'text',
  'image',
  'rowversion',
  'uniqueidentifier',
  'nvarchar',
  'nchar',
  'varchar',
  'char',
  'varbinary',
  'binary',
];

/** Types that are often needed. */
export const types = {
  bit: { name: 'bit' },
  tinyint: { name: 'tinyint' },
  smallint: { name: 'smallint' },
  int: { name: 'int' },
  bigint: { name: 'bigint' },
  float: { name: 'float' },
  money: { name: 'money' },
  datetime: { name: 'datetime' },
  date: { name: 'date' },
  datetime2: { name: 'datetime2', scale: 7 },
  datetimeoffset: { name: 'datetimeoffset', scale: 7 },
  uniqueidentifier: { name: 'uniqueidentifier' },
  sysname: { name: 'nvarchar', length: 128 },
  nvarcharMax: { name: 'nvarchar', length: 'max' },
  varcharMax: { name: 'varchar', length: 'max' },
  varbinaryMax: { name: 'varbinary', length: 'max' },
} as const satisfies Record<string, SqlType>;

/** nvarchar(length), (max) beyond 4,000. */
export function nvarchar(length: number | 'max'): SqlType {
  return { name: 'nvarchar', length: length === 'max' || length > 4000 ? 'max' : Math.max(1, length) };
}

/** varchar(length), (max) beyond 8,000. */
export function varchar(length: number | 'max'): SqlType {
  return { name: 'varchar', length: length === 'max' || length > 8000 ? 'max' : Math.max(1, length) };
}

/** varbinary(length), (max) beyond 8,000. */
export function varbinary(length: number | 'max'): SqlType {
  return { name: 'varbinary', length: length === 'max' || length > 8000 ? 'max' : Math.max(1, length) };
}

/** numeric(precision, scale). */
export function numeric(precision: number, scale: number): SqlType {
  return { name: 'numeric', precision, scale };
}

const textNames = new Set(['char', 'varchar', 'nchar', 'nvarchar', 'text', 'ntext', 'xml']);
const binaryNames = new Set(['binary', 'varbinary', 'image', 'rowversion']);
const integerNames = new Set(['bit', 'tinyint', 'smallint', 'int', 'bigint']);
const temporalNames = new Set(['date', 'time', 'smalldatetime', 'datetime', 'datetime2', 'datetimeoffset']);

/** (n)(var)char, (n)text, xml. */
export const isText = (type: SqlType): boolean => textNames.has(type.name);
/** The text types with N. */
export const isUnicode = (type: SqlType): boolean =>
  type.name === 'nchar' || type.name === 'nvarchar' || type.name === 'ntext';
/** (var)binary, image, rowversion. */
export const isBinary = (type: SqlType): boolean => binaryNames.has(type.name);
/** bit to bigint. */
export const isInteger = (type: SqlType): boolean => integerNames.has(type.name);
/** Dates and times. */
export const isTemporal = (type: SqlType): boolean => temporalNames.has(type.name);
/** decimal and numeric. */
export const isDecimal = (type: SqlType): boolean => type.name === 'decimal' || type.name === 'numeric';
/** money and smallmoney. */
export const isMoney = (type: SqlType): boolean => type.name === 'money' || type.name === 'smallmoney';
/** float and real. */
export const isFloat = (type: SqlType): boolean => type.name === 'float' || type.name === 'real';
/** All of these that count. */
export const isNumber = (type: SqlType): boolean =>
  isInteger(type) || isDecimal(type) || isMoney(type) || isFloat(type);
/** text, ntext, image and xml can be neither compared nor sorted. */
export const isLob = (type: SqlType): boolean =>
  type.name === 'text' || type.name === 'ntext' || type.name === 'image' || type.name === 'xml';

/** The type as T-SQL spells it: nvarchar(64), decimal(9,2), datetime2(7). */
export function spell(type: SqlType): string {
  if (isDecimal(type)) return `${type.name}(${type.precision},${type.scale})`;
  if (type.name === 'datetime2' || type.name === 'time' || type.name === 'datetimeoffset')
    return `${type.name}(${type.scale})`;
  return type.length === undefined ? type.name : `${type.name}(${type.length})`;
}

/** The name that error messages give a type: rowversion is called timestamp there. */
export function typeLabel(type: SqlType): string {
  return type.name === 'rowversion' ? 'timestamp' : type.name === 'decimal' ? 'numeric' : type.name;
}

const aliases: Readonly<Record<string, SqlType['name']>> = {
  integer: 'int',
  dec: 'decimal',
  character: 'char',
  timestamp: 'rowversion',
  double: 'float',
};

const parameterless = new Set<string>([
  'bit',
  'tinyint',
  'smallint',
  'int',
  'bigint',
  'real',
  'smallmoney',
  'money',
  'date',
  'smalldatetime',
  'datetime',
  'uniqueidentifier',
  'text',
  'ntext',
  'xml',
  'image',
  'rowversion',
]);

/**
 * The type with that name and those arguments, or undefined when no such type exists.
 * `defaultLength` is what a missing length of a text or binary type means: 1 in a declaration, 30 in CAST and CONVERT.
 * Throws SqlServerError 2716, 2717, 2750, 2751 for arguments that do not fit.
 */
export function makeType(
  typeName: string,
  args: readonly (number | 'max')[],
  defaultLength: number,
): SqlType | undefined {
  const lower = typeName.toLowerCase();
  if (lower === 'sysname') return types.sysname;
  const name = (aliases[lower] ?? lower) as SqlType['name'];
  if (!precedence.includes(name)) return undefined;
  const [first, second] = args;
  if (parameterless.has(name)) {
    if (first !== undefined) throw sqlError(2716, 1, name);
    return { name };
  }
  if (name === 'float') {
    if (first === 'max' || (first ?? 53) > 53) throw sqlError(2717, String(first), typeName, 53);
    return (first ?? 53) <= 24 ? { name: 'real' } : { name };
  }
  if (name === 'decimal' || name === 'numeric') {
    const precision = first === undefined ? 18 : Number(first);
    const scale = second === undefined ? 0 : Number(second);
    if (!(precision >= 1 && precision <= 38)) throw sqlError(2750, 1, precision, 38);
    if (!(scale <= precision)) throw sqlError(2751, 1, scale, precision);
    return { name, precision, scale };
  }
  if (name === 'datetime2' || name === 'time' || name === 'datetimeoffset') {
    const scale = first === undefined ? 7 : Number(first);
    if (!(scale >= 0 && scale <= 7)) throw sqlError(1002, scale);
    return { name, scale };
  }
  const length = first ?? defaultLength;
  const limit = name === 'nchar' || name === 'nvarchar' ? 4000 : 8000;
  if (length === 'max') {
    if (name === 'char' || name === 'nchar' || name === 'binary') throw sqlError(2716, 1, name);
    return { name, length };
  }
  if (!(length >= 1 && length <= limit)) throw sqlError(2717, length, typeName, limit);
  return { name, length };
}

/** Precision and scale of an exact number as decimal arithmetic sees it. */
export function asDecimal(type: SqlType): { precision: number; scale: number } {
  switch (type.name) {
    case 'bit':
      return { precision: 1, scale: 0 };
    case 'tinyint':
      return { precision: 3, scale: 0 };
    case 'smallint':
      return { precision: 5, scale: 0 };
    case 'int':
      return { precision: 10, scale: 0 };
    case 'bigint':
      return { precision: 19, scale: 0 };
    case 'smallmoney':
      return { precision: 10, scale: 4 };
    case 'money':
      return { precision: 19, scale: 4 };
    default:
      return { precision: type.precision ?? 38, scale: type.scale ?? 0 };
  }
}

/** How many characters the value of a type takes as text. */
export function displayLength(type: SqlType): number | 'max' {
  if (isText(type) || isBinary(type)) return type.length ?? (type.name === 'rowversion' ? 8 : 'max');
  if (isDecimal(type)) return (type.precision ?? 38) + 3;
  const widths: Record<string, number> = {
    bit: 1,
    tinyint: 3,
    smallint: 6,
    int: 11,
    bigint: 20,
    smallmoney: 12,
    money: 21,
    real: 24,
    float: 53,
    date: 10,
    time: 16,
    smalldatetime: 19,
    datetime: 27,
    datetime2: 27,
    datetimeoffset: 34,
    uniqueidentifier: 36,
  };
  return widths[type.name] ?? 30;
}

/** The higher of two types by precedence, merged where both are of a kind; what CASE, UNION and comparisons convert to. */
export function commonType(a: SqlType, b: SqlType): SqlType {
  const high = precedence.indexOf(a.name) <= precedence.indexOf(b.name) ? a : b;
  const low = high === a ? b : a;
  if (isText(high) && isText(low) && high.name !== 'xml') {
    if (isLob(high)) return high;
    const length = maxLength(high.length, low.length);
    const fixed =
      (high.name === 'nchar' || high.name === 'char') && high.name === low.name && high.length === low.length;
    if (fixed) return high;
    return isUnicode(high) || isUnicode(low) ? nvarchar(length) : varchar(length);
  }
  if (isText(high) && !isText(low)) return high;
  if (isBinary(high) && isBinary(low) && high.name !== 'image' && high.name !== 'rowversion') {
    return high.name === low.name && high.length === low.length ? high : varbinary(maxLength(high.length, low.length));
  }
  if (isDecimal(high) && (isDecimal(low) || isInteger(low) || isMoney(low))) {
    const x = asDecimal(high);
    const y = asDecimal(low);
    const scale = Math.max(x.scale, y.scale);
    const precision = Math.max(x.precision - x.scale, y.precision - y.scale) + scale;
    return { name: high.name, ...limitPrecision(precision, scale) };
  }
  if (isTemporal(high) && isTemporal(low) && high.scale !== undefined) {
    const lowScale = low.scale ?? (low.name === 'datetime' ? 3 : 0);
    return { name: high.name, scale: Math.max(high.scale, lowScale) };
  }
  return high;
}

/** The type of `a operator b` for numbers, text (+), and datetime ± days. Throws 8117, 402, 206 where there is none. */
export function arithmeticType(operator: string, a: SqlType, b: SqlType): SqlType {
  if (isText(a) && isText(b)) {
    if (operator !== '+' || isLob(a) || isLob(b))
      throw sqlError(operator === '+' ? 402 : 8117, typeLabel(a), operatorLabel(operator), operatorLabel(operator));
    const length = addLengths(a.length, b.length);
    return isUnicode(a) || isUnicode(b) ? nvarchar(length) : varchar(length);
  }
  if (isBinary(a) && isBinary(b) && operator === '+') return varbinary(addLengths(a.length ?? 8, b.length ?? 8));
  const high = precedence.indexOf(a.name) <= precedence.indexOf(b.name) ? a : b;
  const low = high === a ? b : a;
  if (high.name === 'datetime' || high.name === 'smalldatetime') {
    if (operator !== '+' && operator !== '-') throw sqlError(8117, typeLabel(high), operatorLabel(operator));
    if (isTemporal(low) && low.name !== 'datetime' && low.name !== 'smalldatetime') {
      throw sqlError(402, typeLabel(a), typeLabel(b), operatorLabel(operator));
    }
    return high;
  }
  if (isTemporal(high)) {
    if (isTemporal(low) || isText(low)) throw sqlError(8117, typeLabel(high), operatorLabel(operator));
    throw sqlError(206, typeLabel(b), typeLabel(a));
  }
  if (high.name === 'uniqueidentifier' || isBinary(high) || isLob(high))
    throw sqlError(402, typeLabel(a), typeLabel(b), operatorLabel(operator));
  if ('&|^'.includes(operator)) {
    if (!isInteger(high)) throw sqlError(402, typeLabel(a), typeLabel(b), operatorLabel(operator));
    return high;
  }
  if (high.name === 'bit') {
    if (isText(low) || low.name === 'bit') throw sqlError(402, typeLabel(a), typeLabel(b), operatorLabel(operator));
  }
  if (isFloat(high)) {
    if (operator === '%') throw sqlError(402, typeLabel(a), typeLabel(b), operatorLabel(operator));
    return high;
  }
  if (!isDecimal(high)) return high;
  const x = asDecimal(isText(a) ? high : a);
  const y = asDecimal(isText(b) ? high : b);
  return { name: high.name, ...decimalResult(operator, x, y) };
}

function decimalResult(
  operator: string,
  x: { precision: number; scale: number },
  y: { precision: number; scale: number },
): { precision: number; scale: number } {
  switch (operator) {
    case '*':
      return limitPrecision(x.precision + y.precision + 1, x.scale + y.scale);
    case '/': {
      const scale = Math.max(6, x.scale + y.precision + 1);
      return limitPrecision(x.precision - x.scale + y.scale + scale, scale);
    }
    case '%': {
      const scale = Math.max(x.scale, y.scale);
      return { precision: Math.min(x.precision - x.scale, y.precision - y.scale) + scale, scale };
    }
    default: {
      const scale = Math.max(x.scale, y.scale);
      return limitPrecision(Math.max(x.precision - x.scale, y.precision - y.scale) + scale + 1, scale);
    }
  }
}

function limitPrecision(precision: number, scale: number): { precision: number; scale: number } {
  if (precision <= 38) return { precision, scale };
  const integral = precision - scale;
  return { precision: 38, scale: integral <= 32 ? Math.min(scale, 38 - integral) : Math.min(scale, 6) };
}

function operatorLabel(operator: string): string {
  const labels: Record<string, string> = { '+': 'add', '-': 'subtract', '*': 'multiply', '/': 'divide', '%': 'modulo' };
  return labels[operator] ?? `'${operator}'`;
}

function maxLength(a: number | 'max' | undefined, b: number | 'max' | undefined): number | 'max' {
  return a === 'max' || b === 'max' || a === undefined || b === undefined ? 'max' : Math.max(a, b);
}

function addLengths(a: number | 'max' | undefined, b: number | 'max' | undefined): number | 'max' {
  return a === 'max' || b === 'max' || a === undefined || b === undefined ? 'max' : a + b;
}

/** May a value of `from` become `to`: by itself ('implicit'), by CAST only ('explicit'), or not at all ('none')? */
export function conversionKind(from: SqlType, to: SqlType): 'implicit' | 'explicit' | 'none' {
  if (from.name === to.name) return 'implicit';
  if (from.name === 'image' || to.name === 'image') return isBinary(from) && isBinary(to) ? 'implicit' : 'none';
  if (isText(from))
    return isText(to) ? (from.name === 'xml' ? 'explicit' : 'implicit') : isBinary(to) ? 'explicit' : 'implicit';
  if (isText(to)) {
    if (isLob(to)) return 'none';
    return 'implicit';
  }
  const legacyDate = (type: SqlType): boolean => type.name === 'datetime' || type.name === 'smalldatetime';
  if (isNumber(from)) {
    if (isNumber(to) || legacyDate(to)) return 'implicit';
    return isBinary(to) ? 'implicit' : 'none';
  }
  if (isTemporal(from)) {
    if (isTemporal(to))
      return (from.name === 'date' && to.name === 'time') || (from.name === 'time' && to.name === 'date')
        ? 'none'
        : 'implicit';
    if (isNumber(to)) return legacyDate(from) ? 'explicit' : 'none';
    return isBinary(to) ? 'explicit' : 'none';
  }
  if (isBinary(from)) {
    if (isBinary(to) || to.name === 'uniqueidentifier') return 'implicit';
    if (isFloat(to)) return 'none';
    if (isNumber(to) || legacyDate(to)) return 'implicit';
    return 'none';
  }
  return isBinary(to) ? 'implicit' : 'none';
}

/** Bytes that a type takes, -1 for (max): max_length of sys.columns, and what DATALENGTH gives of types of fixed length. */
export function storageLength(type: SqlType): number {
  if (type.length === 'max') return -1;
  if (type.length !== undefined) return isUnicode(type) ? type.length * 2 : type.length;
  if (type.precision !== undefined)
    return [9, 19, 28, 38].findIndex((digits) => (type.precision ?? 0) <= digits) * 4 + 5;
  const time = (type.scale ?? 7) <= 2 ? 3 : (type.scale ?? 7) <= 4 ? 4 : 5;
  const sizes: Record<string, number> = {
    bit: 1,
    tinyint: 1,
    smallint: 2,
    int: 4,
    bigint: 8,
    real: 4,
    float: 8,
    smallmoney: 4,
    money: 8,
    date: 3,
    time,
    smalldatetime: 4,
    datetime: 8,
    datetime2: time + 3,
    datetimeoffset: time + 5,
    uniqueidentifier: 16,
    rowversion: 8,
    text: 16,
    ntext: 16,
    image: 16,
    xml: -1,
  };
  return sizes[type.name] ?? 0;
}
