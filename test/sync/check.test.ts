import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Check, exitCodeOfChecks, type Finding, runChecks } from '../../src/sync/check.ts';
import { SyncError } from '../../src/sync/errors.ts';

const OK: Finding = { state: 'ok', found: 'fine' };
const FAILED: Finding = { state: 'failed', found: 'broken' };
const LIMITS = { timeoutMs: 10_000, atOnce: 8 };

function checkOf(id: string, run: Check['run'], more: Partial<Check> = {}): Check {
  return { id, kind: 'connection', subject: id, run, ...more };
}

/** Ends when the signal aborts, and says whether it did. */
function hanging() {
  const seen = { aborted: false };
  const run = (signal: AbortSignal) =>
    new Promise<Finding>((_, reject) => {
      signal.addEventListener('abort', () => {
        seen.aborted = true;
        reject(new Error('cut off'));
      });
    });
  return { seen, run };
}

describe('checks', () => {
  it('run at the same time, and stand in the order of the table', async () => {
    const gate = Promise.withResolvers<Finding>();
    const results = await runChecks(
      [
        checkOf('a', () => gate.promise),
        checkOf('b', () => {
          gate.resolve(OK);
          return FAILED;
        }),
      ],
      LIMITS,
    );
    assert.deepEqual(
      results.map(({ id, state }) => [id, state]),
      [
        ['a', 'ok'],
        ['b', 'failed'],
      ],
    );
  });

  it('run no more at once than they may, and one that waits for others takes no place', async () => {
    let running = 0;
    let most = 0;
    const run = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return OK;
    };
    const first = checkOf('first', run);
    const others = ['a', 'b', 'c', 'd'].map((id) => checkOf(id, run, { needs: ['first'] }));
    const results = await runChecks([first, ...others], { timeoutMs: 10_000, atOnce: 2 });
    assert.equal(results.filter(({ state }) => state === 'ok').length, 5);
    assert.equal(most, 2);
  });

  it('are left out where one that they need failed or was left out, and say so', async () => {
    let ran = false;
    const run = () => {
      ran = true;
      return OK;
    };
    const results = await runChecks(
      [checkOf('a', () => FAILED), checkOf('b', run, { needs: ['a'] }), checkOf('c', run, { needs: ['b'] })],
      LIMITS,
    );
    assert.deepEqual(
      results.map(({ state, found }) => [state, found]),
      [
        ['failed', 'broken'],
        ['skipped', 'not checked, since connection a failed'],
        ['skipped', 'not checked, since connection b was not'],
      ],
    );
    assert.equal(ran, false);
  });

  it('that only come after another run however that ended', async () => {
    const order: string[] = [];
    const noting = (id: string, finding: Finding) => () => {
      order.push(id);
      return finding;
    };
    const results = await runChecks(
      [checkOf('a', noting('a', FAILED)), checkOf('b', noting('b', OK), { after: ['a'] })],
      LIMITS,
    );
    assert.deepEqual([order, results[1]?.state], [['a', 'b'], 'ok']);
  });

  it('that hang are cut off at the time limit, one by one', async () => {
    const [one, other] = [hanging(), hanging()];
    const results = await runChecks(
      [checkOf('a', one.run), checkOf('b', other.run, { tooLong: 'warning' }), checkOf('c', () => OK)],
      { timeoutMs: 20, atOnce: 1 },
    );
    assert.deepEqual(
      results.map(({ state, found }) => [state, found]),
      [
        ['failed', 'took longer than 0.02 s'],
        ['warning', 'took longer than 0.02 s'],
        ['ok', 'fine'],
      ],
    );
    assert.ok(one.seen.aborted && other.seen.aborted);
  });

  it('that reject with a SyncError failed, with its message and hint and without naming the subject twice', async () => {
    const fails = async (): Promise<Finding> => {
      throw new SyncError('SOURCE_MISSING', 'Users: dbo.X is not there.', 'Create it.');
    };
    const [result] = await runChecks([checkOf('Users', fails, { kind: 'source' })], LIMITS);
    const { state, found, remedy } = result ?? {};
    assert.deepEqual([state, found, remedy], ['failed', 'dbo.X is not there.', 'Create it.']);
  });

  it('that reject with anything else are a bug', async () => {
    const fails = async (): Promise<Finding> => {
      throw new TypeError('a bug');
    };
    await assert.rejects(runChecks([checkOf('a', fails)], LIMITS), TypeError);
  });

  it('end with 1 for a failure, and with 0 for warnings and what was not checked', () => {
    assert.equal(exitCodeOfChecks([{ state: 'ok' }, { state: 'warning' }, { state: 'skipped' }]), 0);
    assert.equal(exitCodeOfChecks([{ state: 'ok' }, { state: 'failed' }]), 1);
  });
});
