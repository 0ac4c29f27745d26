import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { foldKey, keyText } from '../../src/sync/key.ts';
import type { Cell, Column, ColumnKind } from '../../src/sync/ports.ts';

const columnsOf = (...kinds: ColumnKind[]): Column[] =>
  kinds.map((kind, index) => ({ name: `K${index}`, kind, sqlType: kind }));

test('a key of one column is the value’s own text', () => {
  const cases: [ColumnKind, Cell, string][] = [
    ['guid', '6F9619FF-8B86-D011-B42D-00C04FC964FF', '6f9619ff-8b86-d011-b42d-00c04fc964ff'],
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
