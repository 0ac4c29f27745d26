import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const BIN = fileURLToPath(new URL('../../bin/tamhr-sync.js', import.meta.url));
const COLUMNS = 60;

/** The screens on a terminal that nobody here wrote (Debian: tmux). Run by `npm run test:tools`. */
describe('in a terminal of 60 columns', () => {
  const server = useSqlServer({ seed: { rows: { Users: 30 } } });
  const job = useJob(server);

  /** What stands on the screen, scrolled lines included, once the command has ended. */
  async function screen(command: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const socket = `tamhr-sync-${randomUUID()}`;
    const tmux = async (...args: string[]) =>
      (await promisify(execFile)('tmux', ['-L', socket, '-f', '/dev/null', ...args], { cwd: job.folder })).stdout;
    const assigned = Object.entries({ ...job.env, LC_ALL: 'C.UTF-8', ...variables }).map(
      ([name, value]) => `${name}='${value}'`,
    );
    const line = `env ${assigned.join(' ')} '${process.execPath}' '${BIN}' ${command}; echo "ended with $?"; sleep 60`;
    try {
      await tmux('new-session', '-d', '-x', String(COLUMNS), '-y', '50', line);
      for (let tries = 0; tries < 300; tries++) {
        const shown = await tmux('capture-pane', '-p', '-e', '-S', '-');
        if (shown.includes('ended with')) return shown;
        await delay(100);
      }
      throw new Error(`${command} did not end`);
    } finally {
      await tmux('kill-server').catch(() => {});
    }
  }

  const isColoured = (shown: string) => shown !== stripVTControlCharacters(shown);

  it('run, plan and status fit, are in colour, and without it where NO_COLOR says so', async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
    for (const command of ['run --entity Users', 'plan --entity Users', 'status']) {
      const shown = await screen(command);
      assert.match(shown, /ended with [01]$/m, shown);
      for (const line of stripVTControlCharacters(shown).split('\n')) assert.ok(line.length <= COLUMNS, line);
    }
    assert.equal(isColoured(await screen('status')), true);
    assert.equal(isColoured(await screen('status', { NO_COLOR: '1' })), false);
  });
});
