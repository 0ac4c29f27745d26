import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { splitBatches } from '../../src/sqlserver/migrations.ts';
import { runCli } from '../support/cli.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

describe('tamhr-sync migrate', () => {
  const server = useSqlServer();
  const job = useJob(server);

  it('says in its check what is pending, exits 1 and changes nothing', async () => {
    const { code, stdout } = await job.run(['migrate', '--check']);
    assert.equal(code, 1);
    assert.match(stdout, /^pending 001-tables$/m);
    assert.deepEqual(await server.query('log', 'SELECT name FROM sys.tables'), []);
  });

  it('applies what is pending, says so, and has nothing to do the next time', async () => {
    const first = await job.run(['migrate']);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^applied 001-tables\napplied 002-delivery\napplied 003-changes$/m);
    const second = await job.run(['migrate']);
    assert.equal(second.code, 0);
    assert.match(second.stdout, new RegExp(`^${server.databases.log} is up to date \\(version 3\\)$`, 'm'));
    assert.equal((await job.run(['migrate', '--check'])).code, 0);
  });

  it('exits 69 with a message where the database cannot be reached', async () => {
    const { code, stdout, stderr } = await job.run(['migrate'], {
      env: { ...job.env, TAMHR_LOG_CONNECTION: server.connectionString('log', { Database: 'TAMHR_TYPO' }) },
    });
    assert.deepEqual([code, stdout], [69, '']);
    assert.match(stderr, /^error: Connection log: .* could not open the database TAMHR_TYPO/m);
    assert.doesNotMatch(stderr, /^ +at /m);
  });
});

describe('tamhr-sync migrate --print', () => {
  it('prints the SQL without a configuration or a database', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-test-'));
    t.after(() => rm(folder, { recursive: true }));
    const { code, stdout, stderr } = await runCli(['migrate', '--print'], { cwd: folder });
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(splitBatches(stdout).length > 5);
    assert.match(stdout, /CREATE TABLE dbo\.TB_R_SYNC_BATCH/);
    assert.match(stdout, /INSERT INTO dbo\.TB_R_SYNC_SCHEMA/);
  });

  it('does not go together with --check', async () => {
    assert.equal((await runCli(['migrate', '--print', '--check'], { cwd: tmpdir() })).code, 64);
  });
});
