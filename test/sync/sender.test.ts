import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { DestinationConfig } from '../../src/sync/entity.ts';
import type { Batch, Doubt } from '../../src/sync/ports.ts';
import {
  entityOf,
  keysOf,
  type MemoryAnswer,
  MemoryDestination,
  MemoryLedger,
  memorySource,
  numberedRows,
  refusing,
  sizesOf,
} from '../support/fakes.ts';
import { runOnce } from '../support/run-once.ts';

const entityWith = (destination: Partial<DestinationConfig>) => entityOf({ destination });

describe('batches of one entity', () => {
  test('are reserved and settled beside those that are delivered; at most concurrency + 1 are sent and not settled', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat(6), { maxLength: 30 }),
        async (concurrency, turns) => {
          const pause = async (step: number) => {
            for (let turn = turns[step % turns.length] ?? 1; turn > 0; turn -= 1) await new Promise(setImmediate);
          };
          const ledger = new MemoryLedger();
          const destination = new MemoryDestination(async (_, call) => void (await pause(call)));
          let settled = 0;
          let mostUnsettled = 0;
          const settle = ledger.settle.bind(ledger);
          ledger.settle = async (...end) => {
            mostUnsettled = Math.max(mostUnsettled, destination.sent.length - settled);
            await pause(settled + 3);
            mostUnsettled = Math.max(mostUnsettled, destination.sent.length - settled);
            const letters = await settle(...end);
            settled += 1;
            return letters;
          };
          const reserve = ledger.reserve.bind(ledger);
          ledger.reserve = async (batch) => {
            await pause(settled + 7);
            await reserve(batch);
          };
          const entity = entityWith({ batchSize: 5, concurrency });
          const { run } = await runOnce({ rows: numberedRows(60), ledger, destination, entity });
          assert.deepEqual(await run, { state: 'done' });
          assert.equal(ledger.tracked.size, 60);
          assert.ok(destination.mostInFlight <= concurrency, `${destination.mostInFlight} in flight`);
          assert.ok(mostUnsettled <= concurrency + 1, `${mostUnsettled} sent and not settled`);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('go out in the order of their rows, whichever is reserved first', async () => {
    const ledger = new MemoryLedger();
    const reserve = ledger.reserve.bind(ledger);
    let calls = 0;
    ledger.reserve = async (batch) => {
      calls += 1;
      for (let turn = calls % 2 === 1 ? 9 : 0; turn > 0; turn -= 1) await new Promise(setImmediate);
      await reserve(batch);
    };
    const destination = new MemoryDestination();
    const rows = numberedRows(60);
    const { run } = await runOnce({ rows, ledger, destination, entity: entityWith({ batchSize: 5 }) });
    await run;
    assert.deepEqual(
      destination.sent.flatMap(({ keys }) => keys),
      keysOf(rows),
    );
  });

  test('do overlap: the second is sent before the first is settled, and the third is reserved then', async () => {
    const ledger = new MemoryLedger();
    const isThere = Promise.withResolvers<void>();
    const destination = new MemoryDestination((_, call) => void (call === 2 && isThere.resolve()));
    const settle = ledger.settle.bind(ledger);
    let reserved = 0;
    ledger.settle = async (...end) => {
      await isThere.promise;
      while (ledger.batches.size < 3) await new Promise(setImmediate);
      reserved ||= ledger.batches.size;
      return settle(...end);
    };
    const { run } = await runOnce({
      rows: numberedRows(15),
      ledger,
      destination,
      entity: entityWith({ batchSize: 5 }),
    });
    assert.deepEqual(await run, { state: 'done' });
    assert.equal(reserved, 3);
  });

  test('that are reserved when the breaker opens are taken back: nothing of them was sent, and they are left', async () => {
    for (const concurrency of [1, 3]) {
      const destination = new MemoryDestination(() => 503);
      const entity = entityWith({ batchSize: 5, concurrency, maxFailedBatches: 1, maxAttempts: 1 });
      const { ledger, tally, run } = await runOnce({ rows: numberedRows(60), destination, entity });
      assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'breaker' });
      const sent = new Set(destination.sent.map(({ id }) => id));
      assert.deepEqual(new Set(ledger.batches.keys()), sent, 'what was not sent is not stored');
      assert.equal(tally.unresolved, sent.size * 5);
      assert.ok(tally.left >= 5 && tally.left % 5 === 0, `${tally.left} left`);
    }
  });
});

