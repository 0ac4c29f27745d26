/**
 * A cell as text and as JSON, by its column's kind: what a payload shows of a value where the map asks for nothing else,
 * and what `as` makes of it. NULL is the map's affair (map.ts).
 */
import type { Cell, ColumnKind } from './ports.ts';

/** A cell that is not NULL. */
export type Value = Exclude<Cell, null>;

interface ValueOf {
  integer: number;
  bigint: string;
  decimal: string;
  float: number;
  boolean: boolean;
  guid: string;
  text: string;
  binary: Uint8Array;
  date: Date;
  time: Date;
  datetime: Date;
  datetimeoffset: Date;
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const TEXT: { readonly [Kind in ColumnKind]: (value: ValueOf[Kind]) => string } = {
  integer: String,
  bigint: exactNumber,
  decimal: exactNumber,
  float: String,
  boolean: String,
  guid: (value) => value,
  text: (value) => value,
  binary: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
  date: (value) => value.toISOString().slice(0, 10),
  time: (value) => withoutZeroFraction(value).slice(11),
  datetime: withoutZeroFraction,
  datetimeoffset: (value) => `${withoutZeroFraction(value)}Z`,
};

/**
 * A value's text: what `cases` compare with, and what `as: "string"` puts in quotes.
 *
 *   integer, bigint, decimal   digits as the server prints them, exact: -0.50
 *   float                      the shortest text that reads back as the same number
 *   boolean                    true, false
 *   guid                       lower case with hyphens
 *   binary                     base64
 *   date                       yyyy-MM-dd
 *   time                       HH:mm:ss, and .fff where not zero
 *   datetime                   yyyy-MM-ddTHH:mm:ss, and .fff where not zero
 *   datetimeoffset             the same in UTC, with Z
 */
export function textOf(kind: ColumnKind): (value: Value) => string {
  return TEXT[kind] as (value: Value) => string;
}

/**
 * A value's JSON where that is not its text in quotes: of numbers and booleans. A bigint beyond ±(2^53 − 1) is a string
 * nevertheless (readers that hold numbers as doubles would change it). Undefined where each value's text goes in quotes.
 */
export function bareJsonOf(kind: ColumnKind): ((value: Value) => string) | undefined {
  if (!NUMERIC.has(kind)) return undefined;
  const text = textOf(kind);
  return kind === 'bigint' ? (value) => (Number.isSafeInteger(Number(value)) ? text(value) : `"${text(value)}"`) : text;
}

/**
 * Makes the function from a value's text to the JSON of `as`; it gives undefined where the text does not convert.
 * Undefined itself where no value of this kind would.
 *
 *   number    numbers and bigint: their exact digits; booleans: 1, 0; text: a JSON number, spaces around it dropped
 *   boolean   numbers: 0, 1; text: true, false, 1, 0 in any case, spaces around it dropped
 */
export function conversion(
  as: 'number' | 'boolean',
  kind: ColumnKind,
): ((text: string) => string | undefined) | undefined {
  if (kind !== 'text' && !NUMERIC.has(kind)) return undefined;
  if (as === 'number') {
    if (kind === 'boolean') return (text) => (text === 'true' ? '1' : '0');
    return (text) => {
      const number = text.trim();
      return JSON_NUMBER.test(number) ? number : undefined;
    };
  }
  if (kind === 'decimal') return (text) => BOOLEANS.get(String(Number(text)));
  return (text) => BOOLEANS.get(text.trim().toLowerCase());
}

const NUMERIC: ReadonlySet<ColumnKind> = new Set<ColumnKind>(['integer', 'bigint', 'decimal', 'float', 'boolean']);

const BOOLEANS: ReadonlyMap<string, string> = new Map([
  ['true', 'true'],
  ['1', 'true'],
  ['false', 'false'],
  ['0', 'false'],
]);

/** JSON wants digits on both sides of the point and no plus sign; nothing else of the server's text is touched. */
function exactNumber(text: string): string {
  if (JSON_NUMBER.test(text)) return text;
  const [, minus, digits, fraction] = /^(?:\+|(-))?0*(\d*)(\.\d+)?\.?$/.exec(text) ?? [];
  if (digits === undefined || (digits === '' && !/\d/.test(text))) throw new Error('a numeric cell holds no number');
  return `${minus ?? ''}${digits || '0'}${fraction ?? ''}`;
}

function withoutZeroFraction(date: Date): string {
  const iso = date.toISOString();
  return iso.endsWith('.000Z') ? iso.slice(0, 19) : iso.slice(0, 23);
}
