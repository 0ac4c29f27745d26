import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, before, describe, it } from 'node:test';
import type { EntitySummary } from '../../src/sync/ports.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

describe('what an installation gets wrong', () => {
  const server = useSqlServer({ seed: { rows: 20 } });
  const job = useJob(server);
  before(() => job.run(['migrate']));
  afterEach(async () => {
    await job.configure();
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    job.receiver.clear();
  });

  /** Runs with another environment; the entities of the default connection must fail alike, and the last one be done. */
  async function failing(env: Record<string, string>, expected: RegExp): Promise<void> {
    const { code, stdout, stderr } = await job.run(['run', '--json'], { env: { ...job.env, ...env } });
    assert.equal(code, 1, stderr);
    const entities: EntitySummary[] = JSON.parse(stdout).entities;
    assert.deepEqual(
      entities.map((entity) => entity.state),
      ['failed', 'failed', 'failed', 'failed', 'done'],
    );
    assert.match(entities[0]?.error?.message ?? '', expected);
    assert.ok((entities[0]?.error?.hint ?? '').length > 10);
    assert.equal(entities[4]?.accepted, 20);
    assert.doesNotMatch(stderr + stdout, /\n\s+at /);
  }

  it('a wrong password: says that the login was refused, once per entity, and the other connection is used', () =>
    failing(
      { TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm', { Password: 'Wrong-pass-9' }) },
      /login|password/i,
    ));

  it('an unknown host', () =>
    failing(
      { TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm', { Server: 'tcp:no-such-host.invalid,1433' }) },
      /no-such-host\.invalid/,
    ));

  it('a refused connection', () =>
    failing(
      { TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm', { Server: 'tcp:127.0.0.1,1' }) },
      /127\.0\.0\.1.*1|refused/,
    ));

  it('an unknown database', () =>
    failing({ TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm', { Database: 'NOPE' }) }, /NOPE/));

  it('a missing table stops its entity only', async () => {
    await job.configure((config) => {
      config.entities[1].source.table = 'dbo.NO_SUCH_TABLE';
    });
    const { code, summary, stderr } = await job.sync();
    assert.equal(code, 1, stderr);
    assert.deepEqual(
      summary.entities.map((entity) => entity.state),
      ['done', 'failed', 'done', 'done', 'done'],
    );
    assert.match(summary.entities[1]?.error?.message ?? '', /^ActualOrg: .*NO_SUCH_TABLE/);
  });

  it('a missing column stops its entity only, before anything is sent, and is named', async () => {
    await job.configure((config) => {
      config.entities[0].map.Phone = 'MobilePhone';
    });
    const { code, summary } = await job.sync();
    assert.equal(code, 1);
    assert.match(summary.entities[0]?.error?.message ?? '', /Users.*MobilePhone/s);
    assert.equal(job.receiver.calls('/users').length, 0);
    assert.equal(summary.entities[1]?.accepted, 20);
  });

  it('no source can be reached: 69', async () => {
    const nowhere = { Server: 'tcp:127.0.0.1,1' };
    const env = {
      ...job.env,
      TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm', nowhere),
      TAMHR_ESS_CONNECTION: server.connectionString('ess', nowhere),
    };
    assert.equal((await job.run(['run'], { env })).code, 69);
  });

  it('the log database cannot be reached, or refuses the login: 69, and nothing is sent', async () => {
    for (const change of [{ Server: 'tcp:127.0.0.1,1' }, { Password: 'Wrong-pass-9' }]) {
      const env = { ...job.env, TAMHR_LOG_CONNECTION: server.connectionString('log', change) };
      const { code, stderr } = await job.run(['run'], { env });
      assert.equal(code, 69, stderr);
      assert.match(stderr, /^error: .*log/im);
      assert.doesNotMatch(stderr, /\n\s+at |Wrong-pass-9/);
    }
    assert.equal(job.receiver.calls().length, 0);
  });

  it('an API key that the receiver refuses: nothing was accepted, 2', async () => {
    const { code, stderr } = await job.run(['run'], { env: { ...job.env, TAMHR_API_KEY: 'not-this-key' } });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^\S+ error Users: failed, .*HTTP 401.*Check destination\.auth/m);
    assert.equal(job.receiver.calls().length, 5, 'one for each entity');
    assert.doesNotMatch(stderr, /not-this-key/);
  });

  it('a receiver that nobody answers at: nothing was accepted, 2, and no row is in doubt', async () => {
    const env = { ...job.env, TAMHR_API_URL: 'http://127.0.0.1:1' };
    const { code, stdout, stderr } = await job.run(['run', '--json'], { env });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /refused/);
    const entities: EntitySummary[] = JSON.parse(stdout).entities;
    assert.deepEqual(
      entities.map(({ refused, unresolved }) => [refused, unresolved]),
      Array(5).fill([20, 0]),
    );
  });

  it('an unresolved reference: 78, and it is named', async () => {
    const { TAMHR_API_KEY: _, ...env } = job.env;
    const { code, stderr } = await job.run(['run'], { env });
    assert.equal(code, 78);
    assert.match(stderr, /TAMHR_API_KEY/);
  });

  it('a secret file that cannot be read: 78, and it is named', async () => {
    await job.configure((config) => {
      config.destination.auth.value = '${file:no/such/key.txt}';
    });
    const { code, stderr } = await job.run(['run']);
    assert.equal(code, 78);
    assert.match(stderr, /no\/such\/key\.txt/);
  });

  it('garbage instead of a configuration: 78, with line and column', async () => {
    await writeFile(join(job.folder, 'sync.config.json'), '{ "connections": {,');
    const { code, stderr } = await job.run(['run']);
    assert.equal(code, 78);
    assert.match(stderr, /sync\.config\.json.*1.*19/s);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  it('no configuration at all: 78', async () => {
    const { code, stderr } = await job.run(['run'], { cwd: '/' });
    assert.equal(code, 78);
    assert.match(stderr, /sync\.config\.json/);
  });

  it('an unknown entity, option or command: 64, and what there is', async () => {
    const entity = await job.run(['run', '--entity', 'User']);
    assert.equal(entity.code, 64);
    assert.match(entity.stderr, /Users, ActualOrg, ActualEntity, OrgObject, EventsCalendar/);
    assert.equal((await job.run(['run', '--limit', '0'])).code, 64);
    assert.equal((await job.run(['run', '--nope'])).code, 64);
    assert.equal((await job.run(['run', '--quiet', '--verbose'])).code, 64);
    assert.equal((await job.run(['rum'])).code, 64);
    assert.equal((await job.run([])).code, 64);
  });
});

describe('a log database that was never migrated', () => {
  const server = useSqlServer({ seed: { rows: 5 } });
  const job = useJob(server);

  it('makes run end with 69 and say how to migrate', async () => {
    const { code, stderr } = await job.run(['run']);
    assert.equal(code, 69);
    assert.match(stderr, /tamhr-sync migrate/);
    assert.equal(job.receiver.calls().length, 0);
  });
});