describe('an answer that no batch would change', () => {
  for (const status of [301, 401, 403, 404, 405, 415, 501]) {
    test(`HTTP ${status} stops the entity after one call; its rows are pending again`, async () => {
      const { ledger, destination, tally, run } = await runOnce({
        rows: numberedRows(30),
        destination: new MemoryDestination(() => status),
      });
      await assert.rejects(run, { code: 'DESTINATION_REFUSED', message: new RegExp(`HTTP ${status}`) });
      assert.deepEqual([destination.sent.length, tally.refused], [1, 3]);
      assert.deepEqual(ledger.states(), ['refused']);
    });
  }

  test('in the middle of a search keeps what was found, and releases the pieces that were not sent', async () => {
    const destination = new MemoryDestination((batch, call) => (call > 6 ? 401 : batch.keys.includes('9') ? 422 : 200));
    const { ledger, run } = await runOnce({
      rows: numberedRows(64),
      destination,
      entity: entityWith({ batchSize: 64 }),
    });
    await assert.rejects(run, { code: 'DESTINATION_REFUSED' });
    assert.ok(ledger.states().every((state) => state !== 'sending'));
  });
});

describe('a batch whose outcome is unknown', () => {
  test('is tried once more at the end, under the same key, and accepted then', async () => {
    let down = true;
    const destination = new MemoryDestination((batch) => {
      if (batch.keys.includes('9')) down = false;
      return batch.keys.includes('1') && down ? 503 : undefined;
    });
    const { ledger, tally, run } = await runOnce({ rows: numberedRows(9), destination });
    assert.deepEqual(await run, { state: 'done' });
    assert.deepEqual(sizesOf(destination), [3, 3, 3, 3]);
    assert.equal(destination.sent[3]?.id, destination.sent[0]?.id);
    assert.deepEqual([tally.accepted, tally.unresolved, tally.batches.unresolved, ledger.tracked.size], [9, 0, 0, 9]);
  });

  test('stays unresolved and is recorded once, with all its attempts', async () => {
    const destination = new MemoryDestination((batch) => (batch.keys.includes('1') ? { error: 'timeout' } : undefined));
    const { ledger, tally, run } = await runOnce({ rows: numberedRows(9), destination });
    await run;
    assert.deepEqual([tally.accepted, tally.unresolved, tally.batches.unresolved], [6, 3, 1]);
    const [stored] = [...ledger.batches.values()];
    assert.deepEqual(
      stored?.outcomes.map(({ state, attempts }) => [state, attempts.length]),
      [['unknown', 2]],
    );
  });

  test('is recorded although the source fails', async () => {
    const rows = numberedRows(3);
    const ledger = new MemoryLedger();
    ledger.leave(await batchOf(3));
    const source = { ...memorySource(rows), describe: () => Promise.reject(new Error('gone')) };
    const { run } = await runOnce({ ledger, source, destination: new MemoryDestination(() => 503) });
    await assert.rejects(run, /gone/);
    assert.deepEqual(
      [...ledger.batches.values()][0]?.outcomes.map(({ state }) => state),
      ['unknown'],
    );
  });
});

/** A batch of so many rows as a run makes it that begins after row `after`. */
async function batchOf(rows: number, after = 0): Promise<Batch> {
  const { run, destination } = await runOnce({
    rows: numberedRows(after + rows).slice(after),
    entity: entityWith({ batchSize: rows }),
  });
  await run;
  return destination.sent[0] as Batch;
}

