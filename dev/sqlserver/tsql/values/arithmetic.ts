/** + - * / % ^ on stored values, with SQL Server's overflow and division rules. */
import type { SqlType } from '../../engine.ts';
import { sqlError } from '../errors.ts';
import { isDecimal, isFloat, isInteger, isTemporal, typeLabel } from '../types.ts';
import { integerFits } from './convert.ts';
import { epoch1900, roundTicks } from './datetime.ts';
import { divideRounded, fits, pow10, rescale } from './decimal.ts';
import { decimalFrom, decimalTo, type Stored } from './stored.ts';

// biome-ignore lint/suspicious/noExplicitAny: the values' types are what the three SqlTypes say
type Operation = (a: any, b: any) => Stored;

/** Makes the function for `left operator right` of those types with that result type; neither value is NULL. */
export function arithmetic(operator: string, left: SqlType, right: SqlType, result: SqlType): Operation {
  if (isInteger(result)) return integerArithmetic(operator, result);
  if (isDecimal(result)) return decimalArithmetic(operator, left.scale ?? 0, right.scale ?? 0, result);
  if (isFloat(result)) return floatArithmetic(operator, result);
  if (isTemporal(result)) return dateArithmetic(operator, result);
  return moneyArithmetic(operator, result);
}

function integerArithmetic(operator: string, type: SqlType): (a: bigint, b: bigint) => Stored {
  const operations: Record<string, (a: bigint, b: bigint) => bigint> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '^': (a, b) => a ^ b,
    '/': (a, b) => a / nonZero(b),
    '%': (a, b) => a % nonZero(b),
  };
  const operation = operations[operator] as (a: bigint, b: bigint) => bigint;
  return (a, b) => {
    const value = operation(a, b);
    if (!integerFits(value, type)) throw sqlError(8115, 'expression', type.name);
    return value;
  };
}

function nonZero(value: bigint): bigint {
  if (value === 0n) throw sqlError(8134);
  return value;
}

function decimalArithmetic(
  operator: string,
  leftScale: number,
  rightScale: number,
  type: SqlType,
): (a: Stored, b: Stored) => Stored {
  const scale = type.scale ?? 0;
  const precision = type.precision ?? 38;
  const common = Math.max(leftScale, rightScale);
  const operations: Record<string, (a: bigint, b: bigint) => bigint> = {
    '+': (a, b) => rescale(rescale(a, leftScale, common) + rescale(b, rightScale, common), common, scale),
    '-': (a, b) => rescale(rescale(a, leftScale, common) - rescale(b, rightScale, common), common, scale),
    '*': (a, b) => rescale(a * b, leftScale + rightScale, scale),
    // The quotient is cut, not rounded.
    '/': (a, b) => {
      const shift = scale + rightScale - leftScale;
      return shift >= 0 ? (a * pow10(shift)) / nonZero(b) : a / (nonZero(b) * pow10(-shift));
    },
    '%': (a, b) => rescale(rescale(a, leftScale, common) % nonZero(rescale(b, rightScale, common)), common, scale),
  };
  const operation = operations[operator] as (a: bigint, b: bigint) => bigint;
  return (a, b) => {
    const value = operation(decimalFrom(a), decimalFrom(b));
    if (!fits(value, precision)) throw sqlError(8115, 'expression', typeLabel(type));
    return decimalTo(value, precision);
  };
}

function floatArithmetic(operator: string, type: SqlType): (a: number, b: number) => Stored {
  const round = type.name === 'real' ? Math.fround : (value: number) => value;
  const operations: Record<string, (a: number, b: number) => number> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => {
      if (b === 0) throw sqlError(8134);
      return a / b;
    },
  };
  const operation = operations[operator] as (a: number, b: number) => number;
  return (a, b) => {
    const value = round(operation(a, b));
    if (!Number.isFinite(value)) throw sqlError(8115, 'expression', type.name);
    return value;
  };
}

function moneyArithmetic(operator: string, type: SqlType): (a: bigint, b: bigint) => Stored {
  const limit = type.name === 'money' ? 1n << 63n : 1n << 31n;
  const operations: Record<string, (a: bigint, b: bigint) => bigint> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => divideRounded(a * b, 10000n),
    '/': (a, b) => (a * 10000n) / nonZero(b),
    '%': (a, b) => a % nonZero(b),
  };
  const operation = operations[operator] as (a: bigint, b: bigint) => bigint;
  return (a, b) => {
    const value = operation(a, b);
    if (value >= limit || value < -limit) throw sqlError(8115, 'expression', type.name);
    return value;
  };
}

/** datetime ± datetime, both counted from 1900-01-01. */
function dateArithmetic(operator: string, type: SqlType): (a: bigint, b: bigint) => Stored {
  return (a, b) => {
    const offset = b - epoch1900;
    const ticks = operator === '+' ? a + offset : a - offset;
    if (ticks < 0n) throw sqlError(8115, 'expression', type.name);
    return roundTicks(ticks, type, 'expression');
  };
}
