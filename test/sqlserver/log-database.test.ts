import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it, type TestContext } from 'node:test';
import { createLogDatabase } from '../../src/sqlserver/log-database.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createPool } from '../../src/sqlserver/pool.ts';
import type { SyncError } from '../../src/sync/errors.ts';
import type { EntityLock, LockHolder, LogDatabase, RunStart, RunSummary } from '../../src/sync/ports.ts';
import { itOnStandIn, useSqlServer } from '../support/sqlserver.ts';
import { batchOf, entityNamed, settingsOf } from './fixture.ts';

function runStart(host = 'worker-1'): RunStart {
  return { runId: randomUUID(), host, processId: 4711, version: '0.1.0', arguments: 'run --entity Users' };
}

function isLock(lock: EntityLock | { readonly heldBy: LockHolder }): asserts lock is EntityLock {
  assert.ok(!('heldBy' in lock), 'another run holds the lock');
}

describe('the log database', () => {
  const server = useSqlServer();
  before(async () => {
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
  });

  async function open(t?: TestContext): Promise<LogDatabase> {
    const database = createLogDatabase(createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 4));
    t?.after(() => database.close());
    return database;
  }

  const runRow = async (runId: string) =>
    (
      await server.query(
        'log',
        `SELECT State, ExitCode, Host, ProcessId, Version, Arguments, Summary, FinishedAt
         FROM dbo.TB_R_SYNC_RUN WHERE RunId = '${runId}'`,
      )
    )[0];

  it('stores a run from its start to its end', async (t) => {
    const database = await open(t);
    const run = runStart();
    await database.startRun(run);
    const started = {
      State: 'running',
      ExitCode: null,
      Host: 'worker-1',
      ProcessId: 4711,
      Version: '0.1.0',
      Arguments: 'run --entity Users',
      Summary: null,
      FinishedAt: null,
    };
    assert.deepEqual(await runRow(run.runId), started);
    const summary: RunSummary = {
      runId: run.runId,
      dryRun: false,
      startedAt: '2026-11-23T03:00:00.000Z',
      durationMs: 12,
      exitCode: 1,
      entities: [],
    };
    await database.finishRun(run.runId, 'finished', 1, summary);
    const finished = await runRow(run.runId);
    assert.ok(finished?.FinishedAt instanceof Date);
    assert.deepEqual(JSON.parse(String(finished.Summary)), summary);
    assert.deepEqual({ ...finished, Summary: null, FinishedAt: null }, { ...started, State: 'finished', ExitCode: 1 });
  });

  describe('locks an entity', () => {
    it('for one run at a time, and says who holds it since when', async (t) => {
      const [first, second] = [await open(t), await open(t)];
      const run = runStart('worker-7');
      await first.startRun(run);
      const lock = await first.lock(entityNamed('One'), run.runId);
      isLock(lock);
      const refused = await second.lock(entityNamed('One'), randomUUID());
      assert.ok('heldBy' in refused);
      const { since, ...holder } = refused.heldBy;
      assert.deepEqual(holder, { runId: run.runId, host: 'worker-7', processId: 4711 });
      assert.ok(since && Math.abs(Date.now() - since.getTime()) < 60_000);
      await lock.release();
      const later = await second.lock(entityNamed('One'), randomUUID());
      isLock(later);
      await later.release();
    });

    it('and no other entity', async (t) => {
      const [first, second] = [await open(t), await open(t)];
      isLock(await first.lock(entityNamed('Left'), randomUUID()));
      isLock(await second.lock(entityNamed('Right'), randomUUID()));
    });

    it('with a ledger that may write while it is held, and not after', async (t) => {
      const database = await open(t);
      const lock = await database.lock(entityNamed('Write'), randomUUID());
      isLock(lock);
      await lock.ledger.reserve(batchOf(['1']));
      await lock.release();
      await assert.rejects(lock.ledger.reserve(batchOf(['2'])), { code: 'LOCK_LOST' });
    });

    it('until its connections are closed, however the run ended', async (t) => {
      const dying = await open();
      const run = runStart();
      await dying.startRun(run);
      isLock(await dying.lock(entityNamed('Dying'), run.runId));
      await dying.close();
      const next = await open(t);
      isLock(await next.lock(entityNamed('Dying'), randomUUID()));
      assert.equal((await runRow(run.runId))?.State, 'aborted');
    });

    it('and leaves the record of a run alone that ended well', async (t) => {
      const database = await open(t);
      const run = runStart();
      await database.startRun(run);
      const lock = await database.lock(entityNamed('Well'), run.runId);
      isLock(lock);
      await lock.release();
      isLock(await database.lock(entityNamed('Well'), randomUUID()));
      assert.equal((await runRow(run.runId))?.State, 'running');
    });

    itOnStandIn('and takes it again where the connection is lost', async () => {
      const [first, second] = [await open(), await open()];
      const lock = await first.lock(entityNamed('Retaken'), randomUUID());
      isLock(lock);
      const retaken = server.faults.add({ match: /SELECT e\.OwnerRunId/, action: { delayMs: 0 } });
      await server.standIn.dropConnections();
      await retaken.struck;
      await lock.ledger.reserve(batchOf(['1']));
      assert.ok('heldBy' in (await second.lock(entityNamed('Retaken'), randomUUID())));
      assert.equal(lock.lost.aborted, false);
      await lock.release();
      isLock(await second.lock(entityNamed('Retaken'), randomUUID()));
      retaken.remove();
      await first.close();
      await second.close();
    });

    itOnStandIn('until another run has taken over: then it says so, and this one writes nothing', async () => {
      const [first, second] = [await open(), await open()];
      const lock = await first.lock(entityNamed('Lost'), randomUUID());
      isLock(lock);
      const lost = new Promise((resolve) => lock.lost.addEventListener('abort', resolve));
      const retaking = server.faults.add({ match: /sp_getapplock/, on: 1, action: { hold: true } });
      await server.standIn.dropConnections();
      await retaking.struck;
      const taken = await second.lock(entityNamed('Lost'), randomUUID());
      isLock(taken);
      assert.equal(lock.lost.aborted, false);
      retaking.remove();
      await lost;
      assert.equal((lock.lost.reason as SyncError).code, 'LOCK_LOST');
      await assert.rejects(lock.ledger.reserve(batchOf(['2'])), { code: 'LOCK_LOST' });
      await lock.release();
      await taken.ledger.reserve(batchOf(['3']));
      await first.close();
      await second.close();
    });

    itOnStandIn('until it cannot be had again', async () => {
      const first = await open();
      const lock = await first.lock(entityNamed('Unreachable'), randomUUID());
      isLock(lock);
      const lost = new Promise((resolve) => lock.lost.addEventListener('abort', resolve));
      const refused = server.faults.add({ match: /LOGIN/, action: { error: 18456 } });
      await server.standIn.dropConnections();
      await lost;
      assert.equal(refused.hits, 1);
      refused.remove();
      await assert.rejects(lock.release(), { code: 'LOG_DATABASE_UNAVAILABLE', message: /refused the login/ });
      await first.close();
    });

    itOnStandIn('and lets go of it when it is closed', async () => {
      const first = await open();
      isLock(await first.lock(entityNamed('Closed'), randomUUID()));
      await first.close();
      const second = await open();
      const lock = await second.lock(entityNamed('Closed'), randomUUID());
      isLock(lock);
      await second.close();
    });

    itOnStandIn('or fails as the log database does, and holds nothing', async () => {
      const [first, second] = [await open(), await open()];
      const fault = server.faults.add({
        match: /UPDATE dbo\.TB_R_SYNC_ENTITY SET OwnerRunId/,
        action: { error: 1205 },
      });
      await assert.rejects(first.lock(entityNamed('Fails'), randomUUID()), { code: 'LOG_DATABASE_REFUSED' });
      fault.remove();
      isLock(await second.lock(entityNamed('Fails'), randomUUID()));
      await first.close();
      await second.close();
    });
  });

  describe('locks an entity only where its batches can be settled', () => {
    const run = (sql: string) => server.execute('log', sql);

    /** Fails to lock, and holds nothing afterwards. */
    async function refused(t: TestContext, name: string, expected: { code: string; message: RegExp; hint?: RegExp }) {
      const [first, second] = [await open(t), await open(t)];
      await assert.rejects(first.lock(entityNamed(name), randomUUID()), expected);
      await assert.rejects(second.lock(entityNamed(name), randomUUID()), expected);
      const [row] = await server.query(
        'log',
        `SELECT OwnerRunId FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = N'${name}'`,
      );
      assert.deepEqual(row, { OwnerRunId: null });
    }

    it('and leaves no trace of having tried', async (t) => {
      const lock = await (await open(t)).lock(entityNamed('Rehearsed'), randomUUID());
      isLock(lock);
      assert.equal(await lock.ledger.isEmpty(), true);
      assert.deepEqual(
        await server.query('log', "SELECT EntityId FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'Rehearsed'"),
        [],
      );
      assert.deepEqual(
        await server.query('log', "SELECT ID FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Rehearsed'"),
        [],
      );
    });

    it('not where TB_R_Log has a column that it cannot fill', async (t) => {
      await run('ALTER TABLE dbo.TB_R_Log ADD CostCentre int NOT NULL CONSTRAINT DF_CostCentre DEFAULT 0');
      await run('ALTER TABLE dbo.TB_R_Log DROP CONSTRAINT DF_CostCentre');
      t.after(() => run('ALTER TABLE dbo.TB_R_Log DROP COLUMN CostCentre'));
      await refused(t, 'ExtraColumn', {
        code: 'LOG_DATABASE_REFUSED',
        message: /^Connection log: dbo\.TB_R_Log takes no row of ExtraColumn \(error 515: /,
        hint: /must allow NULL or have a default/,
      });
    });

    it('not where TB_R_SYNC_TRACKING has a column that it cannot fill', async (t) => {
      await run('ALTER TABLE dbo.TB_R_SYNC_TRACKING ADD Source int NOT NULL CONSTRAINT DF_Source DEFAULT 0');
      await run('ALTER TABLE dbo.TB_R_SYNC_TRACKING DROP CONSTRAINT DF_Source');
      t.after(() => run('ALTER TABLE dbo.TB_R_SYNC_TRACKING DROP COLUMN Source'));
      await refused(t, 'ExtraTracked', {
        code: 'LOG_DATABASE_REFUSED',
        message: /dbo\.TB_R_SYNC_TRACKING takes no row/,
      });
    });

    it('not where the ledger lacks a column of the tool’s', async (t) => {
      await run('ALTER TABLE dbo.TB_R_SYNC_TRACKING DROP COLUMN BatchId');
      t.after(() => run('ALTER TABLE dbo.TB_R_SYNC_TRACKING ADD BatchId uniqueidentifier NULL'));
      await refused(t, 'NoColumn', {
        code: 'LOG_DATABASE_NOT_MIGRATED',
        message: /dbo\.TB_R_SYNC_TRACKING/,
        hint: /migrate --print/,
      });
    });

    it('not where TB_R_Log is gone', async (t) => {
      await run("EXEC sp_rename 'dbo.TB_R_Log', 'TB_R_Log_Gone'");
      t.after(() => run("EXEC sp_rename 'dbo.TB_R_Log_Gone', 'TB_R_Log'"));
      await refused(t, 'Gone', {
        code: 'LOG_DATABASE_NOT_MIGRATED',
        message: /no table dbo\.TB_R_Log/,
        hint: /migrate --print/,
      });
    });

    itOnStandIn('not where one of its tables may not be written', async () => {
      for (const [match, table] of [
        [/INSERT INTO dbo\.TB_R_Log/, 'TB_R_Log'],
        [/INSERT INTO dbo\.TB_R_SYNC_TRACKING/, 'TB_R_SYNC_TRACKING'],
        [/DELETE t FROM .*dbo\.TB_R_SYNC_TRACKING/s, 'TB_R_SYNC_TRACKING'],
        [/UPDATE dbo\.TB_R_SYNC_BATCH/, 'TB_R_SYNC_BATCH'],
        [/DELETE f FROM dbo\.TB_R_SYNC_FAILURE/, 'TB_R_SYNC_FAILURE'],
        [/INSERT INTO dbo\.TB_R_SYNC_FAILURE/, 'TB_R_SYNC_FAILURE'],
      ] as const) {
        const database = await open();
        const fault = server.faults.add({ match, action: { error: 229, message: 'The permission was denied.' } });
        const entity = { ...entityNamed('Denied'), deleted: { url: 'http://127.0.0.1/deleted' } };
        await assert.rejects(database.lock(entity, randomUUID()), {
          code: 'LOG_DATABASE_REFUSED',
          message: new RegExp(`dbo\\.${table} takes no row of Denied \\(error 229`),
          hint: /granted/,
        });
        fault.remove();
        const lock = await database.lock(entity, randomUUID());
        isLock(lock);
        await database.close();
      }
    });

    itOnStandIn('also where no row may be deleted, if it has no deletions', async () => {
      const database = await open();
      const fault = server.faults.add({ match: /DELETE t FROM/, action: { error: 229 } });
      isLock(await database.lock(entityNamed('Undeleted'), randomUUID()));
      fault.remove();
      await database.close();
    });
  });

  it('gives a ledger for reading without a lock', async (t) => {
    const ledger = (await open(t)).readOnlyLedger(entityNamed('ReadOnly'));
    assert.equal(await ledger.isEmpty(), true);
    assert.deepEqual(await ledger.find(['1']), []);
  });
});

