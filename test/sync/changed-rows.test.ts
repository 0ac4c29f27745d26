import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Row } from '../../src/sync/ports.ts';
import {
  entityOf,
  keysOf,
  MemoryDestination,
  MemoryLedger,
  memorySource,
  numberedRows,
  payloadsOf,
} from '../support/fakes.ts';
import { runOnce } from '../support/run-once.ts';

const changed = entityOf({ changes: 'changed' });
const sentIds = (destination: MemoryDestination) =>
  destination.sent.flatMap((batch) => payloadsOf(batch).map(({ id }) => id));

/** A ledger that holds these rows as they are, or as the old job left them. */
async function ledgerOf(rows: readonly Row[], withHashes = true): Promise<MemoryLedger> {
  const { ledger, run } = await runOnce({ rows, entity: changed });
  await run;
  if (!withHashes) for (const key of ledger.tracked.keys()) ledger.tracked.set(key, undefined);
  return ledger;
}

const renamed = (rows: readonly Row[], ...ids: number[]): Row[] =>
  rows.map(([id, name]) => (ids.includes(id as number) ? [id as number, 'new name'] : [id as number, name as string]));

test('a changed row is sent again, and no other', async () => {
  const rows = numberedRows(10);
  const ledger = await ledgerOf(rows);
  const { destination, tally, run } = await runOnce({ rows: renamed(rows, 4, 9), ledger, entity: changed });
  await run;
  assert.deepEqual(sentIds(destination), [4, 9]);
  assert.deepEqual([tally.tracked, tally.pending, tally.changed, tally.accepted], [8, 2, 2, 2]);
});

test('in a run for new rows a changed one is not sent, and rows that are tracked are read by key alone', async () => {
  const rows = numberedRows(30);
  const ledger = await ledgerOf(rows.slice(0, 29));
  const source = memorySource(renamed(rows, 4));
  const { destination, run } = await runOnce({ source, ledger, options: { pageRows: 10 } });
  await run;
  assert.deepEqual(sentIds(destination), [30]);
  assert.equal(source.keyReads, source.reads);
  assert.equal(source.lookups, 1);
});

test('rows of the old job count as sent and get the hash that they have', async () => {
  const rows = numberedRows(7);
  const ledger = await ledgerOf(rows, false);
  const first = await runOnce({ rows, ledger, entity: changed });
  await first.run;
  assert.deepEqual(first.destination.sent, []);
  assert.deepEqual([first.tally.hashesTaken, first.tally.tracked], [7, 7]);
  const second = await runOnce({ rows: renamed(rows, 2), ledger, entity: changed });
  await second.run;
  assert.deepEqual(sentIds(second.destination), [2]);
});

test('--resend-unknown sends them all instead', async () => {
  const rows = numberedRows(7);
  const ledger = await ledgerOf(rows, false);
  const { destination, tally, run } = await runOnce({
    rows,
    ledger,
    entity: changed,
    options: { resendUnknown: true },
  });
  await run;
  assert.equal(sentIds(destination).length, 7);
  assert.deepEqual([tally.hashesTaken, tally.changed], [0, 7]);
});

test('a dry run takes no hash and remembers nothing', async () => {
  const rows = numberedRows(3);
  const ledger = await ledgerOf(rows, false);
  const before = ledger.compared;
  const { tally, run } = await runOnce({ rows, ledger, entity: changed, dryRun: true });
  await run;
  assert.equal(tally.hashesTaken, 3);
  assert.deepEqual([...ledger.tracked.values()], [undefined, undefined, undefined]);
  assert.equal(ledger.compared, before);
});

test('a tracked row that cannot be mapped any more becomes a dead letter, once', async () => {
  const entity = entityOf({ changes: 'changed', map: { id: 'Id', n: { column: 'Name', as: 'number' } } });
  const numbers: Row[] = [
    [1, '1'],
    [2, '2'],
  ];
  const { ledger, run } = await runOnce({ rows: numbers, entity });
  await run;
  const broken: Row[] = [
    [1, 'one'],
    [2, '22'],
  ];
  const first = await runOnce({ rows: broken, ledger, entity });
  await first.run;
  assert.deepEqual([first.tally.newDeadLetters, first.tally.accepted], [1, 1]);
  const second = await runOnce({ rows: broken, ledger, entity });
  await second.run;
  assert.deepEqual([second.tally.newDeadLetters, second.tally.oldDeadLetters, second.tally.pending], [0, 1, 0]);
});

