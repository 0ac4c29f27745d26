import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { statusDocument } from '../../src/report/status-json.ts';
import { statusText } from '../../src/report/status-text.ts';
import type { History } from '../../src/sync/history.ts';
import { assertGolden } from './golden.ts';
import { EVENTFUL, NEVER_RUN, NOW, OLD_JOB, QUIET, SCHEDULE } from './status-fixture.ts';

const textOf = (history: History, columns: number, colour = false) =>
  statusText(statusDocument(history, SCHEDULE, NOW), { columns, colour });

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

  it('without a schedule times are in UTC and nothing is overdue', () => {
    const text = statusText(statusDocument(EVENTFUL, undefined, NOW), { columns: 80, colour: false });
    assert.match(text, /^Status at 2026-11-24 01:00 \+00:00\nNo schedule is configured/);
    assert.doesNotMatch(text, /ALARM {2}(?!OrgObject: no run)|Next run/);
  });
});

const weirdText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '\u001b[31mred',
    '\u009b2J',
    '組織'.repeat(40),
    '👩‍👩‍👧‍👦'.repeat(30),
    'e\u0301'.repeat(99),
    'x'.repeat(500),
    '\ud800',
    '\u0600',
  ),
);
const anyDate = fc.date({ noInvalidDate: false });
const anyCount = fc.oneof(fc.nat(), fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.NaN, -1));
const anyCounts = fc.record({
  rowsAccepted: anyCount,
  rowsRefused: anyCount,
  rowsUnresolved: anyCount,
  batchesAccepted: anyCount,
  batchesRefused: anyCount,
  batchesUnresolved: anyCount,
  newDeadLetters: anyCount,
  rowsChanged: anyCount,
  rowsDeleted: anyCount,
  deletionsHeld: anyCount,
});
const always = { requiredKeys: ['runId', 'startedAt', 'state', 'host', 'processId', 'version', 'arguments'] } as const;
const anyRun = fc.record(
  {
    runId: fc.uuid(),
    startedAt: anyDate,
    finishedAt: anyDate,
    state: fc.constantFrom('running', 'finished', 'aborted'),
    exitCode: fc.integer(),
    host: weirdText,
    processId: fc.integer(),
    version: weirdText,
    arguments: weirdText,
    counts: anyCounts,
  },
  { requiredKeys: [...always.requiredKeys] },
);
const anyLastRun = fc.record(
  {
    run: anyRun,
    state: fc.constantFrom('done', 'resolved', 'stopped', 'locked', 'failed'),
    stoppedBy: fc.constantFrom('signal', 'limit', 'deadline', 'breaker'),
    durationMs: anyCount,
    counts: anyCounts,
  },
  { requiredKeys: ['run', 'counts'] },
);
const anyBatch = fc.record(
  {
    batchId: fc.uuid(),
    rows: anyCount,
    createdAt: anyDate,
    runsTried: anyCount,
    lastTriedAt: anyDate,
    error: weirdText,
    httpStatus: fc.integer(),
  },
  { requiredKeys: ['batchId', 'rows', 'createdAt', 'runsTried', 'lastTriedAt'] },
);
const anyEntity = fc.record(
  {
    entity: weirdText,
    lastRun: anyLastRun,
    trackedRows: anyCount,
    lastSuccessAt: anyDate,
    lastGoodRunAt: anyDate,
    lastError: fc.record({ at: anyDate, text: weirdText, httpStatus: fc.integer() }, { requiredKeys: ['at', 'text'] }),
    unresolved: fc.array(anyBatch, { maxLength: 5 }),
    deadLetters: anyCount,
    lockedSince: anyDate,
  },
  { requiredKeys: ['entity', 'trackedRows', 'unresolved', 'deadLetters'] },
);
const anyHistory = fc.record({
  migrated: fc.boolean(),
  entities: fc.array(anyEntity, { maxLength: 4 }),
  runs: fc.array(anyRun, { maxLength: 4 }),
});

it('whatever the history holds, status prints: no line is too long, nothing steers the terminal', () => {
  fc.assert(
    fc.property(anyHistory, fc.integer({ min: 40, max: 220 }), (history, columns) => {
      const text = textOf(history as History, columns);
      for (const line of text.split('\n')) {
        assert.ok(stringWidth(line) <= columns, `${stringWidth(line)} > ${columns}: ${line}`);
        assert.doesNotMatch(line, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }
      JSON.stringify(statusDocument(history as History, SCHEDULE, NOW));
    }),
    { numRuns: 300 },
  );
});