describe('a log database that was not migrated', () => {
  const server = useSqlServer({ seed: { rows: 0, oldJob: { rows: 3, labels: ['User'] } } });

  async function open(t: TestContext): Promise<LogDatabase> {
    const database = createLogDatabase(createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 2));
    t.after(() => database.close());
    return database;
  }

  it('takes no run, and says what to do', async (t) => {
    await assert.rejects((await open(t)).startRun(runStart()), {
      code: 'LOG_DATABASE_NOT_MIGRATED',
      hint: /tamhr-sync migrate/,
    });
  });

  it('can be read by a dry run', async (t) => {
    const ledger = (await open(t)).readOnlyLedger(entityNamed('User'));
    assert.equal(await ledger.isEmpty(), false);
    const [{ EntityId } = { EntityId: '' }] = await server.query(
      'log',
      'SELECT TOP (1) EntityId FROM dbo.TB_R_SYNC_TRACKING',
    );
    assert.deepEqual(await ledger.find(['none', String(EntityId)]), [{ index: 1, key: EntityId }]);
    assert.deepEqual(await ledger.findDeadLetters([String(EntityId)]), []);
    assert.equal(await ledger.maxBatchRows(), undefined);
    assert.equal((await ledger.page(undefined, 1)).length, 1);
    assert.deepEqual(await ledger.comparison(), {});
  });

  it('where even the ledger is missing, is the wrong one', async (t) => {
    const database = createLogDatabase(createPool(await settingsOf(server.connectionString('mdm')), 'LOG_DATABASE', 2));
    t.after(() => database.close());
    await assert.rejects(database.readOnlyLedger(entityNamed('User')).isEmpty(), {
      code: 'LOG_DATABASE_NOT_MIGRATED',
      message: /no table dbo\.TB_R_SYNC_TRACKING/,
    });
  });
});
