/** Rows that are counted, the first few of them by name. */

/** How many are named. */
const NAMED = 5;

/** A count and the keys of the first few. `reason`: why, of the first one, where there is more to say. */
export interface Examples {
  count: number;
  readonly keys: string[];
  reason?: string;
}

/** None yet. */
export function noExamples(): Examples {
  return { count: 0, keys: [] };
}

/** Counts one more. */
export function addExample(examples: Examples, key: string, reason?: string): void {
  examples.count += 1;
  if (examples.keys.length < NAMED) examples.keys.push(key);
  if (reason !== undefined) examples.reason ??= reason;
}
