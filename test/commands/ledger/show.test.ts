import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { sampleRow } from '../../../dev/sqlserver/sample-rows.ts';
import { useLedger } from './fixture.ts';

const idOf = (index: number) => String(sampleRow('Users', index).Id);
const noRegOf = (index: number) => String(sampleRow('Users', index).NoReg);

describe('ledger show', () => {
  const { server, job, ledger, document, sync } = useLedger({ rows: { Users: 25, OrgObject: 2 } });

  beforeEach(async () => {
    await job.configure();
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_FAILURE');
  });

  it('tells by a predicate why a person did not arrive: pending', async () => {
    const { code, stdout, stderr } = await ledger(['show', '--where', `NoReg = '${noRegOf(3)}'`]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      new RegExp(
        `^Users, key ${idOf(3)}\n  verdict +Pending: the next run sends it\\.\n  source +has the row\n  ledger +not tracked\n`,
      ),
    );
    assert.match(stderr, /^note: left out, since their sources do not take --where: ([A-Z]\w+, )+OrgObject[^\n]*\n$/);
  });

  it('tells of a sent row by which run and batch; a GUID may be typed in upper case', async () => {
    assert.equal((await sync('--entity', 'Users')).code, 0);
    const { code, document: shown } = await document('show', '--key', idOf(3).toUpperCase());
    assert.equal(code, 0);
    const [row] = shown.rows;
    assert.deepEqual(
      [shown.rows.length, row.entity, row.key, row.verdict, row.inSource, row.hash],
      [1, 'Users', idOf(3), 'sent', 'yes', 'same'],
    );
    const [run] = await server.query('log', 'SELECT TOP (1) RunId FROM dbo.TB_R_SYNC_RUN ORDER BY StartedAt DESC');
    assert.equal(row.tracked[0].batch.runId, String(run?.RunId).toLowerCase());
    assert.deepEqual([row.tracked[0].batch.state, row.tracked[0].batch.httpStatus], ['accepted', 200]);
    const { stdout } = await ledger(['show', '--key', idOf(3)]);
    assert.match(stdout, /verdict +Sent at 20\d\d-\d\d-\d\d \d\d:\d\d \+07:00 by run/);
  });

  it('tells what of a row has changed, by the way in which changes are sent', async () => {
    assert.equal((await ledger(['adopt', '--entity', 'Users'])).code, 0);
    await server.execute('mdm', `UPDATE dbo.MDM_USER SET Email = 'changed@example.com' WHERE Id = '${idOf(4)}'`);
    const verdictOf = async (key: string) => (await document('show', '--key', key)).document.rows[0].verdict;
    assert.equal(await verdictOf(idOf(4)), 'outdated');
    assert.equal(await verdictOf(idOf(5)), 'sent');
    await job.configure((config) => {
      config.entities[0].changes = 'changed';
    });
    assert.equal(await verdictOf(idOf(4)), 'changed');
    const { stdout } = await ledger(['show', '--key', idOf(4)]);
    assert.doesNotMatch(stdout, /changed@example/);
    await job.configure((config) => {
      Object.assign(config.entities[0], { changes: 'mirror', deleted: { url: '/users/{key}', method: 'DELETE' } });
      config.entities[0].source.where = `NoReg <> '${noRegOf(5)}'`;
    });
    const left = (await document('show', '--key', idOf(5))).document.rows[0];
    assert.deepEqual([left.verdict, left.inSource], ['toDelete', 'leftOut']);
  });

  it('tells that source.where leaves a row out, found by predicate as well', async () => {
    await job.configure((config) => {
      config.entities[0].source.where = `NoReg <> '${noRegOf(6)}'`;
    });
    const { document: shown } = await document('show', '--entity', 'Users', '--where', `NoReg = '${noRegOf(6)}'`);
    assert.deepEqual(
      shown.rows.map(({ key, verdict }: { key: string; verdict: string }) => [key, verdict]),
      [[idOf(6), 'leftOut']],
    );
  });

  it('tells of a dead letter and of a row in doubt', async () => {
    await job.configure((config) => {
      const [users] = config.entities;
      config.entities = [{ ...users, map: { Code: 'Id', Name: { column: 'Name', as: 'number' } } }];
    });
    await sync('--limit', '5');
    const dead = await ledger(['show', '--key', idOf(7)]);
    assert.equal(dead.code, 0);
    assert.match(
      dead.stdout.replaceAll(/\s+/g, ' '),
      new RegExp(`verdict A dead letter: field Name: .*\\. tamhr-sync failures show --key ${idOf(7)} tells more\\.`),
    );
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_FAILURE');
    await job.configure((config) => {
      config.destination.maxAttempts = 1;
    });
    job.receiver.failNext(2, { send: 'reset' });
    await sync('--entity', 'Users');
    const [row] = (await document('show', '--key', idOf(7))).document.rows;
    assert.equal(row.verdict, 'inDoubt');
    assert.equal(row.unresolved.operation, 'upsert');
    assert.equal((await sync('--entity', 'Users')).code, 0);
  });

  it('shows 20 rows of a predicate, and says that there are more', async () => {
    const { code, document: shown } = await document('show', '--entity', 'Users', '--where', '1 = 1');
    assert.deepEqual([code, shown.more, shown.rows.length], [0, true, 20]);
    const { stdout } = await ledger(['show', '--where', "Name LIKE '%'"]);
    assert.match(stdout, /^More rows match; these are the first 20\.$/m);
  });

  it('a key that nobody knows, and a predicate that nothing matches, end with 1', async () => {
    const unknown = await ledger(['show', '--key', 'nobody', idOf(1)]);
    assert.equal(unknown.code, 1);
    assert.equal(unknown.stderr, 'error: nobody: neither in a source nor in the ledger, and no dead letter.\n');
    const odd = await ledger(['show', '--key', 'a\u001b[2J']);
    assert.match(odd.stderr, /^error: a\\u001b\[2J: neither/);
    assert.match(unknown.stdout, new RegExp(`^Users, key ${idOf(1)}`));
    const none = await ledger(['show', '--entity', 'Users', '--where', '1 = 0']);
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.equal(none.stderr, 'error: No row of the sources matches --where.\n');
  });

  it('shows what the log database knows where the source cannot be read, and ends with 69', async () => {
    assert.equal((await ledger(['adopt', '--entity', 'Users'])).code, 0);
    await job.configure((config) => {
      config.entities[0].source.table = 'dbo.NOWHERE';
    });
    const { code, stdout, stderr } = await ledger(['show', '--entity', 'Users', '--key', idOf(1)]);
    assert.equal(code, 69);
    assert.equal((await ledger(['show', '--key', idOf(1)])).code, 1, 'another source could be read');
    assert.match(stdout.replaceAll(/\s+/g, ' '), /verdict Sent .*; whether it has changed since is not known/);
    assert.match(stderr, /^error: Users: dbo\.NOWHERE is not there/);
  });

  it('wrong usage is 64, a predicate that no source takes included', async () => {
    for (const args of [[], ['--key'], ['--key', 'a', '--where', '1 = 1'], ['--entity', 'Nobody', '--key', 'a']]) {
      const { code, stdout, stderr } = await ledger(['show', ...args]);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
      assert.notEqual(stderr, '');
    }
    const refused = await ledger(['show', '--where', 'Nothing at all']);
    assert.equal(refused.code, 64);
    assert.match(refused.stderr, /See whether --where is a predicate over columns of the source of Users\./);
  });
});
