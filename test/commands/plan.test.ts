import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { before, describe, it } from 'node:test';
import { main } from '../../src/cli.ts';
import type { PlanDocument, PlannedEntity } from '../../src/report/plan-json.ts';
import { assertMeetsSchema } from '../report/schema.ts';
import { Screen } from '../report/screen.ts';
import { type Job, useJob } from '../support/job.ts';
import { type TestSqlServer, useSqlServer } from '../support/sqlserver.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests change any part of it
type AnyConfig = any;

/** Users as they are once changed and deleted rows are to be sent, too. */
function mirrorUsers(config: AnyConfig): AnyConfig {
  const users = config.entities.find(({ name }: { name: string }) => name === 'Users');
  return Object.assign(users, { changes: 'mirror', deleted: { url: '/users/{key}' } });
}

/** `plan --json` of Users with further arguments. */
async function planUsers(job: Job, ...args: string[]) {
  const { code, stdout, stderr } = await job.run(['plan', '--json', '--entity', 'Users', ...args]);
  assert.ok(stdout.startsWith('{'), stderr);
  const document: PlanDocument = JSON.parse(stdout);
  assertMeetsSchema('plan', document);
  assert.equal(document.exitCode, code);
  return { code, stdout, stderr, users: document.entities[0] as PlannedEntity };
}

/** What the log database holds: a plan changes none of it. */
async function stateOf(server: TestSqlServer) {
  const tables = ['TRACKING', 'RUN', 'BATCH', 'FAILURE', 'ENTITY'];
  const rows: unknown[] = [];
  for (const table of tables) rows.push(await server.query('log', `SELECT * FROM dbo.TB_R_SYNC_${table}`));
  return JSON.stringify([rows, await server.query('log', 'SELECT COUNT(*) AS Logged FROM dbo.TB_R_Log')]);
}

const countsOf = ({ newRows, changedRows, deletions, heldDeletions, batches }: PlannedEntity) => ({
  newRows,
  changedRows,
  deletions,
  heldDeletions,
  batches,
});
const NOTHING = { newRows: 0, changedRows: 0, deletions: 0, heldDeletions: 0, batches: 0 };

