import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { createLedger } from '../../src/sqlserver/ledger.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import type { Batch, EntityIdentity, Ledger, Outcome } from '../../src/sync/ports.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { batchOf, entityNamed, hashOf, settingsOf, useServerAndPool } from './fixture.ts';

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

describe('a ledger', () => {
  const { server, pool } = useServerAndPool('log');
  before(async () => {
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
  });

  const query = (sql: string) => server.query('log', sql);
  const guids = (count: number) => Array.from({ length: count }, () => randomUUID());

  /** The ledger of an entity that a run owns, as the lock leaves it. */
  async function ledgerOf(entity: EntityIdentity): Promise<{ ledger: Ledger; runId: string }> {
    const runId = randomUUID();
    const [label] = entity.trackingLabels;
    await server.execute('log', `DELETE FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = N'${label}'`);
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, OwnerRunId) VALUES (N'${label}', '${runId}')`,
    );
    return { ledger: createLedger(await pool(), { entity, runId, host: 'worker-1' }), runId };
  }

  async function unresolvedOf(ledger: Ledger): Promise<Batch[]> {
    const batches: Batch[] = [];
    for await (const batch of ledger.unresolved()) batches.push(batch);
    return batches;
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
      await ledger.settle(batch, ACCEPTED);
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
      await ledger.settle(first, REFUSED);
      await ledger.settle(second, ACCEPTED);
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
      await ledger.settle(found, ACCEPTED);
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
      await ledger.settle(batch, REFUSED);
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
      await ledger.settle(found, ACCEPTED);
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
      await ledger.settle(batch, ACCEPTED);
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
      await ledger.settle(batch, ACCEPTED);
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
      await ledger.settle(batch, ACCEPTED);
      assert.equal((await query("SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'Equal'")).length, 1);
    });

    it('a refused batch tracks nothing', async () => {
      const { ledger } = await ledgerOf(entityNamed('Refuse'));
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      await ledger.settle(batch, REFUSED);
      assert.equal(await ledger.isEmpty(), true);
    });

    it('twice does nothing the second time', async () => {
      const { ledger } = await ledgerOf(entityNamed('Twice'));
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      await ledger.settle(batch, ACCEPTED);
      await ledger.settle(batch, ACCEPTED);
      await ledger.settle(batch, REFUSED);
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
      await ledger.settle(batch, ACCEPTED);
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
        BatchId: batch.id,
        RunId: runId,
        Attempts: [{ status: 200, durationMs: 1500 }],
      });
    });

    it('writes a refused batch as a failure, with its attempts and the last error', async () => {
      const { ledger } = await ledgerOf(entityNamed('Failure'));
      const batch = batchOf(['1']);
      await ledger.reserve(batch);
      await ledger.settle(batch, REFUSED);
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

    itOnStandIn('leaves all as it was where it fails in the middle, and can be done again', async () => {
      const { ledger } = await ledgerOf(entityNamed('Middle'));
      const batch = batchOf(['1', '2']);
      await ledger.reserve(batch);
      for (const action of [{ error: 1205 }, { drop: 'before' }, { drop: 'after' }] as const) {
        const fault = server.faults.add({ match: /INSERT INTO dbo\.TB_R_Log/, action });
        await assert.rejects(ledger.settle(batch, ACCEPTED), /log/);
        fault.remove();
        assert.equal(await ledger.isEmpty(), true);
        assert.equal((await unresolvedOf(ledger)).length, 1);
      }
      await ledger.settle(batch, ACCEPTED);
      assert.equal((await ledger.find(['1', '2'])).length, 2);
      assert.equal((await query("SELECT ID FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Middle'")).length, 1);
    });
  });

  describe('that another run has taken over', () => {
    it('takes no batch, settles none and stores no dead letters', async () => {
      const entity = entityNamed('TakenOver');
      const { ledger: old } = await ledgerOf(entity);
      const batch = batchOf(['1']);
      await old.reserve(batch);
      const { ledger } = await ledgerOf(entity);
      await assert.rejects(old.reserve(batchOf(['2'])), { code: 'LOCK_LOST' });
      await assert.rejects(old.settle(batch, ACCEPTED), { code: 'LOCK_LOST' });
      await assert.rejects(old.deadLetter([{ key: '3', reason: 'x' }]), { code: 'LOCK_LOST' });
      assert.deepEqual(
        (await unresolvedOf(ledger)).map(({ id }) => id),
        [batch.id],
      );
      assert.equal(await ledger.isEmpty(), true);
    });
  });

  describe('dead letters', () => {
    it('are counted once, and once more tell their last reason', async () => {
      const { ledger } = await ledgerOf(entityNamed('Dead'));
      const letters = [
        { key: 'a', reason: 'Email is NULL', hash: hashOf('a') },
        { key: 'b', reason: 'too long', httpStatus: 422 },
      ];
      assert.equal(await ledger.deadLetter(letters), 2);
      assert.equal(
        await ledger.deadLetter([
          { key: 'b', reason: 'still too long' },
          { key: 'c', reason: 'x' },
        ]),
        1,
      );
      assert.equal(await ledger.deadLetter([]), 0);
      const rows = await query(`SELECT EntityId, RowHash, Reason, HttpStatus, Attempts, State, NextTryAt
        FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = N'Dead' ORDER BY EntityId`);
      const waiting = { State: 'waiting', NextTryAt: null };
      assert.deepEqual(rows, [
        { EntityId: 'a', RowHash: hashOf('a'), Reason: 'Email is NULL', HttpStatus: null, Attempts: 1, ...waiting },
        { EntityId: 'b', RowHash: null, Reason: 'still too long', HttpStatus: null, Attempts: 2, ...waiting },
        { EntityId: 'c', RowHash: null, Reason: 'x', HttpStatus: null, Attempts: 1, ...waiting },
      ]);
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
      await later.settle(batch, ACCEPTED);
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
    await ledger.settle(batch, ACCEPTED);
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
    await ledger.settle(batch, REFUSED);
    const [row] = await server.query('log', 'SELECT * FROM dbo.TB_R_Log');
    assert.equal(row?.LogID, batch.id.slice(0, 10));
    assert.equal(row?.ApplicationName, 'tamhr');
    assert.equal(row?.Activity, 'Sync Batch: Nar');
    assert.equal(row?.ExceptionMessage, 'HTTP 503');
    assert.equal(JSON.parse(String(row?.AdditionalInformation)).BatchId, batch.id);
  });
});