describe('a replay', () => {
  const replayed = async (answer: MemoryAnswer, doubt?: Doubt, rows = 8, createdAt?: Date) => {
    const ledger = new MemoryLedger();
    const batch = await batchOf(rows);
    ledger.leave(batch, doubt, createdAt);
    // Row 5 is what the destination does not like.
    const destination = new MemoryDestination((sent) => (sent.keys.includes('5') ? answer : undefined));
    const all = await runOnce({
      rows: numberedRows(rows),
      ledger,
      destination,
      entity: entityWith({ batchSize: rows }),
    });
    const end = await all.run.catch((error) => error);
    return { ...all, batch, end, stored: ledger.batches.get(batch.id) };
  };

  for (const status of [400, 413, 422]) {
    test(`that is answered with ${status} leaves the batch unresolved: its halves would have other keys`, async () => {
      const { stored, ledger, destination } = await replayed(status);
      assert.equal(stored?.state, 'sending');
      assert.deepEqual([ledger.batches.size, ledger.tracked.size, sizesOf(destination)], [1, 0, [8, 8]]);
    });
  }

  test('that is answered with 401 leaves it unresolved, too, and stops the entity', async () => {
    const { stored, end, destination } = await replayed(401);
    assert.equal(end.code, 'DESTINATION_REFUSED');
    assert.deepEqual([stored?.state, destination.sent.length], ['sending', 1]);
  });

  for (const status of [400, 413, 422]) {
    test(`whose first answer is ${status} in two runs in a row counts as refused, with a warning`, async () => {
      const first = await replayed(status);
      assert.deepEqual(first.stored?.doubt, { refusedRuns: 1, serverErrorRuns: 0 });
      const { stored, ledger, warnings } = await replayed(status, first.stored.doubt);
      assert.equal(stored?.state, 'split');
      assert.deepEqual([[...ledger.deadLetters.keys()], ledger.tracked.size], [['5'], 7]);
      assert.match(warnings.join('\n'), /counts as refused, and rows of it .* may be taken twice/);
    });
  }

  test('that is answered otherwise in between begins to count anew', async () => {
    const { stored } = await replayed(503, { refusedRuns: 1, serverErrorRuns: 0 });
    assert.deepEqual(stored?.doubt.refusedRuns, 0);
  });

  test('after the time that the destination remembers keys for warns that rows may be taken twice', async () => {
    const { warnings } = await replayed(undefined, undefined, 8, new Date(Date.now() - 30 * 3_600_000));
    assert.match(warnings.join('\n'), /30 hours ago.*may have forgotten/);
    const fresh = await replayed(undefined);
    assert.doesNotMatch(fresh.warnings.join('\n'), /forgotten/);
  });
});

describe('a batch that ends with a 5xx, run after run', () => {
  const nights = async (count: number, config: Partial<DestinationConfig>, withOthers = true) => {
    const ledger = new MemoryLedger();
    const rows = numberedRows(8);
    for (let night = 0; night < count; night += 1) {
      const more = withOthers ? numberedRows(8 + (night + 1) * 8) : rows;
      const destination = refusing(new Set(['5']), 500);
      await (await runOnce({ rows: more, ledger, destination, entity: entityWith({ batchSize: 8, ...config }) })).run;
    }
    return ledger;
  };

  test('while others are accepted counts as refused in the third: only the bad row is left', async () => {
    const two = await nights(2, {});
    assert.deepEqual([two.deadLetters.size, two.tracked.has('1')], [0, false]);
    const three = await nights(3, {});
    assert.deepEqual([[...three.deadLetters.keys()], three.tracked.has('1')], [['5'], true]);
    assert.ok(three.states().every((state) => state !== 'sending'));
  });

  test('and then meets an outage makes no dead letter of good rows', async () => {
    const ledger = await nights(2, {});
    let isDown = false;
    const destination = new MemoryDestination((batch) => {
      // Its halves come after its replays.
      isDown ||= batch.keys.length < 8 && batch.keys.includes('5');
      return isDown || batch.keys.includes('5') ? 500 : undefined;
    });
    await (await runOnce({ rows: numberedRows(32), ledger, destination, entity: entityWith({ batchSize: 8 }) })).run;
    assert.equal(isDown, true);
    assert.ok(ledger.states().every((state) => state !== 'sending'));
    assert.ok(ledger.deadLetters.size === 0 || ledger.tracked.has('1') || ledger.tracked.has('8'));
  });

  test('stays unknown where nothing else was accepted, or serverErrorRuns is 0', async () => {
    assert.equal((await nights(4, {}, false)).deadLetters.size, 0);
    assert.equal((await nights(4, { serverErrorRuns: 0 })).deadLetters.size, 0);
  });
});

