/** When a schedule is due, before and after an instant. The only home of croner. */
import { Cron } from 'croner';

/** When the job is to run: a crontab expression of five fields (or a nickname such as `@daily`) and an IANA zone. */
export interface Schedule {
  readonly cron: string;
  readonly timeZone: string;
}

/**
 * The first due time after `after`; undefined where there never is one again (`0 0 30 2 *`).
 *
 * Daylight saving is treated as cron(8) does: a time that a day skips is due right after the gap, one that a day has twice
 * is due the first time only (https://croner.56k.guru/usage/configuration/). Throws TypeError or RangeError for an invalid
 * expression or zone.
 */
export function nextDue(schedule: Schedule, after: Date): Date | undefined {
  return pattern(schedule).nextRun(after) ?? undefined;
}

/** The last due time before `before`; undefined where there never was one. Otherwise as `nextDue`. */
export function previousDue(schedule: Schedule, before: Date): Date | undefined {
  return pattern(schedule).previousRuns(1, before)[0];
}

function pattern({ cron, timeZone }: Schedule): Cron {
  return new Cron(cron, { timezone: timeZone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true });
}
