import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statusHtml } from '../../src/report/status-html.ts';
import { GRACE_MS, lastSuccessOf, type StatusWarning, statusDocument } from '../../src/report/status-json.ts';
import { statusText } from '../../src/report/status-text.ts';
import type { EntityHistory, History } from '../../src/sync/history.ts';
import { assertMeetsSchema } from './schema.ts';
import {
  counts,
  DUE,
  deadRun,
  EVENTFUL,
  NEVER_RUN,
  NOW,
  nightlyRun,
  OLD_JOB,
  QUIET,
  SCHEDULE,
  untouched,
} from './status-fixture.ts';

const codes = (warnings: readonly StatusWarning[]) => warnings.map(({ code, entity }) => `${code} ${entity ?? '*'}`);

/** One entity that last was fine at `lastGoodRunAt`, in a history with one run. */
function historyOf(lastGoodRunAt: Date | undefined, changes: Partial<EntityHistory> = {}): History {
  const run = nightlyRun(0);
  const entity: EntityHistory = {
    ...untouched('Users'),
    lastRun: { run, state: 'done', durationMs: 900, counts: counts() },
    ...(lastGoodRunAt && { lastGoodRunAt }),
    ...changes,
  };
  return { migrated: true, entities: [entity], runs: [run] };
}

const isOverdue = (history: History, now: Date) => statusDocument(history, SCHEDULE, now).entities[0]?.overdue;
const after = (instant: Date, ms: number) => new Date(instant.getTime() + ms);

