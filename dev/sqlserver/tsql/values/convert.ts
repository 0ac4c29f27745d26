/**
 * CAST, CONVERT and implicit conversions between stored values of two types.
 * https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql
 */
import type { SqlType } from '../../engine.ts';
import { sqlError } from '../errors.ts';
import {
  asDecimal,
  isBinary,
  isDecimal,
  isFloat,
  isInteger,
  isMoney,
  isTemporal,
  isText,
  isUnicode,
  spell,
  typeLabel,
} from '../types.ts';
import { trimSpaces } from './collation.ts';
import { epoch1900, formatStyle, parseMoment, roundTicks, ticksPerDay, ticksPerSecond } from './datetime.ts';
import { decimalFromFloat, decimalParse, decimalText, divideRounded, fits, floatText, rescale } from './decimal.ts';
import {
  decimalFrom,
  decimalTo,
  guidFrom,
  guidParse,
  guidText,
  guidTo,
  offsetFrom,
  offsetTo,
  type Stored,
} from './stored.ts';

/** Converts a stored value that is not NULL. */
export type Converter = (value: Exclude<Stored, null>) => Stored;

const integerRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  bit: [0n, 1n],
  tinyint: [0n, 255n],
  smallint: [-32768n, 32767n],
  int: [-2147483648n, 2147483647n],
  bigint: [-(1n << 63n), (1n << 63n) - 1n],
};

const moneyRanges: Readonly<Record<string, bigint>> = { money: 1n << 63n, smallmoney: 1n << 31n };

/** Does an integer fit its type? */
export function integerFits(value: bigint, type: SqlType): boolean {
  const [low, high] = integerRanges[type.name] as readonly [bigint, bigint];
  return value >= low && value <= high;
}

/**
 * The conversion from one type to another, or undefined where the stored form stays as it is. A text that is too long is cut
 * (as CAST and variables do); INSERT and UPDATE check lengths themselves. `style` as in CONVERT.
 */
export function converter(from: SqlType, to: SqlType, style?: number): Converter | undefined {
  if (isText(to)) return toText(from, to, style);
  if (isInteger(to)) return toInteger(from, to);
  if (isDecimal(to)) return toDecimal(from, to);
  if (isMoney(to)) return toMoney(from, to);
  if (isFloat(to)) return toFloat(from, to);
  if (isTemporal(to)) return toTemporal(from, to, style);
  if (to.name === 'uniqueidentifier') return toGuid(from);
  return toBinary(from, to, style);
}

const overflow = (from: SqlType, to: SqlType) =>
  sqlError(
    8115,
    isText(from)
      ? from.name
      : isFloat(from) || isInteger(from) || isDecimal(from) || isMoney(from)
        ? 'expression'
        : typeLabel(from),
    typeLabel(to),
  );

function toInteger(from: SqlType, to: SqlType): Converter | undefined {
  if (isInteger(from)) {
    if (to.name === 'bit') return from.name === 'bit' ? undefined : (value) => (value === 0n ? 0n : 1n);
    const order = ['bit', 'tinyint', 'smallint', 'int', 'bigint'];
    if (order.indexOf(from.name) <= order.indexOf(to.name)) return undefined;
    return (value) => checkInteger(value as bigint, from, to);
  }
  if (isText(from)) return (value) => integerFromText(value as string, from, to);
  if (isFloat(from)) {
    return (value) => {
      if (to.name === 'bit') return value === 0 ? 0n : 1n;
      if (!Number.isFinite(value)) throw overflow(from, to);
      return checkInteger(BigInt(Math.trunc(value as number)), from, to);
    };
  }
  if (isDecimal(from) || isMoney(from)) {
    const { scale } = asDecimal(from);
    return (value) => {
      const unscaled = decimalFrom(value);
      if (to.name === 'bit') return unscaled === 0n ? 0n : 1n;
      // decimal is cut, money rounded: https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql#truncating-and-rounding-results
      const whole = isMoney(from) ? rescale(unscaled, 4, 0) : unscaled / 10n ** BigInt(scale);
      return checkInteger(whole, from, to);
    };
  }
  if (isTemporal(from)) {
    return (value) => checkInteger(divideRounded((value as bigint) - epoch1900, ticksPerDay), from, to);
  }
  return (value) => {
    const bytes = value as Uint8Array;
    const bits = { bit: 1, tinyint: 1, smallint: 2, int: 4, bigint: 8 }[to.name as 'int'] * 8;
    let result = 0n;
    for (const byte of bytes) result = (result << 8n) | BigInt(byte);
    if (to.name === 'bit') return result === 0n ? 0n : 1n;
    return to.name === 'tinyint' ? BigInt.asUintN(8, result) : BigInt.asIntN(bits, result);
  };
}

