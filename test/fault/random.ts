/** Choices that a seed repeats: which fault, where, and what changes meanwhile. */

/** A sequence of choices. */
export interface Random {
  /** A whole number from 0 up to, not including, `bound`. */
  below(bound: number): number;
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number;
  pick<T>(choices: readonly T[]): T;
  /** True in `share` (0 to 1) of all cases. */
  chance(share: number): boolean;
}

/** The sequence of a seed: mulberry32, which is short and good enough for this. `seed` is a whole number. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number) => Math.floor(next() * bound);
  return {
    below,
    between: (least, most) => least + below(most - least + 1),
    pick: (choices) => {
      const choice = choices[below(choices.length)];
      if (choices.length === 0) throw new Error('nothing to pick from');
      return choice as (typeof choices)[number];
    },
    chance: (share) => next() < share,
  };
}

/** A seed that was not used before, to be printed: TAMHR_FAULT_SEED repeats it. */
export function freshSeed(): number {
  return Number(process.env.TAMHR_FAULT_SEED ?? Math.floor(Math.random() * 2 ** 32));
}
