import assert from 'node:assert/strict';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { loadConfig } from '../../src/config/config.ts';
import { schemaText } from '../../src/config/schema.ts';
import { SyncError } from '../../src/sync/errors.ts';
import { directoryWith, ENV, entity, errorOf, load, problemsOf, smallConfig } from './fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** What the shipped configuration asks of its environment. */
const SHIPPED_ENV = {
  TAMHR_DEFAULT_CONNECTION: 'Server=db;Database=TAMHR_MDM;User ID=sync;Password=default-password',
  TAMHR_ESS_CONNECTION: 'Server=db;Database=TAMHR_ESS;User ID=sync;Password=ess-password',
  TAMHR_LOG_CONNECTION: 'Server=db;Database=TAMHR_LOG;User ID=sync;Password=log-password',
  TAMHR_API_URL: 'https://api.example/staging/',
  TAMHR_API_KEY: 'the-api-key',
};

const shipped = () => loadConfig({ cwd: ROOT, env: SHIPPED_ENV });

describe('the shipped sync.config.json', () => {
  test('holds the five entities in order, with their labels, sources and endpoints', async () => {
    const { entities, disabled, logConnection, schedule, connections } = await shipped();
    assert.deepEqual(
      entities.map(({ name, trackingLabels, source, destination }) => [
        name,
        trackingLabels.join(),
        source.connection,
        source.table,
        source.key.join(),
        destination.url,
      ]),
      [
        ['Users', 'User,Users', 'default', 'dbo.MDM_USER', 'Id', 'https://api.example/staging/users'],
        [
          'ActualOrg',
          'ActualOrg',
          'default',
          'dbo.MDM_ACTUAL_ORGANIZATION_STRUCTURE',
          'Id',
          'https://api.example/staging/actualorg',
        ],
        [
          'ActualEntity',
          'ActualEntity',
          'default',
          'dbo.MDM_ACTUAL_ENTITY_STRUCTURE',
          'Id',
          'https://api.example/staging/actualentity',
        ],
        [
          'OrgObject',
          'OrgObject',
          'default',
          'dbo.MDM_ORGANIZATION_OBJECT',
          'Id',
          'https://api.example/staging/orgobject',
        ],
        [
          'EventsCalendar',
          'EventsCalendar',
          'ess',
          'dbo.TB_M_EVENTS_CALENDAR',
          'Id',
          'https://api.example/staging/eventscalendar',
        ],
      ],
    );
    assert.deepEqual(disabled, []);
    assert.equal(logConnection, 'log');
    assert.deepEqual(schedule, { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' });
    assert.deepEqual(
      Object.values(connections).map(({ database }) => database),
      ['TAMHR_MDM', 'TAMHR_ESS', 'TAMHR_LOG'],
    );
    for (const { destination, changes, timeZone } of entities) {
      const { url: _, ...rest } = destination;
      assert.deepEqual(rest, {
        method: 'POST',
        auth: { type: 'apiKey', header: 'X-Api-Key', value: 'the-api-key' },
        headers: {},
        batchSize: 3000,
        concurrency: 1,
        timeoutMs: 30_000,
        maxAttempts: 4,
        retryDelayMs: 1000,
        maxRetryDelayMs: 30_000,
        maxFailedBatches: 3,
        maxIsolationCalls: 1000,
        serverErrorRuns: 3,
        idempotencyKeyTtlHours: 24,
        compression: 'none',
        idempotencyHeader: 'Idempotency-Key',
        allowInsecure: false,
      });
      assert.equal(changes, 'new');
      assert.equal(timeZone, 'Asia/Jakarta');
    }
  });

  test("maps to the receiver's fields, the import's own ones first in each", async () => {
    const common = 'ImportType ImportStatus_ID BatchTag ErrorCode Code ID created_at_system';
    const { entities } = await shipped();
    assert.deepEqual(
      entities.map(({ map }) => Object.keys(map ?? {}).join(' ')),
      [
        `${common} Name NewCode UniqueCode NoReg Username Email CreatedOn CreatedBy LastLogin IsActive`,
        `${common} Name OrgCode ParentOrgCode Service NoReg PostCode PostName JobCode JobName EmployeeGroup`,
        `${common} Name OrgCode ObjectCode ObjectText ObjectDescription`,
        `${common} ObjectType ObjectID Abbreviation ObjectText StartDate EndDate ObjectDescription`,
        `${common} Name EventTypeCode StartDate EndDate Description CreatedBy CreatedOn ModifiedBy ModifiedOn RowStatus`,
      ],
    );
  });

  test('has its secrets by reference only, so it gives no warning', async () => {
    assert.deepEqual((await shipped()).warnings, []);
  });

  test('names all that is missing where nothing is set', async () => {
    const error = await errorOf(loadConfig({ cwd: ROOT, env: {} }));
    assert.equal(error.code, 'SECRET_UNRESOLVED');
    for (const name of Object.keys(SHIPPED_ENV))
      assert.match(error.message, new RegExp(`\\$\\{env:${name}\\} is not resolved`));
  });
});

test('sync.config.schema.json is what the schema says', async () => {
  assert.equal(await readFile(join(ROOT, 'sync.config.schema.json'), 'utf8'), schemaText());
});

test('every key of the schema has a description', () => {
  const bare: string[] = [];
  const walk = (schema: Record<string, unknown>, path: string) => {
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      if (typeof child.description !== 'string') bare.push(`${path}.${key}`);
      walk(child, `${path}.${key}`);
    }
    for (const key of ['items', 'additionalProperties']) {
      if (typeof schema[key] === 'object') walk(schema[key] as Record<string, unknown>, `${path}[]`);
    }
    for (const branch of (schema.oneOf as Record<string, unknown>[]) ?? []) walk(branch, path);
  };
  walk(JSON.parse(schemaText()), '');
  assert.deepEqual(bare, []);
});

describe('the file', () => {
  const yaml = [
    'connections:',
    '  main: Server=db;Database=MDM;User ID=sync;Password=${env:DB_PASSWORD}',
    'log: { connection: main }',
    'entities:',
    '  - name: Users',
    '    source: { connection: main, table: dbo.MDM_USER, key: [Id, NoReg] }',
    '    destination: { url: https://api.example/users }',
  ].join('\n');

  test('is found in the working directory as JSON or YAML', async (t) => {
    for (const [name, text] of [
      ['sync.config.json', JSON.stringify(smallConfig())],
      ['sync.config.yaml', yaml],
      ['sync.config.yml', yaml],
    ] as const) {
      const cwd = await directoryWith(t, { [name]: text });
      const config = await loadConfig({ cwd, env: ENV });
      assert.equal(config.file, join(cwd, name));
      assert.equal(config.entities[0]?.name, 'Users');
    }
  });

  test('is not searched for in directories above, in package.json or under other names', async (t) => {
    const parent = await directoryWith(t, {
      'sync.config.json': JSON.stringify(smallConfig()),
    });
    const cwd = join(parent, 'below');
    await mkdir(cwd);
    const other = await directoryWith(t, {
      'package.json': JSON.stringify({ 'tamhr-sync': smallConfig() }),
      '.tamhr-syncrc': JSON.stringify(smallConfig()),
    });
    for (const directory of [cwd, other]) {
      const error = await errorOf(loadConfig({ cwd: directory, env: ENV }));
      assert.equal(error.code, 'CONFIG_NOT_FOUND');
      assert.match(error.message, /There is no sync\.config\.json, sync\.config\.yaml or sync\.config\.yml in /);
      assert.match(error.hint, /--config/);
    }
  });

  test('can be any other that --config names, relative to the working directory', async (t) => {
    const cwd = await directoryWith(t, { 'other.YAML': yaml, 'other.json': JSON.stringify(smallConfig()) });
    assert.equal((await loadConfig({ cwd, env: ENV, file: 'other.json' })).file, join(cwd, 'other.json'));
    assert.equal((await loadConfig({ cwd, env: ENV, file: join(cwd, 'other.YAML') })).file, join(cwd, 'other.YAML'));
  });

  test('that --config names and that is not there, or is neither JSON nor YAML, is an error with its name', async (t) => {
    const cwd = await directoryWith(t, { 'x.toml': '', 'latin1.json': Buffer.from([0x22, 0xe9, 0x22]) });
    const messages = [];
    for (const file of ['none.json', 'x.toml', '.', 'latin1.json']) {
      const error = await errorOf(loadConfig({ cwd, env: ENV, file }));
      assert.equal(error.code, 'CONFIG_NOT_FOUND');
      messages.push(error.message);
    }
    assert.match(messages[0] ?? '', /^none\.json cannot be read: there is no such file/);
    assert.match(messages[1] ?? '', /^x\.toml is no configuration file/);
    assert.match(messages[3] ?? '', /^latin1\.json cannot be read: it is not UTF-8 text/);
  });

  test('may have a BOM, CRLF, or be UTF-16 as Windows PowerShell writes it', async (t) => {
    const json = JSON.stringify(smallConfig(), undefined, 2).replaceAll('\n', '\r\n');
    for (const [name, content] of [
      ['sync.config.json', `\ufeff${json}`],
      ['sync.config.json', Buffer.from(`\ufeff${json}`, 'utf16le')],
      ['sync.config.yaml', `\ufeff${yaml.replaceAll('\n', '\r\n')}`],
    ] as const) {
      const cwd = await directoryWith(t, { [name]: content });
      assert.equal((await loadConfig({ cwd, env: ENV })).entities.length, 1);
    }
  });

  test('that is no JSON is an error with line and column, and without its text', async (t) => {
    const cwd = await directoryWith(t, {
      'sync.config.json': '{\n  "connections": {\n    "main": "Password=hunter2"\n    "x": 1',
    });
    const error = await errorOf(loadConfig({ cwd, env: ENV }));
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.equal(error.message, 'sync.config.json, line 4, column 5: expected "," or "}".');
  });

  test('that is no YAML is an error with line and column, and without its text', async (t) => {
    for (const [text, message] of [
      ['a: 1\na: 2', /^sync\.config\.yaml, line 2, column 1: duplicated mapping key\.$/],
      ['password: *hunter2', /^sync\.config\.yaml, line 1, column \d+: unidentified alias\.$/],
      ['password: !hunter2 x', /^sync\.config\.yaml, line 1, column \d+: unknown scalar tag\.$/],
      ['a: &hunter2 [*hunter2]', /^sync\.config\.yaml: found an alias inside its own anchor\.$/],
    ] as const) {
      const cwd = await directoryWith(t, { 'sync.config.yaml': text });
      const error = await errorOf(loadConfig({ cwd, env: ENV }));
      assert.equal(error.code, 'CONFIG_INVALID');
      assert.match(error.message, message);
    }
  });

  test('that is empty is no object', async (t) => {
    const cwd = await directoryWith(t, { 'sync.config.yaml': '# nothing yet\n' });
    const error = await errorOf(loadConfig({ cwd, env: ENV }));
    assert.equal(error.message, 'sync.config.yaml: expected a document, but the input is empty.');
    const nothing = await errorOf(load(t, null));
    assert.match(nothing.message, /\(top level\): found null, expected an object/);
  });

  test('warns of a second one in the directory, which is not read', async (t) => {
    const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(smallConfig()), 'sync.config.yml': yaml });
    assert.deepEqual((await loadConfig({ cwd, env: ENV })).warnings, [
      'sync.config.yml is not read, since sync.config.json is',
    ]);
  });

  test('has the paths in it relative to its own directory, not the working directory', async (t) => {
    const directory = await directoryWith(t, {
      'password.txt': 'from-a-file\n',
      'c.json': JSON.stringify({
        ...smallConfig(),
        connections: { main: 'Server=db;Database=MDM;User ID=sync;Password=${file:password.txt}' },
        logging: { file: 'logs/sync.log', format: 'json', level: 'debug' },
        report: { html: '../www/status.html' },
      }),
    });
    const { connections, logging, report } = await loadConfig({ cwd: '/', env: {}, file: join(directory, 'c.json') });
    assert.equal(connections.main?.login.password, 'from-a-file');
    assert.deepEqual(logging, {
      level: 'debug',
      format: 'json',
      file: { path: join(directory, 'logs', 'sync.log'), maxFileBytes: 10_485_760, maxFiles: 10 },
    });
    assert.deepEqual(report, { html: join(directory, '..', 'www', 'status.html') });
  });
});

