/** A whole number on the command line. */
import { InvalidArgumentError } from 'commander';

/** Reads a whole number from 1 on; throws InvalidArgumentError, which commander turns into wrong usage (64). */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('Expected a whole number from 1 on.');
  }
  return value;
}
