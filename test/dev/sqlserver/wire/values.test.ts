import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Connection, TYPES } from 'tedious';
import type { SqlType, SqlValue } from '../../../../dev/sqlserver/engine.ts';
import { Faults } from '../../../../dev/sqlserver/faults.ts';
import { ByteReader, ByteWriter } from '../../../../dev/sqlserver/wire/bytes.ts';
import { type Listener, listen } from '../../../../dev/sqlserver/wire/listener.ts';
import { readTypeInfo, writeTypeInfo } from '../../../../dev/sqlserver/wire/type-info.ts';
import { encoderFor, readValue } from '../../../../dev/sqlserver/wire/values.ts';
import { connect, disconnect, request } from './client.ts';
import { FakeEngine } from './fake-engine.ts';

/** Ticks of a time in ISO form, to 100 ns. */
function ticks(iso: string): bigint {
  const [seconds = '', fraction = ''] = iso.split('.');
  const epoch = BigInt(Date.parse(`${seconds}Z`)) * 10_000n;
  return epoch + 621_355_968_000_000_000n + BigInt(fraction.padEnd(7, '0').slice(0, 7));
}

const guid = Uint8Array.from(Buffer.from('33221100554477668899aabbccddeeff', 'hex'));
const utc = (iso: string): Date => new Date(`${iso}Z`);

/** Type, the engine's value, what tedious makes of it. */
const seen: readonly (readonly [SqlType, SqlValue, unknown])[] = [
  [{ name: 'bit' }, 1, true],
  [{ name: 'tinyint' }, 255, 255],
  [{ name: 'smallint' }, -32_768, -32_768],
  [{ name: 'int' }, -2_147_483_648, -2_147_483_648],
  [{ name: 'bigint' }, -9_223_372_036_854_775_808n, '-9223372036854775808'],
  [{ name: 'real' }, 1.5, 1.5],
  [{ name: 'float' }, Number.MAX_VALUE, Number.MAX_VALUE],
  [{ name: 'decimal', precision: 9, scale: 2 }, -123_456_789n, -1_234_567.89],
  [{ name: 'numeric', precision: 38, scale: 0 }, 10n ** 37n, 1e37],
  [{ name: 'money' }, -9_223_372_036_854_775_808n, -922_337_203_685_477.6],
  [{ name: 'smallmoney' }, 2_147_483_647n, 214_748.3647],
  [{ name: 'date' }, ticks('9999-12-31T00:00:00'), utc('9999-12-31T00:00:00')],
  [{ name: 'date' }, 0n, utc('0001-01-01T00:00:00')],
  [{ name: 'time', scale: 3 }, 863_999_990_000n, utc('1970-01-01T23:59:59.999')],
  [{ name: 'smalldatetime' }, ticks('2079-06-06T23:59:00'), utc('2079-06-06T23:59:00')],
  [{ name: 'datetime' }, ticks('2026-11-23T23:59:59.997'), utc('2026-11-23T23:59:59.997')],
  [{ name: 'datetime' }, ticks('1753-01-01T00:00:00'), utc('1753-01-01T00:00:00')],
  [{ name: 'datetime2', scale: 7 }, ticks('2026-11-23T01:02:03.1230000'), utc('2026-11-23T01:02:03.123')],
  [
    { name: 'datetimeoffset', scale: 0 },
    { ticks: ticks('2026-11-23T01:02:03'), offsetMinutes: 420 },
    utc('2026-11-23T01:02:03'),
  ],
  [{ name: 'uniqueidentifier' }, guid, '00112233-4455-6677-8899-aabbccddeeff'],
  [{ name: 'char', length: 4 }, 'a€  ', 'a€  '],
  [{ name: 'varchar', length: 10 }, 'é?', 'é?'],
  [{ name: 'varchar', length: 10 }, '東', '?'],
  [{ name: 'nchar', length: 2 }, '東 ', '東 '],
  [{ name: 'nvarchar', length: 100 }, "a'b\r\n\t🚀", "a'b\r\n\t🚀"],
  [{ name: 'nvarchar', length: 4000 }, 'x'.repeat(4000), 'x'.repeat(4000)],
  [{ name: 'nvarchar', length: 'max' }, '長'.repeat(40_000), '長'.repeat(40_000)],
  [{ name: 'varchar', length: 'max' }, '', ''],
  [{ name: 'xml' }, '<a/>', '<a/>'],
  [{ name: 'text' }, 'text', 'text'],
  [{ name: 'ntext' }, '文', '文'],
  [{ name: 'image' }, Uint8Array.of(1, 2), Buffer.from([1, 2])],
  [{ name: 'binary', length: 2 }, Uint8Array.of(0, 255), Buffer.from([0, 255])],
  [{ name: 'varbinary', length: 10 }, new Uint8Array(0), Buffer.alloc(0)],
  [{ name: 'varbinary', length: 'max' }, new Uint8Array(100_000).fill(7), Buffer.alloc(100_000, 7)],
  [{ name: 'rowversion' }, Uint8Array.of(0, 0, 0, 0, 0, 0, 7, 209), Buffer.from([0, 0, 0, 0, 0, 0, 7, 209])],
];

