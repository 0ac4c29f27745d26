import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { TYPES } from 'tedious';
import type { ClientParameters, ClientRow, ClientValue, TypedParameter } from '../../dev/sqlserver/client.ts';
import { sampleRows } from '../../dev/sqlserver/sample-rows.ts';
import { useSqlServer } from '../support/sqlserver.ts';
import { itOnMicrosoft } from './expect.ts';

const sql = useSqlServer();

/**
 * Reads a table by keyset pages of `size` new rows until nothing is left; `next` makes the parameters of the page that
 * begins with a row.
 */
async function readPages(
  first: string,
  following: string,
  size: number,
  next: (last: ClientRow) => ClientParameters,
): Promise<ClientRow[]> {
  const all = [...(await sql.query('mdm', first, { limit: size }))];
  for (let more = all.length > 0; more; ) {
    const last = all.at(-1) as ClientRow;
    const [again, ...page] = await sql.query('mdm', following, { limit: size + 1, ...next(last) });
    assert.deepEqual(again, last);
    all.push(...page);
    more = page.length > 0;
  }
  return all;
}

describe('keyset pages', () => {
  const keys: readonly {
    readonly type: string;
    readonly parameter: (value: ClientValue) => TypedParameter;
    readonly inserts: readonly string[];
    /** What comes out, in the server's order. */
    readonly ordered: readonly (string | number)[];
  }[] = [
    {
      type: 'tinyint',
      parameter: (value) => ({ type: TYPES.TinyInt, value }),
      inserts: ['255', '0', '7'],
      ordered: [0, 7, 255],
    },
    {
      type: 'smallint',
      parameter: (value) => ({ type: TYPES.SmallInt, value }),
      inserts: ['32767', '-32768', '0'],
      ordered: [-32_768, 0, 32_767],
    },
    {
      type: 'int',
      parameter: (value) => ({ type: TYPES.Int, value }),
      inserts: ['2147483647', '-2147483648', '0'],
      ordered: [-2_147_483_648, 0, 2_147_483_647],
    },
    {
      type: 'bigint',
      parameter: (value) => ({ type: TYPES.BigInt, value }),
      inserts: ['9223372036854775807', '-9223372036854775808', '9007199254740993'],
      ordered: ['-9223372036854775808', '9007199254740993', '9223372036854775807'],
    },
    {
      type: 'date',
      parameter: (value) => ({ type: TYPES.Date, value }),
      inserts: ["'20261123'", "'00010101'", "'99991231'"],
      ordered: ['0001-01-01', '2026-11-23', '9999-12-31'],
    },
    {
      type: 'nvarchar(50)',
      parameter: (value) => ({ type: TYPES.NVarChar, value, length: 50 }),
      inserts: ["N'b'", "N'A'", "N'C'", "N'a1'"],
      ordered: ['A', 'a1', 'b', 'C'],
    },
    {
      type: 'varchar(50)',
      parameter: (value) => ({ type: TYPES.VarChar, value, length: 50 }),
      inserts: ["'K002'", "'K001'", "'k003'"],
      ordered: ['K001', 'K002', 'k003'],
    },
    {
      type: 'nchar(3)',
      parameter: (value) => ({ type: TYPES.NChar, value, length: 3 }),
      inserts: ["N'b'", "N'a'"],
      ordered: ['a  ', 'b  '],
    },
    {
      type: 'char(2)',
      parameter: (value) => ({ type: TYPES.Char, value, length: 2 }),
      inserts: ["'b'", "'a'"],
      ordered: ['a ', 'b '],
    },
  ];

  for (const [index, { type, parameter, inserts, ordered }] of keys.entries()) {
    for (const size of [1, 2]) {
      it(`read each row of a ${type} key once and in order, ${size} at a time`, async () => {
        const table = `dbo.Pages_${index}_${size}`;
        await sql.execute('mdm', `CREATE TABLE ${table} (K ${type} NOT NULL PRIMARY KEY)`);
        for (const value of inserts) await sql.execute('mdm', `INSERT INTO ${table} (K) VALUES (${value})`);
        const rows = await readPages(
          `SELECT TOP (@limit) [K] FROM ${table} ORDER BY [K]`,
          `SELECT TOP (@limit) [K] FROM ${table} WHERE [K] >= @from ORDER BY [K]`,
          size,
          ({ K }) => ({ from: parameter(K as ClientValue) }),
        );
        assert.deepEqual(
          rows.map(({ K }) => (K instanceof Date ? K.toISOString().slice(0, 10) : K)),
          ordered,
        );
      });
    }
  }

  it('read each row of a uniqueidentifier key once, whatever the server’s order', async () => {
    await sql.execute('mdm', 'CREATE TABLE dbo.Guids (Id uniqueidentifier NOT NULL PRIMARY KEY)');
    const ids = [...sampleRows('Users', 40)].map(({ Id }) => Id);
    await sql.bulkInsert(
      'mdm',
      'dbo.Guids',
      [{ name: 'Id', type: TYPES.UniqueIdentifier, nullable: false }],
      ids.map((id) => [id]),
    );
    const rows = await readPages(
      'SELECT TOP (@limit) [Id] FROM dbo.Guids ORDER BY [Id]',
      'SELECT TOP (@limit) [Id] FROM dbo.Guids WHERE [Id] >= @from ORDER BY [Id]',
      7,
      ({ Id }) => ({ from: { type: TYPES.UniqueIdentifier, value: Id } }),
    );
    assert.equal(rows.length, ids.length);
    assert.deepEqual(new Set(rows.map(({ Id }) => Id)), new Set(ids));
  });

  itOnMicrosoft(sql, 'uniqueidentifier sorts by its last six bytes first', async () => {
    await sql.execute('mdm', 'CREATE TABLE dbo.GuidOrder (Id uniqueidentifier NOT NULL PRIMARY KEY)');
    const ascending = [
      '01000000-0000-0000-0000-000000000000',
      '00000000-0000-0000-0100-000000000000',
      '00000000-0000-0000-0000-000000000001',
      '00000000-0000-0000-0000-010000000000',
    ];
    for (const id of [...ascending].reverse()) await sql.execute('mdm', `INSERT INTO dbo.GuidOrder VALUES ('${id}')`);
    const rows = await sql.query('mdm', 'SELECT Id FROM dbo.GuidOrder ORDER BY Id');
    assert.deepEqual(
      rows.map(({ Id }) => Id),
      ascending,
    );
  });

  it('read each row of a key of two columns once and in order', async () => {
    await sql.execute('mdm', 'CREATE TABLE dbo.Pairs (A int NOT NULL, B nvarchar(20) NOT NULL, PRIMARY KEY (A, B))');
    await sql.execute(
      'mdm',
      "INSERT INTO dbo.Pairs (A, B) VALUES (2, N'a'), (1, N'b'), (1, N'a'), (2, N'c'), (1, N'c'), (3, N'')",
    );
    const rows = await readPages(
      'SELECT TOP (@limit) [A], [B] FROM dbo.Pairs ORDER BY [A], [B]',
      'SELECT TOP (@limit) [A], [B] FROM dbo.Pairs WHERE [A] >= @from0 AND ([A] > @from0 OR ([A] = @from0 AND [B] >= @from1)) ORDER BY [A], [B]',
      2,
      ({ A, B }) => ({
        from0: { type: TYPES.Int, value: A },
        from1: { type: TYPES.NVarChar, value: B, length: 20 },
      }),
    );
    assert.deepEqual(
      rows.map(({ A, B }) => `${A}${B}`),
      ['1a', '1b', '1c', '2a', '2c', '3'],
    );
  });
});

