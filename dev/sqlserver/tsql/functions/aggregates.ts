/** Aggregates: https://learn.microsoft.com/sql/t-sql/functions/aggregate-functions-transact-sql */
import type { DatabaseSync } from 'node:sqlite';
import type { SqlType } from '../../engine.ts';
import { type Bound, convert, invoke, keySql } from '../bind/bound.ts';
import { sqlError, unsupported } from '../errors.ts';
import {
  isBinary,
  isDecimal,
  isFloat,
  isInteger,
  isLob,
  isMoney,
  isText,
  isUnicode,
  numeric,
  nvarchar,
  typeLabel,
  types,
  varchar,
} from '../types.ts';
import { integerFits } from '../values/convert.ts';
import { divideRounded, fits, rescale } from '../values/decimal.ts';
import { decimalFrom, decimalTo, type Stored } from '../values/stored.ts';

interface AggregateUse {
  readonly star: boolean;
  readonly distinct: boolean;
  /** ' ORDER BY …' inside the call. */
  readonly order: string;
  readonly windowed: boolean;
  readonly window?: string;
}

type Aggregate = (args: readonly Bound[], use: AggregateUse) => Bound;

const suffix = (use: AggregateUse): string => (use.window === undefined ? '' : ` ${use.window}`);

function one(args: readonly Bound[], name: string): Bound {
  const [value] = args;
  if (value === undefined || args.length !== 1) throw sqlError(174, name, 1);
  return value;
}

const count =
  (type: SqlType): Aggregate =>
  (args, use) => {
    if (use.star) return { sql: `count(*)${suffix(use)}`, type, nullable: true };
    const value = one(args, 'count');
    return {
      sql: `count(${use.distinct ? `DISTINCT ${keySql(value)}` : value.sql})${suffix(use)}`,
      type,
      nullable: true,
    };
  };

/** Integers are summed in SQLite and checked; SQLite itself fails beyond 64 bits. */
function checkedInteger(sql: string, type: SqlType): Bound {
  const check = (value: bigint): Stored => {
    if (!integerFits(value, type)) throw sqlError(8115, 'expression', type.name);
    return value;
  };
  return invoke(`check ${type.name}`, () => check, [{ sql, type, nullable: true }], type);
}

const sum: Aggregate = (args, use) => {
  const value = one(args, 'sum');
  const { type } = value;
  const call = (name: string): string => `${name}(${use.distinct ? 'DISTINCT ' : ''}${value.sql})${suffix(use)}`;
  if (
    type.name === 'bit' ||
    isText(type) ||
    isBinary(type) ||
    !(isInteger(type) || isDecimal(type) || isMoney(type) || isFloat(type))
  ) {
    throw sqlError(8117, typeLabel(type), 'sum');
  }
  if (isFloat(type)) return { sql: call('sum'), type: types.float, nullable: true };
  if (isInteger(type) && type.name !== 'bigint') return checkedInteger(call('sum'), types.int);
  const result: SqlType = isDecimal(type)
    ? { name: type.name, precision: 38, scale: type.scale ?? 0 }
    : isMoney(type)
      ? types.money
      : type;
  // An error thrown within an aggregate does not reach the caller of SQLite, so its result is checked outside of it.
  const check = (total: string): Stored => {
    const value = BigInt(total);
    if (isDecimal(result) ? !fits(value, 38) : BigInt.asIntN(64, value) !== value) {
      throw sqlError(8115, 'expression', typeLabel(result));
    }
    return isDecimal(result) ? decimalTo(value, 38) : value;
  };
  const total: Bound = { sql: call('sum_total'), type: types.varcharMax, nullable: true };
  return invoke(`sum ${result.name}`, () => check, [total], result);
};

const average: Aggregate = (args, use) => {
  const value = one(args, 'avg');
  const { type } = value;
  if (isFloat(type))
    return {
      sql: `avg(${use.distinct ? 'DISTINCT ' : ''}${value.sql})${suffix(use)}`,
      type: types.float,
      nullable: true,
    };
  const total = sum(args, use);
  const counted: Bound = {
    sql: `count(${use.distinct ? 'DISTINCT ' : ''}${value.sql})${suffix(use)}`,
    type: types.bigint,
    nullable: true,
  };
  if (isInteger(type))
    return invoke('avg integer', () => (a: bigint, n: bigint) => a / n, [total, counted], total.type);
  if (isMoney(type))
    return invoke('avg money', () => (a: bigint, n: bigint) => divideRounded(a, n), [total, counted], types.money);
  const scale = Math.max(type.scale ?? 0, 6);
  const divide = (a: Stored, n: bigint): Stored => decimalTo(rescale(decimalFrom(a), type.scale ?? 0, scale) / n, 38);
  return invoke(`avg ${type.scale}`, () => divide, [total, counted], numeric(38, scale));
};

