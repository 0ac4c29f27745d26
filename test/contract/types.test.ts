import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { TYPES } from 'tedious';
import type { SqlClient } from '../../dev/sqlserver/client.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const sql = useSqlServer();

const utc = (text: string): Date => new Date(`${text}Z`);
/** Date objects of tedious carry the digits below a millisecond as an extra property. */
const plain = (value: unknown): unknown => (value instanceof Date ? new Date(value.getTime()) : value);

/** Type, T-SQL literal, what the client gets. */
const cases: readonly (readonly [type: string, literal: string, value: unknown])[] = [
  ['bit', '1', true],
  ['tinyint', '255', 255],
  ['smallint', '-32768', -32_768],
  ['int', '2147483647', 2_147_483_647],
  ['bigint', '-9223372036854775808', '-9223372036854775808'],
  ['decimal(9,2)', '-1234567.89', -1_234_567.89],
  ['decimal(38,0)', '99999999999999999999999999999999999999', 1e38],
  ['numeric(5,5)', '0.12345', 0.123_45],
  ['money', '-922337203685477.5808', -922_337_203_685_477.6],
  ['smallmoney', '214748.3647', 214_748.3647],
  ['float', '1.7976931348623157E+308', Number.MAX_VALUE],
  ['real', '-0.5', -0.5],
  ['date', "'00010101'", utc('0001-01-01T00:00:00')],
  ['date', "'99991231'", utc('9999-12-31T00:00:00')],
  ['datetime', "'2026-11-23T00:00:00'", utc('2026-11-23T00:00:00')],
  ['datetime', "'2026-11-23T23:59:59.997'", utc('2026-11-23T23:59:59.997')],
  ['datetime', "'17530101'", utc('1753-01-01T00:00:00')],
  ['datetime', "'9999-12-31T23:59:59.997'", utc('9999-12-31T23:59:59.997')],
  ['smalldatetime', "'2079-06-06T23:59:00'", utc('2079-06-06T23:59:00')],
  ['datetime2(7)', "'2026-11-23T23:59:59.9999999'", utc('2026-11-23T23:59:59.999')],
  ['datetime2(0)', "'0001-01-01T00:00:00'", utc('0001-01-01T00:00:00')],
  ['datetimeoffset(3)', "'2026-11-23T07:00:00.123+07:00'", utc('2026-11-23T00:00:00.123')],
  ['time(3)', "'23:59:59.999'", utc('1970-01-01T23:59:59.999')],
  ['uniqueidentifier', "'0A1B2C3D-4E5F-6789-ABCD-EF0123456789'", '0a1b2c3d-4e5f-6789-abcd-ef0123456789'],
  ['nvarchar(100)', "N'Siti \"Nur''aini\" 山田 🚀'", 'Siti "Nur\'aini" 山田 🚀'],
  ['nvarchar(max)', "REPLICATE(CAST(N'長い' AS nvarchar(max)), 10000)", '長い'.repeat(10_000)],
  ['nvarchar(10)', "N''", ''],
  ['nchar(4)', "N'ab'", 'ab  '],
  ['varchar(20)', "'caf\u00e9'", 'caf\u00e9'],
  ['char(3)', "'x'", 'x  '],
  ['varbinary(4)', '0x00FF10', Buffer.from([0, 255, 16])],
  ['varbinary(max)', '0x', Buffer.alloc(0)],
  ['binary(4)', '0xAB', Buffer.from([0xab, 0, 0, 0])],
];