describe('secrets', () => {
  test('from the secrets file come before the environment', async (t) => {
    const cwd = await directoryWith(t, {
      'sync.config.json': JSON.stringify(smallConfig()),
      'secrets.env': '\ufeff# of this host\r\nDB_PASSWORD="from the file"\r\n',
    });
    const config = await loadConfig({ cwd, env: ENV, secretsFile: 'secrets.env' });
    assert.equal(config.connections.main?.login.password, 'from the file');
    assert.deepEqual(config.warnings, []);
  });

  test('stand in .env beside the configuration, whatever the working directory, unless another file is named', async (t) => {
    const directory = await directoryWith(t, {
      'sync.config.json': JSON.stringify(smallConfig()),
      '.env': 'DB_PASSWORD=from .env\n',
      'other.env': '',
    });
    const passwordOf = async (origin: { secretsFile?: string; env?: Record<string, string> }) => {
      const config = await loadConfig({ cwd: '/', env: {}, file: join(directory, 'sync.config.json'), ...origin });
      return config.connections.main?.login.password;
    };
    assert.equal(await passwordOf({}), 'from .env');
    assert.equal(await passwordOf({ env: ENV, secretsFile: join(directory, 'other.env') }), ENV.DB_PASSWORD);
    // It may be of something else.
    assert.equal(await passwordOf({ env: ENV }), ENV.DB_PASSWORD);
  });

  test('in a .env that is no such file, or cannot be understood, are left alone', async (t) => {
    const config = { 'sync.config.json': JSON.stringify(smallConfig()) };
    const other = await directoryWith(t, { ...config, '.env': 'this is nothing of the kind\n' });
    const { warnings } = await loadConfig({ cwd: other, env: ENV });
    assert.match(warnings.join(), /\.env has lines that are no NAME=value: .*; it is not used/);
    const folder = await directoryWith(t, config);
    await mkdir(join(folder, '.env'));
    assert.deepEqual((await loadConfig({ cwd: folder, env: ENV })).warnings, []);
  });

  test('in a .env that others can read give a warning', {
    skip: process.platform === 'win32' && 'Windows has no modes',
  }, async (t) => {
    const cwd = await directoryWith(t, {
      'sync.config.json': JSON.stringify(smallConfig()),
      '.env': 'DB_PASSWORD=x\n',
    });
    await chmod(join(cwd, '.env'), 0o644);
    const { warnings } = await loadConfig({ cwd, env: {} });
    assert.deepEqual(warnings, ['.env holds secrets and others can read it; let only its owner read it (chmod 600)']);
  });

  test('file that is not there or has other lines is an error that shows none of it', async (t) => {
    const cwd = await directoryWith(t, {
      'sync.config.json': JSON.stringify(smallConfig()),
      'bad.env': 'A=1\nhunter2\n',
    });
    const missing = await errorOf(loadConfig({ cwd, env: ENV, secretsFile: 'none.env' }));
    assert.equal(missing.code, 'SECRET_UNRESOLVED');
    assert.match(missing.message, /^The secrets file none\.env cannot be read: there is no such file/);
    const bad = await errorOf(loadConfig({ cwd, env: ENV, secretsFile: 'bad.env' }));
    assert.equal(bad.code, 'CONFIG_INVALID');
    assert.match(bad.message, /^The secrets file bad\.env has lines that are no NAME=value: 2\.$/);
  });

  test('in clear give a warning only where others can read the file', {
    skip: process.platform === 'win32' && 'Windows has no modes',
  }, async (t) => {
    const tree = smallConfig();
    tree.connections.main = 'Server=db;Database=MDM;User ID=sync;Password=clear-password';
    tree.destination.auth = { type: 'bearer', token: 'clear-token' };
    tree.destination.proxy = 'http://sync:${env:DB_PASSWORD}@proxy.example:3128';
    tree.entities[0] = entity({ destination: { url: '/users', headers: { 'X-Auth-Key': 'clear', 'X-Source': 'hr' } } });
    tree.entities.push(
      entity({ name: 'B', destination: { url: '/b', proxy: 'http://sync:clear@proxy.example:3128' } }),
    );
    tree.entities.push(entity({ name: 'C', destination: { url: '/c', proxy: 'http://proxy.example:3128' } }));
    const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(tree) });
    assert.deepEqual((await loadConfig({ cwd, env: ENV })).warnings, []);
    await chmod(join(cwd, 'sync.config.json'), 0o644);
    const { warnings } = await loadConfig({ cwd, env: ENV });
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] ?? '',
      /^sync\.config\.json holds secrets in clear \(connections\.main, destination\.auth, entities\[0\]\.destination\.headers, entities\[1\]\.destination\.proxy\) and others can read it/,
    );
  });

  test('file that others can read gives a warning', {
    skip: process.platform === 'win32' && 'Windows has no modes',
  }, async (t) => {
    const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(smallConfig()), 's.env': 'DB_PASSWORD=x' });
    await chmod(join(cwd, 's.env'), 0o640);
    const { warnings } = await loadConfig({ cwd, env: {}, secretsFile: 's.env' });
    assert.deepEqual(warnings, ['s.env holds secrets and others can read it; let only its owner read it (chmod 600)']);
  });

  test('are told to redaction wherever they stand, and names are not', async (t) => {
    const tree = smallConfig();
    tree.connections.main = 'Server=${env:HOST};Database=MDM;User ID=${env:USER_NAME};Password="in;string"';
    tree.connections.other = { server: 'db', database: 'MDM', user: 'u', password: 'in-object' };
    tree.connections.whole = '${env:WHOLE}';
    tree.destination = {
      baseUrl: '${env:URL}',
      auth: { type: 'basic', user: 'importer', password: 'basic-password' },
      headers: { 'X-Token': 'header-token', 'X-Source': 'hr' },
    };
    tree.schedule = { cron: '${env:CRON}' };
    tree.entities = [
      entity({ source: { connection: 'main', table: '${env:SCHEMA}.MDM_USER', key: 'Id' } }),
      entity({
        name: 'Keyed',
        destination: {
          url: '/keyed?code=function-key&format=json',
          auth: { type: 'apiKey', header: 'K', value: 'api-key' },
        },
      }),
      entity({
        name: 'Hook',
        enabled: false,
        destination: { url: '/hook/${env:HOOK}', auth: { type: 'bearer', token: 'bearer-token' } },
      }),
      entity({ name: 'Const', map: { Token: { const: '${env:CONST}' } } }),
    ];
    const whole = 'Server=db9;Database=MDM;User ID=u;Password=in-whole';
    const { secrets } = await load(t, tree, {
      env: {
        HOST: 'db.example',
        USER_NAME: 'sync',
        WHOLE: whole,
        URL: 'https://api.example/v1',
        SCHEMA: 'schema-name',
        HOOK: 'hook-secret',
        CONST: 'const-secret',
        CRON: '0 3 * * *',
      },
    });
    assert.deepEqual(
      [...secrets].sort(),
      [
        'api-key',
        'basic-password',
        'bearer-token',
        'const-secret',
        'function-key',
        'header-token',
        'hook-secret',
        'in-object',
        'in-whole',
        'in;string',
        whole,
      ].sort(),
    );
  });
});

