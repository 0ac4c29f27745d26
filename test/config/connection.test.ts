import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasClearPassword, parseServer, readConnection } from '../../src/config/connection.ts';
import { directoryWith } from './fixture.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

async function settingsOf(raw: Parameters<typeof readConnection>[1], directory = '.') {
  const { settings, problems } = await readConnection('main', raw, directory);
  assert.deepEqual(problems, []);
  assert.ok(settings);
  return settings;
}

async function problemsOf(raw: Parameters<typeof readConnection>[1], directory = '.') {
  const { settings, problems } = await readConnection('main', raw, directory);
  assert.equal(settings, undefined);
  return problems;
}

describe('parseServer', () => {
  const forms: [text: string, address: object][] = [
    ['db.example', { server: 'db.example' }],
    ['10.1.2.3', { server: '10.1.2.3' }],
    ['db.example,1444', { server: 'db.example', port: 1444 }],
    ['tcp:db.example,1433', { server: 'db.example', port: 1433 }],
    ['TCP: db.example , 1433 ', { server: 'db.example', port: 1433 }],
    ['db\\SQL2019', { server: 'db', instance: 'SQL2019' }],
    ['db\\SQL2019,1500', { server: 'db', instance: 'SQL2019', port: 1500 }],
    ['db\\MSSQLSERVER', { server: 'db' }],
    ['[::1],1433', { server: '::1', port: 1433 }],
    ['tcp:[2001:db8::1]', { server: '2001:db8::1' }],
    ['::1', { server: '::1' }],
    ['::1,1433', { server: '::1', port: 1433 }],
    ['fe80::1%eth0', { server: 'fe80::1%eth0' }],
    ['.', { server: 'localhost' }],
    ['(local)\\X', { server: 'localhost', instance: 'X' }],
    ['(LOCAL)', { server: 'localhost' }],
  ];
  for (const [text, address] of forms) {
    test(`reads ${text}`, () => assert.deepEqual(parseServer(text), address));
  }

  const refused: [text: string, problem: RegExp][] = [
    ['db:1433', /after a comma/],
    ['np:\\\\db\\pipe\\sql\\query', /named pipes/],
    ['\\\\db\\pipe\\sql\\query', /named pipes/],
    ['lpc:db', /shared memory/],
    ['admin:db', /admin/],
    ['(localdb)\\MSSQLLocalDB', /LocalDB/],
    ['db,port', /not of the form/],
    ['db,0', /port is not from 1/],
    ['db,65536', /port is not from 1/],
    ['a b', /not of the form/],
    ['', /not of the form/],
  ];
  for (const [text, problem] of refused) {
    test(`refuses ${text || 'an empty name'}`, () => assert.match(String(parseServer(text)), problem));
  }
});

