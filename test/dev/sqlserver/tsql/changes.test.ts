import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Engine, ResultColumn, Session, SqlValue } from '../../../../dev/sqlserver/engine.ts';
import { SqlServerError } from '../../../../dev/sqlserver/engine.ts';
import { errorNumbers, login, rows, run, startEngine, value } from './client.ts';

let engine: Engine;
let session: Session;

before(() => {
  engine = startEngine();
  session = engine.login(login);
});
after(() => engine.close());

beforeEach(async () => {
  await run(
    session,
    `IF OBJECT_ID(N'dbo.Item', N'U') IS NOT NULL DROP TABLE dbo.Item;
     CREATE TABLE dbo.Item (
       Id int IDENTITY(10,5) NOT NULL CONSTRAINT PK_Item PRIMARY KEY,
       Code nvarchar(5) NOT NULL CONSTRAINT UQ_Item UNIQUE,
       Kind varchar(3) NULL DEFAULT ('std'),
       Amount decimal(5,2) NULL CONSTRAINT CK_Amount CHECK (Amount >= 0),
       Version rowversion
     );
     CREATE UNIQUE INDEX IX_Kind_Amount ON dbo.Item (Kind, Amount)`,
  );
});

const messageOf = async (sql: string): Promise<string> =>
  (await run(session, sql)).errors.map((error) => `${error.number} ${error.message}`).join('; ');

describe('INSERT', () => {
  it('fills defaults, identity and rowversion, and OUTPUT shows them', async () => {
    const found = await rows(
      session,
      "INSERT INTO Item (Code, Amount) OUTPUT INSERTED.Id, INSERTED.Kind, INSERTED.Code VALUES (N'a', 1), (N'b', 2)",
    );
    assert.deepEqual(found, [
      [10, 'std', 'a'],
      [15, 'std', 'b'],
    ]);
    const versions = (await rows(session, 'SELECT Version FROM Item ORDER BY Id')).map(
      ([version]) => version as Uint8Array,
    );
    assert.equal(Buffer.compare(versions[0] as Uint8Array, versions[1] as Uint8Array), -1);
    assert.equal(await value(session, 'SELECT SCOPE_IDENTITY()'), 15n);
    assert.equal(
      await value(session, "INSERT Item (Code, Kind, Amount) VALUES (N'c', DEFAULT, 9); SELECT @@ROWCOUNT"),
      1,
    );
  });

  it('keeps the gap that a failed insert leaves in the identity', async () => {
    await run(
      session,
      "INSERT Item (Code) VALUES (N'a'); INSERT Item (Code) VALUES (N'A '); INSERT Item (Code, Amount) VALUES (N'b', 1)",
    );
    assert.deepEqual(await rows(session, 'SELECT Id FROM Item ORDER BY Id'), [[10], [20]]);
  });

  it('takes values for the identity only with IDENTITY_INSERT', async () => {
    assert.deepEqual(await errorNumbers(session, "INSERT Item (Id, Code) VALUES (1, N'a')"), [544]);
    await run(
      session,
      "SET IDENTITY_INSERT Item ON; INSERT Item (Id, Code) VALUES (100, N'a'); SET IDENTITY_INSERT Item OFF; INSERT Item (Code, Amount) VALUES (N'b', 1)",
    );
    assert.deepEqual(await rows(session, 'SELECT Id FROM Item ORDER BY Id'), [[100], [105]]);
  });

  it('names constraint, object and key of a duplicate', async () => {
    await run(session, "INSERT Item (Code, Amount) VALUES (N'ä', 1)");
    assert.equal(
      await messageOf("INSERT Item (Code, Amount) VALUES (N'Ä ', 2)"),
      "2627 Violation of UNIQUE KEY constraint 'UQ_Item'. Cannot insert duplicate key in object 'dbo.Item'. The duplicate key value is (Ä ).",
    );
    assert.equal(
      await messageOf("INSERT Item (Code, Amount) VALUES (N'x', 1)"),
      "2601 Cannot insert duplicate key row in object 'dbo.Item' with unique index 'IX_Kind_Amount'. The duplicate key value is (std, 1.00).",
    );
    await run(session, 'SET IDENTITY_INSERT Item ON');
    assert.match(
      await messageOf("INSERT Item (Id, Code) VALUES (10, N'y')"),
      /^2627 Violation of PRIMARY KEY constraint 'PK_Item'\..*The duplicate key value is \(10\)\.$/,
    );
    await run(session, 'SET IDENTITY_INSERT Item OFF');
  });

  it('takes NULL for a value in a unique index, once', async () => {
    await run(session, "INSERT Item (Code, Kind) VALUES (N'a', 'k')");
    assert.deepEqual(await errorNumbers(session, "INSERT Item (Code, Kind) VALUES (N'b', 'k')"), [2601]);
  });

  it('names table and column of a NULL, of a truncation and of a broken CHECK', async () => {
    assert.equal(
      await messageOf('INSERT Item (Code) VALUES (NULL)'),
      "515 Cannot insert the value NULL into column 'Code', table 'Test.dbo.Item'; column does not allow nulls. INSERT fails.",
    );
    assert.equal(
      await messageOf("INSERT Item (Code) VALUES (N'toolong')"),
      "2628 String or binary data would be truncated in table 'Test.dbo.Item', column 'Code'. Truncated value: 'toolo'.",
    );
    assert.equal(
      await messageOf("INSERT Item (Code, Amount) VALUES (N'a', -1)"),
      '547 The INSERT statement conflicted with the CHECK constraint "CK_Amount". The conflict occurred in database "Test", table "dbo.Item", column \'Amount\'.',
    );
    assert.equal((await rows(session, 'SELECT 1 FROM Item')).length, 0);
  });

  it('writes all rows or none', async () => {
    assert.deepEqual(
      await errorNumbers(session, "INSERT Item (Code, Amount) VALUES (N'a', 1), (N'b', 2), (N'a', 3)"),
      [2627],
    );
    assert.equal(await value(session, 'SELECT COUNT(*) FROM Item'), 0);
  });

  it('checks the number of values', async () => {
    assert.deepEqual(await errorNumbers(session, "INSERT Item (Code, Kind) VALUES (N'a')"), [109]);
    assert.deepEqual(await errorNumbers(session, "INSERT Item (Code) VALUES (N'a', 'b')"), [110]);
    assert.deepEqual(await errorNumbers(session, "INSERT Item (Code, Kind) SELECT N'a'"), [120]);
    assert.deepEqual(await errorNumbers(session, 'INSERT Item (Nothing) VALUES (1)'), [207]);
  });

  it('does not see its own rows', async () => {
    await run(session, "INSERT Item (Code, Amount) VALUES (N'a', 1)");
    const answer = await run(session, "INSERT Item (Code, Amount) SELECT Code + N'x', Amount + 1 FROM Item");
    assert.deepEqual(answer.counts, [1]);
  });

  it('adds what is missing and leaves the rest: INSERT … SELECT … WHERE NOT EXISTS', async () => {
    await run(session, "INSERT Item (Code, Amount) VALUES (N'a', 1)");
    const answer = await run(
      session,
      "INSERT INTO dbo.Item (Code, Amount) SELECT v.c, v.n FROM (VALUES (N'A', 7), (N'b', 8)) v(c, n) WHERE NOT EXISTS (SELECT 1 FROM dbo.Item i WHERE i.Code = v.c)",
    );
    assert.deepEqual(answer.counts, [1]);
  });
});

