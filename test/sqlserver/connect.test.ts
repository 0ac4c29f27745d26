import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { type SqlServerOptions, startSqlServer, testAuthority } from '../../dev/sqlserver/server.ts';
import { connect } from '../../src/sqlserver/connect.ts';
import type { ConnectionSettings } from '../../src/sync/connection.ts';
import { SyncError } from '../../src/sync/errors.ts';
import { itOnStandIn, useSqlServer } from '../support/sqlserver.ts';
import { settingsOf } from './fixture.ts';

const PASSWORD = 'pa55-w0rd-9c1';

const NOWHERE: ConnectionSettings = {
  name: 'default',
  server: '127.0.0.1',
  port: 1433,
  database: 'TAMHR_MDM',
  login: { type: 'sql', user: 'sync', password: PASSWORD },
  encrypt: true,
  trustServerCertificate: false,
  connectTimeoutMs: 5000,
  requestTimeoutMs: 5000,
  retryForMs: 60_000,
  appName: 'test',
  multiSubnetFailover: false,
  readOnlyIntent: false,
};

/** The error that connecting fails with: of the right code, with a hint, without password or driver's words alone. */
async function refusal(settings: ConnectionSettings): Promise<string> {
  const error = await connect(settings, 'SOURCE').then(
    (session) => session.close().then(() => assert.fail('it connected')),
    (failure: unknown) => failure,
  );
  assert.ok(error instanceof SyncError, String(error));
  assert.equal(error.code, 'SOURCE_UNAVAILABLE');
  assert.ok(error.hint.length > 20);
  assert.match(error.message, new RegExp(`^Connection ${settings.name}: `));
  assert.doesNotMatch(error.message + error.hint, new RegExp(PASSWORD));
  return error.message;
}

/** Settings for a stand-in of its own for one test. */
async function settingsFor(t: TestContext, options: SqlServerOptions): Promise<ConnectionSettings> {
  const standIn = await startSqlServer(options);
  t.after(() => standIn.close());
  return settingsOf(standIn.connectionString('TAMHR_MDM'), 'default');
}

/** A server that does to each connection what `handle` does. */
async function serverThat(t: TestContext, handle: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    handle(socket);
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

describe('connecting where no SQL Server answers', () => {
  it('says that the port refuses', async (t) => {
    const port = await serverThat(t, () => {});
    const unused = await new Promise<number>((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const address = probe.address();
        probe.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0));
      });
    });
    assert.notEqual(unused, port);
    assert.match(
      await refusal({ ...NOWHERE, port: unused }),
      new RegExp(`127\\.0\\.0\\.1:${unused} refused the connection`),
    );
  });

  it('says that the host is unknown', async () => {
    assert.match(
      await refusal({ ...NOWHERE, server: 'no-such-host.invalid' }),
      /the host name no-such-host\.invalid is unknown/,
    );
  });

  it('says that nothing answers in time', async (t) => {
    const port = await serverThat(t, () => {});
    const message = await refusal({ ...NOWHERE, port, connectTimeoutMs: 200 });
    assert.match(message, /did not answer within 0\.2 s/);
  });

  it('says that the connection was closed before the login', async (t) => {
    const port = await serverThat(t, (socket) => socket.destroy());
    assert.match(await refusal({ ...NOWHERE, port }), /closed the connection before the login was done/);
  });

  it('says that the instance was not found where the browser does not answer', async () => {
    const { port: _, ...settings } = NOWHERE;
    const message = await refusal({ ...settings, instance: 'HR', connectTimeoutMs: 300 });
    assert.match(message, /the port of the instance HR on 127\.0\.0\.1 could not be found out/);
  });
});