function checkInteger(value: bigint, from: SqlType, to: SqlType): bigint {
  if (integerFits(value, to)) return value;
  if (to.name === 'tinyint' || to.name === 'smallint') {
    if (isInteger(from)) throw sqlError(220, to.name, value);
  }
  throw overflow(from, to);
}

function integerFromText(value: string, from: SqlType, to: SqlType): bigint {
  const text = value.trim();
  if (to.name === 'bit') {
    if (/^true$/i.test(text)) return 1n;
    if (/^false$/i.test(text)) return 0n;
  }
  if (text === '') return 0n;
  if (!/^[+-]?\d+$/.test(text)) {
    if (to.name === 'bigint') throw sqlError(8114, from.name, 'bigint');
    throw sqlError(245, from.name, trimSpaces(value), to.name);
  }
  const number = BigInt(text.startsWith('+') ? text.slice(1) : text);
  if (to.name === 'bit') return number === 0n ? 0n : 1n;
  if (integerFits(number, to)) return number;
  if (to.name === 'int') throw sqlError(248, from.name, trimSpaces(value));
  if (to.name === 'bigint') throw sqlError(8115, 'expression', 'bigint');
  throw sqlError(244, from.name, trimSpaces(value), to.name === 'tinyint' ? 'INT1' : 'INT2');
}

function toDecimal(from: SqlType, to: SqlType): Converter | undefined {
  const precision = to.precision ?? 38;
  const scale = to.scale ?? 0;
  const store = (unscaled: bigint): Stored => {
    if (!fits(unscaled, precision)) throw overflow(from, to);
    return decimalTo(unscaled, precision);
  };
  if (isDecimal(from) || isMoney(from) || isInteger(from)) {
    const source = asDecimal(from);
    const sourceBlob = isDecimal(from) && source.precision > 18;
    if (source.scale === scale && precision >= source.precision && precision <= 18 && !sourceBlob) return undefined;
    if (sourceBlob && source.scale === scale && precision >= source.precision) return undefined;
    return (value) => store(rescale(decimalFrom(value), source.scale, scale));
  }
  if (isFloat(from)) {
    return (value) => {
      if (!Number.isFinite(value)) throw overflow(from, to);
      return store(decimalFromFloat(value as number, scale));
    };
  }
  if (isText(from)) {
    return (value) => {
      const parsed = decimalParse((value as string).trim());
      if (parsed === undefined) throw sqlError(8114, from.name, 'numeric');
      return store(rescale(parsed.unscaled, parsed.scale, scale));
    };
  }
  if (isTemporal(from)) {
    return (value) => store(divideRounded(((value as bigint) - epoch1900) * 10n ** BigInt(scale), ticksPerDay));
  }
  throw sqlError(529, typeLabel(from), typeLabel(to));
}

function toMoney(from: SqlType, to: SqlType): Converter | undefined {
  const limit = moneyRanges[to.name] as bigint;
  const check = (unscaled: bigint): bigint => {
    if (unscaled >= limit || unscaled < -limit) throw overflow(from, to);
    return unscaled;
  };
  if (isMoney(from)) return to.name === 'money' ? undefined : (value) => check(value as bigint);
  if (isDecimal(from) || isInteger(from)) {
    const { scale } = asDecimal(from);
    return (value) => check(rescale(decimalFrom(value), scale, 4));
  }
  if (isFloat(from)) return (value) => check(decimalFromFloat(value as number, 4));
  if (isText(from)) {
    return (value) => {
      const text = (value as string)
        .trim()
        .replace(/^([+-]?)\$/, '$1')
        .replaceAll(',', '');
      if (text === '') return 0n;
      const parsed = decimalParse(text);
      if (parsed === undefined) throw sqlError(235);
      return check(rescale(parsed.unscaled, parsed.scale, 4));
    };
  }
  return (value) => BigInt.asIntN(64, BigInt(`0x${Buffer.from(value as Uint8Array).toString('hex') || '0'}`));
}

function toFloat(from: SqlType, to: SqlType): Converter | undefined {
  const store = to.name === 'real' ? Math.fround : (value: number): number => value;
  if (isFloat(from)) return to.name === 'real' && from.name !== 'real' ? (value) => store(value as number) : undefined;
  if (isInteger(from)) return (value) => store(Number(value));
  if (isDecimal(from) || isMoney(from)) {
    const { scale } = asDecimal(from);
    return (value) => store(Number(decimalText(decimalFrom(value), scale)));
  }
  if (isText(from)) {
    return (value) => {
      const text = (value as string).trim();
      if (text === '') return 0;
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw sqlError(8114, from.name, to.name);
      return store(Number(text));
    };
  }
  return (value) => store(Number((value as bigint) - epoch1900) / Number(ticksPerDay));
}

