import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { useSqlServer } from '../support/sqlserver.ts';

const sql = useSqlServer();

describe('a migration', () => {
  it('of the release runs as it is, and a second time', async () => {
    const client = await sql.connect('ess');
    const folder = new URL('../../sql/', import.meta.url);
    const files = (await readdir(folder)).filter((name) => /^\d+-.*\.sql$/.test(name)).sort();
    assert.notEqual(files.length, 0);
    for (const name of [...files, ...files]) {
      const script = await readFile(new URL(name, folder), 'utf8');
      for (const batch of script.split(/^GO\s*$/m)) if (batch.trim() !== '') await client.batch(batch);
    }
    assert.deepEqual(await client.query("SELECT COUNT(*) AS N FROM sys.tables WHERE name LIKE N'TB[_]R[_]SYNC[_]%'"), [
      { N: 6 },
    ]);
  });

  it('creates a table and its indexes once', async () => {
    const client = await sql.connect('log');
    const migration = `IF OBJECT_ID(N'dbo.Made', N'U') IS NULL
BEGIN
  CREATE TABLE dbo.Made (
    Version int NOT NULL,
    Name nvarchar(100) NOT NULL, -- a comment
    AppliedAt datetime2(3) NOT NULL CONSTRAINT DF_Made DEFAULT SYSUTCDATETIME(),
    CONSTRAINT PK_Made PRIMARY KEY (Version)
  );
  CREATE INDEX IX_Made ON dbo.Made (Name, AppliedAt);
END;`;
    await client.batch(migration);
    await client.batch("INSERT INTO dbo.Made (Version, Name) VALUES (1, N'one')");
    await client.batch(migration);
    assert.deepEqual(await client.query('SELECT Version FROM dbo.Made'), [{ Version: 1 }]);
    const indexes = await client.query(
      "SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID(N'dbo.Made') AND name IS NOT NULL ORDER BY name",
    );
    assert.equal(indexes.length, 2);
  });

  it('adds a column once, which older rows have as NULL', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE dbo.Grown (Id int NOT NULL PRIMARY KEY); INSERT INTO dbo.Grown (Id) VALUES (1);');
    const migration = `IF COL_LENGTH(N'dbo.Grown', N'RowHash') IS NULL
  ALTER TABLE dbo.Grown ADD RowHash binary(16) NULL;`;
    await client.batch(migration);
    await client.batch(migration);
    assert.deepEqual(
      await client.query("SELECT Id, RowHash, COL_LENGTH(N'dbo.Grown', N'RowHash') AS Length FROM dbo.Grown"),
      [{ Id: 1, RowHash: null, Length: 16 }],
    );
  });

  it('is undone whole where it fails', async () => {
    const client = await sql.connect('log');
    await client.batch('BEGIN TRANSACTION; CREATE TABLE dbo.Undone (Id int NOT NULL); ROLLBACK TRANSACTION;');
    assert.deepEqual(await client.query("SELECT OBJECT_ID(N'dbo.Undone', N'U') AS Id"), [{ Id: null }]);
  });
});

describe('the catalogue', () => {
  it('knows tables and their columns', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE dbo.Known (Id uniqueidentifier NOT NULL PRIMARY KEY, T nvarchar(50) NULL)');
    assert.deepEqual(
      await client.query(
        `SELECT c.name AS Name, TYPE_NAME(c.user_type_id) AS Type, c.max_length AS Length, c.is_nullable AS Nullable
FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id WHERE t.name = @table ORDER BY c.column_id`,
        { table: 'Known' },
      ),
      [
        { Name: 'Id', Type: 'uniqueidentifier', Length: 16, Nullable: false },
        { Name: 'T', Type: 'nvarchar', Length: 100, Nullable: true },
      ],
    );
    assert.deepEqual(
      await client.query(
        'SELECT COLUMN_NAME AS Name, DATA_TYPE AS Type, CHARACTER_MAXIMUM_LENGTH AS Length FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = @table ORDER BY ORDINAL_POSITION',
        { table: 'Known' },
      ),
      [
        { Name: 'Id', Type: 'uniqueidentifier', Length: null },
        { Name: 'T', Type: 'nvarchar', Length: 50 },
      ],
    );
  });

  it('says which database a session is in, and lets it change', async () => {
    const client = await sql.connect('log');
    assert.deepEqual(await client.query('SELECT DB_NAME() AS Name'), [{ Name: sql.databases.log }]);
    await client.batch(`USE [${sql.databases.mdm}]`);
    assert.deepEqual(await client.query('SELECT DB_NAME() AS Name'), [{ Name: sql.databases.mdm }]);
  });

  it('says what a user may do', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE dbo.Mine (Id int NOT NULL)');
    assert.deepEqual(await client.query("SELECT HAS_PERMS_BY_NAME(N'dbo.Mine', N'OBJECT', N'SELECT') AS May"), [
      { May: 1 },
    ]);
  });

  it('drops what it is told to', async () => {
    const client = await sql.connect('log');
    await client.batch('CREATE TABLE dbo.Dropped (Id int NOT NULL)');
    await client.batch('DROP TABLE dbo.Dropped');
    assert.deepEqual(await client.query("SELECT OBJECT_ID(N'dbo.Dropped') AS Id"), [{ Id: null }]);
  });
});
