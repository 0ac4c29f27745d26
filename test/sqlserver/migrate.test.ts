import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readLogColumns } from '../../src/sqlserver/activity-log.ts';
import { readHistory } from '../../src/sqlserver/history.ts';
import { migrate, requireMigrated } from '../../src/sqlserver/migrate.ts';
import { loadMigrations, printableScript, splitBatches } from '../../src/sqlserver/migrations.ts';
import { createTracking } from '../../src/sqlserver/tracking.ts';
import { itOnStandIn, useSqlServer } from '../support/sqlserver.ts';
import { settingsOf, USERS, useServerAndPool } from './fixture.ts';

const TABLES = [
  'TB_R_Log',
  'TB_R_SYNC_BATCH',
  'TB_R_SYNC_ENTITY',
  'TB_R_SYNC_FAILURE',
  'TB_R_SYNC_RUN',
  'TB_R_SYNC_SCHEMA',
  'TB_R_SYNC_TRACKING',
];

describe('migrating a log database', () => {
  const server = useSqlServer();
  const tables = async (database: 'log' | 'ess' | 'mdm') =>
    (await server.query(database, 'SELECT name FROM sys.tables ORDER BY name')).map(({ name }) => name);

  it('that is empty creates every table once, and then does nothing', async () => {
    const settings = await settingsOf(server.connectionString('log'));
    const pending = (await loadMigrations()).map(({ name }) => name);
    const check = await migrate(settings, { check: true });
    assert.deepEqual(
      check.pending.map(({ name }) => name),
      pending,
    );
    assert.deepEqual(await tables('log'), []);
    const first = await migrate(settings, { check: false });
    assert.deepEqual(
      first.pending.map(({ name }) => name),
      pending,
    );
    assert.deepEqual(await tables('log'), TABLES);
    assert.deepEqual(await migrate(settings, { check: false }), { pending: [], version: pending.length });
    assert.deepEqual(await migrate(settings, { check: true }), { pending: [], version: pending.length });
  });

  it('twice at once does it once', async () => {
    const settings = await settingsOf(server.connectionString('ess'));
    const results = await Promise.all([1, 2, 3].map(() => migrate(settings, { check: false })));
    assert.equal(results.filter(({ pending }) => pending.length > 0).length, 1);
    assert.deepEqual(await tables('ess'), TABLES);
  });

  it('by the printed script is the same, and can be done again', async () => {
    const script = printableScript(await loadMigrations());
    const client = await server.connect('mdm');
    for (let time = 0; time < 2; time++) for (const batch of splitBatches(script)) await client.batch(batch);
    assert.deepEqual(await tables('mdm'), TABLES);
    const settings = await settingsOf(server.connectionString('mdm'));
    assert.deepEqual((await migrate(settings, { check: true })).pending, []);
  });

  it('that lost a table since says so, and what to do', async () => {
    await server.execute('mdm', 'DROP TABLE dbo.TB_R_Log; DROP TABLE dbo.TB_R_SYNC_TRACKING');
    const settings = await settingsOf(server.connectionString('mdm'));
    for (const check of [true, false]) {
      await assert.rejects(migrate(settings, { check }), {
        code: 'LOG_DATABASE_REFUSED',
        message: /dbo\.TB_R_Log, dbo\.TB_R_SYNC_TRACKING are gone/,
      });
    }
    await server.execute('mdm', 'DELETE FROM dbo.TB_R_SYNC_SCHEMA');
    await migrate(settings, { check: false });
    assert.deepEqual(await tables('mdm'), TABLES);
  });
});

describe('migrating the log database of the old job', () => {
  const { server, pool } = useServerAndPool('log', {
    seed: { rows: 0, oldJob: { rows: 100, labels: ['User', 'Users'] } },
  });

  it('keeps its rows and adds two nullable columns to the ledger', async () => {
    const before = await server.query(
      'log',
      'SELECT Id, EntityType, EntityId, SyncTimestamp FROM dbo.TB_R_SYNC_TRACKING ORDER BY Id',
    );
    const logged = await server.query('log', 'SELECT * FROM dbo.TB_R_Log ORDER BY ID');
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
    assert.deepEqual(
      await server.query(
        'log',
        'SELECT Id, EntityType, EntityId, SyncTimestamp FROM dbo.TB_R_SYNC_TRACKING ORDER BY Id',
      ),
      before,
    );
    assert.deepEqual(await server.query('log', 'SELECT * FROM dbo.TB_R_Log ORDER BY ID'), logged);
    const columns = await server.query(
      'log',
      `SELECT COLUMN_NAME, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS
       WHERE TABLE_NAME = N'TB_R_SYNC_TRACKING' AND ORDINAL_POSITION > 4 ORDER BY ORDINAL_POSITION`,
    );
    assert.deepEqual(columns, [
      { COLUMN_NAME: 'RowHash', IS_NULLABLE: 'YES' },
      { COLUMN_NAME: 'BatchId', IS_NULLABLE: 'YES' },
    ]);
  });

  it('refuses a file that was changed after it was applied', async () => {
    const settings = await settingsOf(server.connectionString('log'));
    await server.execute('log', "UPDATE dbo.TB_R_SYNC_SCHEMA SET Checksum = REPLICATE('0', 64) WHERE Version = 1");
    await assert.rejects(migrate(settings, { check: false }), { code: 'MIGRATION_CHANGED', message: /001-tables/ });
    await assert.rejects(migrate(settings, { check: true }), { code: 'MIGRATION_CHANGED' });
    await (await pool()).withSession((session) => requireMigrated(session, 'log'));
  });

  it('by a newer version stops a run of this one', async () => {
    await server.execute(
      'log',
      "INSERT INTO dbo.TB_R_SYNC_SCHEMA (Version, Name, Checksum, AppliedAt) VALUES (999, N'999-later', '0', SYSUTCDATETIME())",
    );
    await assert.rejects(
      (await pool()).withSession((session) => requireMigrated(session, 'log')),
      { code: 'LOG_DATABASE_NOT_MIGRATED', message: /by a newer tamhr-sync \(999-later\)/ },
    );
  });
});

