import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { statusDocument } from '../../src/report/status-json.ts';
import { statusText } from '../../src/report/status-text.ts';
import type { History } from '../../src/sync/history.ts';
import { anyHistory } from './any-history.ts';
import { assertGolden } from './golden.ts';
import { EVENTFUL, NEVER_RUN, NOW, OLD_JOB, QUIET, SCHEDULE } from './status-fixture.ts';

const textOf = (history: History, columns: number, colour = false, utf8 = true) =>
  statusText(statusDocument(history, SCHEDULE, NOW), { columns, colour, utf8 });

describe('the screen that status prints', () => {
  for (const columns of [60, 80, 200]) {
    it(`after an eventful night, ${columns} columns`, () =>
      assertGolden(`status-eventful-${columns}`, textOf(EVENTFUL, columns)));
  }
  for (const columns of [60, 200]) {
    it(`after quiet nights, ${columns} columns`, () => assertGolden(`status-quiet-${columns}`, textOf(QUIET, columns)));
    it(`before the first run, ${columns} columns`, () =>
      assertGolden(`status-never-run-${columns}`, textOf(NEVER_RUN, columns)));
    it(`on what the old job left, ${columns} columns`, () =>
      assertGolden(`status-old-job-${columns}`, textOf(OLD_JOB, columns)));
  }

  it('where UTF-8 is not shown the trend is in numbers', () => {
    const text = textOf(EVENTFUL, 80, false, false);
    assert.match(text, /^ {2}trend +40, 130, 120, 3,100, 120, 95, 0, 80, 120, 7,000 rows a run$/m);
    assert.doesNotMatch(text, /[▁▂▃▄▅▆▇█]/);
  });

  it('colour changes nothing but the colour', () => {
    const coloured = textOf(EVENTFUL, 200, true);
    assert.notEqual(coloured, textOf(EVENTFUL, 200));
    const lines = (text: string) => text.split('\n').map((line) => line.trimEnd());
    assert.deepEqual(lines(stripVTControlCharacters(coloured)), lines(textOf(EVENTFUL, 200)));
  });

  it('without a schedule times are in UTC and nothing is overdue', () => {
    const text = statusText(statusDocument(EVENTFUL, undefined, NOW), { columns: 80, colour: false, utf8: true });
    assert.match(text, /^Status at 2026-11-24 01:00 \+00:00\nNo schedule is configured/);
    assert.doesNotMatch(text, /ALARM {2}(?!OrgObject: no run)|Next run/);
  });
});

it('whatever the history holds, status prints: no line is too long, nothing steers the terminal', () => {
  fc.assert(
    fc.property(anyHistory, fc.integer({ min: 40, max: 220 }), fc.boolean(), (history, columns, utf8) => {
      const text = textOf(history, columns, false, utf8);
      for (const line of text.split('\n')) {
        assert.ok(stringWidth(line) <= columns, `${stringWidth(line)} > ${columns}: ${line}`);
        assert.doesNotMatch(line, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }
      JSON.stringify(statusDocument(history, SCHEDULE, NOW));
    }),
    { numRuns: 300 },
  );
});
