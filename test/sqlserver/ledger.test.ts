import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { createLedger } from '../../src/sqlserver/ledger.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import {
  type Batch,
  DELETION_HASH,
  type DeadLetter,
  type EntityIdentity,
  type Ledger,
  type Outcome,
  type UnresolvedBatch,
} from '../../src/sync/ports.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { batchOf, deletionOf, entityNamed, hashOf, ownedLedger, settingsOf, useServerAndPool } from './fixture.ts';

const ACCEPTED: Outcome = {
  state: 'accepted',
  attempts: [{ startedAt: new Date(), durationMs: 1500.4, status: 200 }],
};
const REFUSED: Outcome = {
  state: 'refused',
  attempts: [
    { startedAt: new Date(), durationMs: 20, error: 'connection reset' },
    { startedAt: new Date(), durationMs: 30, status: 503, error: 'HTTP 503: try later' },
  ],
};

const UNKNOWN: Outcome = {
  state: 'unknown',
  attempts: [{ startedAt: new Date(), durationMs: 30_000, error: 'no answer in 30 s' }],
};
const NO_DOUBT = { refusedRuns: 0, serverErrorRuns: 0 };

describe('a ledger', () => {
  const { server, pool } = useServerAndPool('log');
  before(async () => {
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
  });

  const query = (sql: string) => server.query('log', sql);
  const guids = (count: number) => Array.from({ length: count }, () => randomUUID());

  const ledgerOf = async (entity: EntityIdentity) => ownedLedger(server, await pool(), entity);

  async function unresolvedBatches(ledger: Ledger): Promise<UnresolvedBatch[]> {
    const batches: UnresolvedBatch[] = [];
    for await (const batch of ledger.unresolved()) batches.push(batch);
    return batches;
  }

  async function unresolvedOf(ledger: Ledger): Promise<Batch[]> {
    return (await unresolvedBatches(ledger)).map(({ batch }) => batch);
  }

  describe('before anything is sent', () => {
    it('is empty, and is not where any of its labels has a row', async () => {
      const entity: EntityIdentity = { ...entityNamed('Empty'), trackingLabels: ['Empty', 'EmptyOld'] };
      const { ledger } = await ledgerOf(entity);
      assert.equal(await ledger.isEmpty(), true);
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'EmptyOld', N'1')`,
      );
      assert.equal(await ledger.isEmpty(), false);
    });

    it('knows whether a batch of the entity ever succeeded, from whichever job', async () => {
      const { ledger } = await ledgerOf(entityNamed('Logged'));
      assert.equal(await ledger.hasLoggedSuccess(), false);
      const insert = (status: string) =>
        server.execute(
          'log',
          `INSERT INTO dbo.TB_R_Log (ID, ApplicationName, LogID, LogCategory, Activity, ApplicationModule, IPHostName, Status,
             CreatedBy, CreatedOn, RowStatus)
           VALUES (NEWID(), N'old', N'1', N'DataSync', N'Sync Batch: Logged', N'old', N'h', N'${status}', N'System', GETUTCDATE(), 1)`,
        );
      await insert('Failure');
      assert.equal(await ledger.hasLoggedSuccess(), false);
      await insert('Success');
      assert.equal(await ledger.hasLoggedSuccess(), true);
    });
  });

  describe('all of whose keys the run knows', () => {
    const trackedOf = (label: string) =>
      query(`SELECT EntityId, RowHash FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'${label}' ORDER BY EntityId`);

    it('records rows that somebody else has added since, too', async () => {
      const entity = entityNamed('Plain');
      const { ledger } = await ledgerOf(entity);
      assert.equal(await ledger.isEmpty(), true);
      await ledger.eachKey(() => assert.fail('holds none'), new AbortController().signal);
      const first = batchOf(['a', 'b']);
      await ledger.reserve(first);
      await ledger.settle(first, ACCEPTED, []);
      await server.execute('log', "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'Plain', N'c')");
      const second = batchOf(['c', 'd', 'D']);
      await ledger.reserve(second);
      await ledger.settle(second, ACCEPTED, []);
      assert.deepEqual(
        (await trackedOf('Plain')).map(({ EntityId, RowHash }) => [EntityId, RowHash !== null]),
        [
          ['a', true],
          ['b', true],
          ['c', true],
          ['d', true],
        ],
      );
      assert.deepEqual(await unresolvedOf(ledger), []);
      const [log] = await query("SELECT COUNT(*) AS n FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Plain'");
      assert.equal(log?.n, 2);
    });
  });

  describe('whose tracked keys the run knows, asked to settle what may be tracked under an older label,', () => {
    const track = (label: string, key: string) =>
      server.execute('log', 'INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (@label, @key)', {
        label,
        key,
      });
    const hashesOf = async (name: string) =>
      (await query(`SELECT EntityType, RowHash FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType LIKE N'${name}%'`)).map(
        ({ EntityType, RowHash }) => [EntityType, RowHash !== null],
      );
    const never = new AbortController().signal;

    it('records a batch of an earlier run under that label', async () => {
      const entity: EntityIdentity = { ...entityNamed('Late'), trackingLabels: ['Late', 'LateOld'] };
      await track('LateOld', '1');
      const { ledger: earlier } = await ledgerOf(entity);
      const batch = batchOf(['1']);
      await earlier.reserve(batch);
      const { ledger } = await ledgerOf(entity);
      await ledger.eachKey(() => {}, never);
      await ledger.settle(batch, ACCEPTED, []);
      assert.deepEqual(await hashesOf('Late'), [['LateOld', true]]);
    });

    it('records a dead letter that was due under that label', async () => {
      const entity: EntityIdentity = { ...entityNamed('Due'), trackingLabels: ['Due', 'DueOld'] };
      await track('DueOld', '1');
      const { ledger } = await ledgerOf(entity);
      await ledger.deadLetter([{ key: '1', reason: 'field Name is empty' }]);
      await server.execute('log', "UPDATE dbo.TB_R_SYNC_FAILURE SET NextTryAt = NULL WHERE EntityType = N'Due'");
      await ledger.eachKey(() => {}, never);
      assert.deepEqual(await ledger.dueDeadLetters(undefined, 10), ['1']);
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      assert.deepEqual(await hashesOf('Due'), [['DueOld', true]]);
    });
  });

  it('settles a batch all of whose rows were rejected', async () => {
    const { ledger } = await ledgerOf(entityNamed('AllRejected'));
    assert.equal(await ledger.isEmpty(), true);
    const batch = batchOf(['1', '2']);
    await ledger.reserve(batch);
    const letters = batch.keys.map((key): DeadLetter => ({ key, reason: 'field Name is empty' }));
    assert.equal(await ledger.settle(batch, ACCEPTED, letters), 2);
    assert.deepEqual(await unresolvedOf(ledger), []);
    assert.deepEqual(await query("SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'AllRejected'"), []);
  });

  it('gives the key of each row under any label', async () => {
    const entity: EntityIdentity = { ...entityNamed('Each'), trackingLabels: ['Each', 'EachOld'] };
    const { ledger } = await ledgerOf(entity);
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId)
       VALUES (N'Each', N'1'), (N'EachOld', N'2'), (N'EachOld', N'1'), (N'Other', N'3')`,
    );
    const keys: string[] = [];
    await ledger.eachKey((key) => keys.push(key), new AbortController().signal);
    assert.deepEqual(keys.sort(), ['1', '1', '2']);
    const aborted = ledger.eachKey(() => {}, AbortSignal.abort());
    await assert.rejects(aborted, { name: 'AbortError' });
  });

  describe('a reserved batch that is withdrawn', () => {
    it('leaves no trace', async () => {
      const { ledger } = await ledgerOf(entityNamed('Withdrawn'));
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      await ledger.withdraw(batch);
      await ledger.withdraw(batch);
      assert.deepEqual(await unresolvedOf(ledger), []);
      assert.deepEqual(await query(`SELECT 1 AS n FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = '${batch.id}'`), []);
    });

    it('stays where the entity is no longer the run’s', async () => {
      const entity = entityNamed('WithdrawnLate');
      const { ledger } = await ledgerOf(entity);
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      const { ledger: later } = await ledgerOf(entity);
      await assert.rejects(ledger.withdraw(batch), { code: 'LOCK_LOST' });
      assert.deepEqual(
        (await unresolvedOf(later)).map(({ id }) => id),
        [batch.id],
      );
    });
  });

  describe('asked which keys are tracked', () => {
    const entity: EntityIdentity = { ...entityNamed('Find'), trackingLabels: ['Find', 'FindOld'] };

    it('finds those under any label by their place in the list, with their hashes where they have some', async () => {
      const { ledger } = await ledgerOf(entity);
      const hash = hashOf('x');
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, RowHash)
         VALUES (N'Find', N'new', 0x${hash.toString('hex')}), (N'FindOld', N'old', NULL), (N'Other', N'absent', NULL)`,
      );
      const found = await ledger.find(['absent', 'old', 'nowhere', 'new']);
      assert.deepEqual(
        [...found].sort((a, b) => a.index - b.index),
        [
          { index: 1, key: 'old' },
          { index: 3, key: 'new', hash },
        ],
      );
    });

    it('finds a key that differs in case or trailing spaces, with the text that stands there', async () => {
      const { ledger } = await ledgerOf(entity);
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'FindOld', N'Abc')`,
      );
      assert.deepEqual(await ledger.find(['abc  ']), [{ index: 0, key: 'Abc' }]);
    });

    it('finds a key under both labels twice', async () => {
      const { ledger } = await ledgerOf(entity);
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'Find', N'twice'), (N'FindOld', N'twice')`,
      );
      assert.equal((await ledger.find(['once', 'twice'])).length, 2);
    });

    it('answers each call for its own list alone, also for an empty one', async () => {
      const { ledger } = await ledgerOf(entity);
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'Find', N'mine')`,
      );
      assert.equal((await ledger.find(['mine', 'other'])).length, 1);
      assert.deepEqual(await ledger.find(['other']), []);
      assert.deepEqual(await ledger.find([]), []);
      assert.deepEqual(await ledger.find(['mine']), [{ index: 0, key: 'mine' }]);
    });

    it('has none that is longer than its column', async () => {
      const { ledger } = await ledgerOf(entity);
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'Find', N'${'x'.repeat(255)}')`,
      );
      const found = await ledger.find(['x'.repeat(256), 'x'.repeat(255)]);
      assert.deepEqual(
        found.map(({ index }) => index),
        [1],
      );
    });

    it('takes ten thousand keys at once', async () => {
      const { ledger } = await ledgerOf(entityNamed('FindMany'));
      const keys = guids(10_000);
      const batch = batchOf(keys.filter((_, index) => index % 10 === 0));
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      const found = await ledger.find(keys);
      assert.deepEqual(
        found.map(({ index }) => index).sort((a, b) => a - b),
        batch.keys.map((_, index) => index * 10),
      );
    });
  });

  describe('a reserved batch', () => {
    it('comes back byte for byte until it is settled, oldest first', async () => {
      const { ledger } = await ledgerOf(entityNamed('Reserve'));
      const first = batchOf(guids(3));
      const second = batchOf(['ключ', '三😀']);
      await ledger.reserve(first);
      await server.execute(
        'log',
        `UPDATE dbo.TB_R_SYNC_BATCH SET CreatedAt = DATEADD(second, -5, CreatedAt) WHERE BatchId = '${first.id}'`,
      );
      await ledger.reserve(second);
      const unresolved = await unresolvedOf(ledger);
      assert.deepEqual(
        unresolved.map(({ id }) => id),
        [first.id, second.id],
      );
      assert.deepEqual(Buffer.from(unresolved[1]?.body ?? []), Buffer.from(second.body));
      assert.deepEqual(unresolved[1]?.keys, second.keys);
      assert.deepEqual(Buffer.from(unresolved[1]?.hashes ?? []), Buffer.from(second.hashes));
      assert.deepEqual(unresolved[1]?.offsets, second.offsets);
      await ledger.settle(first, REFUSED, []);
      await ledger.settle(second, ACCEPTED, []);
      assert.deepEqual(await unresolvedOf(ledger), []);
    });

    it('belongs to its entity alone', async () => {
      const { ledger } = await ledgerOf(entityNamed('Mine'));
      const { ledger: others } = await ledgerOf(entityNamed('Theirs'));
      await ledger.reserve(batchOf(['1']));
      assert.deepEqual(await unresolvedOf(others), []);
    });

    it('comes back when its labels have changed places', async () => {
      const { ledger: before } = await ledgerOf({ ...entityNamed('Order'), trackingLabels: ['OrderOld', 'Order'] });
      const batch = batchOf(['1']);
      await before.reserve(batch);
      const { ledger } = await ledgerOf({ ...entityNamed('Order'), trackingLabels: ['Order', 'OrderOld'] });
      const [found] = await unresolvedOf(ledger);
      assert.equal(found?.id, batch.id);
      await ledger.settle(found, ACCEPTED, []);
      assert.deepEqual(await unresolvedOf(ledger), []);
    });

    it('that has lost its body or its keys is named', async () => {
      for (const column of ['Body', 'RowKeys']) {
        const { ledger } = await ledgerOf(entityNamed(`No${column}`));
        const batch = batchOf(['1']);
        await ledger.reserve(batch);
        await server.execute('log', `UPDATE dbo.TB_R_SYNC_BATCH SET ${column} = NULL WHERE BatchId = '${batch.id}'`);
        await assert.rejects(unresolvedOf(ledger), {
          code: 'LOG_DATABASE_REFUSED',
          message: new RegExp(batch.id),
          hint: /from the receiver/,
        });
      }
    });

    it('that is damaged is named', async () => {
      const { ledger } = await ledgerOf(entityNamed('Damaged'));
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      await server.execute('log', `UPDATE dbo.TB_R_SYNC_BATCH SET Body = 0x00 WHERE BatchId = '${batch.id}'`);
      await assert.rejects(unresolvedOf(ledger), { code: 'LOG_DATABASE_REFUSED', message: new RegExp(batch.id) });
    });

    it('is stored for a while only, and records who sends it', async () => {
      const { ledger, runId } = await ledgerOf(entityNamed('Stored'));
      const batch = batchOf(['a', 'b']);
      await ledger.reserve(batch);
      const columns =
        'RunId, EntityType, Operation, State, RowsInBatch, Attempts, RunsTried, HttpStatus, DurationMs, Error, Body, RowKeys, SettledAt';
      const select = `SELECT ${columns} FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = '${batch.id}'`;
      const [reserved] = await query(select);
      assert.ok(reserved?.Body && reserved.RowKeys);
      assert.deepEqual(
        { ...reserved, Body: null, RowKeys: null },
        {
          RunId: runId,
          EntityType: 'Stored',
          Operation: 'upsert',
          State: 'sending',
          RowsInBatch: 2,
          Attempts: 0,
          RunsTried: 1,
          HttpStatus: null,
          DurationMs: null,
          Error: null,
          Body: null,
          RowKeys: null,
          SettledAt: null,
        },
      );
      await ledger.settle(batch, REFUSED, []);
      const [settled] = await query(select);
      assert.ok(settled?.SettledAt instanceof Date);
      assert.deepEqual(
        { ...settled, SettledAt: null },
        {
          ...reserved,
          State: 'refused',
          Attempts: 2,
          HttpStatus: 503,
          DurationMs: 50,
          Error: 'HTTP 503: try later',
          Body: null,
          RowKeys: null,
        },
      );
    });

    it('of another run counts one more run when it is settled', async () => {
      const entity = entityNamed('Replayed');
      const { ledger: dead } = await ledgerOf(entity);
      const batch = batchOf(['1']);
      await dead.reserve(batch);
      const { ledger } = await ledgerOf(entity);
      const [found] = await unresolvedOf(ledger);
      assert.ok(found);
      await ledger.settle(found, ACCEPTED, []);
      assert.deepEqual(await query(`SELECT State, RunsTried FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = '${batch.id}'`), [
        { State: 'accepted', RunsTried: 2 },
      ]);
    });
  });

  describe('settling', () => {
    it('an accepted batch tracks its rows under the first label, with hash, batch and time', async () => {
      const entity: EntityIdentity = { ...entityNamed('Settle'), trackingLabels: ['Settle', 'SettleOld'] };
      const { ledger } = await ledgerOf(entity);
      const batch = batchOf(guids(3000));
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      const rows = await query(`SELECT EntityType, EntityId, RowHash, BatchId, SyncTimestamp FROM dbo.TB_R_SYNC_TRACKING
        WHERE EntityType IN (N'Settle', N'SettleOld')`);
      assert.equal(rows.length, 3000);
      assert.deepEqual(new Set(rows.map(({ EntityId }) => EntityId)), new Set(batch.keys));
      for (const row of rows) {
        assert.equal(row.EntityType, 'Settle');
        assert.equal(row.BatchId, batch.id);
        assert.deepEqual(row.RowHash, hashOf(String(row.EntityId)));
        assert.ok(Math.abs(Date.now() - (row.SyncTimestamp as Date).getTime()) < 60_000);
      }
    });

    it('an accepted batch updates rows under the label they stand under, and adds none', async () => {
      const entity: EntityIdentity = { ...entityNamed('Update'), trackingLabels: ['Update', 'UpdateOld'] };
      const { ledger } = await ledgerOf(entity);
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp)
         VALUES (N'Update', N'a', '2020-01-01'), (N'UpdateOld', N'b', '2020-01-01'), (N'Update', N'z', '2020-01-01')`,
      );
      const batch = batchOf(['a', 'b', 'c']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      const rows =
        await query(`SELECT EntityType, EntityId, RowHash, YEAR(SyncTimestamp) AS Year FROM dbo.TB_R_SYNC_TRACKING
        WHERE EntityType IN (N'Update', N'UpdateOld') ORDER BY EntityId`);
      const year = new Date().getUTCFullYear();
      assert.deepEqual(rows, [
        { EntityType: 'Update', EntityId: 'a', RowHash: hashOf('a'), Year: year },
        { EntityType: 'UpdateOld', EntityId: 'b', RowHash: hashOf('b'), Year: year },
        { EntityType: 'Update', EntityId: 'c', RowHash: hashOf('c'), Year: year },
        { EntityType: 'Update', EntityId: 'z', RowHash: null, Year: 2020 },
      ]);
    });

    it('does not fail where two keys of a batch are equal to the ledger', async () => {
      const { ledger } = await ledgerOf(entityNamed('Equal'));
      const batch = batchOf(['k', 'K', 'k ']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      assert.equal((await query("SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'Equal'")).length, 1);
    });

    it('a refused batch tracks nothing', async () => {
      const { ledger } = await ledgerOf(entityNamed('Refuse'));
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      await ledger.settle(batch, REFUSED, []);
      assert.equal(await ledger.isEmpty(), true);
    });

    it('twice does nothing the second time', async () => {
      const { ledger } = await ledgerOf(entityNamed('Twice'));
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      await ledger.settle(batch, ACCEPTED, []);
      await ledger.settle(batch, REFUSED, []);
      assert.equal((await query("SELECT ID FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Twice'")).length, 1);
      assert.deepEqual(await query("SELECT State, Attempts FROM dbo.TB_R_SYNC_BATCH WHERE EntityType = N'Twice'"), [
        { State: 'accepted', Attempts: 1 },
      ]);
    });

    it('writes one row of TB_R_Log as the reports expect it', async () => {
      const entity: EntityIdentity = {
        name: 'Contract',
        trackingLabels: ['ContractLabel'],
        destination: { url: 'https://robot:secret@api.example/rows?token=abc&v=1', batchSize: 3000 },
      };
      const { ledger, runId } = await ledgerOf(entity);
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      const [row] = await query("SELECT * FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Contract'");
      assert.ok(row);
      const { ID, CreatedOn, ModifiedOn, AdditionalInformation, ...rest } = row;
      assert.match(String(ID), /^[0-9a-f-]{36}$/);
      for (const time of [CreatedOn, ModifiedOn]) assert.ok(Math.abs(Date.now() - (time as Date).getTime()) < 60_000);
      assert.deepEqual(rest, {
        ApplicationName: 'tamhr-sync',
        LogID: batch.id,
        LogCategory: 'DataSync',
        Activity: 'Sync Batch: Contract',
        ApplicationModule: 'tamhr-sync',
        IPHostName: 'worker-1',
        Status: 'Success',
        CreatedBy: 'System',
        ModifiedBy: 'System',
        RowStatus: true,
        ExceptionMessage: null,
      });
      assert.deepEqual(JSON.parse(String(AdditionalInformation)), {
        EndpointUrl: 'https://api.example/rows?token=***&v=***',
        BatchSize: 3000,
        HttpResponseCode: 200,
        DurationMs: 1500,
        RowsInBatch: 2,
        Outcome: 'accepted',
        BatchId: batch.id,
        RunId: runId,
        Attempts: [{ status: 200, durationMs: 1500 }],
      });
    });

    it('writes a refused batch as a failure, with its attempts and the last error', async () => {
      const { ledger } = await ledgerOf(entityNamed('Failure'));
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      await ledger.settle(batch, REFUSED, []);
      const [row] = await query(
        "SELECT Status, ExceptionMessage, AdditionalInformation FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Failure'",
      );
      assert.deepEqual([row?.Status, row?.ExceptionMessage], ['Failure', 'HTTP 503: try later']);
      const { HttpResponseCode, Attempts } = JSON.parse(String(row?.AdditionalInformation));
      assert.equal(HttpResponseCode, 503);
      assert.deepEqual(Attempts, [
        { durationMs: 20, error: 'connection reset' },
        { status: 503, durationMs: 30, error: 'HTTP 503: try later' },
      ]);
    });

    it('a batch of which some rows were refused tracks the others, and stores the refused as dead letters', async () => {
      const { ledger } = await ledgerOf(entityNamed('Partly'));
      await ledger.deadLetter([
        { key: 'b', reason: 'known' },
        { key: 'c', reason: 'known' },
      ]);
      const batch = batchOf(['a', 'b', 'c', 'd']);
      await ledger.reserve(batch);
      const letters = [
        { key: 'c', reason: 'Email is taken', httpStatus: 409, hash: hashOf('c') },
        { key: 'd', reason: 'x' },
      ];
      assert.equal(await ledger.settle(batch, ACCEPTED, letters), 1);
      const found = await ledger.find(batch.keys);
      assert.deepEqual(found.map(({ index }) => index).sort(), [0, 1]);
      assert.deepEqual(
        await query(
          "SELECT EntityId, Reason, HttpStatus FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'Partly' ORDER BY EntityId",
        ),
        [
          { EntityId: 'c', Reason: 'Email is taken', HttpStatus: 409 },
          { EntityId: 'd', Reason: 'x', HttpStatus: null },
        ],
      );
      const [row] = await query(
        "SELECT Status, AdditionalInformation FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Partly'",
      );
      const { Outcome, RowsInBatch, RowsRefused } = JSON.parse(String(row?.AdditionalInformation));
      assert.deepEqual([row?.Status, Outcome, RowsInBatch, RowsRefused], ['Success', 'accepted', 4, 2]);
    });

    it('a refused batch with dead letters tracks none of its rows', async () => {
      const { ledger } = await ledgerOf(entityNamed('Alone'));
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      assert.equal(await ledger.settle(batch, REFUSED, [{ key: '1', reason: 'HTTP 422', httpStatus: 422 }]), 1);
      assert.equal(await ledger.isEmpty(), true);
      assert.equal((await ledger.findDeadLetters(['1'])).length, 1);
    });

    it('a batch that is settled already changes nothing', async () => {
      const { ledger } = await ledgerOf(entityNamed('Again'));
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      assert.equal(await ledger.settle(batch, ACCEPTED, [{ key: '1', reason: 'x' }]), 1);
      assert.equal(await ledger.settle(batch, REFUSED, [{ key: '1', reason: 'y' }]), 0);
      await ledger.split(batch, REFUSED, [batchOf(['1']), batchOf(['2'])]);
      await ledger.keepUnknown(batch, UNKNOWN, NO_DOUBT);
      assert.deepEqual(await unresolvedOf(ledger), []);
      assert.deepEqual(await query(`SELECT State FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = '${batch.id}'`), [
        { State: 'accepted' },
      ]);
      assert.deepEqual(await query("SELECT Reason FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'Again'"), [
        { Reason: 'x' },
      ]);
      assert.equal((await query("SELECT ID FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Again'")).length, 1);
    });

    it('a batch that was never sent says why', async () => {
      const { ledger } = await ledgerOf(entityNamed('Unsent'));
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      await ledger.settle(batch, { state: 'refused', attempts: [], note: 'not sent: the run was stopped' }, []);
      assert.deepEqual(
        await query(
          `SELECT b.Error, l.ExceptionMessage FROM dbo.TB_R_SYNC_BATCH AS b
           INNER JOIN dbo.TB_R_Log AS l ON l.LogID = CONVERT(nvarchar(50), b.BatchId) WHERE b.BatchId = '${batch.id}'`,
        ),
        [{ Error: 'not sent: the run was stopped', ExceptionMessage: 'not sent: the run was stopped' }],
      );
    });

    itOnStandIn('leaves all as it was where it fails in the middle, and can be done again', async () => {
      const { ledger } = await ledgerOf(entityNamed('Middle'));
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      for (const action of [{ error: 1205 }, { drop: 'before' }, { truncateAfterRows: 0 }] as const) {
        const fault = server.faults.add({ match: /INSERT INTO dbo\.TB_R_Log/, action });
        await assert.rejects(ledger.settle(batch, ACCEPTED, []), /log/);
        fault.remove();
        assert.equal(await ledger.isEmpty(), true);
        assert.equal((await unresolvedOf(ledger)).length, 1);
      }
      await query("ALTER TABLE dbo.TB_R_Log ADD CONSTRAINT CK_Middle CHECK (Activity <> N'Sync Batch: Middle')");
      await assert.rejects(ledger.settle(batch, ACCEPTED, []), { code: 'LOG_DATABASE_REFUSED', message: /547/ });
      await query('ALTER TABLE dbo.TB_R_Log DROP CONSTRAINT CK_Middle');
      assert.deepEqual([await ledger.isEmpty(), (await unresolvedOf(ledger)).length], [true, 1]);
      await ledger.settle(batch, ACCEPTED, []);
      assert.equal((await ledger.find(['1', '2'])).length, 2);
      assert.equal((await query("SELECT ID FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Middle'")).length, 1);
    });
  });

  describe('settling a deletion', () => {
    const mirror = (name: string): EntityIdentity => ({
      ...entityNamed(name),
      trackingLabels: [name, `${name}Old`],
      deleted: { url: 'https://robot:secret@api.example/rows/{key}?id={key}' },
    });
    const trackedOf = async (name: string) =>
      (
        await query(
          `SELECT EntityType, EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (N'${name}', N'${name}Old')
           ORDER BY EntityType, EntityId`,
        )
      ).map(({ EntityType, EntityId }) => `${EntityType} ${EntityId}`);

    it('that was accepted removes its rows under every label, and their dead letters, and no other', async () => {
      const { ledger } = await ledgerOf(mirror('Gone'));
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId)
         VALUES (N'Gone', N'a'), (N'GoneOld', N'A'), (N'GoneOld', N'b'), (N'Gone', N'c'), (N'GoneOld', N'd'), (N'GoneNot', N'a')`,
      );
      await ledger.deadLetter([
        { key: 'a', reason: 'x', hash: hashOf('a') },
        { key: 'd', reason: 'x' },
      ]);
      const batch = deletionOf(['a', 'b', 'never there']);
      await ledger.reserve(batch);
      assert.equal(await ledger.settle(batch, ACCEPTED, []), 0);
      assert.deepEqual(await trackedOf('Gone'), ['Gone c', 'GoneOld d']);
      assert.deepEqual(await ledger.findDeadLetters(['a', 'd']), [{ index: 1, state: 'waiting' }]);
      assert.equal((await query("SELECT Id FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'GoneNot'")).length, 1);
    });

    it('keeps the rows that were refused, as dead letters that tell a deletion', async () => {
      const { ledger } = await ledgerOf(mirror('Kept'));
      const sent = batchOf(['a', 'b']);
      await ledger.reserve(sent);
      await ledger.settle(sent, ACCEPTED, []);
      const batch = deletionOf(['a', 'b']);
      await ledger.reserve(batch);
      assert.equal(await ledger.settle(batch, ACCEPTED, [{ key: 'b', reason: 'in use', hash: DELETION_HASH }]), 1);
      assert.deepEqual(await trackedOf('Kept'), ['Kept b']);
      assert.deepEqual(await ledger.findDeadLetters(['b']), [
        { index: 0, state: 'waiting', hash: Buffer.from(DELETION_HASH) },
      ]);
    });

    it('that was refused changes nothing', async () => {
      const { ledger } = await ledgerOf(mirror('Stays'));
      const sent = batchOf(['a']);
      await ledger.reserve(sent);
      await ledger.settle(sent, ACCEPTED, []);
      const batch = deletionOf(['a']);
      await ledger.reserve(batch);
      await ledger.settle(batch, REFUSED, []);
      assert.deepEqual(await trackedOf('Stays'), ['Stays a']);
    });

    it('of three thousand rows removes them all', async () => {
      const { ledger } = await ledgerOf(mirror('Many'));
      const sent = batchOf(guids(3000));
      await ledger.reserve(sent);
      await ledger.settle(sent, ACCEPTED, []);
      const batch = deletionOf(sent.keys);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      assert.equal(await ledger.isEmpty(), true);
    });

    it('is a deletion when it comes back, and so are its halves', async () => {
      const { ledger } = await ledgerOf(mirror('Replay'));
      const batch = deletionOf(['a', 'b']);
      await ledger.reserve(batch);
      await ledger.reserve(batchOf(['c']));
      const found = await unresolvedOf(ledger);
      assert.deepEqual(
        found.map(({ operation, keys }) => [operation, keys]),
        [
          ['delete', ['a', 'b']],
          ['upsert', ['c']],
        ],
      );
      assert.deepEqual(Buffer.from(found[0]?.hashes ?? []), Buffer.from(batch.hashes));
      await ledger.split(batch, { ...REFUSED, state: 'split' }, [deletionOf(['a']), deletionOf(['b'])]);
      assert.deepEqual((await unresolvedOf(ledger)).map(({ operation }) => operation).sort(), [
        'delete',
        'delete',
        'upsert',
      ]);
    });

    it('tells TB_R_Log where deletions go', async () => {
      const { ledger } = await ledgerOf(mirror('Told'));
      const batch = deletionOf(['a']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      const [row] = await query("SELECT AdditionalInformation FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Told'");
      const { EndpointUrl, Operation, RowsInBatch } = JSON.parse(String(row?.AdditionalInformation));
      assert.deepEqual([EndpointUrl, Operation, RowsInBatch], ['https://api.example/rows/{key}?id=***', 'delete', 1]);
    });
  });

  describe('the watermark', () => {
    const hash = hashOf('source');
    const watermark = {
      method: 'rowversion',
      value: Buffer.from('00000000000007d0', 'hex'),
      sourceHash: hash,
    } as const;

    /** Whether the watermark is still there after that. */
    async function survives(name: string, settle: (ledger: Ledger, batch: Batch) => Promise<unknown>, batch: Batch) {
      const { ledger } = await ledgerOf(entityNamed(name));
      await ledger.rememberComparison({ mapHash: hash, watermark });
      await ledger.reserve(batch);
      await settle(ledger, batch);
      const kept = await ledger.comparison();
      assert.deepEqual(kept.mapHash, hash);
      return kept.watermark !== undefined;
    }
    const letter = (key: string): DeadLetter => ({ key, reason: 'x' });

    it('is removed where rows of a batch are pending again', async () => {
      const refuse = (letters: DeadLetter[]) => (ledger: Ledger, batch: Batch) =>
        ledger.settle(batch, REFUSED, letters);
      assert.equal(await survives('Refused', refuse([]), batchOf(['a', 'b'])), false);
      assert.equal(await survives('RefusedPartly', refuse([letter('a')]), batchOf(['a', 'b'])), false);
      assert.equal(await survives('RefusedDead', refuse([letter('a'), letter('b')]), batchOf(['a', 'b'])), true);
      assert.equal(await survives('RefusedDeletion', refuse([]), deletionOf(['a', 'b'])), true);
    });

    it('stays where a batch is accepted, split or unknown', async () => {
      const batch = () => batchOf(['a', 'b']);
      const half = () => batchOf(['a']);
      assert.equal(
        await survives('Accepted', (ledger, it) => ledger.settle(it, ACCEPTED, [letter('a')]), batch()),
        true,
      );
      assert.equal(
        await survives('Halved', (ledger, it) => ledger.split(it, REFUSED, [half(), half()]), batch()),
        true,
      );
      assert.equal(await survives('Doubted', (ledger, it) => ledger.keepUnknown(it, UNKNOWN, NO_DOUBT), batch()), true);
    });

    it('stays where the batch was settled before', async () => {
      const { ledger } = await ledgerOf(entityNamed('SettledBefore'));
      const batch = batchOf(['a']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED, []);
      await ledger.rememberComparison({ watermark });
      await ledger.settle(batch, REFUSED, []);
      assert.ok((await ledger.comparison()).watermark);
    });

    it('is removed under the label that was first before, too', async () => {
      const name = 'Swapped';
      const { ledger: before } = await ledgerOf({ ...entityNamed(name), trackingLabels: [`${name}Old`, name] });
      await before.rememberComparison({ watermark });
      const batch = batchOf(['a']);
      await before.reserve(batch);
      const { ledger } = await ledgerOf({ ...entityNamed(name), trackingLabels: [name, `${name}Old`] });
      await ledger.settle(batch, REFUSED, []);
      assert.deepEqual(await before.comparison(), {});
    });
  });

  describe('hashes that are taken', () => {
    it('go to the rows that have none, under any label, and change nothing else', async () => {
      const entity: EntityIdentity = { ...entityNamed('Take'), trackingLabels: ['Take', 'TakeOld'] };
      const { ledger } = await ledgerOf(entity);
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash)
         VALUES (N'Take', N'a', '2020-01-01', NULL), (N'TakeOld', N'a', '2021-01-01', 0x${hashOf('other').toString('hex')}),
           (N'TakeOld', N'b', '2022-01-01', NULL), (N'Take', N'c', '2023-01-01', NULL), (N'TakeNot', N'a', '2024-01-01', NULL)`,
      );
      const rows = ['a', 'b', 'absent'].map((key) => ({ key, hash: hashOf(key) }));
      for (let time = 0; time < 2; time++) await ledger.takeHashes(rows);
      await ledger.takeHashes([]);
      assert.deepEqual(
        await query(
          `SELECT EntityType, EntityId, RowHash, YEAR(SyncTimestamp) AS Year, BatchId FROM dbo.TB_R_SYNC_TRACKING
           WHERE EntityType IN (N'Take', N'TakeOld', N'TakeNot') AND EntityId IN (N'a', N'b', N'c', N'absent')
             AND SyncTimestamp < '2025-01-01' ORDER BY SyncTimestamp`,
        ),
        [
          { EntityType: 'Take', EntityId: 'a', RowHash: hashOf('a'), Year: 2020, BatchId: null },
          { EntityType: 'TakeOld', EntityId: 'a', RowHash: hashOf('other'), Year: 2021, BatchId: null },
          { EntityType: 'TakeOld', EntityId: 'b', RowHash: hashOf('b'), Year: 2022, BatchId: null },
          { EntityType: 'Take', EntityId: 'c', RowHash: null, Year: 2023, BatchId: null },
          { EntityType: 'TakeNot', EntityId: 'a', RowHash: null, Year: 2024, BatchId: null },
        ],
      );
    });
  });

  describe('splitting a batch', () => {
    it('ends it and reserves its halves, which come back as batches of their own', async () => {
      const { ledger, runId } = await ledgerOf(entityNamed('Split'));
      const batch = batchOf(['1', '2', '3']);
      await ledger.reserve(batch);
      assert.equal(await ledger.maxBatchRows(), undefined);
      const halves = [batchOf(['1', '2']), batchOf(['3'])];
      await ledger.split(batch, { ...REFUSED, state: 'split' }, halves);
      const unresolved = await unresolvedOf(ledger);
      assert.deepEqual(unresolved.map(({ id }) => id).sort(), halves.map(({ id }) => id).sort());
      for (const half of halves) {
        const found = unresolved.find(({ id }) => id === half.id);
        assert.deepEqual(Buffer.from(found?.body ?? []), Buffer.from(half.body));
        assert.deepEqual(found?.keys, half.keys);
      }
      assert.deepEqual(
        await query(
          `SELECT RunId, RowsInBatch, State FROM dbo.TB_R_SYNC_BATCH WHERE ParentId = '${batch.id}' ORDER BY RowsInBatch`,
        ),
        [
          { RunId: runId, RowsInBatch: 1, State: 'sending' },
          { RunId: runId, RowsInBatch: 2, State: 'sending' },
        ],
      );
      assert.deepEqual(
        await query(
          `SELECT State, Body, RowKeys, HttpStatus, Attempts FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = '${batch.id}'`,
        ),
        [{ State: 'split', Body: null, RowKeys: null, HttpStatus: 503, Attempts: 2 }],
      );
      const log = await query(
        "SELECT Status, AdditionalInformation FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Split'",
      );
      assert.deepEqual(
        log.map(({ Status, AdditionalInformation }) => [Status, JSON.parse(String(AdditionalInformation)).Outcome]),
        [['Failure', 'split']],
      );
      assert.equal(await ledger.maxBatchRows(), undefined);
    });

    it('remembers for later runs what the destination takes at most', async () => {
      const entity = entityNamed('TooLarge');
      const { ledger } = await ledgerOf(entity);
      await ledger.rememberMaxBatchRows(750);
      assert.equal(await ledger.maxBatchRows(), 750);
      await ledger.rememberMaxBatchRows(undefined);
      assert.equal(await ledger.maxBatchRows(), undefined);
    });
  });

  describe('a batch whose outcome is unknown', () => {
    const columns = 'State, Attempts, RunsTried, HttpStatus, DurationMs, Error, RefusedRuns, ServerErrorRuns';
    const rowOf = async ({ id }: Batch) =>
      (await query(`SELECT ${columns} FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = '${id}'`))[0];

    it('stays unresolved with what is known of it, once a run', async () => {
      const entity = entityNamed('Unknown');
      const { ledger } = await ledgerOf(entity);
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      const [fresh] = await unresolvedBatches(ledger);
      assert.deepEqual(fresh?.doubt, NO_DOUBT);
      assert.ok(fresh && Math.abs(Date.now() - fresh.createdAt.getTime()) < 60_000);
      for (let time = 0; time < 2; time++) await ledger.keepUnknown(batch, UNKNOWN, NO_DOUBT);
      const common = { State: 'sending', HttpStatus: null, DurationMs: 30_000, Error: 'no answer in 30 s' };
      assert.deepEqual(await rowOf(batch), {
        ...common,
        Attempts: 1,
        RunsTried: 1,
        RefusedRuns: 0,
        ServerErrorRuns: 0,
      });
      const { ledger: later } = await ledgerOf(entity);
      const doubt = { refusedRuns: 1, serverErrorRuns: 2 };
      for (let time = 0; time < 2; time++) await later.keepUnknown(batch, UNKNOWN, doubt);
      assert.deepEqual(await rowOf(batch), {
        ...common,
        Attempts: 2,
        RunsTried: 2,
        RefusedRuns: 1,
        ServerErrorRuns: 2,
      });
      const [found] = await unresolvedBatches(later);
      assert.deepEqual(found?.doubt, doubt);
      assert.deepEqual(Buffer.from(found?.batch.body ?? []), Buffer.from(batch.body));
      const log = await query(
        "SELECT Status, ExceptionMessage, AdditionalInformation FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Unknown'",
      );
      assert.deepEqual(
        log.map((row) => [row.Status, row.ExceptionMessage, JSON.parse(String(row.AdditionalInformation)).Outcome]),
        [1, 2].map(() => ['Failure', 'no answer in 30 s', 'unknown']),
      );
    });

    it('and settled later in the same run counts that run once', async () => {
      const entity = entityNamed('Resolved');
      const { ledger } = await ledgerOf(entity);
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      const { ledger: later } = await ledgerOf(entity);
      await later.keepUnknown(batch, UNKNOWN, NO_DOUBT);
      await later.settle(batch, ACCEPTED, []);
      assert.equal((await rowOf(batch))?.RunsTried, 2);
    });

    it('is listed as of the call, without those that end meanwhile or come', async () => {
      const { ledger } = await ledgerOf(entityNamed('Listed'));
      const batches = [batchOf(['1']), batchOf(['2']), batchOf(['3'])];
      for (const batch of batches) await ledger.reserve(batch);
      const seen: string[] = [];
      for await (const { batch } of ledger.unresolved()) {
        seen.push(batch.id);
        if (seen.length > 1) continue;
        const other = batches.find(({ id }) => id !== batch.id) as Batch;
        await ledger.split(other, { ...REFUSED, state: 'split' }, [batchOf(['a']), batchOf(['b'])]);
      }
      assert.equal(seen.length, 2);
      assert.ok(seen.every((id) => batches.some((batch) => batch.id === id)));
    });
  });

  describe('that another run has taken over', () => {
    it('takes no batch, ends none and stores no dead letters', async () => {
      const entity = entityNamed('TakenOver');
      const { ledger: old } = await ledgerOf(entity);
      const batch = batchOf(['1']);
      await old.reserve(batch);
      const { ledger } = await ledgerOf(entity);
      await assert.rejects(old.reserve(batchOf(['2'])), { code: 'LOCK_LOST' });
      await assert.rejects(old.settle(batch, ACCEPTED, []), { code: 'LOCK_LOST' });
      await assert.rejects(old.split(batch, REFUSED, [batchOf(['1'])]), { code: 'LOCK_LOST' });
      await assert.rejects(old.rememberMaxBatchRows(1), { code: 'LOCK_LOST' });
      await assert.rejects(old.keepUnknown(batch, UNKNOWN, NO_DOUBT), { code: 'LOCK_LOST' });
      await assert.rejects(old.deadLetter([{ key: '3', reason: 'x' }]), { code: 'LOCK_LOST' });
      await assert.rejects(old.dropDeadLetters(['3']), { code: 'LOCK_LOST' });
      await assert.rejects(old.takeHashes([{ key: '3', hash: hashOf('3') }]), { code: 'LOCK_LOST' });
      await assert.rejects(old.rememberComparison({}), { code: 'LOCK_LOST' });
      assert.deepEqual(
        (await unresolvedOf(ledger)).map(({ id }) => id),
        [batch.id],
      );
      assert.equal(await ledger.isEmpty(), true);
    });
  });

  describe('dead letters', () => {
    const entity = entityNamed('Dead');
    const letterOf = (key: string, columns = 'Attempts, State') =>
      query(`SELECT ${columns} FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'Dead' AND EntityId = N'${key}'`);
    /** One run that records one dead letter. */
    const fail = async (letter: DeadLetter) => (await ledgerOf(entity)).ledger.deadLetter([letter]);

    it('are counted once, and once more tell their last reason', async () => {
      const { ledger, runId } = await ledgerOf(entity);
      const letters = [
        { key: 'a', reason: 'Email is NULL', hash: hashOf('a') },
        { key: 'b', reason: 'too long', httpStatus: 422 },
      ];
      assert.equal(await ledger.deadLetter(letters), 2);
      const { ledger: later, runId: laterRun } = await ledgerOf(entity);
      assert.equal(
        await later.deadLetter([
          { key: 'b', reason: 'still too long' },
          { key: 'c', reason: 'x' },
        ]),
        1,
      );
      assert.equal(await later.deadLetter([]), 0);
      const rows = await query(`SELECT EntityId, RowHash, Reason, HttpStatus, Attempts, State, RunId
        FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'Dead' ORDER BY EntityId`);
      const waiting = { HttpStatus: null, State: 'waiting' };
      assert.deepEqual(rows, [
        { EntityId: 'a', RowHash: hashOf('a'), Reason: 'Email is NULL', Attempts: 1, RunId: runId, ...waiting },
        { EntityId: 'b', RowHash: null, Reason: 'still too long', Attempts: 2, RunId: laterRun, ...waiting },
        { EntityId: 'c', RowHash: null, Reason: 'x', Attempts: 1, RunId: laterRun, ...waiting },
      ]);
    });

    it('fail once a run, however often they are written in it', async () => {
      const { ledger } = await ledgerOf(entity);
      assert.equal(await ledger.deadLetter([{ key: 'often', reason: 'first' }]), 1);
      assert.equal(await ledger.deadLetter([{ key: 'often', reason: 'second' }]), 0);
      assert.deepEqual(await letterOf('often', 'Attempts, Reason'), [{ Attempts: 1, Reason: 'second' }]);
    });

    it('wait for less than a day at first, then twice as long each time, and a month at most', async () => {
      const pauses: unknown[] = [];
      for (let run = 0; run < 8; run++) {
        await fail({ key: 'pausing', reason: 'x', hash: hashOf('same') });
        const [row] = await letterOf('pausing', 'DATEDIFF(hour, LastFailedAt, NextTryAt) AS Hours');
        pauses.push(row?.Hours);
      }
      assert.deepEqual(pauses, [20, 40, 80, 160, 320, 640, 720, 720]);
    });

    it('begin anew when their row has changed', async () => {
      await fail({ key: 'changing', reason: 'x', hash: hashOf('one') });
      await fail({ key: 'changing', reason: 'x', hash: hashOf('one') });
      for (const hash of [hashOf('two'), undefined, hashOf('two')]) {
        await fail({ key: 'changing', reason: 'x', ...(hash && { hash }) });
        const columns = 'Attempts, DATEDIFF(hour, LastFailedAt, NextTryAt) AS Hours';
        assert.deepEqual(await letterOf('changing', columns), [{ Attempts: 1, Hours: 20 }]);
      }
    });

    it('that were discarded stay so until their row changes', async () => {
      const discard = () =>
        server.execute(
          'log',
          "UPDATE dbo.TB_R_SYNC_FAILURE SET State = N'discarded' WHERE EntityType = N'Dead' AND EntityId = N'gone'",
        );
      await fail({ key: 'gone', reason: 'x' });
      await discard();
      await fail({ key: 'gone', reason: 'x' });
      assert.deepEqual(await letterOf('gone'), [{ Attempts: 2, State: 'discarded' }]);
      await fail({ key: 'gone', reason: 'x', hash: hashOf('one') });
      assert.deepEqual(await letterOf('gone'), [{ Attempts: 1, State: 'waiting' }]);
    });

    it('are found by their key: due, waiting or discarded', async () => {
      const { ledger } = await ledgerOf(entityNamed('Found'));
      assert.deepEqual(await ledger.findDeadLetters(['due', 'new']), []);
      const long = 'k'.repeat(5000);
      await ledger.deadLetter([
        { key: 'due', reason: 'x', hash: hashOf('due') },
        { key: 'old', reason: 'x' },
        { key: 'waiting', reason: 'x' },
        { key: 'discarded', reason: 'x' },
        { key: long, reason: 'x' },
      ]);
      const set = (what: string, key: string) =>
        server.execute(
          'log',
          `UPDATE dbo.TB_R_SYNC_FAILURE SET ${what} WHERE EntityType = N'Found' AND EntityId = N'${key}'`,
        );
      await set('NextTryAt = DATEADD(second, -1, SYSUTCDATETIME())', 'due');
      await set('NextTryAt = NULL', 'old');
      await set("State = N'discarded', NextTryAt = NULL", 'discarded');
      const found = await ledger.findDeadLetters(['none', long, 'discarded', 'waiting', 'Waiting', 'old', 'due']);
      assert.deepEqual(
        [...found].sort((a, b) => a.index - b.index),
        [
          { index: 1, state: 'waiting' },
          { index: 2, state: 'discarded' },
          { index: 3, state: 'waiting' },
          { index: 5, state: 'due' },
          { index: 6, state: 'due', hash: hashOf('due') },
        ],
      );
      assert.deepEqual(await ledger.findDeadLetters([]), []);
      assert.deepEqual(await ledger.findDeadLetters(['none']), []);
    });

    it('that are due are listed page by page, without those whose key was cut', async () => {
      const { ledger } = await ledgerOf(entityNamed('Due'));
      assert.deepEqual(await ledger.dueDeadLetters(undefined, 10), []);
      const keys = Array.from({ length: 25 }, (_, index) => `key ${index}`);
      const long = ['k'.repeat(4001), `${'k'.repeat(3999)}😀`];
      await ledger.deadLetter([...keys, ...long, 'waiting', 'discarded'].map((key) => ({ key, reason: 'x' })));
      assert.deepEqual(await ledger.dueDeadLetters(undefined, 10), []);
      const set = (what: string) =>
        server.execute('log', `UPDATE dbo.TB_R_SYNC_FAILURE SET ${what} AND EntityType = N'Due'`);
      await set("NextTryAt = NULL WHERE EntityId <> N'waiting'");
      await set("NextTryAt = DATEADD(second, -1, SYSUTCDATETIME()) WHERE EntityId = N'key 7'");
      await set("State = N'discarded' WHERE EntityId = N'discarded'");
      const due: string[] = [];
      const sizes: number[] = [];
      for (let after: string | undefined; ; after = due.at(-1)) {
        const page = await ledger.dueDeadLetters(after, 10);
        due.push(...page);
        sizes.push(page.length);
        if (page.length < 10) break;
      }
      assert.deepEqual(sizes, [10, 10, 5]);
      assert.deepEqual([...due].sort(), [...keys].sort());
    });

    it('are dropped by their keys, however long', async () => {
      const { ledger } = await ledgerOf(entityNamed('Dropped'));
      const long = 'k'.repeat(5000);
      await ledger.deadLetter(['a', 'A', 'b', long].map((key) => ({ key, reason: 'x' })));
      await ledger.dropDeadLetters(['a', long, 'never']);
      await ledger.dropDeadLetters([]);
      const found = await ledger.findDeadLetters(['a', 'A', 'b', long]);
      assert.deepEqual(found.map(({ index }) => index).sort(), [1, 2]);
    });

    it('are found by the ledger that wrote them though it had found none before', async () => {
      const { ledger } = await ledgerOf(entityNamed('Remembered'));
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      assert.deepEqual(await ledger.findDeadLetters(['1']), []);
      await ledger.settle(batch, REFUSED, [{ key: '1', reason: 'x' }]);
      assert.deepEqual(await ledger.findDeadLetters(['1']), [{ index: 0, state: 'waiting' }]);
    });

    it('take keys and reasons of any length, told apart by the whole key', async () => {
      const { ledger } = await ledgerOf(entityNamed('Long'));
      const key = 'k'.repeat(5000);
      assert.equal(
        await ledger.deadLetter([
          { key, reason: 'r'.repeat(2000) },
          { key: `${key}2`, reason: 'x' },
        ]),
        2,
      );
    });

    it('end when their row is accepted, in a later run too', async () => {
      const entity = entityNamed('Revived');
      const { ledger } = await ledgerOf(entity);
      await ledger.deadLetter([
        { key: 'a', reason: 'x' },
        { key: 'A', reason: 'differs in case' },
        { key: 'b', reason: 'x' },
      ]);
      const { ledger: later } = await ledgerOf(entity);
      const batch = batchOf(['a', 'c']);
      await later.reserve(batch);
      await later.settle(batch, ACCEPTED, []);
      const rows = await query("SELECT EntityId FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'Revived'");
      assert.deepEqual(rows.map(({ EntityId }) => EntityId).sort(), ['A', 'b']);
    });
  });
});