describe('connections', () => {
  test('that weaken TLS give one warning for each weakness', async (t) => {
    const string = 'Database=MDM;User ID=u;Password=${env:DB_PASSWORD};';
    const { warnings } = await load(t, {
      ...smallConfig(),
      connections: {
        main: `Server=a;${string}`,
        trusting: `Server=b;TrustServerCertificate=True;${string}`,
        trusting2: `Server=c;TrustServerCertificate=True;${string}`,
        open: `Server=d;Encrypt=False;TrustServerCertificate=True;${string}`,
        old: { connectionString: `Server=e;${string}`, minTlsVersion: 'TLSv1.1' },
        newer: { connectionString: `Server=f;${string}`, minTlsVersion: 'TLSv1.2' },
      },
    });
    assert.deepEqual(warnings, [
      'connection open: not encrypted',
      "connection trusting, trusting2: the server's certificate is not verified (trustServerCertificate)",
      'connection old: TLS older than 1.2 is accepted (minTlsVersion)',
    ]);
  });

  test('that cannot be used are problems with their path', async (t) => {
    const tree = smallConfig();
    tree.connections = {
      main: 'Server=db;Database=MDM;Integrated Security=SSPI',
      other: { server: 'db:1433', database: 'MDM', user: 'u', password: 'hunter2' },
    };
    const problems = await problemsOf(t, tree);
    assert.equal(problems.length, 2);
    assert.match(problems[0] ?? '', /^connections\.main: Integrated Security needs/);
    assert.equal(problems[1], 'connections.other: the port stands after a comma, not a colon: host,port');
  });
});

