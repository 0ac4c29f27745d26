/** Date and time functions: https://learn.microsoft.com/sql/t-sql/functions/date-and-time-data-types-and-functions-transact-sql */
import type { SqlType } from '../../engine.ts';
import { type Bound, convert, invoke } from '../bind/bound.ts';
import { sqlError, unsupported } from '../errors.ts';
import { isTemporal, isText, nvarchar, spell, typeLabel, types } from '../types.ts';
import {
  dayName,
  daysInMonth,
  fieldsOf,
  monthName,
  parseMoment,
  roundTicks,
  ticksOf,
  ticksPerDay,
  ticksPerSecond,
  weekdayOf,
} from '../values/datetime.ts';
import type { Stored } from '../values/stored.ts';
import { type Entry, ofStatement, pure } from './builtin.ts';

const partNames: Readonly<Record<string, string>> = {
  year: 'year',
  yy: 'year',
  yyyy: 'year',
  quarter: 'quarter',
  qq: 'quarter',
  q: 'quarter',
  month: 'month',
  mm: 'month',
  m: 'month',
  dayofyear: 'dayofyear',
  dy: 'dayofyear',
  y: 'dayofyear',
  day: 'day',
  dd: 'day',
  d: 'day',
  week: 'week',
  wk: 'week',
  ww: 'week',
  weekday: 'weekday',
  dw: 'weekday',
  w: 'weekday',
  hour: 'hour',
  hh: 'hour',
  minute: 'minute',
  mi: 'minute',
  n: 'minute',
  second: 'second',
  ss: 'second',
  s: 'second',
  millisecond: 'millisecond',
  ms: 'millisecond',
  microsecond: 'microsecond',
  mcs: 'microsecond',
  nanosecond: 'nanosecond',
  ns: 'nanosecond',
  iso_week: 'iso_week',
  isowk: 'iso_week',
  isoww: 'iso_week',
};

function partOf(keyword: string, name: string): string {
  const part = partNames[keyword];
  if (part === undefined) throw sqlError(155, keyword, name);
  return part;
}

/** A moment: text becomes datetime (datetime2 for reading parts), a number datetime. */
function momentOf(bound: Bound, textType: SqlType): Bound {
  if (bound.type.name === 'datetimeoffset') throw unsupported('datetimeoffset');
  if (isTemporal(bound.type)) return bound;
  return convert(bound, isText(bound.type) ? textType : types.datetime);
}

const unitTicks: Readonly<Record<string, bigint>> = {
  week: ticksPerDay * 7n,
  day: ticksPerDay,
  dayofyear: ticksPerDay,
  weekday: ticksPerDay,
  hour: 3600n * ticksPerSecond,
  minute: 60n * ticksPerSecond,
  second: ticksPerSecond,
  millisecond: 10_000n,
  microsecond: 10n,
};

function add(part: string, amount: bigint, ticks: bigint, type: SqlType): bigint {
  const months = { year: 12n, quarter: 3n, month: 1n }[part];
  let result: bigint | undefined;
  if (months === undefined)
    result = part === 'nanosecond' ? ticks + amount / 100n : ticks + amount * (unitTicks[part] as bigint);
  else {
    const f = fieldsOf(ticks);
    const index = BigInt(f.year) * 12n + BigInt(f.month - 1) + amount * months;
    const year = Number(index / 12n);
    const month = Number(index % 12n) + 1;
    if (index >= 12n && year <= 9999)
      result = ticksOf({ ...f, year, month, day: Math.min(f.day, daysInMonth(year, month)) });
  }
  if (type.name === 'time' && result !== undefined) return ((result % ticksPerDay) + ticksPerDay) % ticksPerDay;
  if (result === undefined || result < 0n || result >= 3_652_059n * ticksPerDay) throw sqlError(517, type.name);
  return roundTicks(result, type, type.name);
}

const dateAdd: Entry = [
  'DATEADD',
  {
    arity: [3, 3],
    keywordFirst: true,
    bind: (args, { keyword }) => {
      const part = partOf(keyword, 'dateadd');
      const value = momentOf(args[1] as Bound, types.datetime);
      const { type } = value;
      const allowed =
        type.name === 'date'
          ? !['hour', 'minute', 'second', 'millisecond', 'microsecond', 'nanosecond'].includes(part)
          : true;
      const legacy = type.name === 'datetime' || type.name === 'smalldatetime';
      if (!allowed || part === 'iso_week' || (legacy && ['microsecond', 'nanosecond'].includes(part)))
        throw sqlError(9810, keyword, 'dateadd', type.name);
      return invoke(
        `dateadd ${part} ${spell(type)}`,
        () => (amount: bigint, ticks: bigint) => add(part, amount, ticks, type),
        [convert(args[0] as Bound, types.bigint), value],
        type,
      );
    },
  },
];

