import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';

const BIN = fileURLToPath(new URL('../../bin/tamhr-sync.js', import.meta.url));

/** Completion in the shells themselves (Debian: bash-completion, zsh, fish). Run by `npm run test:tools`. */
describe('completion in a shell', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-shells-'));
    await writeFile(join(folder, 'tamhr-sync'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`, {
      mode: 0o755,
    });
    await copyFile(new URL('../../sync.config.json', import.meta.url), join(folder, 'sync.config.json'));
    for (const shell of ['bash', 'zsh', 'fish']) {
      const script = await run(join(folder, 'tamhr-sync'), ['completion', shell]);
      await writeFile(join(folder, `completion.${shell}`), script);
    }
  });
  after(() => rm(folder, { recursive: true }));

  /** A program's stdout. Rejects where it cannot be started, fails or takes too long. */
  async function run(file: string, args: readonly string[]): Promise<string> {
    const env = { ...process.env, HOME: folder, PATH: `${folder}${delimiter}${process.env.PATH}`, LC_ALL: 'C.UTF-8' };
    const { stdout } = await promisify(execFile)(file, args, { cwd: folder, env, timeout: 60_000 });
    return stdout;
  }

  it('bash: commands, options, entities; its script can be read twice', async () => {
    const script = `
source /usr/share/bash-completion/bash_completion
source ./completion.bash && source ./completion.bash || exit 1
try() {
  COMP_LINE="$*" COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  COMP_POINT=\${#COMP_LINE}
  __tamhr_sync_complete
  echo "\${COMPREPLY[*]}"
}
try tamhr-sync sta
try tamhr-sync run --ent
try tamhr-sync run --entity Act
complete -p tamhr-sync`;
    assert.deepEqual((await run('bash', ['--norc', '-c', script])).trimEnd().split('\n'), [
      'status',
      '--entity',
      'ActualOrg ActualEntity',
      'complete -o default -F __tamhr_sync_complete tamhr-sync',
    ]);
  });

  it('fish: commands, entities, names of files', async () => {
    const tried = (line: string) => run('fish', ['--no-config', '-c', `source completion.fish; complete -C "${line}"`]);
    assert.match(await tried('tamhr-sync sta'), /^status\t/);
    assert.equal(await tried('tamhr-sync run --entity Act'), 'ActualEntity\nActualOrg\n');
    assert.equal(await tried('tamhr-sync --config sync'), 'sync.config.json\n');
  });

  it('zsh: an entity, typed and completed on a terminal', async () => {
    const script = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1='ready''> '; autoload -Uz compinit; compinit -u -d ./zcompdump; source ./completion.zsh"
zpty -r shell seen '*ready> *'
zpty -w -n shell $'tamhr-sync run --entity Us\\t'
zpty -r shell seen '*Users*'
print -r -- $seen
zpty -d shell`;
    assert.match(stripVTControlCharacters(await run('zsh', ['-f', '-c', script])), /--entity Users/);
  });
});
