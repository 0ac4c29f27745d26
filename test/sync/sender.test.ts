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
  payloadsOf,
} from '../support/fakes.ts';
import { runOnce } from '../support/run-once.ts';

const sizes = (destination: MemoryDestination) => destination.sent.map((batch) => batch.keys.length);
const entityWith = (destination: Partial<DestinationConfig>) => entityOf({ destination });

/** Refuses every batch that holds one of these rows. */
function refusing(bad: ReadonlySet<string>, answer: MemoryAnswer = 422): MemoryDestination {
  return new MemoryDestination((batch) => (batch.keys.some((key) => bad.has(key)) ? answer : undefined));
}

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

describe('a batch that is refused for its rows', () => {
  test('is taken apart: exactly the bad rows become dead letters, in at most 1 + 2·b·⌈log2 n⌉ calls', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 99 }), async (isBad) => {
        const rows = numberedRows(isBad.length);
        const bad = new Set(keysOf(rows).filter((_, index) => isBad[index]));
        const destination = refusing(bad);
        const entity = entityWith({ batchSize: rows.length });
        const { ledger, tally, run } = await runOnce({ rows, destination, entity });
        await run;
        assert.deepEqual([...ledger.deadLetters.keys()].sort(), [...bad].sort());
        assert.equal(ledger.tracked.size, rows.length - bad.size);
        const most = 1 + 2 * bad.size * Math.ceil(Math.log2(rows.length));
        assert.ok(destination.sent.length <= most, `${destination.sent.length} calls, at most ${most}`);
        assert.deepEqual(
          [tally.pending, tally.accepted, tally.newDeadLetters, tally.refused],
          [rows.length, rows.length - bad.size, bad.size, 0],
        );
        assert.ok(ledger.states().every((state) => state !== 'sending'));
      }),
      { numRuns: 100 },
    );
  });

  test('of 3,000 rows with one bad one costs few calls, and each piece holds the bytes of its rows', async () => {
    const rows = numberedRows(3000);
    const destination = refusing(new Set(['1234']));
    const { ledger, run } = await runOnce({ rows, destination, entity: entityWith({ batchSize: 3000 }) });
    await run;
    assert.ok(destination.sent.length <= 25, `${destination.sent.length} calls`);
    for (const batch of destination.sent) {
      assert.deepEqual(
        payloadsOf(batch).map(({ id }) => String(id)),
        batch.keys,
      );
    }
    assert.deepEqual(
      [...ledger.deadLetters.values()].map(({ key, reason, httpStatus }) => [key, reason, httpStatus]),
      [['1234', 'HTTP 422', 422]],
    );
    assert.equal(new Set(destination.sent.map(({ id }) => id)).size, destination.sent.length, 'each has its own key');
  });

  test('in which every row is refused for one reason stops the entity early, and makes no dead letter', async () => {
    const destination = new MemoryDestination((batch) => ({
      status: 422,
      error: `HTTP 422: [${batch.keys[0]}] field Name is unknown`,
    }));
    const entity = entityWith({ batchSize: 3000, maxFailedBatches: 3 });
    const { ledger, run } = await runOnce({ rows: numberedRows(20_000), destination, entity });
    await assert.rejects(run, { code: 'DESTINATION_REFUSED', message: /every row of a batch of 3000 .*field Name/ });
    assert.ok(destination.sent.length < 250, `${destination.sent.length} calls for 20,000 rows`);
    assert.deepEqual([ledger.deadLetters.size, ledger.tracked.size], [0, 0]);
    assert.ok(ledger.states().every((state) => state === 'refused' || state === 'split'));
  });

  test('in which every row is too large tells of the size, and only then', async () => {
    const hint = async (statusOfPieces: number) => {
      const destination = new MemoryDestination((batch) => ({
        status: batch.keys.length === 200 ? 413 : statusOfPieces,
        error: `HTTP ${batch.keys.length === 200 ? 413 : statusOfPieces}`,
      }));
      const { warnings, tally, run } = await runOnce({
        rows: numberedRows(200),
        destination,
        entity: entityWith({ batchSize: 200 }),
      });
      await assert.rejects(run, { code: 'DESTINATION_REFUSED' });
      assert.match(tally.batchError ?? '', /^HTTP 4/);
      return warnings.find((warning) => warning.includes('refuses every row')) ?? '';
    };
    assert.match(await hint(413), /even a single row is too large/);
    assert.match(await hint(422), /Compare the map/);
  });

  for (const stride of [375, 125, 25]) {
    test(`in which every ${stride}th row is bad for one reason is searched to its end`, async () => {
      const rows = numberedRows(3000);
      const bad = new Set(keysOf(rows).filter((key) => Number(key) % stride === 0));
      const entity = entityWith({ batchSize: 3000, maxIsolationCalls: 100_000 });
      const { ledger, run } = await runOnce({ rows, destination: refusing(bad), entity });
      assert.deepEqual(await run, { state: 'done' });
      assert.deepEqual([ledger.deadLetters.size, ledger.tracked.size], [bad.size, 3000 - bad.size]);
    });
  }

  test('for one reason in every row, while others are accepted, holds none of these back', async () => {
    const bad = new Set(keysOf(numberedRows(200)).slice(100));
    const entity = entityWith({ batchSize: 100, maxFailedBatches: 3 });
    const { ledger, tally, warnings, run } = await runOnce({
      rows: numberedRows(500),
      destination: refusing(bad),
      entity,
    });
    assert.deepEqual(await run, { state: 'done' });
    assert.deepEqual([ledger.tracked.size, tally.refused, ledger.deadLetters.size], [400, 100, 0]);
    assert.match(warnings.join('\n'), /refuses every row of a batch of 100/);
  });

  test('in small batches all of which are refused opens the breaker', async () => {
    const { destination, run } = await runOnce({
      rows: numberedRows(3000),
      destination: new MemoryDestination(() => 422),
      entity: entityWith({ batchSize: 50, maxFailedBatches: 3 }),
    });
    assert.deepEqual(await run, { state: 'stopped', stoppedBy: 'breaker' });
    assert.ok(destination.sent.length <= 300, `${destination.sent.length} calls`);
  });

  test('is searched with no more calls than maxIsolationCalls; what is left is pending again', async () => {
    const rows = numberedRows(64);
    const destination = refusing(new Set(['10', '20', '30', '40', '50', '60']));
    const entity = entityWith({ batchSize: 64, maxIsolationCalls: 10 });
    const { ledger, tally, warnings, run } = await runOnce({ rows, destination, entity });
    await run;
    assert.equal(destination.sent.length, 11, 'the batch itself and ten');
    assert.equal(tally.refused + tally.accepted + tally.newDeadLetters, 64);
    assert.ok(tally.refused > 0);
    assert.ok(
      ledger.states().every((state) => state !== 'sending'),
      warnings.join(),
    );
  });

  test('leaves its good rows and other batches alone, with concurrency too', async () => {
    const rows = numberedRows(200);
    const bad = new Set(['7', '8', '150']);
    const destination = refusing(bad);
    const entity = entityWith({ batchSize: 10, concurrency: 4 });
    const { ledger, run } = await runOnce({ rows, destination, entity });
    assert.deepEqual(await run, { state: 'done' });
    assert.equal(ledger.tracked.size, 197);
    assert.deepEqual(new Set(ledger.deadLetters.keys()), bad);
  });
});