/** Minutes east of UTC that a moment without zone is taken to have. */
const noOffset = 0;

function toTemporal(from: SqlType, to: SqlType, style: number | undefined): Converter | undefined {
  if (isText(from)) {
    return (value) => {
      const text = value as string;
      const parsed = parseMoment(text, style);
      const legacy = to.name === 'datetime' || to.name === 'smalldatetime';
      if (parsed === 'range') throw legacy ? sqlError(242, from.name, to.name) : sqlError(241);
      if (parsed === undefined) throw sqlError(241);
      if (legacy && /\.\d{4,}/.test(text)) throw sqlError(241);
      return store(parsed.ticks, parsed.offsetMinutes);
    };
  }
  if (isTemporal(from)) {
    if (from.name === to.name && (from.scale ?? 0) <= (to.scale ?? 0)) return undefined;
    if (from.name === 'datetimeoffset') {
      return (value) => {
        const { ticks, offsetMinutes } = offsetFrom(value);
        return store(ticks + BigInt(offsetMinutes) * 60n * ticksPerSecond, offsetMinutes);
      };
    }
    if (from.name === 'time') return (value) => store(epoch1900 + (value as bigint), noOffset);
    const widening =
      to.name === 'datetime2' &&
      (from.name === 'date' || from.name === 'smalldatetime' || (from.name === 'datetime' && to.scale === 7));
    return widening ? undefined : (value) => store(value as bigint, noOffset);
  }
  if (isInteger(from)) return (value) => store(epoch1900 + (value as bigint) * ticksPerDay, noOffset);
  if (isDecimal(from) || isMoney(from) || isFloat(from)) {
    const days = toFloat(from, { name: 'float' });
    return (value) => {
      const number = (days === undefined ? value : days(value)) as number;
      const whole = Math.floor(number);
      return store(
        epoch1900 + BigInt(whole) * ticksPerDay + BigInt(Math.round((number - whole) * Number(ticksPerDay))),
        noOffset,
      );
    };
  }
  throw sqlError(529, typeLabel(from), typeLabel(to));

  function store(local: bigint, offsetMinutes: number): Stored {
    if (to.name === 'datetimeoffset') {
      return offsetTo(roundTicks(local - BigInt(offsetMinutes) * 60n * ticksPerSecond, to, from.name), offsetMinutes);
    }
    if (to.name === 'time') return roundTicks(local % ticksPerDay, to, from.name);
    return roundTicks(local, to, from.name);
  }
}

function toGuid(from: SqlType): Converter | undefined {
  if (from.name === 'uniqueidentifier') return undefined;
  if (isText(from)) {
    return (value) => {
      const guid = guidParse(value as string);
      if (guid === undefined) throw sqlError(8169);
      return guid;
    };
  }
  return (value) => {
    const bytes = new Uint8Array(16);
    bytes.set((value as Uint8Array).subarray(0, 16));
    return guidTo(bytes);
  };
}

function toBinary(from: SqlType, to: SqlType, style: number | undefined): Converter | undefined {
  const width = to.name === 'rowversion' ? 8 : to.length;
  const fixed = to.name === 'binary' || to.name === 'rowversion';
  const size = (bytes: Uint8Array): Uint8Array => {
    if (width === 'max' || width === undefined) return bytes;
    if (bytes.length > width) return bytes.subarray(0, width);
    if (!fixed || bytes.length === width) return bytes;
    const padded = new Uint8Array(width);
    padded.set(bytes);
    return padded;
  };
  // Numbers keep their right end, as CAST(258 AS binary(1)) is 0x02.
  const number = (bytes: Uint8Array): Uint8Array => {
    if (width === 'max' || width === undefined) return bytes;
    if (bytes.length > width) return bytes.subarray(bytes.length - width);
    if (!fixed) return bytes;
    const padded = new Uint8Array(width);
    padded.set(bytes, width - bytes.length);
    return padded;
  };
  if (isBinary(from)) {
    const source = from.name === 'rowversion' ? 8 : from.length;
    const same = !fixed && (width === 'max' || width === undefined || (typeof source === 'number' && source <= width));
    return same || (from.name === to.name && source === width) ? undefined : (value) => size(value as Uint8Array);
  }
  if (isText(from)) {
    return (value) => {
      const text = value as string;
      if (style === 1 || style === 2) {
        const hex = style === 1 ? /^0x((?:[0-9a-f]{2})*)$/i.exec(text)?.[1] : /^(?:[0-9a-f]{2})*$/i.exec(text)?.[0];
        if (hex === undefined) throw sqlError(8114, from.name, to.name);
        return size(Buffer.from(hex, 'hex'));
      }
      return size(isUnicode(from) ? Buffer.from(text, 'utf16le') : codePageBytes(text));
    };
  }
  if (from.name === 'uniqueidentifier') return (value) => size(guidFrom(value as Uint8Array));
  if (isInteger(from) || isMoney(from)) {
    const bytes = { bit: 1, tinyint: 1, smallint: 2, int: 4, bigint: 8, smallmoney: 4, money: 8 }[from.name as 'int'];
    return (value) => number(bigEndian(value as bigint, bytes));
  }
  throw sqlError(529, typeLabel(from), typeLabel(to));
}

