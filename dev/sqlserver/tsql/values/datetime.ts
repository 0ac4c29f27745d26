/**
 * Dates and times as ticks of 100 ns since 0001-01-01 (proleptic Gregorian, as SQL Server counts): calendar arithmetic,
 * rounding to each type's precision, text in the styles of CONVERT, and reading text.
 * https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql#date-and-time-styles
 */
import type { SqlType } from '../../engine.ts';
import { sqlError } from '../errors.ts';

/** Ticks of 100 ns in a second. */
export const ticksPerSecond = 10_000_000n;
/** Ticks of 100 ns in a day. */
export const ticksPerDay = 864_000_000_000n;
/** 1900-01-01, where datetime starts to count. */
export const epoch1900 = 693_595n * ticksPerDay;
const unixEpoch = 719_162n * ticksPerDay;
const endOfTime = 3_652_059n * ticksPerDay;

/** Calendar fields of a moment; `fraction` in ticks of 100 ns. */
export interface Fields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly fraction: number;
}

/** Days since 0001-01-01 of a date, which must exist. */
export function daysFrom(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const m = month <= 2 ? month + 9 : month - 3;
  return (
    365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + Math.floor((153 * m + 2) / 5) + day - 307
  );
}

/** How many days a month has. */
export function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** The calendar fields of ticks. */
export function fieldsOf(ticks: bigint): Fields {
  const days = Number(ticks / ticksPerDay) + 306;
  const rest = ticks % ticksPerDay;
  const seconds = Number(rest / ticksPerSecond);
  let era = Math.floor((10000 * days + 14780) / 3652425);
  let ofYear = days - (365 * era + Math.floor(era / 4) - Math.floor(era / 100) + Math.floor(era / 400));
  if (ofYear < 0) {
    era--;
    ofYear = days - (365 * era + Math.floor(era / 4) - Math.floor(era / 100) + Math.floor(era / 400));
  }
  const m = Math.floor((100 * ofYear + 52) / 3060);
  return {
    year: era + Math.floor((m + 2) / 12),
    month: ((m + 2) % 12) + 1,
    day: ofYear - Math.floor((m * 306 + 5) / 10) + 1,
    hour: Math.floor(seconds / 3600),
    minute: Math.floor(seconds / 60) % 60,
    second: seconds % 60,
    fraction: Number(rest % ticksPerSecond),
  };
}

/** Ticks of a moment, or undefined when there is no such date or time. */
export function ticksOf(fields: Fields): bigint | undefined {
  const { year, month, day, hour, minute, second, fraction } = fields;
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  return (
    BigInt(daysFrom(year, month, day)) * ticksPerDay +
    BigInt((hour * 60 + minute) * 60 + second) * ticksPerSecond +
    BigInt(fraction)
  );
}

/** The machine's clock, in UTC or in local time. */
export function now(utc: boolean): bigint {
  const micros = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));
  const ticks = unixEpoch + micros * 10n;
  return utc ? ticks : ticks - BigInt(new Date().getTimezoneOffset()) * 60n * ticksPerSecond;
}

/** The moment of creation that the catalogue shows: local time as a datetime has it. */
export const creationTime = (): string => String(roundTicks(now(false), { name: 'datetime' }, 'datetime'));

function roundTo(ticks: bigint, unit: bigint): bigint {
  return ((ticks + unit / 2n) / unit) * unit;
}

