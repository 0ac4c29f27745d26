import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Connection } from 'tedious';
import { Faults } from '../../../../dev/sqlserver/faults.ts';
import { type Listener, listen } from '../../../../dev/sqlserver/wire/listener.ts';
import { connect } from './client.ts';
import { FakeEngine } from './fake-engine.ts';

describe('a login with Windows credentials', () => {
  let engine: FakeEngine;
  let listener: Listener;
  const windowsLogin = { domain: 'TAMHR', userName: 'svc-sync', password: 'Rahasia-日本-1' };
  before(async () => {
    engine = new FakeEngine();
    const runsAs = { userName: 'sa', password: 'Secret-1' };
    listener = await listen({ engine, faults: new Faults(), windowsLogin: { ...windowsLogin, runsAs } });
  });
  after(() => listener.close());

  /** The numbers that the login is refused with; empty where it is let in. */
  async function logIn(port: number, credentials: Partial<typeof windowsLogin> = {}): Promise<number[]> {
    const connection = new Connection({
      server: 'localhost',
      authentication: { type: 'ntlm', options: { ...windowsLogin, ...credentials } },
      options: { port, encrypt: false, database: 'TAMHR_LOG', maxRetriesOnTransientErrors: 0 },
    });
    const numbers: number[] = [];
    connection.on('errorMessage', ({ number }) => numbers.push(number));
    await new Promise<void>((resolve) => connection.connect(() => resolve()));
    connection.close();
    return numbers;
  }

  it('is let in, in whatever case the names are written', async () => {
    assert.deepEqual(await logIn(listener.port), []);
    assert.deepEqual(await logIn(listener.port, { domain: 'tamhr', userName: 'SVC-Sync' }), []);
    assert.match(engine.log.join('\n'), /login sa TAMHR_LOG/);
  });

  it('is refused for another password, user or domain', async () => {
    for (const wrong of [{ password: 'Rahasia-1' }, { userName: 'other' }, { domain: 'OTHER' }]) {
      assert.deepEqual(await logIn(listener.port, wrong), [18_456]);
    }
  });

  it('is refused by a server without Windows accounts', async () => {
    const plain = await listen({ engine, faults: new Faults() });
    assert.deepEqual(await logIn(plain.port), [18_452]);
    await plain.close();
  });

  it('leaves logins with a password as they are', async () => {
    (await connect(listener.port)).close();
    await assert.rejects(connect(listener.port, {}, 'sa', 'wrong'), /Login failed/);
  });
});
