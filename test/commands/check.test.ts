import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { CheckDocument, CheckedItem } from '../../src/report/check-json.ts';
import { runInProcess } from '../fault/in-process.ts';
import { assertMeetsSchema } from '../report/schema.ts';
import { type Job, useJob } from '../support/job.ts';
import { itOnStandIn, REAL_SERVER, type TestSqlServer, useSqlServer } from '../support/sqlserver.ts';

/** `check --json` with further arguments; its document must meet its schema and hold its exit code. */
async function checkJob(job: Job, args: readonly string[] = [], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runInProcess(['check', '--json', ...args], {
    cwd: job.folder,
    env: { ...job.env, ...env },
  });
  assert.ok(stdout.startsWith('{'), stderr);
  const document: CheckDocument = JSON.parse(stdout);
  assertMeetsSchema('check', document);
  assert.equal(document.exitCode, code);
  return { code, document, stdout, stderr };
}

/** The only check of that title. */
function itemOf({ checks }: CheckDocument, title: string): CheckedItem {
  const [item, ...others] = checks.filter((check) => check.title === title);
  assert.ok(item !== undefined && others.length === 0, `${title} among ${checks.map((check) => check.title)}`);
  return item;
}

/** Titles of the checks in a state. */
const titlesOf = ({ checks }: CheckDocument, state: CheckedItem['state']) =>
  checks.filter((check) => check.state === state).map(({ title }) => title);

/** What the log database holds. */
async function stateOf(server: TestSqlServer) {
  const tables = ['TRACKING', 'RUN', 'BATCH', 'FAILURE', 'ENTITY', 'SCHEMA'].map((name) => `TB_R_SYNC_${name}`);
  const rows: unknown[] = [];
  for (const table of [...tables, 'TB_R_Log']) rows.push(await server.query('log', `SELECT * FROM dbo.${table}`));
  return JSON.stringify(rows);
}

