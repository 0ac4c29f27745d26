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
import { EVENTFUL, NEVER_RUN, NOW, nightlyRun, OLD_JOB, QUIET, SCHEDULE } from './status-fixture.ts';

const textOf = (history: History, columns: number, colour = false, utf8 = true) =>
  statusText(statusDocument(history, SCHEDULE, NOW), { columns, colour, utf8 });

describe('the screen that status prints', () => {
  for (const columns of [60, 80, 200]) {
    for (const [name, history, when] of [
      ['eventful', EVENTFUL, 'after an eventful night'],
      ['quiet', QUIET, 'after quiet nights'],
      ['never-run', NEVER_RUN, 'before the first run'],
      ['old-job', OLD_JOB, 'on what the old job left'],
    ] as const) {
      it(`${when}, ${columns} columns`, () => assertGolden(`status-${name}-${columns}`, textOf(history, columns)));
    }

    it(`colour changes nothing but the colour, ${columns} columns`, () => {
      const coloured = textOf(EVENTFUL, columns, true);
      assertGolden(`status-eventful-${columns}-colour`, coloured);
      const lines = (text: string) => text.split('\n').map((line) => line.trimEnd());
      assert.deepEqual(lines(stripVTControlCharacters(coloured)), lines(textOf(EVENTFUL, columns)));
    });
  }
  it('where UTF-8 is not shown the trend is in numbers', () => {
    const text = textOf(EVENTFUL, 80, false, false);
    assert.match(text, /^ {2}trend +40, 130, 120, 3,100, 120, 95, 0, 80, 120, 7,000 rows a run$/m);
    assert.doesNotMatch(text, /[▁▂▃▄▅▆▇█]/);
  });

  it('where every run is of some entity, a narrow terminal shows which, rather than how many batches', () => {
    const runs = ['Users', 'ActualEntity'].map((name) => nightlyRun(1, { arguments: `run --entity ${name}` }));
    const one = textOf({ ...QUIET, runs }, 80);
    assert.match(one, /^Last runs .* Entities$/m);
    assert.match(one, / {2}Users$/m);
    assert.match(textOf({ ...QUIET, runs: [...runs, nightlyRun(2)] }, 80), /^Last runs .* Batches/m);
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
