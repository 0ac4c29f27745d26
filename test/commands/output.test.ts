import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { before, describe, it } from 'node:test';
import { main } from '../../src/cli.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

describe('what a command prints on stdout', () => {
  const job = useJob(useSqlServer({ seed: { rows: 3 } }));
  before(async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
  });

  /** Runs a command line whose stdout fails with this code, and gives exit code and stderr. */
  async function failing(args: readonly string[], errorCode: string) {
    let stderr = '';
    const failure = Object.assign(new Error(errorCode), { code: errorCode });
    const code = await main(args, {
      stdout: { isTTY: false, write: (_, written) => setImmediate(() => written?.(failure)) },
      stderr: {
        isTTY: false,
        write(text) {
          stderr += text;
        },
      },
      env: job.env,
      cwd: job.folder,
      signals: new EventEmitter(),
    });
    return { code, stderr };
  }

  for (const args of [
    ['--help'],
    ['help', 'topics'],
    ['plan', '--entity', 'Users'],
    ['plan', '--json'],
    ['status'],
    ['status', '--json'],
    ['check', '--entity', 'Users'],
    ['runs'],
    ['failures', 'list'],
    ['ledger', 'verify', '--entity', 'Users', '--json'],
    ['config', 'validate'],
    ['config', 'schema'],
    ['migrate', '--print'],
    ['schedule', 'print', '--as', 'cron'],
    ['completion', 'bash'],
  ]) {
    it(`of ${args.join(' ')} ends it with 1 where the disk is full, and is none's fault where nobody reads`, async () => {
      const full = await failing(args, 'ENOSPC');
      assert.match(full.stderr, /^error: stdout cannot be written: ENOSPC\.\n/m);
      assert.equal(full.code, 1);
      assert.doesNotMatch((await failing(args, 'EPIPE')).stderr, /cannot be written/);
    });
  }

  it('of a run is a warning where the disk is full: the exit code tells of what was sent', async () => {
    const full = await failing(['run', '--entity', 'Users'], 'ENOSPC');
    assert.match(full.stderr, /^warning: stdout cannot be written: ENOSPC\.\n/m);
    assert.equal(full.code, 0);
  });

  it('does not hide an exit code of its own', async () => {
    const { code, stderr } = await failing(['check', '--config', 'missing.json', '--json'], 'ENOSPC');
    assert.match(stderr, /^error: stdout cannot be written: ENOSPC\.\n/m);
    assert.equal(code, 78);
  });
});
