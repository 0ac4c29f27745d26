import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { foldKey, keyText, parseKey } from '../../src/sync/key.ts';
import type { Cell, Column, ColumnKind } from '../../src/sync/ports.ts';

const columnsOf = (...kinds: ColumnKind[]): Column[] =>
  kinds.map((kind, index) => ({ name: `K${index}`, kind, sqlType: kind }));

test('a key of one column is the value’s own text', () => {
  const cases: [ColumnKind, Cell, string][] = [
    ['guid', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '6f9619ff-8b86-d011-b42d-00c04fc964ff'],
    ['integer', -7, '-7'],
    ['bigint', '9223372036854775807', '9223372036854775807'],
    ['date', new Date('2026-11-23T00:00:00Z'), '2026-11-23'],
    ['text', 'A|b\\c ', 'A|b\\c '],
    ['text', '', ''],
  ];
  for (const [kind, cell, text] of cases) assert.equal(keyText([cell], columnsOf(kind)), text);
});

test('a key of several columns is joined by bars, with bars and backslashes in its values escaped', () => {
  assert.equal(keyText(['a|b', 3, 'c\\'], columnsOf('text', 'integer', 'text')), 'a\\|b|3|c\\\\');
});

test('a NULL in a key leaves it without a text', () => {
  assert.equal(keyText([null], columnsOf('text')), undefined);
  assert.equal(keyText(['a', null], columnsOf('text', 'integer')), undefined);
});

test('no two keys of several columns have one text', () => {
  const part = fc.string({ unit: fc.constantFrom('|', '\\', 'a'), maxLength: 4 });
  const columns = columnsOf('text', 'text', 'text');
  fc.assert(
    fc.property(fc.tuple(part, part, part), fc.tuple(part, part, part), (a, b) => {
      assert.equal(keyText(a, columns) === keyText(b, columns), isDeepStrictEqual(a, b));
    }),
    { numRuns: 2000 },
  );
});

test('keys that a case-insensitive collation may hold equal fold to one text, others do not', () => {
  for (const [a, b] of [
    ['Budi', 'BUDI  '],
    ['ＡＢＣ１', 'abc1'],
    ['カナ', 'かな'],
    ['ｶﾅ', 'カナ'],
    ['a |b', 'A|B'],
  ] as const) {
    assert.equal(foldKey(a), foldKey(b), `${a} and ${b}`);
  }
  for (const [a, b] of [
    ['e', 'é'],
    [' a', 'a'],
    ['a b', 'ab'],
    ['a|b', 'ab'],
  ] as const) {
    assert.notEqual(foldKey(a), foldKey(b), `${a} and ${b}`);
  }
});

test('the cells of a key come back from its text', () => {
  const columns: readonly Column[] = [
    { name: 'Org', kind: 'text', sqlType: 'nvarchar(10)' },
    { name: 'Line', kind: 'integer', sqlType: 'int' },
    { name: 'Big', kind: 'bigint', sqlType: 'bigint' },
    { name: 'On', kind: 'date', sqlType: 'date' },
    { name: 'Id', kind: 'guid', sqlType: 'uniqueidentifier' },
  ];
  const cells = fc.tuple(
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 5 }).filter((text) => text.length <= 10),
      fc.stringMatching(/^[a|\\]{0,6}$/),
    ),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }).map((date) => {
      date.setUTCHours(0, 0, 0, 0);
      return date;
    }),
    fc.uuid(),
  );
  fc.assert(
    fc.property(cells, fc.integer({ min: 0, max: 5 }), (row, chosen) => {
      // One column alone is not escaped; all of them are.
      const [picked, from] = chosen === 5 ? [row, columns] : [[row[chosen] as Cell], columns.slice(chosen, chosen + 1)];
      assert.deepEqual(parseKey(keyText(picked, from) ?? '', from), picked);
    }),
    { numRuns: 2000 },
  );
});

test('a text that no row of these columns can have has no cells', () => {
  const cases: readonly (readonly [ColumnKind, string, string])[] = [
    ['integer', 'int', '007'],
    ['integer', 'int', '2147483648'],
    ['integer', 'tinyint', '-1'],
    ['integer', 'smallint', '40000'],
    ['integer', 'int', 'User-1'],
    ['bigint', 'bigint', '9223372036854775808'],
    ['guid', 'uniqueidentifier', '{6f9619ff-8b86-d011-b42d-00c04fc964ff}'],
    ['date', 'date', '2026-02-30'],
    ['date', 'date', '2026-2-3'],
    ['text', 'nvarchar(3)', 'abcd'],
  ];
  for (const [kind, sqlType, text] of cases)
    assert.equal(parseKey(text, [{ name: 'K', kind, sqlType }]), undefined, text);
  const two = columnsOf('text', 'text').map((column) => ({ ...column, sqlType: 'nvarchar(9)' }));
  for (const text of ['a', 'a|b|c', 'a\\']) assert.equal(parseKey(text, two), undefined, text);
});

test('a GUID is read in either case', () => {
  assert.deepEqual(
    parseKey('6F9619FF-8B86-D011-B42D-00C04FC964FF', [{ name: 'Id', kind: 'guid', sqlType: 'uniqueidentifier' }]),
    ['6f9619ff-8b86-d011-b42d-00c04fc964ff'],
  );
});
