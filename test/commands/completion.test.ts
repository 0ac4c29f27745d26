import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runInProcess } from '../fault/in-process.ts';

const entity = (name: string, enabled = true) => ({ name, enabled });

describe('completion', () => {
  let cwd: string;
  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tamhr-sync-completion-'));
    // References stay unresolved: nobody has the secrets at hand while typing.
    const connections = { hr: '${env:NOBODY_SET_THIS}' };
    const entities = [
      entity('Users'),
      entity('ActualOrg'),
      entity('Off', false),
      entity('$(reboot)'),
      entity('two words'),
    ];
    await writeFile(join(cwd, 'sync.config.json'), JSON.stringify({ connections, entities }));
    await writeFile(join(cwd, 'other.json'), JSON.stringify({ entities: [entity('Others')] }));
    await writeFile(join(cwd, 'broken.json'), '{');
  });
  after(() => rm(cwd, { recursive: true }));

  /** What the last word may be, and whether it may be the name of a file. */
  async function completed(...words: string[]): Promise<{ words: string[]; files: boolean }> {
    const { code, stdout, stderr } = await runInProcess(['complete', '--', ...words], { cwd });
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout.trimEnd().split('\n');
    const directive = lines.pop();
    assert.match(directive ?? '', /^:[04]$/);
    return { words: lines.map((line) => line.split('\t')[0] ?? ''), files: directive === ':0' };
  }
  const only = (...words: string[]) => ({ words, files: false });

  it('completes commands and subcommands', async () => {
    assert.deepEqual(await completed('run'), only('run', 'runs'));
    assert.deepEqual(await completed('ledger', 'ex'), only('export'));
    assert.ok(!(await completed('')).words.includes('complete'), 'the hidden command is not offered');
  });

  it('completes options of the command and of every command, each with its meaning', async () => {
    assert.deepEqual(await completed('run', '--re'), only('--resend-unknown', '--resolve-only'));
    assert.deepEqual(await completed('ledger', 'show', '--sec'), only('--secrets'));
    const { stdout } = await runInProcess(['complete', '--', 'run', '--dry'], { cwd });
    assert.equal(stdout, '--dry-run\tread and count, but send and store nothing\n:4\n');
  });

  it('completes values that are known, and names of files where an option takes one', async () => {
    assert.deepEqual(await completed('logs', '--level', ''), only('error', 'warn', 'info', 'debug'));
    assert.deepEqual(await completed('run', '--limit', ''), only());
    assert.deepEqual(await completed('run', '--config', 'sy'), { words: [], files: true });
    assert.deepEqual(await completed('completion', 'b'), only('bash'));
    assert.deepEqual(await completed('help', 'se'), only('secrets'));
  });

  it('completes the enabled entities whose names need no quotes, without any secret', async () => {
    assert.deepEqual(await completed('run', '--entity', ''), only('Users', 'ActualOrg'));
    assert.deepEqual(await completed('run', '--entity', 'U'), only('Users'));
    assert.deepEqual(await completed('--config', 'other.json', 'plan', '--entity', ''), only('Others'));
    assert.deepEqual(await completed('plan', '--config=other.json', '--entity', ''), only('Others'));
    for (const file of ['broken.json', 'missing.json']) {
      assert.deepEqual(await completed('plan', '--config', file, '--entity', ''), only());
    }
  });

  it('prints a script for each shell, and refuses others: 64', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const { code, stdout, stderr } = await runInProcess(['completion', shell], { cwd });
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /tamhr-sync complete '?--/);
    }
    assert.equal((await runInProcess(['completion', 'cmd'], { cwd })).code, 64);
  });
});
