/** Starts as the five fields of cron(8), in what all that read such fields have in common: numbers, lists, ranges, and `*`. */
import { InexactSchedule } from './inexact.ts';
import { type Days, hoursByMinutes, type Starts } from './starts.ts';

/** The fields, several times where hours do not share their minutes. Throws InexactSchedule as `dayFields` does. */
export function cronFields({ days, times }: Starts): string[] {
  return hoursByMinutes(times).map(
    ({ hours, minutes }) => `${field(minutes, 60)} ${field(hours, 24)} ${dayFields(days)}`,
  );
}

/** The last three fields. Throws InexactSchedule where a day must meet both of two restrictions. */
export function dayFields({ months, daysOfMonth, weekdays, both }: Days): string {
  if (both) {
    throw new InexactSchedule(
      'The schedule asks for a day of the month and a weekday together (+), and cron only knows one or the other.',
      'Use systemd (schedule print --as systemd), or restrict schedule.cron by one of them.',
    );
  }
  return [daysOfMonth ? field(daysOfMonth, 31) : '*', field(months, 12), weekdays ? field(weekdays, 7) : '*'].join(' ');
}

/** A list of numbers, runs of three and more as ranges; `*` for all that there are. */
function field(numbers: readonly number[], all: number): string {
  if (numbers.length === all) return '*';
  const runs: number[][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run?.at(-1) === number - 1) run.push(number);
    else runs.push([number]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}-${run.at(-1)}` : run.join(','))).join(',');
}