describe('entities', () => {
  test('inherit from the top-level destination and override anything of it', async (t) => {
    const tree = smallConfig();
    tree.destination = {
      baseUrl: 'https://api.example/v1/',
      method: 'PUT',
      headers: { 'X-Source': 'hr', 'X-Site': 'jakarta' },
      auth: { type: 'bearer', token: 't' },
      batchSize: 100,
      maxBatchBytes: 1000,
      concurrency: 2,
      timeoutMs: 5000,
      maxAttempts: 2,
      retryDelayMs: 10,
      maxRetryDelayMs: 20,
      requestsPerSecond: 0.5,
      rowsPerSecond: 1000,
      maxFailedBatches: 5,
      maxIsolationCalls: 0,
      serverErrorRuns: 0,
      idempotencyKeyTtlHours: 0.5,
      rejectedRows: { pointer: '/errors', index: '/row', reason: '/message' },
      compression: 'gzip',
      idempotencyHeader: 'X-Batch',
      allowInsecure: true,
      proxy: 'http://proxy.example:3128/',
      noProxy: 'x',
    };
    const own = {
      url: 'https://other.example/hook?x=1',
      method: 'PATCH',
      headers: { 'x-source': 'org', 'X-More': '1' },
      auth: { type: 'basic', user: 'u', password: 'p' },
      batchSize: 5,
      maxBatchBytes: 6,
      concurrency: 7,
      timeoutMs: 8,
      maxAttempts: 9,
      retryDelayMs: 10,
      maxRetryDelayMs: 10,
      requestsPerSecond: 12,
      rowsPerSecond: 13,
      maxFailedBatches: 14,
      maxIsolationCalls: 15,
      serverErrorRuns: 16,
      idempotencyKeyTtlHours: 17,
      rejectedRows: { pointer: '', key: '/id' },
      compression: 'none',
      idempotencyHeader: null,
      allowInsecure: false,
    };
    tree.entities = [
      entity(),
      entity({ name: 'Org', destination: { ...own, proxy: '', noProxy: 'y' } }),
      entity({ name: 'Based', destination: { url: 'b', baseUrl: 'https://x' } }),
    ];
    const [users, org, based] = (await load(t, tree)).entities;
    const { baseUrl: _, proxy: __, noProxy: ___, ...shared } = tree.destination;
    assert.deepEqual(users?.destination, {
      ...shared,
      url: 'https://api.example/v1/users',
      proxy: { url: 'http://proxy.example:3128/', noProxy: 'x' },
    });
    assert.deepEqual(org?.destination, { ...own, headers: { 'X-Site': 'jakarta', 'x-source': 'org', 'X-More': '1' } });
    assert.equal(based?.destination.url, 'https://x/b');
  });

  test('have defaults for all that is silent', async (t) => {
    const tree = smallConfig();
    tree.entities = [
      {
        name: 'Users',
        source: { connection: 'main', query: 'SELECT 1 AS A, 2 AS B', key: ['A', 'B'] },
        destination: { url: '/u' },
      },
    ];
    const config = await load(t, tree);
    assert.deepEqual(config.entities, [
      {
        name: 'Users',
        trackingLabels: ['Users'],
        source: { connection: 'main', query: 'SELECT 1 AS A, 2 AS B', key: ['A', 'B'] },
        destination: {
          url: 'https://api.example/v1/u',
          method: 'POST',
          auth: { type: 'none' },
          headers: {},
          batchSize: 3000,
          concurrency: 1,
          timeoutMs: 30_000,
          maxAttempts: 4,
          retryDelayMs: 1000,
          maxRetryDelayMs: 30_000,
          maxFailedBatches: 3,
          maxIsolationCalls: 1000,
          serverErrorRuns: 3,
          idempotencyKeyTtlHours: 24,
          compression: 'none',
          idempotencyHeader: 'Idempotency-Key',
          allowInsecure: false,
        },
        changes: 'new',
        detection: { method: 'auto', overlapMinutes: 120 },
        reconcileEvery: 7,
        maxDeletePercent: 10,
        timeZone: 'UTC',
      },
    ]);
    assert.deepEqual(config.logging, { level: 'info', format: 'text' });
    assert.equal(config.schedule, undefined);
    assert.deepEqual(config.run, { maxRetries: 100 });
  });

  test('that are disabled are checked and told apart', async (t) => {
    const tree = smallConfig();
    tree.entities = [entity({ enabled: true }), entity({ name: 'Org', enabled: false })];
    const { entities, disabled } = await load(t, tree);
    assert.deepEqual([entities.map(({ name }) => name), disabled], [['Users'], ['Org']]);
    tree.entities = [entity({ enabled: false, source: { connection: 'mian', table: 't', key: 'Id' } })];
    assert.deepEqual(await problemsOf(t, tree), [
      'entities[0].source.connection: found "mian", expected a name in connections, did you mean "main"?',
    ]);
  });
});

