import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Session, SqlServerError } from '../../../../dev/sqlserver/engine.ts';
import { errorNumbers, login, rows, run, startEngine, value } from './client.ts';

describe('permissions of a login', () => {
  const engine = startEngine();
  const owner = engine.login(login);
  let clerk: Session;
  const password = "it's a secret";
  const clerkLogin = { ...login, userName: 'Clerk', password };

  before(async () => {
    await run(
      owner,
      `CREATE LOGIN clerk WITH PASSWORD = N'it''s a secret', CHECK_POLICY = OFF;
       CREATE TABLE dbo.Known (Id int NOT NULL, Name nvarchar(20) NULL);
       CREATE TABLE dbo.Hidden (Id int NOT NULL);
       INSERT INTO dbo.Known VALUES (1, N'one');
       INSERT INTO dbo.Hidden VALUES (7);`,
    );
    await run(owner, 'CREATE VIEW dbo.Window AS SELECT Id FROM dbo.Hidden');
  });
  after(() => engine.close());

  it('let it into a database once it has a user there', async () => {
    assert.throws(
      () => engine.login(clerkLogin),
      (error: SqlServerError) => error.info.number === 4060,
    );
    await run(owner, 'CREATE USER clerk FOR LOGIN clerk');
    clerk = engine.login(clerkLogin);
    assert.equal(await value(clerk, 'SELECT SUSER_SNAME()'), 'Clerk');
    assert.deepEqual(await errorNumbers(clerk, 'USE Other'), [916]);
    assert.deepEqual(await errorNumbers(clerk, 'SELECT * FROM Other.dbo.Known'), [916]);
  });

  it('are none before a grant, not even to see that a table exists', async () => {
    assert.deepEqual(await errorNumbers(clerk, 'SELECT * FROM dbo.Known'), [229]);
    assert.equal(await value(clerk, "SELECT OBJECT_ID(N'dbo.Known')"), null);
    assert.deepEqual(await rows(clerk, 'SELECT name FROM sys.tables'), []);
    assert.equal(await value(owner, "SELECT DATABASE_PRINCIPAL_ID(N'clerk')"), 5);
    assert.equal(await value(owner, "SELECT DATABASE_PRINCIPAL_ID(N'nobody')"), null);
  });

  it('are those that were granted, each by itself', async () => {
    assert.deepEqual(await errorNumbers(owner, 'GRANT SELECT ON dbo.Known TO clerk'), []);
    assert.deepEqual(await rows(clerk, 'SELECT Name FROM dbo.Known'), [['one']]);
    assert.deepEqual(await rows(clerk, 'SELECT name FROM sys.tables'), [['Known']]);
    const changes = [
      "INSERT INTO dbo.Known VALUES (2, N'two')",
      "UPDATE dbo.Known SET Name = N'x'",
      'DELETE dbo.Known',
    ];
    for (const change of changes) assert.deepEqual(await errorNumbers(clerk, change), [229], change);
    assert.deepEqual(await errorNumbers(owner, 'GRANT INSERT, UPDATE, DELETE ON dbo.Known TO clerk'), []);
    for (const change of changes) assert.deepEqual(await errorNumbers(clerk, change), [], change);
    const asks = ['SELECT', 'DELETE', 'ALTER'].map((name) => `HAS_PERMS_BY_NAME(N'dbo.Known', 'OBJECT', '${name}')`);
    assert.deepEqual(await rows(clerk, `SELECT ${asks.join(', ')}`), [[1, 1, 0]]);
  });

  it('to change rows that a condition picks takes SELECT, too', async () => {
    await run(owner, 'GRANT DELETE ON dbo.Hidden TO clerk');
    assert.deepEqual(await errorNumbers(clerk, 'DELETE dbo.Hidden WHERE Id = 1'), [229]);
  });

  it('on a view do not ask for any on the table behind it', async () => {
    assert.deepEqual(await errorNumbers(clerk, 'SELECT * FROM dbo.Window'), [229]);
    await run(owner, 'GRANT SELECT ON dbo.Window TO clerk');
    assert.deepEqual(await rows(clerk, 'SELECT Id FROM dbo.Window'), [[7]]);
    assert.deepEqual(await errorNumbers(clerk, 'SELECT * FROM dbo.Hidden'), [229]);
  });

  it('leave it #temporary tables and locks of its own, and define nothing', async () => {
    assert.deepEqual(await rows(clerk, 'CREATE TABLE #t (n int); INSERT INTO #t VALUES (3); SELECT n FROM #t'), [[3]]);
    assert.deepEqual(
      await errorNumbers(clerk, "EXEC sp_getapplock @Resource = 'r', @LockMode = 'Exclusive', @LockOwner = 'Session'"),
      [],
    );
    assert.deepEqual(await errorNumbers(clerk, 'CREATE TABLE dbo.Mine (Id int)'), [262]);
    assert.deepEqual(await errorNumbers(clerk, 'ALTER TABLE dbo.Known ADD More int NULL'), [1088]);
    assert.deepEqual(await errorNumbers(clerk, 'TRUNCATE TABLE dbo.Known'), [1088]);
    assert.deepEqual(await errorNumbers(clerk, "CREATE LOGIN other WITH PASSWORD = 'x'"), [15247]);
    assert.deepEqual(await errorNumbers(clerk, 'GRANT SELECT ON dbo.Known TO clerk'), [15151]);
  });

  it('name what is there already or is not there', async () => {
    assert.deepEqual(await errorNumbers(owner, "CREATE LOGIN CLERK WITH PASSWORD = 'x'"), [15025]);
    assert.deepEqual(await errorNumbers(owner, 'CREATE USER clerk'), [15023]);
    assert.deepEqual(await errorNumbers(owner, 'CREATE USER other FOR LOGIN clerk'), [15063]);
    assert.deepEqual(await errorNumbers(owner, 'CREATE USER other FOR LOGIN nobody'), [15007]);
    assert.deepEqual(await errorNumbers(owner, 'GRANT SELECT ON dbo.Nothing TO clerk'), [15151]);
    assert.deepEqual(await errorNumbers(owner, 'GRANT SELECT ON dbo.Known TO nobody'), [15151]);
    assert.deepEqual(await errorNumbers(owner, 'GRANT EXECUTE ON dbo.Known TO clerk'), [102]);
    assert.deepEqual(await errorNumbers(owner, 'DROP LOGIN clerk'), []);
    assert.throws(
      () => engine.login(clerkLogin),
      (error: SqlServerError) => error.info.number === 18456,
    );
  });
});
