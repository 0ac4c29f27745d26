/** Names of time zones for schedulers that look them up in a database of their own, letter by letter. */
import { InexactSchedule } from './inexact.ts';

/**
 * The zone with the capitals that its name has there; the configuration takes any. Throws InexactSchedule for a zone without a
 * name, and where the capitals are not known.
 */
export function zoneName(timeZone: string, scheduler: string): string {
  if (/^[+-]|^local$/i.test(timeZone)) {
    throw new InexactSchedule(
      `${scheduler} knows no time zone ${timeZone}.`,
      'Set schedule.timeZone to a zone with a name, such as Asia/Jakarta or Etc/GMT-7.',
    );
  }
  const { timeZone: resolved } = new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions();
  const names = [resolved, ...Intl.supportedValuesOf('timeZone')];
  const known = names.find((name) => name.toLowerCase() === timeZone.toLowerCase());
  if (known !== undefined) return known;
  // An alias: Intl knows the zone by another name.
  if (/^[a-z]|\/[a-z]/.test(timeZone)) {
    throw new InexactSchedule(
      `${scheduler} knows no time zone that is spelled ${timeZone}.`,
      'Give schedule.timeZone its capitals, such as those of Asia/Kolkata.',
    );
  }
  return timeZone;
}
