/** String functions: https://learn.microsoft.com/sql/t-sql/functions/string-functions-transact-sql */
import { createHash } from 'node:crypto';
import type { SqlType } from '../../engine.ts';
import { type Bound, convert, invoke } from '../bind/bound.ts';
import { sqlError, unsupported } from '../errors.ts';
import {
  isBinary,
  isTemporal,
  isText,
  isUnicode,
  nvarchar,
  spell,
  storageLength,
  types,
  varbinary,
  varchar,
} from '../types.ts';
import { collationOf, defaultCollation, fold, trimSpaces } from '../values/collation.ts';
import { codePageBytes } from '../values/convert.ts';
import { formatPattern } from '../values/datetime.ts';
import type { Stored } from '../values/stored.ts';
import { accept, type Entry, pure, typed } from './builtin.ts';

const first = (args: readonly Bound[]): Bound => args[0] as Bound;

/** The variable-length form of a text's type. */
function varying(type: SqlType, length: number | 'max' = type.length ?? 'max'): SqlType {
  return isUnicode(type) ? nvarchar(length) : varchar(length);
}

const sameText = (args: readonly Bound[]): SqlType => varying(first(args).type);
const longText = (args: readonly Bound[]): SqlType =>
  varying(first(args).type, isUnicode(first(args).type) ? 4000 : 8000);

function search(needle: string, text: string, from: number, collationName: string | undefined): bigint {
  const collation = collationOf(collationName ?? defaultCollation);
  if (needle === '') return 0n;
  const direct = collation === 'bin' ? -2 : text.toLowerCase().indexOf(needle.toLowerCase(), from);
  if (collation === 'bin') return BigInt(text.indexOf(needle, from) + 1);
  if (direct >= 0 && collation === 'ci' && text.toLowerCase().length === text.length) return BigInt(direct + 1);
  const wanted = fold(`${needle}.`, collation);
  for (let at = from; at + needle.length <= text.length; at++) {
    if (fold(`${text.slice(at, at + needle.length)}.`, collation) === wanted) return BigInt(at + 1);
  }
  return 0n;
}

function replaceAll(text: string, from: string, to: string, collation: string | undefined): string {
  if (from === '') return text;
  let result = '';
  let at = 0;
  for (;;) {
    const found = Number(search(from, text, at, collation));
    if (found === 0) return result + text.slice(at);
    result += text.slice(at, found - 1) + to;
    at = found - 1 + from.length;
  }
}

/** CONCAT and CONCAT_WS take anything and read NULL as nothing. */
function concatenation(name: string, separated: boolean): Entry {
  return [
    name,
    {
      arity: [separated ? 3 : 2, 254],
      bind: (args) => {
        const texts = args.map((arg) =>
          isText(arg.type) ? accept(arg, 'text') : convert(arg, isBinary(arg.type) ? types.varcharMax : varchar(60)),
        );
        const unicode = texts.some((text) => isUnicode(text.type));
        let length: number | 'max' = 0;
        for (const text of texts)
          length =
            length === 'max' || text.type.length === 'max' || text.type.length === undefined
              ? 'max'
              : length + text.type.length;
        if (length !== 'max') length = Math.min(length, unicode ? 4000 : 8000);
        const type = unicode ? nvarchar(length) : varchar(length);
        const join = separated
          ? (separator: string | null, ...parts: (string | null)[]) =>
              parts.filter((part) => part !== null).join(separator ?? '')
          : (...parts: (string | null)[]) => parts.map((part) => part ?? '').join('');
        return invoke(name, () => join, texts, type, { strict: false, nullable: false });
      },
    },
  ];
}

/** LEFT, RIGHT: the length decides the type where it is a constant. */
function ends(name: string, take: (text: string, length: number) => string): Entry {
  return pure(name, ['text', types.int], sameText, (text: string, length: bigint) => {
    if (length < 0n) throw sqlError(536, name.toLowerCase());
    return take(text, Number(length));
  });
}

function trim(name: string, start: boolean, end: boolean): Entry {
  return pure(name, ['text'], sameText, (text: string) => {
    const left = start ? text.replace(/^ +/, '') : text;
    return end ? trimSpaces(left) : left;
  });
}

