import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import type { SqlClient } from '../../dev/sqlserver/client.ts';
import { useSqlServer } from '../support/sqlserver.ts';
import { rejectsWithNumber } from './expect.ts';

const sql = useSqlServer();

type Callback = (error?: Error | null) => void;
const step = (run: (done: Callback) => void): Promise<void> =>
  new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));

const values = async (): Promise<unknown[]> =>
  (await sql.query('log', 'SELECT n FROM dbo.Numbers ORDER BY n')).map(({ n }) => n);

describe('transactions', () => {
  let client: SqlClient;
  before(() => sql.execute('log', 'CREATE TABLE dbo.Numbers (n int NOT NULL CONSTRAINT PK_Numbers PRIMARY KEY)'));
  beforeEach(async () => {
    await sql.execute('log', 'DELETE FROM dbo.Numbers');
    client = await sql.connect('log');
  });

  it('keep everything on commit and nothing on rollback', async () => {
    await step((done) => client.connection.beginTransaction(done));
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (@n)', { n: 1 });
    await step((done) => client.connection.commitTransaction(done));
    await step((done) => client.connection.beginTransaction(done));
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (@n)', { n: 2 });
    await step((done) => client.connection.rollbackTransaction(done));
    assert.deepEqual(await values(), [1]);
  });

  it('may begin and end in a batch, and the driver knows', async () => {
    await client.batch('BEGIN TRANSACTION');
    assert.equal(client.connection.inTransaction, true);
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (1)');
    await client.batch('COMMIT TRANSACTION');
    assert.equal(client.connection.inTransaction, false);
    assert.deepEqual(await values(), [1]);
  });

  it('go on after an error of one statement without XACT_ABORT', async () => {
    await client.batch('SET XACT_ABORT OFF');
    await step((done) => client.connection.beginTransaction(done));
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (1)');
    await rejectsWithNumber(client.execute('INSERT INTO dbo.Numbers (n) VALUES (1)'), 2627);
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (2)');
    await step((done) => client.connection.commitTransaction(done));
    assert.deepEqual(await values(), [1, 2]);
  });

  it('are rolled back by an error with XACT_ABORT, and the driver knows', async () => {
    await client.batch('SET XACT_ABORT ON');
    await client.batch('BEGIN TRANSACTION');
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (1)');
    await rejectsWithNumber(client.execute('INSERT INTO dbo.Numbers (n) VALUES (1)'), 2627);
    assert.equal(client.connection.inTransaction, false);
    assert.deepEqual(await values(), []);
  });

  it('skip the rest of a batch after an error with XACT_ABORT', async () => {
    await rejectsWithNumber(
      client.batch(`SET XACT_ABORT ON;
BEGIN TRANSACTION;
INSERT INTO dbo.Numbers (n) VALUES (1);
INSERT INTO dbo.Numbers (n) VALUES (1);
INSERT INTO dbo.Numbers (n) VALUES (3);
COMMIT TRANSACTION;`),
      2627,
    );
    assert.deepEqual(await values(), []);
    assert.equal((await client.query('SELECT @@TRANCOUNT AS Open_'))[0]?.Open_, 0);
  });

  it('are rolled back when the connection goes', async () => {
    await step((done) => client.connection.beginTransaction(done));
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (1)');
    await client.close();
    assert.deepEqual(await values(), []);
  });

  it('are rolled back by a reset of the connection', async () => {
    await client.batch('BEGIN TRANSACTION; INSERT INTO dbo.Numbers (n) VALUES (1);');
    await step((done) => client.connection.reset(done));
    assert.deepEqual(await values(), []);
    assert.equal((await client.query('SELECT @@TRANCOUNT AS Open_'))[0]?.Open_, 0);
  });

  it('roll back to a savepoint and keep what came before', async () => {
    await client.batch('BEGIN TRANSACTION; INSERT INTO dbo.Numbers (n) VALUES (1);');
    await step((done) => client.connection.saveTransaction(done, 'before2'));
    await client.execute('INSERT INTO dbo.Numbers (n) VALUES (2)');
    await step((done) => client.connection.rollbackTransaction(done, 'before2'));
    await client.batch('COMMIT TRANSACTION');
    assert.deepEqual(await values(), [1]);
  });

  it('let TRY … CATCH roll back and tell the error on', async () => {
    await rejectsWithNumber(
      client.batch(`BEGIN TRY
  BEGIN TRANSACTION;
  INSERT INTO dbo.Numbers (n) VALUES (1);
  INSERT INTO dbo.Numbers (n) VALUES (1);
  COMMIT TRANSACTION;
END TRY
BEGIN CATCH
  IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
  THROW;
END CATCH`),
      2627,
    );
    assert.deepEqual(await values(), []);
  });
});

describe('cancelling', () => {
  it('stops a statement in mid-stream, and the connection serves the next one', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE #many (n int NOT NULL, t nvarchar(400) NOT NULL)');
    await client.batch(`INSERT INTO #many (n, t) SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000, REPLICATE(N'x', 400)
FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS a(n) CROSS JOIN (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS b(n)
CROSS JOIN (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS c(n) CROSS JOIN (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS d(n)`);
    let seen = 0;
    const { Request } = await import('tedious');
    const error = await new Promise<unknown>((resolve) => {
      const request = new Request('SELECT n, t FROM #many', resolve);
      request.on('row', () => {
        seen += 1;
        if (seen === 1) request.cancel();
      });
      client.connection.execSql(request);
    });
    assert.equal((error as { code?: string }).code, 'ECANCEL');
    assert.ok(seen < 10_000, `${seen} rows came`);
    assert.deepEqual(await client.query('SELECT COUNT(*) AS N FROM #many'), [{ N: 10_000 }]);
  });
});
