import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { defaultLoaders } from 'cosmiconfig';
import { machineZone } from '../../src/commands/schedule/machine-zone.ts';
import { VERSION } from '../../src/version.js';
import { smallConfig } from '../config/fixture.ts';
import { runInProcess } from '../fault/in-process.ts';
import { brokenRules, parseXml } from '../schedule/task-xml.ts';

const NIGHTLY = { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' };
const IN_UTC = ['--machine-zone', 'UTC'];

/** A folder with a configuration, its secrets and a program crontab that keeps its table in a file. */
async function installation(t: TestContext, { name = 'job', schedule = NIGHTLY as object | null, logging = {} } = {}) {
  const parent = await mkdtemp(join(tmpdir(), 'tamhr-sync-schedule-'));
  t.after(() => rm(parent, { recursive: true }));
  const folder = join(parent, name);
  await mkdir(folder);
  const { connections, ...rest } = smallConfig();
  connections.main = 'Server=127.0.0.1,1;Database=MDM;User ID=sync;Password=${env:DB_PASSWORD};Connect Timeout=1';
  connections.main = { connectionString: connections.main, retryForMs: 1 };
  await writeFile(
    join(folder, 'sync.config.json'),
    JSON.stringify({ connections, ...rest, ...(schedule && { schedule }), logging }),
  );
  await writeFile(join(folder, '.env'), 'DB_PASSWORD=db-password-1\n', { mode: 0o600 });
  const table = join(parent, 'crontab.txt');
  const program = join(parent, 'crontab');
  const env = { PATH: `${parent}:/usr/bin:/bin`, TABLE: table };
  await writeFile(
    program,
    `#!/bin/sh
case "$1" in
  -l) if [ -f "$TABLE" ]; then cat "$TABLE"; else echo "no crontab for hr" >&2; exit 1; fi ;;
  -) cat > "$TABLE" ;;
esac
`,
  );
  await chmod(program, 0o755);
  return {
    folder,
    table,
    program,
    schedule: (...args: string[]) => runInProcess(['--secrets', '.env', 'schedule', ...args], { cwd: folder, env }),
  };
}

describe('schedule print', () => {
  test('prints crontab lines with absolute paths, by the clock of the machine', async (t) => {
    const { folder, schedule } = await installation(t);
    const { code, stdout, stderr } = await schedule('print', '--as', 'cron', ...IN_UTC);
    assert.deepEqual([code, stderr], [0, '']);
    const [run, second, ...further] = stdout.split('\n').filter((line) => /^\d/.test(line));
    const script = join(import.meta.dirname, '..', '..', 'bin', 'tamhr-sync.js');
    const command = `${process.execPath} ${script} run`;
    const rest = `--config ${folder}/sync.config.json --secrets ${folder}/.env 2>>${folder}/tamhr-sync.log`;
    assert.equal(run, `0 20 * * * ${command} ${rest}`);
    assert.equal(second, `30 20 * * * ${command} --resolve-only ${rest}`);
    assert.deepEqual(further, []);
  });

  test('a line of it starts the job in the environment that cron gives it, whatever the path is called', async (t) => {
    const { folder, schedule } = await installation(t, { name: "o'hara & co 50% $HOME" });
    const { stdout } = await schedule('print', '--as', 'cron', ...IN_UTC);
    const line = stdout.split('\n').find((text) => text.startsWith('0 20 ')) ?? '';
    const command = line.split(' ').slice(5).join(' ').replaceAll('\\%', '%');
    const { status } = spawnSync('/bin/sh', ['-c', command], { cwd: '/', env: { PATH: '/usr/bin:/bin' } });
    assert.equal(status, 69, 'the log database cannot be reached');
    assert.match(await readFile(join(folder, 'tamhr-sync.log'), 'utf8'), /127\.0\.0\.1/);
  });

  test('writes tasks in UTF-16 with a byte order mark, units as they are, and replaces only what it wrote', async (t) => {
    const { folder, schedule } = await installation(t);
    const tasks = await schedule('print', '--as', 'schtasks', '--output', 'out', '--name', 'hr', ...IN_UTC);
    assert.equal(tasks.code, 0, tasks.stderr);
    assert.match(tasks.stdout, /^schtasks \/Create \/TN hr-resolve \/XML ".*\/out\/hr-resolve\.xml" \/F$/m);
    assert.deepEqual(await readdir(join(folder, 'out')), ['hr-resolve.xml', 'hr.xml']);
    const bytes = await readFile(join(folder, 'out', 'hr.xml'));
    assert.deepEqual([...bytes.subarray(0, 4)], [0xff, 0xfe, 0x3c, 0]);
    assert.deepEqual(brokenRules(parseXml(bytes.subarray(2).toString('utf16le'))), []);
    assert.equal((await schedule('print', '--as', 'schtasks', '--output', 'out', '--name', 'hr', ...IN_UTC)).code, 0);

    const units = await schedule('print', '--as', 'systemd', '--output', 'out', '--user', 'sync');
    assert.equal(units.code, 0, units.stderr);
    assert.match(units.stdout, /systemctl enable --now tamhr-sync\.timer tamhr-sync-resolve\.timer/);
    assert.match(await readFile(join(folder, 'out', 'tamhr-sync.service'), 'utf8'), /^User=sync$/m);

    await writeFile(join(folder, 'out', 'tamhr-sync.service'), 'mine\n');
    const refused = await schedule('print', '--as', 'systemd', '--output', 'out');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /tamhr-sync\.service exists and was not written by this command/);
    assert.equal(await readFile(join(folder, 'out', 'tamhr-sync.service'), 'utf8'), 'mine\n');
  });

  test('refuses a zone that cannot be converted, and says which scheduler can', async (t) => {
    const { schedule } = await installation(t, { schedule: { cron: '30 2 * * *', timeZone: 'Europe/Berlin' } });
    for (const scheduler of ['cron', 'schtasks']) {
      const { code, stdout, stderr } = await schedule('print', '--as', scheduler, ...IN_UTC);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^error: .*Europe\/Berlin change.*\n.*--as systemd/m);
    }
    const { code, stderr } = await schedule('print', '--as', 'systemd');
    assert.equal(code, 0);
    assert.match(stderr, /^warning: clocks in Europe\/Berlin skip 02:30 on \d{4}-03-\d\d, and systemd then skips/);
  });

  test('prints one manifest for Kubernetes, which names what the cluster has to hold and none of its values', async (t) => {
    const { folder, schedule } = await installation(t);
    const { code, stdout, stderr } = await schedule('print', '--as', 'kubernetes', '--name', 'hr');
    assert.deepEqual([code, stderr], [0, '']);
    const { metadata, spec } = defaultLoaders['.yaml']('hr.yaml', stdout);
    assert.deepEqual([metadata.name, spec.schedule, spec.timeZone], ['hr', '0 3 * * *', 'Asia/Jakarta']);
    const pod = spec.jobTemplate.spec.template.spec;
    assert.deepEqual(pod.containers[0].args, ['Users']);
    assert.equal(pod.containers[0].image, `tamhr-sync:${VERSION}`);
    assert.equal(pod.terminationGracePeriodSeconds, 60);
    assert.match(stdout, /^# The ConfigMap hr holds sync\.config\.json\. The Secret hr holds DB_PASSWORD\.$/m);
    assert.doesNotMatch(stdout, /db-password-1/);

    const image = ['--image', 'registry.example.com:5000/hr/tamhr-sync@sha256:0a1b'];
    const written = await schedule('print', '--as', 'kubernetes', ...image, '--output', 'out');
    assert.match(written.stdout, /kubectl apply -f \S+\/out\/tamhr-sync\.yaml\n$/);
    const text = await readFile(join(folder, 'out', 'tamhr-sync.yaml'), 'utf8');
    assert.match(text, /image: "registry\.example\.com:5000\/hr\/tamhr-sync@sha256:0a1b"$/m);
    assert.equal((await schedule('print', '--as', 'kubernetes', '--output', 'out')).code, 0);
  });

  test('starts the entities that are named, in the configured order, and none that there is not', async (t) => {
    const { folder, schedule } = await installation(t);
    const file = join(folder, 'sync.config.json');
    const config = JSON.parse(await readFile(file, 'utf8'));
    const [users] = config.entities;
    config.entities = ['Users', 'Posts', 'Places'].map((name) => ({ ...users, name, trackingLabels: [name] }));
    await writeFile(file, JSON.stringify(config));
    const share = ['--entity', 'Places', 'Users'];
    const { stdout } = await schedule('print', '--as', 'cron', ...share, ...IN_UTC);
    assert.match(stdout, / run --entity=Users --entity=Places --config /);
    assert.match(stdout, / run --resolve-only --entity=Users --entity=Places --config /);
    const installed = await schedule('install', ...share, ...IN_UTC);
    assert.equal(installed.stdout, `The crontab now has:\n${stdout}`);
    const manifest = await schedule('print', '--as', 'kubernetes', ...share);
    const { spec } = defaultLoaders['.yaml']('share.yaml', manifest.stdout);
    assert.deepEqual(spec.jobTemplate.spec.template.spec.containers[0].args, ['Users', 'Places']);
    assert.equal((await schedule('print', '--as', 'cron', '--entity', 'Nobody', ...IN_UTC)).code, 64);
  });

  test('refuses options, names and schedules that Kubernetes has no use for', async (t) => {
    const { schedule } = await installation(t, { schedule: { cron: '0 3 L * *', timeZone: 'UTC' } });
    for (const [args, status, message] of [
      [['--as', 'kubernetes'], 1, /has L, W or #/],
      [['--as', 'kubernetes', '--name', 'HR_sync'], 1, /lower-case letters/],
      [['--as', 'kubernetes', '--log', 'a.log', ...IN_UTC], 64, /no use for --log, --machine-zone/],
      [['--as', 'kubernetes', '--image', 'two words'], 64, /Expected an image/],
      [['--as', 'systemd', '--image', 'tamhr-sync'], 64, /--image is for --as kubernetes only/],
    ] as const) {
      const { code, stdout, stderr } = await schedule('print', ...args);
      assert.deepEqual([code, stdout], [status, ''], args.join(' '));
      assert.match(stderr, message);
    }
  });

  test('warns of files that pods do not have or cannot write, and of nights that Kubernetes skips', async (t) => {
    const nightly = { cron: '30 2 * * *', timeZone: 'Europe/Berlin' };
    const { folder, schedule } = await installation(t, { logging: { file: 'run.log' }, schedule: nightly });
    const file = join(folder, 'sync.config.json');
    const config = JSON.parse(await readFile(file, 'utf8'));
    config.metrics = { file: 'tamhr.prom' };
    config.destination = { ...config.destination, headers: { 'X-Tenant': '${file:tenant.txt}' } };
    config.connections.main.ca = '../ca.pem';
    config.notifications = [{ type: 'ping', url: 'https://ping.example/1' }];
    config.entities.push({ ...config.entities[0], name: 'Posts', trackingLabels: ['Posts'] });
    await writeFile(join(folder, 'tenant.txt'), 'hr\n');
    await writeFile(join(folder, '..', 'ca.pem'), '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
    await writeFile(file, JSON.stringify(config));
    const { code, stderr } = await schedule('print', '--as', 'kubernetes');
    assert.equal(code, 0);
    assert.match(stderr, /^warning: .* reads \S+\/tenant\.txt: mount that file as \/job\/tenant\.txt, from a Secret/m);
    assert.match(stderr, /^warning: .* reads \S+\/ca\.pem: move that file beside the configuration and mount it/m);
    assert.match(stderr, /^warning: each pod pings for itself/m);
    const one = await schedule('print', '--as', 'kubernetes', '--entity', 'Posts');
    assert.doesNotMatch(one.stderr, /pings for itself/);
    config.notifications[0].on = 'failure';
    await writeFile(file, JSON.stringify(config));
    assert.doesNotMatch((await schedule('print', '--as', 'kubernetes')).stderr, /pings for itself/);
    assert.match(stderr, /^warning: pods cannot write what logging\.file, metrics\.file name;/m);
    assert.match(stderr, /^warning: clocks in Europe\/Berlin skip 02:30 .*Kubernetes then skips that start/m);
  });

  test('tells of what a scheduled job would lack: a schedule, variables, a log file', async (t) => {
    const without = await (await installation(t, { schedule: null })).schedule('print', '--as', 'cron');
    assert.equal(without.code, 78);
    assert.match(without.stderr, /has no schedule\.\nAdd "schedule"/);

    const { folder, schedule } = await installation(t, { logging: { file: 'run.log' } });
    const env = { DB_PASSWORD: 'db-password-1' };
    const secrets = join(folder, '.env');
    await rename(secrets, `${secrets}.away`);
    const shell = await runInProcess(['schedule', 'print', '--as', 'cron', ...IN_UTC], { cwd: folder, env });
    await rename(`${secrets}.away`, secrets);
    assert.equal(shell.code, 0);
    assert.match(shell.stderr, /^warning: variables of the configuration are only set in this shell/);
    assert.match(shell.stdout, /2>>\S+\/tamhr-sync\.stderr\.log$/m);

    const rotating = await schedule('print', '--as', 'cron', '--log', 'run.log');
    assert.equal(rotating.code, 64);
    assert.match(rotating.stderr, /run\.log is the file of logging\.file/);
    const missing = await schedule('print', '--as', 'cron', '--log', 'no/folder/a.log', ...IN_UTC);
    assert.match(missing.stderr, /^warning: this user cannot write \S+no\/folder\/a\.log/);
    assert.equal((await schedule('print', '--as', 'cron', '--machine-zone', 'Mars')).code, 64);
    assert.equal((await schedule('print')).code, 64);
  });
});

describe('schedule install', () => {
  test('puts the job into the crontab, replaces it when the schedule changes, and removes it', async (t) => {
    const { folder, table, schedule } = await installation(t);
    // Not UTF-8, and without a line break at its end.
    const others = Buffer.from('MAILTO=hr@example.com\n5 4 * * * echo caf\xe9', 'latin1');
    await writeFile(table, others);
    const installed = await schedule('install', ...IN_UTC);
    assert.equal(installed.code, 0, installed.stderr);
    assert.match(installed.stdout, /^The crontab now has:\n# tamhr-sync begin /);
    const first = await readFile(table);
    const start = Buffer.concat([others, Buffer.from('\n')]);
    assert.deepEqual(first.subarray(0, start.length), start);
    assert.match(first.subarray(start.length).toString(), /^# tamhr-sync begin .*\n#.*\n0 20 .+\n# tamhr-sync end\n$/s);

    await writeFile(table, Buffer.concat([first, Buffer.from('# last\n')]));
    assert.deepEqual(await schedule('install', ...IN_UTC), {
      code: 0,
      stdout: 'The crontab is up to date.\n',
      stderr: '',
    });
    const config = JSON.parse(await readFile(join(folder, 'sync.config.json'), 'utf8'));
    config.schedule.cron = '0 8 * * *';
    await writeFile(join(folder, 'sync.config.json'), JSON.stringify(config));
    assert.equal((await schedule('install', '--as', 'cron', ...IN_UTC)).code, 0);
    const second = await readFile(table, 'latin1');
    assert.match(second, /\n0 1 \* \* \* .*\n#.*\n30 1 .*\n# tamhr-sync end\n# last\n$/);
    assert.equal(second.match(/# tamhr-sync begin/g)?.length, 1);

    assert.equal((await schedule('remove')).stdout, 'The job is no longer in the crontab.\n');
    assert.deepEqual(await readFile(table), Buffer.concat([start, Buffer.from('# last\n')]));
    assert.equal((await schedule('remove')).stdout, 'The crontab has no such job.\n');
  });

  test('removes the job of a configuration that lacks secrets, is broken or is gone', async (t) => {
    const { folder, table, schedule } = await installation(t);
    const file = join(folder, 'sync.config.json');
    const cases: [make: () => Promise<void>, args: string[]][] = [
      [() => writeFile(join(folder, '.env'), ''), []],
      [() => writeFile(file, '{ broken'), []],
      [() => rm(file), ['--config', 'sync.config.json']],
    ];
    assert.equal((await schedule('install', ...IN_UTC)).code, 0);
    const installed = await readFile(table);
    for (const [make, args] of cases) {
      await writeFile(table, installed);
      await make();
      const removed = await schedule('remove', ...args);
      assert.deepEqual([removed.code, removed.stdout], [0, 'The job is no longer in the crontab.\n'], removed.stderr);
      assert.equal(await readFile(table, 'utf8'), '');
    }
    const lost = await schedule('remove');
    assert.equal(lost.code, 78);
    assert.match(lost.stderr, /or name the file with --config/);
  });

  test('starts from no crontab at all, and with --dry-run prints it only', async (t) => {
    const { table, schedule } = await installation(t, { name: 'jöb' });
    const dry = await schedule('install', '--dry-run', ...IN_UTC);
    assert.equal(dry.code, 0, dry.stderr);
    await assert.rejects(readFile(table), { code: 'ENOENT' });
    assert.equal((await schedule('install', ...IN_UTC)).code, 0);
    assert.equal(await readFile(table, 'utf8'), dry.stdout);
    assert.match(dry.stdout, /jöb/);
    const of = ({ stdout, stderr }: { stdout: string; stderr: string }) => [stdout, stderr];
    assert.deepEqual(of(await schedule('install', '--dry-run', ...IN_UTC)), [
      dry.stdout,
      'The crontab is up to date.\n',
    ]);
    assert.deepEqual(of(await schedule('remove', '--dry-run')), ['', '']);
    assert.equal(await readFile(table, 'utf8'), dry.stdout);
    assert.equal((await schedule('remove')).code, 0);
    assert.deepEqual(of(await schedule('remove', '--dry-run')), ['', 'The crontab has no such job.\n']);
  });

  test('leaves a crontab alone whose zone is set, or whose block has lost its end', async (t) => {
    const { folder, table, schedule } = await installation(t);
    for (const [text, message] of [
      ['CRON_TZ=Asia/Jakarta\n0 1 * * * true\n', /sets CRON_TZ/],
      [`# tamhr-sync begin ${folder}/sync.config.json\n0 1 * * * true\n`, /without "# tamhr-sync end"/],
    ] as const) {
      await writeFile(table, text);
      const { code, stderr } = await schedule('install', ...IN_UTC);
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.equal(await readFile(table, 'utf8'), text);
    }
  });

  test('shows what crontab says against it, with the remedy', async (t) => {
    const { program, schedule } = await installation(t);
    await writeFile(program, '#!/bin/sh\necho "You (hr) are not allowed to use this program (crontab)" >&2\nexit 1\n');
    const refused = await schedule('install', ...IN_UTC);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /could not be read; crontab says: You \(hr\) are not allowed.*\n.*\/etc\/cron\.allow/);

    await writeFile(program, '#!/bin/sh\n[ "$1" = -l ] && exit 0\necho "disk full" >&2\nexit 1\n');
    const full = await schedule('install', ...IN_UTC);
    assert.equal(full.code, 1);
    assert.match(full.stderr, /could not be replaced; crontab says: disk full/);

    const { folder } = await installation(t);
    const env = { PATH: '/nowhere' };
    const none = await runInProcess(['--secrets', '.env', 'schedule', 'remove'], { cwd: folder, env });
    assert.equal(none.code, 1);
    assert.match(none.stderr, /crontab cannot be started.*\n.*apt-get install cron/);
  });
});

test("the machine's zone is the system's, not that of this process", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-zone-'));
  t.after(() => rm(folder, { recursive: true }));
  const files = { localtime: join(folder, 'localtime'), timezone: join(folder, 'timezone') };
  // As the C library has it.
  assert.equal(await machineZone('linux', files), 'UTC');
  await symlink('../usr/share/zoneinfo/America/Argentina/Salta', files.localtime);
  assert.equal(await machineZone('linux', files), 'America/Argentina/Salta');
  await rm(files.localtime);
  await writeFile(files.localtime, 'TZif2 as a copy');
  assert.equal(await machineZone('linux', files), undefined);
  await writeFile(files.timezone, 'Asia/Jakarta\n');
  assert.equal(await machineZone('linux', files), 'Asia/Jakarta');
  await writeFile(files.timezone, 'nonsense');
  assert.equal(await machineZone('linux', files), undefined);
});
