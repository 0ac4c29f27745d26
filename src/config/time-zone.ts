/** Time zones by IANA name. */
import { didYouMean } from './problem.ts';

/** What is wrong with a time zone's name, or undefined where this Node knows it. */
export function timeZoneProblem(name: string): string | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return undefined;
  } catch {
    return `found ${JSON.stringify(name)}, expected an IANA time zone${didYouMean(name, Intl.supportedValuesOf('timeZone'))}`;
  }
}
