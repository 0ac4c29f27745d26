import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createKeySet } from '../../src/sync/key-set.ts';

const NIL = '00000000-0000-0000-0000-000000000000';

/** GUIDs that differ in few places, so that some meet in one place of the table. */
const guid = fc.oneof(
  fc.uuid(),
  fc.integer({ min: 0, max: 300 }).map((n) => `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`),
  fc.constant(NIL),
);
const number = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);

describe('a set of keys', () => {
  for (const [name, keys] of [
    ['GUIDs', guid],
    ['numbers', number],
  ] as const) {
    test(`holds the ${name} that were added, whatever their case, and no others, however many were expected`, () => {
      fc.assert(
        fc.property(fc.array(keys), fc.array(keys), fc.nat(200), (added, asked, expected) => {
          const set = createKeySet(expected, { textKey: false });
          for (const key of added) set.add(key.toUpperCase());
          const plain = new Set(added);
          for (const key of [...added, ...asked]) assert.equal(set.has(key), plain.has(key), key);
        }),
      );
    });
  }

  test('of texts tells them apart letter by letter', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.string()), (added, asked) => {
        const set = createKeySet(0, { textKey: true });
        for (const key of added) set.add(key);
        const plain = new Set(added);
        for (const key of [...added, ...asked]) assert.equal(set.has(key), plain.has(key), key);
      }),
    );
    const upper = 'ABCDEF00-0000-4000-8000-000000000000';
    const set = createKeySet(1, { textKey: true });
    set.add(upper);
    assert.deepEqual([set.has(upper), set.has(upper.toLowerCase())], [true, false]);
  });

  test('of texts tells lone surrogates apart; of others holds what the old job wrote with spaces behind it', () => {
    const texts = createKeySet(2, { textKey: true });
    texts.add('a\uD800');
    assert.deepEqual([texts.has('a\uD800'), texts.has('a\uD801'), texts.has('a\uFFFD')], [true, false, false]);
    const others = createKeySet(2, { textKey: false });
    others.add('42 ');
    others.add('ABCDEF00-0000-4000-8000-000000000000  ');
    assert.deepEqual([others.has('42'), others.has('abcdef00-0000-4000-8000-000000000000')], [true, true]);
  });

  test('takes what is nearly a GUID for what it is', () => {
    const set = createKeySet(1, { textKey: false });
    set.add('0000000g-0000-4000-8000-000000000000');
    assert.equal(set.has('0000000g-0000-4000-8000-000000000000'), true);
    assert.equal(set.has('00000000-0000-4000-8000-000000000000'), false);
    assert.equal(set.has('00000000-0000-4000-8000-0000000000001'), false);
  });

  test('grows with what comes: 100,000 keys where none were expected', () => {
    const keyOf = (index: number) => `${index.toString(16).padStart(8, '0')}-1111-4000-8000-000000000000`;
    const set = createKeySet(0, { textKey: false });
    for (let index = 0; index < 100_000; index++) set.add(keyOf(index));
    for (let index = 0; index < 200_000; index++) {
      if (set.has(keyOf(index)) !== index < 100_000) assert.fail(keyOf(index));
    }
  });
});
