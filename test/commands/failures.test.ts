import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, beforeEach, describe, it } from 'node:test';
import type { ChangeDocument, FailuresDocument } from '../../src/report/failures-json.ts';
import { assertMeetsSchema } from '../report/schema.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

describe('failures before migrate', () => {
  const job = useJob(useSqlServer());

  it('ends with 69 and says what to do', async () => {
    const { code, stdout, stderr } = await job.run(['failures', 'list']);
    assert.deepEqual([code, stdout], [69, '']);
    assert.match(stderr, /the log database lacks .*\nRun `tamhr-sync migrate`/);
  });

  it('without a subcommand, a key or with words that are none it is wrong usage', async () => {
    for (const args of [
      [],
      ['show'],
      ['discard'],
      ['list', '--limit', '0'],
      ['list', '--entity', 'Nobody'],
      ['retry', 'Users'],
    ]) {
      const { code, stdout, stderr } = await job.run(['failures', ...args]);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
      assert.notEqual(stderr, '');
    }
  });
});

describe('failures', () => {
  const server = useSqlServer();
  const job = useJob(server);

  before(async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
  });
  beforeEach(async () => {
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_FAILURE');
  });

  async function insert(label: string, key: string, columns: Record<string, string> = {}): Promise<void> {
    const cells: Record<string, string> = {
      EntityType: `N'${label}'`,
      KeyHash: `0x${createHash('sha256').update(key).digest('hex').slice(0, 32)}`,
      EntityId: `N'${key}'`,
      Reason: "N'HTTP 422: no such post'",
      HttpStatus: '422',
      Attempts: '2',
      FirstFailedAt: "'2026-11-20T20:00:00'",
      LastFailedAt: "'2026-11-23T20:00:00'",
      State: "N'waiting'",
      ...columns,
    };
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_FAILURE (${Object.keys(cells).join(', ')}) VALUES (${Object.values(cells).join(', ')})`,
    );
  }

  const failures = (...args: string[]) => job.run(['failures', ...args]);
  async function documentOf(...args: string[]): Promise<FailuresDocument> {
    const { code, stdout, stderr } = await failures(...args, '--json');
    assert.equal(code, 0, stderr);
    const document: FailuresDocument = JSON.parse(stdout);
    assertMeetsSchema('failures', document);
    return document;
  }
  const statesOf = async () => {
    const { failures: all } = await documentOf('list');
    return all.map(({ entity, key, state, nextTryAt }) => `${entity} ${key} ${state} ${nextTryAt ?? 'due'}`).sort();
  };

  it('list says so where there are none, and ends with 0', async () => {
    for (const what of ['list', 'retry']) {
      const { code, stdout } = await failures(what);
      assert.deepEqual([code, stdout], [0, 'No dead letters.\n']);
    }
    assert.equal((await documentOf('list')).total, 0);
  });

  it('list shows the configured entities alone, in the zone of the schedule, and how many more there are', async () => {
    await insert('User', '41');
    await insert('User', '42', { LastFailedAt: "'2026-11-24T20:00:00'" });
    await insert('OrgObject', '7', { LastFailedAt: "'2026-11-22T20:00:00'" });
    await insert('Gone', '1');
    const { code, stdout } = await failures('list', '--limit', '2');
    assert.equal(code, 0);
    assert.match(stdout, /^Users +42 +2026-11-25 03:00 \+07:00 .*HTTP 422: no/m);
    assert.match(stdout, /^1 more; --limit 3 shows them all\.$/m);
    assert.doesNotMatch(stdout, /OrgObject|Gone/);
    assert.deepEqual(
      (await documentOf('list')).failures.map(({ entity, key }) => `${entity} ${key}`),
      ['Users 42', 'Users 41', 'OrgObject 7'],
    );
    const users = await documentOf('list', '--entity', 'Users', '--limit', '1');
    assert.deepEqual([users.total, users.failures.length], [2, 1]);
    assert.equal((await documentOf('list', '--key', '7', '41')).total, 2);
  });

  it('show tells everything of a key, and what happens next', async () => {
    await insert('User', '41');
    await insert('OrgObject', '41', { State: "N'discarded'", HttpStatus: 'NULL', Reason: "N'Email is no text'" });
    const { code, stdout } = await failures('show', '--key', '41');
    assert.equal(code, 0);
    assert.match(stdout, /^Users, key 41\n {2}reason +HTTP 422: no such post\n.*first at 2026-11-21 03:00 \+07:00\n/m);
    assert.match(stdout, /the next run tries it again/);
    assert.match(stdout, /^OrgObject, key 41\n {2}reason +Email is no text\n/m);
    assert.equal((await documentOf('show', '--key', '41', '--entity', 'OrgObject')).failures[0]?.state, 'discarded');
  });

  it('show, retry and discard of a key that is no dead letter end with 1 and name it', async () => {
    await insert('User', '41');
    for (const what of ['show', 'retry', 'discard']) {
      const some = await failures(what, '--key', '41', '99');
      assert.equal(some.code, 1);
      assert.match(some.stdout, /^Users/);
      assert.match(some.stderr, /^error: No dead letter has the key 99\.\n/m);
    }
    const none = await failures('show', '--key', '99');
    assert.deepEqual([none.code, none.stdout], [1, '']);
  });

  it('discard gives up what it names, and retry makes it due again', async () => {
    await insert('User', '41', { NextTryAt: "'2099-01-01'" });
    await insert('User', '42', { NextTryAt: "'2099-01-01'" });
    await insert('OrgObject', '7');
    const discarded = await failures('discard', '--entity', 'Users', '--key', '41');
    assert.equal(discarded.code, 0, discarded.stderr);
    assert.match(
      discarded.stdout.replaceAll('\n', ' '),
      /^Users: 1 dead letter discarded: sent only once the row changes/,
    );
    assert.deepEqual(await statesOf(), [
      'OrgObject 7 waiting due',
      'Users 41 discarded due',
      'Users 42 waiting 2099-01-01T00:00:00.000Z',
    ]);
    const { code, stdout } = await failures('retry', '--json');
    assert.equal(code, 0);
    const document: ChangeDocument = JSON.parse(stdout);
    assertMeetsSchema('failures-changed', document);
    assert.deepEqual(document, {
      total: 3,
      entities: [
        { entity: 'Users', rows: 2 },
        { entity: 'OrgObject', rows: 1 },
      ],
    });
    assert.deepEqual(await statesOf(), ['OrgObject 7 waiting due', 'Users 41 waiting due', 'Users 42 waiting due']);
    const text = (await failures('retry')).stdout.replaceAll('\n', ' ');
    assert.match(text, /^Users: 2 dead letters due: .*\(tamhr-sync run --entity Users\)/);
  });

  it('changes nothing of an entity that a run has locked: 75, and 1 where others were free', async () => {
    await insert('User', '41', { State: "N'discarded'" });
    const holder = await server.connect('log');
    await holder.batch(
      "EXEC sp_getapplock @Resource = N'tamhr-sync:User', @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = 0",
    );
    const { code, stdout, stderr } = await failures('retry');
    assert.deepEqual([code, stdout], [75, '']);
    assert.match(stderr, /^error: Users: another run has been syncing it\.\nWait/m);
    assert.deepEqual(await statesOf(), ['Users 41 discarded due']);
    await insert('OrgObject', '7');
    const partly = await failures('retry');
    assert.equal(partly.code, 1);
    assert.match(partly.stdout, /^OrgObject: 1 dead letter due/);
    await holder.close();
    assert.equal((await failures('retry')).code, 0);
  });

  it('texts from the database cannot steer the terminal', async () => {
    await insert('User', 'a\u001b[2J', { Reason: "N'x\u001b[31m\u202ey'" });
    for (const args of [['list'], ['show', '--key', 'a\u001b[2J']]) {
      const { code, stdout } = await failures(...args);
      assert.equal(code, 0);
      assert.doesNotMatch(stdout, /(?!\n)[\p{Cc}\u202e]/u);
      assert.match(stdout, /a\\u001b\[2J/);
    }
  });
});

describe('failures and runs', () => {
  const job = useJob(useSqlServer({ seed: { rows: 2 } }));

  it('a run leaves discarded rows out, and tries those that retry has made due', async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
    await job.configure((config) => {
      config.entities = [{ ...config.entities[0], map: { Code: 'Id', Name: { column: 'Name', as: 'number' } } }];
    });
    const letters = async () => {
      const { summary } = await job.sync();
      const [users] = summary.entities;
      return [users?.newDeadLetters, users?.oldDeadLetters];
    };
    const attempts = async () => {
      const { failures }: FailuresDocument = JSON.parse((await job.run(['failures', 'list', '--json'])).stdout);
      return failures.map(({ attempts, state, nextTryAt }) => [attempts, state, nextTryAt !== null]);
    };
    assert.deepEqual(await letters(), [2, 0]);
    assert.deepEqual(await attempts(), [
      [1, 'waiting', true],
      [1, 'waiting', true],
    ]);
    assert.equal((await job.run(['failures', 'discard', '--entity', 'Users'])).code, 0);
    assert.deepEqual(await letters(), [0, 0]);
    assert.equal((await job.run(['failures', 'retry'])).code, 0);
    assert.deepEqual(await letters(), [0, 2]);
    assert.deepEqual(await attempts(), [
      [2, 'waiting', true],
      [2, 'waiting', true],
    ]);
  });
});
