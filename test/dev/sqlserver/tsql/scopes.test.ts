import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Engine, Session } from '../../../../dev/sqlserver/engine.ts';
import { SqlServerError } from '../../../../dev/sqlserver/engine.ts';
import { errorNumbers, login, parameter, rows, run, startEngine, value } from './client.ts';

let engine: Engine;
let session: Session;

before(() => {
  engine = startEngine();
  session = engine.login(login);
});
after(() => engine.close());

describe('a #temporary table', () => {
  it('made by a batch lives until it is dropped, for its session only', async () => {
    await run(
      session,
      "CREATE TABLE #a (i int NOT NULL PRIMARY KEY, t nvarchar(9) COLLATE DATABASE_DEFAULT NULL); INSERT #a VALUES (1, N'x')",
    );
    assert.deepEqual(await rows(session, "INSERT #a VALUES (2, N'y'); SELECT * FROM #a ORDER BY i"), [
      [1, 'x'],
      [2, 'y'],
    ]);
    const other = engine.login(login);
    assert.deepEqual(await errorNumbers(other, 'SELECT * FROM #a'), [208]);
    other.close();
    assert.deepEqual(await errorNumbers(session, 'CREATE TABLE #a (i int)'), [2714]);
    assert.notEqual(await value(session, "SELECT OBJECT_ID('tempdb..#a')"), null);
    await run(session, 'TRUNCATE TABLE #a; DROP TABLE #a');
    assert.deepEqual(await errorNumbers(session, 'DROP TABLE #a'), [3701]);
  });

  it('made inside of sp_executesql goes at its end, called with parameters or from T-SQL', async () => {
    const made = await run(session, 'CREATE TABLE #b (i int); INSERT #b VALUES (@i); SELECT i FROM #b', [
      parameter('@i', { name: 'int' }, 5),
    ]);
    assert.deepEqual(made.results, [[[5]]]);
    assert.deepEqual(await errorNumbers(session, 'SELECT * FROM #b'), [208]);
    assert.deepEqual(
      await errorNumbers(session, "EXEC sp_executesql N'CREATE TABLE #b (i int)'; SELECT * FROM #b"),
      [208],
    );
    assert.deepEqual(await errorNumbers(session, "EXEC ('CREATE TABLE #b (i int)'); SELECT * FROM #b"), [208]);
  });

  it('of the outer scope is seen inside of sp_executesql, and can be hidden there', async () => {
    await run(session, 'CREATE TABLE #c (i int)');
    await run(session, 'INSERT #c VALUES (@i)', [parameter('@i', { name: 'int' }, 7)]);
    assert.equal(
      await value(session, "EXEC sp_executesql N'CREATE TABLE #c (j int); INSERT #c (j) VALUES (1)'; SELECT i FROM #c"),
      7,
    );
    await run(session, 'DROP TABLE #c');
  });

  it('goes with reset', async () => {
    await run(session, 'CREATE TABLE #d (i int)');
    session.reset();
    assert.deepEqual(await errorNumbers(session, 'SELECT * FROM #d'), [208]);
  });

  it('can be written while another session holds a write transaction', async () => {
    const other = engine.login(login);
    await run(other, 'CREATE TABLE dbo.Held (i int); BEGIN TRAN; INSERT Held VALUES (1)');
    await run(session, 'CREATE TABLE #e (i int); INSERT #e VALUES (1)');
    assert.equal(await value(session, 'SELECT COUNT(*) FROM #e'), 1);
    await run(other, 'ROLLBACK; DROP TABLE Held');
    other.close();
    await run(session, 'DROP TABLE #e');
  });
});

describe('variables', () => {
  it('hold values between the statements of a batch, not between batches', async () => {
    const text = "DECLARE @a int = 1, @b nvarchar(3); SET @a += 4; SELECT @b = N'abcdef', @a = @a * 2; SELECT @a, @b";
    assert.deepEqual(await rows(session, text), [[10, 'abc']]);
    assert.deepEqual(await errorNumbers(session, 'SELECT @a'), [137]);
    assert.deepEqual(await errorNumbers(session, 'DECLARE @a int, @a int'), [134]);
  });

  it('keep their value when SELECT finds no row', async () => {
    assert.equal(await value(session, 'DECLARE @a int = 1; SELECT @a = 2 WHERE 1 = 0; SELECT @a'), 1);
  });

  it('come back from sp_executesql as OUTPUT', async () => {
    assert.equal(
      await value(
        session,
        "DECLARE @r int; EXEC sp_executesql N'SET @o = @i * 2', N'@i int, @o int OUTPUT', @i = 21, @o = @r OUTPUT; SELECT @r",
      ),
      42,
    );
    const answer = await run(session, "SET @o = @i + N'!'", [
      parameter('@i', { name: 'nvarchar', length: 5 }, 'x'),
      { name: '@o', type: { name: 'nvarchar', length: 9 }, value: null, output: true },
    ]);
    assert.deepEqual(
      answer.events.filter((event) => event.kind === 'output'),
      [{ kind: 'output', name: '@o', type: { name: 'nvarchar', length: 9 }, value: 'x!' }],
    );
    assert.deepEqual(await errorNumbers(session, "EXEC sp_executesql N'SELECT @i', N'@i int'"), [8178]);
  });

  it('of type table live in their batch', async () => {
    const text =
      "DECLARE @t TABLE (i int IDENTITY, v nvarchar(5) NOT NULL); INSERT @t VALUES (N'a'), (N'b'); SELECT * FROM @t";
    assert.deepEqual(await rows(session, text), [
      [1, 'a'],
      [2, 'b'],
    ]);
    assert.deepEqual(await rows(session, text), [
      [1, 'a'],
      [2, 'b'],
    ]);
    assert.deepEqual(await errorNumbers(session, 'SELECT * FROM @t'), [208]);
  });
});

