import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { nextDue } from '../../src/schedule/due.ts';
import { InexactSchedule } from '../../src/schedule/inexact.ts';
import { systemdUnits } from '../../src/schedule/systemd.ts';
import { runInProcess } from '../fault/in-process.ts';
import { expressions, job, NOW, STEADY_ZONES, strikes } from '../schedule/expressions.ts';

const run = promisify(execFile);

/** A folder with the shipped configuration and secrets that it loads with. */
async function installation(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-schedule-'));
  await copyFile(join(import.meta.dirname, '..', '..', 'sync.config.json'), join(folder, 'sync.config.json'));
  const connections = ['DEFAULT', 'ESS', 'LOG'].map(
    (name) => `TAMHR_${name}_CONNECTION=Server=db;Database=HR;UID=a;PWD=b\n`,
  );
  const secrets = `${connections.join('')}TAMHR_API_URL=https://api.example.com\nTAMHR_API_KEY=a-long-api-key\n`;
  await writeFile(join(folder, '.env'), secrets, { mode: 0o600 });
  return folder;
}

/** The real systemd (Debian: systemd): what it makes of units, without being the system's init. */
describe('systemd', () => {
  let folder: string;
  before(async () => {
    folder = await installation();
  });
  after(() => rm(folder, { recursive: true }));

  test('finds nothing wrong with the units, as they are printed and with paths that need quoting', async () => {
    const out = join(folder, 'units');
    const printed = await runInProcess(['--secrets', '.env', 'schedule', 'print', '--as', 'systemd', '--output', out], {
      cwd: folder,
    });
    assert.equal(printed.code, 0, printed.stderr);
    const odd = join(folder, 'a "b" $HOME 50%');
    await mkdir(odd);
    const node = join(folder, '50% $HOME');
    await symlink(process.execPath, node);
    const quoted = systemdUnits(
      job({ cron: '0 3 1 * MON', timeZone: 'Europe/Berlin' }, 'UTC', {
        name: 'quoted',
        node,
        config: join(odd, 'sync.config.json'),
        log: join(odd, 'tamhr-sync.log'),
        user: 'root',
      }),
    );
    for (const { name, text } of quoted) await writeFile(join(out, name), text);
    const units = (await readdir(out)).map((name) => join(out, name));
    assert.equal(units.length, 8);
    // A key that it does not know is a warning only.
    const { stdout, stderr } = await run('systemd-analyze', ['verify', ...units]);
    assert.equal(stdout + stderr, '');
  });

  test('says of a service whose program is not there that it is not', async () => {
    const [service] = systemdUnits(job({ cron: '0 3 * * *', timeZone: 'UTC' }, 'UTC', { node: '/nowhere/node' }));
    const path = join(folder, 'broken.service');
    await writeFile(path, service?.text ?? '');
    await assert.rejects(run('systemd-analyze', ['verify', path]), /\/nowhere\/node is not executable/);
  });

  test('has the timers elapse at the instants that the schedule has, in zones of any kind', async () => {
    const zones = [...STEADY_ZONES, 'Europe/Berlin', 'America/New_York'];
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(expressions, fc.constantFrom(...zones), async (cron, timeZone) => {
        const schedule = { cron, timeZone };
        let timer: string;
        try {
          fc.pre(nextDue(schedule, NOW) !== undefined);
          timer = systemdUnits(job(schedule, 'UTC'))[1]?.text ?? '';
        } catch (error) {
          if (error instanceof InexactSchedule) return;
          throw error;
        }
        const events = [...timer.matchAll(/^OnCalendar=(.*)$/gm)].map(([, event = '']) => event);
        const elapses = await Promise.all(events.map((event) => iterations(event, 12)));
        const found = [...new Set(elapses.flat())].sort().slice(0, 12);
        // Before the clocks change: what systemd does with a time that they skip is a warning's business.
        const until = new Date('2027-03-13T00:00:00Z');
        const expected = strikes([schedule], NOW, until, 12);
        assert.deepEqual(found.slice(0, expected.length), expected, `${cron} ${timeZone}: ${events}`);
        compared += expected.length;
      }),
      { numRuns: 60 },
    );
    assert.ok(compared > 300, `instants compared: ${compared}`);
  });

  test('skips a start that the clocks skip, as the warning says', async () => {
    const elapses = await iterations('*-*-* 02:30:00 Europe/Berlin', 2, new Date('2027-03-27T12:00:00Z'));
    assert.deepEqual(elapses, ['2027-03-29T00:30:00.000Z', '2027-03-30T00:30:00.000Z']);
  });
});

/** The next instants of a calendar event as systemd has them. ISO. */
async function iterations(event: string, count: number, from: Date = NOW): Promise<string[]> {
  const base = `--base-time=${from.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const { stdout } = await run('systemd-analyze', ['calendar', base, `--iterations=${count}`, event], {
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' },
  });
  return [...stdout.matchAll(/(?:Next elapse|Iter\. #\d+|\(in UTC\)): \w{3} (\S+) (\S+) UTC/g)].map(([, date, time]) =>
    new Date(`${date}T${time}Z`).toISOString(),
  );
}

/** The real crontab (Debian: cron). It only has this user's own table, which is as before afterwards. */
describe('crontab', () => {
  const table = () =>
    run('crontab', ['-l'], { encoding: 'buffer' }).then(
      ({ stdout }) => stdout,
      () => undefined,
    );
  const write = (text: Buffer) => {
    const writing = run('crontab', ['-']);
    writing.child.stdin?.end(text);
    return writing;
  };
  let folder: string;
  let original: Buffer | undefined;
  before(async () => {
    folder = await installation();
    original = await table();
  });
  after(async () => {
    if (original === undefined) await run('crontab', ['-r']);
    else await write(original);
    await rm(folder, { recursive: true });
  });

  test('takes the job, has it once, and gives it back; what was there stays byte for byte', async () => {
    const env = { PATH: process.env.PATH ?? '' };
    const schedule = (...args: string[]) =>
      runInProcess(['--secrets', '.env', 'schedule', ...args], { cwd: folder, env });
    if (original === undefined) assert.equal((await schedule('remove')).stdout, 'The crontab has no such job.\n');
    const others = Buffer.from('# caf\xe9 (not UTF-8)\nMAILTO=""\n0 0 30 2 * true \n', 'latin1');
    await write(others);
    const zone = ['--machine-zone', 'UTC'];
    const installed = await schedule('install', ...zone);
    assert.equal(installed.code, 0, installed.stderr);
    const block = installed.stdout.slice(installed.stdout.indexOf('#'));
    assert.deepEqual(await table(), Buffer.concat([others, Buffer.from(block)]));
    assert.equal((await schedule('install', ...zone)).stdout, 'The crontab is up to date.\n');
    assert.equal((await schedule('remove')).code, 0);
    assert.deepEqual(await table(), others);
  });

  test('takes every line that schedules are converted to', async () => {
    const { crontabBlock } = await import('../../src/schedule/crontab.ts');
    const zones = fc.constantFrom(...STEADY_ZONES);
    let written = 0;
    await fc.assert(
      fc.asyncProperty(expressions, zones, zones, async (cron, timeZone, machine) => {
        let block: string;
        try {
          block = crontabBlock(job({ cron, timeZone }, machine, { config: '/srv/50%/a.json' }), NOW);
        } catch (error) {
          if (error instanceof InexactSchedule) return;
          throw error;
        }
        await write(Buffer.from(block));
        written++;
      }),
      { numRuns: 60 },
    );
    assert.ok(written > 20, `tables written: ${written}`);
  });
});
