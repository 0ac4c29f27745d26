import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatBytes, formatCount, formatDuration, formatQuantity, timeFormatter } from '../../src/report/format.ts';

it('durations have the two units that matter, and never 60 of one', () => {
  assert.deepEqual(
    [0, 449, 59_949, 59_950, 125_400, 3_599_600, 12_000_000, 86_399_999, 187_200_000].map(formatDuration),
    ['0.0 s', '0.4 s', '59.9 s', '1 min', '2 min 5 s', '1 h', '3 h 20 min', '1 d', '2 d 4 h'],
  );
});

it('what is no time span is a question mark', () => {
  assert.deepEqual([-1, Number.NaN, Number.POSITIVE_INFINITY].map(formatDuration), ['?', '?', '?']);
});

it('sizes have one decimal in the unit that keeps them below 1,000', () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, 999_949, 999_950, 5e12, 5e16].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '1.2 MB',
    '999.9 kB',
    '1.0 MB',
    '5.0 TB',
    '50000.0 TB',
  ]);
  assert.deepEqual([-1, Number.NaN].map(formatBytes), ['?', '?']);
});

it('counts are grouped, and one thing is singular', () => {
  assert.equal(formatCount(1_207_000), '1,207,000');
  assert.equal(formatQuantity(1, 'batch', 'batches'), '1 batch');
  assert.equal(formatQuantity(0, 'row'), '0 rows');
});

it('times name the offset that holds on that day, daylight saving included', () => {
  const newYork = timeFormatter('America/New_York');
  assert.equal(newYork('2026-07-01T12:00:00.000Z'), '2026-07-01 08:00 -04:00');
  assert.equal(newYork('2026-12-01T12:00:00.000Z'), '2026-12-01 07:00 -05:00');
  assert.equal(timeFormatter('Asia/Jakarta')('2026-11-23T17:00:00.000Z'), '2026-11-24 00:00 +07:00');
  assert.equal(timeFormatter('UTC')('2026-11-23T00:00:00.000Z'), '2026-11-23 00:00 +00:00');
});

it('what is no instant is a question mark', () => assert.equal(timeFormatter('UTC')('yesterday'), '?'));
