import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

/** Column definition, T-SQL literal, and the JSON text that the README's table of values promises. */
const COLUMNS: readonly (readonly [name: string, type: string, literal: string, json: string])[] = [
  ['TinyInt', 'tinyint', '255', '255'],
  ['SmallInt', 'smallint', '-32768', '-32768'],
  ['Int', 'int', '2147483647', '2147483647'],
  ['SafeBig', 'bigint', '9007199254740991', '9007199254740991'],
  ['UnsafeBig', 'bigint', '-9223372036854775808', '"-9223372036854775808"'],
  ['Decimal', 'decimal(38,10)', '1234567890123456789012345678.0123456789', '1234567890123456789012345678.0123456789'],
  ['Small', 'decimal(9,2)', '-0.10', '-0.10'],
  ['Money', 'money', '922337203685477.5807', '922337203685477.5807'],
  ['Float', 'float', '0.1', '0.1'],
  ['Real', 'real', '1.5', '1.5'],
  ['Bit', 'bit', '1', 'true'],
  ['Guid', 'uniqueidentifier', "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", '"6f9619ff-8b86-d011-b42d-00c04fc964ff"'],
  ['Text', 'nvarchar(50)', "N'Nur\"Ain 山田 👩‍👩‍👧‍👦'", '"Nur\\"Ain 山田 👩‍👩‍👧‍👦"'],
  ['Lines', 'nvarchar(max)', "N'a' + CHAR(13) + CHAR(10) + N'b'", '"a\\r\\nb"'],
  ['Ansi', 'varchar(20)', "'José'", '"José"'],
  ['Binary', 'varbinary(8)', '0x00FF10', '"AP8Q"'],
  ['Date', 'date', "'2026-11-23'", '"2026-11-23"'],
  ['Time', 'time(3)', "'23:59:59.997'", '"23:59:59.997"'],
  ['Midnight', 'datetime', "'2026-11-23T00:00:00'", '"2026-11-23T00:00:00"'],
  ['LastTick', 'datetime', "'2026-03-08T23:59:59.997'", '"2026-03-08T23:59:59.997"'],
  ['Minute', 'smalldatetime', "'2026-11-23T02:30:00'", '"2026-11-23T02:30:00"'],
  ['DateTime2', 'datetime2(7)', "'2026-03-08T02:30:00.1230000'", '"2026-03-08T02:30:00.123"'],
  ['Offset', 'datetimeoffset(3)', "'2026-11-23 00:00:00.000 +07:00'", '"2026-11-22T17:00:00Z"'],
];

const camel = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);

describe('every type, without a map', () => {
  const server = useSqlServer({ seed: { rows: 0 } });
  const job = useJob(server);
  before(async () => {
    await job.run(['migrate']);
    const names = COLUMNS.map(([name]) => `[${name}]`).join(', ');
    await server.execute(
      'mdm',
      `CREATE TABLE dbo.EVERY_TYPE (Id int NOT NULL PRIMARY KEY, ${COLUMNS.map(([name, type]) => `[${name}] ${type} NULL`).join(', ')})`,
    );
    await server.execute(
      'mdm',
      `INSERT INTO dbo.EVERY_TYPE (Id, ${names}) SELECT 1, ${COLUMNS.map(([, , literal]) => literal).join(', ')};
       INSERT INTO dbo.EVERY_TYPE (Id) VALUES (2)`,
    );
    await job.configure((config) => {
      config.entities = [
        {
          name: 'Everything',
          source: { connection: 'default', table: 'dbo.EVERY_TYPE', key: 'Id' },
          destination: { url: '/everything' },
        },
      ];
    });
  });

  it('arrives as the README says, to the digit, in whichever zone the machine is', async () => {
    const row = (id: number, values: readonly string[]) =>
      `{"id":${id},${COLUMNS.map(([name], index) => `"${camel(name)}":${values[index]}`).join(',')}}`;
    const expected = `[${row(
      1,
      COLUMNS.map(([, , , json]) => json),
    )},${row(
      2,
      COLUMNS.map(() => 'null'),
    )}]`;
    for (const TZ of ['UTC', 'Asia/Jakarta', 'America/New_York']) {
      job.receiver.clear();
      await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
      const { code, stderr } = await job.run(['run'], { env: { ...job.env, TZ } });
      assert.equal(code, 0, stderr);
      assert.equal(job.receiver.calls()[0]?.body, expected, TZ);
    }
  });
});

describe('keys of every kind', () => {
  const server = useSqlServer({ seed: { rows: 0 } });
  const job = useJob(server);
  before(() => job.run(['migrate']));

  const kinds: readonly (readonly [
    name: string,
    columns: string,
    key: readonly string[],
    rows: readonly string[],
    ledger: readonly string[],
  ])[] = [
    ['bigint', 'Id bigint NOT NULL', ['Id'], ['-5', '9007199254740993'], ['-5', '9007199254740993']],
    ['date', 'Id date NOT NULL', ['Id'], ["'2026-11-23'", "'0001-01-01'"], ['0001-01-01', '2026-11-23']],
    ['varchar', 'Id varchar(20) NOT NULL', ['Id'], ["'b|\\'", "'a'"], ['a', 'b|\\']],
    ['nvarchar', 'Id nvarchar(20) NOT NULL', ['Id'], ["N'山田'", "N'a'"], ['a', '山田']],
    [
      'several',
      'Org varchar(10) NOT NULL, Line int NOT NULL',
      ['Org', 'Line'],
      ["'A|B', 1", "'A', 2", "'A', 1"],
      ['A\\|B|1', 'A|1', 'A|2'],
    ],
  ];
  for (const [name, columns, key, rows, ledger] of kinds) {
    it(`${name}: page by page, and the ledger holds them as the README says`, async () => {
      const table = `dbo.KEY_${name}`;
      await server.execute(
        'mdm',
        `CREATE TABLE ${table} (${columns}, CONSTRAINT PK_KEY_${name} PRIMARY KEY (${key.join(', ')}))`,
      );
      for (const row of rows) await server.execute('mdm', `INSERT INTO ${table} VALUES (${row})`);
      await job.configure((config) => {
        config.entities = [
          { name, source: { connection: 'default', table, key }, destination: { url: `/${name}`, batchSize: 1 } },
        ];
      });
      const first = await job.sync();
      assert.equal(first.code, 0, first.stderr);
      assert.equal(job.receiver.calls(`/${name}`).length, rows.length);
      const tracked = await server.query(
        'log',
        'SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = @name',
        { name },
      );
      assert.deepEqual(tracked.map((row) => row.EntityId).sort(), [...ledger].sort());
      const again = await job.sync();
      assert.equal(again.summary.entities[0]?.tracked, rows.length);
    });
  }
});