describe('connecting to a server', () => {
  const server = useSqlServer();

  it('logs in and asks for the database of the settings', async () => {
    const session = await connect(await settingsOf(server.connectionString('ess')), 'SOURCE');
    const { rows } = await session.query('SELECT DB_NAME()');
    await session.close();
    assert.deepEqual(rows, [[server.databases.ess]]);
  });

  it('says that the login is refused, and asks once only', async () => {
    const settings = await settingsOf(server.connectionString('mdm'), 'default');
    const message = await refusal({ ...settings, login: { type: 'sql', user: 'nobody', password: PASSWORD } });
    assert.match(message, /refused the login of nobody \(error 18456\)/);
  });

  it('says that the database cannot be opened', async () => {
    const settings = await settingsOf(server.connectionString('mdm'), 'default');
    const message = await refusal({ ...settings, database: 'TAMHR_TYPO' });
    assert.match(message, /could not open the database TAMHR_TYPO/);
  });

  itOnStandIn('says that nobody vouches for the certificate', async () => {
    const settings = await settingsOf(server.connectionString('mdm', { TrustServerCertificate: 'False' }), 'default');
    assert.match(await refusal(settings), /certificate of 127\.0\.0\.1:\d+ is signed by nobody this machine trusts/);
  });
});

describe('connecting to a server whose sessions begin with NOCOUNT ON', () => {
  const server = useSqlServer({ standIn: { noCount: true } });

  itOnStandIn('makes it tell how many rows a statement changed', async () => {
    const session = await connect(await settingsOf(server.connectionString('log')), 'LOG_DATABASE');
    await session.batch('CREATE TABLE #t (a int)');
    assert.equal((await session.query('INSERT INTO #t (a) VALUES (1), (2)')).rowCount, 2);
    await session.close();
  });

  itOnStandIn('fails where the connection breaks before it is ready', async () => {
    const fault = server.faults.add({ match: /NOCOUNT/, action: { drop: 'before' } });
    const message = await refusal(await settingsOf(server.connectionString('log')));
    fault.remove();
    assert.match(message, /the connection to the server was lost/);
  });
});

describe('TLS', () => {
  const server = useSqlServer();

  itOnStandIn('takes a certificate that the given authority signed', async () => {
    const settings = await settingsOf(server.connectionString('mdm', { TrustServerCertificate: 'False' }), 'default');
    const session = await connect({ ...settings, server: 'localhost', ca: testAuthority() }, 'SOURCE');
    assert.deepEqual((await session.query('SELECT 1')).rows, [[1]]);
    await session.close();
  });

  itOnStandIn('refuses a certificate for another name', async () => {
    const settings = await settingsOf(server.connectionString('mdm', { TrustServerCertificate: 'False' }), 'default');
    const message = await refusal({
      ...settings,
      server: 'localhost',
      ca: testAuthority(),
      serverName: 'other.example',
    });
    assert.match(message, /was issued for another name than other\.example/);
  });

  it('of an old version is refused unless the minimum is lowered', async (t) => {
    const settings = await settingsFor(t, { minTlsVersion: 'TLSv1', maxTlsVersion: 'TLSv1.1' });
    assert.match(await refusal(settings), /no TLS connection to 127\.0\.0\.1:\d+ came about/);
    const session = await connect({ ...settings, minTlsVersion: 'TLSv1.1' }, 'SOURCE');
    assert.deepEqual((await session.query('SELECT 1')).rows, [[1]]);
    await session.close();
  });

  it('that the server does not offer is no reason to go on without', async (t) => {
    const settings = await settingsFor(t, { tls: 'off' });
    assert.match(await refusal(settings), /does not offer encryption, which this connection demands/);
    const session = await connect({ ...settings, encrypt: false }, 'SOURCE');
    await session.close();
  });

  it('that the server demands and the settings forbid is told', async (t) => {
    const settings = await settingsFor(t, { tls: 'required' });
    assert.match(await refusal({ ...settings, encrypt: false }), /demands encryption, which this connection forbids/);
  });
});

describe('a Windows account', () => {
  it('logs in by NTLM, and not with a wrong password', async (t) => {
    const windowsLogin = { domain: 'HR', userName: 'robot', password: 'right' };
    const settings = await settingsFor(t, { windowsLogin });
    const login = { type: 'ntlm', domain: 'HR', user: 'robot', password: 'right' } as const;
    const session = await connect({ ...settings, login }, 'SOURCE');
    assert.deepEqual((await session.query('SELECT 1')).rows, [[1]]);
    await session.close();
    const message = await refusal({ ...settings, login: { ...login, password: PASSWORD } });
    assert.match(message, /refused the login of HR\\robot \(error 18456\)/);
  });
});
