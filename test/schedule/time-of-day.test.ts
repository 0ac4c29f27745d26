import assert from 'node:assert/strict';
import test from 'node:test';
import { nextTime } from '../../src/schedule/time-of-day.ts';

const now = new Date('2026-11-23T20:10:00Z'); // 03:10 the next day in Jakarta

test('a time of day that is still to come is today, in the zone', () => {
  assert.equal(nextTime('05:30', 'Asia/Jakarta', now).toISOString(), '2026-11-23T22:30:00.000Z');
});

test('one that has passed is tomorrow', () => {
  assert.equal(nextTime('3:00', 'Asia/Jakarta', now).toISOString(), '2026-11-24T20:00:00.000Z');
});

test('one that daylight saving skips comes right after the gap', () => {
  const night = new Date('2026-03-29T00:30:00Z');
  assert.equal(nextTime('02:30', 'Europe/Berlin', night).toISOString(), '2026-03-29T01:00:00.000Z');
});
