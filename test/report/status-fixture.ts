/** Histories as src/sqlserver/history.ts returns them, for the tests of the status report. */
import type { EntityHistory, EntityRun, History, RunCounts, RunRecord } from '../../src/sync/history.ts';

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
  return { entity, trackedRows: 0, errors: [], unresolved: [], deadLetters: 0, deadLetterReasons: [], runs: [] };
}

/** What these runs did for an entity: rows by run, newest first; batches that took 900 ms, the slowest 2.5 s. */
export function entityRuns(rows: readonly number[]): EntityRun[] {
  return rows.map((rowsAccepted, daysAgo) => {
    const { runId, startedAt } = nightlyRun(daysAgo);
    const batches = Math.ceil(rowsAccepted / 3000);
    return {
      runId,
      startedAt,
      counts: counts({ rowsAccepted, batchesAccepted: batches }),
      ...(batches > 0 && { durations: { batches, totalMs: batches * 900, slowestMs: 2500 } }),
    };
  });
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
      ...untouched('Users'),
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
      errors: [
        {
          at: new Date('2026-11-23T20:00:07Z'),
          text: 'HTTP 500 Internal Server Error: the import of the staging table did not finish, since its disk is full; ask the operators of the receiver',
          httpStatus: 500,
        },
        { at: new Date('2026-11-19T20:00:03Z'), text: 'HTTP 429 Too Many Requests', httpStatus: 429 },
      ],
      runs: entityRuns([7000, 120, 80, 0, 95, 120, 3100, 120, 130, 40]),
    },
    {
      ...untouched('ActualOrg'),
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
      errors: [
        {
          at: new Date('2026-11-23T20:01:16Z'),
          text: 'ActualOrg: \u001b[2J組織構造テーブル\u202eが見つかりません\r\n👩‍💼 tidak ada',
          hint: 'Check source.table of ActualOrg, and the permissions of the login.',
        },
      ],
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
    },
    {
      ...untouched('イベントカレンダー🎌の予定'),
      lastRun: {
        run: night,
        state: 'done',
        durationMs: 900,
        counts: counts({ rowsAccepted: 42, rowsChanged: 12, rowsDeleted: 30, batchesAccepted: 2 }),
      },
      trackedRows: 9_042,
      lastSuccessAt: new Date('2026-11-23T20:01:15Z'),
      lastGoodRunAt: new Date('2026-11-23T20:01:16Z'),
      deadLetters: 15,
      deadLetterReasons: [
        {
          reason: 'HTTP 422: EventDate must not be in the past: ***',
          httpStatus: 422,
          rows: 14,
          lastFailedAt: new Date('2026-11-23T20:01:02Z'),
          exampleKey: '2026-11-01|Libur nasional',
        },
        {
          reason: 'its payload has no EventName 予定名',
          rows: 1,
          lastFailedAt: new Date('2026-11-21T20:01:02Z'),
          exampleKey: '2026-11-02|',
        },
      ],
      runs: entityRuns([42, 0, 0, 3]),
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
    runs: entityRuns([0, 60, 60]),
  })),
  runs: [0, 120, 120].map((rowsAccepted, daysAgo) => nightlyRun(daysAgo, { counts: counts({ rowsAccepted }) })),
};

/** A month with a first load, failures and a dead run, as far as charts show it, and texts that would run if they could. */
export const MONTH: History = {
  ...EVENTFUL,
  entities: EVENTFUL.entities.map((entity, index) =>
    index > 0
      ? entity
      : {
          ...entity,
          entity: `Users<script>planted = 'name'</script>" onload="planted = 'attribute'`,
          errors: [
            {
              at: new Date('2026-11-23T20:00:07Z'),
              text: `HTTP 500: <img src="https://example.com/x.png" onerror="planted = 'error'"> ${'x'.repeat(300)}\u0000\u202e`,
              httpStatus: 500,
            },
          ],
          runs: entityRuns([
            7000,
            120,
            80,
            0,
            95,
            120,
            3100,
            ...Array.from({ length: 22 }, (_, index) => 60 + ((index * 37) % 80)),
            200_000,
          ]),
        },
  ),
  runs: Array.from({ length: 30 }, (_, daysAgo) => {
    if (daysAgo === 0) return night;
    if (daysAgo === 5) return deadRun(daysAgo);
    if (daysAgo === 12) {
      const failed = counts({
        rowsAccepted: 20,
        rowsRefused: 9,
        rowsUnresolved: 14,
        newDeadLetters: 5,
        batchesRefused: 2,
      });
      return nightlyRun(daysAgo, { exitCode: 1, counts: failed, host: "</td><script>planted = 'host'</script>" });
    }
    return nightlyRun(daysAgo, {
      counts: counts({ rowsAccepted: daysAgo === 29 ? 200_000 : 60 + ((daysAgo * 37) % 80), batchesAccepted: 1 }),
    });
  }),
};