/** How many borders of a part lie between two moments. */
function difference(part: string, from: bigint, to: bigint): bigint {
  const a = fieldsOf(from);
  const b = fieldsOf(to);
  switch (part) {
    case 'year':
      return BigInt(b.year - a.year);
    case 'quarter':
      return BigInt((b.year - a.year) * 4 + Math.floor((b.month - 1) / 3) - Math.floor((a.month - 1) / 3));
    case 'month':
      return BigInt((b.year - a.year) * 12 + b.month - a.month);
    case 'week':
      // Weeks begin on Sunday, whatever DATEFIRST says; 0001-01-01 was a Monday.
      return (to / ticksPerDay + 1n) / 7n - (from / ticksPerDay + 1n) / 7n;
    case 'nanosecond':
      return (to - from) * 100n;
    default: {
      const unit = unitTicks[part] as bigint;
      return to / unit - from / unit;
    }
  }
}

function dateDiff(name: string, type: SqlType): Entry {
  return [
    name,
    {
      arity: [3, 3],
      keywordFirst: true,
      bind: (args, { keyword }) => {
        const part = partOf(keyword, name.toLowerCase());
        if (part === 'iso_week') throw sqlError(9806, keyword, name.toLowerCase());
        const [from, to] = args.map((arg) => momentOf(arg, types.datetime2)) as [Bound, Bound];
        const big = type.name === 'bigint';
        const count = (a: bigint, b: bigint): Stored => {
          const value = difference(part, a, b);
          if (!big && (value > 2147483647n || value < -2147483648n)) throw sqlError(535, name.toLowerCase());
          return value;
        };
        return invoke(`${name} ${part}`, () => count, [from, to], type);
      },
    },
  ];
}

/** Value of a part; weekday counts from DATEFIRST 7 (Sunday = 1), the only one that the stand-in allows. */
function part(name: string, ticks: bigint): bigint {
  const f = fieldsOf(ticks);
  const dayOfYear =
    Number(
      ticks / ticksPerDay -
        (ticksOf({ year: f.year, month: 1, day: 1, hour: 0, minute: 0, second: 0, fraction: 0 }) as bigint) /
          ticksPerDay,
    ) + 1;
  const values: Record<string, () => number> = {
    year: () => f.year,
    quarter: () => Math.floor((f.month - 1) / 3) + 1,
    month: () => f.month,
    dayofyear: () => dayOfYear,
    day: () => f.day,
    week: () => Math.floor((dayOfYear - 1 + weekdayOf(ticks - BigInt(dayOfYear - 1) * ticksPerDay)) / 7) + 1,
    weekday: () => weekdayOf(ticks) + 1,
    hour: () => f.hour,
    minute: () => f.minute,
    second: () => f.second,
    millisecond: () => Math.floor(f.fraction / 10000 + 0.34),
    microsecond: () => Math.floor(f.fraction / 10),
    nanosecond: () => f.fraction * 100,
    iso_week: () => isoWeek(ticks),
  };
  return BigInt((values[name] as () => number)());
}

function isoWeek(ticks: bigint): number {
  const day = ticks / ticksPerDay;
  const thursday = day - (day % 7n) + 3n;
  const { year } = fieldsOf(thursday * ticksPerDay);
  const firstDay =
    (ticksOf({ year, month: 1, day: 1, hour: 0, minute: 0, second: 0, fraction: 0 }) as bigint) / ticksPerDay;
  return Number((thursday - firstDay) / 7n) + 1;
}

function extract(name: string, fixed: string): Entry {
  return [
    name,
    {
      arity: [1, 1],
      bind: (args) =>
        invoke(
          `part ${fixed}`,
          () => (ticks: bigint) => part(fixed, ticks),
          [momentOf(args[0] as Bound, types.datetime2)],
          types.int,
        ),
    },
  ];
}

