import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { runInProcess } from '../fault/in-process.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const PASSWORD = 'S3cret-db-pass';
const ENV = {
  TAMHR_DEFAULT_CONNECTION: `Server=db.example;Database=MDM;User Id=sync;Password=${PASSWORD}`,
  TAMHR_ESS_CONNECTION: `Server=db.example;Database=ESS;User Id=sync;Password=${PASSWORD}`,
  TAMHR_LOG_CONNECTION: `Server=db.example;Database=LOG;User Id=sync;Password=${PASSWORD}`,
  TAMHR_API_KEY: 'S3cret-api-key',
};
const OLD = {
  ConnectionStrings: {
    HangfireConnection: 'Server=hf',
    DefaultConnection: ENV.TAMHR_DEFAULT_CONNECTION,
    EssConnection: ENV.TAMHR_ESS_CONNECTION,
    LogConnection: ENV.TAMHR_LOG_CONNECTION,
  },
  CronTime: { DataSyncJob: '30 2 * * *' },
  SyncConfiguration: {
    BatchSize: 2000,
    ApiEndpoints: { Users: 'https://api.example.com/v1/users' },
    ApiTimeout: 45,
    ApiKey: ENV.TAMHR_API_KEY,
    RetryCount: 3,
  },
};

async function folder(t: TestContext, files: Record<string, unknown> = {}): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tamhr-sync-init-'));
  t.after(() => rm(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(path, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return path;
}

/** What a person types: each answer ends with Enter, and the next one waits until something new is asked. */
function typing(answers: readonly string[]) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode() {} });
  const left = [...answers];
  const asked = () => {
    const answer = left.shift();
    if (answer !== undefined) stdin.write(answer);
  };
  return { stdin, asked, left };
}