describe('control flow', () => {
  it('loops, branches and leaves', async () => {
    assert.equal(
      await value(
        session,
        'DECLARE @i int = 0, @s int = 0; WHILE @i < 10 BEGIN SET @i += 1; IF @i = 3 CONTINUE; IF @i > 6 BREAK; SET @s += @i END; SELECT @s',
      ),
      18,
    );
    assert.deepEqual((await run(session, 'SELECT 1; RETURN; SELECT 2')).results, [[[1]]]);
    assert.equal(await value(session, "IF EXISTS (SELECT 1 WHERE 1 = 0) SELECT 'yes' ELSE SELECT 'no'"), 'no');
  });

  it('counts rows, and keeps still about them under NOCOUNT', async () => {
    await run(session, 'CREATE TABLE #n (i int)');
    assert.deepEqual(
      (await run(session, 'INSERT #n VALUES (1), (2); SELECT @@ROWCOUNT; SET NOCOUNT ON; DELETE FROM #n')).counts,
      [2, 1],
    );
    assert.equal(await value(session, 'SET NOCOUNT OFF; DROP TABLE #n; SELECT @@ROWCOUNT'), 0);
  });

  it('describes columns and changes nothing under FMTONLY', async () => {
    await run(session, 'CREATE TABLE #f (i int NOT NULL)');
    const answer = await run(
      session,
      'SET FMTONLY ON; INSERT #f VALUES (1); SELECT i FROM #f; SET FMTONLY OFF; SELECT COUNT(*) FROM #f',
    );
    assert.deepEqual(answer.results, [[], [[0]]]);
    await run(session, 'DROP TABLE #f');
  });

  it('begins a transaction by itself under IMPLICIT_TRANSACTIONS', async () => {
    assert.equal(
      await value(
        session,
        'CREATE TABLE #g (i int); SET IMPLICIT_TRANSACTIONS ON; SELECT i FROM #g; SET IMPLICIT_TRANSACTIONS OFF; SELECT @@TRANCOUNT',
      ),
      1,
    );
    await run(session, 'ROLLBACK; DROP TABLE #g');
  });

  it('prints', async () => {
    assert.deepEqual((await run(session, "PRINT N'a' + CAST(1 AS nvarchar(5))")).messages, ['a1']);
  });

  it('accepts the SET options that clients send and refuses what it would have to ignore', async () => {
    const accepted = `SET ANSI_NULLS, QUOTED_IDENTIFIER ON SET TEXTSIZE 2147483647 SET DATEFORMAT mdy SET DATEFIRST 7 SET LANGUAGE us_english
      SET CURSOR_CLOSE_ON_COMMIT OFF SET IMPLICIT_TRANSACTIONS OFF SET NUMERIC_ROUNDABORT OFF SET TRANSACTION ISOLATION LEVEL READ COMMITTED`;
    assert.deepEqual(await errorNumbers(session, accepted), []);
    for (const refused of [
      'SET ANSI_NULLS OFF',
      'SET DATEFIRST 1',
      'SET DATEFORMAT dmy',
      'SET ROWCOUNT 5',
      'SET LANGUAGE Deutsch',
    ]) {
      assert.deepEqual(await errorNumbers(session, refused), [102], refused);
    }
  });
});

describe('a login', () => {
  it('is refused with 18456 for a wrong password and 4060 for an unknown database', () => {
    const number = (request: typeof login): number | undefined => {
      try {
        engine.login(request).close();
        return undefined;
      } catch (error) {
        return error instanceof SqlServerError ? error.info.number : -1;
      }
    };
    assert.equal(number({ ...login, password: 'wrong' }), 18456);
    assert.equal(number({ ...login, userName: 'nobody' }), 18456);
    assert.equal(number({ ...login, database: 'Nowhere' }), 4060);
    assert.equal(number({ ...login, userName: 'SA', database: '' }), undefined);
  });

  it('can move between databases', async () => {
    const other = engine.login({ ...login, database: 'Other' });
    const answer = await run(
      other,
      'USE Test; CREATE TABLE dbo.Here (a int); USE Other; INSERT Test.dbo.Here VALUES (1); SELECT DB_NAME(), a FROM Test..Here',
    );
    assert.deepEqual(answer.results, [[['Other', 1]]]);
    assert.deepEqual(
      answer.events.flatMap((event) => (event.kind === 'database' ? [event.to] : [])),
      ['Test', 'Other'],
    );
    assert.deepEqual(await errorNumbers(other, 'SELECT * FROM Here'), [208]);
    assert.deepEqual(await errorNumbers(other, 'USE Nowhere'), [911]);
    await run(other, 'DROP TABLE Test.dbo.Here');
    other.close();
  });
});
