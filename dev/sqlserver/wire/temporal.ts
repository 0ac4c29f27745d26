/**
 * Dates and times between engine.ts' ticks (100 ns) and the numbers on the wire.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/786f5b8a-f87d-4980-9070-b9b7274c681d
 */

const TICKS_PER_DAY = 864_000_000_000n;
const TICKS_PER_MILLISECOND = 10_000n;
const MILLISECONDS_PER_DAY = 86_400_000;
const DAYS_TO_1900 = 693_595;

/** Days since 0001-01-01 and ticks since midnight. */
export function splitTicks(ticks: bigint): { days: number; time: bigint } {
  const days = ticks / TICKS_PER_DAY;
  return { days: Number(days), time: ticks - days * TICKS_PER_DAY };
}

/** The reverse of {@link splitTicks}. */
export function joinTicks(days: number, time: bigint): bigint {
  return BigInt(days) * TICKS_PER_DAY + time;
}

/** datetime: days since 1900-01-01 and 1/300 s since midnight. */
export function toDateTime(ticks: bigint): { days: number; units: number } {
  const milliseconds = Number(ticks / TICKS_PER_MILLISECOND);
  const days = Math.floor(milliseconds / MILLISECONDS_PER_DAY);
  return { days: days - DAYS_TO_1900, units: Math.round((milliseconds - days * MILLISECONDS_PER_DAY) * 0.3) };
}

/** The ticks of a datetime: those nearest to its 1/300 s. */
export function fromDateTime(days: number, units: number): bigint {
  return joinTicks(days + DAYS_TO_1900, BigInt(Math.round((units * 100_000) / 3)));
}

/** smalldatetime: days since 1900-01-01 and minutes since midnight. */
export function toSmallDateTime(ticks: bigint): { days: number; minutes: number } {
  const { days, time } = splitTicks(ticks);
  return { days: days - DAYS_TO_1900, minutes: Number(time / 600_000_000n) };
}

/** The reverse of {@link toSmallDateTime}. */
export function fromSmallDateTime(days: number, minutes: number): bigint {
  return joinTicks(days + DAYS_TO_1900, BigInt(minutes) * 600_000_000n);
}

/** Bytes that time(scale) takes, also as a part of datetime2 and datetimeoffset. */
export function timeLength(scale: number): number {
  return scale <= 2 ? 3 : scale <= 4 ? 4 : 5;
}

/** Ticks since midnight as units of 10^-scale seconds. */
export function toTimeUnits(time: bigint, scale: number): number {
  return Math.floor(Number(time) / 10 ** (7 - scale));
}

/** The reverse of {@link toTimeUnits}. */
export function fromTimeUnits(units: number, scale: number): bigint {
  return BigInt(units) * BigInt(10 ** (7 - scale));
}
