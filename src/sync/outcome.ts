/** What is told of a batch's outcome, wherever it is told. */
import type { Outcome } from './ports.ts';

/** Why a batch was not accepted, as far as anybody knows. */
export function reasonOf({ state, attempts, note }: Outcome): string | undefined {
  if (state === 'accepted') return undefined;
  return attempts.findLast(({ error }) => error !== undefined)?.error ?? note;
}
