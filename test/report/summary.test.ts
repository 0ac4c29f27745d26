import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { summaryText } from '../../src/report/summary.ts';
import type { EntitySummary, RunSummary, StopCause } from '../../src/sync/ports.ts';
import { run } from '../../src/sync/run.ts';
import { emptyTally } from '../../src/sync/tally.ts';
import { entityOf, MemoryDestination, MemoryLedger, memorySource, numberedRows } from '../support/fakes.ts';
import { assertGolden } from './golden.ts';
import { assertMeetsSchema } from './schema.ts';

function entity(changes: Partial<EntitySummary>): EntitySummary {
  return {
    entity: 'Users',
    state: 'done',
    startedAt: '2026-11-23T20:00:00.000Z',
    durationMs: 1,
    ...emptyTally(),
    ...changes,
  };
}

function summary(changes: Partial<RunSummary>): RunSummary {
  return {
    runId: '00000000-0000-4000-8000-000000000001',
    dryRun: false,
    startedAt: '2026-11-23T20:00:00.000Z',
    durationMs: 2100,
    exitCode: 0,
    entities: [],
    ...changes,
  };
}

const EVENTFUL = summary({
  exitCode: 1,
  entities: [
    entity({
      read: 210_000,
      tracked: 200_000,
      pending: 10_000,
      accepted: 7000,
      refused: 3000,
      durationMs: 12_345,
      batches: { pending: 4, accepted: 3, refused: 1, unresolved: 0, split: 1 },
      batchError: 'api.example.com:443 refused the connection',
    }),
    entity({
      entity: 'ActualOrg',
      state: 'failed',
      durationMs: 300,
      error: {
        code: 'SOURCE_MISSING',
        message: 'ActualOrg: the table dbo.MDM_ACTUAL_ORGANIZATION_STRUCTURE is not in TAMHR_MDM.',
        hint: 'Correct source.table, or grant the login SELECT on it.',
      },
    }),
    entity({
      entity: '組織オブジェクト',
      state: 'stopped',
      stoppedBy: 'breaker',
      left: 1200,
      read: 5000,
      pending: 5003,
      accepted: 2000,
      unresolved: 3000,
      newDeadLetters: 3,
      oldDeadLetters: 1,
      durationMs: 61_000,
      batches: { pending: 2, accepted: 1, refused: 0, unresolved: 1, split: 0 },
    }),
    entity({ entity: 'EventsCalendar', state: 'resolved', pending: 1, refused: 1, durationMs: 800 }),
  ],
});

const DRY_RUN = summary({
  dryRun: true,
  entities: [
    entity({
      read: 10_000,
      pending: 10_000,
      newDeadLetters: 1,
      batches: { pending: 4, accepted: 0, refused: 0, unresolved: 0, split: 0 },
    }),
  ],
});

const KEPT_IN_STEP = summary({
  exitCode: 1,
  entities: [
    entity({
      read: 210_000,
      tracked: 209_985,
      pending: 15,
      changed: 12,
      deletions: 3,
      accepted: 15,
      deleted: 3,
      hashesTaken: 200_000,
      durationMs: 12_345,
      batches: { pending: 2, accepted: 2, refused: 0, unresolved: 0, split: 0 },
      bytes: 4711,
      comparison: {
        method: 'rowversion',
        why: 'dbo.MDM_USER has the rowversion column RowVer',
        fullBecause: 'the last full comparison was 7 days ago (reconcileEvery)',
        mapChanged: false,
      },
    }),
    entity({
      entity: 'ActualOrg',
      read: 50,
      tracked: 50,
      heldDeletions: 1,
      hashesTaken: 1,
      comparison: { method: 'hash', why: 'dbo.ORG is a view', mapChanged: true },
    }),
  ],
});

