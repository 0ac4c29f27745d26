import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { main } from '../../src/cli.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const BIN = fileURLToPath(new URL('../../bin/tamhr-sync.js', import.meta.url));

async function ended(child: ChildProcess) {
  const [stderr, [code]] = await Promise.all([text(child.stderr as NodeJS.ReadableStream), once(child, 'close')]);
  return { code, stderr };
}

describe('what a command prints on stdout', () => {
  const job = useJob(useSqlServer({ seed: { rows: 3 } }));
  before(async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
  });

  /** Runs a command line whose writes on stdout fail with these codes in turn, and gives exit code and stderr. */
  async function failing(args: readonly string[], ...errorCodes: readonly string[]) {
    let stderr = '';
    const failures = errorCodes.map((code) => Object.assign(new Error(code), { code })).values();
    const code = await main(args, {
      stdout: { isTTY: false, write: (_, written) => setImmediate(() => written?.(failures.next().value)) },
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
      const written = await failing(args);
      for (const code of ['EPIPE', 'EOF']) {
        const unread = await failing(args, code);
        assert.doesNotMatch(unread.stderr, /cannot be written/);
        assert.equal(unread.code, written.code);
      }
    });
  }

  it('of a run is a warning where the disk is full: the exit code tells of what was sent', async () => {
    const full = await failing(['run', '--entity', 'Users'], 'ENOSPC');
    assert.match(full.stderr, /^warning: stdout cannot be written: ENOSPC\.\n/m);
    assert.equal(full.code, 0);
  });

  it('of a dry run is its result', async () => {
    const full = await failing(['run', '--entity', 'Users', '--dry-run'], 'ENOSPC');
    assert.match(full.stderr, /^error: stdout cannot be written: ENOSPC\.\n/m);
    assert.equal(full.code, 1);
  });

  it('counts as failed by its first failure, whatever the stream says afterwards', async () => {
    const args = ['schedule', 'print', '--as', 'systemd'];
    assert.equal((await failing(args, 'ENOSPC', 'ERR_STREAM_DESTROYED')).code, 1);
    assert.equal((await failing(args, 'ERR_STREAM_DESTROYED', 'ENOSPC')).code, 0);
  });

  it('is not taken for whole where a file takes only a part of it', async () => {
    const limited = `trap '' XFSZ; ulimit -f 8; exec "$0" "$@" > "$FILE"`;
    const FILE = join(job.folder, 'schema.json');
    const { code, stderr } = await ended(
      spawn('bash', ['-c', limited, process.execPath, BIN, 'config', 'schema'], {
        env: { ...process.env, FILE },
        stdio: ['ignore', 'ignore', 'pipe'],
      }),
    );
    assert.match(stderr, /^error: stdout cannot be written: EFBIG\.\n/);
    assert.equal(code, 1);
    assert.equal((await stat(FILE)).size, 8 * 1024);
  });

  it('does not hide an exit code of its own', async () => {
    const { code, stderr } = await failing(['check', '--config', 'missing.json', '--json'], 'ENOSPC');
    assert.match(stderr, /^error: stdout cannot be written: ENOSPC\.\n/m);
    assert.equal(code, 78);
  });
});