describe('UPDATE and DELETE', () => {
  beforeEach(() => run(session, "INSERT Item (Code, Amount) VALUES (N'a', 1), (N'b', 2), (N'c', 3)"));

  it('change rows through a join', async () => {
    await run(
      session,
      "CREATE TABLE #k (Code nvarchar(5) COLLATE DATABASE_DEFAULT, New decimal(5,2)); INSERT #k VALUES (N'A', 50), (N'c', 60), (N'z', 70)",
    );
    const updated = await run(
      session,
      'UPDATE i SET Amount = k.New, Kind = NULL OUTPUT DELETED.Amount, INSERTED.Amount FROM dbo.Item AS i INNER JOIN #k AS k ON k.Code = i.Code',
    );
    assert.deepEqual(updated.results, [
      [
        [100n, 5000n],
        [300n, 6000n],
      ],
    ]);
    const deleted = await run(
      session,
      'DELETE i OUTPUT DELETED.Code FROM Item i JOIN #k k ON k.Code = i.Code WHERE k.New > 55',
    );
    assert.deepEqual(deleted.results, [[['c']]]);
    assert.deepEqual(await rows(session, 'DROP TABLE #k; SELECT Code, Amount FROM Item ORDER BY Code'), [
      ['a', 5000n],
      ['b', 200n],
    ]);
  });

  it('let keys pass each other within one statement', async () => {
    assert.deepEqual((await run(session, 'UPDATE Item SET Amount = Amount + 1')).counts, [3]);
    assert.deepEqual(await errorNumbers(session, 'UPDATE Item SET Amount = 1'), [2601]);
    assert.deepEqual(await rows(session, 'SELECT Amount FROM Item ORDER BY Id'), [[200n], [300n], [400n]]);
  });

  it('give a changed row a higher rowversion', async () => {
    const before = (await value(session, "SELECT Version FROM Item WHERE Code = N'a'")) as Uint8Array;
    await run(session, "UPDATE Item SET Amount = 9 WHERE Code = N'a'");
    assert.equal(
      Buffer.compare((await value(session, "SELECT Version FROM Item WHERE Code = N'a'")) as Uint8Array, before),
      1,
    );
    assert.equal(await value(session, 'SELECT COUNT(*) FROM Item WHERE Version >= MIN_ACTIVE_ROWVERSION()'), 0);
  });

  it('refuse what no UPDATE can set', async () => {
    assert.deepEqual(await errorNumbers(session, 'UPDATE Item SET Id = 1'), [8102]);
    assert.deepEqual(await errorNumbers(session, 'UPDATE Item SET Version = NULL'), [272]);
    assert.deepEqual(await errorNumbers(session, 'UPDATE Item SET Code = NULL'), [515]);
    assert.deepEqual(await errorNumbers(session, 'UPDATE Item SET Amount = 1, Amount = 2'), [264]);
    assert.deepEqual(await errorNumbers(session, "UPDATE Item SET Code = N'toolong'"), [2628]);
  });

  it('set variables, and take TOP', async () => {
    assert.equal(
      await value(
        session,
        "DECLARE @old decimal(5,2); UPDATE Item SET @old = Amount, Amount = 8 WHERE Code = N'b'; SELECT @old",
      ),
      200n,
    );
    assert.deepEqual((await run(session, 'DELETE TOP (2) FROM Item')).counts, [2]);
    assert.deepEqual((await run(session, 'DELETE FROM Item; SELECT @@ROWCOUNT')).results, [[[1]]]);
  });

  it('hold foreign keys', async () => {
    await run(
      session,
      'CREATE TABLE dbo.Part (Id int PRIMARY KEY, ItemId int NULL CONSTRAINT FK_Part REFERENCES dbo.Item (Id)); INSERT Part VALUES (1, 10), (2, NULL)',
    );
    assert.equal(
      await messageOf('INSERT Part VALUES (3, 11)'),
      '547 The INSERT statement conflicted with the FOREIGN KEY constraint "FK_Part". The conflict occurred in database "Test", table "dbo.Item", column \'Id\'.',
    );
    assert.equal(
      await messageOf('DELETE FROM Item'),
      '547 The DELETE statement conflicted with the REFERENCE constraint "FK_Part". The conflict occurred in database "Test", table "dbo.Part", column \'ItemId\'.',
    );
    assert.deepEqual(await errorNumbers(session, 'DROP TABLE Item'), [3726]);
    await run(session, 'DROP TABLE Part');
  });
});

