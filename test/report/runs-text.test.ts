import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { runDetailDocument, runsDocument } from '../../src/report/runs-json.ts';
import { runDetailText, runsText } from '../../src/report/runs-text.ts';
import type { EntitySummary } from '../../src/sync/ports.ts';
import type { BatchRecord, RunDetail } from '../../src/sync/run-history.ts';
import { emptyTally } from '../../src/sync/tally.ts';
import { assertGolden } from './golden.ts';
import { assertMeetsSchema } from './schema.ts';
import { counts, deadRun, NOW, nightlyRun } from './status-fixture.ts';

const TIME_ZONE = 'Asia/Jakarta';

/** Ids as they are: different from the first character on. */
const idOf = (digit: number) => `${String(digit).repeat(7)}f-0000-4000-8000-000000000000`;

const night = nightlyRun(0, {
  runId: idOf(0),
  exitCode: 1,
  counts: counts({
    rowsAccepted: 1_207_042,
    rowsChanged: 41_000,
    rowsDeleted: 12,
    rowsRefused: 3000,
    rowsUnresolved: 500,
    newDeadLetters: 2,
  }),
});

const RUNS = runsDocument(
  {
    total: 412,
    runs: [
      night,
      nightlyRun(1, { runId: idOf(1), arguments: 'run --entity Users --limit 500', host: 'サーバー\u001b[2J' }),
      { ...deadRun(2), runId: idOf(2) },
      { ...deadRun(3), runId: idOf(3), state: 'running' },
      nightlyRun(4, { runId: idOf(4), exitCode: 143, state: 'aborted' }),
    ],
  },
  NOW,
);

const entity = (changes: Partial<EntitySummary>): EntitySummary => ({
  entity: 'Users',
  state: 'done',
  startedAt: night.startedAt.toISOString(),
  durationMs: 12_345,
  ...emptyTally(),
  ...changes,
});

const batch = (id: number, changes: Partial<BatchRecord>): BatchRecord => ({
  batchId: `${String(id).repeat(8)}-0000-4000-8000-000000000000`,
  runId: night.runId,
  label: 'User',
  operation: 'upsert',
  state: 'accepted',
  rows: 3000,
  attempts: 1,
  httpStatus: 200,
  durationMs: 1500,
  createdAt: new Date(night.startedAt.getTime() + id * 1000),
  settledAt: new Date(night.startedAt.getTime() + id * 1000 + 1500),
  ...changes,
});

const {
  settledAt: _,
  httpStatus: __,
  ...cutOff
} = batch(1, { state: 'sending', rows: 500, attempts: 0, label: 'Gone' });

const DETAIL: RunDetail = {
  record: night,
  summary: {
    runId: night.runId,
    dryRun: false,
    startedAt: night.startedAt.toISOString(),
    durationMs: 75_000,
    exitCode: 1,
    entities: [
      entity({ read: 10_000, tracked: 1000, pending: 9000, accepted: 5998, refused: 3000, newDeadLetters: 2 }),
      entity({
        entity: 'ActualOrg',
        state: 'failed',
        durationMs: 320,
        error: {
          code: 'SOURCE_MISSING',
          message: 'ActualOrg: connection ess has no table dbo.ACTUAL_ORG.',
          hint: 'Check source.table; a login without SELECT on it gets the same answer.',
        },
      }),
    ],
  },
  batchCount: 60,
  batches: [
    {
      ...batch(2, { attempts: 8, httpStatus: 503, state: 'sending', operation: 'delete', rows: 12 }),
      ...{
        runId: idOf(1),
        error:
          'HTTP 503 Service Unavailable: the receiver is being maintained until six in the morning\u001b[2J\n組織構造テーブル',
      },
    },
    cutOff,
    batch(3, { state: 'refused', httpStatus: 422, error: 'HTTP 422: "Code" is required' }),
    batch(4, { state: 'split', httpStatus: 422 }),
    batch(5, { parentId: batch(4, {}).batchId, rows: 1500 }),
  ],
};

const detailDocument = runDetailDocument(DETAIL, (label) => (label === 'User' ? 'Users' : undefined), NOW);

const screens = {
  list: (columns: number, colour: boolean) => runsText(RUNS, { columns, colour, timeZone: TIME_ZONE }),
  detail: (columns: number, colour: boolean) => runDetailText(detailDocument, { columns, colour, timeZone: TIME_ZONE }),
};

describe('the screens that runs prints', () => {
  for (const [name, screen] of Object.entries(screens)) {
    for (const columns of [60, 80, 200]) {
      it(`${name}, ${columns} columns: no line is longer, nothing steers the terminal, colour changes only the colour`, () => {
        const text = screen(columns, false);
        assertGolden(`runs-${name}-${columns}`, text);
        for (const line of text.split('\n')) {
          assert.ok(stringWidth(line) <= columns, line);
          assert.doesNotMatch(line, /\p{Cc}/u);
        }
        const coloured = screen(columns, true);
        assert.notEqual(coloured, text);
        const trimmed = (screenText: string) => screenText.split('\n').map((line) => line.trimEnd());
        assert.deepEqual(trimmed(stripVTControlCharacters(coloured)), trimmed(text));
      });
    }
  }

  it('the list says which entities its runs were of, in 80 columns too where each is of some', () => {
    const runs = ['Users', 'ActualEntity'].map((name) => nightlyRun(1, { arguments: `run --entity ${name}` }));
    const text = runsText(runsDocument({ total: 2, runs }, NOW), { columns: 80, colour: false, timeZone: TIME_ZONE });
    assert.match(text, / {2}Users\n.* {2}ActualEntity\n$/);
  });

  it('their documents meet their schemas', () => {
    assertMeetsSchema('runs', RUNS);
    assertMeetsSchema('runs-detail', detailDocument);
  });

  it('a run that works still has no summary to miss, and its batches are in flight', () => {
    const { exitCode: _, finishedAt: __, counts: ___, ...record } = { ...night, state: 'running' as const };
    const working = runDetailDocument({ record, batchCount: 1, batches: [cutOff] }, () => undefined, NOW);
    const text = runDetailText(working, { columns: 80, colour: false, timeZone: TIME_ZONE });
    assert.match(text, /end +still running\n/);
    assert.match(text, /Gone +in flight +500/);
    assert.doesNotMatch(text, /summary/);
  });
});