describe('check', () => {
  const server = useSqlServer({ seed: { rows: 20 } });
  const job = useJob(server);
  before(async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
  });
  beforeEach(() => job.configure());
  afterEach(() => {
    if (REAL_SERVER === undefined) server.faults.clear();
    job.receiver.clear();
  });

  it('finds a healthy installation good, writes nothing and sends nothing', async () => {
    const stored = await stateOf(server);
    const { code, document, stderr } = await checkJob(job);
    assert.deepEqual(titlesOf(document, 'failed'), []);
    assert.equal(code, 0);
    assert.equal(stderr, '', 'warnings stand among the checks');
    // The stand-in's certificate is not verified, and its login sees no disks.
    assert.deepEqual(titlesOf(document, 'warning'), ['configuration']);
    assert.equal(await stateOf(server), stored);
    assert.deepEqual(job.receiver.calls(), []);
    assert.match(itemOf(document, 'connection default').found, /, login sa, database \S+, SQL Server 2019 \(15\./);
    assert.match(itemOf(document, 'key of Users').found, /^unique by PK_MDM_USER, never NULL$/);
    assert.equal(itemOf(document, 'rows of Users').found, '20 rows');
    assert.match(itemOf(document, 'log space').found, /^data 8\.4 MB, 2\.1 MB used, grows until the disk is full; log/);
    assert.equal(itemOf(document, 'locks').found, 'free (5 entities)');
    assert.equal(itemOf(document, 'secrets').found.match(/\$\{env:/g)?.length, 5);
    const { found } = itemOf(document, 'schedule');
    assert.equal(found.match(/ 03:00 \+07:00/g)?.length, 5, found);
  });

  it('prints a line for each check for people, in ASCII where the locale has no UTF-8', async () => {
    const text = async (env: Record<string, string>) =>
      (await runInProcess(['check', '--entity', 'Users'], { cwd: job.folder, env: { ...job.env, ...env } })).stdout;
    assert.match(await text({ LANG: 'C.UTF-8' }), /^✓ Node\.js: .*\n✓ configuration: [\s\S]*– login at /);
    assert.match(await text({ LANG: 'C.UTF-8', TERM: 'dumb' }), /^ok Node\.js: [\s\S]*\n! {2}configuration: /);
    assert.match(await text({}), /^ok Node\.js: [\s\S]*\n- {2}login at /);
  });

  it('checks only what the named entity needs', async () => {
    const { document } = await checkJob(job, ['--entity', 'EventsCalendar']);
    assert.deepEqual(
      document.checks.filter(({ check }) => ['connection', 'source'].includes(check)).map(({ title }) => title),
      ['connection ess', 'connection log', 'source EventsCalendar'],
    );
    const { code, stderr } = await runInProcess(['check', '--entity', 'User'], { cwd: job.folder, env: job.env });
    assert.equal(code, 64);
    assert.match(stderr, /Users, ActualOrg/);
  });

  itOnStandIn('tries a login that is refused only once, whichever connections have it', async () => {
    const logins = server.faults.add({ match: /^LOGIN /, action: { error: 18456 } });
    const { document } = await checkJob(job);
    assert.equal(logins.hits, 1);
    assert.deepEqual(
      ['default', 'ess', 'log'].map((name) => itemOf(document, `connection ${name}`).state),
      ['failed', 'skipped', 'skipped'],
    );
  });

  it('tells a wrong password, and shows it nowhere', async () => {
    const wrong = (database: 'mdm' | 'ess' | 'log') => server.connectionString(database, { Password: 'not-this-one' });
    const { code, document, stdout } = await checkJob(job, [], {
      TAMHR_DEFAULT_CONNECTION: wrong('mdm'),
      TAMHR_ESS_CONNECTION: wrong('ess'),
      TAMHR_LOG_CONNECTION: wrong('log'),
    });
    assert.equal(code, 1);
    const { state, found, remedy } = itemOf(document, 'connection default');
    assert.deepEqual([state, /refused the login of sa \(error 18456\)/.test(found)], ['failed', true]);
    assert.match(remedy ?? '', /Check user and password/);
    assert.equal(itemOf(document, 'connection ess').state, 'skipped');
    assert.deepEqual(titlesOf(document, 'failed'), ['connection default']);
    assert.equal(itemOf(document, 'source Users').found, 'not checked, since connection default failed');
    assert.doesNotMatch(stdout, /not-this-one/);
  });

  it('names a database that is not there, and checks the others', async () => {
    const { code, document } = await checkJob(job, [], {
      TAMHR_ESS_CONNECTION: server.connectionString('ess', { Database: 'NOT_THERE' }),
    });
    assert.equal(code, 1);
    assert.deepEqual(titlesOf(document, 'failed'), ['connection ess']);
    assert.match(itemOf(document, 'connection ess').found, /could not open the database NOT_THERE/);
    assert.equal(itemOf(document, 'source Users').state, 'ok');
  });

  it('tells a port that nobody listens on', async () => {
    const { document } = await checkJob(job, ['--entity', 'EventsCalendar'], {
      TAMHR_ESS_CONNECTION: server.connectionString('ess', { Server: 'tcp:127.0.0.1,1' }),
    });
    assert.match(itemOf(document, 'connection ess').found, /127\.0\.0\.1:1 refused the connection/);
  });

  it('tells a missing table, a missing column, and a field that its column cannot give', async () => {
    await job.configure((config) => {
      config.entities[0].source.table = 'dbo.MDM_NOBODY';
      config.entities[1].map.Name = 'NoSuchColumn';
      Object.assign(config.entities[2], { changes: 'mirror', deleted: { url: '/gone', map: { Code: 'Id' } } });
      config.entities[2].deleted.map.At = { column: 'Id', format: 'yyyy' };
    });
    const { code, document } = await checkJob(job);
    assert.equal(code, 1);
    assert.match(itemOf(document, 'source Users').found, /^dbo\.MDM_NOBODY is not there on connection default/);
    const missing = itemOf(document, 'source ActualOrg');
    assert.match(missing.found, /has no column NoSuchColumn\.$/);
    assert.match(missing.remedy ?? '', /^Its columns are: Id, /);
    assert.match(itemOf(document, 'source ActualEntity').found, /deleted.*At/);
    assert.deepEqual(titlesOf(document, 'failed'), ['source Users', 'source ActualOrg', 'source ActualEntity']);
    assert.equal(itemOf(document, 'key of Users').state, 'skipped');
  });

  itOnStandIn('tells a permission that is missing', async () => {
    server.faults.add({
      match: /SELECT TOP \(0\).*MDM_USER/,
      action: { error: 229, message: "The SELECT permission was denied on the object 'MDM_USER'." },
    });
    const { document } = await checkJob(job, ['--entity', 'Users']);
    const { state, found, remedy } = itemOf(document, 'source Users');
    assert.equal(state, 'failed');
    assert.match(found, /^the user of connection default may not read dbo\.MDM_USER/);
    assert.equal(remedy, 'Have SELECT on it granted to that user.');
  });

  describe('of a key', () => {
    const table = 'CREATE TABLE dbo.K (Id int NULL, Part int NOT NULL, Name nvarchar(20) NULL)';
    const keyOf = async (key: string | readonly string[], ...statements: string[]) => {
      for (const statement of [table, ...statements]) await server.execute('mdm', statement);
      try {
        await job.configure((config) => {
          Object.assign(config.entities[0], { source: { connection: 'default', table: 'dbo.K', key }, map: undefined });
        });
        return itemOf((await checkJob(job, ['--entity', 'Users'])).document, 'key of Users');
      } finally {
        await server.execute('mdm', 'DROP TABLE dbo.K');
      }
    };

    it('NULL is a failure', async () => {
      const { state, found } = await keyOf('Id', 'INSERT INTO dbo.K VALUES (1, 1, NULL), (NULL, 2, NULL)');
      assert.deepEqual([state, found], ['failed', 'a row has NULL in Id']);
    });

    it('two rows with the same one are a failure', async () => {
      const { state, found } = await keyOf('Part', 'INSERT INTO dbo.K VALUES (1, 1, NULL), (2, 1, NULL)');
      assert.deepEqual([state, found], ['failed', 'two rows have the same Part']);
    });

    it('without an index is a warning', async () => {
      const { state, found, remedy } = await keyOf('Part', 'INSERT INTO dbo.K VALUES (1, 1, NULL), (2, 2, NULL)');
      assert.deepEqual([state, found], ['warning', 'unique and never NULL by now, but no index begins with Part']);
      assert.match(remedy ?? '', /unique index on \(Part\)/);
    });

    it('with an index that another column begins is a warning, too', async () => {
      const index = 'CREATE UNIQUE INDEX UX ON dbo.K (Name, Part)';
      assert.match((await keyOf('Part', index)).found, /no index begins with Part$/);
    });

    it('with an index that does not keep it unique is a warning', async () => {
      const { state, found } = await keyOf('Part', 'CREATE INDEX IX ON dbo.K (Part, Id)');
      assert.deepEqual([state, found], ['warning', 'unique and never NULL by now, but no index keeps it unique']);
    });

    it('unique by fewer columns than it has, and read by an index of all of them, is good', async () => {
      const { state, found } = await keyOf(
        ['Part', 'Name'],
        'CREATE UNIQUE INDEX UX ON dbo.K (Part)',
        'CREATE INDEX IX ON dbo.K (Part, Name)',
      );
      assert.deepEqual([state, found], ['ok', 'unique by UX, never NULL; read by IX']);
    });

    it('in another database than the connection’s is looked up there', async () => {
      await job.configure((config) => {
        config.entities[0].source = { connection: 'ess', table: `[${server.databases.mdm}]..MDM_USER`, key: 'Id' };
      });
      const { document } = await checkJob(job, ['--entity', 'Users']);
      assert.equal(itemOf(document, 'key of Users').found, 'unique by PK_MDM_USER, never NULL');
    });

    it('of a query is looked up in its rows', async () => {
      await job.configure((config) => {
        const source = { connection: 'default', key: 'N', query: 'SELECT 1 AS N UNION ALL SELECT 2' };
        Object.assign(config.entities[0], { source, map: undefined });
      });
      const { document } = await checkJob(job, ['--entity', 'Users']);
      assert.match(itemOf(document, 'key of Users').found, /^unique and never NULL by now; of a view or query/);
    });
  });

  it('tells fewer rows than minRows, and an empty source', async () => {
    await job.configure((config) => {
      config.entities[0].source.minRows = 1000;
      config.entities[1].source.where = '1 = 0';
    });
    const { code, document } = await checkJob(job);
    assert.equal(code, 1);
    assert.deepEqual(
      [itemOf(document, 'rows of Users').state, itemOf(document, 'rows of ActualOrg').state],
      ['failed', 'warning'],
    );
    assert.equal(itemOf(document, 'rows of Users').found, '20 rows, fewer than source.minRows (1,000)');
  });

  it('says how changed rows will be found, and why', async () => {
    await server.execute('mdm', 'CREATE TABLE dbo.V (Id int NOT NULL PRIMARY KEY, RowVer rowversion)');
    await job.configure((config) => {
      config.entities[0].changes = 'changed';
      const source = { connection: 'default', table: 'dbo.V', key: 'Id' };
      Object.assign(config.entities[2], { changes: 'changed', source, map: { Code: 'Id' } });
    });
    const { document } = await checkJob(job);
    assert.match(
      itemOf(document, 'changes of Users').found,
      /^changed: all rows are read and compared, since .* no rowversion/,
    );
    assert.match(itemOf(document, 'changes of ActualEntity').found, /^changed: rowversion by column RowVer, since /);
  });

  it('names the holder of a lock as a warning, and takes none itself', async () => {
    const runId = '11111111-2222-4333-8444-555555555555';
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_RUN (RunId, StartedAt, State, Host, ProcessId, Version, Arguments)
       VALUES ('${runId}', '2026-11-24T20:00:00', N'running', N'other-host', 4711, N'0.1.0', N'run');
       INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, OwnerRunId, LockedAt)
       VALUES (N'User', '${runId}', '2026-11-24T20:00:01')`,
    );
    const holder = await server.connect('log');
    await holder.batch(
      `EXEC sp_getapplock @Resource = N'tamhr-sync:User', @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = 0`,
    );
    const { code, document } = await checkJob(job);
    const { state, found } = itemOf(document, 'locks');
    assert.deepEqual([code, state], [0, 'warning']);
    assert.equal(found, `Users is held by run ${runId} on other-host (process 4711) since 2026-11-25 03:00 +07:00`);
    await holder.batch(`EXEC sp_releaseapplock @Resource = N'tamhr-sync:User', @LockOwner = N'Session'`);
    assert.equal(itemOf((await checkJob(job)).document, 'locks').state, 'ok');
  });

  it('misses the unique index of the ledger', async () => {
    await server.execute('log', 'DROP INDEX UQ_TB_R_SYNC_TRACKING_EntityType_EntityId ON dbo.TB_R_SYNC_TRACKING');
    const { code, document } = await checkJob(job, ['--entity', 'Users']);
    await server.execute(
      'log',
      'CREATE UNIQUE INDEX UQ_TB_R_SYNC_TRACKING_EntityType_EntityId ON dbo.TB_R_SYNC_TRACKING (EntityType, EntityId)',
    );
    const { state, remedy } = itemOf(document, 'ledger index');
    assert.deepEqual([code, state], [0, 'warning']);
    assert.match(remedy ?? '', /CREATE UNIQUE INDEX/);
  });

  itOnStandIn('takes no longer than its limit with a server that hangs, and says so', async () => {
    const hang = server.faults.add({
      match: /COUNT_BIG.*MDM_USER|SELECT TOP \(0\).*MDM_ACTUAL_ORG/,
      action: { hang: true },
    });
    const start = performance.now();
    const { code, document } = await checkJob(job, ['--timeout', '1']);
    assert.ok(performance.now() - start < 10_000);
    assert.ok(hang.hits >= 2);
    assert.equal(code, 1);
    const rows = itemOf(document, 'rows of Users');
    assert.deepEqual([rows.state, rows.found], ['warning', 'took longer than 1 s']);
    assert.match(rows.remedy ?? '', /--timeout/);
    assert.deepEqual(titlesOf(document, 'failed'), ['source ActualOrg']);
    assert.equal(itemOf(document, 'rows of OrgObject').state, 'ok');
  });

  it('works before migrate, and names it', async () => {
    await server.execute('log', `DELETE FROM dbo.TB_R_SYNC_SCHEMA WHERE Version = 3`);
    const { code, document } = await checkJob(job, ['--entity', 'Users']);
    const { state, found, remedy } = itemOf(document, 'log tables');
    assert.deepEqual([code, state, found], [1, 'failed', 'the log database lacks 003-changes']);
    assert.match(remedy ?? '', /^Run tamhr-sync migrate/);
    assert.equal(itemOf(document, 'locks').state, 'skipped');
    assert.equal((await job.run(['migrate'])).code, 0);
  });

  describe('of a receiver', () => {
    const withCheck = (check: object) =>
      job.configure((config) => {
        config.destination.check = { url: '/health', ...check };
      });

    it('sends the harmless request with the credentials, once for all entities that share it', async () => {
      await withCheck({ method: 'HEAD' });
      job.receiver.respond(() => ({ status: 204 }));
      const { code, document } = await checkJob(job);
      job.receiver.respond(() => undefined);
      const calls = job.receiver.calls();
      assert.deepEqual(
        calls.map(({ method, path, headers }) => [method, path, headers['x-api-key'], headers['idempotency-key']]),
        [['HEAD', '/health', job.env.TAMHR_API_KEY, undefined]],
      );
      const host = new URL(job.receiver.url).host;
      assert.deepEqual([code, itemOf(document, `login at ${host}`).state], [0, 'ok']);
      assert.deepEqual(itemOf(document, `clock of ${host}`).found, 'the same as here');
    });

    it('takes 401 for wrong credentials, and shows none', async () => {
      await withCheck({});
      const { code, document, stdout } = await checkJob(job, [], { TAMHR_API_KEY: 'wrong-key-8c1d' });
      const { state, found, remedy } = itemOf(document, `login at ${new URL(job.receiver.url).host}`);
      assert.deepEqual([code, state], [1, 'failed']);
      assert.match(found, /^GET \/health was answered with HTTP 401 in .*, expected 2xx/);
      assert.match(remedy ?? '', /destination\.auth/);
      assert.doesNotMatch(stdout, /wrong-key-8c1d/);
    });

    it('takes the expected status, and follows no redirect', async () => {
      await withCheck({ status: 404 });
      const host = new URL(job.receiver.url).host;
      job.receiver.failNext(1, 404);
      assert.equal(itemOf((await checkJob(job)).document, `login at ${host}`).state, 'ok');
      job.receiver.failNext(1, { status: 302, headers: { Location: '/elsewhere' } });
      assert.match(itemOf((await checkJob(job)).document, `login at ${host}`).found, /HTTP 302.*expected 404/);
      assert.equal(job.receiver.calls('/elsewhere').length, 0);
    });

    it('warns of a clock that is wrong by more than a minute', async () => {
      await withCheck({});
      const ahead = new Date(Date.now() + 5 * 60_000).toUTCString();
      job.receiver.failNext(1, { status: 200, headers: { Date: ahead } });
      const { code, document } = await checkJob(job, ['--entity', 'Users']);
      const { state, found } = itemOf(document, `clock of ${new URL(job.receiver.url).host}`);
      assert.deepEqual([code, state], [0, 'warning']);
      assert.match(found, /^(4 min 5\d s|5 min( \ds)?).* ahead of this machine$/);
    });

    it('does not wait for an answer that never comes', async () => {
      await withCheck({});
      job.receiver.failNext(1, { send: 'none' });
      const { code, document } = await checkJob(job, ['--timeout', '1', '--entity', 'Users']);
      const { state, found } = itemOf(document, `login at ${new URL(job.receiver.url).host}`);
      assert.deepEqual([code, state, found], [1, 'failed', 'took longer than 1 s']);
    });

    it('tells one that is not there, and looks at deletions elsewhere by themselves', async () => {
      await job.configure((config) => {
        Object.assign(config.entities[0], { changes: 'mirror', deleted: { url: 'http://127.0.0.1:1/users/{key}' } });
      });
      const { code, document } = await checkJob(job, ['--entity', 'Users']);
      assert.equal(code, 1);
      const gone = itemOf(document, 'endpoint 127.0.0.1:1');
      assert.deepEqual([gone.state, gone.found], ['failed', '127.0.0.1:1 refused the connection.']);
      assert.match(itemOf(document, `endpoint ${new URL(job.receiver.url).host}`).found, /; for Users$/);
    });
  });

  describe('of files and the configuration', () => {
    it('warns of secrets that others can read, and of a configuration that others can write', async (t) => {
      const file = join(job.folder, '.env');
      t.after(() => rm(file));
      await writeFile(file, 'TAMHR_API_KEY=from-the-file\n');
      await chmod(file, 0o644);
      await chmod(join(job.folder, 'sync.config.json'), 0o666);
      const run = (args: string[]) => runInProcess(args, { cwd: job.folder, env: job.env });
      const { code, stdout } = await run(['--secrets', '.env', 'check', '--json', '--entity', 'Users']);
      await chmod(join(job.folder, 'sync.config.json'), 0o644);
      const document: CheckDocument = JSON.parse(stdout);
      const files = document.checks.filter(({ check }) => check === 'files');
      assert.deepEqual([code, files.map(({ state }) => state)], [0, ['warning', 'warning']]);
      assert.match(files[0]?.found ?? '', /^\.env holds secrets and others can read it/);
      assert.match(files[1]?.found ?? '', /^others can write sync\.config\.json/);
    });

    it('warns of files that a run could not write, and makes none', async (t) => {
      t.after(() => job.configure());
      await mkdir(join(job.folder, 'folder.prom'));
      await job.configure((config) => {
        config.logging = { file: 'sync.config.json/run.log' };
        config.report = { html: 'missing/status.html' };
        config.metrics = { file: 'folder.prom' };
      });
      const { code, document } = await checkJob(job, ['--entity', 'Users']);
      const files = document.checks.filter(({ check, state }) => check === 'files' && state === 'warning');
      assert.deepEqual(
        [code, files.map(({ found }) => found)],
        [
          0,
          [
            'run.log (logging.file) cannot be written: ENOTDIR',
            'status.html (report.html) cannot be written: ENOENT',
            'folder.prom (metrics.file) cannot be written: EISDIR',
          ],
        ],
      );
      await symlink(join(job.folder, 'elsewhere.html'), join(job.folder, 'link.html'));
      await job.configure((config) => {
        config.logging = { file: 'a/b/run.log' };
        config.report = { html: 'link.html' };
        config.metrics = { file: 'sync.prom' };
      });
      const fine = await checkJob(job, ['--entity', 'Users']);
      assert.ok(fine.document.checks.every(({ check, state }) => check !== 'files' || state === 'ok'));
      assert.ok(!existsSync(join(job.folder, 'a')));
    });

    it('ends with 78 where a secret is missing, and prints what could be checked', async () => {
      const { TAMHR_API_KEY: _, ...env } = job.env;
      const { code, stdout, stderr } = await runInProcess(['check', '--json'], { cwd: job.folder, env });
      const document: CheckDocument = JSON.parse(stdout);
      assertMeetsSchema('check', document);
      assert.deepEqual([code, document.exitCode, stderr], [78, 78, '']);
      assert.deepEqual(
        document.checks.map(({ title, state }) => [title, state]),
        [
          ['Node.js', 'ok'],
          ['configuration', 'skipped'],
          ['secrets', 'failed'],
          ['file permissions', 'ok'],
        ],
      );
      assert.match(itemOf(document, 'secrets').found, /\$\{env:TAMHR_API_KEY\} is not resolved/);
    });

    it('ends with 78 where the configuration is broken or not there', async () => {
      await job.configure((config) => {
        config.entities[0].surce = {};
      });
      const { code, document } = await checkJob(job);
      assert.equal(code, 78);
      assert.match(
        itemOf(document, 'configuration').found,
        /entities\[0\]\.surce: unknown key, did you mean "source"\?/,
      );
      const nowhere = await runInProcess(['--config', 'nowhere.json', 'check'], { cwd: job.folder, env: job.env });
      assert.equal(nowhere.code, 78);
      assert.match(nowhere.stdout, /configuration: nowhere\.json cannot be read/);
    });
  });
});

describe('check of a receiver with TLS', () => {
  const pem = (name: string) => readFileSync(new URL(`../http/tls/${name}.pem`, import.meta.url), 'utf8');
  const server = useSqlServer({ seed: { rows: 2 } });
  const job = useJob(server, { tls: { key: pem('server.key'), cert: pem('valid') } });
  before(async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
  });

  it('tells the certificate and how long it is valid, and logs in there', async () => {
    await job.configure((config) => {
      Object.assign(config.destination, { tls: { ca: pem('ca') }, check: { url: '/health', status: 202 } });
    });
    job.receiver.failNext(1, 202);
    const { code, document } = await checkJob(job, ['--entity', 'Users']);
    assert.equal(code, 0);
    const { host } = new URL(job.receiver.url);
    assert.match(
      itemOf(document, `endpoint ${host}`).found,
      /, TLSv1\.3, certificate of valid by tamhr-sync test CA expires in [\d,]+ days \(2120-01-01\), connected in .*; for Users$/,
    );
    assert.match(itemOf(document, `login at ${host}`).found, /HTTP 202/);
  });

  it('takes a certificate that nobody here knows for a failure, and sends nothing then', async () => {
    await job.configure((config) => {
      config.destination.check = { url: '/health' };
    });
    job.receiver.clear();
    const { code, document } = await checkJob(job, ['--entity', 'Users']);
    const { host } = new URL(job.receiver.url);
    const { state, found, remedy } = itemOf(document, `endpoint ${host}`);
    assert.deepEqual([code, state], [1, 'failed']);
    assert.match(found, /is not trusted \(its issuer is unknown here; tls\.ca/);
    assert.match(remedy ?? '', /tls and proxy/);
    assert.equal(itemOf(document, `login at ${host}`).state, 'skipped');
    assert.deepEqual(job.receiver.calls(), []);
  });
});

describe('check with a host that accepts connections and says nothing', () => {
  const sockets = new Set<Socket>();
  let silent: Server;
  const job = useJob(useSqlServer());
  before(async () => {
    silent = createServer((socket) => sockets.add(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('ends in time, and leaves no connection open', async () => {
    const { port } = silent.address() as { port: number };
    const connection = `Server=tcp:127.0.0.1,${port};Database=x;User Id=u;Password=p-9f;TrustServerCertificate=True`;
    const start = performance.now();
    const { code, document } = await checkJob(job, ['--timeout', '1'], {
      TAMHR_DEFAULT_CONNECTION: connection,
      TAMHR_ESS_CONNECTION: connection.replace('Database=x', 'Database=y'),
      TAMHR_LOG_CONNECTION: connection,
      TAMHR_API_URL: `https://127.0.0.1:${port}`,
    });
    assert.ok(performance.now() - start < 10_000);
    assert.equal(code, 1);
    assert.match(itemOf(document, 'connection default').found, /^took longer than 1 s$/);
    assert.equal(
      itemOf(document, 'connection ess').found,
      'not tried, since connection default failed on the same server and login',
    );
    assert.match(itemOf(document, `endpoint 127.0.0.1:${port}`).found, /^took longer than 1 s$/);
    await Promise.all(
      [...sockets].map(
        (socket) => socket.destroyed || new Promise((resolve) => socket.once('close', resolve).resume()),
      ),
    );
  });
});