describe('describing a source', () => {
  before(() =>
    sql.execute(
      'mdm',
      `CREATE TABLE dbo.Described (
  Id uniqueidentifier NOT NULL PRIMARY KEY, N int NOT NULL, M int NULL, T nvarchar(200) NULL, L nvarchar(max) NULL,
  D decimal(9,2) NULL, W datetime NOT NULL, F bit NULL, V varchar(30) NOT NULL, B varbinary(16) NULL)`,
    ),
  );

  const expected = [
    ['Id', 'UniqueIdentifier'],
    ['N', 'Int'],
    ['M', 'IntN'],
    ['T', 'NVarChar'],
    ['L', 'NVarChar'],
    ['D', 'DecimalN'],
    ['W', 'DateTime'],
    ['F', 'BitN'],
    ['V', 'VarChar'],
    ['B', 'VarBinary'],
  ];

  it('gives names, types and lengths without a row', async () => {
    const client = await sql.connect('mdm');
    const { columns, rows } = await client.run('SELECT TOP (0) * FROM dbo.Described');
    assert.deepEqual(rows, []);
    // Whether a type is announced as one that may be NULL (IntN) is each server's own choice.
    const family = (type: string): string => type.replace(/N$/, '');
    assert.deepEqual(
      columns.map(({ name, type }) => [name, family(type)]),
      expected.map(([name, type = '']) => [name, family(type)]),
    );
    const length = new Map(columns.map((column) => [column.name, column.length]));
    assert.deepEqual([length.get('T'), length.get('L'), length.get('V'), length.get('B')], [400, 65_535, 30, 16]);
  });

  itOnMicrosoft(sql, 'tells by the type whether a column may be NULL', async () => {
    const client = await sql.connect('mdm');
    const { columns } = await client.run('SELECT TOP (0) * FROM dbo.Described');
    assert.deepEqual(
      columns.map(({ name, type }) => [name, type]),
      expected,
    );
  });

  it('works for a query in parentheses and for named columns', async () => {
    const client = await sql.connect('mdm');
    const { columns } = await client.run(
      'SELECT TOP (0) [N], [T] FROM (\nSELECT N, T, M FROM dbo.Described -- all\n) AS source',
    );
    assert.deepEqual(
      columns.map(({ name }) => name),
      ['N', 'T'],
    );
  });

  it('works for a view', async () => {
    const client = await sql.connect('mdm');
    await client.batch('CREATE VIEW dbo.DescribedView AS SELECT Id, T AS Name FROM dbo.Described');
    const { columns } = await client.run('SELECT TOP (0) * FROM dbo.DescribedView');
    assert.deepEqual(
      columns.map(({ name }) => name),
      ['Id', 'Name'],
    );
  });
});

