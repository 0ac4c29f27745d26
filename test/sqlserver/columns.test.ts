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

  it('gives a key parameter of its own type and length', () => {
    const parameter = (type: string, dataLength: number) =>
      sourceColumn(described(type, { dataLength }))?.parameter?.('x');
    assert.deepEqual(parameter('VarChar', 20), { type: 'VarChar', length: 20, value: 'x' });
    assert.deepEqual(parameter('NChar', 20), { type: 'NChar', length: 10, value: 'x' });
    assert.deepEqual(parameter('UniqueIdentifier', 16), { type: 'UniqueIdentifier', value: 'x' });
    assert.deepEqual(parameter('IntN', 2), { type: 'SmallInt', value: 'x' });
  });

  for (const [type, facts] of [
    ['VarChar', { dataLength: 65535 }],
    ['DateTime', {}],
    ['DecimalN', { precision: 9, scale: 0 }],
    ['BitN', {}],
    ['VarBinary', { dataLength: 8 }],
  ] as const) {
    it(`of the driver's type ${type} with ${JSON.stringify(facts)} can be no key`, () => {
      assert.equal(sourceColumn(described(type, facts))?.parameter, undefined);
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
