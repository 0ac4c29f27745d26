import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe } from 'node:test';
import type { FaultAction } from '../../dev/sqlserver/faults.ts';
import { createLedger } from '../../src/sqlserver/ledger.ts';
import { createLogDatabase } from '../../src/sqlserver/log-database.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createPool, type Pool } from '../../src/sqlserver/pool.ts';
import type { FaultPolicy } from '../../src/sqlserver/repeat.ts';
import { createSource, type SourceEntity } from '../../src/sqlserver/source.ts';
import type { ConnectionSettings } from '../../src/sync/connection.ts';
import type { Batch, Comparison, DeadLetter, Ledger, Outcome, Row, RunSummary } from '../../src/sync/ports.ts';
import { itOnStandIn, useSqlServer } from '../support/sqlserver.ts';
import { batchOf, entityNamed, hashOf, settingsOf } from './fixture.ts';

const ACCEPTED: Outcome = { state: 'accepted', attempts: [{ startedAt: new Date(), durationMs: 10, status: 200 }] };
const SPLIT: Outcome = {
  state: 'split',
  attempts: [{ startedAt: new Date(), durationMs: 10, status: 422, error: 'HTTP 422' }],
};
const REFUSED: Outcome = { ...SPLIT, state: 'refused' };
const UNKNOWN: Outcome = {
  state: 'unknown',
  attempts: [{ startedAt: new Date(), durationMs: 10, error: 'connection reset' }],
};

/** What a planted fault does, by its name in a test. */
const FAULTS: Readonly<Record<string, FaultAction>> = {
  'a connection that is lost before it': { drop: 'before' },
  'a connection that is lost after it': { drop: 'after' },
  'a deadlock': { error: 1205 },
};

/** A database's pool whose work is repeated, and what was told of that. */
interface Faulty {
  readonly pool: Pool;
  readonly told: string[];
}

/** A method of a ledger as the tests below do it. */
interface Operation {
  /** What has to be there before. */
  readonly prepare?: (ledger: Ledger, batch: Batch) => Promise<void>;
  readonly act: (ledger: Ledger, batch: Batch) => Promise<unknown>;
  readonly gives?: unknown;
}

const COMPARISON: Comparison = {
  sourceHash: hashOf('source'),
  mapHash: hashOf('map'),
  watermark: { method: 'rowversion', value: Buffer.alloc(8, 1), sourceHash: hashOf('column') },
  lastFullAt: new Date('2026-11-23T20:00:00.123Z'),
};
const LETTERS: readonly DeadLetter[] = [
  { key: 'b', reason: 'refused' },
  { key: 'c', reason: 'refused' },
];
const reserve = (ledger: Ledger, batch: Batch) => ledger.reserve(batch);