describe('the summary that run prints', () => {
  for (const columns of [60, 80]) {
    it(`says what became of each entity, ${columns} columns`, () =>
      assertGolden(`summary-eventful-${columns}`, summaryText(EVENTFUL, columns)));
  }
  for (const columns of [60, 80, 200]) {
    it(`tells changed rows and deletions where there are any, ${columns} columns`, () =>
      assertGolden(`summary-changes-${columns}`, summaryText(KEPT_IN_STEP, columns)));
  }
  it('of a dry run tells rows to be deleted', () =>
    assertGolden('summary-dry-run-changes-60', summaryText({ ...KEPT_IN_STEP, dryRun: true }, 60)));
  it('of a dry run says what would be sent', () => assertGolden('summary-dry-run-60', summaryText(DRY_RUN, 60)));
  it('of a run stopped before its first entity is no empty table', () =>
    assertGolden('summary-nothing-60', summaryText(summary({ exitCode: 130 }), 60)));

  it('calls done only what has arrived', () => {
    const result = (changes: Partial<EntitySummary>) =>
      summaryText(summary({ entities: [entity({ pending: 10, ...changes })] }), 200).match(
        /^Users {3}(\S+(?: \S+)?) /m,
      )?.[1];
    assert.equal(result({ accepted: 10 }), 'done');
    assert.equal(result({ accepted: 9, newDeadLetters: 1 }), 'done');
    assert.equal(result({ accepted: 5, refused: 5 }), 'partly');
    assert.equal(result({ accepted: 5, unresolved: 5 }), 'partly');
    assert.equal(result({ refused: 10 }), 'not sent');
    assert.equal(result({ newDeadLetters: 10 }), 'not sent');
    assert.equal(result({ unresolved: 10 }), 'unknown');
    assert.equal(result({ state: 'resolved', unresolved: 10 }), 'unknown');
    assert.equal(result({ pending: 0 }), 'done');
  });

  it('says what ended an entity early, and what is left', () => {
    const notes = (stoppedBy: StopCause, left: number) => {
      const entities = [entity({ state: 'stopped', stoppedBy, left, pending: 30, accepted: 30 })];
      return summaryText(summary({ entities }), 200).split('\n')[3];
    };
    assert.equal(notes('limit', 0), 'Users: stopped at --limit; what had not been read follows in the next run.');
    assert.equal(notes('signal', 0), 'Users: stopped by a signal; what had not been read follows in the next run.');
    assert.equal(
      notes('deadline', 1),
      'Users: stopped by the deadline; 1 row that had been read, and what had not, follow in the next run.',
    );
    assert.match(
      notes('breaker', 20) ?? '',
      /the destination failed too often in a row .*; 20 rows that had been read/,
    );
  });

  it('is 80 columns wide where the stream has no width', () => {
    assert.equal(summaryText(EVENTFUL), summaryText(EVENTFUL, 80));
  });

  it('has no line longer than the terminal, and nothing that steers it', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
    const changes = fc.record({
      entity: text,
      state: fc.constantFrom('done', 'resolved', 'stopped', 'locked', 'failed'),
      stoppedBy: fc.constantFrom('signal', 'limit', 'deadline', 'breaker'),
      left: fc.maxSafeNat(),
      read: fc.nat(),
      refused: fc.maxSafeNat(),
      accepted: fc.maxSafeNat(),
      newDeadLetters: fc.nat(),
      changed: fc.maxSafeNat(),
      deletions: fc.maxSafeNat(),
      deleted: fc.maxSafeNat(),
      heldDeletions: fc.nat(),
      hashesTaken: fc.nat(),
      error: fc.record({ code: text, message: text, hint: text }),
    });
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 3 }), fc.integer({ min: 40, max: 200 }), (list, columns) => {
        const printed = summaryText(
          summary({ entities: list.map((one) => entity(one as Partial<EntitySummary>)) }),
          columns,
        );
        for (const line of printed.split('\n')) {
          assert.ok(stringWidth(line) <= columns, line);
          assert.doesNotMatch(line, /\p{Cc}/u);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the published schema of run --json', () => {
  it('holds for the summaries of real runs', async () => {
    for (const dryRun of [false, true]) {
      const ledger = new MemoryLedger();
      const destination = new MemoryDestination((_batch, call) => (call === 2 ? 422 : call === 4 ? 500 : undefined));
      const rows = numberedRows(10);
      const result = await run(
        { runId: '00000000-0000-4000-8000-000000000002', host: 'h', processId: 1, version: '0', arguments: 'run' },
        [
          entityOf({}),
          { ...entityOf({ source: { minRows: 11 } }), name: 'TooSmall' },
          { ...entityOf({}), name: 'Held' },
        ],
        {
          logDatabase: {
            startRun: async () => {},
            finishRun: async () => {},
            lock: async ({ name }) =>
              name === 'Held'
                ? { heldBy: { host: 'other', processId: 2, since: new Date(0) } }
                : { ledger, lost: new AbortController().signal, release: async () => {} },
            readOnlyLedger: () => ledger,
            close: async () => {},
          },
          source: () => memorySource(rows),
          destination: () => destination,
          observer: {},
        },
        {
          dryRun,
          countRows: false,
          resolveOnly: false,
          tryBatchSize: false,
          full: false,
          confirmSourceChange: false,
          resendUnknown: false,
          maxRetries: 10,
          stop: new AbortController().signal,
          abort: new AbortController().signal,
        },
      );
      assertMeetsSchema('run', result);
      assert.ok(result.entities.some((one) => one.state === 'failed' && one.error !== undefined));
    }
  });

  it('holds for a summary with everything in it', () => {
    assertMeetsSchema('run', EVENTFUL);
    assertMeetsSchema('run', KEPT_IN_STEP);
    assert.throws(() => assertMeetsSchema('run', { ...EVENTFUL, exitCode: '1' }), /exitCode/);
  });
});
