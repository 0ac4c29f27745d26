/** Whether the clocks of two zones always differ by the same, and where a zone's clocks change. */
import { InexactSchedule } from './inexact.ts';

/** For how long clocks must keep their difference: what time zone databases foresee is not more reliable beyond it. */
const YEARS_AHEAD = 10;
/** No zone's clocks change and change back within a week. */
const STEP_MS = 7 * 86_400_000;
const MINUTE_MS = 60_000;

/** A change of a zone's clocks. Offsets are minutes ahead of UTC. */
interface ClockChange {
  readonly at: Date;
  readonly before: number;
  readonly after: number;
}

/**
 * How many minutes clocks in `machineZone` are ahead of those in `zone` (IANA names), from `now` on for ten years.
 *
 * Throws InexactSchedule where that differs by season, or both change their clocks and differ: there cron's rules for the
 * nights of the change would not be those of the schedule's zone.
 */
export function minutesAhead(zone: string, machineZone: string, now: Date): number {
  if (zone === machineZone) return 0;
  const minutes = offsetMinutes(machineZone, now) - offsetMinutes(zone, now);
  const [ours, theirs] = [clockChanges(zone, now), clockChanges(machineZone, now)];
  if (ours.length === 0 && theirs.length === 0) return minutes;
  const text = (changes: readonly ClockChange[]) => JSON.stringify(changes);
  if (minutes === 0 && text(ours) === text(theirs)) return minutes;
  const [changing, change] = ours[0] ? [zone, ours[0]] : [machineZone, theirs[0]];
  throw new InexactSchedule(
    `The schedule's times are those of ${zone}, but the scheduler's clock is that of ${machineZone}, and clocks in ` +
      `${changing} change (next on ${dateIn(changing, change?.at ?? now)}): the difference is not the same all year round.`,
    `Use systemd, whose timers name their zone (schedule print --as systemd), or set the machine's zone to ${zone}, or ` +
      'schedule.timeZone to a zone whose clocks do not change, such as UTC.',
  );
}

/** The first day (`2027-03-28`) within ten years on which clocks skip one of these times (minutes after midnight), if any. */
export function firstSkipped(
  zone: string,
  times: readonly number[],
  now: Date,
): { day: string; time: number } | undefined {
  for (const { at, before, after } of clockChanges(zone, now)) {
    const from = (((at.getTime() / MINUTE_MS + before) % 1440) + 1440) % 1440;
    const skipped = times.find((time) => (time - from + 1440) % 1440 < after - before);
    if (skipped !== undefined) return { day: dateIn(zone, at), time: skipped };
  }
  return undefined;
}

/** What clocks in the zone show at `instant`: the date, and minutes after midnight. */
export function clockAt(zone: string, instant: Date): { date: string; minutes: number } {
  const shown = new Date(instant.getTime() + offsetMinutes(zone, instant) * MINUTE_MS);
  return { date: shown.toISOString().slice(0, 10), minutes: shown.getUTCHours() * 60 + shown.getUTCMinutes() };
}

function dateIn(zone: string, instant: Date): string {
  return clockAt(zone, instant).date;
}

function clockChanges(zone: string, now: Date): ClockChange[] {
  const changes: ClockChange[] = [];
  const offset = (time: number) => offsetMinutes(zone, new Date(time));
  const end = now.getTime() + YEARS_AHEAD * 366 * 86_400_000;
  const start = Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS;
  let before = offset(start);
  for (let time = start + STEP_MS; time <= end; time += STEP_MS) {
    const after = offset(time);
    if (after === before) continue;
    let [low, high] = [time - STEP_MS, time];
    while (high - low > MINUTE_MS) {
      const middle = Math.floor((low + high) / 2 / MINUTE_MS) * MINUTE_MS;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ at: new Date(high), before, after });
    before = after;
  }
  return changes;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function offsetMinutes(zone: string, instant: Date): number {
  const format = formats.get(zone) ?? new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  formats.set(zone, format);
  const name = format.formatToParts(instant).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign = '+', hours = '0', minutes = '0'] = /^GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}
