import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EXIT_CODES } from '../src/sync/exit-codes.ts';
import { VERSION } from '../src/version.js';
import { runCli } from './support/cli.ts';

/** Runs a script in the process before the program. */
const beforehand = (script: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}`,
});

/** Prints on stderr, one a line, what was loaded of files. */
const LISTING = `
  import { registerHooks } from 'node:module';
  const urls = [];
  registerHooks({
    load(url, context, next) {
      if (url.startsWith('file:')) urls.push(url);
      return next(url, context);
    },
  });
  process.on('exit', () => console.error(urls.join('\\n')));`;

describe('the command line', () => {
  let cwd: string;
  /** The files that this command line loads, in that order; those of the checkout from its folder on. */
  const loadedBy = async (args: readonly string[]) => {
    const { stderr } = await runCli(args, { cwd, env: beforehand(LISTING) });
    const root = new URL('..', import.meta.url).href;
    return stderr
      .trim()
      .split('\n')
      .map((url) => url.replace(root, ''));
  };
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
    for (const args of [['--version'], ['-V'], ['--config', 'any.json', '--version'], ['run', '-V']])
      assert.deepEqual(await runCli(args, { cwd }), { code: 0, stdout, stderr: '' });
  });

  it('loads nothing but the versions to say its version', async () => {
    assert.deepEqual(await loadedBy(['--version']), ['bin/tamhr-sync.js', 'src/version.js']);
  });

  it('loads one command for its help, and no library but commander', async () => {
    const loaded = await loadedBy(['status', '--help']);
    const commands = loaded.filter((path) => /^src\/commands\/[a-z]+\.ts$/.test(path));
    assert.deepEqual(commands, ['src/commands/status.ts', 'src/commands/entities.ts']);
    const libraries = loaded.flatMap((path) => /node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
    assert.deepEqual([...new Set(libraries)], ['node_modules/commander']);
  });

  it('knows every command wherever its name stands', async () => {
    for (const args of [
      ['--config', 'any.json', 'status', '--help'],
      ['help', 'status'],
    ])
      assert.equal((await runCli(args, { cwd })).stdout, (await runCli(['status', '--help'], { cwd })).stdout);
    assert.equal((await runCli(['--help', 'run'], { cwd })).stdout, (await runCli(['--help'], { cwd })).stdout);
    assert.match((await runCli(['statsu'], { cwd })).stderr, /Did you mean status\?/);
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
