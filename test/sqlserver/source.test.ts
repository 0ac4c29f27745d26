import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createSource } from '../../src/sqlserver/source.ts';
import type { DetectionConfig, SourceConfig } from '../../src/sync/entity.ts';
import type { PageFilter, Row, Source } from '../../src/sync/ports.ts';
import { itOnMicrosoft } from '../contract/expect.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { useServerAndPool } from './fixture.ts';

const HASH: DetectionConfig = { method: 'hash', overlapMinutes: 0 };
const ROWS: PageFilter = { shape: 'row' };

describe('a source', () => {
  const { server, pool } = useServerAndPool('mdm');
  const never = new AbortController().signal;

  async function sourceOf(config: Partial<SourceConfig>, columns?: readonly string[]): Promise<Source> {
    const source: SourceConfig = { connection: 'mdm', key: ['Id'], ...config };
    return createSource(await pool(), { name: 'Users', source, detection: HASH }, columns);
  }

  /** A page, which is the same when its rows come one by one. */
  async function pageOf(source: Source, from: Row | undefined, limit: number): Promise<Row[]> {
    const rows = await source.page(from, limit, never, ROWS);
    const each: Row[] = [];
    assert.equal(await source.eachRow(from, limit, never, ROWS, (row) => each.push(row)), true);
    assert.deepEqual(each, rows);
    return rows;
  }

  /** All rows, `limit` new ones a page; the key's cells stand first in a row. */
  async function readAll(source: Source, limit: number, keyLength: number): Promise<Row[]> {
    const rows = await pageOf(source, undefined, limit);
    for (let more = rows.length === limit; more; ) {
      const last = rows.at(-1) as Row;
      const [again, ...page] = await pageOf(source, last.slice(0, keyLength), limit + 1);
      assert.deepEqual(again, last);
      rows.push(...page);
      more = page.length === limit;
    }
    return rows;
  }

  const run = (sql: string) => server.execute('mdm', sql);

  describe('of every type', () => {
    before(async () => {
      await run(`CREATE TABLE dbo.AllTypes (
        Id int NOT NULL PRIMARY KEY, Flag bit NULL, Tiny tinyint NULL, Small smallint NULL, Big bigint NULL,
        Dec decimal(38,10) NULL, Num numeric(5,0) NULL, Cash money NULL, Coin smallmoney NULL, Dbl float NULL, Sgl real NULL,
        Gid uniqueidentifier NULL, Nv nvarchar(50) NULL, Nmax nvarchar(max) NULL, V varchar(20) NULL, C char(5) NULL,
        N nchar(5) NULL, Vb varbinary(10) NULL, D date NULL, T time(3) NULL, Dt datetime NULL, Sdt smalldatetime NULL,
        Dt2 datetime2(7) NULL, Dto datetimeoffset(3) NULL)`);
      await run(`INSERT INTO dbo.AllTypes VALUES (1, 1, 255, -32768, 9223372036854775807,
        1234567890123456789012345678.0123456789, -99999, -922337203685477.5808, 214748.3647, 0.1, 0.1,
        '3F2504E0-4F89-41D3-9A0C-0305E82C3301', N'Siti "三" 😀', N'line
break', 'plain', 'ab', N'cd', 0x00FF10, '2026-11-23', '23:59:59.997', '2026-11-23T23:59:59.997', '2026-11-23T12:30:00',
        '2026-11-23T01:02:03.1234567', '2026-11-23T00:00:00.000+07:00')`);
      await run('INSERT INTO dbo.AllTypes (Id) VALUES (2)');
    });

    it('describes each column by kind and declared type', async () => {
      const columns = await (await sourceOf({ table: 'dbo.AllTypes' })).describe();
      assert.deepEqual(
        columns.map(({ name, kind, sqlType }) => `${name} ${kind} ${sqlType}`),
        [
          'Id integer int',
          'Flag boolean bit',
          'Tiny integer tinyint',
          'Small integer smallint',
          'Big bigint bigint',
          'Dec decimal decimal(38,10)',
          'Num decimal numeric(5,0)',
          'Cash decimal money',
          'Coin decimal smallmoney',
          'Dbl float float',
          'Sgl float real',
          'Gid guid uniqueidentifier',
          'Nv text nvarchar(50)',
          'Nmax text nvarchar(max)',
          'V text varchar(20)',
          'C text char(5)',
          'N text nchar(5)',
          'Vb binary varbinary(10)',
          'D date date',
          'T time time(3)',
          'Dt datetime datetime',
          'Sdt datetime smalldatetime',
          'Dt2 datetime datetime2(7)',
          'Dto datetimeoffset datetimeoffset(3)',
        ],
      );
    });

    it('loses nothing of a value: exact numbers as text, wall clocks in UTC fields, GUIDs in lower case', async () => {
      const [full, empty] = await (await sourceOf({ table: 'dbo.AllTypes' })).page(undefined, 10, never, ROWS);
      assert.deepEqual(full, [
        1,
        true,
        255,
        -32768,
        '9223372036854775807',
        '1234567890123456789012345678.0123456789',
        '-99999',
        '-922337203685477.5808',
        '214748.3647',
        0.1,
        0.1,
        '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
        'Siti "三" 😀',
        'line\nbreak',
        'plain',
        'ab   ',
        'cd   ',
        Buffer.from([0, 255, 16]),
        new Date('2026-11-23T00:00:00Z'),
        new Date('1970-01-01T23:59:59.997Z'),
        new Date('2026-11-23T23:59:59.997Z'),
        new Date('2026-11-23T12:30:00Z'),
        new Date('2026-11-23T01:02:03.123Z'),
        new Date('2026-11-22T17:00:00Z'),
      ]);
      assert.deepEqual(empty, [2, ...Array(23).fill(null)]);
    });

    it('reads the columns it was asked for and the key', async () => {
      const source = await sourceOf({ table: 'dbo.AllTypes' }, ['Nv', 'Dec']);
      assert.deepEqual(
        (await source.describe()).map(({ name }) => name),
        ['Nv', 'Dec', 'Id'],
      );
      assert.deepEqual((await source.page(undefined, 1, never, ROWS))[0], [
        'Siti "三" 😀',
        '1234567890123456789012345678.0123456789',
        1,
      ]);
    });

    it('takes the key only once, however it is written', async () => {
      const source = await sourceOf({ table: 'dbo.AllTypes' }, ['id', 'Nv']);
      assert.equal((await source.describe()).length, 2);
    });
  });

  describe('by pages', () => {
    for (const [type, values] of [
      ['int', ['-5', '0', '3', '2147483647']],
      ['bigint', ['-9223372036854775808', '1', '9007199254740993', '9223372036854775807']],
      ['tinyint', ['0', '1', '255']],
      ['date', ["'0001-01-01'", "'1999-12-31'", "'2026-11-23'"]],
      ['varchar(10)', ["'a'", "'B'", "'b b'", "'zz'"]],
      ['nvarchar(20)', ["N'Ani'", "N'Ani Budi'", "N'三'", "N'ok; DROP TABLE x --'"]],
      ['char(4)', ["'a'", "'ab'", "'b'"]],
      [
        'uniqueidentifier',
        [
          "'00000000-0000-0000-0000-000000000001'",
          "'FFFFFFFF-0000-0000-0000-000000000000'",
          "'01000000-0000-0000-0000-000000000000'",
          "'00000000-0000-0000-0000-0000000000FF'",
        ],
      ],
    ] as const) {
      it(`of one, every row comes once where the key is ${type}`, async () => {
        const table = `dbo.Key_${type.replace(/\W/g, '_')}`;
        await run(`CREATE TABLE ${table} (Id ${type} NOT NULL PRIMARY KEY)`);
        for (const value of values) await run(`INSERT INTO ${table} (Id) VALUES (${value})`);
        const source = await sourceOf({ table });
        const whole = await source.page(undefined, 100, never, ROWS);
        assert.equal(whole.length, values.length);
        assert.deepEqual(await readAll(source, 1, 1), whole);
      });
    }

    it('of any size, every row comes once where the key is three columns', async () => {
      await run(
        'CREATE TABLE dbo.ThreeKeys (A int NOT NULL, B nvarchar(10) NOT NULL, C date NOT NULL, PRIMARY KEY (A, B, C))',
      );
      for (const a of [1, 2, 3]) {
        for (const b of ['x', 'y', 'y z']) {
          for (const c of ['2026-01-01', '2026-01-02']) {
            await run(`INSERT INTO dbo.ThreeKeys (A, B, C) VALUES (${a}, N'${b}', '${c}')`);
          }
        }
      }
      const source = await sourceOf({ table: 'dbo.ThreeKeys', key: ['A', 'B', 'C'] });
      const whole = await source.page(undefined, 100, never, ROWS);
      assert.equal(whole.length, 18);
      for (const limit of [1, 2, 5, 7, 18, 19]) assert.deepEqual(await readAll(source, limit, 3), whole);
    });

    it('begins with what the server holds equal to the key that it is given', async () => {
      await run('CREATE TABLE dbo.EqualKeys (Id nvarchar(10) NOT NULL, Part nvarchar(10) NOT NULL)');
      await run(`INSERT INTO dbo.EqualKeys (Id, Part) VALUES (N'a', N'x'), (N'b', N'x'), (N'B', N'X'), (N'c', N'w')`);
      const single = await sourceOf({ table: 'dbo.EqualKeys', key: ['Id'] });
      const ids = (await single.page(['B'], 10, never, ROWS)).map(([id]) => id);
      assert.deepEqual(ids.sort(), ['B', 'b', 'c']);
      const composite = await sourceOf({ table: 'dbo.EqualKeys', key: ['Id', 'Part'] });
      const pairs = (await composite.page(['b', 'X'], 10, never, ROWS)).map((row) => row.join());
      assert.deepEqual(pairs.sort(), ['B,X', 'b,x', 'c,w']);
    });

    it('keeps the order of the key as configured, whatever the order of the columns', async () => {
      await run('CREATE TABLE dbo.KeyOrder (B int NOT NULL, A int NOT NULL)');
      await run('INSERT INTO dbo.KeyOrder (B, A) VALUES (2, 1), (1, 2), (1, 1), (2, 2)');
      const source = await sourceOf({ table: 'dbo.KeyOrder', key: ['A', 'B'] }, ['A', 'B']);
      assert.deepEqual(await readAll(source, 1, 2), [
        [1, 1],
        [1, 2],
        [2, 1],
        [2, 2],
      ]);
    });
  });

  describe('with a predicate or a query', () => {
    before(async () => {
      await run('CREATE SCHEMA [my schema]');
      await run(
        'CREATE TABLE [my schema].[odd]]name] (Id int NOT NULL PRIMARY KEY, [a column] nvarchar(10) NULL, Kind int NOT NULL)',
      );
      for (let id = 1; id <= 6; id++) {
        await run(`INSERT INTO [my schema].[odd]]name] VALUES (${id}, N'name ${id}', ${id % 2})`);
      }
    });

    it('reads a table with a name that needs brackets', async () => {
      const source = await sourceOf({ table: '[my schema].[odd]]name]' }, ['a column']);
      assert.deepEqual(await source.page([5], 5, never, ROWS), [
        ['name 5', 5],
        ['name 6', 6],
      ]);
    });

    it('reads a table by a name of three parts', async () => {
      const source = await sourceOf({ table: `${server.databases.mdm}.[my schema].[odd]]name]` });
      assert.equal(await source.count(), 6);
    });

    it('keeps the predicate together, whatever it holds', async () => {
      const source = await sourceOf({ table: '[my schema].[odd]]name]', where: 'Kind = 1 OR Id = 6 -- both' });
      assert.deepEqual(
        (await readAll({ ...source }, 2, 1)).map(([id]) => id),
        [1, 3, 5, 6],
      );
      assert.equal(await source.count(), 4);
      assert.equal(await source.count(3), 3);
      assert.equal(await source.count(10), 4);
    });

    it('reads a query, with its comments and its semicolon', async () => {
      const query = `SELECT t.Id * 10 AS Id, t.[a column] AS Name -- the rest is not needed
        FROM [my schema].[odd]]name] AS t WHERE t.Kind = 0 -- even ones
        ; `;
      const source = await sourceOf({ query, where: "Name <> N'name 4'" });
      assert.deepEqual(await readAll(source, 1, 1), [
        [20, 'name 2'],
        [60, 'name 6'],
      ]);
      assert.equal(await source.count(), 2);
    });
  });

  describe('is refused', () => {
    before(async () => {
      await run('CREATE TABLE dbo.Refused (Id int NOT NULL PRIMARY KEY, Name nvarchar(10) NULL, At datetime NULL)');
    });

    it('where the table is missing, by its name', async () => {
      const source = await sourceOf({ table: 'dbo.NoSuchTable' });
      await assert.rejects(source.describe(), {
        code: 'SOURCE_MISSING',
        message: /Users: dbo\.NoSuchTable is not there on connection mdm/,
      });
    });

    it('where the name is none', async () => {
      const source = await sourceOf({ table: 'dbo.A; DROP TABLE dbo.B' });
      await assert.rejects(source.describe(), { code: 'SOURCE_MISSING', message: /is no name of a table/ });
    });

    it('where columns are missing, by all their names', async () => {
      const source = await sourceOf({ table: 'dbo.Refused' }, ['Name', 'Nmae', 'Emial']);
      await assert.rejects(source.describe(), {
        code: 'SOURCE_COLUMN_MISSING',
        message: 'Users: dbo.Refused has no column Nmae, Emial.',
        hint: /^Its columns are: Id, Name, At/,
      });
    });

    it('where the key is missing', async () => {
      const source = await sourceOf({ table: 'dbo.Refused', key: ['Code'] });
      await assert.rejects(source.describe(), { code: 'SOURCE_COLUMN_MISSING', message: /has no column Code/ });
    });

    it('where the key is of a type that can be none', async () => {
      const source = await sourceOf({ table: 'dbo.Refused', key: ['Id', 'At'] }, ['Name']);
      await assert.rejects(source.describe(), {
        code: 'SOURCE_KEY_INVALID',
        message: 'Users: the key column At has the type datetime, which cannot be a key.',
      });
    });

    itOnMicrosoft(
      server,
      'where the key is text of another code page than its parameters would be sent in',
      async () => {
        await run(
          `CREATE TABLE dbo.Utf8Key (Code varchar(10) COLLATE Latin1_General_100_CI_AS_SC_UTF8 NOT NULL PRIMARY KEY,
           Name varchar(10) COLLATE Latin1_General_100_CI_AS_SC_UTF8 NOT NULL)`,
        );
        await run(`INSERT INTO dbo.Utf8Key (Code, Name) VALUES ('é', 'ü')`);
        const source = await sourceOf({ table: 'dbo.Utf8Key', key: ['Code'] });
        await assert.rejects(source.describe(), {
          code: 'SOURCE_KEY_INVALID',
          message: /the key column Code is text in the code page utf-8, while .*connection mdm.* is CP1252/,
          hint: /CONVERT\(nvarchar\(10\), Code\)/,
        });
        const query = 'SELECT CONVERT(nvarchar(10), Code) AS Code, Name FROM dbo.Utf8Key';
        const converted = await sourceOf({ query, key: ['Code'] });
        assert.deepEqual(await converted.page(['é'], 1, never, ROWS), [['é', 'ü']]);
      },
    );

    it('where the predicate is wrong, with the text of the server', async () => {
      const source = await sourceOf({ table: 'dbo.Refused', where: 'NoSuchColumn = 1' });
      await assert.rejects(source.page(undefined, 1, never, ROWS), { code: 'SOURCE_REFUSED', message: /NoSuchColumn/ });
    });

    it('where a value cannot be converted, without the value', async () => {
      await run("INSERT INTO dbo.Refused (Id, Name) VALUES (1, N'Dewi')");
      const source = await sourceOf({ query: 'SELECT Id, CONVERT(int, Name) AS Name FROM dbo.Refused' });
      await assert.rejects(source.page(undefined, 1, never, ROWS), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'SOURCE_REFUSED');
        assert.match(error.message, /error 245/);
        assert.doesNotMatch(error.message, /Dewi/);
        return true;
      });
    });

    itOnStandIn('where its user may not read it', async () => {
      for (const [number, message] of [
        [229, "The SELECT permission was denied on the object 'Refused', database 'TAMHR_MDM', schema 'dbo'."],
        [33557097, 'permission denied for table refused'],
      ] as const) {
        const fault = server.faults.add({ match: /TOP \(0\)/, action: { error: number, message } });
        const source = await sourceOf({ table: 'dbo.Refused' });
        await assert.rejects(source.describe(), { code: 'SOURCE_REFUSED', message: /may not read dbo\.Refused/ });
        fault.remove();
        assert.equal((await source.describe())[0]?.name, 'Id');
      }
    });

    itOnStandIn('where the connection is lost in the middle of a page', async () => {
      await run('CREATE TABLE dbo.Lost (Id int NOT NULL PRIMARY KEY)');
      await run('INSERT INTO dbo.Lost (Id) VALUES (1), (2), (3)');
      const source = await sourceOf({ table: 'dbo.Lost' });
      await source.describe();
      const fault = server.faults.add({ match: /TOP \(@limit\)/, action: { truncateAfterRows: 2 } });
      await assert.rejects(source.page(undefined, 10, never, ROWS), { code: 'SOURCE_UNAVAILABLE' });
      fault.remove();
      assert.equal((await source.page(undefined, 10, never, ROWS)).length, 3);
    });

    itOnStandIn('where its read is cancelled', async () => {
      await run('CREATE TABLE dbo.Held (Id int NOT NULL PRIMARY KEY)');
      const source = await sourceOf({ table: 'dbo.Held' });
      await source.describe();
      const fault = server.faults.add({ match: /TOP \(@limit\)/, action: { hold: true } });
      const controller = new AbortController();
      const page = source.page(undefined, 10, controller.signal, ROWS);
      await fault.struck;
      controller.abort();
      await assert.rejects(page, { name: 'AbortError' });
      fault.remove();
    });
  });
});
