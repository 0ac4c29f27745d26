import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { createRetryBudget, type DeliveryOptions, deliver } from '../../src/sync/delivery.ts';
import { createPacer } from '../../src/sync/pacer.ts';
import type { Batch } from '../../src/sync/ports.ts';
import { type MemoryAnswer, MemoryDestination } from '../support/fakes.ts';

const batch: Batch = {
  id: '7d3b6c0e-5d7c-4f0e-9f0a-3c1b2a4d5e6f',
  operation: 'upsert',
  keys: ['1'],
  hashes: Buffer.alloc(16),
  offsets: Uint32Array.of(1),
  body: Buffer.from('[{}]'),
};

/** Delivers against answers in order, the last one for ever. */
function delivery(answers: readonly MemoryAnswer[], changes: Partial<DeliveryOptions> & { maxAttempts?: number } = {}) {
  const destination = new MemoryDestination((_, call) => answers[Math.min(call, answers.length) - 1]);
  const { maxAttempts = 4, ...rest } = changes;
  const waits: number[] = [];
  const options: DeliveryOptions = {
    destination,
    config: { maxAttempts, retryDelayMs: 1, maxRetryDelayMs: 4 },
    pacer: createPacer({}),
    budget: createRetryBudget(100),
    stop: new AbortController().signal,
    abort: new AbortController().signal,
    longestWaitMs: () => 60_000,
    onTooLongWait: () => {},
    onRetry: (_, delayMs) => waits.push(delayMs),
    ...rest,
  };
  const run = (ambiguous = false, serverErrorRefuses = false) =>
    deliver(batch, { ambiguous, serverErrorRefuses }, options);
  return { destination, run, waits };
}

test('an answer that decides ends it at the first attempt', async () => {
  const { run, destination } = delivery([422]);
  assert.equal((await run()).verdict, 'halve');
  assert.equal(destination.sent.length, 1);
});

test('a retried answer is followed by the same batch, until it is accepted', async () => {
  const { run, destination, waits } = delivery([503, { error: 'reset' }, 429, 200]);
  const { verdict, attempts } = await run();
  assert.equal(verdict, 'accepted');
  assert.deepEqual(
    attempts.map(({ status }) => status),
    [503, undefined, 429, 200],
  );
  assert.ok(destination.sent.every((sent) => sent === batch));
  assert.equal(waits.length, 3);
  assert.ok(waits.every((wait, index) => wait >= 0 && wait <= 2 ** index));
});

describe('where no further attempt may be made', () => {
  test('a batch that may have been taken is unknown, one that was certainly not is refused', async () => {
    for (const [answer, verdict] of [
      [503, 'unknown'],
      [{ error: 'reset' }, 'unknown'],
      [429, 'refused'],
      [{ error: 'connection refused', notSent: true }, 'refused'],
    ] as const) {
      const { run, destination } = delivery([answer]);
      assert.equal((await run()).verdict, verdict);
      assert.equal(destination.sent.length, 4);
    }
  });

  test('one ambiguous attempt among certain ones is enough for unknown', async () => {
    assert.equal((await delivery([429, 500, 429]).run()).verdict, 'unknown');
  });

  test('a replay is ambiguous from the start', async () => {
    assert.equal((await delivery([429]).run(true)).verdict, 'unknown');
    assert.equal((await delivery([422]).run(true)).verdict, 'unknown');
    assert.equal((await delivery([409, 409, 200]).run(true)).verdict, 'accepted');
  });

  test('a 500 counts as refused where it is meant to, after as many attempts', async () => {
    const { run, destination } = delivery([500]);
    assert.equal((await run(false, true)).verdict, 'halve');
    assert.equal(destination.sent.length, 4);
  });

  test('but no 502, 503 or 504, nor a 500 where fewer attempts could be made', async () => {
    for (const status of [502, 503, 504]) assert.equal((await delivery([status]).run(false, true)).verdict, 'unknown');
    const { run } = delivery([500], { budget: createRetryBudget(1) });
    assert.equal((await run(false, true)).verdict, 'unknown');
  });
});

test('the waits are random below a bound that doubles up to maxRetryDelayMs', async (context) => {
  context.mock.method(Math, 'random', () => 0.999);
  const { run, waits } = delivery([503], { maxAttempts: 5 });
  await run();
  assert.deepEqual(
    waits.map((wait) => Math.round(wait)),
    [1, 2, 4, 4],
  );
});

test("the run's budget of retries ends it early", async () => {
  const budget = createRetryBudget(1);
  const first = delivery([503], { budget });
  assert.equal((await first.run()).verdict, 'unknown');
  assert.equal(first.destination.sent.length, 2);
  const second = delivery([503], { budget });
  await second.run();
  assert.equal(second.destination.sent.length, 1);
});

test('the wait that the destination asks for is kept, before the next attempt and for other batches', async () => {
  const pacer = createPacer({});
  const { run, waits } = delivery([{ status: 503, error: 'busy', waitMs: 50 }, 200], { pacer });
  const start = performance.now();
  assert.equal((await run()).verdict, 'accepted');
  assert.ok(performance.now() - start >= 50);
  assert.ok((waits[0] ?? 0) >= 50);
});

test('a wait longer than the run lasts ends it, and is told', async () => {
  const asked: number[] = [];
  const { run, destination } = delivery([{ status: 429, error: 'busy', waitMs: 3_600_000 }], {
    onTooLongWait: (waitMs) => asked.push(waitMs),
  });
  assert.equal((await run()).verdict, 'refused');
  assert.deepEqual([destination.sent.length, asked], [1, [3_600_000]]);
});

test('a stop ends the wait for the next attempt', async () => {
  const stop = new AbortController();
  const { run, destination } = delivery([503], {
    stop: stop.signal,
    config: { maxAttempts: 4, retryDelayMs: 3_600_000, maxRetryDelayMs: 3_600_000 },
    onRetry: () => stop.abort('SIGTERM'),
  });
  assert.equal((await run()).verdict, 'unknown');
  assert.equal(destination.sent.length, 1);
});

test('an answer that came before the abort counts', async () => {
  const abort = new AbortController();
  const destination = new MemoryDestination(() => {
    abort.abort('SIGHUP');
    return 200;
  });
  assert.equal((await delivery([], { destination, abort: abort.signal }).run()).verdict, 'accepted');
});

test('after the deadline an answer that asks for no wait opens nothing', async () => {
  const asked: number[] = [];
  const { run } = delivery([200], { longestWaitMs: () => -5, onTooLongWait: (waitMs) => asked.push(waitMs) });
  await run();
  assert.deepEqual(asked, []);
});

test('an abort that cuts the attempt off leaves the batch as it is', async () => {
  const abort = new AbortController();
  const destination = new MemoryDestination(() => {
    abort.abort('SIGHUP');
    return { error: 'aborted' };
  });
  assert.equal((await delivery([], { destination, abort: abort.signal }).run()).verdict, 'aborted');
});