/** Rounds ticks to what a type can hold. Throws 242 where the type's range is exceeded (`from` names the source type). */
export function roundTicks(ticks: bigint, type: SqlType, from: string): bigint {
  switch (type.name) {
    case 'date':
      return (ticks / ticksPerDay) * ticksPerDay;
    case 'smalldatetime': {
      // 29.998 seconds round down, 29.999 up; datetime's own thirds make that plain rounding of milliseconds.
      const rounded = roundTo(ticks, 60n * ticksPerSecond);
      if (rounded < epoch1900 || rounded >= epoch1900 + 65536n * ticksPerDay)
        throw sqlError(242, from, 'smalldatetime');
      return rounded;
    }
    case 'datetime': {
      const day = ticks / ticksPerDay;
      const thirds = ((ticks % ticksPerDay) * 300n + ticksPerSecond / 2n) / ticksPerSecond;
      const rounded = day * ticksPerDay + (thirds * ticksPerSecond + 150n) / 300n;
      if (rounded < 639_905n * ticksPerDay || rounded >= endOfTime) throw sqlError(242, from, 'datetime');
      return rounded;
    }
    default: {
      const unit = 10n ** BigInt(7 - (type.scale ?? 7));
      const rounded = roundTo(ticks, unit);
      if (type.name === 'time') return rounded >= ticksPerDay ? rounded - ticksPerDay : rounded;
      return rounded >= endOfTime ? rounded - unit : rounded;
    }
  }
}

const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const dayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** January is 1. */
export const monthName = (month: number): string => monthNames[month - 1] as string;
/** 0 is Sunday. */
export const dayName = (weekday: number): string => dayNames[weekday] as string;
/** 0 is Sunday. */
export const weekdayOf = (ticks: bigint): number => Number((ticks / ticksPerDay + 1n) % 7n);

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** The fraction as a type shows it: three digits for datetime, `scale` digits for the others, none for smalldatetime. */
function fractionText(fields: Fields, type: SqlType): string {
  if (type.name === 'smalldatetime' || type.name === 'date') return '';
  const digits = type.name === 'datetime' ? 3 : (type.scale ?? 7);
  if (digits === 0) return '';
  const unit = 10 ** (7 - digits);
  return pad(Math.round(fields.fraction / unit), digits);
}

