import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type InProcessOptions, runInProcess } from '../fault/in-process.ts';
import { assertMeetsSchema } from '../report/schema.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const entry = (level: string, message: string) => `2026-11-23T03:00:01.234Z ${level.padEnd(5)} ${message}\n`;

describe('logs', () => {
  let cwd: string;
  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tamhr-sync-logs-'));
  });
  after(() => rm(cwd, { recursive: true }));

  const env = { PASSWORD: 'p4ssw0rd-of-the-test' };

  async function configure(logging: object | undefined): Promise<void> {
    const config = {
      connections: { hr: { server: 'db', database: 'HR', user: 'sync', password: '${env:PASSWORD}' } },
      log: { connection: 'hr' },
      ...(logging && { logging }),
      entities: [
        {
          name: 'Users',
          source: { connection: 'hr', table: 'dbo.Users', key: 'Id' },
          destination: { url: 'https://api.example/users' },
        },
      ],
    };
    await writeFile(join(cwd, 'sync.config.json'), JSON.stringify(config));
  }
  const logs = (args: readonly string[] = [], options: Partial<InProcessOptions> = {}) =>
    runInProcess(['logs', ...args], { cwd, env, ...options });

  it('without a configured file it says how to configure one: 78', async () => {
    await configure(undefined);
    const { code, stdout, stderr } = await logs();
    assert.deepEqual([code, stdout], [78, '']);
    assert.match(
      stderr,
      /^error: sync\.config\.json names no log file\.\nAdd "logging": \{ "file": "tamhr-sync\.log" \}/m,
    );
  });

  it('before the first run there is no file: 1', async () => {
    await configure({ file: 'never.log' });
    const { code, stdout, stderr } = await logs();
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /There is no log file .*never\.log yet\./);
  });

  it('a file that cannot be read is told, not taken for a bug: 1', async () => {
    await configure({ file: 'a-folder.log' });
    await mkdir(join(cwd, 'a-folder.log'));
    const { code, stderr } = await logs();
    assert.equal(code, 1, stderr);
    assert.match(stderr, /a-folder\.log cannot be read: EISDIR/);
  });

  describe('with a log of two files', () => {
    before(async () => {
      await configure({ file: 'tamhr-sync.log' });
      await writeFile(join(cwd, 'tamhr-sync.1.log'), entry('info', 'older') + entry('error', 'older error'));
      await writeFile(
        join(cwd, 'tamhr-sync.log'),
        `${entry('warn', `signed in with ${env.PASSWORD}`)}{"time":"2026-11-23T03:00:02.000Z","level":"info","message":"rows \\u001b[2J","rows":3}\n`,
      );
    });

    it('shows all of them, printable and redacted', async () => {
      const { code, stdout } = await logs();
      assert.equal(code, 0);
      assert.equal(
        stdout,
        `${entry('info', 'older')}${entry('error', 'older error')}${entry('warn', 'signed in with ***')}2026-11-23T03:00:02.000Z info  rows \\u001b[2J\n`,
      );
    });

    it('--lines and --level choose, the level first', async () => {
      assert.match((await logs(['--lines', '1'])).stdout, /^\S+ info {2}rows .*\n$/);
      assert.equal((await logs(['--lines', '1', '--level', 'error'])).stdout, entry('error', 'older error'));
      assert.equal((await logs(['--level', 'loud'])).code, 64);
    });

    it('--json prints a document a line, with what the entry holds besides', async () => {
      const { stdout } = await logs(['--json']);
      const documents = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      for (const document of documents) assertMeetsSchema('logs', document);
      assert.deepEqual(documents.at(-1), {
        time: '2026-11-23T03:00:02.000Z',
        level: 'info',
        message: 'rows \u001b[2J',
        rows: 3,
      });
      assert.equal(stdout.includes(env.PASSWORD), false);
    });

    it('colours what is severe on a terminal', async () => {
      const { stdout } = await logs([], { columns: 80 });
      assert.ok(stdout.includes(`\u001b[31m${entry('error', 'older error').trimEnd()}\u001b[39m\n`));
      assert.equal((await logs([], { columns: 80, env: { ...env, NO_COLOR: '1' } })).stdout.includes('\u001b'), false);
    });

    for (const [signal, expected] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      it(`--follow goes on until ${signal}: ${expected}`, async () => {
        const signals = new EventEmitter();
        const onStdout = (text: string) => {
          if (text.includes(`until ${signal}`)) signals.emit(signal, signal);
          else void appendFile(join(cwd, 'tamhr-sync.log'), entry('error', `until ${signal}`));
          return true;
        };
        const { code, stdout } = await logs(['--follow', '--lines', '1', '--level', 'error'], { signals, onStdout });
        assert.equal(code, expected);
        assert.ok(stdout.endsWith(entry('error', `until ${signal}`)), stdout);
        assert.equal(signals.listenerCount('SIGINT'), 0);
      });
    }

    it('--follow ends with 0 where nobody reads any more', async () => {
      assert.deepEqual(await logs(['--follow'], { onStdout: () => false }), { code: 0, stdout: '', stderr: '' });
    });
  });
});

describe('the log of a run', () => {
  const job = useJob(useSqlServer({ seed: { rows: 5 } }));

  for (const format of ['text', 'json']) {
    it(`is what logs shows afterwards, in the ${format} format`, async () => {
      await job.configure((config) => {
        config.logging = { file: `${format}.log`, format };
      });
      assert.equal((await job.run(['migrate'])).code, 0);
      assert.equal((await job.run(['run', '--entity', 'Users', '--full'])).code, 0);
      const { code, stdout } = await runInProcess(['logs'], { cwd: job.folder, env: job.env });
      assert.equal(code, 0);
      assert.match(stdout, /^\d{4}-\d\d-\d\dT\S+Z info {2}Users: /m);
    });
  }
});