test('a batch whose outcome stays unknown says why in the summary', async () => {
  const destination = new MemoryDestination(() => 500);
  const { tally, run } = await runOnce({ rows: numberedRows(3), destination });
  await run;
  assert.deepEqual([tally.unresolved, tally.batchError], [3, 'HTTP 500']);
});

describe('unresolved batches that never come to an end', () => {
  test('keep no new rows from being sent, and are searched for bad rows once they have failed in three runs', async () => {
    const ledger = new MemoryLedger();
    for (let batch = 0; batch < 4; batch += 1) ledger.leave(await batchOf(8, batch * 8));
    const bad = new Set(['1', '9', '17', '25']);
    const entity = entityWith({ batchSize: 8, maxFailedBatches: 3 });
    for (let night = 1; night <= 6; night += 1) {
      const destination = refusing(bad, 500);
      await (await runOnce({ rows: numberedRows(32 + night * 8), ledger, destination, entity })).run;
      assert.ok(ledger.tracked.size >= night * 8, `night ${night}`);
    }
    assert.deepEqual(new Set(ledger.deadLetters.keys()), bad);
    assert.equal(ledger.tracked.size, 32 + 6 * 8 - bad.size);
  });

  test('are not tried without end while the destination is down, and one new batch tells that it is', async () => {
    const ledger = new MemoryLedger();
    for (let batch = 0; batch < 10; batch += 1) ledger.leave(await batchOf(8, batch * 8));
    const entity = entityWith({ batchSize: 8, maxFailedBatches: 3 });
    const destination = new MemoryDestination(() => 503);
    const { run, tally } = await runOnce({ rows: numberedRows(200), ledger, destination, entity });
    assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'breaker' });
    assert.deepEqual([destination.sent.length, tally.unresolved], [4, 88]);
  });

  test('and were not tried keep what was known of them', async () => {
    const ledger = new MemoryLedger();
    const batch = await batchOf(8);
    ledger.leave(batch, { refusedRuns: 1, serverErrorRuns: 2 });
    const stop = AbortSignal.abort('deadline');
    await (await runOnce({ rows: [], ledger, options: { stop } })).run;
    const stored = ledger.batches.get(batch.id);
    assert.deepEqual([stored?.doubt, stored?.outcomes], [{ refusedRuns: 1, serverErrorRuns: 2 }, []]);
  });
});

describe('the circuit breaker', () => {
  test('opens after maxFailedBatches in a row; the rest is left, and the source is not read to its end', async () => {
    const { destination, tally, ledger, run } = await runOnce({
      rows: numberedRows(300),
      destination: new MemoryDestination(() => 503),
      entity: entityWith({ maxFailedBatches: 3, maxAttempts: 2 }),
      options: { pageRows: 30 },
    });
    assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'breaker' });
    assert.equal(destination.sent.length, 6);
    assert.ok(tally.left > 0 && tally.read < 300);
    assert.deepEqual([tally.unresolved, ledger.states()], [9, ['sending', 'sending', 'sending']]);
  });

  test('begins to count anew after each accepted batch', async () => {
    const { destination, run } = await runOnce({
      rows: numberedRows(30),
      destination: new MemoryDestination((_, call) => (call % 3 === 0 || call > 10 ? undefined : 429)),
      entity: entityWith({ maxFailedBatches: 3 }),
    });
    assert.deepEqual(await run, { state: 'done' });
    assert.equal(destination.sent.length, 10);
  });

  test('is opened by a wait that is longer than the run lasts', async () => {
    const { destination, run } = await runOnce({
      rows: numberedRows(30),
      destination: new MemoryDestination(() => ({ status: 503, error: 'HTTP 503', waitMs: 24 * 3_600_000 })),
    });
    assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'breaker' });
    assert.equal(destination.sent.length, 1);
  });
});

