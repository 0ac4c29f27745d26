import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextDue, previousDue } from '../../src/schedule/due.ts';

const NIGHTLY = { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' };
const at = (iso: string) => new Date(iso);

test('the nightly job is due at 3 in its own zone, whatever the zone of the machine', () => {
  assert.deepEqual(nextDue(NIGHTLY, at('2026-11-23T19:59:59Z')), at('2026-11-23T20:00:00Z'));
  assert.deepEqual(previousDue(NIGHTLY, at('2026-11-23T20:00:01Z')), at('2026-11-23T20:00:00Z'));
});

test('an instant at which the job is due is neither after nor before itself', () => {
  assert.deepEqual(nextDue(NIGHTLY, at('2026-11-23T20:00:00Z')), at('2026-11-24T20:00:00Z'));
  assert.deepEqual(previousDue(NIGHTLY, at('2026-11-23T20:00:00Z')), at('2026-11-22T20:00:00Z'));
});

test('a time that daylight saving skips is due right after the gap', () => {
  for (const cron of ['30 2 * * *', '15,30 2 * * *']) {
    const schedule = { cron, timeZone: 'America/New_York' };
    assert.deepEqual(nextDue(schedule, at('2026-03-08T06:59:00Z')), at('2026-03-08T07:00:00Z'), cron);
    assert.deepEqual(previousDue(schedule, at('2026-03-08T12:00:00Z')), at('2026-03-08T07:00:00Z'), cron);
  }
});

test('a time that daylight saving repeats is due once', () => {
  const schedule = { cron: '30 1 * * *', timeZone: 'America/New_York' };
  assert.deepEqual(nextDue(schedule, at('2026-11-01T05:00:00Z')), at('2026-11-01T05:30:00Z'));
  assert.deepEqual(nextDue(schedule, at('2026-11-01T05:30:00Z')), at('2026-11-02T06:30:00Z'));
  assert.deepEqual(previousDue(schedule, at('2026-11-01T12:00:00Z')), at('2026-11-01T05:30:00Z'));
});

test('the offset of the zone on that day counts, not the one of today', () => {
  const schedule = { cron: '0 3 * * *', timeZone: 'America/New_York' };
  assert.deepEqual(nextDue(schedule, at('2026-11-01T12:00:00Z')), at('2026-11-02T08:00:00Z'));
  assert.deepEqual(previousDue(schedule, at('2026-11-01T06:00:00Z')), at('2026-10-31T07:00:00Z'));
});

test('a day that never comes is never due', () => {
  const never = { cron: '0 0 30 2 *', timeZone: 'UTC' };
  assert.equal(nextDue(never, at('2026-11-23T00:00:00Z')), undefined);
  assert.equal(previousDue(never, at('2026-11-23T00:00:00Z')), undefined);
});

test('seconds, garbage and unknown zones are refused', () => {
  for (const [cron, timeZone] of [
    ['*/5 0 3 * * *', 'UTC'],
    ['every night', 'UTC'],
    ['0 25 * * *', 'UTC'],
    ['0 3 * * *', 'Asia/Atlantis'],
  ] as const) {
    assert.throws(
      () => nextDue({ cron, timeZone }, at('2026-11-23T00:00:00Z')),
      /Cron|time ?zone/i,
      `${cron} ${timeZone}`,
    );
  }
});