describe('tamhr-sync init', () => {
  it('makes a configuration that loads, with its secrets in a file for its owner alone', async (t) => {
    const cwd = await folder(t, { 'appsettings.json': OLD });
    const { code, stdout, stderr } = await runInProcess(['init', '--from', 'appsettings.json'], { cwd });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /RetryCount is not known/);
    assert.match(stdout, /HangfireConnection is not needed/);
    assert.match(stdout, /30 2 \* \* \* is now in Asia\/Jakarta/);
    assert.match(stdout, /^ {2}tamhr-sync migrate /m);
    assert.match(stdout, /^ {2}tamhr-sync plan /m);
    const text = await readFile(join(cwd, 'sync.config.json'), 'utf8');
    for (const secret of [PASSWORD, 'S3cret']) assert.ok(!`${text}${stdout}${stderr}`.includes(secret), secret);
    const config = JSON.parse(text);
    assert.deepEqual(config.schedule, { cron: '30 2 * * *', timeZone: 'Asia/Jakarta' });
    assert.equal(config.destination.batchSize, 2000);
    assert.equal(config.destination.timeoutMs, 45_000);
    for (const { name, enabled } of config.entities) assert.equal(enabled, name === 'Users' ? undefined : false, name);
    assert.match(stdout.replace(/\s+/g, ' '), /ActualOrg had no endpoint and is not enabled; without "enabled": false/);
    assert.match(await readFile(join(cwd, '.env'), 'utf8'), /^TAMHR_API_URL=https:\/\/api.example.com\/v1$/m);
    if (process.platform !== 'win32') assert.equal((await stat(join(cwd, '.env'))).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(cwd)).sort(), [
      '.env',
      'appsettings.json',
      'sync.config.json',
      'sync.config.schema.json',
    ]);
    const loaded = await runInProcess(['config', 'validate'], { cwd });
    assert.equal(loaded.code, 0, loaded.stderr);
    assert.equal(loaded.stderr, '');
  });

  it('takes flags, and secrets from the environment, into a folder that it makes', async (t) => {
    const cwd = await folder(t);
    const flags = ['--api-url', 'https://api.example.com', '--cron', '15 4 * * 1-5', '--time-zone', 'Asia/Tokyo'];
    const more = ['--batch-size', '100', '--api-key-header', 'X-Key', '--directory', 'new/job'];
    const { code, stdout, stderr } = await runInProcess(['init', ...flags, ...more], { cwd, env: ENV });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Taken from the environment:\n {2}TAMHR_DEFAULT_CONNECTION/);
    assert.match(stdout, /tamhr-sync plan --config new\/job\/sync\.config\.json/);
    const config = JSON.parse(await readFile(join(cwd, 'new/job/sync.config.json'), 'utf8'));
    assert.deepEqual(config.schedule, { cron: '15 4 * * 1-5', timeZone: 'Asia/Tokyo' });
    assert.equal(config.destination.auth.header, 'X-Key');
    assert.equal(config.destination.batchSize, 100);
    assert.equal((await runInProcess(['config', 'validate', '--config', 'new/job/sync.config.json'], { cwd })).code, 0);
  });

  it('writes the files that --config and --secrets name, and says how they are found again', async (t) => {
    const cwd = await folder(t);
    const named = ['--config', 'a.json', '--secrets', 's/a.env'];
    const result = await runInProcess(['init', '--api-url', 'https://h', ...named], { cwd, env: ENV });
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /tamhr-sync plan --config \S+a\.json --secrets \S+a\.env/);
    assert.equal((await runInProcess(['config', 'validate', ...named], { cwd })).code, 0);
  });

  it('never asks without a terminal: it names all that is missing, and writes nothing', async (t) => {
    const cwd = await folder(t);
    for (const args of [['init'], ['init', '--yes']]) {
      const { code, stderr } = await runInProcess(args, { cwd, env: { TAMHR_ESS_CONNECTION: 'Server=x' } });
      assert.equal(code, 64);
      for (const name of [
        '--from FILE',
        'TAMHR_DEFAULT_CONNECTION',
        'TAMHR_LOG_CONNECTION',
        '--api-url',
        'TAMHR_API_KEY',
      ]) {
        assert.ok(stderr.includes(name), `${name} in ${stderr}`);
      }
      assert.ok(!stderr.includes('TAMHR_ESS_CONNECTION'));
      assert.deepEqual(await readdir(cwd), []);
    }
  });

  it('refuses flags that are none before it asks anything', async (t) => {
    const cwd = await folder(t);
    const cases = [
      ['--api-url', 'nowhere'],
      ['--cron', '61 * * * *'],
      ['--time-zone', 'Asia/Nowhere'],
      ['--auth', 'magic'],
      ['--batch-size', '0'],
      ['--directory', 'x', '--config', 'y.json'],
      ['--config', 'y.yaml'],
    ];
    for (const flags of cases)
      assert.equal((await runInProcess(['init', ...flags], { cwd, env: ENV })).code, 64, flags.join());
    const missing = await runInProcess(['init', '--from', 'none.json'], { cwd, env: ENV });
    assert.equal(missing.code, 78);
    assert.match(missing.stderr, /none\.json cannot be read: there is no such file/);
    assert.deepEqual(await readdir(cwd), []);
  });

  it('replaces nothing without --force, and with it keeps the variables that it does not know', async (t) => {
    const init = ['init', '--api-url', 'https://h.example'];
    for (const name of ['sync.config.json', '.env']) {
      const cwd = await folder(t, { [name]: 'KEEP=1\n' });
      const { code, stderr } = await runInProcess(init, { cwd, env: ENV });
      assert.equal(code, 64);
      assert.ok(stderr.includes(`${name} is there already`), stderr);
      assert.deepEqual(await readdir(cwd), [name]);
    }
    const cwd = await folder(t, { 'sync.config.json': '{}', '.env': 'KEEP=1\nTAMHR_API_KEY=older\n' });
    const forced = await runInProcess([...init, '--force'], { cwd, env: ENV });
    assert.equal(forced.code, 0, forced.stderr);
    assert.match(forced.stdout.replace(/\s+/g, ' '), /; the one before is now sync\.config\.json\.bak/);
    assert.equal(await readFile(join(cwd, 'sync.config.json.bak'), 'utf8'), '{}');
    assert.equal(await readFile(join(cwd, '.env.bak'), 'utf8'), 'KEEP=1\nTAMHR_API_KEY=older\n');
    if (process.platform !== 'win32') assert.equal((await stat(join(cwd, '.env.bak'))).mode & 0o777, 0o600);
    const secrets = await readFile(join(cwd, '.env'), 'utf8');
    assert.match(secrets, /^KEEP=1$/m);
    assert.match(secrets, /^TAMHR_API_KEY=older$/m);
    if (process.platform !== 'win32') assert.equal((await stat(join(cwd, '.env'))).mode & 0o777, 0o600);

    const more = [...init, '--force', '--batch-size', '7'];
    const before = await readFile(join(cwd, 'sync.config.json'), 'utf8');
    assert.equal((await runInProcess(more, { cwd, env: ENV })).code, 0);
    assert.equal(await readFile(join(cwd, 'sync.config.json.bak'), 'utf8'), before, 'the older one is replaced');
    const same = await runInProcess(more, { cwd, env: ENV });
    assert.doesNotMatch(same.stdout, /the one before/);
    assert.equal(await readFile(join(cwd, 'sync.config.json.bak'), 'utf8'), before, 'nothing new to keep');
  });

  it('refuses a folder with another configuration that would be found, and with --force says it is not read', async (t) => {
    const init = ['init', '--api-url', 'https://h.example'];
    for (const name of ['sync.config.yaml', 'sync.config.yml']) {
      const cwd = await folder(t, { [name]: 'entities: []\n' });
      const { code, stderr } = await runInProcess(init, { cwd, env: ENV });
      assert.equal(code, 64);
      assert.ok(stderr.includes(`${name} is a configuration that is there already, and nothing was written`), stderr);
      assert.deepEqual(await readdir(cwd), [name]);
      const own = await runInProcess([...init, '--config', 'own.json', '--secrets', 'own.env'], { cwd, env: ENV });
      assert.equal(own.code, 0, "a name of its own is in nobody's way");
      const forced = await runInProcess([...init, '--force'], { cwd, env: ENV });
      assert.equal(forced.code, 0, forced.stderr);
      assert.ok(forced.stdout.includes(`${name} is no longer read`), forced.stdout);
      assert.equal(await readFile(join(cwd, name), 'utf8'), 'entities: []\n');
    }
  });

  it('writes through a link only with --force, and keeps what was behind it', {
    skip: process.platform === 'win32' && 'links need a privilege',
  }, async (t) => {
    const cwd = await folder(t, { 'shared.env': 'KEEP=1\n' });
    await symlink('shared.env', join(cwd, '.env'));
    const init = ['init', '--api-url', 'https://h.example'];
    assert.equal((await runInProcess(init, { cwd, env: ENV })).code, 64);
    assert.equal(await readFile(join(cwd, 'shared.env'), 'utf8'), 'KEEP=1\n');
    const { code, stdout } = await runInProcess([...init, '--force'], { cwd, env: ENV });
    assert.equal(code, 0);
    assert.match(stdout.replace(/\s+/g, ' '), /the one before is now shared\.env\.bak/);
    assert.equal(await readlink(join(cwd, '.env')), 'shared.env');
    assert.match(await readFile(join(cwd, 'shared.env'), 'utf8'), /^KEEP=1$/m);
    assert.match(await readFile(join(cwd, 'shared.env'), 'utf8'), /^TAMHR_API_KEY=/m);
    assert.equal((await stat(join(cwd, 'shared.env'))).mode & 0o777, 0o600);
    assert.equal(await readFile(join(cwd, 'shared.env.bak'), 'utf8'), 'KEEP=1\n');
  });

  it('leaves nothing half written where it cannot write', async (t) => {
    const cwd = await folder(t, { 'file.txt': '' });
    const init = ['init', '--api-url', 'https://h.example'];
    const below = await runInProcess([...init, '--directory', 'file.txt/job'], { cwd, env: ENV });
    assert.equal(below.code, 1);
    assert.match(below.stderr, /job cannot be written: /);
    assert.deepEqual(await readdir(cwd), ['file.txt']);
    await mkdir(join(cwd, 'sync.config.json'));
    const inPlace = await runInProcess([...init, '--force'], { cwd, env: ENV });
    assert.equal(inPlace.code, 1);
    assert.match(inPlace.stderr, /sync\.config\.json cannot be written: /);
    assert.deepEqual((await readdir(cwd)).sort(), ['.env', 'file.txt', 'sync.config.json', 'sync.config.schema.json']);
  });

  it('says what has to be corrected by hand, and ends with 78', async (t) => {
    const env = { ...ENV, TAMHR_LOG_CONNECTION: 'Server=db;Database=LOG;Integrated Security=True' };
    const cwd = await folder(t);
    const { code, stdout } = await runInProcess(['init', '--api-url', 'http://api.example.com'], { cwd, env });
    assert.equal(code, 78);
    const text = stdout.replace(/\s+/g, ' ');
    assert.match(text, /For you to look at:.*connections\.log: Integrated Security needs/);
    assert.match(text, /destination\.baseUrl: found http:\/\/ to another machine/);
  });

  it('asks on a terminal for what is not known, without showing secrets', async (t) => {
    const cwd = await folder(t);
    const { stdin, asked, left } = typing([
      '\r',
      `${ENV.TAMHR_DEFAULT_CONNECTION}\r`,
      'Server=only\r',
      `${ENV.TAMHR_ESS_CONNECTION}\r`,
      `${ENV.TAMHR_LOG_CONNECTION}\r`,
      'https://api.example.com\r',
      '\r',
      `${ENV.TAMHR_API_KEY}\r`,
      'X-Token\r',
      '5 5 * * *\r',
      'Asia/Nowhere\r',
      '\r',
      'n',
    ]);
    const { code, stdout, stderr } = await runInProcess(['init'], {
      cwd,
      isTTY: true,
      stdin: () => stdin,
      onStderr: watching(asked),
    });
    assert.equal(code, 0, stderr);
    assert.deepEqual(left, []);
    assert.match(stderr, /Initial Catalog \(Database\) is missing/);
    assert.match(stderr, /Write an IANA time zone/);
    assert.ok(!`${stdout}${stderr}`.includes('S3cret'));
    const config = JSON.parse(await readFile(join(cwd, 'sync.config.json'), 'utf8'));
    assert.deepEqual(config.schedule, { cron: '5 5 * * *', timeZone: 'Asia/Jakarta' });
    assert.equal(config.destination.auth.header, 'X-Token');
    assert.equal((await runInProcess(['config', 'validate'], { cwd })).code, 0);
  });

  it('writes nothing when a question is left with Ctrl-C', async (t) => {
    const cwd = await folder(t);
    const { stdin, asked } = typing(['\r', '\u0003']);
    const { code, stderr } = await runInProcess(['init'], {
      cwd,
      isTTY: true,
      stdin: () => stdin,
      onStderr: watching(asked),
    });
    assert.equal(code, 130);
    assert.match(stderr, /Nothing was written\.\n$/);
    assert.deepEqual(await readdir(cwd), []);
  });

  it('writes nothing when a signal comes while it asks', async (t) => {
    const cwd = await folder(t);
    const { stdin } = typing([]);
    const signals = new EventEmitter();
    const onStderr = watching(() => signals.emit('SIGTERM', 'SIGTERM'));
    const { code } = await runInProcess(['init'], { cwd, isTTY: true, stdin: () => stdin, onStderr, signals });
    assert.equal(code, 143);
    assert.deepEqual(await readdir(cwd), []);
    assert.equal(signals.listenerCount('SIGTERM'), 0);
  });
});

