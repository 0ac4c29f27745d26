import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { readHistory } from '../../src/sqlserver/history.ts';
import { createLogDatabase } from '../../src/sqlserver/log-database.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createPool } from '../../src/sqlserver/pool.ts';
import type { EntityHistory } from '../../src/sync/history.ts';
import type { EntityIdentity, EntitySummary, Ledger, LogDatabase, Outcome } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';
import { batchOf, deletionOf, entityNamed, settingsOf, USERS, useServerAndPool } from './fixture.ts';

const ACCEPTED: Outcome = { state: 'accepted', attempts: [{ startedAt: new Date(), durationMs: 10, status: 200 }] };
const REFUSED: Outcome = {
  state: 'refused',
  attempts: [{ startedAt: new Date(), durationMs: 10, status: 500, error: 'HTTP 500: no' }],
};

function summaryOf(entity: EntityIdentity, changes: Partial<EntitySummary> = {}): EntitySummary {
  return {
    entity: entity.name,
    state: 'done',
    startedAt: new Date().toISOString(),
    durationMs: 1234,
    ...emptyTally(),
    ...changes,
  };
}

describe('the history', () => {
  let database: LogDatabase;
  after(() => database.close());
  const { server, pool } = useServerAndPool('log');
  before(async () => {
    const settings = await settingsOf(server.connectionString('log'));
    await migrate(settings, { check: false });
    database = createLogDatabase(createPool(settings, 'LOG_DATABASE', 4));
  });

  async function historyOf(entity: EntityIdentity): Promise<EntityHistory> {
    const { entities, migrated } = await readHistory(await pool(), [entity], 10);
    assert.equal(migrated, true);
    const [history] = entities;
    assert.ok(history);
    return history;
  }

  /** A run that does `work` under the entity's lock and ends with that summary, or without one. */
  async function run(
    entity: EntityIdentity,
    work: (ledger: Ledger) => Promise<void>,
    summary?: EntitySummary,
  ): Promise<string> {
    const runId = randomUUID();
    await database.startRun({ runId, host: 'worker-1', processId: 1, version: '0.1.0', arguments: 'run' });
    const lock = await database.lock(entity, runId);
    assert.ok(!('heldBy' in lock));
    await work(lock.ledger);
    if (summary === undefined) return runId;
    await lock.release();
    await database.finishRun(runId, 'finished', 0, {
      runId,
      dryRun: false,
      startedAt: summary.startedAt,
      durationMs: summary.durationMs,
      exitCode: 0,
      entities: [summary],
    });
    return runId;
  }

  it('of an entity that no run came to says nothing but zero', async () => {
    assert.deepEqual(await historyOf(entityNamed('Never')), {
      entity: 'Never',
      trackedRows: 0,
      errors: [],
      unresolved: [],
      deadLetters: 0,
      deadLetterReasons: [],
      runs: [],
    });
  });

  it('takes a run whose summary was damaged for one without a summary', async () => {
    const entity = entityNamed('Damaged');
    const runId = await run(entity, async () => {}, summaryOf(entity));
    for (const damaged of ['{"entities":', 'null', '{"entities":7}']) {
      await server.execute('log', 'UPDATE dbo.TB_R_SYNC_RUN SET Summary = @damaged WHERE RunId = @runId', {
        damaged,
        runId,
      });
      assert.equal((await historyOf(entity)).lastRun, undefined);
    }
  });

  it('tells the last run, what it sent, and all that was ever sent', async () => {
    const entity: EntityIdentity = { ...entityNamed('Busy'), trackingLabels: ['Busy', 'BusyOld'] };
    await server.execute('log', "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'BusyOld', N'x')");
    const runId = await run(
      entity,
      async (ledger) => {
        for (const [keys, outcome] of [
          [['a', 'b'], ACCEPTED],
          [['c'], REFUSED],
        ] as const) {
          const batch = batchOf(keys);
          await ledger.reserve(batch);
          await ledger.settle(batch, outcome, []);
        }
        const unsent = batchOf(['e']);
        await ledger.reserve(unsent);
        await ledger.settle(unsent, { state: 'refused', attempts: [], note: 'not sent: too late' }, []);
        await ledger.deadLetter([{ key: 'd', reason: 'x' }]);
      },
      summaryOf(entity, {
        accepted: 2,
        changed: 4,
        deleted: 1,
        heldDeletions: 5,
        refused: 1,
        newDeadLetters: 1,
        batches: { pending: 2, accepted: 1, refused: 1, unresolved: 0, split: 0 },
      }),
    );
    const history = await historyOf(entity);
    assert.equal(history.trackedRows, 3);
    assert.equal(history.deadLetters, 1);
    const [{ lastFailedAt, ...reason } = assert.fail()] = history.deadLetterReasons;
    assert.deepEqual(reason, { reason: 'x', rows: 1, exampleKey: 'd' });
    assert.ok(Math.abs(Date.now() - lastFailedAt.getTime()) < 60_000);
    const [{ startedAt, ...entityRun } = assert.fail(), ...others] = history.runs;
    assert.deepEqual(others, []);
    assert.deepEqual(startedAt, history.lastRun?.run.startedAt);
    assert.deepEqual(entityRun, {
      runId,
      counts: history.lastRun?.counts,
      durations: { batches: 2, totalMs: 20, slowestMs: 10 },
    });
    assert.equal(history.lastRun?.run.runId, runId);
    assert.equal(history.lastRun.state, 'done');
    assert.equal(history.lastRun.durationMs, 1234);
    assert.deepEqual(history.lastRun.counts, {
      rowsAccepted: 2,
      rowsRefused: 1,
      rowsUnresolved: 0,
      batchesAccepted: 1,
      batchesRefused: 1,
      batchesUnresolved: 0,
      newDeadLetters: 1,
      rowsChanged: 4,
      rowsDeleted: 1,
      deletionsHeld: 5,
    });
    assert.equal(history.lastError?.text, 'HTTP 500: no');
    assert.equal(history.lastError.httpStatus, 500);
    assert.ok(history.lastSuccessAt && Math.abs(Date.now() - history.lastSuccessAt.getTime()) < 60_000);
    assert.equal(history.lastGoodRunAt, undefined);
    assert.equal(history.lockedSince, undefined);
  });

  it('reads the summaries of versions that only sent new rows', async () => {
    const entity = entityNamed('Early');
    const { changed, deletions, deleted, heldDeletions, hashesTaken, bytes, ...early } = summaryOf(entity, {
      accepted: 3,
    });
    assert.equal(changed + deletions + deleted + heldDeletions + hashesTaken + bytes, 0);
    await run(entity, async () => {}, early as EntitySummary);
    const { lastRun } = await historyOf(entity);
    for (const counts of [lastRun?.counts, lastRun?.run.counts]) {
      assert.deepEqual(counts, {
        rowsAccepted: 3,
        rowsRefused: 0,
        rowsUnresolved: 0,
        batchesAccepted: 0,
        batchesRefused: 0,
        batchesUnresolved: 0,
        newDeadLetters: 0,
        rowsChanged: 0,
        rowsDeleted: 0,
        deletionsHeld: 0,
      });
    }
  });

  it('counts a run with nothing to send as good', async () => {
    const entity = entityNamed('Idle');
    await run(entity, async () => {}, summaryOf(entity));
    const history = await historyOf(entity);
    assert.ok(history.lastGoodRunAt);
    assert.equal(history.lastSuccessAt, undefined);
    assert.equal(history.lastRun?.state, 'done');
  });

  it('tells what stopped an entity as a whole', async () => {
    const entity = entityNamed('Stopped');
    const error = { code: 'SOURCE_MISSING', message: 'Stopped: dbo.X is not there', hint: 'y' };
    await run(entity, async () => {}, summaryOf(entity, { state: 'failed', error }));
    const history = await historyOf(entity);
    assert.equal(history.lastError?.text, 'Stopped: dbo.X is not there');
    assert.deepEqual(
      history.errors.map(({ text, hint }) => [text, hint]),
      [['Stopped: dbo.X is not there', 'y']],
    );
    assert.equal(history.lastRun?.state, 'failed');
    assert.equal(history.lastGoodRunAt, undefined);
  });

  it('tells the errors of late, newest first and each text once, five at most', async () => {
    const entity = entityNamed('Erring');
    const texts = ['a', 'b', 'a', 'c', 'd', 'e', 'f', 'f'];
    await run(
      entity,
      async (ledger) => {
        for (const [index, text] of texts.entries()) {
          const batch = batchOf([`${index}`]);
          await ledger.reserve(batch);
          const attempt = { startedAt: new Date(), durationMs: 10, status: 500, error: text };
          await ledger.settle(batch, { state: 'refused', attempts: [attempt] }, []);
          await server.execute('log', 'UPDATE dbo.TB_R_SYNC_BATCH SET SettledAt = @at WHERE BatchId = @id', {
            at: `2026-11-24T03:00:0${index}.000`,
            id: batch.id,
          });
        }
      },
      summaryOf(entity, { refused: texts.length }),
    );
    const { errors, lastError } = await historyOf(entity);
    assert.deepEqual(
      errors.map(({ text, at }) => [text, at.getUTCSeconds()]),
      [
        ['f', 7],
        ['e', 5],
        ['d', 4],
        ['c', 3],
        ['a', 2],
      ],
    );
    assert.deepEqual(lastError, errors[0]);
  });

  it('tells dead letters by reason, the most frequent first, without those that were given up', async () => {
    const entity = entityNamed('Dying');
    await run(
      entity,
      async (ledger) => {
        const letters = Array.from({ length: 14 }, (_, index) => ({ key: `${index}`, reason: `reason ${index}` }));
        await ledger.deadLetter([
          ...letters,
          { key: 'x', reason: 'often' },
          { key: 'y', reason: 'often', httpStatus: 422 },
        ]);
        await ledger.deadLetter([
          { key: 'w', reason: 'often' },
          { key: 'z', reason: 'given up' },
        ]);
        await server.execute(
          'log',
          `UPDATE dbo.TB_R_SYNC_FAILURE SET State = N'discarded' WHERE EntityType = N'Dying' AND Reason = N'given up'`,
        );
      },
      summaryOf(entity),
    );
    const { deadLetters, deadLetterReasons } = await historyOf(entity);
    assert.equal(deadLetters, 17);
    assert.equal(deadLetterReasons.length, 10);
    const [{ lastFailedAt: _, ...often } = assert.fail()] = deadLetterReasons;
    assert.deepEqual(often, { reason: 'often', rows: 2, exampleKey: 'w' });
    assert.ok(deadLetterReasons.slice(1).every(({ rows }) => rows === 1));
  });

  it('tells of a batch whose outcome is unknown when it was last tried, how often, and why it is', async () => {
    const entity = entityNamed('Unknown');
    const batch = batchOf(['a', 'b', 'c']);
    const summary = summaryOf(entity, {
      unresolved: 3,
      batches: { pending: 1, accepted: 0, refused: 0, unresolved: 1, split: 0 },
    });
    const unknown = (error: string, status?: number): Outcome => ({
      state: 'unknown',
      attempts: [{ startedAt: new Date(), durationMs: 10, error, ...(status !== undefined && { status }) }],
    });
    await run(
      entity,
      async (ledger) => {
        await ledger.reserve(batch);
        await ledger.keepUnknown(batch, unknown('timeout'), { refusedRuns: 0, serverErrorRuns: 0 });
      },
      summary,
    );
    const second = await run(
      entity,
      (ledger) => ledger.keepUnknown(batch, unknown('HTTP 503', 503), { refusedRuns: 0, serverErrorRuns: 0 }),
      summary,
    );
    const history = await historyOf(entity);
    const [unresolved] = history.unresolved;
    const { lastTriedAt, createdAt, ...facts } = unresolved ?? assert.fail();
    assert.deepEqual(facts, { batchId: batch.id, rows: 3, runsTried: 2, error: 'HTTP 503', httpStatus: 503 });
    assert.deepEqual([history.lastRun?.run.runId, history.lastRun?.run.finishedAt], [second, lastTriedAt]);
    assert.ok(createdAt <= lastTriedAt);
    assert.deepEqual(history.lastError, { at: lastTriedAt, text: 'HTTP 503', httpStatus: 503 });
    assert.deepEqual([history.lastRun?.counts.rowsUnresolved, history.lastGoodRunAt], [3, undefined]);
  });

  it('takes neither a run that only resolved nor one that was stopped early for a good one', async () => {
    const entity = entityNamed('Half');
    for (const early of [
      { state: 'resolved' },
      { state: 'stopped', stoppedBy: 'breaker' },
      { state: 'stopped', stoppedBy: 'limit' },
    ] as const) {
      await run(entity, async () => {}, summaryOf(entity, early));
      const { lastRun, lastGoodRunAt } = await historyOf(entity);
      assert.equal(lastGoodRunAt, undefined);
      assert.deepEqual(
        [lastRun?.state, lastRun?.stoppedBy],
        [early.state, 'stoppedBy' in early ? early.stoppedBy : undefined],
      );
    }
  });

  it('passes over a run that found the entity locked', async () => {
    const entity = entityNamed('Passed');
    const good = await run(entity, async () => {}, summaryOf(entity));
    await run(entity, async () => {}, summaryOf(entity, { state: 'locked' }));
    assert.equal((await historyOf(entity)).lastRun?.run.runId, good);
  });

  it('counts what a run did that died, and names the batch it left', async () => {
    const entity = entityNamed('Dead');
    const left = batchOf(['c', 'd']);
    const runId = await run(entity, async (ledger) => {
      const batch = batchOf(['a', 'b']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      const deletion = deletionOf(['b']);
      await ledger.reserve(deletion);
      await ledger.settle(deletion, ACCEPTED, []);
      await ledger.reserve(left);
    });
    const history = await historyOf(entity);
    assert.equal(history.lastRun?.run.runId, runId);
    assert.equal(history.lastRun.state, undefined);
    assert.partialDeepStrictEqual(history.lastRun.counts, { rowsAccepted: 3, rowsDeleted: 1 });
    assert.deepEqual([history.lastRun.counts.rowsUnresolved, history.lastRun.counts.batchesUnresolved], [2, 1]);
    const [unresolved] = history.unresolved;
    assert.deepEqual([unresolved?.batchId, unresolved?.rows, unresolved?.runsTried], [left.id, 2, 1]);
    assert.equal(unresolved?.error, undefined);
    assert.equal(history.lastError, undefined);
    assert.ok(history.lockedSince);
    const relabelled: EntityIdentity = { ...entity, trackingLabels: ['DeadNew', 'Dead'] };
    assert.equal((await historyOf(relabelled)).unresolved[0]?.batchId, left.id);
  });

  /** A run at work on the entity; `kill` takes its connections away. */
  async function startedRun(entity: EntityIdentity) {
    const { settings } = await pool();
    const database = createLogDatabase(createPool(settings, 'LOG_DATABASE', 2));
    const runId = randomUUID();
    await database.startRun({ runId, host: 'worker-1', processId: 1, version: '0.1.0', arguments: 'run' });
    await database.lock(entity, runId);
    return { runId, kill: () => database.close() };
  }

  it('takes a run for aborted whose lock nobody holds any more, before the next run finds it dead', async () => {
    const entity = entityNamed('Killed');
    const { runId, kill } = await startedRun(entity);
    const alive = await historyOf(entity);
    assert.deepEqual([alive.lastRun?.run.state, alive.lockedSince !== undefined], ['running', true]);
    await kill();
    const dead = await historyOf(entity);
    assert.deepEqual([dead.lastRun?.run.runId, dead.lastRun?.run.state], [runId, 'aborted']);
    assert.equal(dead.lockedSince, undefined);
  });

  it('takes any run that has died for aborted, also where other entities are asked for', async () => {
    const entity = entityNamed('Neighbour');
    const { runId, kill } = await startedRun(entity);
    await kill();
    const { runs } = await readHistory(await pool(), [entityNamed('Asked')], 1);
    assert.deepEqual([runs[0]?.runId, runs[0]?.state], [runId, 'aborted']);
  });

  describe('where each entity has runs of its own', () => {
    const rare = entityNamed('Rare');
    const often = entityNamed('Often');
    const stored = async (entity: EntityIdentity, accepted: number) => {
      const runId = await run(entity, async () => {}, summaryOf(entity, { accepted }));
      await server.execute('log', 'UPDATE dbo.TB_R_SYNC_RUN SET Arguments = @text WHERE RunId = @runId', {
        text: `run --entity ${entity.name}`,
        runId,
      });
      return runId;
    };

    it('tells the last runs of each, however many there are of the others', async () => {
      const first = await stored(rare, 1);
      const second = await stored(rare, 2);
      for (const accepted of [1, 2, 3, 4]) await stored(often, accepted);
      const { entities, runs } = await readHistory(await pool(), [rare, often], 3);
      assert.equal(runs.length, 3);
      assert.deepEqual(
        entities.map((entity) => entity.runs.map(({ counts }) => counts?.rowsAccepted)),
        [
          [2, 1],
          [4, 3, 2],
        ],
      );
      assert.deepEqual(
        entities[0]?.runs.map(({ runId }) => runId),
        [second, first],
      );
    });

    it('finds the last run and the last good one of each behind hundreds of others', async () => {
      for (let more = 0; more < 120; more += 1) {
        await server.execute(
          'log',
          `INSERT INTO dbo.TB_R_SYNC_RUN (RunId, StartedAt, State, Host, ProcessId, Version, Arguments)
           VALUES (NEWID(), SYSUTCDATETIME(), N'running', N'worker-3', 1, N'0.1.0', N'run --entity Others')`,
        );
      }
      const history = await historyOf(rare);
      assert.equal(history.lastRun?.counts.rowsAccepted, 2);
      assert.ok(history.lastGoodRunAt);
      assert.equal(history.runs.length, 2);
      // The name is only part of another one.
      assert.equal((await historyOf(entityNamed('Rar'))).lastRun, undefined);
    });
  });

  it('lists the newest runs first, as many as were asked for', async () => {
    const { runs } = await readHistory(await pool(), [], 3);
    assert.equal(runs.length, 3);
    const starts = runs.map(({ startedAt }) => startedAt.getTime());
    assert.deepEqual(
      starts,
      [...starts].sort((a, b) => b - a),
    );
    assert.match(runs[0]?.host ?? '', /^worker-/);
  });
});

describe('the history of a ledger that only the old job wrote', () => {
  const { server, pool } = useServerAndPool('log', {
    seed: { rows: 0, oldJob: { rows: 10, labels: ['User', 'Users'] } },
  });

  it('says that it was not migrated, and what is known all the same', async () => {
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_Log (ID, ApplicationName, LogID, LogCategory, Activity, ApplicationModule, IPHostName, Status,
         CreatedBy, CreatedOn, ModifiedBy, ModifiedOn, RowStatus, ExceptionMessage)
       VALUES (NEWID(), N'old', N'1', N'DataSync', N'Sync Batch: Users', N'old', N'h', N'Failure', N'System',
         '2099-01-01T00:00:00', N'System', '2099-01-01T00:00:00', 1, N'Duplicate e-mail dewi@example.com')`,
    );
    const history = await readHistory(await pool(), [USERS], 10);
    assert.equal(history.migrated, false);
    assert.deepEqual(history.runs, []);
    const [users] = history.entities;
    assert.equal(users?.trackedRows, 10);
    assert.ok(users.lastSuccessAt instanceof Date);
    assert.equal(users.lastError?.at.toISOString(), '2099-01-01T00:00:00.000Z');
    assert.doesNotMatch(users.lastError.text, /dewi/);
    assert.deepEqual(users.unresolved, []);
  });

  it('of a database without any table is empty', async (t) => {
    const empty = createPool(await settingsOf(server.connectionString('master')), 'LOG_DATABASE', 1);
    t.after(() => empty.close());
    const history = await readHistory(empty, [USERS], 10);
    assert.deepEqual(history, {
      migrated: false,
      entities: [
        {
          entity: 'Users',
          trackedRows: 0,
          errors: [],
          unresolved: [],
          deadLetters: 0,
          deadLetterReasons: [],
          runs: [],
        },
      ],
      runs: [],
    });
  });
});
