import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { holdLock, useLedger } from './fixture.ts';

describe('ledger rehash', () => {
  const { server, job, ledger, document, sync } = useLedger({ rows: { Users: 8 } });
  const configure = (change: (users: { map: Record<string, unknown> }) => void = () => {}) =>
    job.configure((config) => {
      const [users] = config.entities;
      users.changes = 'changed';
      change(users);
      config.entities = [users];
    });

  before(async () => {
    await configure();
    assert.deepEqual(await sync(), { code: 0, accepted: 8 });
  });

  it('accepts a changed mapping: the next run sends nothing, and does not call the mapping changed', async () => {
    await configure((users) => {
      users.map.Added = { const: 'new field' };
    });
    await server.execute('log', `UPDATE TOP (2) dbo.TB_R_SYNC_TRACKING SET RowHash = NULL`);
    const plan = async () => {
      const { stdout } = await job.run(['plan', '--json']);
      const [users] = JSON.parse(stdout).entities;
      return [users.changedRows, users.comparison.mapChanged];
    };
    assert.deepEqual(await plan(), [6, true]);
    const dry = await document('rehash', '--entity', 'Users', '--dry-run');
    assert.deepEqual(await plan(), [6, true]);
    const { code, document: wet } = await document('rehash', '--entity', 'Users');
    assert.equal(code, 0);
    assert.deepEqual({ ...wet, dryRun: true }, dry.document);
    const [{ rehashed, hashed, unchanged }] = wet.entities;
    assert.deepEqual([rehashed, hashed, unchanged], [6, 2, 0]);
    assert.deepEqual(await plan(), [0, false]);
    assert.deepEqual(await sync(), { code: 0, accepted: 0 });
    const { stdout } = await ledger(['rehash', '--entity', 'Users']);
    assert.match(
      stdout.replaceAll('\n', ' '),
      /^Users: 0 tracked rows got the hash of the present payload \(0 had another, 0 had none\); 8 had it already\. Nothing was sent\. Rows whose values have changed since they were sent count as sent now, too/,
    );
  });

  it('names rows that have no payload under the mapping, and ends with 1', async () => {
    await configure((users) => {
      users.map.Name = { column: 'Name', as: 'number' };
    });
    const { code, stderr } = await ledger(['rehash', '--entity', 'Users']);
    assert.equal(code, 1);
    assert.match(stderr, /^error: Users: 8 rows have no payload under this mapping, such as .*as: number/);
  });

  it('leaves a change alone that the receiver refused: it is not lost', async () => {
    await configure();
    assert.equal((await ledger(['rehash', '--entity', 'Users'])).code, 0);
    const [row] = await server.query('mdm', 'SELECT TOP (1) Id FROM dbo.MDM_USER ORDER BY Id');
    const id = String(row?.Id).toLowerCase();
    await server.execute('mdm', `UPDATE dbo.MDM_USER SET Name = 'refused' WHERE Id = '${id}'`);
    job.receiver.failNext(1, 422);
    await sync();
    const { code, document: wet } = await document('rehash', '--entity', 'Users');
    assert.equal(code, 0);
    assert.deepEqual([wet.entities[0].rehashed, wet.entities[0].deadLetters.keys], [0, [id]]);
    const { stdout } = await ledger(['rehash', '--entity', 'Users']);
    assert.match(stdout.replaceAll(/\s+/g, ' '), new RegExp(`1 row is a dead letter and was left alone: ${id} `));
    assert.equal((await job.run(['failures', 'retry', '--entity', 'Users'])).code, 0);
    assert.deepEqual(await sync(), { code: 0, accepted: 1 });
  });

  it('leaves an entity alone that a run has locked; needs an entity', async () => {
    const release = await holdLock(server, 'User');
    assert.equal((await ledger(['rehash', '--entity', 'Users'])).code, 75);
    await release();
    const { code, stderr } = await ledger(['rehash']);
    assert.equal(code, 64);
    assert.match(stderr, /^error: ledger rehash needs --entity\.\n/);
  });
});
