import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { configReference } from '../src/config/reference.ts';
import { EXIT_CODES } from '../src/sync/exit-codes.ts';
import { type InProcessOptions, runInProcess } from './fault/in-process.ts';
import { assertGolden } from './report/golden.ts';

async function printed(args: readonly string[], options: Partial<InProcessOptions> = {}): Promise<string> {
  const { code, stdout, stderr } = await runInProcess(args, { cwd: '/', ...options });
  assert.deepEqual([code, stderr], [0, ''], args.join(' '));
  return stdout;
}

/** Each command with each of its subcommands, as the help texts name them; what they add for help itself is left out. */
async function commandsBelow(...path: string[]): Promise<string[][]> {
  const help = await printed([...path, '--help'], { columns: 200 });
  const [, list = ''] = /\nCommands:\n((?: {2}.*\n)+)/.exec(stripVTControlCharacters(help)) ?? [];
  const names = [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
  const below: string[][] = [];
  for (const name of names) below.push(...(await commandsBelow(...path, name)));
  return [path, ...below];
}

/** Every help text one after the other, under the command line that prints it. */
async function allHelp(options: Partial<InProcessOptions>): Promise<string> {
  let all = '';
  for (const path of [...(await commandsBelow()), ['help']]) {
    const args = [...path, '--help'];
    const help = await printed(args, options);
    // Each ends with the same exit codes; the first shows how they look.
    const body = path.length === 0 ? help : help.replace(/\n\n\S*Exit codes:[\s\S]*$/, '\n');
    all += `$ tamhr-sync ${args.join(' ')}\n${body}\n`;
  }
  return all;
}

describe('the help texts', () => {
  for (const columns of [60, 80, 200]) {
    it(`of every command, ${columns} columns`, async () => {
      const help = await allHelp({ columns, env: { NO_COLOR: '1' } });
      assertGolden(`help-${columns}`, help);
      for (const line of help.split('\n')) assert.ok(stringWidth(line) <= columns || line.startsWith('$'), line);
    });

    it(`on every topic, ${columns} columns`, async () => {
      for (const topic of ['exit-codes', 'secrets', 'topics', 'configuration']) {
        const text = await printed(['help', topic], { columns, env: { NO_COLOR: '1' } });
        // All keys would make the file change with each of them, and say what the README's table says.
        if (topic !== 'configuration') assertGolden(`help-${topic}-${columns}`, text);
        for (const line of text.split('\n')) assert.ok(stringWidth(line) <= columns, line);
      }
      assertGolden(
        `help-configuration-logging-${columns}`,
        await printed(['help', 'configuration', 'logging'], { columns, env: { NO_COLOR: '1' } }),
      );
    });
  }

  it('where stdout is no terminal, it is that of 80 columns', async () => {
    assert.equal(await allHelp({}), await allHelp({ columns: 80, env: { NO_COLOR: '1' } }));
  });

  for (const [name, options, isColoured] of [
    ['a terminal', { columns: 80 }, true],
    ['a terminal with NO_COLOR', { columns: 80, env: { NO_COLOR: '1' } }, false],
    ['a dumb terminal', { columns: 80, env: { TERM: 'dumb' } }, false],
    ['a pipe', {}, false],
    ['a pipe with FORCE_COLOR', { env: { FORCE_COLOR: '1' } }, true],
    ['a terminal with FORCE_COLOR=0', { columns: 80, env: { FORCE_COLOR: '0' } }, false],
  ] as const) {
    it(`${name} gets ${isColoured ? 'bold titles' : 'plain text'}, the same words`, async () => {
      for (const args of [
        ['run', '--help'],
        ['help', 'exit-codes'],
      ]) {
        const text = await printed(args, options);
        assert.equal(text.includes('\u001b[1m'), isColoured);
        assert.equal(stripVTControlCharacters(text), await printed(args));
      }
    });
  }

  it('what wrong usage prints on stderr is not coloured for the sake of stdout', async () => {
    const { code, stderr } = await runInProcess(['run', '--limt'], { cwd: '/', columns: 80 });
    assert.deepEqual([code, stderr.includes('\u001b')], [64, false]);
  });
});

describe('help', () => {
  it('on a command is what its --help prints, at any depth', async () => {
    for (const path of [[], ['run'], ['ledger', 'show'], ['help']]) {
      assert.equal(await printed(['help', ...path]), await printed([...path, '--help']));
    }
  });

  it('on exit codes names all of the table', async () => {
    const text = (await printed(['help', 'exit-codes'])).replaceAll(/\s+/g, ' ');
    for (const [code, meaning] of Object.entries(EXIT_CODES)) assert.ok(text.includes(` ${code} ${meaning}`), code);
  });

  it('on the configuration names all keys of the schema, or one with those below it', async () => {
    const lines = (await printed(['help', 'configuration'])).split('\n');
    for (const { key } of configReference()) assert.ok(lines.includes(key), key);
    const schedule = (await printed(['help', 'configuration', 'schedule'])).split('\n');
    assert.deepEqual(
      schedule.filter((line) => /^\S/.test(line)),
      ['schedule', 'schedule.cron', 'schedule.timeZone'],
    );
  });

  it("the topic's smallest configuration is valid", async () => {
    const text = await printed(['help', 'configuration']);
    const example = text.slice(text.indexOf('  {\n'), text.indexOf('\n  }\n') + 4);
    const cwd = await mkdtemp(join(tmpdir(), 'tamhr-sync-help-'));
    try {
      await writeFile(join(cwd, 'sync.config.json'), example);
      const env = { HR_CONNECTION: 'Server=db;Database=HR;User Id=sync;Password=p4ssw0rd' };
      assert.match(await printed(['config', 'validate'], { cwd, env }), /is valid: 1 entity, 1 connection$/m);
    } finally {
      await rm(cwd, { recursive: true });
    }
  });

  it('on what there is not is wrong usage, and tells what there is', async () => {
    for (const [args, hint] of [
      [['nope'], /^Commands are: init, run, .* Topics are: exit-codes, /m],
      [['ledger', 'nope'], /^Commands of ledger are: show, /m],
      [['configuration', 'nope'], /help configuration lists all keys/],
      [['secrets', 'nope'], /Try tamhr-sync help secrets/],
    ] as const) {
      const { code, stdout, stderr } = await runInProcess(['help', ...args], { cwd: '/' });
      assert.deepEqual([code, stdout], [64, '']);
      assert.match(stderr, hint);
    }
  });
});