describe('a plan', () => {
  const server = useSqlServer({ seed: { rows: { Users: 50, ActualOrg: 3 } } });
  const job = useJob(server);
  before(() => job.configure(mirrorUsers));

  it('works before migrate, tells what is new with masked samples, and sends nothing', async () => {
    const { code, users, stderr } = await planUsers(job, '--batch-size', '20', '--sample', '2');
    assert.equal(code, 0, stderr);
    assert.deepEqual(countsOf(users), { ...NOTHING, newRows: 50, batches: 3 });
    assert.equal(users.comparison?.method, 'hash');
    assert.deepEqual(
      users.samples.map(({ operation }) => operation),
      ['upsert', 'upsert'],
    );
    const payload = users.samples[0]?.payload as Record<string, unknown>;
    assert.deepEqual([payload.Code, payload.Name, payload.Email], ['***', '***', '***']);
    assert.equal(job.receiver.calls().length, 0);
  });

  it('has the size of what is then sent, and nothing left once it was', async () => {
    const { users: planned } = await planUsers(job);
    await job.run(['migrate']);
    const { code, stderr, summary } = await job.sync();
    assert.equal(code, 0, stderr);
    assert.deepEqual([summary.entities[0]?.accepted, summary.entities[0]?.bytes], [50, planned.bytes]);
    const { code: after, users } = await planUsers(job);
    assert.equal(after, 0);
    assert.deepEqual([countsOf(users), users.bytes, users.samples], [NOTHING, 0, []]);
  });

  it('tells changed rows and deletions as the run then has them, and changes nothing itself', async () => {
    const ids = await server.query('mdm', 'SELECT Id FROM dbo.MDM_USER ORDER BY Id');
    const [first = '', second = '', third = ''] = ids.map(({ Id }) => String(Id).toLowerCase());
    await server.execute('mdm', "UPDATE dbo.MDM_USER SET Name = N'Renamed Person' WHERE Id IN (@first, @second)", {
      first,
      second,
    });
    await server.execute('mdm', 'DELETE FROM dbo.MDM_USER WHERE Id = @third', { third });
    const callsBefore = job.receiver.calls().length;
    const stateBefore = await stateOf(server);

    const { code, stdout, users } = await planUsers(job);
    assert.equal(code, 0);
    assert.deepEqual(countsOf(users), { ...NOTHING, changedRows: 2, deletions: 1, batches: 2 });
    assert.deepEqual(
      users.samples.map(({ operation, key, payload }) => [operation, key, payload === null]),
      [
        ['upsert', first, false],
        ['upsert', second, false],
        ['delete', third, true],
      ],
    );
    assert.ok(!stdout.includes('Renamed'));
    assert.ok((await planUsers(job, '--show-values')).stdout.includes('"Name": "Renamed Person"'));
    assert.equal(job.receiver.calls().length, callsBefore);
    assert.equal(await stateOf(server), stateBefore);

    const { stdout: text, stderr } = await job.run(['run', '--entity', 'Users']);
    assert.match(text, /^Entity +Result +Read +Tracked +Sent +Changed +Deleted .*\nUsers +done +49 +47 +3 +2 +1 /);
    assert.match(stderr, /Users: compares all rows by hash \(.*\)/);
    assert.match(stderr, /Users: done, 49 read, 47 already tracked, 3 sent, 2 changed, 1 deleted, 0 refused/);
    assert.deepEqual(countsOf((await planUsers(job)).users), NOTHING);
  });

  it('is a text that says the same, each entity in it, without values', async () => {
    await server.execute('mdm', "UPDATE dbo.MDM_USER SET Name = N'Renamed Once More' WHERE Name = N'Renamed Person'");
    const { code, stdout, stderr } = await job.run(['plan', '--sample', '1']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^What a run would send now/);
    assert.match(stdout, /^Users +49 +47 +0 +2 +0 +1 /m);
    assert.match(stdout, /^ {2}compares {6}all rows by hash/m);
    assert.equal(stdout.match(/^ {2}would send/gm)?.length, 1);
    assert.match(stdout, /\nEventsCalendar\n/);
    assert.ok(!stdout.includes('Renamed'));
    assert.doesNotMatch(stderr, /Users: /);
  });

  it('on a terminal draws how far it is on stderr, and nothing else there', async () => {
    const [stdout, stderr] = [new Screen(60), new Screen(60)];
    const io = { stdout, stderr, env: { ...job.env, NO_COLOR: '1' }, cwd: job.folder, signals: new EventEmitter() };
    assert.equal(await main(['plan', '--entity', 'Users'], io), 0);
    assert.match(stdout.text, /^What a run would send now/);
    assert.match(stderr.text, /^Users \[=+\] 49 rows, .*done, /m);
    assert.doesNotMatch(stderr.text, / info | warn /);
  });

  it('tells when the mapping has changed, and what that would send', async () => {
    await job.configure((config) => {
      mirrorUsers(config).map.Team = { const: 'new field' };
    });
    const { code, users } = await planUsers(job);
    assert.deepEqual([code, users.comparison?.mapChanged, users.changedRows], [0, true, 49]);
    const { stdout } = await job.run(['plan', '--entity', 'Users', '--sample', '0']);
    const words = stdout.replace(/\s+/g, ' ');
    assert.match(words, /the mapping changed since the last full comparison: 49 rows would be sent again; `tamhr-sync/);
    assert.doesNotMatch(stdout, /would send {4}/);
    await job.configure(mirrorUsers);
    await job.sync('--entity', 'Users');
  });

  it('says which deletions are held back and why, ends with 1, and shows what the options would change', async () => {
    await server.execute(
      'mdm',
      'DELETE FROM dbo.MDM_USER WHERE Id IN (SELECT TOP (30) Id FROM dbo.MDM_USER ORDER BY Id)',
    );
    const { code, users } = await planUsers(job);
    assert.deepEqual([code, countsOf(users)], [1, { ...NOTHING, heldDeletions: 30 }]);
    assert.match(users.warnings.join(), /maxDeletePercent/);
    const { stdout: text, code: runCode } = await job.run(['run', '--entity', 'Users', '--quiet']);
    assert.equal(runCode, 1);
    assert.match(
      text.replace(/\s+/g, ' '),
      /Users: 30 rows are gone from the source and were not deleted .*--max-delete/,
    );

    const allowed = await planUsers(job, '--max-delete-percent', '99.5');
    assert.deepEqual([allowed.code, countsOf(allowed.users)], [0, { ...NOTHING, deletions: 30, batches: 30 }]);
    assert.equal(allowed.users.samples.length, 3);
    const { code: sent, summary } = await job.sync('--entity', 'Users', '--max-delete-percent', '99.5');
    assert.deepEqual([sent, summary.entities[0]?.deleted], [0, 30]);
    const [run] = await server.query('log', 'SELECT TOP (1) Arguments FROM dbo.TB_R_SYNC_RUN ORDER BY StartedAt DESC');
    assert.equal(run?.Arguments, 'run --entity Users --max-delete-percent 99.5');
  });

  it('holds deletions back after a change of the source, until that is confirmed', async () => {
    await server.execute(
      'mdm',
      'DELETE FROM dbo.MDM_USER WHERE Id IN (SELECT TOP (1) Id FROM dbo.MDM_USER ORDER BY Id)',
    );
    await job.configure((config) => {
      mirrorUsers(config).source.where = 'IsActive >= 0';
    });
    const { code, users } = await planUsers(job);
    assert.deepEqual([code, countsOf(users)], [1, { ...NOTHING, heldDeletions: 1 }]);
    const confirmed = await planUsers(job, '--confirm-source-change');
    assert.deepEqual([confirmed.code, countsOf(confirmed.users)], [0, { ...NOTHING, deletions: 1, batches: 1 }]);
    const { code: sent, stderr } = await job.sync('--entity', 'Users', '--full', '--confirm-source-change');
    assert.equal(sent, 0, stderr);
    await job.configure(mirrorUsers);
  });

  it('of an entity whose source is missing ends as a run does, and plans the others', async () => {
    const missing = (config: AnyConfig) => {
      mirrorUsers(config).source.table = 'dbo.NOT_THERE';
    };
    await job.configure(missing);
    const { code, users } = await planUsers(job);
    assert.deepEqual([code, users.state, users.comparison], [69, 'failed', null]);
    assert.match(users.error?.code ?? '', /^SOURCE_/);
    const both = await job.run(['plan', '--entity', 'Users', '--entity', 'ActualOrg']);
    assert.equal(both.code, 1);
    assert.match(both.stdout, /^ {2}error {9}/m);
    await job.configure(mirrorUsers);
  });

  it('does not take what it cannot understand', async () => {
    for (const args of [
      ['plan', '--sample', '-1'],
      ['plan', '--sample', 'many'],
      ['plan', '--max-delete-percent', '100.1'],
      ['plan', '--max-delete-percent', ''],
      ['plan', '--limit', '3'],
      ['plan', '--entity', 'Nobody'],
      ['run', '--resolve-only', '--full'],
      ['run', '--max-delete-percent', '1e1'],
    ]) {
      const { code, stdout } = await job.run(args);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
    }
  });
});

describe('a plan over the ledger of the old job', () => {
  const server = useSqlServer({ seed: { rows: { Users: 30 }, oldJob: { rows: 20 } } });
  const job = useJob(server);
  before(() => job.configure(mirrorUsers));

  it('tells the rows whose hash is not known, and what sending them would be', async () => {
    const { code, users } = await planUsers(job);
    assert.deepEqual([code, users.newRows, users.changedRows, users.withoutHash], [0, 10, 0, 20]);
    const resent = await planUsers(job, '--resend-unknown');
    assert.deepEqual([resent.users.newRows, resent.users.changedRows, resent.users.withoutHash], [10, 20, 0]);
    const { stdout } = await job.run(['plan', '--entity', 'Users']);
    assert.match(stdout.replace(/\s+/g, ' '), /no hash 20 rows of the old job have no hash: they count as sent/);
  });

  it('is what the run then does, which says so', async () => {
    await job.run(['migrate']);
    const { code, stdout, stderr } = await job.run(['run', '--entity', 'Users']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Users: 20 rows of the old job had no hash: they count as sent, and have/);
    assert.equal((await planUsers(job)).users.withoutHash, 0);
  });
});
