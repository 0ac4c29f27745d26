/** Names of time zones for schedulers that look them up in a database of their own, letter by letter. */
import { InexactSchedule } from './inexact.ts';

/** Throws InexactSchedule for a zone without a name, and for a name that is not spelled with its capitals. */
export function checkZone(timeZone: string, scheduler: string): void {
  if (/^[+-]|^local$/i.test(timeZone)) {
    throw new InexactSchedule(
      `${scheduler} knows no time zone ${timeZone}.`,
      'Set schedule.timeZone to a zone with a name, such as Asia/Jakarta or Etc/GMT-7.',
    );
  }
  if (/^[a-z]|\/[a-z]/.test(timeZone)) {
    throw new InexactSchedule(
      `${scheduler} knows no time zone that is spelled ${timeZone}.`,
      'Give schedule.timeZone its capitals, such as those of Asia/Kolkata.',
    );
  }
}
