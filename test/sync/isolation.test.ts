import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { DestinationConfig } from '../../src/sync/entity.ts';
import {
  entityOf,
  keysOf,
  type MemoryAnswer,
  MemoryDestination,
  MemoryLedger,
  numberedRows,
  payloadsOf,
  refusing,
  sizesOf,
} from '../support/fakes.ts';
import { runOnce } from '../support/run-once.ts';

const entityWith = (destination: Partial<DestinationConfig>) => entityOf({ destination });

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
    assert.deepEqual(sizesOf(next.destination), [4, 4, 2]);
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
    assert.deepEqual([sizesOf(destination), ledger.maxRows], [[4, 4, 1], undefined]);
  });

  test('and has one row only is a dead letter', async () => {
    const destination = new MemoryDestination((batch) => (batch.keys.includes('2') ? 413 : undefined));
    const { ledger, run } = await runOnce({ rows: numberedRows(3), destination });
    await run;
    assert.deepEqual([...ledger.deadLetters.keys()], ['2']);
    assert.equal(ledger.tracked.size, 2);
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
    assert.deepEqual([sizesOf(destination), tally.oldDeadLetters, tally.pending], [[3], 1, 3]);
  });

  test('that are discarded are not sent, and count as nothing', async () => {
    const { destination, tally } = await nightAfter('discarded');
    assert.deepEqual([sizesOf(destination), tally.oldDeadLetters, tally.pending], [[3], 0, 3]);
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
