/**
 * How a T-SQL value lies in SQLite, so that SQLite's own comparison orders it as SQL Server does.
 *
 *   bit … bigint, money, date and time types   INTEGER (money in 1/10000; times in ticks of 100 ns)
 *   decimal(p ≤ 18)                            INTEGER, unscaled
 *   decimal(p > 18)                            BLOB(16), unscaled + 2^127, big-endian
 *   float, real                                REAL
 *   uniqueidentifier                           BLOB(16), its bytes in SQL Server's sort order
 *   datetimeoffset                             BLOB(10), UTC ticks + 2^63 and offset + 2^15, big-endian
 *   text types                                 TEXT (compared through fold(), see collation.ts)
 *   binary types                               BLOB
 */
import type { SqlType, SqlValue } from '../../engine.ts';
import { isBinary, isDecimal, isFloat, isText } from '../types.ts';

/** A value as SQLite holds it. Integers are always bigint, reals always number. */
export type Stored = null | bigint | number | string | Uint8Array;

const bias = 1n << 127n;

/** Unscaled decimal from its stored form. */
export function decimalFrom(value: Stored): bigint {
  if (typeof value === 'bigint') return value;
  const bytes = value as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return ((view.getBigUint64(0) << 64n) | view.getBigUint64(8)) - bias;
}

/** Stored form of an unscaled decimal of that precision. */
export function decimalTo(unscaled: bigint, precision: number): Stored {
  if (precision <= 18) return unscaled;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  const biased = unscaled + bias;
  view.setBigUint64(0, biased >> 64n);
  view.setBigUint64(8, BigInt.asUintN(64, biased));
  return bytes;
}

// The order in which SQL Server compares the bytes of a uniqueidentifier:
// https://learn.microsoft.com/dotnet/framework/data/adonet/sql/comparing-guid-and-uniqueidentifier-values
const guidOrder = [10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3] as const;

/** uniqueidentifier from the wire's byte order to the stored one. */
export function guidTo(wire: Uint8Array): Uint8Array {
  const stored = new Uint8Array(16);
  for (let i = 0; i < 16; i++) stored[i] = wire[guidOrder[i] as number] as number;
  return stored;
}

/** uniqueidentifier from the stored byte order to the wire's. */
export function guidFrom(stored: Uint8Array): Uint8Array {
  const wire = new Uint8Array(16);
  for (let i = 0; i < 16; i++) wire[guidOrder[i] as number] = stored[i] as number;
  return wire;
}

// The textual form prints the wire's bytes in this order.
const guidTextOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** A stored uniqueidentifier as text, upper case with hyphens. */
export function guidText(stored: Uint8Array): string {
  const wire = guidFrom(stored);
  const hex = Buffer.from(guidTextOrder.map((i) => wire[i] as number))
    .toString('hex')
    .toUpperCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A stored uniqueidentifier from text (with or without braces, rest ignored), or undefined when it is none. */
export function guidParse(text: string): Uint8Array | undefined {
  const match = /^\{?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})/i.exec(text);
  if (match === null || (text.startsWith('{') && text[37] !== '}')) return undefined;
  const printed = Buffer.from(match.slice(1).join(''), 'hex');
  const wire = new Uint8Array(16);
  for (let i = 0; i < 16; i++) wire[guidTextOrder[i] as number] = printed[i] as number;
  return guidTo(wire);
}

/** Stored datetimeoffset: UTC ticks and the offset in minutes. */
export function offsetTo(ticks: bigint, offsetMinutes: number): Uint8Array {
  const bytes = new Uint8Array(10);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, ticks + (1n << 63n));
  view.setUint16(8, offsetMinutes + 32768);
  return bytes;
}

/** Parts of a stored datetimeoffset. */
export function offsetFrom(value: Stored): { ticks: bigint; offsetMinutes: number } {
  const bytes = value as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
  return { ticks: view.getBigUint64(0) - (1n << 63n), offsetMinutes: view.getUint16(8) - 32768 };
}

/** Makes the function that turns a value as the wire has it into a stored one. */
export function storer(type: SqlType): (value: SqlValue) => Stored {
  if (isDecimal(type)) return (value) => (value === null ? null : decimalTo(value as bigint, type.precision ?? 38));
  if (type.name === 'uniqueidentifier') return (value) => (value === null ? null : guidTo(value as Uint8Array));
  if (type.name === 'datetimeoffset') {
    return (value) => {
      if (value === null) return null;
      const { ticks, offsetMinutes } = value as { ticks: bigint; offsetMinutes: number };
      return offsetTo(ticks, offsetMinutes);
    };
  }
  if (isFloat(type) || isText(type) || isBinary(type)) return (value) => value as Stored;
  return (value) => (typeof value === 'number' ? BigInt(value) : (value as Stored));
}

/** Makes the function that turns a stored value into what the wire sends, or undefined where the two are the same. */
export function presenter(type: SqlType): ((value: Stored) => SqlValue) | undefined {
  if (isDecimal(type)) {
    return (type.precision ?? 38) <= 18 ? undefined : (value) => (value === null ? null : decimalFrom(value));
  }
  switch (type.name) {
    case 'bit':
    case 'tinyint':
    case 'smallint':
    case 'int':
      return (value) => (value === null ? null : Number(value));
    case 'real':
    case 'float':
      return (value) => (typeof value === 'bigint' ? Number(value) : value);
    case 'uniqueidentifier':
      return (value) => (value === null ? null : guidFrom(value as Uint8Array));
    case 'datetimeoffset':
      return (value) => (value === null ? null : offsetFrom(value));
    default:
      return undefined;
  }
}
