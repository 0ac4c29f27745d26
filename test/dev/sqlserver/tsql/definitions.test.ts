import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Engine, Session } from '../../../../dev/sqlserver/engine.ts';
import { createEngine } from '../../../../dev/sqlserver/tsql/engine.ts';
import { SessionCore } from '../../../../dev/sqlserver/tsql/run/core.ts';
import { selectPlan } from '../../../../dev/sqlserver/tsql/run/select.ts';
import { Server } from '../../../../dev/sqlserver/tsql/run/server.ts';
import { createTable } from '../../../../dev/sqlserver/tsql/run/tables.ts';
import { errorNumbers, login, rows, run, shape, startEngine, value } from './client.ts';

let engine: Engine;
let session: Session;

before(() => {
  engine = startEngine();
  session = engine.login(login);
});
after(() => engine.close());

describe('definitions', () => {
  it('are made once: 2714 for a name that is taken, 2705 for a column twice', async () => {
    await run(session, "IF OBJECT_ID(N'dbo.A', N'U') IS NULL CREATE TABLE dbo.A (x int CONSTRAINT PK_A PRIMARY KEY)");
    assert.deepEqual(
      await errorNumbers(session, "IF OBJECT_ID(N'dbo.A', N'U') IS NULL CREATE TABLE dbo.A (x int)"),
      [],
    );
    assert.deepEqual(await errorNumbers(session, 'CREATE TABLE dbo.A (x int)'), [2714]);
    assert.deepEqual(await errorNumbers(session, 'CREATE TABLE dbo.B (x int CONSTRAINT PK_A PRIMARY KEY)'), [2714]);
    assert.deepEqual(await errorNumbers(session, 'CREATE TABLE dbo.B (x int, X int)'), [2705]);
    assert.deepEqual(await errorNumbers(session, 'CREATE TABLE nowhere.B (x int)'), [2760]);
    assert.deepEqual(await errorNumbers(session, 'DROP TABLE dbo.B'), [3701]);
  });

  it('change their name by sp_rename, and the old name is gone', async () => {
    await run(session, 'CREATE TABLE dbo.Old (x int); INSERT dbo.Old VALUES (1)');
    await run(session, "EXEC sp_rename 'dbo.Old', 'New'");
    assert.deepEqual(await rows(session, 'SELECT x FROM dbo.New'), [[1]]);
    assert.deepEqual(await errorNumbers(session, 'SELECT x FROM dbo.Old'), [208]);
    assert.deepEqual(await rows(session, "SELECT COUNT(*) FROM sys.tables WHERE name IN ('Old', 'New')"), [[1]]);
  });

  it('of columns can be added to a table with rows', async () => {
    await run(session, 'INSERT A VALUES (1), (2)');
    await run(
      session,
      "IF COL_LENGTH(N'dbo.A', N'y') IS NULL ALTER TABLE dbo.A ADD y binary(16) NULL, z nvarchar(5) NOT NULL CONSTRAINT DF_z DEFAULT (N'def')",
    );
    assert.deepEqual(await rows(session, 'SELECT * FROM A ORDER BY x'), [
      [1, null, 'def'],
      [2, null, 'def'],
    ]);
    assert.equal(await value(session, "SELECT COL_LENGTH('A', 'z')"), 10);
    assert.deepEqual(await errorNumbers(session, 'ALTER TABLE A ADD q int NOT NULL'), [4901]);
    assert.deepEqual(await errorNumbers(session, 'ALTER TABLE A ADD y int'), [2705]);
    assert.deepEqual(await errorNumbers(session, 'ALTER TABLE A DROP COLUMN z'), [4922]);
    await run(
      session,
      'ALTER TABLE A DROP CONSTRAINT DF_z; ALTER TABLE A DROP COLUMN z; ALTER TABLE A ALTER COLUMN y varbinary(20) NULL',
    );
    assert.deepEqual(await shape(session, 'SELECT * FROM A'), ['x int', 'y varbinary(20)?']);
  });

  it('of unique indexes and checks are refused by rows that break them', async () => {
    await run(session, "CREATE TABLE dbo.D (a nvarchar(5), b int); INSERT D VALUES (N'x', 1), (N'X ', -1)");
    assert.deepEqual(await errorNumbers(session, 'CREATE UNIQUE INDEX IX_D ON D (a)'), [1505]);
    assert.deepEqual(await errorNumbers(session, 'ALTER TABLE D ADD CONSTRAINT CK_D CHECK (b > 0)'), [547]);
    assert.deepEqual(
      await errorNumbers(
        session,
        'CREATE NONCLUSTERED INDEX IX_D ON D (a DESC) INCLUDE (b); CREATE INDEX IX_D ON D (b)',
      ),
      [1913],
    );
    await run(session, 'DROP INDEX IX_D ON D; DROP TABLE D');
  });

  it('of computed columns are evaluated where they are read', async () => {
    await run(session, "CREATE TABLE dbo.E (a int, twice AS a * 2, label AS CONCAT(N'#', a)); INSERT E (a) VALUES (4)");
    assert.deepEqual(await rows(session, 'SELECT * FROM E WHERE twice = 8'), [[4, 8, '#4']]);
    assert.deepEqual(await errorNumbers(session, 'UPDATE E SET twice = 1'), [271]);
    await run(session, 'DROP TABLE E');
  });

  it('of views stand for their query', async () => {
    await run(session, 'CREATE VIEW dbo.Big (n, y) AS SELECT x, y FROM dbo.A WHERE x > 1');
    assert.deepEqual(await rows(session, 'SELECT v.n FROM Big v'), [[2]]);
    assert.deepEqual(await shape(session, 'SELECT TOP (0) * FROM dbo.Big'), ['n int', 'y varbinary(20)?']);
    assert.deepEqual(await errorNumbers(session, 'CREATE VIEW dbo.Bad AS SELECT nothing FROM dbo.A'), [207]);
    assert.deepEqual(await errorNumbers(session, 'SELECT 1; CREATE VIEW dbo.Bad AS SELECT 1 AS a'), [111]);
    await run(session, 'DROP VIEW dbo.Big');
    assert.deepEqual(await errorNumbers(session, 'SELECT * FROM Big'), [208]);
  });

  it('of schemas and databases come and go', async () => {
    await run(session, 'CREATE SCHEMA hr');
    await run(session, 'CREATE TABLE hr.P (a int); INSERT hr.P VALUES (1)');
    assert.deepEqual(await errorNumbers(session, 'DROP SCHEMA hr'), [3729]);
    await run(session, 'DROP TABLE hr.P; DROP SCHEMA hr; CREATE DATABASE Fresh');
    assert.deepEqual(await errorNumbers(session, 'CREATE DATABASE Fresh'), [1801]);
    const guest = engine.login({ ...login, database: 'Fresh' });
    assert.deepEqual(await errorNumbers(session, 'DROP DATABASE Fresh'), [3702]);
    assert.deepEqual(
      await errorNumbers(session, 'ALTER DATABASE Fresh SET SINGLE_USER WITH ROLLBACK IMMEDIATE; DROP DATABASE Fresh'),
      [],
    );
    guest.close();
    assert.equal(await value(session, "SELECT DB_ID(N'Fresh')"), null);
  });

  it('and rows stay as they are in a database that is read-only: 3906; temporary tables change', async () => {
    await run(session, 'CREATE DATABASE Still');
    const guest = engine.login({ ...login, database: 'Still' });
    await run(guest, 'CREATE TABLE dbo.Kept (x int); INSERT dbo.Kept VALUES (1)');
    assert.deepEqual(await errorNumbers(session, 'ALTER DATABASE Still SET READ_ONLY WITH NO_WAIT'), [5061]);
    assert.deepEqual(await errorNumbers(session, 'ALTER DATABASE Still SET READ_ONLY WITH ROLLBACK IMMEDIATE'), []);
    const property = "SELECT DATABASEPROPERTYEX(N'Still', 'Updateability')";
    const isReadOnly = "SELECT is_read_only FROM sys.databases WHERE name = N'Still'";
    assert.deepEqual([await value(session, property), await value(session, isReadOnly)], ['READ_ONLY', 1]);
    await run(session, 'USE Still');
    for (const change of [
      'INSERT dbo.Kept VALUES (2)',
      'UPDATE dbo.Kept SET x = 2',
      'DELETE dbo.Kept',
      'TRUNCATE TABLE dbo.Kept',
      'DROP TABLE dbo.Kept',
      'ALTER TABLE dbo.Kept ADD y int NULL',
      'CREATE TABLE dbo.Other (x int)',
      'SELECT x INTO dbo.Other FROM dbo.Kept',
    ]) {
      assert.deepEqual(await errorNumbers(session, change), [3906], change);
    }
    assert.deepEqual(
      await rows(session, 'SELECT x INTO #copy FROM dbo.Kept; INSERT #copy VALUES (2); SELECT x FROM #copy'),
      [[1], [2]],
    );
    assert.deepEqual(
      await errorNumbers(session, 'ALTER DATABASE Still SET READ_WRITE; INSERT dbo.Kept VALUES (2)'),
      [],
    );
    assert.equal(await value(session, property), 'READ_WRITE');
    await run(session, 'DROP TABLE #copy; USE Test; DROP DATABASE Still');
    guest.close();
  });

  it('of SELECT … INTO copy types and rows', async () => {
    await run(session, "SELECT x, CAST(x AS decimal(7,3)) AS d, N'abc' AS t INTO dbo.Copy FROM dbo.A");
    assert.deepEqual(await shape(session, 'SELECT * FROM Copy'), ['x int', 'd decimal(7,3)', 't nvarchar(3)']);
    assert.equal(await value(session, 'SELECT COUNT(*) FROM Copy; DROP TABLE Copy'), 2);
  });
});