describe('a stop', () => {
  test('by the deadline leaves what is not sent, and says so', async () => {
    const stop = new AbortController();
    const destination = new MemoryDestination((_, call) => {
      if (call === 2) stop.abort('deadline');
      return undefined;
    });
    const { tally, run } = await runOnce({ rows: numberedRows(30), destination, options: { stop: stop.signal } });
    assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'deadline' });
    assert.deepEqual([tally.accepted, tally.accepted + tally.left], [6, 30]);
  });

  test('by the deadline is told although --limit was reached, too', async () => {
    const stop = new AbortController();
    const destination = new MemoryDestination((_, call) => {
      if (call === 1) stop.abort('deadline');
      return undefined;
    });
    const { run } = await runOnce({
      rows: numberedRows(30),
      destination,
      options: { stop: stop.signal, limit: 6 },
    });
    assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'deadline' });
  });

  test('in the middle of a search settles the pieces that were not sent as refused', async () => {
    const stop = new AbortController();
    const destination = new MemoryDestination((_, call) => {
      if (call === 3) stop.abort('SIGTERM');
      return 422;
    });
    const { ledger, tally, run } = await runOnce({
      rows: numberedRows(64),
      destination,
      entity: entityWith({ batchSize: 64 }),
      options: { stop: stop.signal },
    });
    assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'signal' });
    assert.ok(ledger.states().every((state) => state !== 'sending'));
    assert.deepEqual([destination.sent.length, tally.refused, ledger.deadLetters.size], [3, 64, 0]);
  });
});

test('--resolve-only sends unresolved batches again and reads nothing', async () => {
  const ledger = new MemoryLedger();
  ledger.leave(await batchOf(3));
  const { destination, tally, run } = await runOnce({
    rows: numberedRows(9),
    ledger,
    options: { resolveOnly: true },
  });
  assert.deepEqual(await run, { state: 'resolved' });
  assert.deepEqual([sizesOf(destination), tally.read, ledger.tracked.size], [[3], 0, 3]);
});

test('where the ledger fails in the middle of a search, what is not settled counts as unresolved', async () => {
  const ledger = new MemoryLedger();
  const settle = ledger.settle.bind(ledger);
  let settled = 0;
  ledger.settle = async (...args) => {
    settled += 1;
    if (settled === 4) throw new Error('log database gone');
    return settle(...args);
  };
  const { tally, run } = await runOnce({
    rows: numberedRows(64),
    ledger,
    destination: refusing(new Set(['10', '40'])),
    entity: entityWith({ batchSize: 64 }),
  });
  await assert.rejects(run, /log database gone/);
  const open = [...ledger.batches.values()].filter(({ state }) => state === 'sending');
  const rows = open.reduce((sum, { batch }) => sum + batch.keys.length, 0);
  assert.deepEqual([tally.unresolved, tally.batches.unresolved], [rows, open.length]);
  assert.equal(tally.accepted + tally.refused + tally.newDeadLetters + tally.unresolved, 64);
});

test('a batch that cannot be reserved is left', async () => {
  const ledger = new MemoryLedger();
  ledger.reserve = () => Promise.reject(new Error('log database gone'));
  const { destination, tally, run } = await runOnce({ rows: numberedRows(3), ledger });
  await assert.rejects(run, /log database gone/);
  assert.deepEqual([destination.sent.length, tally.pending, tally.left], [0, 0, 3]);
});

test('without an Idempotency-Key, a replay warns that rows may be taken twice', async () => {
  const ledger = new MemoryLedger();
  ledger.leave(await batchOf(3));
  const { warnings, run } = await runOnce({ ledger, entity: entityWith({ idempotencyHeader: null }) });
  await run;
  assert.match(warnings.join(), /without an Idempotency-Key: rows may be taken twice/);
});
