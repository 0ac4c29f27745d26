import assert from 'node:assert/strict';
import { before, describe, it, type TestContext } from 'node:test';
import { createPool } from '../../src/sqlserver/pool.ts';
import { createSource, type SourceEntity } from '../../src/sqlserver/source.ts';
import type { DetectionConfig, SourceConfig } from '../../src/sync/entity.ts';
import type { IncrementalDetection, PageFilter, Row, Source, Watermark } from '../../src/sync/ports.ts';
import { compareWatermarks, decodeTime, encodeTime } from '../../src/sync/watermark.ts';
import { itOnMicrosoft } from '../contract/expect.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { settingsOf, useServerAndPool } from './fixture.ts';

const MINUTE_MS = 60_000;

describe('the detection of changed rows', () => {
  const { server, pool } = useServerAndPool('mdm');
  const never = new AbortController().signal;
  const run = (sql: string) => server.execute('mdm', sql);

  async function sourceOf(
    config: Partial<SourceConfig>,
    detection: Partial<DetectionConfig> = {},
    columns?: readonly string[],
  ): Promise<Source> {
    return createSource(
      await pool(),
      {
        name: 'Users',
        source: { connection: 'mdm', key: ['Id'], ...config },
        detection: { method: 'auto', overlapMinutes: 0, ...detection },
      },
      columns,
    );
  }

  const since = (detection: IncrementalDetection, from: Watermark): PageFilter => ({
    shape: 'key',
    since: { ...detection, from },
  });

  /** Some servers that speak T-SQL have no MIN_ACTIVE_ROWVERSION. */
  async function hasMinActiveRowversion(): Promise<boolean> {
    return server.query('mdm', 'SELECT MIN_ACTIVE_ROWVERSION() AS Version').then(
      () => true,
      () => false,
    );
  }

  /** A test that needs it; without it rowversion is refused, which is asserted instead. */
  function itByRowversion(name: string, work: () => Promise<void>): void {
    it(name, async (test: TestContext) => {
      if (await hasMinActiveRowversion()) return work();
      test.diagnostic('the server does not know MIN_ACTIVE_ROWVERSION(): asserts that rowversion is refused for it');
      await assert.rejects((await sourceOf({ table: 'dbo.Versioned' }, { method: 'rowversion' })).detection(), {
        name: 'SyncError',
        message: /does not know MIN_ACTIVE_ROWVERSION|has no rowversion column/,
      });
      const { incremental, why } = await (await sourceOf({ table: 'dbo.Versioned' })).detection();
      assert.equal(incremental, undefined);
      assert.match(why, /does not know MIN_ACTIVE_ROWVERSION|has no rowversion column/);
    });
  }

  before(async () => {
    const versioned = (type: string) =>
      run(`CREATE TABLE dbo.Versioned (Id int NOT NULL PRIMARY KEY, Name nvarchar(20) NULL, RowVer ${type} NOT NULL)`);
    // Servers without MIN_ACTIVE_ROWVERSION may refuse the type too.
    await versioned('rowversion').catch(() => versioned('binary(8)'));
    await run(
      'CREATE TABLE dbo.Unversioned (Id int NOT NULL PRIMARY KEY, Copied binary(8) NULL, Name nvarchar(20) NULL)',
    );
    await run('CREATE VIEW dbo.VersionedView AS SELECT Id, Name, RowVer FROM dbo.Versioned');
  });

  describe('that is automatic', () => {
    itByRowversion('is by rowversion where the source is a table that has such a column', async () => {
      for (const table of [
        'dbo.Versioned',
        'Versioned',
        '[dbo].[VERSIONED]',
        `${server.databases.mdm}.dbo.Versioned`,
      ]) {
        assert.deepEqual(await (await sourceOf({ table })).detection(), {
          incremental: { method: 'rowversion', column: 'RowVer' },
          why: `${table} has the rowversion column RowVer`,
        });
      }
    });

    itByRowversion('reads the column though the map does not', async () => {
      const source = await sourceOf({ table: 'dbo.Versioned' }, {}, ['Name']);
      assert.equal((await source.detection()).incremental?.column, 'RowVer');
      assert.deepEqual(
        (await source.describe()).map(({ name }) => name),
        ['Name', 'Id'],
      );
    });

    it('is by hash where the table has no rowversion column', async () => {
      assert.deepEqual(await (await sourceOf({ table: 'dbo.Unversioned' })).detection(), {
        why: 'dbo.Unversioned has no rowversion column',
      });
    });

    itByRowversion(
      'is by hash where rows may come in without being modified: by the clock, or by other tables',
      async () => {
        const why = async (where: string) =>
          (await (await sourceOf({ table: 'dbo.Versioned', where })).detection()).why;
        for (const where of [
          'Name > GETDATE()',
          'Id IN (SELECT Id FROM dbo.Unversioned)',
          'Name < current_timestamp',
        ]) {
          assert.match(await why(where), /^source\.where calls functions or looks elsewhere/, where);
        }
        assert.match(await why("Name = N'A'"), /has the rowversion column/);
      },
    );

    itByRowversion('is by hash where columns are computed, perhaps by the clock', async () => {
      await run(
        'CREATE TABLE dbo.Computed (Id int NOT NULL PRIMARY KEY, EndsOn date NULL, IsOver AS CASE WHEN EndsOn < GETDATE() THEN 1 ELSE 0 END, RowVer rowversion)',
      );
      assert.deepEqual(await (await sourceOf({ table: 'dbo.Computed' })).detection(), {
        why: 'dbo.Computed has computed columns, which may change without its row',
      });
      const configured = await sourceOf({ table: 'dbo.Computed' }, { method: 'rowversion' });
      assert.equal((await configured.detection()).incremental?.column, 'RowVer');
    });

    it('is by hash where the source is a view or a query, of versioned tables too', async () => {
      assert.deepEqual(await (await sourceOf({ table: 'dbo.VersionedView' })).detection(), {
        why: 'dbo.VersionedView is a view',
      });
      assert.deepEqual(await (await sourceOf({ query: 'SELECT Id, RowVer FROM dbo.Versioned' })).detection(), {
        why: 'the source is a query',
      });
      const system = await (await sourceOf({ table: 'INFORMATION_SCHEMA.TABLES', key: ['TABLE_NAME'] })).detection();
      assert.equal(system.incremental, undefined);
      assert.match(system.why, /^INFORMATION_SCHEMA\.TABLES is (no table|a view)/);
    });

    it('is by hash where the table is in another database', async () => {
      await server.execute('ess', 'CREATE TABLE dbo.Elsewhere (Id int NOT NULL PRIMARY KEY, RowVer binary(8) NULL)');
      const table = `[${server.databases.ess}]..Elsewhere`;
      assert.deepEqual(await (await sourceOf({ table })).detection(), {
        why: `${table} is in another database than the connection's`,
      });
    });

    itOnStandIn('is by hash where the server does not know MIN_ACTIVE_ROWVERSION', async () => {
      for (const [error, message] of [
        [195, "'MIN_ACTIVE_ROWVERSION' is not a recognized built-in function name."],
        [33557097, 'function min_active_rowversion() does not exist'],
      ] as const) {
        const fault = server.faults.add({ match: /MIN_ACTIVE_ROWVERSION/, action: { error, message } });
        assert.deepEqual(await (await sourceOf({ table: 'dbo.Versioned' })).detection(), {
          why: 'the server of connection mdm does not know MIN_ACTIVE_ROWVERSION()',
        });
        await assert.rejects((await sourceOf({ table: 'dbo.Versioned' }, { method: 'rowversion' })).detection(), {
          code: 'SOURCE_REFUSED',
          message:
            'Users: changed rows cannot be found by rowversion: the server of connection mdm does not know MIN_ACTIVE_ROWVERSION().',
          hint: /detection\.method/,
        });
        fault.remove();
      }
    });

    itOnStandIn('is no guess where the server fails for a moment', async () => {
      const fault = server.faults.add({ match: /MIN_ACTIVE_ROWVERSION/, action: { drop: 'before' } });
      await assert.rejects((await sourceOf({ table: 'dbo.Versioned' })).detection(), { code: 'SOURCE_UNAVAILABLE' });
      fault.remove();
    });

    itOnStandIn('is by hash where the user may not read the column', async () => {
      const message = "The SELECT permission was denied on the column 'RowVer' of the object 'Versioned'.";
      const fault = server.faults.add({ match: /TOP \(0\) \[RowVer\]/, action: { error: 230, message } });
      assert.deepEqual(await (await sourceOf({ table: 'dbo.Versioned' })).detection(), {
        why: 'the user of connection mdm may not read the rowversion column RowVer of dbo.Versioned',
      });
      await assert.rejects((await sourceOf({ table: 'dbo.Versioned' }, { method: 'rowversion' })).detection(), {
        code: 'SOURCE_REFUSED',
        message: /may not read dbo\.Versioned/,
      });
      fault.remove();
    });
  });

  describe('that the configuration asks for', () => {
    const rowversion = (config: Partial<SourceConfig>, column?: string) =>
      sourceOf(config, { method: 'rowversion', ...(column !== undefined && { column }) });
    const modifiedAt = (config: Partial<SourceConfig>, column: string) =>
      sourceOf(config, { method: 'modifiedAt', column });

    it('is by hash', async () => {
      assert.deepEqual(await (await sourceOf({ table: 'dbo.Versioned' }, { method: 'hash' })).detection(), {
        why: 'the configuration says so',
      });
    });

    itByRowversion('is by the rowversion column of a table, a view or a query', async () => {
      const chosen = { incremental: { method: 'rowversion', column: 'RowVer' }, why: 'the configuration says so' };
      const query = 'SELECT Id, RowVer FROM dbo.Versioned';
      assert.deepEqual(await (await rowversion({ table: 'dbo.Versioned' })).detection(), chosen);
      assert.deepEqual(await (await rowversion({ table: 'dbo.Versioned' }, 'rowver')).detection(), {
        incremental: { method: 'rowversion', column: 'rowver' },
        why: 'the configuration says so',
      });
      assert.deepEqual(await (await rowversion({ table: 'dbo.VersionedView' }, 'RowVer')).detection(), chosen);
      assert.deepEqual(await (await rowversion({ query }, 'RowVer')).detection(), chosen);
    });

    it('is refused where the column is missing', async () => {
      const missing = { code: 'SOURCE_COLUMN_MISSING', message: /has no column Changed/, hint: /Its columns are: Id/ };
      await assert.rejects((await rowversion({ table: 'dbo.Versioned' }, 'Changed')).detection(), missing);
      await assert.rejects((await modifiedAt({ table: 'dbo.Versioned' }, 'Changed')).detection(), missing);
      await assert.rejects((await rowversion({ table: 'dbo.Unversioned' })).detection(), {
        code: 'SOURCE_COLUMN_MISSING',
        message: 'Users: dbo.Unversioned has no rowversion column.',
      });
    });

    it('is refused where a view or query names none of its columns', async () => {
      for (const config of [{ table: 'dbo.VersionedView' }, { query: 'SELECT Id, RowVer FROM dbo.Versioned' }]) {
        await assert.rejects((await rowversion(config)).detection(), {
          code: 'SOURCE_REFUSED',
          message: /is a view|is a query/,
          hint: /Name the column in detection\.column/,
        });
      }
    });

    it('is refused where the column is no rowversion', async () => {
      for (const [config, column] of [
        [{ table: 'dbo.Versioned' }, 'Name'],
        [{ table: 'dbo.Unversioned' }, 'Copied'],
        [{ table: 'dbo.VersionedView' }, 'Id'],
      ] as const) {
        await assert.rejects((await rowversion(config, column)).detection(), {
          code: 'SOURCE_REFUSED',
          message: new RegExp(`column ${column} of ${config.table.replace('.', '\\.')} is no rowversion`),
        });
      }
    });

    it('is refused where the table is in another database, whose rowversions are its own', async () => {
      await server.execute('ess', 'CREATE TABLE dbo.Foreign1 (Id int NOT NULL PRIMARY KEY, RowVer binary(8) NULL)');
      const table = `${server.databases.ess}.dbo.Foreign1`;
      await assert.rejects((await rowversion({ table }, 'RowVer')).detection(), {
        code: 'SOURCE_REFUSED',
        message: /is in another database/,
      });
    });

    it('is refused where a modified-at column is of a type without a date', async () => {
      await run('CREATE TABLE dbo.Clocked (Id int NOT NULL PRIMARY KEY, At time(3) NULL, Name nvarchar(20) NULL)');
      for (const [column, type] of [
        ['At', 'time(3)'],
        ['Name', 'nvarchar(20)'],
      ] as const) {
        await assert.rejects((await modifiedAt({ table: 'dbo.Clocked' }, column)).detection(), {
          code: 'SOURCE_REFUSED',
          message: `Users: column ${column} of dbo.Clocked has the type ${type}, which holds no time of a change.`,
        });
      }
    });
  });

  describe('by rowversion', () => {
    const detection: IncrementalDetection = { method: 'rowversion', column: 'RowVer' };

    async function mark(source: Source): Promise<Watermark> {
      const watermark = await source.watermark(detection);
      assert.equal(watermark?.length, 8);
      return watermark as Watermark;
    }

    itByRowversion('finds what was inserted or updated since the watermark, and nothing else', async () => {
      await run(
        'CREATE TABLE dbo.Changing (Id int NOT NULL PRIMARY KEY, Name nvarchar(20) NULL, RowVer rowversion NOT NULL)',
      );
      for (const id of [1, 2, 3]) await run(`INSERT INTO dbo.Changing (Id, Name) VALUES (${id}, N'a')`);
      const source = await sourceOf({ table: 'dbo.Changing' });
      const first = await mark(source);
      assert.deepEqual(await source.page(undefined, 10, never, since(detection, first)), []);
      await run("INSERT INTO dbo.Changing (Id, Name) VALUES (0, N'a')");
      await run("UPDATE dbo.Changing SET Name = N'b' WHERE Id = 2");
      assert.deepEqual(await source.page(undefined, 10, never, since(detection, first)), [[0], [2]]);
      assert.deepEqual(await source.page([1], 10, never, since(detection, first)), [[2]]);
      const second = await mark(source);
      assert.ok(compareWatermarks(first, second) < 0);
      assert.deepEqual(await source.page(undefined, 10, never, since(detection, second)), []);
    });

    itByRowversion('of a view is no higher than its rows, whose database may count by itself', async () => {
      await run('CREATE TABLE dbo.Elsewhere (Id int NOT NULL PRIMARY KEY, Counted binary(8) NOT NULL)');
      await run('INSERT INTO dbo.Elsewhere (Id, Counted) VALUES (1, 0x0000000000000001)');
      await run('CREATE VIEW dbo.ElsewhereView AS SELECT Id, Counted FROM dbo.Elsewhere');
      const source = await sourceOf({ table: 'dbo.ElsewhereView' }, { method: 'rowversion', column: 'Counted' });
      const { incremental } = await source.detection();
      assert.ok(incremental);
      const watermark = (await source.watermark(incremental)) as Watermark;
      assert.equal(Buffer.from(watermark).toString('hex'), '0000000000000001');
      await run('INSERT INTO dbo.Elsewhere (Id, Counted) VALUES (2, 0x0000000000000002)');
      const found = await source.page(undefined, 10, never, since(incremental, watermark));
      assert.deepEqual(found.flat(), [1, 2]);
    });

    itByRowversion('finds a row whose transaction was open when the watermark was read', async () => {
      await run(
        'CREATE TABLE dbo.Late (Id int NOT NULL PRIMARY KEY, Name nvarchar(20) NULL, RowVer rowversion NOT NULL)',
      );
      await run("INSERT INTO dbo.Late (Id, Name) VALUES (1, N'a')");
      const source = await sourceOf({ table: 'dbo.Late', where: 'Id < 100' });
      const writer = await server.connect('mdm');
      await writer.batch('BEGIN TRANSACTION');
      await writer.batch("INSERT INTO dbo.Late (Id, Name) VALUES (2, N'late')");
      const watermark = await mark(source);
      await writer.batch('COMMIT TRANSACTION');
      assert.deepEqual(await source.page(undefined, 10, never, since(detection, watermark)), [[2]]);
    });
  });

  describe('by a modified-at column', () => {
    const detection: IncrementalDetection = { method: 'modifiedAt', column: 'ChangedAt' };
    const configured = { method: 'modifiedAt', column: 'ChangedAt' } as const;

    for (const [type, resolutionMs] of [
      ['datetime', 10],
      ['smalldatetime', MINUTE_MS],
      ['datetime2(7)', 1],
      ['datetime2(0)', 1000],
      ['datetimeoffset(3)', 1],
      ['date', 24 * 60 * MINUTE_MS],
    ] as const) {
      it(`of the type ${type} finds what has its time or a later one, and what has none`, async () => {
        const table = `dbo.Timed_${type.replace(/\W/g, '_')}`;
        await run(`CREATE TABLE ${table} (Id int NOT NULL PRIMARY KEY, ChangedAt ${type} NULL)`);
        const zone = type.startsWith('datetimeoffset') ? '+07:00' : '';
        const at = (time: string) => (type === 'date' ? `'${time.slice(0, 10)}'` : `'${time}${zone}'`);
        await run(`INSERT INTO ${table} VALUES (1, ${at('2020-10-05T08:30:00')}), (2, ${at('2020-10-06T09:41:27')}),
          (3, ${at('2020-10-07T10:15:00')}), (4, NULL), (5, ${at('2020-10-07T10:15:00')})`);
        const source = await sourceOf({ table }, configured);
        const watermark = (await source.watermark(detection)) as Watermark;
        const expected = new Date(`2020-10-07T${type === 'date' ? '00:00:00' : '10:15:00'}${zone || 'Z'}`);
        assert.deepEqual(decodeTime(watermark), expected);
        const keys = async (from: Watermark) =>
          (await source.page(undefined, 10, never, since(detection, from))).map(([id]) => id);
        assert.deepEqual(await keys(watermark), [3, 4, 5]);
        // What a clock shows a moment before the next value that the column can hold may stand in it rounded down.
        assert.deepEqual(await keys(encodeTime(new Date(expected.getTime() + resolutionMs - 1))), [3, 4, 5]);
        assert.deepEqual(await keys(encodeTime(new Date(expected.getTime() + resolutionMs))), [4]);
        assert.deepEqual(await keys(encodeTime(new Date('0001-01-01T00:00:00Z'))), [1, 2, 3, 4, 5]);
      });
    }

    it('goes back by the overlap, within the predicate and the page', async () => {
      await run(
        'CREATE TABLE dbo.Overlapping (Id int NOT NULL PRIMARY KEY, ChangedAt datetime2(3) NULL, Kind int NOT NULL)',
      );
      await run(`INSERT INTO dbo.Overlapping VALUES (1, '2020-10-07T09:00:00', 1), (2, '2020-10-07T09:59:59.999', 1),
        (3, '2020-10-07T10:00:00', 1), (4, '2020-10-07T12:00:00', 1), (5, NULL, 0), (6, '2020-10-07T11:00:00', 1)`);
      const source = await sourceOf(
        { table: 'dbo.Overlapping', where: 'Kind = 1 OR Kind = 2' },
        { ...configured, overlapMinutes: 120 },
      );
      const watermark = (await source.watermark(detection)) as Watermark;
      const page = (from: Row | undefined, limit: number) =>
        source.page(from, limit, never, since(detection, watermark));
      assert.deepEqual(await page(undefined, 10), [[3], [4], [6]]);
      assert.deepEqual(await page(undefined, 2), [[3], [4]]);
      assert.deepEqual(await page([4], 10), [[4], [6]]);
    });

    it('has no watermark where no row of the source has a time', async () => {
      await run('CREATE TABLE dbo.Timeless (Id int NOT NULL PRIMARY KEY, ChangedAt datetime NULL)');
      const source = await sourceOf({ table: 'dbo.Timeless', where: 'Id < 10' }, configured);
      assert.equal(await source.watermark(detection), undefined);
      await run("INSERT INTO dbo.Timeless VALUES (1, NULL), (10, '2020-10-07')");
      assert.equal(await source.watermark(detection), undefined);
    });

    for (const type of ['datetime', 'datetime2(7)', 'datetimeoffset(7)', 'date']) {
      it(`of the type ${type} never passes the server's clock, whatever is typed into it`, async () => {
        const table = `dbo.Future_${type.replace(/\W/g, '_')}`;
        await run(`CREATE TABLE ${table} (Id int NOT NULL PRIMARY KEY, ChangedAt ${type} NULL)`);
        await run(`INSERT INTO ${table} VALUES (1, '2099-12-31')`);
        const source = await sourceOf({ table }, configured);
        const before = await clock(type);
        const watermark = decodeTime((await source.watermark(detection)) as Watermark).getTime();
        const after = await clock(type);
        assert.ok(before <= watermark && watermark <= after, `${before} <= ${watermark} <= ${after}`);
      });
    }

    it('hides no later change behind a time in the future, be the times local or UTC', async () => {
      await run('CREATE TABLE dbo.Ahead (Id int NOT NULL PRIMARY KEY, ChangedAt datetime2(3) NULL)');
      await run(
        "INSERT INTO dbo.Ahead VALUES (1, '2020-10-07'), (2, '2099-12-31'), (3, '2020-10-07'), (4, '2020-10-07')",
      );
      const source = await sourceOf({ table: 'dbo.Ahead' }, configured);
      const watermark = (await source.watermark(detection)) as Watermark;
      await run('UPDATE dbo.Ahead SET ChangedAt = SYSDATETIME() WHERE Id = 3');
      await run('UPDATE dbo.Ahead SET ChangedAt = SYSUTCDATETIME() WHERE Id = 4');
      assert.deepEqual(await source.page(undefined, 10, never, since(detection, watermark)), [[2], [3], [4]]);
    });

    async function clock(type: string): Promise<number> {
      const [row] = await server.query('mdm', 'SELECT SYSDATETIME() AS Local, SYSUTCDATETIME() AS Utc');
      const times = [row?.Utc, ...(type.startsWith('datetimeoffset') ? [] : [row?.Local])] as Date[];
      return Math.min(...times.map((time) => time.getTime()));
    }

    it('reads a view or a query too', async () => {
      await run('CREATE TABLE dbo.Viewed (Id int NOT NULL PRIMARY KEY, Updated datetime NULL)');
      await run("INSERT INTO dbo.Viewed VALUES (1, '2020-10-06'), (2, '2020-10-07')");
      const query = 'SELECT Id, Updated AS ChangedAt FROM dbo.Viewed -- all';
      const source = await sourceOf({ query }, { method: 'modifiedAt', column: 'ChangedAt' }, []);
      const { incremental } = await source.detection();
      assert.deepEqual(incremental, detection);
      const watermark = (await source.watermark(detection)) as Watermark;
      assert.deepEqual(await source.page(undefined, 10, never, since(detection, watermark)), [[2]]);
    });
  });

  // The last one: it closes the connections of all others.
  itOnMicrosoft(server, 'is by hash in a database that is read-only, and never by rowversion', async () => {
    const master = await server.connect('master');
    const set = (option: string) =>
      master.batch(`ALTER DATABASE [${server.databases.mdm}] SET ${option} WITH ROLLBACK IMMEDIATE`);
    await set('READ_ONLY');
    const settings = await settingsOf(server.connectionString('mdm'), 'mdm');
    const opened = createPool(settings, 'SOURCE', 1);
    try {
      const entity = (method: DetectionConfig['method']): SourceEntity => ({
        name: 'Users',
        source: { connection: 'mdm', table: 'dbo.Versioned', key: ['Id'] },
        detection: { method, overlapMinutes: 0 },
      });
      const source = createSource(opened, entity('auto'));
      assert.deepEqual(await source.detection(), { why: 'the database of connection mdm is read-only' });
      const refused = { code: 'SOURCE_REFUSED', message: /is read-only/ };
      await assert.rejects(createSource(opened, entity('rowversion')).detection(), refused);
      await assert.rejects(source.watermark({ method: 'rowversion', column: 'RowVer' }), refused);
      assert.deepEqual(await source.lookup([[1]], 'key', never), []);
    } finally {
      await opened.close();
      await set('READ_WRITE');
    }
  });
});
