import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Row } from '../../src/sync/ports.ts';
import { entityOf, MemoryLedger, memorySource, numberedRows, payloadsOf } from '../support/fakes.ts';
import { runOnce } from '../support/run-once.ts';

/** A ledger whose keys come a few at a time, `each` of them between two turns. */
class SlowLedger extends MemoryLedger {
  each = 1;
  override async eachKey(take: (key: string) => void, signal?: AbortSignal) {
    let left = this.each;
    for (const key of this.tracked.keys()) {
      take(key);
      left -= 1;
      if (left > 0) continue;
      left = this.each;
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
  }
}

test('rows are sent once, whichever of source and ledger is read faster', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(80), { maxLength: 80 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 30 }),
      async (tracked, each, pageRows) => {
        const ledger = new SlowLedger();
        ledger.each = each;
        for (const id of tracked) ledger.tracked.set(String(id), undefined);
        const rows = numberedRows(60);
        const wanted = rows.map(([id]) => Number(id)).filter((id) => !tracked.includes(id));
        const entity = entityOf({ destination: { batchSize: 7 } });
        const { destination, tally, run } = await runOnce({ rows, ledger, entity, options: { pageRows } });
        assert.deepEqual(await run, { state: 'done' });
        const sent = destination.sent.flatMap((batch) => payloadsOf(batch).map(({ id }) => Number(id)));
        assert.deepEqual(
          sent.sort((a, b) => a - b),
          wanted.sort((a, b) => a - b),
        );
        assert.deepEqual([tally.read, tally.tracked, tally.accepted], [60, 60 - wanted.length, wanted.length]);
      },
    ),
    { numRuns: 200 },
  );
});

/** A source that notes how many keys each lookup has. */
function notingLookups(rows: readonly Row[]) {
  const source = memorySource(rows);
  const lookup = source.lookup.bind(source);
  const lookups: number[] = [];
  source.lookup = (...wanted) => {
    lookups.push(wanted[0].length);
    return lookup(...wanted);
  };
  return { source, lookups };
}

test('what waits for the ledger is not looked up any more once the run is to stop', async () => {
  const ledger = new SlowLedger();
  ledger.tracked.set('none of the source', undefined);
  const { source, lookups } = notingLookups(numberedRows(12_000));
  const eachKey = ledger.eachKey.bind(ledger);
  ledger.eachKey = async (take, signal) => {
    // All of the source waits by then.
    while (source.reads < 12) await new Promise(setImmediate);
    await eachKey(take, signal);
  };
  const { tally, run } = await runOnce({ source, ledger, options: { pageRows: 1000, limit: 5 } });
  assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'limit' });
  assert.deepEqual([lookups, tally.accepted, tally.left], [[5000], 5, 4995]);
});

test('new rows strewn among tracked ones are looked up together, however small the parts are that they come in', async () => {
  for (const isLate of [false, true]) {
    const rows = numberedRows(12_000);
    const ledger = new SlowLedger();
    ledger.each = 100_000;
    for (const [id] of rows) if (Number(id) % 100 !== 0) ledger.tracked.set(String(id), undefined);
    const { source, lookups } = notingLookups(rows);
    const eachKey = ledger.eachKey.bind(ledger);
    ledger.eachKey = async (take, signal) => {
      while (isLate && source.reads < 12) await new Promise(setImmediate);
      await eachKey(take, signal);
    };
    const { tally, run } = await runOnce({ source, ledger, options: { pageRows: 1000 } });
    assert.deepEqual(await run, { state: 'done' });
    assert.deepEqual([tally.read, tally.tracked, tally.accepted], [12_000, 11_880, 120]);
    assert.deepEqual(lookups, [50, 50, 20], isLate ? 'after the ledger' : 'beside it');
    assert.equal(source.keyReads, source.reads, 'none is read whole');
  }
});

test('a run that is to stop counts what it has read as tracked, or as left', async () => {
  const rows = numberedRows(3000);
  const ledger = new SlowLedger();
  ledger.each = 100_000;
  for (const [id] of rows) if (Number(id) % 3 !== 0) ledger.tracked.set(String(id), undefined);
  const source = memorySource(rows);
  const stop = new AbortController();
  const page = source.page.bind(source);
  source.page = async (...args) => {
    if (source.reads === 2) stop.abort('SIGTERM');
    return page(...args);
  };
  const { tally, run } = await runOnce({ source, ledger, options: { pageRows: 1000, stop: stop.signal } });
  assert.equal((await run).state, 'stopped');
  assert.deepEqual([source.lookups, tally.accepted], [0, 0]);
  assert.equal(tally.tracked + tally.left, tally.read);
});

test('a ledger that fails while its keys are read fails the entity', async () => {
  const ledger = new SlowLedger();
  ledger.tracked.set('1', undefined);
  ledger.eachKey = async () => {
    await new Promise(setImmediate);
    throw new Error('log database gone');
  };
  const { destination, run } = await runOnce({ rows: numberedRows(30), ledger });
  await assert.rejects(run, /log database gone/);
  assert.equal(destination.sent.length, 0);
});

test('a source that fails ends the reading of the ledger', async () => {
  const ledger = new SlowLedger();
  for (const [id] of numberedRows(1000)) ledger.tracked.set(String(id), undefined);
  let taken = 0;
  const eachKey = ledger.eachKey.bind(ledger);
  ledger.eachKey = (take, signal) =>
    eachKey((key) => {
      taken += 1;
      take(key);
    }, signal);
  const source = memorySource([[null, 'a']]);
  const { run } = await runOnce({ source, ledger });
  await assert.rejects(run, { code: 'SOURCE_KEY_INVALID' });
  const atEnd = taken;
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  assert.ok(taken <= atEnd + 1 && taken < 1000, `${taken} keys`);
});