describe('exact numbers as text', () => {
  it('come as the server prints them', async () => {
    await sql.execute(
      'mdm',
      'CREATE TABLE dbo.Exact (Id int NOT NULL, D decimal(38,10) NULL, S decimal(9,2) NULL, M money NULL)',
    );
    await sql.execute(
      'mdm',
      `INSERT INTO dbo.Exact VALUES (1, 1234567890123456789012345678.0123456789, -0.10, 922337203685477.5807), (2, 0, 12, -0.5), (3, NULL, NULL, NULL)`,
    );
    const rows = await sql.query(
      'mdm',
      'SELECT CONVERT(nvarchar(64), [D]) AS [D], CONVERT(nvarchar(64), [S]) AS [S], CONVERT(nvarchar(64), [M], 2) AS [M] FROM dbo.Exact ORDER BY Id',
    );
    assert.deepEqual(rows, [
      { D: '1234567890123456789012345678.0123456789', S: '-0.10', M: '922337203685477.5807' },
      { D: '0.0000000000', S: '12.00', M: '-0.5000' },
      { D: null, S: null, M: null },
    ]);
  });
});

describe('counting', () => {
  it('counts all rows, or no further than a bound', async () => {
    await sql.execute('mdm', 'CREATE TABLE dbo.Counted (Id int NOT NULL)');
    await sql.bulkInsert(
      'mdm',
      'dbo.Counted',
      [{ name: 'Id', type: TYPES.Int, nullable: false }],
      Array.from({ length: 500 }, (_, i) => [i]),
    );
    const [all] = await sql.query('mdm', 'SELECT COUNT_BIG(*) AS Total FROM dbo.Counted WHERE (\nId >= 100\n)');
    assert.equal(all?.Total, '400');
    const [bounded] = await sql.query(
      'mdm',
      'SELECT COUNT_BIG(*) AS Total FROM (SELECT TOP (@limit) 1 AS present FROM dbo.Counted) AS counted',
      { limit: 7 },
    );
    assert.equal(bounded?.Total, '7');
  });
});

describe('text', () => {
  it('compares without case and trailing spaces, but with accents', async () => {
    const [row] = await sql.query(
      'mdm',
      `SELECT CASE WHEN N'abc' = N'ABC' THEN 1 ELSE 0 END AS IgnoresCase, CASE WHEN N'abc' = N'abc  ' THEN 1 ELSE 0 END AS IgnoresSpaces,
  CASE WHEN N'e' = N'é' THEN 1 ELSE 0 END AS IgnoresAccents, LEN(N'ab  ') AS Length, DATALENGTH(N'ab  ') AS Bytes`,
    );
    assert.deepEqual(row, { IgnoresCase: 1, IgnoresSpaces: 1, IgnoresAccents: 0, Length: 2, Bytes: 8 });
  });
});