describe('a value', () => {
  let client: SqlClient;
  before(async () => {
    client = await sql.connect('mdm');
  });

  for (const [type, literal, value] of cases) {
    it(`of type ${type} comes out as it went in: ${literal.slice(0, 40)}`, async () => {
      await client.batch(`CREATE TABLE #v (v ${type} NULL); INSERT INTO #v (v) VALUES (${literal}), (NULL);`);
      const rows = await client.query('SELECT v FROM #v ORDER BY CASE WHEN v IS NULL THEN 1 ELSE 0 END');
      await client.batch('DROP TABLE #v');
      assert.deepEqual(
        rows.map(({ v }) => plain(v)),
        [value, null],
      );
    });
  }

  it('of each type survives as a parameter', async () => {
    const rows = await client.query(
      'SELECT @i AS i, @b AS b, @g AS g, @t AS t, @d AS d, @dt AS dt, @dt2 AS dt2, @bin AS bin, @flag AS flag, @long AS long, @nothing AS nothing',
      {
        i: -5,
        b: 9_007_199_254_740_993n,
        g: { type: TYPES.UniqueIdentifier, value: '0a1b2c3d-4e5f-6789-abcd-ef0123456789' },
        t: "a'b\r\n\t🚀",
        d: { type: TYPES.Date, value: utc('2026-11-23T00:00:00') },
        dt: { type: TYPES.DateTime, value: utc('2026-11-23T23:59:59.997') },
        dt2: utc('2026-11-23T01:02:03.456'),
        bin: Buffer.from([1, 2, 3]),
        flag: true,
        long: { type: TYPES.NVarChar, value: 'y'.repeat(20_000), length: Number.POSITIVE_INFINITY },
        nothing: null,
      },
    );
    const row = Object.fromEntries(Object.entries(rows[0] ?? {}).map(([name, value]) => [name, plain(value)]));
    assert.deepEqual(row, {
      i: -5,
      b: '9007199254740993',
      g: '0a1b2c3d-4e5f-6789-abcd-ef0123456789',
      t: "a'b\r\n\t🚀",
      d: utc('2026-11-23T00:00:00'),
      dt: utc('2026-11-23T23:59:59.997'),
      dt2: utc('2026-11-23T01:02:03.456'),
      bin: Buffer.from([1, 2, 3]),
      flag: true,
      long: 'y'.repeat(20_000),
      nothing: null,
    });
  });

  it('of type datetime is rounded to 1/300 s', async () => {
    const rounded = ['.000', '.001', '.002', '.004', '.005', '.008', '.994', '.995', '.998'];
    const [row] = await client.query(
      `SELECT ${rounded.map((ms, i) => `CAST('2026-11-23T10:00:00${ms}' AS datetime) AS c${i}`).join(', ')}, CAST('2026-11-23T23:59:59.999' AS datetime) AS next`,
    );
    const milliseconds = rounded.map((_, i) => new Date(row?.[`c${i}`] as Date).toISOString().slice(20, 23));
    assert.deepEqual(milliseconds, ['000', '000', '003', '003', '007', '007', '993', '997', '997']);
    assert.deepEqual(plain(row?.next), utc('2026-11-24T00:00:00'));
  });

  it('of type datetime is found again by an equal parameter', async () => {
    await client.batch(
      "CREATE TABLE #w (w datetime NOT NULL); INSERT INTO #w (w) VALUES ('2026-11-23T23:59:59.997'), ('2026-11-23T10:00:00.003');",
    );
    for (const text of ['2026-11-23T23:59:59.997', '2026-11-23T10:00:00.003']) {
      const rows = await client.query('SELECT w FROM #w WHERE w = @w', {
        w: { type: TYPES.DateTime, value: utc(text) },
      });
      assert.equal(rows.length, 1, text);
    }
    await client.batch('DROP TABLE #w');
  });

  it('of type rowversion grows with every change', async () => {
    await client.batch('CREATE TABLE #r (Id int NOT NULL, v rowversion NOT NULL); INSERT INTO #r (Id) VALUES (1);');
    const read = async (): Promise<bigint> => {
      const [row] = await client.query('SELECT v FROM #r');
      return Buffer.from(row?.v as Buffer).readBigUInt64BE();
    };
    const first = await read();
    await client.batch('UPDATE #r SET Id = 2');
    assert.ok((await read()) > first);
  });
});

describe('a bulk load', () => {
  it('carries every type that the sources have, and NULL', async () => {
    const client = await sql.connect('mdm');
    await client.batch(`CREATE TABLE #b (Id uniqueidentifier NOT NULL, T nvarchar(100) NULL, L nvarchar(max) NULL, N int NULL,
  D decimal(9,2) NULL, W datetime NULL, F bit NULL, B varbinary(max) NULL, G bigint NULL)`);
    const rows = [
      [
        '0a1b2c3d-4e5f-6789-abcd-ef0123456789',
        '山田 🚀',
        'x'.repeat(9000),
        -1,
        -12.34,
        utc('2026-11-23T23:59:59.997'),
        true,
        Buffer.alloc(9000, 1),
        9_007_199_254_740_991,
      ],
      ['00000000-0000-0000-0000-000000000000', null, null, null, null, null, null, null, null],
    ];
    const count = await client.bulkInsert(
      '#b',
      [
        { name: 'Id', type: TYPES.UniqueIdentifier, nullable: false },
        { name: 'T', type: TYPES.NVarChar, length: 100 },
        { name: 'L', type: TYPES.NVarChar, length: Number.POSITIVE_INFINITY },
        { name: 'N', type: TYPES.Int },
        { name: 'D', type: TYPES.Decimal, precision: 9, scale: 2 },
        { name: 'W', type: TYPES.DateTime },
        { name: 'F', type: TYPES.Bit },
        { name: 'B', type: TYPES.VarBinary, length: Number.POSITIVE_INFINITY },
        { name: 'G', type: TYPES.BigInt },
      ],
      rows,
    );
    assert.equal(count, 2);
    const back = await client.query('SELECT Id, T, L, N, D, W, F, B, G FROM #b ORDER BY N DESC');
    assert.deepEqual(
      back.map((row) => Object.values(row).map(plain)),
      [[...(rows[0] ?? []).slice(0, 8), '9007199254740991'], rows[1]],
    );
  });

  it('writes nothing where a row breaks a constraint', async () => {
    const client = await sql.connect('mdm');
    await client.batch('CREATE TABLE #k (Id int NOT NULL PRIMARY KEY)');
    await assert.rejects(client.bulkInsert('#k', [{ name: 'Id', type: TYPES.Int, nullable: false }], [[1], [2], [1]]));
    assert.deepEqual(await client.query('SELECT COUNT(*) AS N FROM #k'), [{ N: 0 }]);
  });
});
