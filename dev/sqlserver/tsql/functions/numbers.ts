/** Mathematical functions: https://learn.microsoft.com/sql/t-sql/functions/mathematical-functions-transact-sql */
import type { SqlType } from '../../engine.ts';
import { type Bound, convert, invoke } from '../bind/bound.ts';
import { sqlError } from '../errors.ts';
import {
  asDecimal,
  isDecimal,
  isFloat,
  isInteger,
  isMoney,
  isNumber,
  isText,
  spell,
  typeLabel,
  types,
} from '../types.ts';
import { integerFits } from '../values/convert.ts';
import { divideRounded, fits, pow10 } from '../values/decimal.ts';
import { decimalFrom, decimalTo, type Stored } from '../values/stored.ts';
import { type Entry, pure } from './builtin.ts';

/** A number as the function takes it; text counts as float, small integers as int. */
function numberOf(bound: Bound, name: string): Bound {
  if (isText(bound.type)) return convert(bound, types.float);
  if (!isNumber(bound.type)) throw sqlError(8116, typeLabel(bound.type), 1, name);
  return bound.type.name === 'bit'
    ? convert(bound, types.float)
    : ['tinyint', 'smallint'].includes(bound.type.name)
      ? convert(bound, types.int)
      : bound;
}

/** ABS, FLOOR, CEILING, SIGN: exact for exact numbers. */
function exact(
  name: string,
  onUnscaled: (value: bigint, one: bigint) => bigint,
  onFloat: (value: number) => number,
  scaleKept: boolean,
): Entry {
  return [
    name,
    {
      arity: [1, 1],
      bind: (args) => {
        const value = numberOf(args[0] as Bound, name.toLowerCase());
        const { type } = value;
        if (isFloat(type)) return invoke(`${name} float`, () => onFloat, [convert(value, types.float)], types.float);
        const { precision, scale } = asDecimal(type);
        const result: SqlType = isDecimal(type) && !scaleKept ? { name: type.name, precision, scale: 0 } : type;
        const one = pow10(scale);
        const apply = (stored: Stored): Stored => {
          const unscaled = onUnscaled(decimalFrom(stored), one);
          if (isInteger(type) && !integerFits(unscaled, type)) throw sqlError(8115, 'expression', type.name);
          return isDecimal(type) ? decimalTo(scaleKept ? unscaled : unscaled / one, precision) : unscaled;
        };
        return invoke(`${name} ${spell(type)}`, () => apply, [value], result);
      },
    },
  ];
}

function floorTo(value: bigint, one: bigint): bigint {
  const rest = value % one;
  return rest === 0n ? value : value < 0n ? value - rest - one : value - rest;
}

const round: Entry = [
  'ROUND',
  {
    arity: [2, 3],
    bind: (args) => {
      const value = numberOf(args[0] as Bound, 'round');
      const { type } = value;
      const length = convert(args[1] as Bound, types.int);
      const cut = args[2] === undefined ? [] : [convert(args[2], types.int)];
      if (isFloat(type)) {
        const apply = (number: number, places: bigint, truncate = 0n): Stored => {
          const factor = 10 ** Number(places);
          const scaled = number * factor;
          return (truncate === 0n ? Math.sign(scaled) * Math.round(Math.abs(scaled)) : Math.trunc(scaled)) / factor;
        };
        return invoke('ROUND float', () => apply, [convert(value, types.float), length, ...cut], types.float);
      }
      const { precision, scale } = asDecimal(type);
      const apply = (stored: Stored, places: bigint, truncate = 0n): Stored => {
        const unscaled = decimalFrom(stored);
        const drop = scale - Number(places);
        if (drop <= 0) return stored;
        const unit = pow10(drop);
        const rounded = (truncate === 0n ? divideRounded(unscaled, unit) : unscaled / unit) * unit;
        if (isInteger(type) ? !integerFits(rounded, type) : !fits(rounded, precision))
          throw sqlError(8115, 'expression', typeLabel(type));
        return isDecimal(type) ? decimalTo(rounded, precision) : rounded;
      };
      return invoke(`ROUND ${spell(type)}`, () => apply, [value, length, ...cut], type);
    },
  },
];

const floatFunction = (name: string, apply: (...values: number[]) => number, count = 1): Entry =>
  pure(
    name,
    Array.from({ length: count }, () => types.float),
    types.float,
    (...values: number[]) => {
      const result = apply(...values);
      if (!Number.isFinite(result)) throw sqlError(3623);
      return result;
    },
  );

const power: Entry = [
  'POWER',
  {
    arity: [2, 2],
    bind: (args) => {
      const value = numberOf(args[0] as Bound, 'power');
      const float = invoke(
        'POWER',
        () => (a: number, b: number) => a ** b,
        [convert(value, types.float), convert(args[1] as Bound, types.float)],
        types.float,
      );
      return isMoney(value.type) || isDecimal(value.type) || isInteger(value.type) ? convert(float, value.type) : float;
    },
  },
];

/** The mathematical functions. */
export const numberFunctions: readonly Entry[] = [
  exact('ABS', (value) => (value < 0n ? -value : value), Math.abs, true),
  exact('FLOOR', floorTo, Math.floor, false),
  exact('CEILING', (value, one) => -floorTo(-value, one), Math.ceil, false),
  exact('SIGN', (value, one) => (value === 0n ? 0n : value < 0n ? -one : one), Math.sign, true),
  round,
  power,
  floatFunction('SQRT', Math.sqrt),
  floatFunction('SQUARE', (value) => value * value),
  floatFunction('EXP', Math.exp),
  floatFunction('LOG', Math.log),
  floatFunction('LOG10', Math.log10),
];