const extreme =
  (name: 'min' | 'max'): Aggregate =>
  (args, use) => {
    const value = one(args, name);
    if (value.type.name === 'bit' || isLob(value.type)) throw sqlError(8117, typeLabel(value.type), name);
    const rest = { type: value.type, nullable: true, collation: value.collation };
    const key = keySql(value);
    if (key === value.sql) return { sql: `${name}(${value.sql})${suffix(use)}`, ...rest };
    if (use.windowed) throw unsupported(`${name.toUpperCase()}(${value.type.name}) OVER`);
    return { sql: `${name}_by(${value.sql},${key})`, ...rest };
  };

const stringAgg: Aggregate = (args, use) => {
  const [value, separator] = args;
  if (value === undefined || separator === undefined) throw sqlError(174, 'string_agg', 2);
  if (use.windowed) throw unsupported('STRING_AGG OVER');
  const text = isText(value.type) ? value : convert(value, types.nvarcharMax);
  const max = text.type.length === 'max';
  const type = isUnicode(text.type) ? nvarchar(max ? 'max' : 4000) : varchar(max ? 'max' : 8000);
  return {
    sql: `string_agg_by(${text.sql},${convert(separator, types.nvarcharMax).sql}${use.order})`,
    type,
    nullable: true,
    collation: text.collation,
  };
};

const deviation =
  (sqlName: string): Aggregate =>
  (args, use) => {
    const value = convert(one(args, sqlName), types.float);
    if (use.windowed) throw unsupported(`${sqlName.toUpperCase()} OVER`);
    return { sql: `${sqlName}(${use.distinct ? 'DISTINCT ' : ''}${value.sql})`, type: types.float, nullable: true };
  };

/** The aggregates by name. */
export const aggregates: ReadonlyMap<string, Aggregate> = new Map([
  ['COUNT', count(types.int)],
  ['COUNT_BIG', count(types.bigint)],
  ['SUM', sum],
  ['AVG', average],
  ['MIN', extreme('min')],
  ['MAX', extreme('max')],
  ['STRING_AGG', stringAgg],
  ['STDEV', deviation('stdev')],
  ['VAR', deviation('variance')],
]);

/** Makes the aggregates that SQLite lacks known to a connection. */
export function registerAggregates(connection: DatabaseSync): void {
  const bigints = { useBigIntArguments: true } as const;
  type Total = { total: bigint; count: number };
  const total = { start: (): Total => ({ total: 0n, count: 0 }) as never, useBigIntArguments: true } as const;
  const step = (sign: bigint) => (state: unknown, value: unknown) => {
    if (value === null) return state as never;
    const before = state as Total;
    return { total: before.total + sign * decimalFrom(value as Stored), count: before.count + Number(sign) } as never;
  };
  // The exact sum of integers and unscaled decimals, as text.
  connection.aggregate('sum_total', {
    ...total,
    step: step(1n),
    inverse: step(-1n),
    result: (state: unknown) => ((state as Total).count === 0 ? null : String((state as Total).total)),
  } as never);
  type Best = { key: Stored; value: Stored } | null;
  const best = (wins: (a: Stored, b: Stored) => boolean) =>
    ({
      ...bigints,
      start: () => null,
      step: (state: unknown, value: unknown, key: unknown) => {
        const before = state as Best;
        if (key === null) return before as never;
        return (before === null || wins(key as Stored, before.key) ? { key, value } : before) as never;
      },
      result: (state: unknown) => (state as Best)?.value ?? null,
    }) as never;
  connection.aggregate(
    'min_by',
    best((a, b) => order(a, b) < 0),
  );
  connection.aggregate(
    'max_by',
    best((a, b) => order(a, b) > 0),
  );
  connection.aggregate('string_agg_by', {
    ...bigints,
    start: () => null,
    step: (state: unknown, value: unknown, separator: unknown) => {
      if (value === null) return state as never;
      return (
        state === null ? value : `${state as string}${(separator as string | null) ?? ''}${value as string}`
      ) as never;
    },
    result: (state: unknown) => state as never,
  } as never);
  // The first value of all; a scalar subquery has no more than one.
  connection.aggregate('first', {
    ...bigints,
    start: () => undefined,
    step: (state: unknown, value: unknown) => (state ?? { value }) as never,
    result: (state: unknown) => ((state as { value: Stored } | undefined)?.value ?? null) as never,
  } as never);
  const spread = (finishing: (variance: number) => number) =>
    ({
      start: () => ({ n: 0, mean: 0, m2: 0 }),
      step: (state: { n: number; mean: number; m2: number }, value: number | null) => {
        if (value === null) return state;
        const n = state.n + 1;
        const delta = value - state.mean;
        const mean = state.mean + delta / n;
        return { n, mean, m2: state.m2 + delta * (value - mean) };
      },
      result: (state: { n: number; m2: number }) => (state.n < 2 ? null : finishing(state.m2 / (state.n - 1))),
    }) as never;
  connection.aggregate(
    'variance',
    spread((variance) => variance),
  );
  connection.aggregate('stdev', spread(Math.sqrt));
}

/** Byte order, as SQLite compares text and blobs. */
function order(a: Stored, b: Stored): number {
  const bytes = (value: Stored): Uint8Array => (typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array));
  return Buffer.compare(bytes(a), bytes(b));
}
