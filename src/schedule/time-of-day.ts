/** When a time of day comes next. */
import { nextDue } from './due.ts';

/** The next instant after `now` at which clocks in the zone (an IANA name) show `time`, an hour and minute such as `05:30`. */
export function nextTime(time: string, timeZone: string, now: Date): Date {
  const [hour, minute] = time.split(':').map(Number);
  // It comes every day; where daylight saving skips it, right after the gap.
  return nextDue({ cron: `${minute} ${hour} * * *`, timeZone }, now) as Date;
}