const substring: Entry = [
  'SUBSTRING',
  {
    arity: [3, 3],
    bind: (args) => {
      const [given, start, length] = args as [Bound, Bound, Bound];
      const bytes = isBinary(given.type);
      const value = bytes ? given : accept(given, 'text');
      const size = length.constant?.value;
      const limit = typeof size === 'bigint' && size > 0n ? Number(size) : value.type.length;
      const shorter =
        typeof limit === 'number' && typeof value.type.length === 'number'
          ? Math.min(limit, value.type.length)
          : (limit ?? 'max');
      const type = bytes ? varbinary(shorter) : varying(value.type, value.type.length === 'max' ? 'max' : shorter);
      const cut = (source: string | Uint8Array, from: bigint, count: bigint): Stored => {
        if (count < 0n) throw sqlError(537);
        const begin = Math.max(0, Number(from) - 1);
        const finish = Math.max(begin, Number(from) - 1 + Number(count));
        return source.slice(begin, finish);
      };
      return invoke(
        `substring ${bytes}`,
        () => cut,
        [value, convert(start, types.bigint), convert(length, types.bigint)],
        type,
      );
    },
  },
];

const algorithms: Readonly<Record<string, string>> = {
  MD5: 'md5',
  SHA: 'sha1',
  SHA1: 'sha1',
  SHA2_256: 'sha256',
  SHA2_512: 'sha512',
};

const hashBytes: Entry = [
  'HASHBYTES',
  {
    arity: [2, 2],
    bind: (args) => {
      const [algorithm, input] = args as [Bound, Bound];
      if (!isText(input.type) && !isBinary(input.type)) throw sqlError(8116, input.type.name, 2, 'hashbytes');
      const unicode = isUnicode(input.type);
      const hash = (name: string, value: string | Uint8Array): Stored => {
        const known = algorithms[name.toUpperCase()];
        if (known === undefined) return null;
        const bytes =
          typeof value !== 'string' ? value : unicode ? Buffer.from(value, 'utf16le') : codePageBytes(value);
        return createHash(known).update(bytes).digest();
      };
      return invoke(`hashbytes ${unicode}`, () => hash, [accept(algorithm, 'text'), input], varbinary(8000), {
        nullable: true,
      });
    },
  },
];

const dataLength: Entry = [
  'DATALENGTH',
  {
    arity: [1, 1],
    bind: (args) => {
      const { type } = first(args);
      const size = storageLength(type);
      const measure = (value: Stored): Stored => {
        if (typeof value === 'string')
          return BigInt(isUnicode(type) || type.name === 'xml' ? value.length * 2 : codePageBytes(value).length);
        return BigInt(isBinary(type) ? (value as Uint8Array).length : size);
      };
      return invoke(`datalength ${spell(type)}`, () => measure, args, type.length === 'max' ? types.bigint : types.int);
    },
  },
];

const format: Entry = [
  'FORMAT',
  {
    arity: [2, 3],
    bind: (args) => {
      const [value, pattern, culture] = args as [Bound, Bound, Bound | undefined];
      if (culture !== undefined && !/^(en-us|)$/i.test(String(culture.constant?.value)))
        throw unsupported('FORMAT culture');
      if (!isTemporal(value.type) || value.type.name === 'datetimeoffset')
        throw unsupported(`FORMAT(${value.type.name})`);
      const legacy = value.type.name === 'datetime';
      const show = (ticks: bigint, text: string): Stored => {
        // A datetime's thirds are shown in whole milliseconds.
        const shown = formatPattern(legacy ? ((ticks + 5000n) / 10000n) * 10000n : ticks, text);
        if (shown === undefined) throw unsupported(`FORMAT '${text}'`);
        return shown;
      };
      return invoke(`format ${legacy}`, () => show, [value, accept(pattern, 'text')], nvarchar(4000), {
        nullable: true,
      });
    },
  },
];

/** STR(number, length, decimals): right-aligned. */
function str(value: number, length: bigint | undefined, decimals: bigint | undefined): string {
  const width = Number(length ?? 10n);
  const places = Math.min(16, Number(decimals ?? 0n));
  const text = value.toFixed(places);
  if (text.length <= width) return text.padStart(width);
  const whole = value.toFixed(0);
  return whole.length > width ? '*'.repeat(width) : text.slice(0, width).replace(/\.$/, '').padStart(width);
}

