/** How far a scale of bars goes, for charts on a page and in a terminal. */

/** One amount that is so many times the next one would make all others flat: the first load of a table does. */
const OUTLIER_FACTOR = 8;

/** More bars than this above the scale would be no exceptions. */
const MOST_OUTLIERS = 3;

/**
 * The amount at the top of the scale: the greatest, or, where up to three are far above all others, the greatest of these
 * others. Zero where none is above zero; what is no number does not count.
 */
export function scaleTop(amounts: readonly number[]): number {
  const sorted = amounts.filter((amount) => amount > 0).sort((a, b) => b - a);
  for (let above = Math.min(MOST_OUTLIERS, sorted.length - 1); above > 0; above--) {
    const top = sorted[above] ?? 0;
    if ((sorted[above - 1] ?? 0) > OUTLIER_FACTOR * top && sorted.length > 2 * above) return top;
  }
  return sorted[0] ?? 0;
}
