import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { TYPES } from 'tedious';
import type { SqlClient } from '../../dev/sqlserver/client.ts';
import { LOG_DATABASE_SQL } from '../../dev/sqlserver/sample-schema.ts';
import { useSqlServer } from '../support/sqlserver.ts';
import { rejectsWithNumber } from './expect.ts';

const sql = useSqlServer();

const CREATE_KEYS = `CREATE TABLE #keys (
  Position int NOT NULL, EntityId nvarchar(255) COLLATE DATABASE_DEFAULT NOT NULL, RowHash binary(16) NULL)`;
const KEY_COLUMNS = [
  { name: 'Position', type: TYPES.Int, nullable: false },
  { name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false },
  { name: 'RowHash', type: TYPES.Binary, length: 16, nullable: true },
];

/** Loads keys into #keys of a session. */
async function loadKeys(client: SqlClient, keys: readonly string[]): Promise<void> {
  await client.batch(CREATE_KEYS);
  await client.bulkInsert(
    '#keys',
    KEY_COLUMNS,
    keys.map((key, position) => [position, key, Buffer.alloc(16, position % 256)]),
  );
}

describe('the ledger', () => {
  before(async () => {
    for (const statement of LOG_DATABASE_SQL) await sql.execute('log', statement);
    await sql.execute('log', 'ALTER TABLE dbo.TB_R_SYNC_TRACKING ADD RowHash binary(16) NULL');
    await sql.execute('log', 'ALTER TABLE dbo.TB_R_SYNC_TRACKING ADD BatchId uniqueidentifier NULL');
  });
  beforeEach(() => sql.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING'));

  it('finds the tracked ones among 3,000 keys under several labels', async () => {
    const client = await sql.connect('log');
    const key = (i: number): string => `key-${String(i).padStart(5, '0')}`;
    await sql.bulkInsert(
      'log',
      'dbo.TB_R_SYNC_TRACKING',
      [
        { name: 'EntityType', type: TYPES.NVarChar, length: 100, nullable: false },
        { name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false },
        { name: 'SyncTimestamp', type: TYPES.DateTime2, nullable: false },
      ],
      Array.from({ length: 2000 }, (_, i) => [['User', 'Users', 'Other'][i % 3], key(i), new Date(0)]),
    );
    await loadKeys(
      client,
      Array.from({ length: 3000 }, (_, i) => key(i)),
    );
    const rows = await client.query(
      `SELECT k.Position, t.EntityId, t.RowHash FROM #keys AS k
JOIN dbo.TB_R_SYNC_TRACKING AS t ON t.EntityType IN (@label0, @label1) AND t.EntityId = k.EntityId ORDER BY k.Position`,
      { label0: 'User', label1: 'Users' },
    );
    const expected = Array.from({ length: 2000 }, (_, i) => i).filter((i) => i % 3 !== 2);
    assert.deepEqual(
      rows,
      expected.map((i) => ({ Position: i, EntityId: key(i), RowHash: null })),
    );
  });

  it('gives new rows an identity and the default time, and takes each key once', async () => {
    const client = await sql.connect('log');
    await loadKeys(client, ['a', 'b', 'c']);
    const insert = `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, RowHash, BatchId)
SELECT @label, k.EntityId, k.RowHash, @batch FROM #keys AS k
WHERE NOT EXISTS (SELECT 1 FROM dbo.TB_R_SYNC_TRACKING AS t WHERE t.EntityType = @label AND t.EntityId = k.EntityId)`;
    const parameters = {
      label: 'User',
      batch: { type: TYPES.UniqueIdentifier, value: '0a0b0c0d-0000-4000-8000-000000000001' },
    };
    await sql.execute('log', "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'User', N'b')");
    assert.equal(await client.execute(insert, parameters), 2);
    assert.equal(await client.execute(insert, parameters), 0, 'safe to repeat');
    const rows = await sql.query(
      'log',
      'SELECT Id, EntityId, RowHash, BatchId, SyncTimestamp FROM dbo.TB_R_SYNC_TRACKING ORDER BY EntityId',
    );
    assert.deepEqual(
      rows.map(({ EntityId }) => EntityId),
      ['a', 'b', 'c'],
    );
    assert.equal(new Set(rows.map(({ Id }) => Id)).size, 3);
    assert.deepEqual(rows[2]?.RowHash, Buffer.alloc(16, 2));
    assert.equal(rows[0]?.BatchId, '0a0b0c0d-0000-4000-8000-000000000001');
    assert.ok(Math.abs(Number(rows[0]?.SyncTimestamp) - Date.now()) < 600_000, 'in UTC');
  });

  it('updates rows by a join with the loaded keys', async () => {
    const client = await sql.connect('log');
    await loadKeys(client, ['a', 'b']);
    await sql.execute(
      'log',
      "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'Users', N'a'), (N'Users', N'z')",
    );
    const touched = await client.execute(
      `UPDATE t SET RowHash = k.RowHash, SyncTimestamp = SYSUTCDATETIME() FROM dbo.TB_R_SYNC_TRACKING AS t
JOIN #keys AS k ON k.EntityId = t.EntityId WHERE t.EntityType IN (@label0, @label1)`,
      { label0: 'User', label1: 'Users' },
    );
    assert.equal(touched, 1);
    const rows = await sql.query('log', 'SELECT EntityId, RowHash FROM dbo.TB_R_SYNC_TRACKING ORDER BY EntityId');
    assert.deepEqual(rows, [
      { EntityId: 'a', RowHash: Buffer.alloc(16, 0) },
      { EntityId: 'z', RowHash: null },
    ]);
  });

  it('joins each label by a seek of its own, and inserts only what no label has', async () => {
    const client = await sql.connect('log');
    await loadKeys(client, ['a', 'b', 'c', 'c']);
    await sql.execute(
      'log',
      "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'User', N'a'), (N'Users', N'b')",
    );
    const labels = { label0: 'User', label1: 'Users' };
    const join = (label: string, alias: string): string =>
      `LOOP JOIN dbo.TB_R_SYNC_TRACKING AS ${alias} ON ${alias}.EntityType = @${label} AND ${alias}.EntityId = k.EntityId`;
    assert.equal(
      await client.execute(
        `UPDATE t SET SyncTimestamp = SYSUTCDATETIME(), RowHash = k.RowHash FROM #keys AS k INNER ${join('label1', 't')}`,
        labels,
      ),
      1,
    );
    assert.equal(
      await client.execute(
        `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash)
SELECT @label0, k.EntityId, SYSUTCDATETIME(), k.RowHash FROM #keys AS k LEFT ${join('label0', 't0')} LEFT ${join('label1', 't1')}
WHERE t0.Id IS NULL AND t1.Id IS NULL AND k.Position IN (SELECT MIN(Position) FROM #keys GROUP BY EntityId)`,
        labels,
      ),
      1,
    );
    assert.deepEqual(
      await client.query(
        `SELECT k.Position, t.EntityId, t.RowHash FROM #keys AS k INNER ${join('label0', 't')}
UNION ALL SELECT k.Position, t.EntityId, t.RowHash FROM #keys AS k INNER ${join('label1', 't')} ORDER BY Position`,
        labels,
      ),
      [
        { Position: 0, EntityId: 'a', RowHash: null },
        { Position: 1, EntityId: 'b', RowHash: Buffer.alloc(16, 1) },
        { Position: 2, EntityId: 'c', RowHash: Buffer.alloc(16, 2) },
        { Position: 3, EntityId: 'c', RowHash: Buffer.alloc(16, 2) },
      ],
    );
  });

  it('deletes rows by a join with the loaded keys', async () => {
    const client = await sql.connect('log');
    await loadKeys(client, ['a', 'b']);
    await sql.execute(
      'log',
      "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'User', N'a'), (N'User', N'z'), (N'Other', N'b')",
    );
    assert.equal(
      await client.execute(
        `DELETE t FROM dbo.TB_R_SYNC_TRACKING AS t INNER JOIN #keys AS k ON k.EntityId = t.EntityId WHERE t.EntityType = @label`,
        { label: 'User' },
      ),
      1,
    );
    assert.deepEqual(await sql.query('log', 'SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING ORDER BY EntityId'), [
      { EntityId: 'b' },
      { EntityId: 'z' },
    ]);
  });

  it('empties and fills a #temporary table again', async () => {
    const client = await sql.connect('log');
    await loadKeys(client, ['a', 'b']);
    await client.batch('TRUNCATE TABLE #keys');
    await client.bulkInsert('#keys', KEY_COLUMNS, [[0, 'only', null]]);
    assert.deepEqual(await client.query('SELECT EntityId, RowHash FROM #keys'), [{ EntityId: 'only', RowHash: null }]);
  });

  it('refuses a key twice under one label, in whatever case', async () => {
    await sql.execute('log', "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'User', N'abc')");
    await rejectsWithNumber(
      sql.execute('log', "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'User', N'ABC ')"),
      2601,
      2627,
    );
  });

  it('takes a log row with everything in it', async () => {
    const text = 'Gagal: "batch" – エラー 🚨\r\n\tbaris';
    await sql.execute(
      'log',
      `INSERT INTO dbo.TB_R_Log (ID, ApplicationName, LogID, LogCategory, Activity, ApplicationModule, IPHostName, Status,
  AdditionalInformation, CreatedBy, CreatedOn, ModifiedBy, ModifiedOn, RowStatus, ExceptionMessage)
VALUES (@id, N'tamhr-sync', N'x', N'DataSync', @activity, N'Sync', N'host', N'Failure', @information, N'System', GETUTCDATE(), N'System', GETUTCDATE(), 1, @exception)`,
      {
        id: { type: TYPES.UniqueIdentifier, value: '11111111-2222-4333-8444-555555555555' },
        activity: 'Sync Batch: Users',
        information: JSON.stringify({ EndpointUrl: 'https://example.com', BatchSize: 3000 }),
        exception: { type: TYPES.NVarChar, value: text.repeat(1000), length: Number.POSITIVE_INFINITY },
      },
    );
    const [row] = await sql.query(
      'log',
      'SELECT ID, RowStatus, ExceptionMessage FROM dbo.TB_R_Log WHERE Activity LIKE @like',
      {
        like: 'Sync Batch:%',
      },
    );
    assert.deepEqual(row, {
      ID: '11111111-2222-4333-8444-555555555555',
      RowStatus: true,
      ExceptionMessage: text.repeat(1000),
    });
  });
});

describe('writing', () => {
  before(() =>
    sql.execute(
      'log',
      'CREATE TABLE dbo.Batches (BatchId uniqueidentifier NOT NULL PRIMARY KEY, State nvarchar(20) NOT NULL, Body varbinary(max) NULL, SettledAt datetime2(3) NULL)',
    ),
  );

  it('keeps a large body byte by byte, and clears it', async () => {
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 256));
    const id = { type: TYPES.UniqueIdentifier, value: 'aaaaaaaa-0000-4000-8000-000000000001' };
    await sql.execute('log', "INSERT INTO dbo.Batches (BatchId, State, Body) VALUES (@id, N'sending', @body)", {
      id,
      body: { type: TYPES.VarBinary, value: body, length: Number.POSITIVE_INFINITY },
    });
    const [row] = await sql.query('log', 'SELECT Body FROM dbo.Batches WHERE BatchId = @id', { id });
    assert.ok(body.equals(row?.Body as Buffer));
    assert.equal(
      await sql.execute(
        'log',
        "UPDATE dbo.Batches SET State = N'accepted', Body = NULL, SettledAt = SYSUTCDATETIME() WHERE BatchId = @id AND State = N'sending'",
        { id },
      ),
      1,
    );
    assert.equal(
      await sql.execute(
        'log',
        "UPDATE dbo.Batches SET State = N'accepted' WHERE BatchId = @id AND State = N'sending'",
        { id },
      ),
      0,
      'a second settle hits nothing',
    );
  });

  it('sums up by groups what history shows', async () => {
    const client = await sql.connect('log');
    await client.batch(`CREATE TABLE #h (RunId int NOT NULL, State nvarchar(20) NOT NULL, N int NOT NULL, At datetime2(3) NULL);
INSERT INTO #h (RunId, State, N, At) VALUES (1, N'accepted', 3000, '2026-11-23T03:00:00'), (1, N'accepted', 1000, '2026-11-23T03:00:01.5'),
  (1, N'refused', 3000, NULL), (2, N'accepted', 5, '2026-11-22')`);
    assert.deepEqual(
      await client.query(
        `SELECT h.RunId, h.State, COUNT(*) AS Batches, SUM(h.N) AS Sent, MAX(h.At) AS Last FROM #h AS h
WHERE h.RunId <> @not AND h.RunId IN (SELECT RunId FROM #h) GROUP BY h.RunId, h.State ORDER BY h.State`,
        { not: 2 },
      ),
      [
        { RunId: 1, State: 'accepted', Batches: 2, Sent: 4000, Last: new Date('2026-11-23T03:00:01.500Z') },
        { RunId: 1, State: 'refused', Batches: 1, Sent: 3000, Last: null },
      ],
    );
    assert.deepEqual(await client.query('SELECT TOP (@limit) N FROM #h ORDER BY At DESC, N', { limit: 1 }), [
      { N: 1000 },
    ]);
    assert.deepEqual(await client.query('SELECT MAX(At) AS Last, COUNT_BIG(*) AS N FROM #h WHERE RunId = 7'), [
      { Last: null, N: '0' },
    ]);
  });

  it('cuts a value to what a narrower column takes', async () => {
    const client = await sql.connect('log');
    assert.deepEqual(
      await client.query('SELECT CAST(@text AS varchar(5)) AS Cut, DATALENGTH(CAST(@text AS varchar(5))) AS Bytes', {
        text: 'sepuluh',
      }),
      [{ Cut: 'sepul', Bytes: 5 }],
    );
  });

  it('says how many rows a statement touched in @@ROWCOUNT', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE #t (n int NOT NULL); INSERT INTO #t (n) VALUES (1), (2), (3);');
    const rows = await client.query('UPDATE #t SET n = n + 1 WHERE n > @n; SELECT @@ROWCOUNT AS Touched', { n: 1 });
    assert.deepEqual(rows, [{ Touched: 2 }]);
  });

  it('leaves gaps in an identity after a rollback, and never gives a value twice', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE dbo.Gaps (Id int IDENTITY(1,1) NOT NULL PRIMARY KEY, T nvarchar(10) NOT NULL)');
    await client.batch("BEGIN TRANSACTION; INSERT INTO dbo.Gaps (T) VALUES (N'a'); ROLLBACK TRANSACTION;");
    const [row] = await client.query("INSERT INTO dbo.Gaps (T) OUTPUT INSERTED.Id VALUES (N'b')");
    assert.equal(row?.Id, 2);
    const [scope] = await client.query(
      "INSERT INTO dbo.Gaps (T) VALUES (N'c'); SELECT CAST(SCOPE_IDENTITY() AS int) AS Id",
    );
    assert.equal(scope?.Id, 3);
  });

  it('refuses more than 1,000 rows in one VALUES list', async () => {
    await sql.execute('log', 'CREATE TABLE dbo.Many (n int NOT NULL)');
    const values = (count: number): string => Array.from({ length: count }, (_, i) => `(${i})`).join(',');
    assert.equal(await sql.execute('log', `INSERT INTO dbo.Many (n) VALUES ${values(1000)}`), 1000);
    await rejectsWithNumber(sql.execute('log', `INSERT INTO dbo.Many (n) VALUES ${values(1001)}`), 10_738, 33_557_097);
  });

  it('keeps a #temporary table of a batch for its session, and drops it with a reset', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE #mine (n int NOT NULL)');
    assert.equal(await client.execute('INSERT INTO #mine (n) VALUES (@n)', { n: 1 }), 1);
    const other = await sql.connect('log');
    await rejectsWithNumber(other.query('SELECT n FROM #mine'), 208);
    await new Promise<void>((resolve, reject) =>
      client.connection.reset((error) => (error ? reject(error) : resolve())),
    );
    await rejectsWithNumber(client.query('SELECT n FROM #mine'), 208);
  });

  it('drops a #temporary table that sp_executesql made when the call ends', async () => {
    const client = await sql.connect('log');
    await client.run('CREATE TABLE #inner (n int NOT NULL); INSERT INTO #inner (n) VALUES (@n)', { n: 1 });
    await rejectsWithNumber(client.query('SELECT n FROM #inner'), 208);
  });
});