/** The string functions. */
export const textFunctions: readonly Entry[] = [
  pure(
    'LEN',
    ['text'],
    (args) => (first(args).type.length === 'max' ? types.bigint : types.int),
    (text: string) => BigInt(trimSpaces(text).length),
  ),
  dataLength,
  ends('LEFT', (text, length) => text.slice(0, length)),
  ends('RIGHT', (text, length) => (length === 0 ? '' : text.slice(-length))),
  substring,
  pure('UPPER', ['text'], sameText, (text: string) =>
    [...text].map((c) => (c.toUpperCase().length === c.length ? c.toUpperCase() : c)).join(''),
  ),
  pure('LOWER', ['text'], sameText, (text: string) =>
    [...text].map((c) => (c.toLowerCase().length === c.length ? c.toLowerCase() : c)).join(''),
  ),
  trim('LTRIM', true, false),
  trim('RTRIM', false, true),
  [
    'TRIM',
    {
      arity: [1, 2],
      bind: (args) => {
        const [text, characters] = args.map((arg) => accept(arg, 'text')) as [Bound, Bound | undefined];
        const strip = (value: string, set = ' '): string => {
          let start = 0;
          let end = value.length;
          while (start < end && set.includes(value.charAt(start))) start++;
          while (end > start && set.includes(value.charAt(end - 1))) end--;
          return value.slice(start, end);
        };
        return invoke('trim', () => strip, characters === undefined ? [text] : [text, characters], varying(text.type));
      },
    },
  ],
  typed(
    'REPLACE',
    ['text', 'text', 'text'],
    (args) => (args.some((arg) => arg.type.length === 'max') ? varying(first(args).type, 'max') : longText(args)),
    (args) => (text: string, from: string, to: string) =>
      replaceAll(text, from, to, args.find((arg) => arg.collation !== undefined)?.collation),
  ),
  typed(
    'CHARINDEX',
    ['text', 'text', types.bigint],
    (args) => (args[1]?.type.length === 'max' ? types.bigint : types.int),
    (args) => (needle: string, text: string, start?: bigint) =>
      search(
        needle,
        text,
        Math.max(0, Number(start ?? 1n) - 1),
        args.find((arg) => arg.collation !== undefined)?.collation,
      ),
    { required: 2 },
  ),
  concatenation('CONCAT', false),
  concatenation('CONCAT_WS', true),
  pure(
    'STUFF',
    ['text', types.bigint, types.bigint, 'text'],
    longText,
    (text: string, start: bigint, length: bigint, insert: string | null) => {
      const from = Number(start) - 1;
      if (from < 0 || from >= text.length || length < 0n) return null;
      return text.slice(0, from) + (insert ?? '') + text.slice(from + Number(length));
    },
    { nullable: true },
  ),
  typed(
    'REPLICATE',
    ['text', types.bigint],
    (args) => (first(args).type.length === 'max' ? first(args).type : longText(args)),
    (args) => (text: string, count: bigint) => {
      if (count < 0n) return null;
      const whole = text.repeat(Number(count));
      return first(args).type.length === 'max' ? whole : whole.slice(0, isUnicode(first(args).type) ? 4000 : 8000);
    },
    { nullable: true },
  ),
  pure(
    'SPACE',
    [types.bigint],
    varchar(8000),
    (count: bigint) => (count < 0n ? null : ' '.repeat(Math.min(8000, Number(count)))),
    { nullable: true },
  ),
  pure('REVERSE', ['text'], sameText, (text: string) => [...text].reverse().join('')),
  pure('STR', [types.float, types.int, types.int], varchar(30), str, { required: 1 }),
  pure(
    'CHAR',
    [types.int],
    { name: 'char', length: 1 },
    (code: bigint) => (code < 0n || code > 255n ? null : String.fromCharCode(Number(code))),
    { nullable: true },
  ),
  pure(
    'NCHAR',
    [types.int],
    { name: 'nchar', length: 1 },
    (code: bigint) => (code < 0n || code > 65535n ? null : String.fromCharCode(Number(code))),
    { nullable: true },
  ),
  pure(
    'ASCII',
    ['text'],
    types.int,
    (text: string) => (text === '' ? null : BigInt(codePageBytes(text.charAt(0))[0] ?? 0)),
    { nullable: true },
  ),
  pure('UNICODE', ['text'], types.int, (text: string) => (text === '' ? null : BigInt(text.charCodeAt(0))), {
    nullable: true,
  }),
  pure(
    'QUOTENAME',
    ['text', 'text'],
    nvarchar(258),
    (text: string, quote = '[') => {
      const closing: Record<string, string> = {
        '[': ']',
        ']': ']',
        '"': '"',
        "'": "'",
        '(': ')',
        ')': ')',
        '{': '}',
        '<': '>',
      };
      const opening: Record<string, string> = { ']': '[', ')': '(' };
      const close = closing[quote];
      return text.length > 128 || close === undefined
        ? null
        : `${opening[quote] ?? quote}${text.replaceAll(close, close + close)}${close}`;
    },
    { required: 1, nullable: true },
  ),
  hashBytes,
  format,
  typed(
    'ISNUMERIC',
    ['any'],
    types.int,
    (args) => (value: Stored) => {
      if (!isText(first(args).type))
        return isTemporal(first(args).type) ||
          isBinary(first(args).type) ||
          first(args).type.name === 'uniqueidentifier'
          ? 0n
          : 1n;
      return /^\s*[+-]?\s*[$]?\s*(\d[\d,]*\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value as string) ? 1n : 0n;
    },
    { nullable: false },
  ),
];