describe('bulk load', () => {
  const columns: ResultColumn[] = [
    { name: 'Code', type: { name: 'nvarchar', length: 50 }, nullable: false },
    { name: 'Amount', type: { name: 'decimal', precision: 5, scale: 2 }, nullable: true },
  ];
  const sql = 'INSERT BULK dbo.Item ([Code] nvarchar(50), [Amount] decimal(5,2))';

  async function* send(list: readonly (readonly SqlValue[])[]): AsyncGenerator<readonly SqlValue[]> {
    yield* list;
  }

  it('writes rows, with defaults for columns that are not sent', async () => {
    assert.equal(
      await session.bulkInsert(
        sql,
        columns,
        send([
          ['a', 125n],
          ['b', null],
        ]),
      ),
      2,
    );
    assert.deepEqual(await rows(session, 'SELECT Id, Code, Kind, Amount FROM Item ORDER BY Id'), [
      [10, 'a', 'std', 125n],
      [15, 'b', 'std', null],
    ]);
  });

  it('writes nothing when a row fails', async () => {
    for (const [bad, number] of [
      ['a', 2627],
      ['toolong', 2628],
      [null, 515],
    ] as const) {
      await assert.rejects(
        session.bulkInsert(
          sql,
          columns,
          send([
            ['a', 1n],
            [bad, 2n],
          ]),
        ),
        (error) => error instanceof SqlServerError && error.info.number === number,
      );
    }
    assert.equal(await value(session, 'SELECT COUNT(*) FROM Item'), 0);
  });

  it('that fails under XACT_ABORT leaves a transaction that can only be rolled back', async () => {
    await run(session, 'SET XACT_ABORT ON');
    await session.begin(0);
    await assert.rejects(
      session.bulkInsert(
        sql,
        columns,
        send([
          ['a', 1n],
          ['a', 2n],
        ]),
      ),
      (error) => error instanceof SqlServerError && error.info.number === 2627,
    );
    await assert.rejects(session.commit(), (error) => error instanceof SqlServerError && error.info.number === 3930);
    await session.rollback();
    assert.equal(await value(session, 'SELECT COUNT(*) FROM Item'), 0);
  });

  it('checks constraints only when asked to', async () => {
    await assert.rejects(
      session.bulkInsert(`${sql} WITH (CHECK_CONSTRAINTS)`, columns, send([['a', -100n]])),
      /CK_Amount/,
    );
    assert.equal(await session.bulkInsert(sql, columns, send([['a', -100n]])), 1);
  });
});