describe('readConnection', () => {
  test('fills in the defaults: TLS on and verified, port 1433', async () => {
    assert.deepEqual(await settingsOf('Server=db;Database=MDM;User ID=sync;Password=p'), {
      name: 'main',
      server: 'db',
      port: 1433,
      database: 'MDM',
      login: { type: 'sql', user: 'sync', password: 'p' },
      encrypt: true,
      trustServerCertificate: false,
      connectTimeoutMs: 15_000,
      requestTimeoutMs: 120_000,
      retryForMs: 60_000,
      appName: 'tamhr-sync',
      multiSubnetFailover: false,
      readOnlyIntent: false,
    });
  });

  test('reads an object as it reads a string', async () => {
    assert.deepEqual(
      await settingsOf({
        server: 'db',
        database: 'MDM',
        user: 'sync',
        password: 'p;"q',
        encrypt: false,
        trustServerCertificate: true,
        connectTimeoutMs: 5000,
        requestTimeoutMs: 90_000,
        appName: 'x',
        multiSubnetFailover: true,
        readOnlyIntent: true,
        serverName: 'ag',
      }),
      await settingsOf(
        'Server=db;Database=MDM;User ID=sync;Password="p;""q";Encrypt=no;TrustServerCertificate=yes;Connect Timeout=5;Command Timeout=90;App=x;MultiSubnetFailover=yes;ApplicationIntent=ReadOnly;HostNameInCertificate=ag',
      ),
    );
  });

  test('lets keys beside connectionString override it', async () => {
    const settings = await settingsOf({
      connectionString: 'Server=old\\I;Database=MDM;User ID=sync;Password=p',
      minTlsVersion: 'TLSv1',
      server: 'new,1444',
      password: 'q',
    });
    assert.equal(settings.server, 'new');
    assert.equal(settings.port, 1444);
    assert.equal(settings.instance, undefined);
    assert.equal(settings.minTlsVersion, 'TLSv1');
    assert.equal(settings.login.password, 'q');
  });

  test('takes the time to go on trying from the object; what SqlClient does at a lost connection does not count', async () => {
    const string = 'Server=db;Database=MDM;User ID=sync;Password=p;ConnectRetryCount=3;Connect Retry Interval=10';
    const { settings, warnings } = await readConnection('main', { connectionString: string, retryForMs: 0 }, '.');
    assert.equal(settings?.retryForMs, 0);
    assert.deepEqual(warnings, []);
    assert.equal((await settingsOf(string)).retryForMs, 60_000);
  });

  test('asks SQL Server Browser only where an instance has no port', async () => {
    const named = await settingsOf('Server=db\\I;Database=MDM;User ID=sync;Password=p');
    assert.deepEqual([named.instance, named.port], ['I', undefined]);
    const ported = await settingsOf('Server=db\\I,1500;Database=MDM;User ID=sync;Password=p');
    assert.deepEqual([ported.instance, ported.port], [undefined, 1500]);
    const object = await settingsOf({ server: 'db', instance: 'I', database: 'MDM', user: 'sync', password: 'p' });
    assert.deepEqual([object.instance, object.port], ['I', undefined]);
  });

  test('signs in by NTLM where a domain is given, in either form', async () => {
    const ntlm = { type: 'ntlm', domain: 'CORP', user: 'sync', password: 'p' };
    assert.deepEqual((await settingsOf('Server=db;Database=MDM;User ID=CORP\\sync;Password=p')).login, ntlm);
    const object = { server: 'db', database: 'MDM', password: 'p' };
    assert.deepEqual((await settingsOf({ ...object, user: 'sync', domain: 'CORP' })).login, ntlm);
    assert.deepEqual((await settingsOf({ ...object, user: 'CORP\\sync' })).login, ntlm);
  });

  test('tells all that is missing, in the words of the form', async () => {
    assert.deepEqual(await problemsOf('Encrypt=true'), [
      'Data Source (Server) is missing',
      'Initial Catalog (Database) is missing',
      'User ID is missing',
      'Password is missing',
    ]);
    assert.deepEqual(await problemsOf({ server: 'db:1433' }), [
      'the port stands after a comma, not a colon: host,port',
      'database is missing',
      'user is missing',
      'password is missing',
    ]);
  });

  test('takes an empty password, which SQL Server allows', async () => {
    assert.equal((await settingsOf('Server=db;Database=MDM;User ID=sync;Password=')).login.password, '');
  });

  test('refuses Integrated Security without credentials, and says how to use NTLM', async () => {
    for (const value of ['SSPI', 'true', 'yes']) {
      const problems = await problemsOf(`Server=db;Database=MDM;Integrated Security=${value}`);
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', /NTLM.*User ID=DOMAIN\\user and Password/);
    }
    assert.match((await problemsOf('Server=db;Database=MDM;Trusted_Connection=True'))[0] ?? '', /Integrated Security/);
  });

  test('uses credentials beside Integrated Security, with a warning', async () => {
    const string = 'Server=db;Database=MDM;Integrated Security=SSPI;User ID=CORP\\sync;Password=p';
    const { settings, warnings } = await readConnection('main', string, '.');
    assert.equal(settings?.login.type, 'ntlm');
    assert.match(warnings[0] ?? '', /Integrated Security is ignored/);
  });

  test('reads ca from a file beside the configuration, or takes it as PEM text', async (t) => {
    const directory = await directoryWith(t, { 'ca.pem': `\ufeff${PEM}`, 'no.pem': 'hello' });
    const object = { server: 'db', database: 'MDM', user: 'sync', password: 'p' };
    assert.equal((await settingsOf({ ...object, ca: 'ca.pem' }, directory)).ca, PEM);
    assert.equal((await settingsOf({ ...object, ca: PEM }, directory)).ca, PEM);
    assert.match((await problemsOf({ ...object, ca: 'no.pem' }, directory))[0] ?? '', /holds no certificate/);
    assert.match((await problemsOf({ ...object, ca: 'missing.pem' }, directory))[0] ?? '', /there is no such file/);
  });
});

describe('hasClearPassword', () => {
  test('is true where a password stands in the configuration', () => {
    assert.ok(hasClearPassword('Server=x;Password=p'));
    assert.ok(hasClearPassword('Server=x;PWD="$${ p"'));
    assert.ok(hasClearPassword({ password: 'p' }));
    assert.ok(hasClearPassword({ connectionString: 'Server=x;Pwd=p' }));
  });

  test('is false where it is a reference, empty or absent', () => {
    assert.ok(!hasClearPassword('${env:WHOLE}'));
    assert.ok(!hasClearPassword('Server=x;Password=${env:P}'));
    assert.ok(!hasClearPassword('Server=x;Password="${file:p.txt}"'));
    assert.ok(!hasClearPassword('Server=x;Password='));
    assert.ok(!hasClearPassword({ password: '${env:P}', server: 'x' }));
  });
});
