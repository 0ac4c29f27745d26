import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Engine, Session } from '../../../../dev/sqlserver/engine.ts';
import { errorNumbers, login, rows, run, startEngine, value } from './client.ts';

let engine: Engine;
let first: Session;
let second: Session;

before(() => {
  engine = startEngine();
});
after(() => engine.close());

beforeEach(async () => {
  first?.close();
  second?.close();
  first = engine.login(login);
  second = engine.login(login);
  await run(
    first,
    "IF OBJECT_ID('dbo.T') IS NOT NULL DROP TABLE dbo.T; CREATE TABLE dbo.T (Id int PRIMARY KEY, Name nvarchar(10)); INSERT T VALUES (1, N'one'), (2, N'two')",
  );
});

const count = (session: Session): Promise<unknown> => value(session, 'SELECT COUNT(*) FROM T');

describe('a transaction', () => {
  it('counts its levels and ends at the outermost COMMIT or at any ROLLBACK', async () => {
    const counts = await run(
      first,
      'BEGIN TRAN; BEGIN TRAN; SELECT @@TRANCOUNT; COMMIT; SELECT @@TRANCOUNT; ROLLBACK; SELECT @@TRANCOUNT, XACT_STATE()',
    );
    assert.deepEqual(counts.results, [[[2]], [[1]], [[0, 0]]]);
    assert.deepEqual(
      counts.events.flatMap((event) => (event.kind === 'transaction' ? [event.change] : [])),
      ['begin', 'rollback'],
    );
  });

  it('has a descriptor from BEGIN to COMMIT, also through the transaction manager', async () => {
    assert.equal(first.transaction, 0n);
    const [event] = await first.begin(0);
    assert.deepEqual(event, { kind: 'transaction', change: 'begin', descriptor: first.transaction });
    await run(first, 'DELETE FROM T');
    await first.rollback();
    assert.equal(first.transaction, 0n);
    assert.equal(await count(first), 2);
  });

  it('is not there to COMMIT (3902), ROLLBACK (3903) or SAVE (628)', async () => {
    assert.deepEqual(await errorNumbers(first, 'COMMIT'), [3902]);
    assert.deepEqual(await errorNumbers(first, 'ROLLBACK'), [3903]);
    assert.deepEqual(await errorNumbers(first, 'SAVE TRAN a'), [628]);
  });

  it('goes back to a savepoint made before its first write, and to one made after', async () => {
    await run(first, "BEGIN TRAN; SAVE TRAN a; INSERT T VALUES (3, N'x'); SAVE TRAN b; DELETE FROM T; ROLLBACK TRAN b");
    assert.equal(await count(first), 3);
    await run(first, 'ROLLBACK TRAN a');
    assert.equal(await count(first), 2);
    assert.deepEqual(await errorNumbers(first, 'ROLLBACK TRAN b'), [6401]);
    await run(first, 'COMMIT');
  });

  it('takes definitions back, too', async () => {
    await run(first, 'BEGIN TRAN; CREATE TABLE dbo.U (a int); ALTER TABLE T ADD More int NULL; ROLLBACK');
    assert.deepEqual(await rows(first, "SELECT OBJECT_ID('dbo.U'), COL_LENGTH('dbo.T', 'More')"), [[null, null]]);
    await run(first, 'BEGIN TRAN; DROP TABLE T; ROLLBACK');
    assert.equal(await count(first), 2);
  });

  it('shows others nothing before it commits, and readers do not wait', async () => {
    await run(first, "BEGIN TRAN; UPDATE T SET Name = N'new' WHERE Id = 1; CREATE TABLE dbo.U (a int)");
    assert.equal(await value(second, 'SELECT Name FROM T WHERE Id = 1'), 'one');
    assert.deepEqual(await errorNumbers(second, 'SELECT * FROM U'), [208]);
    await run(first, 'COMMIT');
    assert.equal(await value(second, 'SELECT Name FROM T WHERE Id = 1'), 'new');
    await run(second, 'DROP TABLE U');
  });

  it('reads what others have committed since its last statement', async () => {
    await run(first, 'BEGIN TRAN; SELECT COUNT(*) FROM T');
    await run(second, "INSERT T VALUES (3, N'x')");
    assert.equal(await count(first), 3);
    await run(first, "INSERT T VALUES (4, N'y'); COMMIT");
    assert.equal(await count(second), 4);
  });

  it('keeps other writers waiting until it ends', async () => {
    await run(first, "BEGIN TRAN; UPDATE T SET Name = N'new' WHERE Id = 1");
    let isDone = false;
    const waiting = run(second, "UPDATE T SET Name = Name + N'!' WHERE Id = 1").then((answer) => {
      isDone = true;
      return answer;
    });
    await value(first, 'SELECT 1');
    assert.equal(isDone, false);
    await run(first, 'COMMIT');
    assert.deepEqual((await waiting).counts, [1]);
    assert.equal(await value(first, 'SELECT Name FROM T WHERE Id = 1'), 'new!');
  });

  it('makes a writer with a lock timeout give up with 1222 and go on', async () => {
    await run(first, 'BEGIN TRAN; DELETE FROM T');
    const answer = await run(second, 'SET LOCK_TIMEOUT 5; DELETE FROM T; SELECT @@ERROR, @@LOCK_TIMEOUT');
    assert.deepEqual(
      answer.errors.map((error) => error.number),
      [1222],
    );
    assert.deepEqual(answer.results, [[[1222, 5]]]);
  });

  it('that waits can be cancelled and leaves the place to others', async () => {
    await run(first, 'BEGIN TRAN; DELETE FROM T');
    const abort = new AbortController();
    const waiting = run(second, 'DELETE FROM T', undefined, abort.signal);
    await value(first, 'SELECT 1');
    abort.abort();
    await waiting;
    await run(first, 'ROLLBACK');
    assert.equal(await count(second), 2);
    assert.deepEqual((await run(first, 'DELETE FROM T')).counts, [2]);
  });

  it('ends with its session', async () => {
    await run(first, 'BEGIN TRAN; DELETE FROM T');
    first.close();
    assert.deepEqual((await run(second, 'DELETE FROM T WHERE Id = 1')).counts, [1]);
  });

  it('under SERIALIZABLE keeps others from writing what it has read', async () => {
    await run(first, 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRAN; SELECT COUNT(*) FROM T');
    assert.deepEqual(await errorNumbers(second, 'SET LOCK_TIMEOUT 0; DELETE FROM T'), [1222]);
    await run(first, 'COMMIT');
    assert.deepEqual(await errorNumbers(second, 'SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT * FROM T'), [3952]);
  });

  it('of one row version is active until it ends: MIN_ACTIVE_ROWVERSION', async () => {
    await run(
      first,
      'CREATE TABLE dbo.V (a int, v rowversion); INSERT V (a) VALUES (1); BEGIN TRAN; INSERT V (a) VALUES (2), (3)',
    );
    const floor = 'SELECT CONVERT(varchar(20), MIN_ACTIVE_ROWVERSION(), 1), CONVERT(varchar(20), @@DBTS, 1)';
    const [[held, last]] = (await rows(second, floor)) as [[string, string]];
    assert.ok(held < last);
    await run(first, 'COMMIT');
    const [[free]] = (await rows(second, floor)) as [[string, string]];
    assert.ok(free > last);
    await run(first, 'DROP TABLE V');
  });
});

describe('an error', () => {
  const broken = "INSERT T VALUES (3, N'x'); INSERT T VALUES (1, N'y'); INSERT T VALUES (4, N'z')";

  it('of a statement ends that statement only', async () => {
    const answer = await run(first, `BEGIN TRAN; ${broken}; COMMIT`);
    assert.deepEqual(
      answer.errors.map((error) => error.number),
      [2627],
    );
    assert.ok(answer.messages.includes('The statement has been terminated.'));
    assert.equal(await count(first), 4);
  });

  it('ends the batch and the transaction under XACT_ABORT', async () => {
    const answer = await run(first, `SET XACT_ABORT ON; BEGIN TRAN; ${broken}; COMMIT`);
    assert.deepEqual(
      answer.errors.map((error) => error.number),
      [2627],
    );
    assert.deepEqual(await rows(first, 'SELECT @@TRANCOUNT, COUNT(*) FROM T'), [[0, 2]]);
  });

  it('of a conversion ends batch and transaction in any case', async () => {
    const answer = await run(first, "BEGIN TRAN; DELETE FROM T; SELECT CAST('x' AS int); SELECT 'not reached'");
    assert.deepEqual(
      answer.errors.map((error) => error.number),
      [245],
    );
    assert.deepEqual(await rows(first, 'SELECT @@TRANCOUNT, COUNT(*) FROM T'), [[0, 2]]);
  });

  it('of syntax or of an unknown column keeps the whole batch from running', async () => {
    assert.deepEqual(await errorNumbers(first, 'DELETE FROM T; SELEC 1'), [102]);
    assert.deepEqual(await errorNumbers(first, 'DELETE FROM T; SELECT Nothing FROM T'), [207]);
    assert.equal(await count(first), 2);
  });

  it('of an unknown table ends the batch only when it is reached', async () => {
    const answer = await run(first, "DELETE FROM T WHERE Id = 1; SELECT * FROM Nowhere; SELECT 'not reached'");
    assert.deepEqual(
      answer.errors.map((error) => error.number),
      [208],
    );
    assert.deepEqual(answer.results, []);
    assert.equal(await count(first), 1);
  });

  it('is caught by TRY … CATCH with number, text and line', async () => {
    const answer = await run(
      first,
      'BEGIN TRY\nSELECT 1/0\nEND TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_MESSAGE(), ERROR_LINE(), ERROR_SEVERITY(), XACT_STATE() END CATCH; SELECT ERROR_NUMBER()',
    );
    assert.deepEqual(answer.errors, []);
    assert.deepEqual(answer.results.slice(1), [[[8134, 'Divide by zero error encountered.', 2, 16, 0]], [[null]]]);
  });

  it('that is caught dooms the transaction under XACT_ABORT: nothing but ROLLBACK is left', async () => {
    const caught =
      "SET XACT_ABORT ON; BEGIN TRAN; BEGIN TRY INSERT T VALUES (1, N'y') END TRY BEGIN CATCH SELECT XACT_STATE()";
    const answer = await run(first, `${caught}; ROLLBACK END CATCH; SELECT @@TRANCOUNT`);
    assert.deepEqual(answer.results, [[[-1]], [[0]]]);
    assert.deepEqual(await errorNumbers(first, `${caught} END CATCH; DELETE FROM T`), [3930]);
    assert.deepEqual(await errorNumbers(first, `${caught} END CATCH`), [3998]);
    assert.deepEqual(await rows(first, 'SELECT @@TRANCOUNT, COUNT(*) FROM T'), [[0, 2]]);
  });

  it('is raised by RAISERROR, which goes on, and by THROW, which does not', async () => {
    const answer = await run(
      first,
      "RAISERROR(N'%s: %d', 16, 2, N'a', 5); RAISERROR('note', 10, 1); THROW 50005, N'end', 7; SELECT 1",
    );
    assert.deepEqual(
      answer.errors.map((error) => [error.number, error.state, error.message]),
      [
        [50000, 2, 'a: 5'],
        [50005, 7, 'end'],
      ],
    );
    assert.deepEqual(answer.messages, ['note']);
    assert.deepEqual(answer.results, []);
  });

  it('is thrown again as it was by THROW without arguments', async () => {
    const answer = await run(first, "BEGIN TRY INSERT T VALUES (1, N'y') END TRY BEGIN CATCH; THROW; END CATCH");
    assert.deepEqual(
      answer.errors.map((error) => error.number),
      [2627],
    );
  });
});

describe('an application lock', () => {
  const take = (owner: string, timeout: number): string =>
    `DECLARE @rc int; EXEC @rc = sys.sp_getapplock @Resource = N'job', @LockMode = 'Exclusive', @LockOwner = '${owner}', @LockTimeout = ${timeout}; SELECT @rc`;

  it('held by a session is refused to others until it is released', async () => {
    assert.equal(await value(first, take('Session', 0)), 0);
    assert.equal(await value(second, take('Session', 0)), -1);
    assert.deepEqual(await rows(first, "SELECT APPLOCK_MODE('public', N'job', 'Session')"), [['Exclusive']]);
    assert.deepEqual(
      await rows(
        second,
        "SELECT APPLOCK_MODE('public', N'job', 'Session'), APPLOCK_TEST('public', N'job', 'Shared', 'Session')",
      ),
      [['NoLock', 0]],
    );
    await run(first, "EXEC sp_releaseapplock @Resource = N'job', @LockOwner = 'Session'");
    assert.equal(await value(second, take('Session', 0)), 0);
    assert.deepEqual(await errorNumbers(first, "EXEC sp_releaseapplock N'job', 'Session'"), [1223]);
  });

  it('goes with its session', async () => {
    await run(first, take('Session', 0));
    const waiting = value(second, take('Session', -1));
    first.close();
    assert.equal(await waiting, 1);
  });

  it('goes with reset, and with the transaction that owns it', async () => {
    await run(first, take('Session', 0));
    first.reset();
    assert.equal(await value(second, take('Session', 0)), 0);
    second.reset();
    await run(first, `BEGIN TRAN; ${take('Transaction', 0)}`);
    assert.equal(await value(second, take('Session', 0)), -1);
    await run(first, 'COMMIT');
    assert.equal(await value(second, take('Session', 0)), 0);
  });

  it('that closes a circle of waiting sessions makes its taker the victim', async () => {
    await run(first, take('Session', 0));
    await run(second, 'BEGIN TRAN; DELETE FROM T WHERE Id = 1');
    const waiting = run(first, 'DELETE FROM T WHERE Id = 2');
    await value(second, 'SELECT 1');
    assert.equal(await value(second, take('Session', -1)), -3);
    await run(second, 'COMMIT');
    assert.deepEqual((await waiting).counts, [1]);
  });

  it('closes a circle for a writer with error 1205 and takes its transaction back', async () => {
    await run(first, take('Session', 0));
    await run(second, 'BEGIN TRAN; DELETE FROM T WHERE Id = 1');
    const waiting = value(second, take('Session', -1));
    await value(first, 'SELECT 1');
    assert.deepEqual(await errorNumbers(first, 'DELETE FROM T WHERE Id = 2'), [1205]);
    await run(first, "EXEC sp_releaseapplock N'job', 'Session'");
    assert.equal(await waiting, 1);
  });

  it('is called as a procedure with a return status', async () => {
    const parameters = [
      ['@Resource', 'job'],
      ['@LockMode', 'Shared'],
      ['@LockOwner', 'Session'],
    ].map(([name, text]) => ({
      name: name as string,
      type: { name: 'nvarchar', length: 50 } as const,
      value: text as string,
      output: false,
    }));
    const statuses: number[] = [];
    for await (const event of first.call('sp_getapplock', parameters, new AbortController().signal))
      if (event.kind === 'returnStatus') statuses.push(event.value);
    assert.deepEqual(statuses, [0]);
  });
});
