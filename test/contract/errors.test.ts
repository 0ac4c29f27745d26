import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { LoginRefused, SqlClient } from '../../dev/sqlserver/client.ts';
import { useSqlServer } from '../support/sqlserver.ts';
import { itOnMicrosoft, rejectsWithNumber } from './expect.ts';

const sql = useSqlServer();

/** Numbers of the errors that a login is refused with; empty where it is let in. */
async function loginNumbers(overrides: Readonly<Record<string, string>>): Promise<readonly number[]> {
  try {
    await (await SqlClient.connect(sql.connectionString('master', overrides))).close();
    return [];
  } catch (error) {
    if (error instanceof LoginRefused) return error.numbers;
    throw error;
  }
}

describe('errors', () => {
  before(async () => {
    await sql.execute(
      'log',
      'CREATE TABLE dbo.E (Id int NOT NULL CONSTRAINT PK_E PRIMARY KEY, U nvarchar(10) NULL, C int NULL CONSTRAINT CK_E CHECK (C > 0))',
    );
    await sql.execute('log', 'CREATE UNIQUE INDEX UQ_E ON dbo.E (U)');
    await sql.execute('log', "INSERT INTO dbo.E (Id, U, C) VALUES (1, N'a', 1)");
  });

  const cases: readonly (readonly [what: string, statement: string, ...numbers: number[]])[] = [
    ['a column that is not there', 'SELECT Nothing FROM dbo.E', 207],
    ['a table that is not there', 'SELECT * FROM dbo.Nothing', 208],
    ['a primary key twice', "INSERT INTO dbo.E (Id, U, C) VALUES (1, N'b', 1)", 2627],
    ['a unique index twice', "INSERT INTO dbo.E (Id, U, C) VALUES (2, N'A', 1)", 2601, 2627],
    ['NULL where it is not allowed', 'INSERT INTO dbo.E (Id) VALUES (NULL)', 515],
    ['a CHECK that fails', 'INSERT INTO dbo.E (Id, C) VALUES (3, 0)', 547],
    ['text that is too long', "INSERT INTO dbo.E (Id, U) VALUES (4, N'12345678901')", 8152, 2628],
    ['text that is no number', "SELECT CAST(N'abc' AS int) AS N", 245],
    ['a division by zero', 'SELECT 1 / 0 AS N', 8134],
    ['a table that exists already', 'CREATE TABLE dbo.E (Id int NOT NULL)', 2714],
    ['a number that is too large', 'SELECT CAST(300 AS tinyint) AS N', 220],
    ['a syntax error', 'SELEC 1', 102, 33_557_097, 2812],
    ['a keyword in the wrong place', 'SELECT FROM dbo.E', 156, 33_557_097],
  ];
  for (const [what, statement, ...numbers] of cases) {
    it(`tell ${what}: ${numbers[0]}`, async () => {
      const client = await sql.connect('log');
      await rejectsWithNumber(client.batch(statement), ...numbers);
      assert.deepEqual(await client.query('SELECT 1 AS One'), [{ One: 1 }], 'the connection lives on');
    });
  }

  it('name what is missing', async () => {
    await assert.rejects(sql.query('log', 'SELECT * FROM dbo.Nothing'), /dbo\.Nothing/i);
    await assert.rejects(sql.query('log', 'SELECT Nothing FROM dbo.E'), /Nothing/i);
  });

  it('refuse a database that is not there: 4060', async () => {
    assert.ok((await loginNumbers({ Database: 'tamhr_no_such_database' })).includes(4060));
  });

  it('refuse a wrong password: 18456', async () => {
    assert.deepEqual(await loginNumbers({ Password: 'wrong' }), [18_456]);
  });

  it('let the right password in', async () => {
    assert.deepEqual(await loginNumbers({}), []);
  });

  itOnMicrosoft(sql, 'tell a parameter that was not given: 8178', async () => {
    const client = await sql.connect('log');
    await rejectsWithNumber(client.batch("EXEC sp_executesql N'SELECT @a AS A', N'@a int'"), 8178);
  });
});