function bigEndian(value: bigint, bytes: number): Uint8Array {
  const hex = BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0');
  return Buffer.from(hex, 'hex');
}

function toText(from: SqlType, to: SqlType, style: number | undefined): Converter | undefined {
  const limit = to.length ?? 'max';
  const fixed = to.name === 'char' || to.name === 'nchar';
  const narrow = !isUnicode(to) && to.name !== 'xml';
  const fit = (text: string): string => {
    if (limit === 'max') return text;
    if (text.length > limit) return text.slice(0, limit);
    return fixed ? text.padEnd(limit) : text;
  };
  if (isText(from)) {
    const wider = limit === 'max' || (typeof from.length === 'number' && from.length <= limit);
    const fromNarrow = !isUnicode(from) && from.name !== 'xml';
    if (wider && (!fixed || (from.name === to.name && from.length === limit)) && (!narrow || fromNarrow))
      return undefined;
    return narrow && !fromNarrow ? (value) => fit(toCodePage(value as string)) : (value) => fit(value as string);
  }
  // A number that does not fit is an error, or a star for the small integers into (var)char.
  const numeric = (text: string): string => {
    if (limit !== 'max' && text.length > limit) {
      if (isInteger(from) && from.name !== 'bigint' && narrow) return fit('*');
      throw sqlError(8115, isInteger(from) ? 'expression' : typeLabel(from), to.name);
    }
    return fit(text);
  };
  if (isInteger(from)) return (value) => numeric(String(value));
  if (isDecimal(from)) return (value) => numeric(decimalText(decimalFrom(value), from.scale ?? 0));
  if (isMoney(from)) return (value) => numeric(moneyText(value as bigint, style ?? 0));
  if (isFloat(from)) return (value) => numeric(floatText(value as number, style ?? 0, from.name === 'real'));
  if (from.name === 'datetimeoffset') {
    return (value) => {
      const { ticks, offsetMinutes } = offsetFrom(value);
      const local = style === 127 ? ticks : ticks + BigInt(offsetMinutes) * 60n * ticksPerSecond;
      return fit(formatStyle(local, from, style, offsetMinutes));
    };
  }
  if (isTemporal(from)) return (value) => fit(formatStyle(value as bigint, from, style));
  if (from.name === 'uniqueidentifier') {
    return (value) => {
      if (limit !== 'max' && limit < 36) throw sqlError(8170, spell(to));
      return fit(guidText(value as Uint8Array));
    };
  }
  return (value) => {
    const bytes = Buffer.from(value as Uint8Array);
    if (style === 1 || style === 2) return fit(`${style === 1 ? '0x' : ''}${bytes.toString('hex').toUpperCase()}`);
    return fit(narrow ? bytesText(bytes) : bytes.toString('utf16le'));
  };
}

/** money as text: style 0 two decimals, 1 with commas, 2 four decimals. */
function moneyText(value: bigint, style: number): string {
  if (style === 2 || style === 126) return decimalText(value, 4);
  const text = decimalText(rescale(value, 4, 2), 2);
  return style === 1 ? text.replace(/\B(?=(\d{3})+\.)/g, ',') : text;
}

// What Windows code page 1252 has at 0x80–0x9f; the rest of it is Latin-1.
const codePageHigh = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

/** The text as (var)char can hold it: what code page 1252 lacks becomes a question mark. */
export function toCodePage(text: string): string {
  let result = '';
  let isPlain = true;
  for (let i = 0; isPlain && i < text.length; i++) isPlain = text.charCodeAt(i) < 0x80;
  if (isPlain) return text;
  for (const unit of text.split('')) {
    const code = unit.charCodeAt(0);
    const isHeld = code < 0x80 || (code >= 0xa0 && code <= 0xff) || codePageHigh.includes(unit);
    result += isHeld ? unit : '?';
  }
  return result;
}

/** The bytes of a text in code page 1252. */
export function codePageBytes(text: string): Uint8Array {
  return Uint8Array.from(toCodePage(text), (character) => {
    const index = codePageHigh.indexOf(character);
    return index >= 0 ? 0x80 + index : character.charCodeAt(0);
  });
}

function bytesText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte >= 0x80 && byte < 0xa0 ? codePageHigh[byte - 0x80] : String.fromCharCode(byte);
  return text;
}
