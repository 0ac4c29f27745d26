import assert from 'node:assert/strict';
import test from 'node:test';
import { createSearch, sameReason } from '../../src/sync/search.ts';

const piece = (rows: number) => ({ rows });
const row = (reason: string) => ({ reason });

test('it goes into one of the halves, then on with the largest piece that is left', () => {
  const search = createSearch(8);
  const halves = [piece(8), piece(7)] as const;
  search.halved(...halves);
  const first = search.next();
  assert.ok(first === halves[0] || first === halves[1]);
  search.halved(piece(2), piece(1));
  search.next();
  const other = halves[first === halves[0] ? 1 : 0];
  assert.equal(search.next(), other);
});

test('which of two halves comes first is left to chance', () => {
  const firsts = new Set<unknown>();
  for (let time = 0; time < 100; time += 1) {
    const search = createSearch(8);
    search.halved(piece(2), piece(1));
    firsts.add(search.next()?.rows);
  }
  assert.deepEqual([...firsts].sort(), [1, 2]);
});

test('rows refused alone are known to be bad once something was accepted', () => {
  const search = createSearch(8);
  search.refusedAlone(row('a'));
  assert.deepEqual(search.takeRefusedAlone(), []);
  search.accepted();
  assert.deepEqual(search.takeRefusedAlone(), [row('a')]);
  assert.deepEqual(search.takeRefusedAlone('all'), []);
});

test('enough rows refused alone for one reason are a common reason, and nothing more is sent', () => {
  const search = createSearch(3);
  search.halved(piece(5), piece(4));
  for (let count = 0; count < 2; count += 1) search.refusedAlone(row(`row ${count} lacks *** of 17 fields`));
  assert.equal(search.commonReason, undefined);
  search.refusedAlone(row('row 9 lacks *** of 18 fields'));
  assert.equal(search.commonReason, 'row 0 lacks *** of 17 fields');
  assert.equal(search.next(), undefined);
  assert.equal(search.takeUnsent().length, 2);
  assert.equal(search.takeRefusedAlone('all').length, 3);
});

test('different reasons are no common one, and neither is anything after an accepted piece', () => {
  const different = createSearch(2);
  different.refusedAlone(row('a'));
  different.refusedAlone(row('b'));
  assert.equal(different.commonReason, undefined);
  const accepted = createSearch(2);
  accepted.refusedAlone(row('a'));
  accepted.accepted();
  accepted.refusedAlone(row('a'));
  assert.equal(accepted.commonReason, undefined);
});

test('reasons are the same but for numbers and masks', () => {
  assert.equal(sameReason(['*** is 1', '*** is 22']), true);
  assert.equal(sameReason(['*** is', '** is']), false);
  assert.equal(sameReason(['name', 'code']), false);
});
