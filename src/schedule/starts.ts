/**
 * On which days and at which times of day a schedule starts the job, apart from any scheduler's notation: read from a cron
 * expression that due.ts has accepted, and moved by minutes (into another zone's clock, or to the second start).
 */
import { InexactSchedule } from './inexact.ts';

/** Days of the calendar. What is absent does not restrict them. */
export interface Days {
  /** 1 to 12, ascending; all twelve where months do not matter. */
  readonly months: readonly number[];
  /** Days of the month, 1 to 31, ascending. A month that does not have one of them passes over it. */
  readonly daysOfMonth?: readonly number[];
  /** 0 (Sunday) to 6, ascending. */
  readonly weekdays?: readonly number[];
  /** Where both are present, whether a day must meet both; otherwise one of them is enough. */
  readonly both: boolean;
}

/** Days and the times at which each of them has a start. */
export interface Starts {
  readonly days: Days;
  /** Minutes after midnight, ascending. */
  readonly times: readonly number[];
}

/** A cron expression, read. */
export interface Expression extends Starts {
  /** Its first two fields as they stand, for cron's own treatment of `*` on the days when clocks change. */
  readonly minuteField: string;
  readonly hourField: string;
}

const MINUTES_A_DAY = 1440;
const MONTHS = range(1, 12);
const MONTH_NAMES = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAY_NAMES = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
/** Days of each month in a leap year. */
const LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** What croner takes for five fields (https://croner.56k.guru/usage/pattern/). */
const NICKNAMES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/**
 * Reads an expression that nextDue accepts. A `*` alone leaves days unrestricted; two restricted fields of days mean either,
 * with `+` before the second both (https://croner.56k.guru/usage/pattern/).
 *
 * Throws InexactSchedule for `L`, `W` and `#`, which only few schedulers have.
 */
export function readExpression(cron: string): Expression {
  const fields = (NICKNAMES[cron.trim().toLowerCase()] ?? cron).trim().replaceAll('?', '*').split(/\s+/);
  const [minuteField = '', hourField = '', dayField = '', monthField = '', weekdayField = ''] = fields;
  // A range may end with SUN, which is then 7.
  // A range may end with SUN, which is then 7.
  const weekdayText = named(weekdayField.replace(/^\+/, '').replaceAll(/-sun/gi, '-7'), DAY_NAMES, 0);
  if (/[lw#]/i.test(dayField + weekdayText)) {
    throw new InexactSchedule(
      `The schedule ${cron} has L, W or #, which not every scheduler knows.`,
      'Write schedule.cron with days of the month or weekdays as numbers or names.',
    );
  }
  const hours = values(hourField, 0, 23);
  const minutes = values(minuteField, 0, 59);
  const daysOfMonth = dayField === '*' ? undefined : values(dayField, 1, 31);
  const weekdays = weekdayText === '*' ? undefined : ascending(values(weekdayText, 0, 7).map((day) => day % 7));
  const months = values(named(monthField, MONTH_NAMES, 1), 1, 12);
  return {
    days: restricted(months, daysOfMonth, weekdays, weekdayField.startsWith('+')),
    times: hours.flatMap((hour) => minutes.map((minute) => hour * 60 + minute)),
    minuteField,
    hourField,
  };
}

/** Drops what restricts nothing. */
function restricted(
  months: readonly number[],
  days?: readonly number[],
  weekdays?: readonly number[],
  both = false,
): Days {
  const everyDay = days?.length === 31;
  const everyWeekday = weekdays?.length === 7;
  const either = days !== undefined && weekdays !== undefined && !both;
  if (either && (everyDay || everyWeekday)) return { months, both: false };
  return {
    months,
    ...(days !== undefined && !everyDay && { daysOfMonth: days }),
    ...(weekdays !== undefined && !everyWeekday && { weekdays }),
    both: both && days !== undefined && !everyDay && weekdays !== undefined && !everyWeekday,
  };
}

/** Minutes after a start at which the second one follows, which only resolves batches whose outcome is unknown. */
export const SECOND_START_MINUTES = 30;

/**
 * The starts that a second one is to follow: those without another start within the hour, which resolves unknown batches
 * first anyway. Undefined where there are none.
 */
export function followedStarts({ days, times }: Starts): Starts | undefined {
  const daily = days.daysOfMonth === undefined && days.weekdays === undefined && isEveryMonth(days);
  const next = daily ? times.map((time) => time + MINUTES_A_DAY) : [];
  const followed = times.filter((time) => ![...times, ...next].some((other) => other > time && other - time <= 60));
  return followed.length === 0 ? undefined : { days, times: followed };
}

/**
 * The same starts by a clock that is `minutes` ahead (negative: behind): several where days and times no longer combine
 * freely; they share no instant. Throws InexactSchedule where a day would depend on the length of February or on a date and a
 * weekday together.
 */
export function moveStarts({ days, times }: Starts, minutes: number): Starts[] {
  const moved = new Map<string, { days: Days; times: number[] }>();
  for (const time of times) {
    const place = time + minutes;
    const dayShift = Math.floor(place / MINUTES_A_DAY);
    for (const movedDays of moveDays(days, dayShift)) {
      const key = JSON.stringify(movedDays);
      const entry = moved.get(key) ?? { days: movedDays, times: [] };
      moved.set(key, entry);
      entry.times.push(place - dayShift * MINUTES_A_DAY);
    }
  }
  return [...moved.values()].map((entry) => ({ days: entry.days, times: ascending(entry.times) }));
}

function moveDays(days: Days, shift: number): Days[] {
  if (shift === 0) return [days];
  const step = Math.sign(shift);
  return moveByOneDay(days, step).flatMap((moved) => moveDays(moved, shift - step));
}

function moveByOneDay(days: Days, step: number): Days[] {
  const weekdays = days.weekdays && ascending(days.weekdays.map((day) => (day + step + 7) % 7));
  if (days.daysOfMonth === undefined && isEveryMonth(days)) return [{ ...days, ...(weekdays && { weekdays }) }];
  const dates = monthsByDays(moveDates(days.months, days.daysOfMonth ?? range(1, 31), step));
  const moved = dates.map(({ months, daysOfMonth }) => restricted(months, daysOfMonth, weekdays, days.both));
  // Weekdays hold in all months still, unless they are only asked of certain dates.
  if (weekdays !== undefined && !days.both && !(isEveryMonth(days) && moved[0] && isEveryMonth(moved[0]))) {
    throw new InexactSchedule(
      'By the other clock the schedule falls on the day before or after, and its weekdays would no longer fit its dates.',
      'Restrict schedule.cron by weekdays, or by months and days of the month, but not by both.',
    );
  }
  return moved;
}

/** The dates one day later or earlier, as days by month. */
function moveDates(months: readonly number[], days: readonly number[], step: number): Map<number, Set<number>> {
  const moved = new Map<number, Set<number>>();
  const add = (month: number, day: number) => {
    const place = ((month + 11) % 12) + 1;
    moved.set(place, (moved.get(place) ?? new Set()).add(day));
  };
  const has = (month: number, day: number) => months.includes(month) && days.includes(day);
  // Whether there is a 29 February is only known by the year: the two dates beside that border move together or not at all.
  const [first, second] = step > 0 ? [has(2, 28), has(2, 29)] : [has(2, 29), has(3, 1)];
  if (first !== second) {
    throw new InexactSchedule(
      'By the other clock the schedule falls on another day, which at the end of February depends on the year.',
      'Choose other days of the month, or another time, for schedule.cron.',
    );
  }
  for (const month of months) {
    for (const day of days) {
      const length = LENGTHS[month - 1] ?? 0;
      if (day > length) continue;
      if (step > 0 && day === length) add(month + 1, 1);
      else if (step < 0 && day === 1) add(month - 1, LENGTHS[(month + 10) % 12] ?? 0);
      else add(month, day + step);
    }
  }
  return moved;
}

/** Months that have the same days, together; a day that a month does not have makes no difference. */
function monthsByDays(dates: ReadonlyMap<number, ReadonlySet<number>>) {
  const groups: { months: number[]; daysOfMonth: number[] }[] = [];
  const length = (month: number) => LENGTHS[month - 1] ?? 0;
  for (const [month, days] of [...dates].sort(([one], [other]) => length(other) - length(one))) {
    const sorted = ascending([...days]);
    const same = (group: { daysOfMonth: number[] }) =>
      String(group.daysOfMonth.filter((day) => day <= length(month))) === String(sorted);
    const group = groups.find(same);
    if (group) group.months.push(month);
    else {
      // All days of the longest month among them are all days.
      groups.push({ months: [month], daysOfMonth: sorted.length === length(month) ? range(1, 31) : sorted });
    }
  }
  return groups.map(({ months, daysOfMonth }) => ({ months: ascending(months), daysOfMonth }));
}

/** Times of day as the hours that share their minutes. */
export function hoursByMinutes(times: readonly number[]): { hours: number[]; minutes: number[] }[] {
  const minutesOf = Map.groupBy(times, (time) => Math.floor(time / 60));
  const groups = Map.groupBy(minutesOf, ([, ofHour]) => String(ofHour.map((time) => time % 60)));
  return [...groups.values()].map((group) => ({
    hours: group.map(([hour]) => hour),
    minutes: (group[0]?.[1] ?? []).map((time) => time % 60),
  }));
}

/** Whether months restrict nothing. */
export function isEveryMonth({ months }: Days): boolean {
  return months.length === MONTHS.length;
}

function values(field: string, least: number, most: number): number[] {
  const all = field.split(',').flatMap((part) => {
    const [span = '', step = '1'] = part.split('/');
    const [from = least, to = from] = span === '*' ? [least, most] : span.split('-').map(Number);
    return range(from, to).filter((value) => (value - from) % Number(step) === 0);
  });
  return ascending(all);
}

function named(field: string, names: readonly string[], first: number): string {
  return names.reduce((text, name, index) => text.replace(new RegExp(name, 'gi'), String(index + first)), field);
}

function ascending(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((one, other) => one - other);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