describe('values of the stand-in on the wire', () => {
  let engine: FakeEngine;
  let listener: Listener;
  let connection: Connection;
  before(async () => {
    engine = new FakeEngine();
    listener = await listen({ engine, faults: new Faults() });
    connection = await connect(listener.port, { lowerCaseGuids: true });
  });
  after(async () => {
    await disconnect(connection);
    await listener.close();
  });

  for (const nullable of [false, true]) {
    it(`reach tedious in ${nullable ? 'nullable' : 'NOT NULL'} columns of every type`, async () => {
      engine.on('types', () => [
        { kind: 'columns', columns: seen.map(([type], i) => ({ name: `c${i}`, type, nullable })) },
        { kind: 'row', values: seen.map(([, value]) => value) },
        ...(nullable ? [{ kind: 'row', values: seen.map(() => null) } as const] : []),
        { kind: 'done', rowCount: 1 },
      ]);
      const { rows, error } = await request(connection, 'types');
      assert.equal(error, undefined);
      for (const [i, [type, , expected]] of seen.entries()) {
        const actual = rows[0]?.[i];
        // tedious hangs the lost 100 ns digits onto its Date objects.
        assert.deepEqual(actual instanceof Date ? new Date(actual.getTime()) : actual, expected, JSON.stringify(type));
      }
      if (nullable)
        assert.deepEqual(
          rows[1],
          seen.map(() => null),
        );
    });
  }

  it('arrive from tedious as parameters of every type', async () => {
    const sent: readonly (readonly [typeof TYPES.Int, unknown, SqlValue, object?])[] = [
      [TYPES.Bit, true, 1],
      [TYPES.TinyInt, 255, 255],
      [TYPES.SmallInt, -5, -5],
      [TYPES.Int, 2_147_483_647, 2_147_483_647],
      [TYPES.BigInt, '9223372036854775807', 9_223_372_036_854_775_807n],
      [TYPES.Real, 0.5, 0.5],
      [TYPES.Float, -1e300, -1e300],
      [TYPES.Decimal, -12.34, -1234n, { precision: 9, scale: 2 }],
      [TYPES.Numeric, 1234, 1234n, { precision: 20, scale: 0 }],
      [TYPES.Money, -1.5, -15_000n],
      [TYPES.SmallMoney, 1.5, 15_000n],
      [TYPES.Date, utc('2026-11-23T00:00:00'), ticks('2026-11-23T00:00:00')],
      [TYPES.Time, utc('1970-01-01T01:02:03.004'), 37_230_040_000n, { scale: 3 }],
      [TYPES.SmallDateTime, utc('2026-11-23T10:11:00'), ticks('2026-11-23T10:11:00')],
      [TYPES.DateTime, utc('2026-11-23T10:11:12.997'), ticks('2026-11-23T10:11:12.9966667')],
      [TYPES.DateTime2, utc('2026-11-23T10:11:12.123'), ticks('2026-11-23T10:11:12.123'), { scale: 7 }],
      [TYPES.UniqueIdentifier, '00112233-4455-6677-8899-AABBCCDDEEFF', guid],
      [TYPES.VarChar, 'a€é', 'a€é'],
      [TYPES.Char, 'abc', 'abc', { length: 3 }],
      [TYPES.NVarChar, '東京🚀', '東京🚀'],
      [TYPES.NVarChar, '長'.repeat(50_000), '長'.repeat(50_000)],
      [TYPES.NChar, '東', '東', { length: 1 }],
      [TYPES.Text, 'text', 'text'],
      [TYPES.NText, '文', '文'],
      [TYPES.VarBinary, Buffer.from([1, 2]), Uint8Array.of(1, 2)],
      [TYPES.VarBinary, Buffer.alloc(9000, 3), new Uint8Array(9000).fill(3)],
      [TYPES.Binary, Buffer.from([9]), Uint8Array.of(9), { length: 1 }],
      [TYPES.Image, Buffer.from([1]), Uint8Array.of(1)],
    ];
    let given: readonly { value: SqlValue; type: SqlType }[] = [];
    engine.on('parameters', (parameters) => {
      given = parameters ?? [];
      return [{ kind: 'done' }];
    });
    for (const values of [sent.map(([, value]) => value), sent.map(() => null)]) {
      const { error } = await request(connection, 'parameters', {
        prepare: (made) => {
          for (const [i, [type, , , options]] of sent.entries()) made.addParameter(`p${i}`, type, values[i], options);
        },
      });
      assert.equal(error, undefined);
      for (const [i, [type, , expected]] of sent.entries()) {
        assert.deepEqual(given[i]?.value, values[i] === null ? null : expected, type.name);
        assert.equal(given[i]?.type.name, type.name.toLowerCase());
      }
    }
  });

  it('survive encoding and decoding whatever their type and content', () => {
    const typed: fc.Arbitrary<readonly [SqlType, SqlValue]> = fc.oneof(
      fc.tuple(fc.constant({ name: 'int' } as const), fc.integer()),
      fc.tuple(fc.constant({ name: 'bigint' } as const), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      fc.tuple(fc.constant({ name: 'money' } as const), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      fc.tuple(
        fc.integer({ min: 1, max: 38 }).map((precision) => ({ name: 'decimal', precision, scale: 0 }) as const),
        fc.bigInt({ min: -9n, max: 9n }),
      ),
      fc.tuple(
        fc.constant({ name: 'datetime2', scale: 7 } as const),
        fc.bigInt({ min: 0n, max: 3_155_378_975_999_999_999n }),
      ),
      fc.tuple(fc.constant({ name: 'float' } as const), fc.double({ noNaN: true })),
      fc.tuple(fc.constant({ name: 'nvarchar', length: 4000 } as const), fc.string({ unit: 'binary' })),
      fc.tuple(
        fc.constant({ name: 'nvarchar', length: 'max' } as const),
        fc.string({ unit: 'grapheme', maxLength: 200 }),
      ),
      fc.tuple(fc.constant({ name: 'varbinary', length: 8000 } as const), fc.uint8Array()),
      fc.tuple(fc.constant({ name: 'uniqueidentifier' } as const), fc.uint8Array({ minLength: 16, maxLength: 16 })),
    );
    fc.assert(
      fc.property(typed, fc.boolean(), ([type, value], isNull) => {
        const out = new ByteWriter(16);
        const given = isNull ? null : value;
        writeTypeInfo(out, type, true);
        encoderFor(type, true)(out, given);
        const from = new ByteReader(out.toBuffer());
        const wire = readTypeInfo(from);
        assert.deepEqual(readValue(from, wire, false), given instanceof Uint8Array ? Uint8Array.from(given) : given);
        assert.equal(wire.type.name, type.name);
        assert.equal(from.remaining, 0);
      }),
    );
  });

  it('keep every datetime of the 1/300 s grid', () => {
    for (let unit = 0; unit < 300; unit++) {
      const value = ticks(`2026-11-23T01:02:03.${String(Math.round((unit * 100_000) / 3)).padStart(7, '0')}`);
      const out = new ByteWriter();
      writeTypeInfo(out, { name: 'datetime' }, true);
      encoderFor({ name: 'datetime' }, true)(out, value);
      const from = new ByteReader(out.toBuffer());
      assert.equal(readValue(from, readTypeInfo(from), false), value);
    }
  });
});
