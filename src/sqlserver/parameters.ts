/** Typed parameters of a statement: the type is always the column's, since a conversion on the server loses the index. */
import type { Cell } from '../sync/ports.ts';

/** Names in the driver's TYPES that the product binds. */
export type ParameterType =
  | 'BigInt'
  | 'Binary'
  | 'Char'
  | 'Date'
  | 'DateTime'
  | 'DateTime2'
  | 'DateTimeOffset'
  | 'Int'
  | 'NChar'
  | 'NVarChar'
  | 'SmallDateTime'
  | 'SmallInt'
  | 'TinyInt'
  | 'UniqueIdentifier'
  | 'VarBinary'
  | 'VarChar';

/**
 * A value with the type it is sent as. `length` is in characters or bytes; Infinity is max. `scale` is the number of digits
 * of a fraction of a second.
 */
export interface Parameter {
  readonly type: ParameterType;
  readonly value: Cell;
  readonly length?: number;
  readonly scale?: number;
}

/** Parameters by name, without `@`. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** One statement, or several, with their parameters. */
export interface Statement {
  readonly sql: string;
  readonly parameters: Parameters;
}

/** `int`. */
export const int = (value: number | null): Parameter => ({ type: 'Int', value });

/** `nvarchar(length)`; a longer value is cut. */
export const nvarchar = (value: string | null, length: number): Parameter => ({
  type: 'NVarChar',
  value: value === null ? null : cut(value, length),
  length,
});

/** `uniqueidentifier`. */
export const guid = (value: string | null): Parameter => ({ type: 'UniqueIdentifier', value });

/** `datetime2(7)`, in UTC. */
export const datetime2 = (value: Date | null): Parameter => ({ type: 'DateTime2', value });

/** `varbinary(max)`. */
export const blob = (value: Uint8Array): Parameter => ({
  type: 'VarBinary',
  value: bufferOf(value),
  length: Number.POSITIVE_INFINITY,
});

/** `binary(length)`. */
export const binary = (value: Uint8Array | null, length: number): Parameter => ({
  type: 'Binary',
  value: value === null ? null : bufferOf(value),
  length,
});

/** `varbinary(length)`. */
export const varbinary = (value: Uint8Array | null, length: number): Parameter => ({
  type: 'VarBinary',
  value: value === null ? null : bufferOf(value),
  length,
});

/** The same bytes as a Buffer, which is all that the driver takes. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** At most `length` UTF-16 units, no surrogate pair cut in two. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const head = text.slice(0, length);
  return /[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head;
}
