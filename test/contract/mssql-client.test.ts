import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import mssql from 'mssql';
import { useSqlServer } from '../support/sqlserver.ts';

const sql = useSqlServer();

/** A client that nobody here wrote: the npm package mssql, with its pool, prepared statements and bulk tables. */
describe('the package mssql', () => {
  let pool: InstanceType<typeof mssql.ConnectionPool>;
  before(async () => {
    pool = new mssql.ConnectionPool(sql.connectionString('mdm'));
    await pool.connect();
    await pool
      .request()
      .batch(
        'CREATE TABLE dbo.People (Id int NOT NULL PRIMARY KEY, Name nvarchar(100) NULL, Pay decimal(9,2) NULL, Born datetime NULL)',
      );
  });
  after(() => pool.close());

  it('inserts and reads with parameters', async () => {
    const born = new Date('1990-05-06T00:00:00Z');
    const { rowsAffected } = await pool
      .request()
      .input('id', mssql.Int, 1)
      .input('name', mssql.NVarChar(100), "Ni'mah 山田 🚀")
      .input('pay', mssql.Decimal(9, 2), 1234.5)
      .input('born', mssql.DateTime, born)
      .query('INSERT INTO dbo.People (Id, Name, Pay, Born) VALUES (@id, @name, @pay, @born)');
    assert.deepEqual(rowsAffected, [1]);
    const { recordset } = await pool
      .request()
      .input('id', 1)
      .query('SELECT Id, Name, Pay, Born FROM dbo.People WHERE Id = @id');
    assert.deepEqual(
      recordset.map((row) => ({ ...row })),
      [{ Id: 1, Name: "Ni'mah 山田 🚀", Pay: 1234.5, Born: born }],
    );
  });

  it('loads a table in bulk', async () => {
    const table = new mssql.Table('dbo.People');
    table.columns.add('Id', mssql.Int, { nullable: false });
    table.columns.add('Name', mssql.NVarChar(100), { nullable: true });
    for (let i = 100; i < 600; i++) table.rows.add(i, i % 3 === 0 ? null : `orang ${i}`);
    const { rowsAffected } = await pool.request().bulk(table);
    assert.equal(rowsAffected, 500);
    const { recordset } = await pool
      .request()
      .query('SELECT COUNT(*) AS N, COUNT(Name) AS Named FROM dbo.People WHERE Id >= 100');
    assert.deepEqual({ ...recordset[0] }, { N: 500, Named: 334 });
  });

  it('runs a prepared statement several times', async () => {
    const statement = new mssql.PreparedStatement(pool);
    statement.input('n', mssql.Int);
    await statement.prepare('SELECT @n * 2 AS Twice');
    const twice: unknown[] = [];
    for (const n of [1, 21]) twice.push((await statement.execute({ n })).recordset[0]?.Twice);
    await statement.unprepare();
    assert.deepEqual(twice, [2, 42]);
  });

  it('rolls a transaction back', async () => {
    const transaction = new mssql.Transaction(pool);
    await transaction.begin();
    await transaction.request().query('INSERT INTO dbo.People (Id) VALUES (9000)');
    await transaction.rollback();
    const { recordset } = await pool.request().query('SELECT COUNT(*) AS N FROM dbo.People WHERE Id = 9000');
    assert.equal(recordset[0]?.N, 0);
  });

  it('takes a lock through the procedure’s own parameters', async () => {
    const { returnValue } = await pool
      .request()
      .input('Resource', mssql.NVarChar(255), 'outside')
      .input('LockMode', mssql.NVarChar(32), 'Exclusive')
      .input('LockOwner', mssql.NVarChar(32), 'Session')
      .input('LockTimeout', mssql.Int, 0)
      .execute('sp_getapplock');
    assert.equal(returnValue, 0);
  });

  it('sees the number of an error', async () => {
    await assert.rejects(pool.request().query('SELECT * FROM dbo.Nobody'), { number: 208 });
  });
});
