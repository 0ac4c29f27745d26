import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sourceColumn, typeName } from '../../src/sqlserver/columns.ts';
import type { ColumnDescription } from '../../src/sqlserver/session.ts';

function described(type: string, facts: Partial<ColumnDescription> = {}): ColumnDescription {
  return {
    colName: 'a]b',
    type: { name: type },
    dataLength: undefined,
    precision: undefined,
    scale: undefined,
    ...facts,
  };
}

describe('a source column', () => {
  for (const [type, facts, kind, sqlType, expression] of [
    ['Bit', {}, 'boolean', 'bit', '[a]]b]'],
    ['IntN', { dataLength: 1 }, 'integer', 'tinyint', '[a]]b]'],
    ['IntN', { dataLength: 8 }, 'bigint', 'bigint', '[a]]b]'],
    ['DecimalN', { precision: 9, scale: 2 }, 'decimal', 'decimal(9,2)', 'CONVERT(varchar(50), [a]]b]) AS [a]]b]'],
    ['NumericN', { precision: 38, scale: 0 }, 'decimal', 'numeric(38,0)', 'CONVERT(varchar(50), [a]]b]) AS [a]]b]'],
    ['MoneyN', { dataLength: 4 }, 'decimal', 'smallmoney', 'CONVERT(varchar(50), [a]]b], 2) AS [a]]b]'],
    ['FloatN', { dataLength: 8 }, 'float', 'float', '[a]]b]'],
    ['FloatN', { dataLength: 4 }, 'float', 'real', '[a]]b]'],
    ['NVarChar', { dataLength: 100 }, 'text', 'nvarchar(50)', '[a]]b]'],
    ['NVarChar', { dataLength: 65535 }, 'text', 'nvarchar(max)', '[a]]b]'],
    ['VarBinary', { dataLength: 65535 }, 'binary', 'varbinary(max)', '[a]]b]'],
    ['DateTimeN', { dataLength: 4 }, 'datetime', 'smalldatetime', '[a]]b]'],
    ['DateTime2', { scale: 7 }, 'datetime', 'datetime2(7)', '[a]]b]'],
    ['DateTimeOffset', { scale: 3 }, 'datetimeoffset', 'datetimeoffset(3)', '[a]]b]'],
  ] as const) {
    it(`of the type ${sqlType} is ${kind}`, () => {
      const column = sourceColumn(described(type, facts));
      assert.deepEqual([column?.kind, column?.sqlType, column?.expression], [kind, sqlType, expression]);
    });
  }

  it('of a key is sent as its own type and length', () => {
    const key = (type: string, dataLength: number) => sourceColumn(described(type, { dataLength }))?.key;
    assert.deepEqual(key('VarChar', 20), { type: 'VarChar', length: 20 });
    assert.deepEqual(key('NChar', 20), { type: 'NChar', length: 10 });
    assert.deepEqual(key('UniqueIdentifier', 16), { type: 'UniqueIdentifier' });
    assert.deepEqual(key('IntN', 2), { type: 'SmallInt' });
  });

  for (const [type, facts, parameterType, since] of [
    ['DateTime', {}, 'DateTime', '2026-11-25T15:44:59.980Z'],
    ['DateTimeN', { dataLength: 8 }, 'DateTime', '2026-11-25T15:44:59.980Z'],
    ['DateTimeN', { dataLength: 4 }, 'SmallDateTime', '2026-11-25T15:44:00.000Z'],
    ['Date', {}, 'Date', '2026-11-25T00:00:00.000Z'],
    ['DateTime2', { scale: 7 }, 'DateTime2', '2026-11-25T15:44:59.987Z'],
    ['DateTime2', { scale: 2 }, 'DateTime2', '2026-11-25T15:44:59.980Z'],
    ['DateTime2', { scale: 0 }, 'DateTime2', '2026-11-25T15:44:59.000Z'],
    ['DateTimeOffset', { scale: 3 }, 'DateTimeOffset', '2026-11-25T15:44:59.987Z'],
  ] as const) {
    it(`of the driver's type ${type} with ${JSON.stringify(facts)} is asked for times since ${since}`, () => {
      const parameter = sourceColumn(described(type, facts))?.since?.(new Date('2026-11-25T15:44:59.987Z'));
      const scale = 'scale' in facts ? { scale: facts.scale } : {};
      assert.deepEqual(parameter, { type: parameterType, value: new Date(since), ...scale });
    });
  }

  for (const [type, dataLength, first] of [
    ['DateTimeN', 8, '1753-01-01T00:00:00.000Z'],
    ['DateTimeN', 4, '1900-01-01T00:00:00.000Z'],
    ['Date', 3, '0001-01-01T00:00:00.000Z'],
  ] as const) {
    it(`of the driver's type ${type} with ${dataLength} bytes is asked for all times on its first day and before`, () => {
      const since = sourceColumn(described(type, { dataLength }))?.since;
      const second = new Date(Date.parse(first) + 24 * 60 * 60_000);
      assert.equal(since?.(new Date('-000005-01-01T00:00:00Z')), undefined);
      assert.equal(since?.(new Date(second.getTime() - 1)), undefined);
      assert.deepEqual(since?.(second)?.value, second);
    });
  }

  it('without a date tells of no time', () => {
    assert.equal(sourceColumn(described('Time', { scale: 7 }))?.since, undefined);
    assert.equal(sourceColumn(described('IntN', { dataLength: 4 }))?.since, undefined);
  });

  for (const [type, facts] of [
    ['VarChar', { dataLength: 65535 }],
    ['DateTime', {}],
    ['DecimalN', { precision: 9, scale: 0 }],
    ['BitN', {}],
    ['VarBinary', { dataLength: 8 }],
  ] as const) {
    it(`of the driver's type ${type} with ${JSON.stringify(facts)} can be no key`, () => {
      assert.equal(sourceColumn(described(type, facts))?.key, undefined);
    });
  }

  it('of a type that is no single value cannot be read', () => {
    assert.equal(sourceColumn(described('Variant')), undefined);
    assert.equal(sourceColumn(described('UDT')), undefined);
    assert.equal(typeName(described('Variant')), 'sql_variant');
  });

  it('of the type real gives the shortest number that is the same real', () => {
    const cell = sourceColumn(described('Real'))?.cell;
    for (const number of [0.1, 3.14, -2.5e-10, 16777216, 1.1754944e-38, 0]) {
      assert.equal(cell?.(Math.fround(number)), number);
    }
    assert.equal(cell?.(null), null);
  });
});
