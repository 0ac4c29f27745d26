/** A row of small bars in text, and whether a terminal shows them. */
import { scaleTop } from './scale.ts';

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** One character for each amount, from nothing (`▁`) to the top of the scale and above (`█`); what is no number is nothing. */
export function sparkline(amounts: readonly number[]): string {
  const top = scaleTop(amounts);
  const most = BARS.length - 1;
  return amounts
    .map((amount) => BARS[amount > 0 ? Math.min(most, Math.max(1, Math.round((amount / top) * most))) : 0])
    .join('');
}

/**
 * Whether what reads the output takes it for UTF-8: by the locale, as POSIX has it (the first of LC_ALL, LC_CTYPE and LANG
 * that is set, https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html); on Windows Node.js writes
 * Unicode to a terminal whatever its code page.
 */
export function showsUtf8(
  stream: { readonly isTTY: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (env.OS === 'Windows_NT') return stream.isTTY;
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}