describe('a dead letter', () => {
  const refusing = () =>
    new MemoryDestination((batch) => (payloadsOf(batch).some(({ id }) => id === 2) ? 422 : undefined));

  test('of a row below the watermark is tried once it is due', async () => {
    const rows = numberedRows(4);
    const versions = { of: () => 1, current: () => 2 };
    const source = memorySource(rows, undefined, undefined, versions);
    const first = await runOnce({ source, entity: changed, destination: refusing() });
    await first.run;
    const { ledger } = first;
    assert.equal(ledger.deadLetters.size, 1);
    const waiting = await runOnce({ source, ledger, entity: changed });
    await waiting.run;
    assert.deepEqual(waiting.destination.sent, []);
    for (const letter of ledger.deadLetters.values()) letter.state = 'due';
    const due = await runOnce({ source, ledger, entity: changed });
    await due.run;
    assert.deepEqual(sentIds(due.destination), [2]);
    assert.equal(ledger.deadLetters.size, 0);
  });

  test('ends when its row is gone, or is tracked as it is', async () => {
    const rows = numberedRows(3);
    const ledger = await ledgerOf(rows);
    for (const key of ['2', '77']) ledger.deadLetters.set(key, { key, reason: 'refused', state: 'due' });
    const { destination, run } = await runOnce({ rows, ledger, entity: changed });
    await run;
    assert.deepEqual(destination.sent, []);
    assert.equal(ledger.deadLetters.size, 0);
  });

  test('that changes and is due is sent once', async () => {
    const rows = numberedRows(4);
    const first = await runOnce({ rows, entity: changed, destination: refusing() });
    await first.run;
    for (const letter of first.ledger.deadLetters.values()) letter.state = 'due';
    const { destination, run } = await runOnce({ rows: renamed(rows, 2), ledger: first.ledger, entity: changed });
    await run;
    assert.deepEqual(sentIds(destination), [2]);
  });
});

test('with a watermark only rows that may have changed are read', async () => {
  const versions = { of: ([id]: Row) => (id === 3 ? 2 : 1), current: () => 2 };
  const source = memorySource(numberedRows(6), undefined, undefined, versions);
  const { ledger, run } = await runOnce({ source, entity: changed });
  await run;
  const next = await runOnce({ source, ledger, entity: changed });
  await next.run;
  assert.deepEqual([next.tally.read, next.tally.tracked], [1, 1]);
});

test('the watermark stays where rows are pending again', async () => {
  const source = memorySource(numberedRows(6), undefined, undefined, { of: () => 1, current: () => 2 });
  const { ledger, run } = await runOnce({
    source,
    entity: changed,
    destination: new MemoryDestination((_, call) => (call === 2 ? 429 : undefined)),
  });
  await run;
  assert.equal(ledger.compared.watermark, undefined);
  const next = await runOnce({ source, ledger, entity: changed });
  await next.run;
  assert.deepEqual(keysOf(numberedRows(6)).slice(3), next.destination.sent[0]?.keys);
  assert.ok(ledger.compared.watermark);
});

describe('a map that is put back', () => {
  const mapOf = (constant: number) =>
    entityOf({ changes: 'changed', map: { id: 'Id', name: 'Name', constant: { const: constant } } });
  const rows = numberedRows(12);
  const source = memorySource(rows, undefined, undefined, { of: () => 1, current: () => 2 });
  const constants = (held: Map<unknown, unknown>) => [...new Set(held.values())];

  for (const [why, first, second] of [
    ['that stopped at its limit', {}, { limit: 6 }],
    ['beside an unresolved batch', { lostKey: '4' }, { lostKey: '4' }],
  ] as const) {
    test(`after a run by the other one ${why} leaves no row as that one made it`, async () => {
      const ledger = new MemoryLedger();
      const held = new Map<unknown, unknown>();
      const sync = async (constant: number, { limit, lostKey = '' }: { limit?: number; lostKey?: string } = {}) => {
        const destination = new MemoryDestination((batch) => {
          if (batch.keys.includes(lostKey)) return 503;
          for (const row of payloadsOf(batch)) held.set(row.id, row.constant);
          return undefined;
        });
        const options = limit === undefined ? {} : { limit };
        await (await runOnce({ source, ledger, entity: mapOf(constant), options, destination })).run;
      };
      await sync(1, first);
      await sync(2, second);
      for (const _night of [1, 2]) await sync(1);
      assert.deepEqual(constants(held), [1]);
    });
  }
});

test('a change that was refused is not forgotten by a night with changes new', async () => {
  const rows = numberedRows(4);
  const source = (list: readonly Row[], version: number) =>
    memorySource(list, undefined, undefined, { of: ([id]) => (id === 2 ? version : 1), current: () => version + 1 });
  const { ledger, run } = await runOnce({ source: source(rows, 1), entity: changed });
  await run;
  const now = renamed(rows, 2);
  const refused = await runOnce({
    source: source(now, 2),
    ledger,
    entity: changed,
    destination: new MemoryDestination(() => 422),
  });
  await refused.run;
  for (const letter of ledger.deadLetters.values()) letter.state = 'due';
  await (await runOnce({ source: source(now, 2), ledger })).run;
  const { destination, run: last } = await runOnce({ source: source(now, 2), ledger, entity: changed });
  await last;
  assert.deepEqual(sentIds(destination), [2]);
});