describe('a batch that is too large', () => {
  test('is halved, later ones are as small, and the size is remembered', async () => {
    const rows = numberedRows(40);
    const destination = new MemoryDestination((batch) => (batch.keys.length > 5 ? 413 : undefined));
    const { ledger, run } = await runOnce({ rows, destination, entity: entityWith({ batchSize: 16 }) });
    await run;
    assert.deepEqual([ledger.tracked.size, ledger.maxRows, ledger.deadLetters.size], [40, 4, 0]);
    const next = await runOnce({
      rows: numberedRows(50),
      ledger,
      destination: new MemoryDestination(),
      entity: entityWith({ batchSize: 16 }),
    });
    await next.run;
    assert.deepEqual(sizes(next.destination), [4, 4, 2]);
    assert.match(next.warnings.join(), /at most 4 rows/);
  });

  test('for one fat row makes no other batch smaller', async () => {
    const destination = new MemoryDestination((batch) => (batch.keys.includes('5') ? 413 : undefined));
    const entity = entityWith({ batchSize: 8 });
    const { ledger, run } = await runOnce({ rows: numberedRows(40), destination, entity });
    await run;
    assert.deepEqual([ledger.tracked.size, [...ledger.deadLetters.keys()], ledger.maxRows], [39, ['5'], 4]);
  });

  test('is tried again with tryBatchSize, and what is remembered is forgotten where it is taken then', async () => {
    const ledger = new MemoryLedger();
    ledger.maxRows = 2;
    const { destination, run } = await runOnce({
      rows: numberedRows(9),
      ledger,
      entity: entityWith({ batchSize: 4 }),
      options: { tryBatchSize: true },
    });
    await run;
    assert.deepEqual([sizes(destination), ledger.maxRows], [[4, 4, 1], undefined]);
  });

  test('and has one row only is a dead letter', async () => {
    const destination = new MemoryDestination((batch) => (batch.keys.includes('2') ? 413 : undefined));
    const { ledger, run } = await runOnce({ rows: numberedRows(3), destination });
    await run;
    assert.deepEqual([...ledger.deadLetters.keys()], ['2']);
    assert.equal(ledger.tracked.size, 2);
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
    assert.deepEqual(sizes(destination), [3, 3, 3, 3]);
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
      assert.deepEqual([ledger.batches.size, ledger.tracked.size, sizes(destination)], [1, 0, [8, 8]]);
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

describe('a 2xx that reports rejected rows', () => {
  const rejected = (...indexes: readonly number[]): MemoryAnswer => ({
    status: 207,
    rejected: indexes.map((index) => ({ index, reason: 'Email is refused', httpStatus: 422 })),
  });

  test('makes these dead letters and accepts the others', async () => {
    const destination = new MemoryDestination((_, call) => (call === 1 ? rejected(1) : undefined));
    const { ledger, tally, run } = await runOnce({ rows: numberedRows(6), destination });
    assert.deepEqual(await run, { state: 'done' });
    assert.deepEqual([...ledger.tracked.keys()], ['1', '3', '4', '5', '6']);
    assert.deepEqual(ledger.deadLetters.get('2')?.reason, 'Email is refused');
    assert.deepEqual([tally.accepted, tally.newDeadLetters, tally.pending], [5, 1, 6]);
  });

  test('and rejects every row of a large batch for one reason stops the entity, and makes no dead letter', async () => {
    const rows = numberedRows(300);
    const destination = new MemoryDestination(({ keys }) => rejected(...keys.keys()));
    const entity = entityWith({ batchSize: 100, maxFailedBatches: 1 });
    const { ledger, run } = await runOnce({ rows, destination, entity });
    await assert.rejects(run, { code: 'DESTINATION_REFUSED' });
    assert.deepEqual([ledger.deadLetters.size, destination.sent.length], [0, 1]);
  });

  test('and rejects every row of one batch while others are accepted says why in the summary', async () => {
    const destination = new MemoryDestination(({ keys }, call) => (call === 2 ? rejected(...keys.keys()) : undefined));
    const { tally, run } = await runOnce({
      rows: numberedRows(300),
      destination,
      entity: entityWith({ batchSize: 100 }),
    });
    assert.deepEqual(await run, { state: 'done' });
    assert.deepEqual([tally.accepted, tally.refused], [200, 100]);
    assert.match(tally.batchError ?? '', /^every row was rejected: Email is refused/);
  });
});

describe('dead letters of earlier runs', () => {
  const nightAfter = async (state: 'due' | 'waiting' | 'discarded', name = 'name 2', bad = ['2']) => {
    const ledger = new MemoryLedger();
    const first = await runOnce({ rows: numberedRows(4), ledger, destination: refusing(new Set(['2'])) });
    await first.run;
    const letter = ledger.deadLetters.get('2');
    assert.ok(letter);
    letter.state = state;
    const rows = numberedRows(7).map((row) => (row[0] === 2 ? [2, name] : row));
    const all = await runOnce({ rows, ledger, destination: refusing(new Set(bad)) });
    assert.deepEqual(await all.run, { state: 'done' });
    return all;
  };

  test('wait: they are not sent, and count as old ones', async () => {
    const { destination, tally } = await nightAfter('waiting');
    assert.deepEqual([sizes(destination), tally.oldDeadLetters, tally.pending], [[3], 1, 3]);
  });

  test('that are discarded are not sent, and count as nothing', async () => {
    const { destination, tally } = await nightAfter('discarded');
    assert.deepEqual([sizes(destination), tally.oldDeadLetters, tally.pending], [[3], 0, 3]);
  });

  for (const state of ['waiting', 'discarded'] as const) {
    test(`whose row has changed are sent, though they are ${state}`, async () => {
      const { ledger } = await nightAfter(state, 'another name', []);
      assert.deepEqual([ledger.tracked.has('2'), ledger.deadLetters.size], [true, 0]);
    });
  }

  test('that are due have a batch of their own, and refused once more are no new ones', async () => {
    const { destination, tally } = await nightAfter('due');
    assert.deepEqual(
      destination.sent.map(({ keys }) => keys),
      [['5', '6', '7'], ['2']],
    );
    assert.deepEqual([tally.newDeadLetters, tally.oldDeadLetters, tally.pending, tally.refused], [0, 1, 3, 0]);
  });

  test('that are due, a hundred for one reason, are no problem of the schema', async () => {
    const ledger = new MemoryLedger();
    const bad = new Set(keysOf(numberedRows(100)));
    const entity = entityWith({ batchSize: 100 });
    for (const [row, key] of keysOf(numberedRows(100)).entries()) {
      ledger.deadLetters.set(key, { key, hash: Buffer.alloc(16, row), reason: 'HTTP 422', state: 'due' });
    }
    const { run } = await runOnce({ rows: numberedRows(150), ledger, destination: refusing(bad), entity });
    assert.deepEqual(await run, { state: 'done' });
    assert.deepEqual([ledger.tracked.size, ledger.deadLetters.size], [50, 100]);
  });

  test('that are due and accepted are gone', async () => {
    const { ledger, tally } = await nightAfter('due', 'name 2', []);
    assert.deepEqual([ledger.deadLetters.size, tally.accepted], [0, 4]);
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
  assert.deepEqual([sizes(destination), tally.read, ledger.tracked.size], [[3], 0, 3]);
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