describe('the catalogue', () => {
  before(() =>
    run(
      session,
      "CREATE TABLE dbo.Cat (Id int IDENTITY(5,1) NOT NULL CONSTRAINT PK_Cat PRIMARY KEY, Name nvarchar(40) NULL, Price decimal(9,2) NOT NULL CONSTRAINT DF_Price DEFAULT ((0)), At datetime2(3) NULL); CREATE UNIQUE INDEX IX_Name ON Cat (Name) INCLUDE (Price); INSERT Cat (Name) VALUES (N'a'), (N'b')",
    ),
  );

  it('is joined and filtered like tables', async () => {
    const sql = `SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity FROM sys.tables AS o
      INNER JOIN sys.columns AS c ON c.object_id = o.object_id INNER JOIN sys.types AS t ON t.user_type_id = c.user_type_id
      INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE s.name = N'dbo' AND o.name = N'CAT' ORDER BY c.column_id`;
    assert.deepEqual(await rows(session, sql), [
      ['Id', 'int', 4, 10, 0, 0, 1],
      ['Name', 'nvarchar', 80, 0, 0, 1, 0],
      ['Price', 'decimal', 5, 9, 2, 0, 0],
      ['At', 'datetime2', 7, 27, 3, 1, 0],
    ]);
  });

  it('knows indexes, their columns, constraints and row counts', async () => {
    const sql = `SELECT i.name, i.is_unique, i.is_primary_key, c.name, ic.is_included_column FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
      JOIN sys.columns c ON c.object_id = ic.object_id AND c.column_id = ic.column_id WHERE i.object_id = OBJECT_ID('dbo.Cat') ORDER BY i.index_id, ic.index_column_id`;
    assert.deepEqual(await rows(session, sql), [
      ['PK_Cat', 1, 1, 'Id', 0],
      ['IX_Name', 1, 0, 'Name', 0],
      ['IX_Name', 1, 0, 'Price', 1],
    ]);
    assert.deepEqual(
      await rows(
        session,
        "SELECT type, name FROM sys.objects WHERE object_id = OBJECT_ID('Cat') OR parent_object_id = OBJECT_ID('Cat') ORDER BY name",
      ),
      [
        ['U ', 'Cat'],
        ['D ', 'DF_Price'],
        ['PK', 'PK_Cat'],
      ],
    );
    assert.equal(
      await value(
        session,
        "SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID('dbo.Cat') AND index_id IN (0, 1)",
      ),
      2n,
    );
  });

  it('has the INFORMATION_SCHEMA, of other databases too', async () => {
    assert.deepEqual(
      await rows(
        session,
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'Cat' ORDER BY ORDINAL_POSITION",
      ),
      [
        ['Id', 'int', null, 10, 'NO'],
        ['Name', 'nvarchar', 40, null, 'YES'],
        ['Price', 'decimal', null, 9, 'NO'],
        ['At', 'datetime2', null, null, 'YES'],
      ],
    );
    assert.equal(await value(session, 'SELECT COUNT(*) FROM Other.INFORMATION_SCHEMA.TABLES'), 0);
    assert.deepEqual(await rows(session, "SELECT name FROM sys.databases WHERE name LIKE '[to]%' ORDER BY name"), [
      ['Other'],
      ['tempdb'],
      ['Test'],
    ]);
  });

  it('answers its functions', async () => {
    assert.deepEqual(
      await rows(
        session,
        "SELECT OBJECT_NAME(OBJECT_ID('[dbo].[cat]')), OBJECT_ID('dbo.Cat', 'V'), SCHEMA_NAME(1), DB_NAME(DB_ID('test')), HAS_PERMS_BY_NAME('dbo.Cat', 'OBJECT', 'INSERT'), HAS_PERMS_BY_NAME('dbo.None', 'OBJECT', 'INSERT'), COLUMNPROPERTY(OBJECT_ID('Cat'), 'Id', 'IsIdentity'), IDENT_CURRENT('Cat'), SUSER_SNAME(), HOST_NAME(), APP_NAME()",
      ),
      [['Cat', null, 'dbo', 'Test', 1, null, 1, 6n, 'sa', 'host', 'app']],
    );
  });

  it('describes a first result set', async () => {
    const parameters = [
      {
        name: '@tsql',
        type: { name: 'nvarchar', length: 'max' } as const,
        value: 'SELECT Name FROM Cat',
        output: false,
      },
    ];
    const described: unknown[] = [];
    for await (const event of session.call('sp_describe_first_result_set', parameters, new AbortController().signal))
      if (event.kind === 'row') described.push(event.values.slice(2, 6));
    assert.deepEqual(described, [['Name', 1, 'nvarchar(40)', 80]]);
  });
});