const INSECURE =
  'found http:// to another machine, where everyone on the way reads the rows and the credentials, expected https:// (or "allowInsecure": true beside it)';
const NO_PROXY_URL =
  'expected http://host:port or https://host:port, with user:password@ before the host where it asks for them';

/** A change to the small configuration → the problems that it causes. */
const MISTAKES: [name: string, change: (tree: ReturnType<typeof smallConfig>) => void, problems: string[]][] = [
  [
    'unknown keys, at any depth',
    (tree) => {
      tree.entitis = [];
      tree.destination.batch_size = 5;
      tree.entities[0] = entity({ tracking: 'x', map: { A: { colum: 'x', const: 1 } } });
    },
    [
      'entitis: unknown key, did you mean "entities"?',
      'destination.batch_size: unknown key, did you mean "batchSize"?',
      'entities[0].tracking: unknown key, expected "name", "enabled", "trackingLabels", "source", "destination", "changes", "detection", "reconcileEvery", "deleted", "maxDeletePercent" or "map"',
      'entities[0].map.A.colum: unknown key, did you mean "column"?',
    ],
  ],
  [
    'values of the wrong type',
    (tree) => {
      tree.log = 'main';
      tree.connections.other = 5;
      tree.entities[0] = entity({
        enabled: 'yes',
        trackingLabels: 'User',
        destination: { url: '/u', batchSize: '3000' },
      });
    },
    [
      'connections.other: found a number, expected text or an object',
      'log: found text, expected an object',
      'entities[0].enabled: found text, expected true or false',
      'entities[0].trackingLabels: found text, expected a list, each item once',
      'entities[0].destination.batchSize: found text, expected a whole number from 1',
    ],
  ],
  [
    'numbers out of range',
    (tree) => {
      Object.assign(tree.destination, { batchSize: 0, concurrency: 65, timeoutMs: -1, maxBatchBytes: 1.5 });
      tree.logging = { maxFiles: 0, maxFileBytes: 10 };
    },
    [
      'logging.maxFileBytes: found 10, expected a whole number from 1024',
      'logging.maxFiles: found 0, expected a whole number from 1',
      'destination.batchSize: found 0, expected a whole number from 1',
      'destination.maxBatchBytes: found a number, expected a whole number from 1',
      'destination.concurrency: found 65, expected a whole number from 1 to 64',
      'destination.timeoutMs: found -1, expected a whole number from 1 to 2147483647',
    ],
  ],
  [
    'limits of a delivery out of range',
    (tree) => {
      tree.connections.other = {
        connectionString: 'Server=db;Database=MDM;User ID=u;Password=hunter2',
        retryForMs: -1,
      };
      tree.run = { maxDurationMinutes: 0, maxRetries: -1 };
      Object.assign(tree.destination, { maxAttempts: 0, requestsPerSecond: 0, rowsPerSecond: '5' });
      tree.entities = [
        entity({ destination: { url: '/u', maxFailedBatches: 0, maxIsolationCalls: -1, serverErrorRuns: 0.5 } }),
        entity({ name: 'Org', destination: { url: '/o', retryDelayMs: 0, idempotencyKeyTtlHours: -1 } }),
      ];
    },
    [
      'connections.other.retryForMs: found -1, expected a whole number from 0 to 2147483647',
      'run.maxDurationMinutes: found 0, expected a number above 0 and at most 35791',
      'run.maxRetries: found -1, expected a whole number from 0',
      'destination.maxAttempts: found 0, expected a whole number from 1',
      'destination.requestsPerSecond: found 0, expected a number above 0',
      'destination.rowsPerSecond: found text, expected a number above 0',
      'entities[0].destination.maxFailedBatches: found 0, expected a whole number from 1',
      'entities[0].destination.maxIsolationCalls: found -1, expected a whole number from 0',
      'entities[0].destination.serverErrorRuns: found a number, expected a whole number from 0',
      'entities[1].destination.retryDelayMs: found 0, expected a whole number from 1 to 2147483647',
      'entities[1].destination.idempotencyKeyTtlHours: found -1, expected a number above 0',
    ],
  ],
  [
    'first waits above the longest one, where they are set',
    (tree) => {
      Object.assign(tree.destination, { retryDelayMs: 40_000, maxRetryDelayMs: 40_000 });
      tree.entities = [
        entity(),
        entity({ name: 'B', destination: { url: '/b', maxRetryDelayMs: 39_999 } }),
        entity({ name: 'C', destination: { url: '/c', maxRetryDelayMs: 40_000 } }),
        entity({ name: 'D', destination: { url: '/d', retryDelayMs: 40_001 } }),
        entity({ name: 'E', destination: { url: '/e', retryDelayMs: 2, maxRetryDelayMs: 1 } }),
        entity({ name: 'F', destination: { url: '/f', retryDelayMs: 60_000, maxRetryDelayMs: 'long' } }),
      ];
    },
    [
      'entities[1].destination.maxRetryDelayMs: found 39999, expected at least retryDelayMs, which is 40000',
      'entities[3].destination.retryDelayMs: found 40001, expected at most maxRetryDelayMs, which is 40000',
      'entities[4].destination.retryDelayMs: found 2, expected at most maxRetryDelayMs, which is 1',
      'entities[5].destination.maxRetryDelayMs: found text, expected a whole number from 1 to 2147483647',
    ],
  ],
  [
    'a shared first wait above the default of the longest one, once for all entities',
    (tree) => {
      tree.destination.retryDelayMs = 40_000;
      tree.entities.push(entity({ name: 'Org' }));
    },
    ['destination.retryDelayMs: found 40000, expected at most maxRetryDelayMs, which is 30000'],
  ],
  [
    'places of rejected rows that are none',
    (tree) => {
      tree.destination.rejectedRows = 'errors';
      tree.entities = [
        entity({ destination: { url: '/u', rejectedRows: { pointer: 'errors', index: '/~2', key: '/k' } } }),
        entity({ name: 'B', destination: { url: '/b', rejectedRows: { pointer: '/errors', reason: 5 } } }),
        entity({ name: 'C', destination: { url: '/c', rejectedRows: { index: '', pointr: '/errors' } } }),
      ];
    },
    [
      'destination.rejectedRows: found text, expected an object',
      'entities[0].destination.rejectedRows: found "index" and "key", expected exactly one of "index" or "key"',
      'entities[0].destination.rejectedRows.pointer: found "errors", expected a JSON Pointer such as /errors',
      'entities[0].destination.rejectedRows.index: found "/~2", expected a JSON Pointer such as /errors',
      'entities[1].destination.rejectedRows: found none, expected exactly one of "index" or "key"',
      'entities[1].destination.rejectedRows.reason: found a number, expected a JSON Pointer such as /errors',
      'entities[2].destination.rejectedRows.pointer: missing, expected a JSON Pointer such as /errors',
      'entities[2].destination.rejectedRows.pointr: unknown key, did you mean "pointer"?',
    ],
  ],
  [
    'unknown words',
    (tree) => {
      tree.logging = { level: 'infos', format: 'xml' };
      tree.destination.method = 'post';
      tree.destination.auth = { type: 'apikey', header: 'X', value: 'hunter2' };
      tree.entities[0] = entity({ changes: 'all' });
    },
    [
      'logging.level: found "infos", expected "error", "warn", "info" or "debug", did you mean "info"?',
      'logging.format: found "xml", expected "text" or "json"',
      'destination.method: found "post", expected "POST", "PUT" or "PATCH", did you mean "POST"?',
      'destination.auth.type: found an unknown type, expected "none", "apiKey", "basic" or "bearer", did you mean "apiKey"?',
      'entities[0].changes: found "all", expected "new", "changed" or "mirror"',
    ],
  ],
  [
    'a table and a query, or neither',
    (tree) => {
      tree.entities = [
        entity({ source: { connection: 'main', table: 't', query: 'q', key: 'Id' } }),
        entity({ name: 'Org', source: { connection: 'main', key: [] } }),
      ];
    },
    [
      'entities[0].source: found "table" and "query", expected exactly one of "table" or "query"',
      'entities[1].source: found none, expected exactly one of "table" or "query"',
      'entities[1].source.key: found an empty list, expected text or a list, each item once',
    ],
  ],
  [
    'a missing key column',
    (tree) => {
      tree.entities = [entity({ source: { connection: 'main', table: 't' } })];
    },
    ['entities[0].source.key: missing, expected text or a list, each item once'],
  ],
  [
    'map fields of no form',
    (tree) => {
      tree.entities[0] = entity({
        map: {
          A: {},
          B: { column: 'x', sentAt: 'yyyy' },
          C: { sentAt: 'yyyy', default: 1 },
          D: 5,
          E: { const: 1, timeZone: 'UTC' },
        },
      });
    },
    [
      'entities[0].map.A: found none, expected exactly one of "column", "const" or "sentAt"',
      'entities[0].map.B: found "column" and "sentAt", expected exactly one of "column", "const" or "sentAt"',
      'entities[0].map.C.default: found without "column" beside it',
      'entities[0].map.D: found a number, expected text or an object',
      'entities[0].map.E.timeZone: found without "sentAt" beside it',
    ],
  ],
  [
    'date formats and time zones that are none',
    (tree) => {
      tree.schedule = { cron: '0 3 * *', timeZone: 'Asia/Jakrta' };
      tree.entities[0] = entity({
        map: { A: { column: 'x', format: 'YYYY-MM-DD' }, 'B c': { sentAt: 'hh:mm', timeZone: 'Mars' } },
      });
    },
    [
      'schedule.timeZone: found "Asia/Jakrta", expected an IANA time zone, did you mean "Asia/Jakarta"?',
      'schedule.cron: found "0 3 * *", expected five fields such as "0 3 * * *" (minute hour day month weekday)',
      'entities[0].map.A.format: found "YYYY-MM-DD", expected a date format of yyyy, yy, MM, dd, HH, mm, ss, fff, other letters in \'…\'',
      'entities[0].map["B c"].sentAt: found "hh:mm", expected a date format of yyyy, yy, MM, dd, HH, mm, ss, fff, other letters in \'…\'',
      'entities[0].map["B c"].timeZone: found "Mars", expected an IANA time zone',
    ],
  ],
  [
    'a schedule that never comes due',
    (tree) => {
      tree.schedule = { cron: '0 3 31 2 *' };
    },
    ['schedule.cron: found "0 3 31 2 *", which is never due'],
  ],
  [
    'connections that do not exist',
    (tree) => {
      tree.log = { connection: 'logs' };
      tree.entities[0] = entity({ source: { connection: 'Main', table: 't', key: 'Id' } });
    },
    [
      'log.connection: found "logs", expected a name in connections',
      'entities[0].source.connection: found "Main", expected a name in connections, did you mean "main"?',
    ],
  ],
  [
    'names and labels that two entities share',
    (tree) => {
      tree.entities = [
        entity({ trackingLabels: ['User', 'Users'] }),
        entity({ name: 'users', trackingLabels: ['X'] }),
        entity({ name: 'Org', trackingLabels: ['Y', 'USERS '] }),
        entity({ name: 'y' }),
      ];
    },
    [
      'entities[1].name: found "users", which is the name of another entity too',
      'entities[2].trackingLabels[1]: found "USERS ", which is a tracking label of another entity too',
      'entities[3].name: found "y", which is a tracking label of another entity too',
    ],
  ],
  [
    'URLs that are none',
    (tree) => {
      tree.destination = {};
      tree.entities = [
        entity(),
        entity({ name: 'B', destination: { url: 'ftp://x/y' } }),
        entity({ name: 'C', destination: { url: 'https://user:hunter2@x/y' } }),
        entity({ name: 'D', destination: { url: '/y', baseUrl: 'https://x/?code=hunter2' } }),
        entity({ name: 'E', destination: { url: '/y', baseUrl: 'api.example' } }),
        entity({ name: 'F', destination: { url: 'https://' } }),
        entity({ name: 'G', destination: { url: 'http://10.0.0.1/y' } }),
      ];
    },
    [
      'entities[0].destination.url: found a path, expected an absolute URL, or destination.baseUrl as well',
      'entities[1].destination.url: found no URL, expected http://… or https://…',
      'entities[2].destination.url: found credentials in the URL, expected them in destination.auth',
      'entities[3].destination.baseUrl: found a query or fragment, which no path can follow',
      'entities[4].destination.baseUrl: found no URL, expected http://… or https://…',
      'entities[5].destination.url: found no URL, expected http://… or https://…',
      `entities[6].destination.url: ${INSECURE}`,
    ],
  ],
  [
    'a shared base URL that is none, once for all entities',
    (tree) => {
      tree.destination.baseUrl = 'api.example';
      tree.entities.push(entity({ name: 'Org' }));
    },
    ['destination.baseUrl: found no URL, expected http://… or https://…'],
  ],
  [
    'headers and credentials that cannot be sent',
    (tree) => {
      tree.destination.headers = { 'X Source': 'a', 'Content-Length': '5', 'X-Ok': 'a\nb' };
      tree.destination.auth = { type: 'apiKey', header: 'X:', value: 'hunter2\n' };
      tree.entities = [
        entity({ destination: { url: '/u', auth: { type: 'basic', user: 'a:b', password: 'x' } } }),
        entity({ name: 'B', destination: { url: '/u', auth: { type: 'bearer', token: 'é→' } } }),
        entity({
          name: 'C',
          destination: { url: '/u', headers: { authorization: 'x' }, auth: { type: 'bearer', token: 't' } },
        }),
      ];
    },
    [
      'destination.headers["X Source"]: expected a header name (letters, digits and hyphens)',
      "destination.headers.Content-Length: found Content-Length, which is not the configuration's to set",
      'destination.headers.X-Ok: found a character that a header cannot have (a line break, or one outside Latin-1)',
      'destination.auth.header: expected a header name (letters, digits and hyphens)',
      'destination.auth.value: found a character that a header cannot have (a line break, or one outside Latin-1)',
      'entities[0].destination.auth.user: found a colon, which a user name of HTTP Basic cannot have',
      'entities[1].destination.auth.token: found a character that a header cannot have (a line break, or one outside Latin-1)',
      'entities[2].destination.headers.authorization: found Authorization, which auth sets already',
    ],
  ],
  [
    'plain HTTP to other machines, at the base URL once for all entities',
    (tree) => {
      tree.destination.baseUrl = 'http://127.example';
      tree.entities.push(
        entity({ name: 'B' }),
        entity({ name: 'C', destination: { url: '/c', allowInsecure: true } }),
        entity({ name: 'D', destination: { url: 'http://localhost:8080/d' } }),
        entity({ name: 'E', destination: { url: 'http://127.9.9.9/e' } }),
        entity({ name: 'F', destination: { url: 'http://[::1]/f' } }),
        entity({ name: 'G', destination: { url: 'http://localhost.example/g' } }),
        entity({ name: 'H', destination: { url: 'http://[::2]/h' } }),
      );
    },
    [
      `destination.baseUrl: ${INSECURE}`,
      `entities[6].destination.url: ${INSECURE}`,
      `entities[7].destination.url: ${INSECURE}`,
    ],
  ],
  [
    'proxies that are none',
    (tree) => {
      tree.destination.proxy = 'socks5://hunter2@proxy:1080';
      tree.entities.push(
        entity({ name: 'B', destination: { url: '/b', proxy: 'http://user:%zzhunter2@proxy:3128' } }),
        entity({ name: 'C', destination: { url: '/c', proxy: 'http://proxy:3128/path' } }),
        entity({ name: 'D', destination: { url: '/d', proxy: false, noProxy: 5 } }),
      );
    },
    [
      `destination.proxy: found no URL of a proxy, ${NO_PROXY_URL}`,
      `entities[1].destination.proxy: found no URL of a proxy, ${NO_PROXY_URL}`,
      `entities[2].destination.proxy: found no URL of a proxy, ${NO_PROXY_URL}`,
      'entities[3].destination.proxy: found true or false, expected text',
      'entities[3].destination.noProxy: found a number, expected text',
    ],
  ],
  [
    'idempotency headers that cannot be sent or are set already',
    (tree) => {
      tree.destination.idempotencyHeader = 'X Batch';
      tree.destination.headers = { 'Idempotency-Key': 'always-the-same', 'Content-Encoding': 'br' };
      tree.entities = [
        entity({ destination: { url: '/u', idempotencyHeader: '' } }),
        entity({ name: 'B', destination: { url: '/u', idempotencyHeader: 'Expect' } }),
        entity({ name: 'C', destination: { url: '/u', idempotencyHeader: 'X-Id', headers: { 'x-id': '1' } } }),
        entity({
          name: 'D',
          destination: { url: '/u', idempotencyHeader: 'x-key', auth: { type: 'apiKey', header: 'X-Key', value: 'v' } },
        }),
        entity({ name: 'E', destination: { url: '/u', idempotencyHeader: null } }),
      ];
    },
    [
      'destination.idempotencyHeader: expected a header name (letters, digits and hyphens)',
      "destination.headers.Idempotency-Key: found Idempotency-Key, which is not the configuration's to set",
      "destination.headers.Content-Encoding: found Content-Encoding, which is not the configuration's to set",
      'entities[0].destination.idempotencyHeader: found empty text, expected text or null',
      "entities[1].destination.idempotencyHeader: found Expect, which is not the configuration's to set",
      'entities[2].destination.headers.x-id: found X-Id, which idempotencyHeader sets already',
      'entities[3].destination.idempotencyHeader: found X-Key, which auth sets already',
    ],
  ],
  [
    'TLS settings of which a part is missing',
    (tree) => {
      tree.destination.tls = { cert: 'a', passphrase: 'hunter2' };
      tree.entities[0] = entity({ destination: { url: '/u', tls: { key: 'a', pfx: 'b' } } });
    },
    [
      'destination.tls.cert: found without "key" beside it',
      'destination.tls.passphrase: found without "key" beside it',
      'entities[0].destination.tls.key: found without "cert" beside it',
      'entities[0].destination.tls.pfx: unknown key, expected "ca", "cert", "key" or "passphrase"',
    ],
  ],
  [
    'columns that the map needs and the list lacks',
    (tree) => {
      tree.entities[0] = entity({
        source: { connection: 'main', table: 't', key: 'Id', columns: ['NoReg', 'name'] },
        map: { A: 'id', B: 'Name', C: { column: 'NoRegs' } },
      });
    },
    ['entities[0].map.C.column: found "NoRegs", which source.columns does not list, did you mean "NoReg"?'],
  ],
  [
    'unresolved references and everything else at once',
    (tree) => {
      tree.connections.main = 'Server=db;Database=MDM;User ID=u;Password=${env:NONE}';
      tree.destination.baseUrl = '${file:none}';
      tree.entities = [
        entity({ changes: '${env:WORD}', map: { A: { column: 'x', format: 'Y' } } }),
        entity({ name: 'Org', batchsize: 1 }),
      ];
    },
    [
      'connections.main: ${env:NONE} is not resolved: neither the secrets file nor the environment has NONE',
      'destination.baseUrl: ${file:none} is not resolved: there is no such file',
      'entities[0].changes: found text, expected "new", "changed" or "mirror" (with ${env:WORD})',
      'entities[1].batchsize: unknown key, expected "name", "enabled", "trackingLabels", "source", "destination", "changes", "detection", "reconcileEvery", "deleted", "maxDeletePercent" or "map"',
      'entities[0].map.A.format: found "Y", expected a date format of yyyy, yy, MM, dd, HH, mm, ss, fff, other letters in \'…\'',
    ],
  ],
];