/** Text of a moment in a style of CONVERT. Throws 281 for a style that does not exist. */
export function formatStyle(ticks: bigint, type: SqlType, style: number | undefined, offsetMinutes?: number): string {
  const f = fieldsOf(ticks);
  const dateIso = `${pad(f.year, 4)}-${pad(f.month)}-${pad(f.day)}`;
  const clock = `${pad(f.hour)}:${pad(f.minute)}:${pad(f.second)}`;
  const fraction = fractionText(f, type);
  const isLegacy = type.name === 'datetime' || type.name === 'smalldatetime';
  const zone = offsetMinutes === undefined ? '' : ` ${offsetText(offsetMinutes)}`;
  const exact = (separator: string): string => `${clock}${fraction === '' ? '' : `${separator}${fraction}`}`;
  const odbc = type.name === 'date' ? dateIso : type.name === 'time' ? exact('.') : `${dateIso} ${exact('.')}${zone}`;
  const hour12 = String(f.hour % 12 === 0 ? 12 : f.hour % 12).padStart(2);
  const halfDay = f.hour < 12 ? 'AM' : 'PM';
  const shortMonth = monthName(f.month).slice(0, 3);
  const dayPadded = String(f.day).padStart(2);
  const noDate = (text: string): string => {
    if (type.name === 'time') throw sqlError(281, style ?? 0, type.name);
    return text;
  };
  switch (style) {
    case undefined:
      if (!isLegacy) return odbc;
      return `${shortMonth} ${dayPadded} ${pad(f.year, 4)} ${hour12}:${pad(f.minute)}${halfDay}`;
    case 0:
    case 100:
      if (type.name === 'date') return `${shortMonth} ${dayPadded} ${pad(f.year, 4)}`;
      if (type.name === 'time') return `${hour12}:${pad(f.minute)}${halfDay}`;
      return `${shortMonth} ${dayPadded} ${pad(f.year, 4)} ${hour12}:${pad(f.minute)}${halfDay}${zone}`;
    case 1:
      return noDate(`${pad(f.month)}/${pad(f.day)}/${pad(f.year % 100)}`);
    case 101:
      return noDate(`${pad(f.month)}/${pad(f.day)}/${pad(f.year, 4)}`);
    case 2:
      return noDate(`${pad(f.year % 100)}.${pad(f.month)}.${pad(f.day)}`);
    case 102:
      return noDate(`${pad(f.year, 4)}.${pad(f.month)}.${pad(f.day)}`);
    case 3:
      return noDate(`${pad(f.day)}/${pad(f.month)}/${pad(f.year % 100)}`);
    case 103:
      return noDate(`${pad(f.day)}/${pad(f.month)}/${pad(f.year, 4)}`);
    case 4:
      return noDate(`${pad(f.day)}.${pad(f.month)}.${pad(f.year % 100)}`);
    case 104:
      return noDate(`${pad(f.day)}.${pad(f.month)}.${pad(f.year, 4)}`);
    case 5:
      return noDate(`${pad(f.day)}-${pad(f.month)}-${pad(f.year % 100)}`);
    case 105:
      return noDate(`${pad(f.day)}-${pad(f.month)}-${pad(f.year, 4)}`);
    case 6:
      return noDate(`${pad(f.day)} ${shortMonth} ${pad(f.year % 100)}`);
    case 106:
      return noDate(`${pad(f.day)} ${shortMonth} ${pad(f.year, 4)}`);
    case 7:
      return noDate(`${shortMonth} ${pad(f.day)}, ${pad(f.year % 100)}`);
    case 107:
      return noDate(`${shortMonth} ${pad(f.day)}, ${pad(f.year, 4)}`);
    case 8:
    case 24:
    case 108:
      if (type.name === 'date') throw sqlError(281, style, type.name);
      return clock;
    case 9:
    case 109:
      if (type.name === 'date') return `${shortMonth} ${dayPadded} ${pad(f.year, 4)}`;
      if (type.name === 'time')
        return `${hour12}:${pad(f.minute)}:${pad(f.second)}${fraction === '' ? '' : `.${fraction}`}${halfDay}`;
      return `${shortMonth} ${dayPadded} ${pad(f.year, 4)} ${hour12}:${pad(f.minute)}:${pad(f.second)}${fraction === '' ? '' : `${isLegacy ? ':' : '.'}${fraction}`}${halfDay}${zone}`;
    case 10:
      return noDate(`${pad(f.month)}-${pad(f.day)}-${pad(f.year % 100)}`);
    case 110:
      return noDate(`${pad(f.month)}-${pad(f.day)}-${pad(f.year, 4)}`);
    case 11:
      return noDate(`${pad(f.year % 100)}/${pad(f.month)}/${pad(f.day)}`);
    case 111:
      return noDate(`${pad(f.year, 4)}/${pad(f.month)}/${pad(f.day)}`);
    case 12:
      return noDate(`${pad(f.year % 100)}${pad(f.month)}${pad(f.day)}`);
    case 112:
      return noDate(`${pad(f.year, 4)}${pad(f.month)}${pad(f.day)}`);
    case 13:
    case 113:
      if (type.name === 'date') return `${pad(f.day)} ${shortMonth} ${pad(f.year, 4)}`;
      if (type.name === 'time') return exact('.');
      return `${pad(f.day)} ${shortMonth} ${pad(f.year, 4)} ${exact(isLegacy ? ':' : '.')}${zone}`;
    case 14:
    case 114:
      if (type.name === 'date') throw sqlError(281, style, type.name);
      return exact(isLegacy ? ':' : '.');
    case 20:
    case 120:
      if (type.name === 'date') return dateIso;
      return type.name === 'time' ? clock : `${dateIso} ${clock}${zone}`;
    case 21:
    case 25:
    case 121:
      if (type.name === 'smalldatetime') return `${dateIso} ${clock}`;
      return odbc;
    case 23:
      return noDate(dateIso);
    case 126:
    case 127: {
      if (type.name === 'date') return dateIso;
      if (type.name === 'time') return exact('.');
      // A datetime without milliseconds shows none in the ISO styles.
      const shown = isLegacy && f.fraction === 0 ? clock : exact('.');
      if (offsetMinutes === undefined) return `${dateIso}T${shown}`;
      return style === 127 ? `${dateIso}T${shown}Z` : `${dateIso}T${shown}${offsetText(offsetMinutes)}`;
    }
    default:
      throw sqlError(281, style, type.name);
  }
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** What a text says: ticks of local time, and the offset where it names one. */
export interface ParsedMoment {
  readonly ticks: bigint;
  readonly offsetMinutes: number;
}

const clockPattern =
  /^(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[.:](\d{1,9}))?)?)?\s*(AM|PM)?(?:\s*(Z|[+-]\d{1,2}:\d{2}))?$/i;