const datePart: Entry = [
  'DATEPART',
  {
    arity: [2, 2],
    keywordFirst: true,
    bind: (args, { keyword }) => {
      const wanted = partOf(keyword, 'datepart');
      const value = momentOf(args[0] as Bound, types.datetime2);
      const dateOnly =
        value.type.name === 'date' &&
        ['hour', 'minute', 'second', 'millisecond', 'microsecond', 'nanosecond'].includes(wanted);
      if (dateOnly) throw sqlError(9810, keyword, 'datepart', typeLabel(value.type));
      return invoke(`part ${wanted}`, () => (ticks: bigint) => part(wanted, ticks), [value], types.int);
    },
  },
];

const dateName: Entry = [
  'DATENAME',
  {
    arity: [2, 2],
    keywordFirst: true,
    bind: (args, { keyword }) => {
      const wanted = partOf(keyword, 'datename');
      const show = (ticks: bigint): Stored => {
        if (wanted === 'month') return monthName(fieldsOf(ticks).month);
        return wanted === 'weekday' ? dayName(weekdayOf(ticks)) : String(part(wanted, ticks));
      };
      return invoke(`datename ${wanted}`, () => show, [momentOf(args[0] as Bound, types.datetime2)], nvarchar(30));
    },
  },
];

/** DATEFROMPARTS and its relatives: error 289 for parts that make no date. */
function fromParts(name: string, count: number, type: SqlType, make: (parts: number[]) => bigint | undefined): Entry {
  return pure(
    name,
    Array.from({ length: count }, () => types.int),
    type,
    (...parts: bigint[]) => {
      const ticks = make(parts.map(Number));
      if (ticks === undefined) throw sqlError(289, type.name);
      return roundTicks(ticks, type, type.name);
    },
  );
}

const dateOf = (year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0): bigint | undefined =>
  ticksOf({ year, month, day, hour, minute, second, fraction });

const statementTime = (name: string, type: SqlType, utc: boolean): Entry =>
  ofStatement(name, type, {
    kind: 'session',
    key: `${utc ? 'utc' : 'local'} ${type.name}`,
    read: (runtime) => roundTicks(utc ? runtime.statementTime.utc : runtime.statementTime.local, type, type.name),
  });

/** The date functions. */
export const dateFunctions: readonly Entry[] = [
  statementTime('GETDATE', types.datetime, false),
  statementTime('CURRENT_TIMESTAMP', types.datetime, false),
  statementTime('GETUTCDATE', types.datetime, true),
  statementTime('SYSDATETIME', types.datetime2, false),
  statementTime('SYSUTCDATETIME', types.datetime2, true),
  dateAdd,
  dateDiff('DATEDIFF', types.int),
  dateDiff('DATEDIFF_BIG', types.bigint),
  datePart,
  dateName,
  extract('YEAR', 'year'),
  extract('MONTH', 'month'),
  extract('DAY', 'day'),
  [
    'EOMONTH',
    {
      arity: [1, 2],
      bind: (args) => {
        const value = convert(momentOf(args[0] as Bound, types.datetime2), types.date);
        const months = args[1] === undefined ? [] : [convert(args[1], types.int)];
        const last = (ticks: bigint, shift = 0n): Stored => {
          const moved = fieldsOf(add('month', shift, ticks, types.date));
          return ticksOf({ ...moved, day: daysInMonth(moved.year, moved.month) }) as bigint;
        };
        return invoke('eomonth', () => last, [value, ...months], types.date);
      },
    },
  ],
  fromParts('DATEFROMPARTS', 3, types.date, (parts) => dateOf(...parts)),
  fromParts('DATETIMEFROMPARTS', 7, types.datetime, (parts) => dateOf(...parts.slice(0, 6), (parts[6] ?? 0) * 10000)),
  [
    'ISDATE',
    {
      arity: [1, 1],
      bind: (args) => {
        const value = args[0] as Bound;
        if (isTemporal(value.type)) return invoke('isdate moment', () => () => 1n, [value], types.int);
        const test = (text: string): Stored => {
          const parsed = parseMoment(text, undefined);
          return text.trim() === '' ||
            parsed === undefined ||
            parsed === 'range' ||
            parsed.ticks < 639_905n * ticksPerDay
            ? 0n
            : 1n;
        };
        return invoke('isdate', () => test, [convert(value, types.nvarcharMax)], types.int);
      },
    },
  ],
];
