/** Times and ages as they are typed for the ledger's commands. */
import { wallClock } from './date-format.ts';

const UNITS_MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 24 * 3_600_000,
  w: 7 * 24 * 3_600_000,
};

/** `90d`, `36h`, `12w`, `30m` (minutes) in milliseconds; undefined for other text, and for an age of nothing. */
export function parseAge(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,5})([mhdw])$/.exec(text.trim()) ?? [];
  const age = Number(digits) * (UNITS_MS[unit] ?? 0);
  return age > 0 ? age : undefined;
}

const DATE = '(\\d{4})-(\\d\\d)-(\\d\\d)';
const TIME = '(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:\\.(\\d{1,3})\\d*)?)?';
const ISO = new RegExp(`^${DATE}(?:[T ]${TIME} ?(Z|[+-]\\d\\d:?\\d\\d)?)?$`, 'i');

/**
 * The instant of an ISO 8601 date (its midnight) or date-time, by the clocks of `timeZone` (IANA) where it has no offset, or
 * of an age before `now`; undefined for what is neither. `status` prints times with a space before the offset, so that is
 * taken, too. A time that daylight saving skips is the one after the gap by as much.
 */
export function parseSince(text: string, timeZone: string, now: Date): Date | undefined {
  const age = parseAge(text);
  if (age !== undefined) return new Date(now.getTime() - age);
  const found = ISO.exec(text.trim());
  if (found === null) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = found;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const clock = new Date(Date.UTC(y, mo - 1, d, h, mi, s, Number(fraction.padEnd(3, '0'))));
  const isReal = clock.getUTCMonth() === mo - 1 && clock.getUTCDate() === d && h < 24 && mi < 60 && s < 60;
  if (!isReal) return undefined;
  return offset === undefined ? instantOf(clock, timeZone) : withOffset(clock, offset);
}

function withOffset(clock: Date, offset: string): Date | undefined {
  if (offset.toUpperCase() === 'Z') return clock;
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(-2))];
  if (hours > 14 || minutes > 59) return undefined;
  const ahead = (hours * 60 + minutes) * 60_000 * (offset.startsWith('-') ? -1 : 1);
  return new Date(clock.getTime() - ahead);
}

/** When clocks of the zone show what the UTC fields of `clock` do. */
function instantOf(clock: Date, timeZone: string): Date {
  const shown = wallClock(timeZone);
  const aheadAt = (instant: number) => shown(new Date(instant)).getTime() - instant;
  const wanted = clock.getTime();
  // The offset that holds at about that time, and once more: the first guess may lie on the other side of a change.
  return new Date(wanted - aheadAt(wanted - aheadAt(wanted)));
}
