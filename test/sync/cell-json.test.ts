import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareJsonOf, conversion, textOf, type Value } from '../../src/sync/cell-json.ts';
import type { ColumnKind } from '../../src/sync/ports.ts';

const json = (kind: ColumnKind, value: Value) => bareJsonOf(kind)?.(value) ?? JSON.stringify(textOf(kind)(value));

test('every kind has its JSON form', () => {
  const at = (iso: string) => new Date(iso);
  const cases: [ColumnKind, Value, string][] = [
    ['integer', -2147483648, '-2147483648'],
    ['integer', -0, '0'],
    ['float', 0.1, '0.1'],
    ['float', 1e21, '1e+21'],
    ['boolean', true, 'true'],
    ['boolean', false, 'false'],
    ['guid', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '"6f9619ff-8b86-d011-b42d-00c04fc964ff"'],
    ['binary', Uint8Array.of(0, 255, 16), '"AP8Q"'],
    ['binary', new Uint8Array(0), '""'],
    ['binary', Uint8Array.of(9, 1, 2, 3, 9).subarray(1, 4), '"AQID"'],
    ['text', 'a"b\\\n日本 😀', '"a\\"b\\\\\\n日本 😀"'],
    ['text', '\ud83d', '"\\ud83d"'],
    ['date', at('2026-11-23T00:00:00Z'), '"2026-11-23"'],
    ['date', at('0001-01-01T00:00:00Z'), '"0001-01-01"'],
    ['time', at('1970-01-01T23:59:59.997Z'), '"23:59:59.997"'],
    ['time', at('1970-01-01T00:00:00Z'), '"00:00:00"'],
    ['datetime', at('2026-11-23T00:00:00Z'), '"2026-11-23T00:00:00"'],
    ['datetime', at('9999-12-31T23:59:59.997Z'), '"9999-12-31T23:59:59.997"'],
    ['datetimeoffset', at('2026-11-23T00:00:00+07:00'), '"2026-11-22T17:00:00Z"'],
    ['datetimeoffset', at('2026-11-23T00:00:00.5Z'), '"2026-11-23T00:00:00.500Z"'],
  ];
  for (const [kind, value, expected] of cases) assert.equal(json(kind, value), expected);
});

test('exact numbers keep every digit and are JSON', () => {
  const cases: Record<string, string> = {
    '-0.50': '-0.50',
    '12345678901234567890.1234567890': '12345678901234567890.1234567890',
    '.5': '0.5',
    '-.05': '-0.05',
    '+1.00': '1.00',
    '007': '7',
    '0': '0',
    '0.00': '0.00',
    '00': '0',
    '5.': '5',
  };
  for (const [text, expected] of Object.entries(cases)) {
    assert.equal(json('decimal', text), expected);
    JSON.parse(expected);
  }
  for (const text of ['', '.', '-', '1,5', '1.2.3', 'NaN', '+-1']) {
    assert.throws(() => json('decimal', text), { message: 'a numeric cell holds no number' }, text);
  }
});

test('a bigint is a number while doubles hold it, else a string', () => {
  for (const text of ['0', '-1', '9007199254740991', '-9007199254740991']) assert.equal(json('bigint', text), text);
  for (const text of ['9007199254740992', '9007199254740993', '-9007199254740992', '9223372036854775807']) {
    assert.equal(json('bigint', text), `"${text}"`);
  }
});

test('as converts what it can, and nothing else', () => {
  const convert = (as: 'number' | 'boolean', kind: ColumnKind, value: Value) =>
    conversion(as, kind)?.(textOf(kind)(value));
  const cases: ['number' | 'boolean', ColumnKind, Value, string | undefined][] = [
    ['number', 'text', ' -1.50 ', '-1.50'],
    ['number', 'text', '1e3', '1e3'],
    ['number', 'text', '007', undefined],
    ['number', 'text', '1,5', undefined],
    ['number', 'text', '', undefined],
    ['number', 'text', 'Infinity', undefined],
    ['number', 'text', '0x10', undefined],
    ['number', 'bigint', '9223372036854775807', '9223372036854775807'],
    ['number', 'boolean', true, '1'],
    ['number', 'boolean', false, '0'],
    ['boolean', 'integer', 1, 'true'],
    ['boolean', 'integer', 0, 'false'],
    ['boolean', 'integer', 2, undefined],
    ['boolean', 'decimal', '1.00', 'true'],
    ['boolean', 'decimal', '0.50', undefined],
    ['boolean', 'bigint', '0', 'false'],
    ['boolean', 'float', 1, 'true'],
    ['boolean', 'boolean', false, 'false'],
    ['boolean', 'text', ' True', 'true'],
    ['boolean', 'text', '0', 'false'],
    ['boolean', 'text', 'yes', undefined],
    ['boolean', 'text', '', undefined],
  ];
  for (const [as, kind, value, expected] of cases)
    assert.equal(convert(as, kind, value), expected, `${value} as ${as}`);
  for (const kind of ['guid', 'binary', 'date', 'time', 'datetime', 'datetimeoffset'] as const) {
    assert.equal(conversion('number', kind), undefined);
    assert.equal(conversion('boolean', kind), undefined);
  }
});