describe('every problem is told at once, with its path, for', () => {
  for (const [name, change, expected] of MISTAKES) {
    test(name, async (t) => {
      const tree = smallConfig();
      change(tree);
      const problems = await problemsOf(t, tree, { env: { WORD: 'hunter2' } });
      assert.deepEqual(problems.toSorted(), expected.toSorted());
      assert.doesNotMatch(problems.join('\n'), /hunter2/);
    });
  }

  test('and a value that references brought in is told by their names', async (t) => {
    const tree = smallConfig();
    tree.destination.auth = { type: 'bearer', token: '${env:EMPTY}' };
    tree.connections.main = 'Server=${env:EMPTY};Database=MDM;User ID=u;Password=${env:DB_PASSWORD}';
    assert.deepEqual(await problemsOf(t, tree, { env: { EMPTY: '' } }), [
      'destination.auth.token: found empty text, expected text (with ${env:EMPTY})',
      'connections.main: Data Source (Server) is missing (with ${env:EMPTY}, ${env:DB_PASSWORD})',
    ]);
  });

  test('and the message says how many and what to do', async (t) => {
    const error = await errorOf(load(t, { ...smallConfig(), log: {}, x: 1 }));
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.match(
      error.message,
      /^sync\.config\.json is invalid \(2 problems\):\n {2}x: unknown key.*\n {2}log\.connection: missing/,
    );
    assert.match(error.hint, /config validate/);
  });
});