/** Calls `asked` once for each question: the library marks the one that waits with ◆ (or *, without Unicode). */
function watching(asked: () => void): (text: string) => void {
  return (text) => {
    if (/\?25l/.test(text)) setImmediate(asked);
  };
}

describe('tamhr-sync init --inspect', () => {
  const server = useSqlServer({ seed: { rows: { Users: 1 } } });
  const env = () => ({
    TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm'),
    TAMHR_ESS_CONNECTION: server.connectionString('ess'),
    TAMHR_LOG_CONNECTION: server.connectionString('log'),
    TAMHR_API_KEY: 'key-1',
  });
  const init = (cwd: string, more: Record<string, string> = {}) =>
    runInProcess(['init', '--inspect', '--api-url', 'https://h.example'], { cwd, env: { ...env(), ...more } });

  it('changes nothing where the tables are as the shipped configuration has them', async (t) => {
    const cwd = await folder(t);
    const { code, stdout } = await init(cwd);
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /Changed to fit|For you to look at/);
  });

  it('says which database could not be looked at, writes all the same, and ends with 1', async (t) => {
    const cwd = await folder(t);
    const { code, stdout } = await init(cwd, {
      TAMHR_ESS_CONNECTION: server.connectionString('ess', { Password: 'no' }),
    });
    assert.equal(code, 1);
    assert.match(stdout.replace(/\s+/g, ' '), /The tables of connection ess were not looked at\. Connection ess:/);
    assert.ok((await readdir(cwd)).includes('sync.config.json'));
  });

  it('finds tables under other names, renamed columns and another key, and a plan then works', async (t) => {
    const client = await server.connect('mdm');
    await client.batch('CREATE VIEW dbo.Users AS SELECT * FROM dbo.MDM_USER');
    await client.batch('DROP TABLE dbo.MDM_ORGANIZATION_OBJECT');
    await client.batch(`CREATE TABLE dbo.ORG_OBJ (ObjectKey int NOT NULL PRIMARY KEY, Object_ID nvarchar(20) NOT NULL,
      ObjectType nvarchar(20) NOT NULL, Abbreviation nvarchar(20) NOT NULL, ObjectText nvarchar(20) NULL,
      StartDate datetime NOT NULL, EndDate datetime NOT NULL, ObjectDescription nvarchar(20) NULL)`);
    await client.batch('ALTER TABLE dbo.MDM_ACTUAL_ENTITY_STRUCTURE DROP COLUMN ObjectDescription');
    await client.batch('ALTER TABLE dbo.MDM_ACTUAL_ENTITY_STRUCTURE ADD Object_Description nvarchar(20) NULL');
    const refused = await folder(t);
    const { stdin, asked, left } = typing(['\r', '\r', '\r', '\r', 'n', 'n']);
    await runInProcess(['init', '--inspect', '--api-url', 'https://h.example'], {
      cwd: refused,
      env: env(),
      isTTY: true,
      stdin: () => stdin,
      onStderr: watching(asked),
    });
    assert.deepEqual(left, []);
    const asShipped = JSON.parse(await readFile(join(refused, 'sync.config.json'), 'utf8'));
    assert.equal(asShipped.entities[3].source.table, 'dbo.MDM_ORGANIZATION_OBJECT');
    const cwd = await folder(t);
    const { code, stdout, stderr } = await init(cwd);
    assert.equal(code, 0, stderr);
    const text = stdout.replace(/\s+/g, ' ');
    assert.match(text, /ActualEntity: column Object_Description for ObjectDescription/);
    const config = JSON.parse(await readFile(join(cwd, 'sync.config.json'), 'utf8'));
    const [users, , actualEntity, orgObject] = config.entities;
    assert.equal(users.source.table, 'dbo.MDM_USER');
    assert.equal(actualEntity.map.ObjectDescription, 'Object_Description');
    assert.deepEqual(orgObject.source, { connection: 'default', table: 'dbo.ORG_OBJ', key: 'ObjectKey' });
    assert.equal(orgObject.map.ObjectID, 'Object_ID');
    assert.equal(orgObject.map.Code, 'ObjectKey');
    assert.equal((await runInProcess(['migrate'], { cwd })).code, 0);
    const plan = await runInProcess(['plan'], { cwd });
    assert.equal(plan.code, 0, plan.stdout + plan.stderr);
  });
});
