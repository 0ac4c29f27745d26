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
const NONE: ReadonlySet<string> = new Set();
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
    const adopted = await adoptRows({ source, ledger, unresolved: NONE, changes, signal });
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
      unresolved: NONE,
      changes,
      keys: pages(['k1', 'k1', 'k9'], ['k2', 'k1']),
      signal,
    });
    assert.deepEqual([...ledger.tracked.keys()], ['k1', 'k2']);
    assert.deepEqual([adopted.added, adopted.unchanged, adopted.notFound.keys], [2, 1, ['k9']]);
  });

  it('counts those in a batch in doubt, and the dead letters that end', async () => {
    const { ledger } = changeable();
    ledger.deadLetters.set('b', { key: 'b', reason: 'HTTP 422', state: 'waiting' });
    const source = await sourceOf([
      ['a', '1'],
      ['b', '2'],
    ]);
    const adopted = await adoptRows({ source, ledger, unresolved: new Set(['a', 'x']), signal });
    assert.deepEqual([adopted.added, adopted.inDoubt, adopted.deadLetters], [2, 1, 1]);
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
      unresolved: NONE,
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

describe('rehashing a row that was sent, changed and refused', () => {
  it('leaves it alone: with the hash of what was refused it would count as sent', async () => {
    const { ledger, changes } = changeable();
    const sent = new Uint8Array(16).fill(1);
    for (const key of ['a', 'b', 'c']) ledger.tracked.set(key, sent);
    ledger.tracked.set('d', undefined);
    for (const [key, state] of Object.entries({ a: 'waiting', b: 'discarded', d: 'due' } as const)) {
      ledger.deadLetters.set(key, { key, reason: 'HTTP 422', hash: new Uint8Array(16).fill(2), state });
    }
    const source = await sourceOf(['a', 'b', 'c', 'd'].map((key): Row => [key, 'changed']));
    const dry = await rehashRows({ source, ledger, signal });
    const wet = await rehashRows({ source, ledger, changes, signal });
    assert.deepEqual(wet, dry);
    assert.deepEqual([wet.rehashed, wet.hashed, wet.deadLetters], [1, 0, { count: 3, keys: ['a', 'b', 'd'] }]);
    assert.deepEqual(
      [ledger.tracked.get('a'), ledger.tracked.get('b'), ledger.tracked.get('d')],
      [sent, sent, undefined],
    );
    assert.notDeepEqual(ledger.tracked.get('c'), sent);
  });
});

describe('verifying a ledger', () => {
  const verify = async (rows: readonly Row[], ledger: MemoryLedger, unresolved: string[] = []) => {
    const lookup = memorySource(rows, TEXT_KEY);
    const source = await openLedgerSource(entityOf({}), lookup);
    return verifyLedger({
      source,
      lookup,
      ledger,
      unresolved: new Set(unresolved),
      duplicates: 0,
      incremental: false,
      signal,
    });
  };

  it('agrees with what was adopted, and names what came and went since', async () => {
    const { ledger, changes } = changeable();
    const rows: Row[] = [
      ['a', '1'],
      ['b', '2'],
    ];
    await adoptRows({ source: await sourceOf(rows), ledger, unresolved: NONE, changes, signal });
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
      [later.stale.keys, later.missing.keys, later.inDoubt.keys, later.orphaned.keys, later.colliding.keys],
      [['a'], [], ['c'], ['b'], ['C']],
    );
    assert.ok(!agrees(later));
  });

  it('rows of a batch in doubt are that alone, tracked or not, and keep both from agreeing', async () => {
    const { ledger, changes } = changeable('gone');
    const rows: Row[] = [
      ['a', '1'],
      ['b', '2'],
    ];
    await adoptRows({ source: await sourceOf([['a', 'old']]), ledger, unresolved: NONE, changes, signal });
    const verified = await verify(rows, ledger, ['a', 'b', 'gone']);
    assert.deepEqual(verified.inDoubt, { count: 3, keys: ['a', 'b', 'gone'] });
    assert.deepEqual([verified.stale.count, verified.missing.count, verified.orphaned.count], [0, 0, 0]);
    assert.ok(!agrees(verified));
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
