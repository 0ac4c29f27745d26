import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The package as a user gets it: packed, installed from the registry into an empty folder. Run by `npm run test:tools`. */
describe('the package, installed into an empty folder', () => {
  let folder: string;

  /** A program's end. Rejects where it cannot be started or takes too long. */
  async function run(file: string, args: readonly string[], cwd: string) {
    const ended = promisify(execFile)(file, args, { cwd, timeout: 120_000, shell: process.platform === 'win32' });
    return ended.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error) => {
        if (typeof error.code !== 'number') throw error;
        return { code: error.code as number, stdout: error.stdout as string, stderr: error.stderr as string };
      },
    );
  }

  async function npm(args: readonly string[], cwd: string): Promise<string> {
    const { code, stdout, stderr } = await run('npm', args, cwd);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-install-'));
    const packed = (await npm(['pack', '--silent', '--pack-destination', folder], ROOT)).trim().split('\n').at(-1);
    await writeFile(join(folder, 'package.json'), '{ "private": true }');
    await npm(['install', '--silent', '--no-audit', '--no-fund', join(folder, packed ?? ''), 'node@22'], folder);
  });
  after(() => rm(folder, { recursive: true }));

  for (const [version, node] of [
    [22, () => join(folder, 'node_modules', '.bin', 'node')],
    [24, () => process.execPath],
  ] as const) {
    it(`every command works from there on Node ${version}`, async () => {
      const tool = (...args: string[]) =>
        run(node(), [join(folder, 'node_modules', 'tamhr-sync', 'bin', 'tamhr-sync.js'), ...args], folder);
      assert.match((await tool('--version')).stdout, new RegExp(`^tamhr-sync \\S+ \\(Node ${version}\\.`));
      const commands = [...(await tool('--help')).stdout.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name = '']) => name);
      assert.ok(commands.includes('run') && commands.includes('schedule'), String(commands));
      for (const command of commands) {
        const { code, stderr } = await tool('help', command);
        assert.deepEqual([command, code, stderr], [command, 0, '']);
      }
      const created = await tool('migrate', '--print');
      assert.equal(created.stdout.includes(await readFile(join(ROOT, 'sql', '003-changes.sql'), 'utf8')), true);
      const { code, stderr } = await tool('plan');
      assert.equal(code, 78, stderr);
      assert.match(stderr, /^error: /);
    });
  }
});
