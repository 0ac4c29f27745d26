import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EXIT_CODES } from '../src/sync/exit-codes.ts';
import { VERSION } from '../src/version.ts';
import { runCli } from './support/cli.ts';

/** Runs a script in the process before the program. */
const beforehand = (script: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}`,
});

describe('the command line', () => {
  let cwd: string;
  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tamhr-sync-cli-'));
  });
  after(() => rm(cwd, { recursive: true }));

  it('says its version, and those of Node and of the libraries that talk to servers', async () => {
    const versionOf = async (name: string) => {
      const text = await readFile(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8');
      return JSON.parse(text).version;
    };
    const libraries = `tedious ${await versionOf('tedious')}, undici ${await versionOf('undici')}`;
    const stdout = `tamhr-sync ${VERSION} (Node ${process.versions.node}, ${libraries})\n`;
    for (const option of ['--version', '-V'])
      assert.deepEqual(await runCli([option], { cwd }), { code: 0, stdout, stderr: '' });
  });

  it('lists every exit code in its help and in that of each command', async () => {
    for (const args of [['--help'], ['run', '--help'], ['help', 'status'], ['config', 'print', '--help']]) {
      const { code, stdout } = await runCli(args, { cwd });
      assert.equal(code, 0);
      const words = stdout.replaceAll(/\s+/g, ' ');
      for (const [exitCode, meaning] of Object.entries(EXIT_CODES)) assert.ok(words.includes(`${exitCode} ${meaning}`));
      assert.match(stdout, /--config <file>/);
    }
  });

  it('says in one line which Node it needs when started on an older one', async () => {
    const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`;
    const { code, stderr } = await runCli(['run'], { cwd, env: beforehand(older) });
    assert.equal(code, 78);
    assert.match(stderr, /^tamhr-sync needs Node\.js 22\.19 .* this is 20\.20\.2\.\n$/);
  });

  it('goes on when nobody reads its output any more', async () => {
    const onStart = (child: ChildProcess) => child.stdout?.destroy();
    const { code, stderr } = await runCli(['config', 'schema'], { cwd, onStart });
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('ends with 70 at an error that nobody expected, and asks for a report', async () => {
    const broken = `process.stdout.write = () => { throw new TypeError('planted') }`;
    const { code, stderr } = await runCli(['config', 'schema'], { cwd, env: beforehand(broken) });
    assert.equal(code, 70, stderr);
    assert.match(stderr, /a bug in tamhr-sync; please report it.*planted/s);
  });
});
