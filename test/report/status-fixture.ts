/** Histories as src/sqlserver/history.ts returns them, for the tests of the status report. */
import type { EntityHistory, History, RunCounts, RunRecord } from '../../src/sync/history.ts';

export const SCHEDULE = { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' };

/** 08:00 in Jakarta, five hours after the night's run was due. */
export const NOW = new Date('2026-11-24T01:00:00Z');

/** The night's due time. */
export const DUE = new Date('2026-11-23T20:00:00Z');

/** All counts at zero but those given. */
export function counts(changes: Partial<RunCounts> = {}): RunCounts {
  return {
    rowsAccepted: 0,
    rowsRefused: 0,
    rowsUnresolved: 0,
    batchesAccepted: 0,
    batchesRefused: 0,
    batchesUnresolved: 0,
    newDeadLetters: 0,
    rowsChanged: 0,
    rowsDeleted: 0,
    deletionsHeld: 0,
    ...changes,
  };
}

/** A run that began `daysAgo` nights before NOW and took 75 s. */
export function nightlyRun(daysAgo: number, changes: Partial<RunRecord> = {}): RunRecord {
  const startedAt = new Date(DUE.getTime() + 1000 - daysAgo * 86_400_000);
  return {
    runId: `00000000-0000-4000-8000-${String(daysAgo).padStart(12, '0')}`,
    startedAt,
    finishedAt: new Date(startedAt.getTime() + 75_000),
    state: 'finished',
    exitCode: 0,
    host: 'hr-batch-01',
    processId: 4711,
    version: '0.1.0',
    arguments: 'run',
    counts: counts({ rowsAccepted: 120, batchesAccepted: 5 }),
    ...changes,
  };
}

/** A run that died: nothing was stored at its end. */
export function deadRun(daysAgo: number): RunRecord {
  const { finishedAt: _, exitCode: __, counts: ___, ...run } = nightlyRun(daysAgo);
  return { ...run, state: 'aborted' };
}

/** An entity of which nothing is known. */
export function untouched(entity: string): EntityHistory {
  return { entity, trackedRows: 0, unresolved: [], deadLetters: 0 };
}

const night = nightlyRun(0, {
  exitCode: 1,
  counts: counts({ rowsAccepted: 7042, rowsRefused: 3000, batchesAccepted: 5, batchesRefused: 1 }),
});

/** A night with something of everything: refused rows, a failed entity, an overdue one, one that nothing ever came to. */
export const EVENTFUL: History = {
  migrated: true,
  entities: [
    {
      entity: 'Users',
      lastRun: {
        run: night,
        state: 'done',
        durationMs: 12_345,
        counts: counts({ rowsAccepted: 7000, rowsRefused: 3000, batchesAccepted: 3, batchesRefused: 1 }),
      },
      trackedRows: 1_207_000,
      lastSuccessAt: new Date('2026-11-23T20:00:11Z'),
      lastGoodRunAt: new Date('2026-11-22T20:01:16Z'),
      lastError: {
        at: new Date('2026-11-23T20:00:07Z'),
        text: 'HTTP 500 Internal Server Error: the import of the staging table did not finish, since its disk is full; ask the operators of the receiver',
        httpStatus: 500,
      },
      unresolved: [],
      deadLetters: 0,
    },
    {
      entity: 'ActualOrg',
      lastRun: {
        run: night,
        state: 'failed',
        durationMs: 320,
        counts: counts({ rowsUnresolved: 3500, batchesUnresolved: 2 }),
      },
      trackedRows: 48_210,
      lastSuccessAt: new Date('2026-11-20T20:00:30Z'),
      lastGoodRunAt: new Date('2026-11-20T20:01:16Z'),
      lastError: {
        at: new Date('2026-11-23T20:01:16Z'),
        text: 'ActualOrg: \u001b[2J組織構造テーブル\u202eが見つかりません\r\n👩‍💼 tidak ada',
      },
      unresolved: [
        {
          batchId: '11111111-0000-4000-8000-000000000000',
          rows: 3000,
          createdAt: new Date('2026-11-21T20:00:30Z'),
          runsTried: 3,
          lastTriedAt: new Date('2026-11-23T20:01:15Z'),
          error: 'HTTP 503 Service Unavailable',
          httpStatus: 503,
        },
        {
          batchId: '22222222-0000-4000-8000-000000000000',
          rows: 500,
          createdAt: new Date('2026-11-23T20:00:40Z'),
          runsTried: 1,
          lastTriedAt: new Date('2026-11-23T20:00:01Z'),
        },
      ],
      deadLetters: 0,
    },
    {
      entity: 'イベントカレンダー🎌の予定',
      lastRun: {
        run: night,
        state: 'done',
        durationMs: 900,
        counts: counts({ rowsAccepted: 42, rowsChanged: 12, rowsDeleted: 30, batchesAccepted: 2 }),
      },
      trackedRows: 9_042,
      lastSuccessAt: new Date('2026-11-23T20:01:15Z'),
      lastGoodRunAt: new Date('2026-11-23T20:01:16Z'),
      unresolved: [],
      deadLetters: 2,
    },
    {
      ...untouched('ActualEntity'),
      lastRun: {
        run: night,
        state: 'stopped',
        stoppedBy: 'breaker',
        durationMs: 4000,
        counts: counts({ rowsAccepted: 3000, rowsRefused: 3000, batchesAccepted: 1, batchesRefused: 1 }),
      },
      lastGoodRunAt: new Date('2026-11-22T20:01:16Z'),
    },
    untouched('OrgObject'),
  ],
  runs: [
    night,
    nightlyRun(1, { arguments: 'run --entity Users --limit 500' }),
    deadRun(2),
    nightlyRun(3, { exitCode: 143, state: 'aborted' }),
    ...[4, 5, 6, 7, 8, 9].map((daysAgo) => nightlyRun(daysAgo)),
  ],
};

/** Right after `migrate`. */
export const NEVER_RUN: History = { migrated: true, entities: [untouched('Users'), untouched('ActualOrg')], runs: [] };

/** What the old job left, before `migrate`. */
export const OLD_JOB: History = {
  migrated: false,
  entities: [
    {
      ...untouched('Users'),
      trackedRows: 200_000,
      lastSuccessAt: new Date('2026-11-23T20:04:00Z'),
      lastError: { at: new Date('2026-11-23T20:03:00Z'), text: 'Unprocessable Entity' },
    },
    { ...untouched('ActualOrg'), trackedRows: 51_000, lastSuccessAt: new Date('2026-11-19T20:04:00Z') },
  ],
  runs: [],
};

/** Every run went well. */
export const QUIET: History = {
  migrated: true,
  entities: ['Users', 'ActualOrg'].map((entity) => ({
    ...untouched(entity),
    lastRun: { run: nightlyRun(0), state: 'done', durationMs: 900, counts: counts() },
    trackedRows: 10_000,
    lastSuccessAt: new Date('2026-11-02T20:00:11Z'),
    lastGoodRunAt: new Date('2026-11-23T20:01:16Z'),
  })),
  runs: [0, 1, 2].map((daysAgo) => nightlyRun(daysAgo)),
};
