import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { withGeneratedTables } from '../dev/readme.ts';
import { main } from '../src/cli.ts';

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');

async function helpOf(...command: string[]): Promise<string> {
  let text = '';
  const stream = {
    isTTY: false,
    write: (more: string, written?: () => void) => {
      text += more;
      written?.();
    },
  };
  const io = { stdout: stream, stderr: stream, env: {}, cwd: '/', signals: new EventEmitter() };
  assert.equal(await main([...command, '--help'], io), 0);
  return text;
}

/** Names in the first column of a help text's section. */
function listed(help: string, section: string, pattern: RegExp): string[] {
  const [, lines = ''] = new RegExp(`^${section}:\\n((?:  .*\\n)+)`, 'm').exec(help) ?? [];
  return [...lines.matchAll(pattern)].map(([, name = '']) => name);
}
const commandsIn = (help: string) => listed(help, 'Commands', /^ {2}([a-z]+)/gm).filter((name) => name !== 'help');
const optionsIn = (help: string) => listed(help, 'Options', /^ {2}(?:-\w, )?(--[a-z-]+)/gm);

test('the README covers every command with every option of it', async () => {
  const top = await helpOf();
  const commands = commandsIn(top);
  assert.ok(commands.length >= 4, `commands in the help: ${commands}`);
  for (const option of optionsIn(top)) assert.ok(readme.includes(`\`${option}`), `README names ${option}`);
  for (const command of commands) {
    assert.ok(readme.includes(`### \`tamhr-sync ${command}`), `README has a section for ${command}`);
    const section = readme.slice(readme.indexOf(`### \`tamhr-sync ${command}`)).split(/\n##+ /, 1)[0] ?? '';
    const help = await helpOf(command);
    for (const subcommand of commandsIn(help)) assert.ok(section.includes(subcommand), `${command} ${subcommand}`);
    for (const option of optionsIn(help)) {
      if (option !== '--help') assert.ok(section.includes(`\`${option}`), `${command}: README names ${option}`);
    }
  }
});

test("the README's tables of configuration keys and exit codes are those of the code", () => {
  assert.equal(readme, withGeneratedTables(readme), 'node dev/readme.ts writes them anew');
});

test('the two commands of the README exist', async () => {
  const { scripts } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  for (const [, name = ''] of readme.matchAll(/npm run ([a-z:]+)/g)) assert.ok(name in scripts, `npm run ${name}`);
});