const OPERATIONS: Readonly<Record<string, Operation>> = {
  reserve: { act: reserve },
  settle: {
    async prepare(ledger, batch) {
      await ledger.deadLetter([
        { key: 'a', reason: 'known' },
        { key: 'b', reason: 'known' },
      ]);
      await ledger.reserve(batch);
    },
    act: (ledger, batch) => ledger.settle(batch, ACCEPTED, LETTERS),
    gives: 1,
  },
  split: {
    prepare: reserve,
    act: (ledger, batch) => ledger.split(batch, SPLIT, [batchOf(['a', 'b']), batchOf(['c'])]),
  },
  'settle of a refused batch': {
    async prepare(ledger, batch) {
      await ledger.rememberComparison(COMPARISON);
      await ledger.reserve(batch);
    },
    act: (ledger, batch) => ledger.settle(batch, REFUSED, LETTERS),
    gives: 2,
  },
  'settle of a deletion': {
    async prepare(ledger, batch) {
      const sent = batchOf([...batch.keys, 'd']);
      await ledger.reserve(sent);
      await ledger.settle(sent, ACCEPTED, []);
      await ledger.deadLetter([{ key: 'a', reason: 'known' }]);
      await ledger.reserve({ ...batch, operation: 'delete' });
    },
    act: (ledger, batch) => ledger.settle({ ...batch, operation: 'delete' }, ACCEPTED, LETTERS),
    gives: 2,
  },
  keepUnknown: {
    prepare: reserve,
    act: (ledger, batch) => ledger.keepUnknown(batch, UNKNOWN, { refusedRuns: 1, serverErrorRuns: 0 }),
  },
  deadLetter: { act: (ledger) => ledger.deadLetter(LETTERS), gives: 2 },
  dropDeadLetters: {
    prepare: async (ledger) => {
      await ledger.deadLetter(LETTERS);
    },
    act: (ledger) => ledger.dropDeadLetters(['b', 'x']),
  },
  takeHashes: {
    async prepare(ledger, batch) {
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
    },
    act: (ledger) => ledger.takeHashes([{ key: 'a', hash: hashOf('taken') }]),
  },
  rememberComparison: { act: (ledger) => ledger.rememberComparison(COMPARISON) },
  comparison: {
    prepare: (ledger) => ledger.rememberComparison(COMPARISON),
    act: (ledger) => ledger.comparison(),
    gives: COMPARISON,
  },
  page: {
    async prepare(ledger, batch) {
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
    },
    act: (ledger) => ledger.page('a', 1),
    gives: [{ key: 'b', hash: hashOf('b') }],
  },
  count: { act: (ledger) => ledger.count(), gives: 0 },
  dueDeadLetters: {
    prepare: async (ledger) => {
      await ledger.deadLetter(LETTERS);
    },
    act: (ledger) => ledger.dueDeadLetters(undefined, 10),
    gives: [],
  },
  find: { act: (ledger) => ledger.find(['x', 'y']), gives: [] },
  findDeadLetters: {
    prepare: async (ledger) => {
      await ledger.deadLetter(LETTERS);
    },
    act: (ledger) => ledger.findDeadLetters(['x', 'b']),
    gives: [{ index: 1, state: 'waiting' }],
  },
};