describe('migrating a log database of the first release', () => {
  const { server, pool } = useServerAndPool('log');
  const columnsOf = async (table: string) =>
    (
      await server.query(
        'log',
        `SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS
         WHERE TABLE_NAME = N'${table}' ORDER BY ORDINAL_POSITION`,
      )
    ).map((column) => Object.values(column).join(' '));

  it('keeps its rows and adds the columns that a delivery in doubt and a watermark need', async () => {
    const [first] = await loadMigrations();
    const client = await server.connect('log');
    for (const batch of splitBatches(printableScript(first ? [first] : []))) await client.batch(batch);
    await (await pool()).withSession((session) =>
      assert.rejects(requireMigrated(session, 'log'), { code: 'LOG_DATABASE_NOT_MIGRATED', message: /002-delivery/ }),
    );
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_FAILURE (EntityType, KeyHash, EntityId, Reason, Attempts, FirstFailedAt, LastFailedAt, State)
       VALUES (N'User', 0x${'ab'.repeat(16)}, N'1', N'x', 1, SYSUTCDATETIME(), SYSUTCDATETIME(), N'waiting')`,
    );
    const batches = await columnsOf('TB_R_SYNC_BATCH');
    const failures = await columnsOf('TB_R_SYNC_FAILURE');
    const entities = await columnsOf('TB_R_SYNC_ENTITY');
    const result = await migrate(await settingsOf(server.connectionString('log')), { check: false });
    assert.equal(result.version, 1);
    assert.deepEqual(await columnsOf('TB_R_SYNC_BATCH'), [
      ...batches,
      'LastRunId uniqueidentifier YES',
      'RefusedRuns int YES',
      'ServerErrorRuns int YES',
    ]);
    assert.deepEqual(await columnsOf('TB_R_SYNC_FAILURE'), [...failures, 'RunId uniqueidentifier YES']);
    assert.deepEqual(await columnsOf('TB_R_SYNC_ENTITY'), [...entities, 'WatermarkSourceHash binary YES']);
    assert.deepEqual(await server.query('log', 'SELECT EntityId, RunId FROM dbo.TB_R_SYNC_FAILURE'), [
      { EntityId: '1', RunId: null },
    ]);
  });
});

describe('migrating where the tables of the old job are views of those names', () => {
  const { server, pool } = useServerAndPool('log');

  it('leaves them alone, and they are read like tables', async () => {
    await server.execute(
      'log',
      `CREATE TABLE dbo.SharedLog (ID uniqueidentifier NOT NULL, LogCategory varchar(20) NOT NULL, Activity nvarchar(15) NOT NULL,
         Status nvarchar(20) NOT NULL, ExceptionMessage nvarchar(max) NULL, CreatedOn datetime NOT NULL)`,
    );
    await server.execute(
      'log',
      `CREATE TABLE dbo.Tracked (Id int IDENTITY(1,1) NOT NULL PRIMARY KEY, EntityType nvarchar(100) NOT NULL,
         EntityId nvarchar(255) NOT NULL, SyncTimestamp datetime2 NOT NULL DEFAULT GETUTCDATE(), RowHash binary(16) NULL,
         BatchId uniqueidentifier NULL)`,
    );
    await server.execute('log', "INSERT INTO dbo.Tracked (EntityType, EntityId, RowHash) VALUES (N'User', N'1', 0x01)");
    const client = await server.connect('log');
    await client.batch('CREATE VIEW dbo.TB_R_Log AS SELECT * FROM dbo.SharedLog');
    await client.batch('CREATE VIEW dbo.TB_R_SYNC_TRACKING AS SELECT * FROM dbo.Tracked');
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
    const ledger = createTracking(await pool(), USERS);
    assert.equal(await ledger.hasLoggedSuccess(), false);
    assert.deepEqual(
      (await ledger.find(['1'])).map(({ hash }) => hash?.[0]),
      [1],
    );
    const columns = await (await pool()).withSession((session) => readLogColumns(session, 'log'));
    assert.deepEqual(columns.get('logcategory'), { length: 20, narrow: true });
    assert.deepEqual(columns.get('activity'), { length: 15, narrow: false });
    assert.equal(columns.get('exceptionmessage')?.length, Number.POSITIVE_INFINITY);
    const { entities } = await readHistory(await pool(), [USERS], 1);
    assert.equal(entities[0]?.trackedRows, 1);
  });
});

describe('a migration that fails', () => {
  const server = useSqlServer();

  itOnStandIn('leaves nothing behind, and can be done again', async () => {
    const settings = await settingsOf(server.connectionString('log'));
    const fault = server.faults.add({ match: /CREATE TABLE dbo\.TB_R_SYNC_ENTITY/, action: { error: 262 } });
    await assert.rejects(migrate(settings, { check: false }), { code: 'LOG_DATABASE_REFUSED' });
    fault.remove();
    assert.deepEqual(await server.query('log', 'SELECT name FROM sys.tables'), []);
    assert.ok((await migrate(settings, { check: false })).pending.length > 0);
  });
});
