import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { SqlClient } from '../dev/sqlserver/client.ts';
import { splitBatches } from '../src/sqlserver/migrations.ts';
import { runInProcess } from './fault/in-process.ts';
import { useJob } from './support/job.ts';
import { useSqlServer } from './support/sqlserver.ts';

const SQL = new URL('../sql/', import.meta.url);
const JOB_LOGIN = `tamhr_sync_${process.pid}`;
const PASSWORD = `Job-login-${process.pid}!`;

/** sql/permissions.sql as sqlcmd runs it, with other values of its variables. */
async function permissionBatches(values: Readonly<Record<string, string>>): Promise<string[]> {
  const script = await readFile(new URL('permissions.sql', SQL), 'utf8');
  const variables = new Set<string>();
  const text = script.replace(/^:setvar (\w+) ".*"$/gm, (_, name: string) => {
    variables.add(name);
    return '';
  });
  assert.deepEqual([...variables].sort(), Object.keys(values).sort(), 'the variables of the script');
  return splitBatches(text.replace(/\$\((\w+)\)/g, (_, name: string) => values[name] ?? assert.fail(`$(${name})`)));
}

describe('a login that has only what sql/permissions.sql grants', () => {
  // Before useSqlServer, whose own hook takes the server away.
  after(async () => {
    const owner = await server.connect('master');
    await owner.batch(`DROP LOGIN [${JOB_LOGIN}]`);
  });
  const server = useSqlServer({
    seed: { rows: { Users: 30, ActualOrg: 5, ActualEntity: 5, OrgObject: 5, EventsCalendar: 5 } },
  });
  const job = useJob(server);
  let env: Record<string, string>;
  const asJob = { 'User Id': JOB_LOGIN, Password: PASSWORD };
  const run = (...args: string[]) => runInProcess(args, { cwd: job.folder, env });

  before(async () => {
    assert.equal((await runInProcess(['migrate'], { cwd: job.folder, env: job.env })).code, 0);
    const owner = await server.connect('master');
    await owner.batch(`CREATE LOGIN [${JOB_LOGIN}] WITH PASSWORD = '${PASSWORD}', CHECK_POLICY = OFF`);
    const { mdm, ess, log } = server.databases;
    const values = { JobLogin: JOB_LOGIN, DefaultDatabase: mdm, EssDatabase: ess, LogDatabase: log };
    // Twice, as the script promises that it may.
    const batches = await permissionBatches(values);
    for (const batch of [...batches, ...batches]) await owner.batch(batch);
    env = {
      ...job.env,
      TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm', asJob),
      TAMHR_ESS_CONNECTION: server.connectionString('ess', asJob),
      TAMHR_LOG_CONNECTION: server.connectionString('log', asJob),
    };
    await job.configure((config) => {
      config.entities[0].changes = 'mirror';
      config.entities[0].deleted = { url: '/users/{key}' };
      config.entities[0].maxDeletePercent = 100;
    });
  });

  it('can plan and run all entities, deletions and dead letters included', async () => {
    const plan = await run('plan');
    assert.equal(plan.code, 0, plan.stderr);
    const first = await run('run');
    assert.equal(first.code, 0, first.stderr);
    assert.equal((await server.query('log', 'SELECT Id FROM dbo.TB_R_SYNC_TRACKING')).length, 50);
    await server.execute(
      'mdm',
      'DELETE FROM dbo.MDM_USER WHERE Id IN (SELECT TOP (2) Id FROM dbo.MDM_USER ORDER BY Id)',
    );
    await server.execute(
      'mdm',
      "UPDATE dbo.MDM_USER SET Name = N'refused' WHERE Id IN (SELECT TOP (1) Id FROM dbo.MDM_USER ORDER BY Id)",
    );
    job.receiver.respond(({ body }) => (body?.includes('"refused"') ? { status: 422 } : undefined));
    const second = await run('run');
    assert.equal(second.code, 1, second.stderr);
    assert.equal((await server.query('log', 'SELECT Id FROM dbo.TB_R_SYNC_TRACKING')).length, 48);
  });

  it('can look at everything and mend it', async () => {
    const [letter] = await server.query('log', 'SELECT EntityId FROM dbo.TB_R_SYNC_FAILURE');
    const key = String(letter?.EntityId);
    const commands: [code: number, ...args: string[]][] = [
      [0, 'migrate', '--check'],
      [0, 'status'],
      [0, 'failures', 'list'],
      [0, 'failures', 'show', '--key', key],
      [0, 'failures', 'discard', '--key', key],
      [0, 'failures', 'retry'],
      [0, 'ledger', 'show', '--key', key],
      [1, 'ledger', 'verify'],
      [0, 'ledger', 'rehash', '--entity', 'Users'],
      [0, 'ledger', 'forget', '--entity', 'OrgObject', '--yes'],
      [0, 'ledger', 'adopt', '--entity', 'OrgObject'],
      [0, 'ledger', 'export'],
    ];
    for (const [code, ...args] of commands) {
      const result = await run(...args);
      assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    }
  });

  it('can change no table, nor take rows out of TB_R_Log', async () => {
    const attempts = [
      ['mdm', "UPDATE dbo.MDM_USER SET Name = N'x'"],
      ['mdm', 'DELETE FROM dbo.MDM_USER'],
      ['log', 'DELETE FROM dbo.TB_R_Log'],
      ['log', "UPDATE dbo.TB_R_Log SET Status = N'x'"],
      ['log', 'ALTER TABLE dbo.TB_R_SYNC_TRACKING ADD More int NULL'],
      ['log', 'CREATE TABLE dbo.More (Id int NOT NULL)'],
      [
        'log',
        "INSERT INTO dbo.TB_R_SYNC_SCHEMA (Version, Name, Checksum, AppliedAt) SELECT 99, N'x', 'x', SYSUTCDATETIME()",
      ],
    ] as const;
    for (const [database, sql] of attempts) {
      const client = await SqlClient.connect(server.connectionString(database, asJob));
      try {
        await assert.rejects(client.batch(sql), /permission/i, sql);
      } finally {
        await client.close();
      }
    }
  });

  it('is granted something on every table that the migrations create', async () => {
    const files = (await readdir(SQL)).filter((file) => /^\d+-/.test(file));
    const texts = await Promise.all(files.map((file) => readFile(new URL(file, SQL), 'utf8')));
    const created = texts.flatMap((text) => [...text.matchAll(/CREATE TABLE (dbo\.\w+)/g)].map(([, name]) => name));
    assert.ok(created.length >= 6);
    const script = await readFile(new URL('permissions.sql', SQL), 'utf8');
    for (const name of created) assert.match(script, new RegExp(`^GRANT SELECT.* ON ${name} TO`, 'm'));
  });
});
