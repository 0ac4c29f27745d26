import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keysWhere, type ShowPorts, showKeys } from '../../src/sync/ledger-show.ts';
import type { LedgerEntry } from '../../src/sync/ledger-store.ts';
import { verdictOf } from '../../src/sync/ledger-verdict.ts';
import type { Column, Row } from '../../src/sync/ports.ts';
import { entityOf, MemoryLedger, memorySource } from '../support/fakes.ts';

const column = (name: string, kind: Column['kind'], sqlType: string): Column => ({ name, kind, sqlType });
const TEXT = [column('Id', 'text', 'nvarchar(50)'), column('Name', 'text', 'nvarchar(50)')];
const GUID = [column('Id', 'guid', 'uniqueidentifier'), column('Name', 'text', 'nvarchar(50)')];
const KEY = '36f678c1-b98b-d2e5-6768-8375920b5924';
const entity = entityOf({});

/** A ledger that tells no case apart, of these keys, and a source of these rows. */
function portsOf(rows: readonly Row[], keys: readonly string[], columns: readonly Column[] = TEXT): ShowPorts {
  const entries = keys.map((key): LedgerEntry => ({ label: 'User', key, syncedAt: new Date(0) }));
  return {
    source: () => memorySource(rows, columns),
    deadLetters: { list: async () => ({ letters: [], counts: [0] }) },
    store: {
      batch: async () => undefined,
      readOnly: () => new MemoryLedger(),
      async *entries(_, filter) {
        const wanted = filter.keys?.map((key) => key.toLowerCase());
        yield entries.filter(({ key }) => wanted?.includes(key.toLowerCase()));
      },
      async *unresolved() {},
    },
    signal: new AbortController().signal,
  };
}

describe('showing a row', () => {
  it('whose key is one with another to the ledger tells the other one', async () => {
    const { rows } = await showKeys([entity], ['abc'], portsOf([['abc', 'x']], ['ABC']));
    const [row] = rows;
    assert.ok(row);
    assert.deepEqual([rows.length, row.key, row.tracked.length, row.collidesWith], [1, 'abc', 0, 'ABC']);
    assert.equal(verdictOf(row, 'new'), 'colliding');
  });

  it('that is gone from the source takes the spelling of the ledger', async () => {
    const { rows, unknown } = await showKeys([entity], ['abc'], portsOf([], ['ABC']));
    assert.deepEqual(
      rows.map(({ key, inSource, tracked }) => [key, inSource, tracked.length]),
      [['ABC', 'no', 1]],
    );
    assert.deepEqual(unknown, []);
  });

  it('finds a GUID in either case, on either side', async () => {
    for (const typed of [KEY, KEY.toUpperCase(), ` ${KEY} `]) {
      const { rows } = await showKeys([entity], [typed], portsOf([[KEY, 'x']], [KEY.toUpperCase()], GUID));
      assert.deepEqual(
        rows.map(({ key, tracked, collidesWith }) => [key, tracked.length, collidesWith]),
        [[KEY, 1, undefined]],
      );
    }
  });

  it('is shown under a key that the source could not have, where the ledger has it', async () => {
    const { rows } = await showKeys([entity], ['4711'], portsOf([[KEY, 'x']], ['4711'], GUID));
    assert.deepEqual(
      rows.map((row) => [row.key, row.inSource, verdictOf(row, 'changed')]),
      [['4711', 'no', 'stays']],
    );
  });

  it('that nobody knows is unknown, once for all entities', async () => {
    const other = { ...entity, name: 'Other' };
    const { rows, unknown } = await showKeys([entity, other], ['x', 'y'], portsOf([['y', 'n']], []));
    assert.deepEqual([rows.map((row) => row.entity), unknown], [['Users', 'Other'], ['x']]);
  });

  it('by predicate is asked for in the whole table, whatever source.where says', async () => {
    const asked: (string | undefined)[] = [];
    const ports = portsOf([['a', 'x']], []);
    const keys = await keysWhere(entityOf({ source: { where: 'IsActive = 1' } }), "Name = 'x'", 5, {
      ...ports,
      source: (one) => {
        asked.push(one.source.where);
        return ports.source(one);
      },
    });
    assert.deepEqual([keys, asked], [['a'], ["CASE WHEN (\nName = 'x'\n) THEN 1 ELSE 0 END = 1"]]);
  });

  it('that a run below the watermark would not read tells that it takes one that compares all rows', async () => {
    const changed = entityOf({ changes: 'changed' });
    const versions = { of: () => 1, current: () => 1 };
    const ledger = new MemoryLedger();
    const ports = portsOf([], []);
    const showing = async (one: typeof entity) => {
      const { rows } = await showKeys([one], ['a'], {
        ...ports,
        store: { ...ports.store, readOnly: () => ledger },
        source: () => memorySource([['a', 'x']], TEXT, [0], versions),
      });
      return rows.map(({ incremental }) => incremental);
    };
    assert.deepEqual(await showing(changed), [false], 'the first comparison is a full one');
    ledger.compared = {
      watermark: { method: 'rowversion', value: new Uint8Array(8), sourceHash: new Uint8Array(16) },
    };
    assert.deepEqual(await showing(changed), [true]);
    assert.deepEqual(await showing(entity), [false], 'changes: new reads all keys');
  });
});
