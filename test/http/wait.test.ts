import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { waitOf } from '../../src/http/wait.ts';

const NOW = Date.UTC(2026, 9, 5, 12, 0, 0);
const DATE = 'Mon, 05 Oct 2026 11:00:00 GMT';

describe('waitOf', () => {
  const cases: [
    what: string,
    status: number,
    headers: Record<string, string | string[]>,
    waitMs: number | undefined,
  ][] = [
    ['seconds', 429, { 'retry-after': '120' }, 120_000],
    ['no wait', 503, { 'retry-after': '0' }, 0],
    ['parts of a second', 429, { 'retry-after': '0.5' }, 500],
    ['a date, by our clock', 503, { 'retry-after': 'Mon, 05 Oct 2026 12:00:30 GMT' }, 30_000],
    ["a date, by the answer's clock", 503, { 'retry-after': 'Mon, 05 Oct 2026 11:00:30 GMT', date: DATE }, 30_000],
    ['a date where Date is none', 503, { 'retry-after': 'Mon, 05 Oct 2026 12:00:30 GMT', date: 'today' }, 30_000],
    ['the date of RFC 850', 503, { 'retry-after': 'Monday, 05-Oct-26 12:00:30 GMT' }, 30_000],
    ['the date of asctime', 503, { 'retry-after': 'Mon Oct  5 12:00:30 2026' }, 30_000],
    ['the reset of the rate limit', 429, { 'ratelimit-reset': '7' }, 7000],
    ['a reset as a time', 429, { 'ratelimit-reset': String(NOW / 1000 + 9) }, 9000],
    ["a reset as a time, by the answer's clock", 429, { 'ratelimit-reset': String(NOW / 1000), date: DATE }, 3600_000],
    ['a reset before the limit is used up', 429, { 'ratelimit-remaining': '5', 'ratelimit-reset': '7' }, 7000],
    ['Retry-After rather than the reset', 429, { 'retry-after': '3', 'ratelimit-reset': '7' }, 3000],
    ['the reset where Retry-After makes no sense', 429, { 'retry-after': 'soon', 'ratelimit-reset': '7' }, 7000],
    ['the limit that is used up', 429, { ratelimit: '"hour";r=0;t=30' }, 30_000],
    ['the longest of those', 429, { ratelimit: '"a, b;r=0;t=9999";r=0;t=30, "day"; t=90; r=0, "x";r=5;t=100' }, 90_000],
    ['no time though the limit is used up', 429, { ratelimit: '"hour";r=0' }, undefined],
    ['a limit that is not used up', 429, { ratelimit: '"hour";r=09;t=30' }, undefined],
    ['a success that used up the limit', 200, { 'ratelimit-remaining': '0', 'ratelimit-reset': '7' }, 7000],
    ['a success that used up the limit, in one field', 201, { ratelimit: '"hour";r=0;t=30' }, 30_000],
    ['a success that did not', 200, { 'ratelimit-remaining': '1', 'ratelimit-reset': '7' }, undefined],
    ['a success with Retry-After', 202, { 'retry-after': '7' }, undefined],
    [
      'an error while something of the limit remains',
      500,
      { 'ratelimit-remaining': '1', 'ratelimit-reset': '7' },
      undefined,
    ],
    ['a redirect', 301, { 'retry-after': '7' }, undefined],
    ['a refusal', 422, { 'retry-after': '7' }, undefined],
    ['a date that has passed', 503, { 'retry-after': 'Mon, 05 Oct 2026 11:59:59 GMT' }, undefined],
    ['a date that is none', 503, { 'retry-after': 'Mon, 99 Oct 2026 11:59:59 GMT' }, undefined],
    ['a negative time', 503, { 'retry-after': '-5' }, undefined],
    ['a reset that has passed', 429, { 'ratelimit-reset': String(NOW / 1000 - 9) }, undefined],
    ['a wait for years', 503, { 'retry-after': '99999999' }, undefined],
    ['a wait beyond all numbers', 503, { 'retry-after': '9'.repeat(400) }, undefined],
    ['a date in a thousand years', 503, { 'retry-after': 'Mon, 05 Oct 3026 12:00:00 GMT' }, undefined],
    ['something that Date would read', 503, { 'retry-after': '2026-10-05' }, undefined],
    ['two answers to the question', 503, { 'retry-after': ['1', '2'] }, undefined],
    ['an empty header', 503, { 'retry-after': '', 'ratelimit-reset': '' }, undefined],
    ['nothing', 503, {}, undefined],
  ];
  for (const [what, status, headers, waitMs] of cases) {
    it(`reads ${waitMs === undefined ? 'no wait' : `${waitMs} ms`} from ${what}`, () => {
      assert.equal(waitOf(status, headers, NOW), waitMs);
    });
  }

  for (const status of [408, 425, 429, 500, 502, 503, 504, 599]) {
    it(`heeds ${status}`, () => {
      assert.equal(waitOf(status, { 'retry-after': '1' }, NOW), 1000);
    });
  }

  it('makes of every header a whole number of milliseconds within a week, or nothing', () => {
    const names = ['retry-after', 'ratelimit-reset', 'ratelimit-remaining', 'ratelimit', 'date'];
    const value = fc.oneof(fc.string(), fc.double().map(String), fc.date().map(String), fc.constant('"x";r=0;t=1'));
    const headers = fc.dictionary(fc.constantFrom(...names), value);
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), headers, (status, some) => {
        const waitMs = waitOf(status, some, NOW);
        assert.ok(waitMs === undefined || (Number.isInteger(waitMs) && waitMs >= 0 && waitMs <= 7 * 86_400_000));
      }),
    );
  });
});