describe('a ledger in a database that was restored on a server of another collation', () => {
  const { server, pool } = useServerAndPool('log');

  it('finds and tracks keys, equal as that column’s collation has it', async () => {
    await server.execute(
      'log',
      `CREATE TABLE dbo.TB_R_SYNC_TRACKING (Id int IDENTITY(1,1) NOT NULL PRIMARY KEY, EntityType nvarchar(100) NOT NULL,
         EntityId nvarchar(255) COLLATE Latin1_General_CS_AS NOT NULL, SyncTimestamp datetime2 NOT NULL DEFAULT GETUTCDATE())`,
    );
    await server.execute('log', 'CREATE UNIQUE INDEX UQ_Restored ON dbo.TB_R_SYNC_TRACKING (EntityType, EntityId)');
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
    const runId = randomUUID();
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, OwnerRunId) VALUES (N'Restored', '${runId}')`,
    );
    const ledger = createLedger(await pool(), { entity: entityNamed('Restored'), runId, host: 'worker-1' });
    const batch = batchOf(['k', 'K']);
    await ledger.reserve(batch);
    await ledger.settle(batch, ACCEPTED, []);
    const found = await ledger.find(['K', 'k']);
    assert.deepEqual(found.map(({ index, key }) => `${index} ${key}`).sort(), ['0 K', '1 k']);
  });
});

describe("a ledger beside another application's TB_R_Log", () => {
  const { server, pool } = useServerAndPool('log');

  it('cuts texts to its columns and leaves out the columns it lacks', async () => {
    await server.execute(
      'log',
      `CREATE TABLE dbo.TB_R_Log (ID uniqueidentifier NOT NULL, ApplicationName varchar(5) NOT NULL, LogID nvarchar(10) NOT NULL,
         LogCategory nvarchar(20) NOT NULL, Activity nvarchar(15) NOT NULL, IPHostName nvarchar(3) NOT NULL, Status nvarchar(20) NOT NULL,
         AdditionalInformation nvarchar(250) NULL, CreatedBy nvarchar(20) NOT NULL, CreatedOn datetime NOT NULL,
         ModifiedBy nvarchar(20) NOT NULL, ModifiedOn datetime NOT NULL, RowStatus bit NOT NULL, ExceptionMessage nvarchar(8) NULL)`,
    );
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
    const runId = randomUUID();
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, OwnerRunId) VALUES (N'Narrow', '${runId}')`,
    );
    const ledger = createLedger(await pool(), { entity: entityNamed('Narrow'), runId, host: 'worker-1' });
    const batch = batchOf(['1']);
    await ledger.reserve(batch);
    await ledger.settle(batch, REFUSED, []);
    const [row] = await server.query('log', 'SELECT * FROM dbo.TB_R_Log');
    assert.equal(row?.LogID, batch.id.slice(0, 10));
    assert.equal(row?.ApplicationName, 'tamhr');
    assert.equal(row?.Activity, 'Sync Batch: Nar');
    assert.equal(row?.ExceptionMessage, 'HTTP 503');
    assert.equal(JSON.parse(String(row?.AdditionalInformation)).BatchId, batch.id);
  });
});
