import assert from 'node:assert/strict';
import test from 'node:test';
import { createPacer } from '../../src/sync/pacer.ts';

const never = new AbortController().signal;

/** The time of each turn in milliseconds, for requests of so many rows. */
async function turns(rates: Parameters<typeof createPacer>[0], rows: readonly number[]): Promise<number[]> {
  const start = performance.now();
  const pacer = createPacer(rates);
  const times: number[] = [];
  for (const count of rows) {
    assert.equal(await pacer.turn(count, never), true);
    times.push(performance.now() - start);
  }
  return times;
}

test('without rates every turn comes at once', async () => {
  const pacer = createPacer({}, () => 0);
  for (let turn = 0; turn < 100; turn += 1) assert.equal(await pacer.turn(3000, never), true);
});

test('requests keep the distance that the rate allows, never less', async () => {
  const [, second = 0, third = 0] = await turns({ requestsPerSecond: 20 }, [1, 1, 1]);
  assert.ok(second >= 50 && third >= 100, `${second} ${third}`);
});

test('a request of many rows makes the next one wait longer', async () => {
  const [, second = 0, third = 0] = await turns({ rowsPerSecond: 1000 }, [100, 10, 1]);
  assert.ok(second >= 100 && third >= 110, `${second} ${third}`);
});

test('a pause holds up the next turn, and a shorter one later does not end it', async () => {
  const pacer = createPacer({});
  const start = performance.now();
  pacer.pause(60);
  pacer.pause(1);
  assert.equal(await pacer.turn(1, never), true);
  assert.ok(performance.now() - start >= 60);
});

test('a stop ends the wait, and the turn is not taken', async () => {
  const pacer = createPacer({});
  const stop = new AbortController();
  pacer.pause(60_000);
  const turn = pacer.turn(1, stop.signal);
  stop.abort();
  assert.equal(await turn, false);
  assert.equal(await createPacer({}).turn(1, stop.signal), false);
});
