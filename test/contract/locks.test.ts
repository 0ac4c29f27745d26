import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TYPES } from 'tedious';
import type { SqlClient } from '../../dev/sqlserver/client.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const sql = useSqlServer();

const ACQUIRE = `DECLARE @result int;
EXEC @result = sp_getapplock @Resource = @resource, @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = @timeout;
SELECT @result AS Result;`;
const RELEASE = `DECLARE @result int;
EXEC @result = sp_releaseapplock @Resource = @resource, @LockOwner = N'Session';
SELECT @result AS Result;`;

const lock = async (client: SqlClient, resource: string, timeout = 0): Promise<unknown> =>
  (await client.query(ACQUIRE, { resource: { type: TYPES.NVarChar, value: resource, length: 255 }, timeout }))[0]
    ?.Result;
const release = async (client: SqlClient, resource: string): Promise<unknown> =>
  (await client.query(RELEASE, { resource }))[0]?.Result;

describe('app locks owned by a session', () => {
  it('belong to one session until it gives them up', async () => {
    const [one, other] = [await sql.connect('log'), await sql.connect('log')];
    assert.equal(await lock(one, 'tamhr-sync:User'), 0);
    assert.equal(await lock(one, 'tamhr-sync:User'), 0, 'again for the same session');
    assert.equal(await lock(other, 'tamhr-sync:User'), -1);
    assert.equal(await lock(other, 'tamhr-sync:ActualOrg'), 0, 'another resource');
    assert.equal(await release(one, 'tamhr-sync:User'), 0);
    assert.equal(await lock(other, 'tamhr-sync:User'), -1, 'taken twice, given up once');
    assert.equal(await release(one, 'tamhr-sync:User'), 0);
    assert.equal(await lock(other, 'tamhr-sync:User'), 0);
  });

  it('are given up with the connection', async () => {
    const [one, other] = [await sql.connect('log'), await sql.connect('log')];
    assert.equal(await lock(one, 'dies'), 0);
    await one.close();
    assert.ok(Number(await lock(other, 'dies', 5000)) >= 0);
  });

  it('are handed to a session that waits', async () => {
    const [one, other] = [await sql.connect('log'), await sql.connect('log')];
    assert.equal(await lock(one, 'waits'), 0);
    const waiting = lock(other, 'waits', 10_000);
    await release(one, 'waits');
    assert.ok(Number(await waiting) >= 0);
  });

  it('time out with -1', async () => {
    const [one, other] = [await sql.connect('log'), await sql.connect('log')];
    assert.equal(await lock(one, 'timeout'), 0);
    assert.equal(await lock(other, 'timeout', 50), -1);
  });

  it('outlive a transaction of the session', async () => {
    const [one, other] = [await sql.connect('log'), await sql.connect('log')];
    assert.equal(await lock(one, 'outlives'), 0);
    await one.batch('BEGIN TRANSACTION; ROLLBACK TRANSACTION;');
    assert.equal(await lock(other, 'outlives'), -1);
  });

  it('belong to a database', async () => {
    const [inLog, inMdm] = [await sql.connect('log'), await sql.connect('mdm')];
    assert.equal(await lock(inLog, 'same name'), 0);
    assert.equal(await lock(inMdm, 'same name'), 0);
  });
});
