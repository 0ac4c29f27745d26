import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPool } from '../../src/sqlserver/pool.ts';
import type { Session } from '../../src/sqlserver/session.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { settingsOf, useServerAndPool } from './fixture.ts';

describe('a pool', () => {
  const { server, pool } = useServerAndPool('log');

  it('lends the same connection again', async () => {
    const lent: Session[] = [];
    for (let use = 0; use < 3; use++) await (await pool()).withSession(async (session) => lent.push(session));
    assert.equal(new Set(lent).size, 1);
  });

  it('never opens more connections than it may, and lets others wait', async (t) => {
    const small = createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 2);
    t.after(() => small.close());
    const lent = new Set<Session>();
    let inUse = 0;
    let most = 0;
    const work = async (session: Session) => {
      lent.add(session);
      inUse += 1;
      most = Math.max(most, inUse);
      await session.query('SELECT 1');
      inUse -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => small.withSession(work)));
    assert.equal(lent.size, 2);
    assert.equal(most, 2);
  });

  it('rejects with a SyncError that names the connection and the number', async () => {
    await assert.rejects(
      (await pool()).withSession((session) => session.query('SELECT 1 / 0')),
      { name: 'SyncError', code: 'LOG_DATABASE_REFUSED', message: /^Connection log: error 8134: / },
    );
  });

  it('rejects with what the caller threw', async () => {
    const failure = new RangeError('mine');
    const rejecting = (await pool()).withSession(() => Promise.reject(failure));
    await assert.rejects(rejecting, failure);
  });

  it('rejects where no connection can be had, and opens one when it can', async () => {
    const settings = await settingsOf(server.connectionString('log'));
    const wrong = createPool({ ...settings, database: 'TAMHR_TYPO' }, 'SOURCE', 1);
    await assert.rejects(
      wrong.withSession((session) => session.query('SELECT 1')),
      { code: 'SOURCE_UNAVAILABLE' },
    );
    await wrong.close();
  });

  itOnStandIn('logs in once with a wrong password, and answers with the refusal from then on', async () => {
    const settings = await settingsOf(server.connectionString('log', { Password: 'wrong' }));
    const logins = server.faults.add({ match: /^LOGIN /, action: { delayMs: 0 } });
    const refused = createPool(settings, 'LOG_DATABASE', 2);
    const failure = { code: 'LOG_DATABASE_UNAVAILABLE', message: /refused the login of sa \(error 18456\)/ };
    await assert.rejects(
      refused.withSession(async () => {}),
      failure,
    );
    await assert.rejects(
      refused.repeating(async () => {}),
      failure,
    );
    await assert.rejects(refused.connect(), failure);
    logins.remove();
    await refused.close();
    assert.equal(logins.hits, 1);
  });

  itOnStandIn('logs in again where something else refused the connection', async () => {
    const fault = server.faults.add({ match: /^LOGIN /, on: 1, action: { error: 4060 } });
    const small = createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 1);
    await assert.rejects(
      small.withSession(async () => {}),
      { code: 'LOG_DATABASE_UNAVAILABLE', message: /could not open the database/ },
    );
    fault.remove();
    await small.withSession(async () => {});
    await small.close();
  });

  it('takes a connect timeout without end', async (t) => {
    const settings = await settingsOf(server.connectionString('log'));
    const patient = createPool({ ...settings, connectTimeoutMs: 2 ** 31 - 1 }, 'SOURCE', 1);
    t.after(() => patient.close());
    assert.deepEqual((await patient.withSession((session) => session.query('SELECT 1'))).rows, [[1]]);
  });

  itOnStandIn('lends a new connection after one was lost', async () => {
    const small = createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 1);
    const fault = server.faults.add({ match: /SELECT 51/, action: { drop: 'before' } });
    await assert.rejects(
      small.withSession((session) => session.query('SELECT 51')),
      { code: 'LOG_DATABASE_UNAVAILABLE', message: /connection to the server was lost/ },
    );
    fault.remove();
    assert.deepEqual((await small.withSession((session) => session.query('SELECT 52'))).rows, [[52]]);
    await small.close();
  });

  itOnStandIn('lends a new connection where the idle one was cut', async () => {
    const small = createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 1);
    const first = await small.withSession(async (session) => session);
    const ended = new Promise((resolve) => first.ended.addEventListener('abort', resolve));
    await server.standIn.dropConnections();
    await ended;
    assert.deepEqual((await small.withSession((session) => session.query('SELECT 53'))).rows, [[53]]);
    await small.close();
  });
});