describe('among faults', () => {
  const server = useSqlServer();
  const pools: Pool[] = [];

  before(async () => {
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
  });
  after(() => server.faults.clear());

  async function open(changes: Partial<ConnectionSettings> = {}, policy: Partial<FaultPolicy> = {}): Promise<Faulty> {
    const told: string[] = [];
    const settings = { ...(await settingsOf(server.connectionString('log'))), ...changes };
    const faults = {
      abort: new AbortController().signal,
      onRepeat: (message: string) => told.push(message),
      ...policy,
    };
    const pool = createPool(settings, 'LOG_DATABASE', 4, faults);
    pools.push(pool);
    return { pool, told };
  }

  async function closePools(): Promise<void> {
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
  }

  let entities = 0;

  /** The ledger of an entity of its own. */
  async function newLedger(
    pool: Pool,
  ): Promise<{ readonly ledger: Ledger; readonly name: string; readonly runId: string }> {
    entities += 1;
    const [name, runId] = [`Entity${entities}`, randomUUID()];
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, OwnerRunId) VALUES (N'${name}', '${runId}')`,
    );
    return { ledger: createLedger(pool, { entity: entityNamed(name), runId, host: 'worker-1' }), name, runId };
  }

  const query = (sql: string) => server.query('log', sql);

  /** Everything that the tables say of an entity, without ids and times. */
  async function stateOf(name: string): Promise<Record<string, unknown>> {
    const batches = await query(
      `SELECT State, RowsInBatch, Attempts, RunsTried, CASE WHEN Body IS NULL THEN 0 ELSE 1 END AS HasBody,
       CASE WHEN ParentId IS NULL THEN 0 ELSE 1 END AS IsHalf, RefusedRuns
     FROM dbo.TB_R_SYNC_BATCH WHERE EntityType = N'${name}' ORDER BY State, RowsInBatch`,
    );
    const tracked = await query(
      `SELECT EntityId, RowHash FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'${name}' ORDER BY EntityId`,
    );
    const letters = await query(
      `SELECT EntityId, Reason, Attempts, State FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'${name}' ORDER BY EntityId`,
    );
    const log = await query(`SELECT Status FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: ${name}'`);
    const comparison = await query(
      `SELECT SourceHash, MapHash, WatermarkKind, Watermark, WatermarkSourceHash, LastFullComparisonAt
       FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = N'${name}'`,
    );
    return { batches, tracked, letters, log, comparison };
  }

  describe('a ledger', () => {
    after(closePools);

    for (const [operation, { prepare, act, gives }] of Object.entries(OPERATIONS)) {
      for (const [fault, action] of Object.entries(FAULTS)) {
        itOnStandIn(`does ${operation} once and wholly, whichever statement meets ${fault}`, async () => {
          const { pool } = await open();
          const undisturbed = await newLedger(pool);
          const batch = batchOf(['a', 'b', 'c']);
          await prepare?.(undisturbed.ledger, batch);
          await act(undisturbed.ledger, batch);
          const expected = await stateOf(undisturbed.name);
          for (let statement = 1; ; statement++) {
            const { ledger, name } = await newLedger(pool);
            const batch = batchOf(['a', 'b', 'c']);
            await prepare?.(ledger, batch);
            const planted = server.faults.add({ match: /^/, on: statement, action });
            const given = await act(ledger, batch);
            planted.remove();
            assert.deepEqual(given, gives, `statement ${statement}`);
            assert.deepEqual(await stateOf(name), expected, `statement ${statement}`);
            if (planted.hits === 0) {
              assert.ok(statement > 1);
              break;
            }
          }
          await closePools();
        });
      }
    }

    itOnStandIn('settles through a database that is read-only or full for a while', async () => {
      for (const error of [3906, 9002, 40197]) {
        const { pool, told } = await open();
        const { ledger, name } = await newLedger(pool);
        const batch = batchOf(['1']);
        await ledger.reserve(batch);
        const fault = server.faults.add({ match: /UPDATE dbo\.TB_R_SYNC_BATCH/, on: [1, 2, 3], action: { error } });
        await ledger.settle(batch, ACCEPTED, []);
        fault.remove();
        assert.equal(fault.hits, 3);
        assert.equal(told.length, 1);
        assert.match(String(told[0]), new RegExp(`^Connection log: error ${error} \\(.+\\); trying again\\.$`));
        const { tracked, log } = await stateOf(name);
        assert.deepEqual([tracked, log], [[{ EntityId: '1', RowHash: hashOf('1') }], [{ Status: 'Success' }]]);
      }
      await closePools();
    });

    itOnStandIn('settles on a new connection where a statement stalls', async () => {
      const { pool } = await open({ requestTimeoutMs: 100 });
      for (const action of [{ hold: true }, { hang: true }] as const) {
        const { ledger, name } = await newLedger(pool);
        const batch = batchOf(['1']);
        await ledger.reserve(batch);
        const fault = server.faults.add({ match: /INSERT INTO dbo\.TB_R_Log/, on: 1, action });
        const settled = ledger.settle(batch, ACCEPTED, []);
        await fault.struck;
        await settled;
        fault.remove();
        assert.deepEqual((await stateOf(name)).log, [{ Status: 'Success' }]);
      }
      await closePools();
    });

    itOnStandIn('never tries a refused login again', async () => {
      const { pool, told } = await open();
      const { ledger, name } = await newLedger(pool);
      const batch = batchOf(['1']);
      const fault = server.faults.add({ match: /^LOGIN/, action: { error: 18456 } });
      await assert.rejects(ledger.reserve(batch), { code: 'LOG_DATABASE_UNAVAILABLE', message: /error 18456/ });
      assert.equal(fault.hits, 1);
      assert.deepEqual(told, []);
      fault.remove();
      assert.deepEqual((await stateOf(name)).batches, []);
      await closePools();
    });

    itOnStandIn('waits for a server that is not there yet, and for a database that is failing over', async () => {
      const { pool, told } = await open();
      const { ledger } = await newLedger(pool);
      const absent = server.faults.add({ match: /^LOGIN/, on: [1, 2], action: { drop: 'before' } });
      assert.equal(await ledger.isEmpty(), true);
      absent.remove();
      assert.equal(absent.hits, 2);
      const moving = server.faults.add({ match: /^LOGIN/, on: [1, 2], action: { error: 4060 } });
      await server.standIn.dropConnections();
      assert.equal(await ledger.isEmpty(), true);
      moving.remove();
      assert.equal(moving.hits, 2);
      assert.ok(told.some((message) => /error 4060/.test(message)));
      await closePools();
    });

    itOnStandIn('does not wait for a database that was never there', async () => {
      const { pool } = await open();
      const { ledger } = await newLedger(pool);
      const fault = server.faults.add({ match: /^LOGIN/, action: { error: 4060 } });
      await assert.rejects(ledger.isEmpty(), { code: 'LOG_DATABASE_UNAVAILABLE' });
      assert.equal(fault.hits, 1);
      fault.remove();
      await closePools();
    });

    itOnStandIn('gives up when its time is up or the run is cut off, and settle last of all', async () => {
      const controller = new AbortController();
      const { pool } = await open({ retryForMs: 0 }, { abort: controller.signal });
      const { ledger, name } = await newLedger(pool);
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      const fault = server.faults.add({ match: /UPDATE dbo\.TB_R_SYNC_ENTITY/, action: { error: 9002 } });
      await assert.rejects(ledger.reserve(batchOf(['2'])), { code: 'LOG_DATABASE_REFUSED' });
      assert.equal(fault.hits, 1);
      const settled = ledger.settle(batch, ACCEPTED, []);
      const rejected = assert.rejects(settled, { code: 'LOG_DATABASE_REFUSED' });
      await fault.struck;
      setImmediate(() => controller.abort());
      await rejected;
      fault.remove();
      const { batches, log } = await stateOf(name);
      assert.equal((batches as unknown[]).length, 1);
      assert.deepEqual(log, []);
      await closePools();
    });

    itOnStandIn('settles each of several batches once while connections are cut again and again', async () => {
      const { pool } = await open();
      const { ledger, name } = await newLedger(pool);
      const batches = Array.from({ length: 12 }, (_, index) => batchOf([`${index}`, `${index}+`]));
      const cut = server.faults.add({
        match: /TB_R_SYNC_BATCH|COMMIT/,
        on: [3, 7, 11, 15, 19],
        action: { drop: 'after' },
      });
      await Promise.all(
        batches.map(async (batch) => {
          await ledger.reserve(batch);
          await ledger.settle(batch, ACCEPTED, []);
        }),
      );
      cut.remove();
      assert.equal(cut.hits, 5);
      const state = await stateOf(name);
      assert.equal((state.tracked as unknown[]).length, 24);
      assert.equal((state.log as unknown[]).length, 12);
      assert.deepEqual(
        (state.batches as { State: string }[]).map(({ State }) => State),
        batches.map(() => 'accepted'),
      );
      await closePools();
    });
  });

  describe('a log database', () => {
    const summary = (runId: string): RunSummary => ({
      runId,
      dryRun: false,
      startedAt: '2026-11-23T03:00:00.000Z',
      durationMs: 1,
      exitCode: 0,
      entities: [],
    });

    for (const [fault, action] of Object.entries(FAULTS)) {
      itOnStandIn(`runs, locks and releases, whichever statement meets ${fault}`, async () => {
        const database = createLogDatabase((await open()).pool);
        for (let statement = 1; ; statement++) {
          const runId = randomUUID();
          const planted = server.faults.add({ match: /^/, on: statement, action });
          await database.startRun({ runId, host: 'h', processId: 1, version: '0', arguments: 'run' });
          const name = `${fault} ${statement}`;
          const lock = await database.lock(entityNamed(name), runId);
          assert.ok(!('heldBy' in lock), name);
          await lock.ledger.reserve(batchOf(['1']));
          await lock.release();
          await database.finishRun(runId, 'finished', 0, summary(runId));
          planted.remove();
          const ended = await query(
            `SELECT r.State, e.OwnerRunId, APPLOCK_TEST(N'public', N'tamhr-sync:${name}', N'Exclusive', N'Session') AS IsFree
             FROM dbo.TB_R_SYNC_RUN AS r INNER JOIN dbo.TB_R_SYNC_ENTITY AS e ON e.EntityType = N'${name}'
             WHERE r.RunId = '${runId}'`,
          );
          assert.deepEqual(ended, [{ State: 'finished', OwnerRunId: null, IsFree: 1 }], name);
          if (planted.hits === 0) break;
        }
        await database.close();
        await closePools();
      });
    }
  });

  describe('a source', () => {
    const entity: SourceEntity = {
      name: 'Rows',
      source: { connection: 'log', table: 'dbo.SourceRows', key: ['Id'] },
      detection: { method: 'hash', overlapMinutes: 0 },
    };

    before(async () => {
      await server.execute('log', 'CREATE TABLE dbo.SourceRows (Id int NOT NULL PRIMARY KEY, Name nvarchar(20) NULL)');
      await server.execute('log', "INSERT INTO dbo.SourceRows (Id, Name) VALUES (1, N'a'), (2, N'b'), (3, N'c')");
    });
    after(closePools);

    const actions: Readonly<Record<string, FaultAction>> = {
      'is cut off': { truncateAfterRows: 2 },
      stalls: { stallAfterRows: 1 },
      'is a deadlock': { error: 1205 },
      'is that data moved': { error: 601 },
      'never comes': { drop: 'before' },
    };
    for (const [what, action] of Object.entries(actions)) {
      itOnStandIn(`reads a page wholly though the first answer ${what}`, async () => {
        const source = createSource((await open({ requestTimeoutMs: 200 })).pool, entity);
        const fault = server.faults.add({ match: /SELECT TOP \(@limit\)/, on: 1, action });
        assert.deepEqual(await source.page(undefined, 10, new AbortController().signal, { shape: 'row' }), [
          [1, 'a'],
          [2, 'b'],
          [3, 'c'],
        ]);
        fault.remove();
        assert.equal(fault.hits, 1);
      });
    }

    itOnStandIn('gives the rows of a page until it is cut off, none of them twice, and reads on', async () => {
      const source = createSource((await open()).pool, entity);
      const fault = server.faults.add({ match: /SELECT TOP \(@limit\)/, on: 1, action: { truncateAfterRows: 2 } });
      const never = new AbortController().signal;
      const rows: string[] = [];
      const take = (row: Row) => rows.push(row.join(' '));
      assert.equal(await source.eachRow(undefined, 10, never, { shape: 'row' }, take), false);
      assert.deepEqual(rows, ['1 a', '2 b']);
      fault.remove();
      rows.length = 0;
      assert.equal(await source.eachRow([2], 10, never, { shape: 'row' }, take), true);
      assert.deepEqual(rows, ['2 b', '3 c']);
    });

    itOnStandIn('reads a page again that breaks off before its first row', async () => {
      const source = createSource((await open()).pool, entity);
      const fault = server.faults.add({ match: /SELECT TOP \(@limit\)/, on: 1, action: { drop: 'before' } });
      const keys: unknown[] = [];
      const take = ([key]: Row) => keys.push(key);
      const never = new AbortController().signal;
      assert.equal(await source.eachRow(undefined, 10, never, { shape: 'key' }, take), true);
      assert.deepEqual(keys, [1, 2, 3]);
      fault.remove();
      assert.equal(fault.hits, 1);
    });

    itOnStandIn('is described and counted though the connection is lost', async () => {
      const source = createSource((await open()).pool, entity);
      const fault = server.faults.add({ match: /SourceRows/, on: [1, 3], action: { drop: 'before' } });
      assert.equal((await source.describe()).length, 2);
      assert.equal(await source.count(), 3);
      fault.remove();
      assert.equal(fault.hits, 2);
    });

    itOnStandIn('does not read again what was cancelled', async () => {
      const { pool, told } = await open();
      const source = createSource(pool, entity);
      await source.describe();
      const fault = server.faults.add({ match: /FROM \[dbo\]\.\[SourceRows\]/, action: { hold: true } });
      const controller = new AbortController();
      const page = source.page(undefined, 10, controller.signal, { shape: 'row' });
      await fault.struck;
      controller.abort();
      await assert.rejects(page, { name: 'AbortError' });
      fault.remove();
      assert.equal(fault.hits, 1);
      assert.deepEqual(told, []);

      const cut = server.faults.add({ match: /SELECT TOP \(@limit\)/, on: 1, action: { truncateAfterRows: 2 } });
      const during = new AbortController();
      const read = source.eachRow(undefined, 10, during.signal, { shape: 'row' }, () => during.abort());
      await assert.rejects(read, { name: 'AbortError' });
      cut.remove();
      assert.deepEqual(told, []);
    });
  });
});