describe('what status makes of a history', () => {
  for (const [name, history] of Object.entries({ EVENTFUL, NEVER_RUN, OLD_JOB, QUIET })) {
    it(`${name} meets the published schema, with a schedule and without`, () => {
      assertMeetsSchema('status', statusDocument(history, SCHEDULE, NOW));
      assertMeetsSchema('status', statusDocument(history, undefined, NOW));
    });
  }

  it('an entity becomes overdue when the grace after a due time is over and it has had no success since', () => {
    const history = historyOf(after(DUE, -86_400_000 + 75_000));
    assert.equal(isOverdue(history, after(DUE, GRACE_MS)), false);
    assert.equal(isOverdue(history, after(DUE, GRACE_MS + 1000)), true);
  });

  it('a success since the last due time is enough', () => {
    assert.equal(isOverdue(historyOf(after(DUE, 1000)), after(DUE, 86_400_000 - 1000)), false);
    assert.equal(isOverdue(historyOf(DUE), after(DUE, GRACE_MS + 1000)), false);
  });

  it('accepted batches beside refused ones are no success', () => {
    const history = historyOf(undefined, { lastSuccessAt: after(DUE, 1000) });
    const { warnings } = statusDocument(history, SCHEDULE, NOW);
    assert.deepEqual(codes(warnings), ['OVERDUE Users']);
    assert.match(warnings[0]?.message ?? '', /never run to its end/);
    const lastSuccess = ({ entities }: ReturnType<typeof statusDocument>) => entities.map(lastSuccessOf);
    const document = statusDocument(history, SCHEDULE, NOW);
    assert.deepEqual(lastSuccess(document), [null]);
    assert.match(statusText(document, { columns: 60, colour: false, utf8: true }), /last success +never/);
    const [, row] = /<th[^>]*>Users<\/th>(.*?)<\/tr>/s.exec(statusHtml(document, { version: '0.1.0' })) ?? [];
    assert.match(row ?? '', />never</);
    const before = historyOf(undefined, { lastSuccessAt: DUE });
    const { lastRun: _, ...entity } = before.entities[0] as EntityHistory;
    const old = { ...before, entities: [entity] };
    assert.deepEqual(lastSuccess(statusDocument(old, SCHEDULE, NOW)), [DUE.toISOString()]);
  });

  it('before migration the ledger tells when the old job last succeeded', () => {
    const { entities, warnings } = statusDocument(OLD_JOB, SCHEDULE, NOW);
    assert.deepEqual(codes(warnings), ['NOT_MIGRATED *', 'OVERDUE ActualOrg']);
    assert.deepEqual(
      entities.map(({ overdue }) => overdue),
      [false, true],
    );
  });

  it('deletions that were held back are a warning, and runs that knew of none are not', () => {
    const held = (rows: number) =>
      historyOf(DUE, {
        lastRun: { run: nightlyRun(0), state: 'done', counts: counts({ deletionsHeld: rows }) },
      });
    const { warnings, entities } = statusDocument(held(2), SCHEDULE, NOW);
    assert.deepEqual(
      warnings.map(({ code, message }) => [code, message]),
      [['LAST_RUN', 'its last run did not delete 2 rows that are gone from the source; tamhr-sync plan says why.']],
    );
    assert.equal(entities[0]?.lastRun?.counts.deletionsHeld, 2);
    assert.match(statusDocument(held(1), SCHEDULE, NOW).warnings[0]?.message ?? '', / 1 row that is gone /);
    assert.deepEqual(statusDocument(held(0), SCHEDULE, NOW).warnings, []);
    assert.deepEqual(statusDocument(historyOf(DUE), SCHEDULE, NOW).warnings, []);
  });

  it('a quiet history has no warnings', () => {
    const { warnings, schedule } = statusDocument(QUIET, SCHEDULE, NOW);
    assert.deepEqual(warnings, []);
    assert.deepEqual(schedule, {
      ...SCHEDULE,
      nextDueAt: '2026-11-24T20:00:00.000Z',
      previousDueAt: '2026-11-23T20:00:00.000Z',
      graceMs: GRACE_MS,
    });
  });

  it('an eventful one has them all, entity by entity', () => {
    assert.deepEqual(codes(statusDocument(EVENTFUL, SCHEDULE, NOW).warnings), [
      'OVERDUE Users',
      'LAST_RUN Users',
      'OVERDUE ActualOrg',
      'LAST_RUN ActualOrg',
      'UNRESOLVED ActualOrg',
      'DEAD_LETTERS イベントカレンダー🎌の予定',
      'OVERDUE ActualEntity',
      'LAST_RUN ActualEntity',
      'NEVER_RUN OrgObject',
    ]);
  });

  it('batches without a known outcome are named, the oldest three of them', () => {
    const batch = (index: number) => ({
      batchId: `${index}`.repeat(8),
      rows: 1000 * index,
      createdAt: new Date('2026-11-21T20:00:30Z'),
      runsTried: index,
      lastTriedAt: DUE,
      ...(index === 2 && { error: 'connection reset' }),
      ...(index === 3 && { error: 'no answer', httpStatus: 504 }),
    });
    const message = (...indexes: number[]) =>
      statusDocument(historyOf(DUE, { unresolved: indexes.map(batch) }), SCHEDULE, NOW).warnings[0]?.message;
    assert.equal(
      message(1),
      '1 batch (1,000 rows) without a known outcome, which the next run sends again first: ' +
        '11111111 (1,000 rows since 2026-11-22 03:00 +07:00, 1 run, cut off).',
    );
    assert.match(
      message(1, 2, 3, 4, 5) ?? '',
      /^5 batches \(15,000 rows\) .*, 22222222 \(.*, 2 runs, connection reset\), 33333333 \(.*HTTP 504: no answer\), 2 more\.$/,
    );
  });

  it('what stopped the last run early, and what is unknown of it, is a warning; a signal and a limit are none', () => {
    const messages = (lastRun: Partial<NonNullable<EntityHistory['lastRun']>>) => {
      const base = { run: nightlyRun(0), durationMs: 900, counts: counts() };
      const { warnings } = statusDocument(historyOf(DUE, { lastRun: { ...base, ...lastRun } }), SCHEDULE, NOW);
      return warnings.map(({ message }) => message);
    };
    assert.deepEqual(messages({ state: 'stopped', stoppedBy: 'deadline' }), [
      'its last run was stopped by its deadline; the next run goes on from there.',
    ]);
    assert.deepEqual(messages({ state: 'stopped', stoppedBy: 'limit' }), []);
    assert.deepEqual(messages({ state: 'stopped', stoppedBy: 'signal' }), []);
    assert.deepEqual(messages({ state: 'resolved', counts: counts({ rowsUnresolved: 3000, rowsRefused: 1 }) }), [
      'its last run left 1 row refused and 3,000 rows without a known outcome; the next run sends them again.',
    ]);
  });

  it('no run at all is one alarm, not one per entity', () => {
    assert.deepEqual(codes(statusDocument(NEVER_RUN, SCHEDULE, NOW).warnings), ['NEVER_RUN *']);
  });

  it('a run that works is running for as long as it has, and one that died has no duration', () => {
    const { finishedAt: _, exitCode: __, counts: ___, ...begun } = nightlyRun(0);
    const history = historyOf(DUE, { lastRun: { run: { ...begun, state: 'running' }, counts: counts() } });
    const { entities, runs } = statusDocument(
      { ...history, runs: [{ ...begun, state: 'running' }, deadRun(1)] },
      SCHEDULE,
      after(begun.startedAt, 5000),
    );
    assert.deepEqual([entities[0]?.lastRun?.outcome, entities[0]?.lastRun?.durationMs], ['running', 5000]);
    assert.deepEqual(
      runs.map(({ state, durationMs }) => [state, durationMs]),
      [
        ['running', 5000],
        ['aborted', null],
      ],
    );
  });

  it('what a run has in flight is no trouble', () => {
    const { finishedAt: _, exitCode: __, counts: ___, ...begun } = nightlyRun(0);
    const history = historyOf(DUE, {
      lastRun: { run: { ...begun, state: 'running' }, counts: counts({ rowsUnresolved: 750, batchesUnresolved: 1 }) },
      unresolved: [{ batchId: 'aaaa', rows: 750, createdAt: DUE, runsTried: 1, lastTriedAt: DUE }],
    });
    const { warnings } = statusDocument(history, SCHEDULE, NOW);
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['UNRESOLVED'],
    );
    assert.match(warnings[0]?.message ?? '', /^1 batch \(750 rows\) in flight, or .*, 1 run, no answer yet\)\.$/);
  });

  it('dates that are none, and clocks that run ahead, are unknown instead of an error', () => {
    const broken = new Date(Number.NaN);
    const run = nightlyRun(0, { startedAt: after(NOW, 3_600_000), finishedAt: broken });
    const history = historyOf(broken, { lastRun: { run, counts: counts() }, lastError: { at: broken, text: '' } });
    const document = statusDocument({ ...history, runs: [run] }, SCHEDULE, NOW);
    assertMeetsSchema('status', document);
    assert.deepEqual([document.entities[0]?.lastGoodRunAt, document.runs[0]?.durationMs], [null, null]);
  });
});
