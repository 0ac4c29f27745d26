/** Random schedules, and the instants at which one is due, as croner has it. */
import fc from 'fast-check';
import { nextDue, type Schedule } from '../../src/schedule/due.ts';
import type { ScheduledJob } from '../../src/schedule/job.ts';

/** A Wednesday, some time before the leap year 2028. */
export const NOW = new Date('2026-11-25T10:00:00Z');

/** Zones without changes of their clocks, from 11 hours behind UTC to 14 ahead. */
export const STEADY_ZONES = [
  'UTC',
  'Asia/Jakarta',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'America/Phoenix',
  'Pacific/Pago_Pago',
  'Pacific/Kiritimati',
] as const;

/** A job on this machine's paths, or as told. */
export function job(schedule: Schedule, machineZone: string, changes: Partial<ScheduledJob> = {}): ScheduledJob {
  return {
    name: 'tamhr-sync',
    schedule,
    machineZone,
    node: '/usr/bin/node',
    script: '/opt/tamhr-sync/bin/tamhr-sync.js',
    config: '/etc/tamhr-sync/sync.config.json',
    ...changes,
  };
}

/** The first due times of several schedules together after `from`, at most `most`, and not after `until`. ISO. */
export function strikes(schedules: readonly Schedule[], from: Date, until: Date, most: number): string[] {
  const next = schedules.map((schedule) => nextDue(schedule, from));
  const found: string[] = [];
  while (found.length < most) {
    const times = next.map((due) => due?.getTime() ?? Number.POSITIVE_INFINITY);
    const earliest = Math.min(...times);
    if (earliest > until.getTime()) break;
    const index = times.indexOf(earliest);
    // Two schedules that are due at once are two strikes.
    found.push(new Date(earliest).toISOString());
    next[index] = nextDue(schedules[index] as Schedule, new Date(earliest));
  }
  return found;
}

function numbers(min: number, max: number): fc.Arbitrary<string> {
  const part = fc.oneof(
    fc.integer({ min, max }).map(String),
    fc
      .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
      .map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`),
    fc
      .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min: 1, max: 5 }))
      .map(([one, other, step]) => `${Math.min(one, other)}-${Math.max(one, other)}/${step}`),
  );
  return fc.uniqueArray(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(','));
}

function starOr(weight: number, ...others: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.oneof({ weight, arbitrary: fc.constant('*') }, ...others.map((arbitrary) => ({ weight: 2, arbitrary })));
}

/** Expressions of what crontabs have: numbers, names, ranges, lists, steps, nicknames. Most are due at few times a day. */
export const expressions: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.constantFrom('@daily', '@weekly', '@monthly', '@hourly', '30 3 ? * SUN', '0 3 * * FRI-SUN'),
  },
  {
    weight: 9,
    arbitrary: fc
      .tuple(
        fc.oneof(
          fc.integer({ min: 0, max: 59 }).map(String),
          fc.constantFrom('0', '*/15', '*/40', '5,35'),
          numbers(0, 59),
        ),
        fc.oneof(fc.integer({ min: 0, max: 23 }).map(String), fc.constantFrom('3', '*', '*/5'), numbers(0, 23)),
        starOr(6, numbers(1, 31), fc.constantFrom('*/2', '1', '28,29', '31', '1-15', '*/1')),
        starOr(6, numbers(1, 12), fc.constantFrom('JAN', 'feb,mar', 'NOV-DEC', '*/3')),
        starOr(6, numbers(0, 7), fc.constantFrom('MON', 'mon-fri', 'SAT,SUN', '0,7', '*/2', '1-7')),
      )
      .map((fields) => fields.join(' ')),
  },
);