test('no change to a configuration like the shipped one gives anything but a configuration or an error that names paths', async (t) => {
  const original = JSON.parse(await readFile(join(ROOT, 'sync.config.json'), 'utf8'));
  Object.assign(original.entities[0], {
    changes: 'mirror',
    detection: { method: 'modifiedAt', column: 'ModifiedOn', overlapMinutes: 60 },
    deleted: { url: '/users/{key}?by=sync', method: 'DELETE' },
  });
  Object.assign(original.entities[1], { changes: 'mirror', deleted: { url: '/gone', map: { Code: 'Id' } } });
  const paths: (string | number)[][] = [];
  const collect = (node: unknown, path: (string | number)[]) => {
    if (path.length > 0) paths.push(path);
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) collect(value, [...path, Array.isArray(node) ? Number(key) : key]);
  };
  collect(original, []);
  const text = fc.constantFrom(
    '',
    ' ',
    'x',
    '${env:',
    '${env:TAMHR_API_KEY}',
    '${env:NONE}',
    '$${',
    'Id',
    'Server=x',
    '/u',
    '{key}',
    'http://{key}',
    'http://x',
  );
  const value = fc.oneof(text, fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(null, 0, -1, 1e308, true, [], {}));
  const mutation = fc.tuple(
    fc.constantFrom(...paths),
    fc.constantFrom('replace', 'delete', 'add', 'rename'),
    text,
    value,
  );
  const cwd = await directoryWith(t, {});
  const { writeFile } = await import('node:fs/promises');
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
      const tree = structuredClone(original);
      for (const [path, kind, word, replacement] of mutations) {
        const parent = path.slice(0, -1).reduce((node, key) => node?.[key], tree);
        const key = path.at(-1) as string;
        if (typeof parent !== 'object' || parent === null) continue;
        if (kind === 'replace') parent[key] = replacement;
        else if (kind === 'add') parent[word] = replacement;
        else {
          const kept = parent[key];
          if (Array.isArray(parent)) parent.splice(Number(key), 1);
          else delete parent[key];
          if (kind === 'rename') parent[word] = kept;
        }
      }
      await writeFile(join(cwd, 'sync.config.json'), JSON.stringify(tree));
      try {
        const config = await loadConfig({ cwd, env: SHIPPED_ENV });
        assert.ok(config.entities.length + config.disabled.length > 0);
      } catch (error) {
        assert.ok(error instanceof SyncError, String((error as Error).stack));
        assert.match(error.code, /^(CONFIG_INVALID|SECRET_UNRESOLVED)$/);
        for (const line of error.message.split('\n').slice(1)) assert.match(line, /^ {2}\S.*: \S/);
        for (const secret of ['default-password', 'ess-password', 'log-password', 'the-api-key']) {
          assert.ok(!error.message.includes(secret), error.message);
        }
      }
    }),
    { numRuns: 150 },
  );
});