/**
 * Reads a date and/or time as CONVERT does in us_english (mdy): ISO forms, yyyymmdd, slashes, dots and hyphens, month names,
 * a time alone. Returns undefined when the text is none (error 241), or 'range' when a field is out of range (error 242).
 */
export function parseMoment(text: string, style: number | undefined): ParsedMoment | 'range' | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return { ticks: epoch1900, offsetMinutes: 0 };
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:T|\s+)(.+))?$/i.exec(trimmed);
  if (iso) return assemble(Number(iso[1]), Number(iso[2]), Number(iso[3]), iso[4]);
  const compact = /^(\d{4})(\d{2})(\d{2})(?:(?:T|\s+)(.+))?$/i.exec(trimmed);
  if (compact) return assemble(Number(compact[1]), Number(compact[2]), Number(compact[3]), compact[4]);
  const yearFirst = /^(\d{4})[./](\d{1,2})[./](\d{1,2})(?:\s+(.+))?$/.exec(trimmed);
  if (yearFirst) return assemble(Number(yearFirst[1]), Number(yearFirst[2]), Number(yearFirst[3]), yearFirst[4]);
  const yearLast = /^(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:\s+(.+))?$/.exec(trimmed);
  if (yearLast) {
    const dayFirst = style !== undefined && [3, 4, 5, 103, 104, 105, 13, 113].includes(style);
    const first = Number(yearLast[1]);
    const second = Number(yearLast[3]);
    return assemble(fullYear(yearLast[4] as string), dayFirst ? second : first, dayFirst ? first : second, yearLast[5]);
  }
  const monthFirst = /^([A-Za-z]{3,9})\s+(\d{1,2}),?\s+(\d{4}|\d{2})(?:\s+(.+))?$/.exec(trimmed);
  if (monthFirst)
    return named(monthFirst[1] as string, monthFirst[2] as string, monthFirst[3] as string, monthFirst[4]);
  const dayFirst = /^(\d{1,2})[\s-]+([A-Za-z]{3,9})[,\s-]+(\d{4}|\d{2})(?:\s+(.+))?$/.exec(trimmed);
  if (dayFirst) return named(dayFirst[2] as string, dayFirst[1] as string, dayFirst[3] as string, dayFirst[4]);
  if (/^\d{4}$/.test(trimmed)) return assemble(Number(trimmed), 1, 1, undefined);
  return /:|[AP]M$/i.test(trimmed) ? assemble(1900, 1, 1, trimmed) : undefined;
}

function fullYear(text: string): number {
  const year = Number(text);
  return text.length === 4 ? year : year < 50 ? 2000 + year : 1900 + year;
}

function named(
  month: string,
  day: string,
  year: string,
  clock: string | undefined,
): ParsedMoment | 'range' | undefined {
  const index = monthNames.findIndex(
    (name) => name.toLowerCase() === month.toLowerCase() || name.slice(0, 3).toLowerCase() === month.toLowerCase(),
  );
  return index < 0 ? undefined : assemble(fullYear(year), index + 1, Number(day), clock);
}

