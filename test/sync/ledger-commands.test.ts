import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adoptRows } from '../../src/sync/ledger-adopt.ts';
import { rehashRows } from '../../src/sync/ledger-rehash.ts';
import { openLedgerSource } from '../../src/sync/ledger-source.ts';
import type { LedgerChanges } from '../../src/sync/ledger-store.ts';
import { agrees, verifyLedger } from '../../src/sync/ledger-verify.ts';
import type { Column, LedgerRow, Row } from '../../src/sync/ports.ts';
import { entityOf, MemoryLedger, memorySource } from '../support/fakes.ts';

const TEXT_KEY: readonly Column[] = [
  { name: 'Id', kind: 'text', sqlType: 'nvarchar(50)' },
  { name: 'Name', kind: 'text', sqlType: 'nvarchar(50)' },
];
const signal = new AbortController().signal;

/** A ledger in memory, with the changes that the commands make of it. */
function changeable(...keys: string[]) {
  const ledger = new MemoryLedger();
  for (const key of keys) ledger.tracked.set(key, undefined);
  const mark = (rows: readonly Required<LedgerRow>[]) => {
    for (const { key, hash } of rows) ledger.tracked.set(key, hash);
  };
  const remembered: Uint8Array[] = [];
  const changes: Pick<LedgerChanges, 'adopt' | 'rehash' | 'rememberMap'> = {
    async adopt(rows) {
      mark(rows);
      return { added: 0, rehashed: 0 };
    },
    async rehash(rows) {
      mark(rows);
      return rows.length;
    },
    async rememberMap(hash) {
      remembered.push(hash);
    },
  };
  return { ledger, changes, remembered };
}

async function* pages(...keys: string[][]) {
  yield* keys;
}
const sourceOf = (rows: readonly Row[], map?: Parameters<typeof entityOf>[0]['map']) =>
  openLedgerSource(entityOf(map ? { map } : {}), memorySource(rows, TEXT_KEY));

describe('adopting rows', () => {
  it('leaves out one whose key is one with another to the ledger, and names it', async () => {
    const { ledger, changes } = changeable('ABC');
    const source = await sourceOf([
      ['abc', 'x'],
      ['d', 'y'],
      ['D', 'z'],
      ['e', 'w'],
    ]);
    const adopted = await adoptRows({ source, ledger, changes, signal });
    assert.deepEqual([...ledger.tracked.keys()], ['ABC', 'd', 'e']);
    assert.deepEqual([adopted.added, adopted.colliding.keys], [2, ['abc', 'D']]);
    assert.equal(ledger.tracked.get('ABC'), undefined, 'the row of another has no hash of this one');
  });

  it('asks for the keys of a file once, page by page, and names those that are not there', async () => {
    const { ledger, changes } = changeable();
    const rows = Array.from({ length: 5 }, (_, index): Row => [`k${index}`, 'x']);
    const adopted = await adoptRows({
      source: await sourceOf(rows),
      ledger,
      changes,
      keys: pages(['k1', 'k1', 'k9'], ['k2', 'k1']),
      signal,
    });
    assert.deepEqual([...ledger.tracked.keys()], ['k1', 'k2']);
    assert.deepEqual([adopted.added, adopted.unchanged, adopted.notFound.keys], [2, 1, ['k9']]);
  });

  it('stops between two pages when it is told to, and keeps what it has done', async () => {
    const { ledger, changes } = changeable();
    const stop = new AbortController();
    async function* stopping() {
      yield ['a'];
      stop.abort(new Error('told to'));
      yield ['b'];
    }
    const rows: Row[] = [
      ['a', 'x'],
      ['b', 'x'],
    ];
    const adopting = adoptRows({
      source: await sourceOf(rows),
      ledger,
      changes,
      keys: stopping(),
      signal: stop.signal,
    });
    await assert.rejects(adopting, /told to/);
    assert.ok(ledger.tracked.has('a'));
  });
});

describe('rehashing rows', () => {
  it('changes tracked rows alone, and remembers the map at the end', async () => {
    const { ledger, changes, remembered } = changeable('a', 'gone');
    const source = await sourceOf([
      ['a', '1'],
      ['b', '2'],
    ]);
    const rehashed = await rehashRows({ source, ledger, changes, signal });
    assert.deepEqual([rehashed.hashed, rehashed.rehashed, rehashed.unchanged], [1, 0, 0]);
    assert.deepEqual([...ledger.tracked.keys()], ['a', 'gone']);
    assert.deepEqual(remembered, [source.mapHash]);
    const other = await sourceOf([['a', '1']], { Code: 'Id' });
    assert.equal((await rehashRows({ source: other, ledger, changes, signal })).rehashed, 1);
    assert.equal((await rehashRows({ source: other, ledger, changes, signal })).unchanged, 1);
  });

  it('a dry run changes nothing, and rows without a payload keep what they had', async () => {
    const { ledger, changes, remembered } = changeable('a');
    const source = await sourceOf([['a', 'no number']]);
    assert.equal((await rehashRows({ source, ledger, signal })).hashed, 1);
    assert.deepEqual([ledger.tracked.get('a'), remembered], [undefined, []]);
    const bad = await sourceOf([['a', 'no number']], { Name: { column: 'Name', as: 'number' } });
    const { unmappable } = await rehashRows({ source: bad, ledger, changes, signal });
    assert.deepEqual([unmappable.count, unmappable.keys], [1, ['a']]);
    assert.equal(ledger.tracked.get('a'), undefined);
  });
});

describe('verifying a ledger', () => {
  const verify = async (rows: readonly Row[], ledger: MemoryLedger, unresolved: string[] = []) => {
    const lookup = memorySource(rows, TEXT_KEY);
    const source = await openLedgerSource(entityOf({}), lookup);
    return verifyLedger({ source, lookup, ledger, unresolved: new Set(unresolved), duplicates: 0, signal });
  };

  it('agrees with what was adopted, and names what came and went since', async () => {
    const { ledger, changes } = changeable();
    const rows: Row[] = [
      ['a', '1'],
      ['b', '2'],
    ];
    await adoptRows({ source: await sourceOf(rows), ledger, changes, signal });
    assert.ok(agrees(await verify(rows, ledger)));
    const later = await verify(
      [
        ['a', 'other'],
        ['c', '3'],
        ['C', '4'],
      ],
      ledger,
      ['c'],
    );
    assert.deepEqual(
      [later.stale.keys, later.missing.keys, later.unresolved, later.orphaned.keys, later.colliding.keys],
      [['a'], ['c'], 1, ['b'], ['C']],
    );
    assert.ok(!agrees(later));
  });

  it('a key that is too long for the column of the source cannot be read', async () => {
    const { ledger } = changeable('x'.repeat(51));
    assert.equal((await verify([], ledger)).unreadable.count, 1);
  });

  it('a settled kind of difference no longer counts', async () => {
    const verified = await verify([], new MemoryLedger());
    verified.duplicate.count = 2;
    assert.ok(!agrees(verified));
    assert.ok(agrees(verified, ['duplicate']));
  });
});
