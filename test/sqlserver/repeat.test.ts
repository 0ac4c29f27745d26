import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRepeat, delayMs, type FaultPolicy, repeat } from '../../src/sqlserver/repeat.ts';
import { SyncError } from '../../src/sync/errors.ts';
import { settingsOf } from './fixture.ts';

/** Fails so many times, then gives what it was told of each try. */
function failing(times: number, error: Error = new Error('passes')) {
  const tries: boolean[] = [];
  const work = async (isRepeat: boolean) => {
    tries.push(isRepeat);
    if (tries.length <= times) throw error;
    return tries;
  };
  return { work, tries };
}

const never = new AbortController().signal;
const options = { forMs: () => 60_000, signal: never, mayPass: () => true, onRepeat: () => {} };

describe('repeating', () => {
  it('does the work again until it succeeds, and tells it that it was done before', async () => {
    assert.deepEqual(await repeat(failing(0).work, options), [false]);
    assert.deepEqual(await repeat(failing(2).work, options), [false, true, true]);
  });

  it('ends with what will not pass', async () => {
    const bug = new TypeError('bug');
    const { work, tries } = failing(9, bug);
    await assert.rejects(repeat(work, { ...options, mayPass: (error) => error !== bug }), bug);
    assert.equal(tries.length, 1);
  });

  it('ends when its time is up, which begins with the first failure', async () => {
    const { work, tries } = failing(Number.POSITIVE_INFINITY);
    await assert.rejects(repeat(work, { ...options, forMs: () => 40 }), /passes/);
    assert.ok(tries.length >= 2);
    const once = failing(9);
    await assert.rejects(repeat(once.work, { ...options, forMs: () => 0 }), /passes/);
    assert.equal(once.tries.length, 1);
    const successful = await repeat(failing(0).work, {
      ...options,
      forMs: () => assert.fail('asked for the time though nothing failed'),
    });
    assert.equal(successful.length, 1);
  });

  it('ends at once when it is aborted, in the middle of a pause too', async () => {
    const controller = new AbortController();
    const { work, tries } = failing(9);
    const ended = repeat(work, {
      ...options,
      signal: controller.signal,
      onRepeat: () => tries.length === 5 && setImmediate(() => controller.abort()),
    });
    await assert.rejects(ended, /passes/);
    assert.ok(tries.length < 9);
    const aborted = failing(9);
    await assert.rejects(repeat(aborted.work, { ...options, signal: AbortSignal.abort() }), /passes/);
    assert.equal(aborted.tries.length, 1);
  });

  it('begins at once, then waits for a random part of a time that doubles up to 5 s', () => {
    assert.equal(delayMs(1), 0);
    assert.deepEqual(
      [2, 3, 4, 5, 6, 7, 8, 99].map((failures) => delayMs(failures, () => 1)),
      [100, 200, 400, 800, 1600, 3200, 5000, 5000],
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const delay = delayMs(failures, () => random);
        return delay >= 0 && delay <= 5000;
      }),
    );
  });
});

describe('a connection repeats', async () => {
  const settings = await settingsOf('Server=db;Database=L;User Id=u;Password=p');
  const lost = new SyncError('LOG_DATABASE_UNAVAILABLE', 'Connection log: the connection to the server was lost.', '');
  const deadlock = new SyncError('LOG_DATABASE_REFUSED', "Connection log: error 1205: it's me", '', {
    cause: Object.assign(new Error('deadlock'), { number: 1205 }),
  });

  function policy(changes: Partial<FaultPolicy> = {}): FaultPolicy & { readonly told: string[] } {
    const told: string[] = [];
    return { abort: never, told, onRepeat: (message) => told.push(message), ...changes };
  }
  const always = () => true;

  it('nothing without a policy', async () => {
    const { work, tries } = failing(1);
    await assert.rejects(createRepeat(settings, undefined, always)(work), /passes/);
    assert.equal(tries.length, 1);
  });

  it('and tells what happened once a piece of work, without the text of the server', async () => {
    const faults = policy();
    const errors = [lost, lost, deadlock, lost];
    const repeating = createRepeat(settings, faults, always);
    await repeating(async () => {
      const error = errors.shift();
      if (error !== undefined) throw error;
    });
    assert.deepEqual(faults.told, [
      'Connection log: the connection to the server was lost; trying again.',
      'Connection log: error 1205 (deadlock victim); trying again.',
    ]);
  });

  it('for its retryForMs, and patiently until the deadline', async () => {
    const brief = { ...settings, retryForMs: 0 };
    const far = policy({ deadline: new Date(Date.now() + 60_000) });
    for (const [faults, patient, expected] of [
      [far, false, 1],
      [far, true, 3],
      [policy({ deadline: new Date(Date.now() - 1) }), true, 1],
      [policy(), true, 3],
    ] as const) {
      const { work, tries } = failing(2);
      await createRepeat(brief, faults, always)(work, { patient }).catch(() => {});
      assert.equal(tries.length, expected);
    }
    const past = policy({ deadline: new Date(Date.now() - 1) });
    const { work, tries } = failing(2);
    await createRepeat(settings, past, always)(work, { patient: true });
    assert.equal(tries.length, 3);
  });

  it('no longer once the run or the work itself is aborted', async () => {
    for (const [faults, how] of [
      [policy({ abort: AbortSignal.abort() }), {}],
      [policy(), { signal: AbortSignal.abort() }],
    ] as const) {
      const { work, tries } = failing(2);
      await assert.rejects(createRepeat(settings, faults, always)(work, how), /passes/);
      assert.equal(tries.length, 1);
    }
  });

  it('what it was told besides', async () => {
    const { work, tries } = failing(1);
    await createRepeat(settings, policy(), () => false)(work, { also: always });
    assert.equal(tries.length, 2);
  });
});