function assemble(
  year: number,
  month: number,
  day: number,
  clockText: string | undefined,
): ParsedMoment | 'range' | undefined {
  let hour = 0;
  let minute = 0;
  let second = 0;
  let fraction = 0;
  let offsetMinutes = 0;
  if (clockText !== undefined) {
    const clock = clockPattern.exec(clockText.trim());
    if (clock === null || (clock[2] === undefined && clock[5] === undefined)) return undefined;
    hour = Number(clock[1]);
    minute = Number(clock[2] ?? 0);
    second = Number(clock[3] ?? 0);
    fraction = Math.round(Number((clock[4] ?? '0').padEnd(9, '0')) / 100);
    if (clock[5] !== undefined) {
      if (hour > 12) return undefined;
      hour = (hour % 12) + (clock[5].toUpperCase() === 'PM' ? 12 : 0);
    }
    const zone = clock[6];
    if (zone !== undefined && zone.toUpperCase() !== 'Z') {
      const [h, m] = zone.slice(1).split(':').map(Number) as [number, number];
      offsetMinutes = (zone[0] === '-' ? -1 : 1) * (h * 60 + m);
      if (Math.abs(offsetMinutes) > 840) return undefined;
    }
  }
  const carried = fraction === 10_000_000;
  const ticks = ticksOf({ year, month, day, hour, minute, second, fraction: carried ? 0 : fraction });
  return ticks === undefined ? 'range' : { ticks: carried ? ticks + ticksPerSecond : ticks, offsetMinutes };
}

/**
 * FORMAT(date, pattern) for the custom patterns of .NET: y M d H h m s f t, and the standard ones d, D, s, u.
 * Returns undefined for a pattern with letters that it does not know.
 */
export function formatPattern(ticks: bigint, pattern: string): string | undefined {
  const standard: Record<string, string> = {
    d: 'M/d/yyyy',
    D: 'dddd, MMMM d, yyyy',
    s: "yyyy-MM-dd'T'HH:mm:ss",
    u: "yyyy-MM-dd HH:mm:ss'Z'",
    g: 'M/d/yyyy h:mm tt',
    G: 'M/d/yyyy h:mm:ss tt',
  };
  const f = fieldsOf(ticks);
  const text = pattern.length === 1 ? standard[pattern] : pattern;
  if (text === undefined) return undefined;
  let unknown = false;
  const result = text.replace(
    /'([^']*)'|"([^"]*)"|\\(.)|([A-Za-z])\4*/g,
    (token: string, quoted?: string, double?: string, escaped?: string) => {
      if (quoted !== undefined || double !== undefined || escaped !== undefined)
        return quoted ?? double ?? escaped ?? '';
      const shown = patternToken(token, f, ticks);
      if (shown === undefined) unknown = true;
      return shown ?? '';
    },
  );
  return unknown ? undefined : result;
}

function patternToken(token: string, f: Fields, ticks: bigint): string | undefined {
  const hour12 = f.hour % 12 === 0 ? 12 : f.hour % 12;
  const tokens: Record<string, string> = {
    yyyy: pad(f.year, 4),
    yyy: pad(f.year, 3),
    yy: pad(f.year % 100),
    MMMM: monthName(f.month),
    MMM: monthName(f.month).slice(0, 3),
    MM: pad(f.month),
    M: String(f.month),
    dddd: dayName(weekdayOf(ticks)),
    ddd: dayName(weekdayOf(ticks)).slice(0, 3),
    dd: pad(f.day),
    d: String(f.day),
    HH: pad(f.hour),
    H: String(f.hour),
    hh: pad(hour12),
    h: String(hour12),
    mm: pad(f.minute),
    m: String(f.minute),
    ss: pad(f.second),
    s: String(f.second),
    tt: f.hour < 12 ? 'AM' : 'PM',
    T: 'T',
    Z: 'Z',
  };
  if (/^f{1,7}$/.test(token)) return pad(f.fraction, 7).slice(0, token.length);
  return tokens[token];
}