describe('storage', () => {
  it('in a folder keeps everything between two engines', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'engine-storage-'));
    try {
      const once = createEngine({ storage: folder, databases: ['Kept'] });
      await run(
        once.login({ ...login, database: 'Kept' }),
        "CREATE TABLE dbo.K (Id int IDENTITY PRIMARY KEY, v nvarchar(9) DEFAULT (N'd')); INSERT K DEFAULT VALUES; INSERT K DEFAULT VALUES",
      );
      once.close();
      const again = createEngine({ storage: folder, databases: ['Kept'] });
      assert.deepEqual(
        await rows(again.login({ ...login, database: 'Kept' }), 'INSERT K DEFAULT VALUES; SELECT * FROM K'),
        [
          [1, 'd'],
          [2, 'd'],
          [3, 'd'],
        ],
      );
      again.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('an index', () => {
  it("is sought by the ledger's joins, by keyset pages and by NOT EXISTS", () => {
    const server = new Server(undefined, { sa: 'x' }, ['Test']);
    const core = new SessionCore(server, login, 'Test');
    core.pushFrame();
    const execute = (sql: string): void => {
      for (const statement of server.parse(sql, true))
        if (statement.kind === 'createTable') createTable(core, statement.name, statement.definition);
    };
    execute(`CREATE TABLE dbo.TB_R_SYNC_TRACKING (Id int IDENTITY NOT NULL PRIMARY KEY, EntityType nvarchar(100) NOT NULL, EntityId nvarchar(255) NOT NULL, RowHash binary(16) NULL,
      INDEX IX_TB_R_SYNC_TRACKING_EntityType (EntityType), CONSTRAINT UQ_T UNIQUE (EntityType, EntityId))
      CREATE TABLE #tamhr_keys (Ordinal int NOT NULL PRIMARY KEY, EntityId nvarchar(255) COLLATE DATABASE_DEFAULT NOT NULL, RowHash binary(16) NULL)`);
    const steps = (sql: string): string[] => {
      const [statement] = server.parse(sql, true);
      assert.ok(statement?.kind === 'select');
      const plan = selectPlan(core, statement.query);
      return core.connection
        .prepare(`EXPLAIN QUERY PLAN ${plan.sql}`)
        .all()
        .map((row) => String(row.detail));
    };
    core.declare('@l0', { name: 'nvarchar', length: 100 }, 'a');
    core.declare('@l1', { name: 'nvarchar', length: 100 }, 'b');
    const join = steps(
      'SELECT k.Ordinal, t.EntityId, t.RowHash FROM #tamhr_keys AS k INNER JOIN dbo.TB_R_SYNC_TRACKING AS t ON t.EntityId = k.EntityId WHERE t.EntityType IN (@l0, @l1)',
    );
    assert.match(join.join('\n'), /SEARCH s2 USING INDEX i\d+_\d+ \(<expr>=\? AND <expr>=\?\)/);
    const missing = steps(
      'SELECT k.EntityId FROM #tamhr_keys k WHERE NOT EXISTS (SELECT 1 FROM dbo.TB_R_SYNC_TRACKING t WHERE t.EntityType = @l0 AND t.EntityId = k.EntityId)',
    );
    assert.match(missing.join('\n'), /SEARCH s2 USING (COVERING )?INDEX i\d+_\d+ \(<expr>=\? AND <expr>=\?\)/);
    const page = steps('SELECT TOP (10) Id FROM dbo.TB_R_SYNC_TRACKING WHERE Id > @l0 ORDER BY Id');
    assert.match(page.join('\n'), /SEARCH s1 USING (COVERING )?INDEX i\d+_1 \(c1>\?\)/);
    core.close();
    server.close();
  });
});
