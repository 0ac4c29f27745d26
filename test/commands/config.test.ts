import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { register } from '../../src/commands/config.ts';
import type { CommandContext } from '../../src/commands/context.ts';
import { loadConfig } from '../../src/config/config.ts';
import { createRedactor } from '../../src/log/redact.ts';
import { directoryWith, ENV, entity, errorOf, smallConfig } from '../config/fixture.ts';
import { runCli } from '../support/cli.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Runs `config …` on these files, with streams that redact as the program's do; returns what it wrote on stdout. */
async function run(
  t: TestContext,
  command: string,
  files: Record<string, string>,
  env: Record<string, string> = {},
): Promise<string> {
  const cwd = await directoryWith(t, files);
  const redactor = createRedactor();
  let text = '';
  const stdout = {
    isTTY: false,
    write(part: string) {
      text += redactor.redact(part);
    },
  };
  const context: CommandContext = {
    io: { stdout, stderr: stdout, env: {}, cwd, signals: new EventEmitter() },
    redactor,
    exit: () => assert.fail('no other exit code'),
    loadConfig: async () => {
      const config = await loadConfig({ cwd, env: { ...ENV, ...env } });
      redactor.add(config.secrets);
      return config;
    },
  };
  const program = new Command().exitOverride();
  register(program, context);
  await program.parseAsync(['config', command], { from: 'user' });
  return text;
}

describe('config validate', () => {
  test('says in one line what was found valid', async (t) => {
    const tree = smallConfig();
    assert.equal(
      await run(t, 'validate', { 'sync.config.json': JSON.stringify(tree) }),
      'sync.config.json is valid: 1 entity, 1 connection\n',
    );
    tree.entities.push(entity({ name: 'Org', enabled: false }));
    tree.connections.log = tree.connections.main;
    assert.equal(
      await run(t, 'validate', { 'sync.config.json': JSON.stringify(tree) }),
      'sync.config.json is valid: 2 entities (1 disabled), 2 connections\n',
    );
  });

  test('ends with the error that tells all problems', async (t) => {
    const error = await errorOf(run(t, 'validate', { 'sync.config.json': '{"entities": []}' }));
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.match(error.message, /connections: missing.*\n.*log: missing.*\n.*entities: found an empty list/);
  });
});

describe('config print', () => {
  const tree = {
    ...smallConfig(),
    connections: {
      main: 'Server=db\\I;Database=MDM;User ID=CORP\\sync;Password=${env:DB_PASSWORD};Encrypt=strict',
      object: { server: 'db', database: 'MDM', user: 'sync', password: 'x', minTlsVersion: 'TLSv1' },
    },
    logging: { file: 'sync.log' },
    schedule: { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' },
    report: { html: 'status.html' },
    run: { maxDurationMinutes: 0.5 },
    destination: { baseUrl: 'https://api.example', headers: { 'X-Token': 'tok', 'X-Source': 'hr' } },
    entities: [
      entity({
        destination: { url: '/u', auth: { type: 'apiKey', header: 'X-Key', value: 'key' } },
        map: { Code: 'Id', At: { sentAt: 'yyyy' }, Token: { const: 'prefix-${env:CONST}' } },
      }),
      entity({ name: 'B', destination: { url: '/b', auth: { type: 'basic', user: 'importer', password: 'pw' } } }),
      entity({
        name: 'C',
        destination: {
          url: '/c',
          auth: { type: 'bearer', token: 'b' },
          requestsPerSecond: 0.5,
          rejectedRows: { pointer: '/errors', key: '/id' },
        },
      }),
    ],
  };

  test('shows defaults filled in and secrets masked, also short ones and those inside strings', async (t) => {
    const text = await run(t, 'print', { 'sync.config.json': JSON.stringify(tree) }, { CONST: 'const-secret' });
    const printed = JSON.parse(text);
    assert.deepEqual(printed.connections, {
      main: {
        server: 'db',
        instance: 'I',
        database: 'MDM',
        domain: 'CORP',
        user: 'sync',
        password: '***',
        encrypt: 'strict',
        trustServerCertificate: false,
        multiSubnetFailover: false,
        readOnlyIntent: false,
        connectTimeoutMs: 15_000,
        requestTimeoutMs: 120_000,
        retryForMs: 60_000,
        appName: 'tamhr-sync',
      },
      object: {
        server: 'db',
        port: 1433,
        database: 'MDM',
        user: 'sync',
        password: '***',
        encrypt: true,
        trustServerCertificate: false,
        multiSubnetFailover: false,
        readOnlyIntent: false,
        connectTimeoutMs: 15_000,
        requestTimeoutMs: 120_000,
        retryForMs: 60_000,
        appName: 'tamhr-sync',
        minTlsVersion: 'TLSv1',
      },
    });
    assert.deepEqual(printed.schedule, tree.schedule);
    assert.deepEqual(printed.run, { maxRetries: 100, maxDurationMinutes: 0.5 });
    assert.match(printed.report.html, /[\\/]status\.html$/);
    assert.deepEqual(Object.keys(printed.logging), ['level', 'format', 'file', 'maxFileBytes', 'maxFiles']);
    const [users, basic, bearer] = printed.entities;
    assert.deepEqual(users, {
      name: 'Users',
      trackingLabels: ['Users'],
      source: { connection: 'main', table: 'dbo.MDM_USER', key: ['Id'] },
      destination: {
        method: 'POST',
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
        url: 'https://api.example/u',
        auth: { type: 'apiKey', header: 'X-Key', value: '***' },
        headers: { 'X-Token': '***', 'X-Source': 'hr' },
        proxy: '',
      },
      changes: 'new',
      detection: { method: 'auto' },
      reconcileEvery: 7,
      maxDeletePercent: 10,
      map: { Code: 'Id', At: { timeZone: 'Asia/Jakarta', sentAt: 'yyyy' }, Token: { const: 'prefix-***' } },
    });
    assert.deepEqual(basic.destination.auth, { type: 'basic', user: 'importer', password: '***' });
    assert.deepEqual(bearer.destination.auth, { type: 'bearer', token: '***' });
    assert.equal(bearer.destination.requestsPerSecond, 0.5);
    assert.deepEqual(bearer.destination.rejectedRows, { pointer: '/errors', key: '/id' });
  });

  test('shows TLS and proxy without key, passphrase and password, wherever these come from', async (t) => {
    const pem = (name: string) => readFile(join(ROOT, 'test', 'http', 'tls', `${name}.pem`), 'utf8');
    const files = {
      'sync.config.json': JSON.stringify({
        ...smallConfig(),
        entities: [
          entity({
            destination: { url: '/a', tls: { cert: 'client.pem', key: 'client.key', passphrase: 'client-passphrase' } },
          }),
          entity({ name: 'B', destination: { url: '/b', proxy: 'https://u:pä@own.example' } }),
        ],
      }),
      'client.pem': await pem('client'),
      'client.key': await pem('client.encrypted.key'),
    };
    const env = {
      HTTPS_PROXY: 'proxy.example:3128',
      https_proxy: 'http://sync:hunter2@proxy.example:3128',
      NO_PROXY: 'x',
    };
    const text = await run(t, 'print', files, env);
    const [a, b] = JSON.parse(text).entities;
    assert.deepEqual(a.destination.tls, { cert: files['client.pem'], key: '***', passphrase: '***' });
    assert.equal(a.destination.proxy, 'http://sync:***@proxy.example:3128/');
    assert.equal(a.destination.noProxy, 'x');
    assert.equal(b.destination.proxy, 'https://u:***@own.example/');
    assert.doesNotMatch(text, /hunter2|pä|p%C3%A4|PRIVATE KEY|client-passphrase/);
  });

  test('prints a configuration that is valid itself and comes to the same', async (t) => {
    const text = await run(t, 'print', { 'sync.config.json': JSON.stringify(tree) }, { CONST: 'const-secret' });
    assert.equal(await run(t, 'print', { 'sync.config.json': text }), text);
  });
});

describe('config schema', () => {
  test('prints sync.config.schema.json, without a configuration', async (t) => {
    assert.equal(await run(t, 'schema', {}), await readFile(join(ROOT, 'sync.config.schema.json'), 'utf8'));
  });
});

test('a receiver on another machine without TLS ends the program with 78 and what to do', async (t) => {
  const cwd = await directoryWith(t, {
    'sync.config.json': JSON.stringify({ ...smallConfig(), destination: { baseUrl: 'http://10.0.0.1/api' } }),
  });
  const { code, stdout, stderr } = await runCli(['config', 'validate'], { cwd, env: ENV });
  assert.equal(code, 78);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /destination\.baseUrl: found http:\/\/ to another machine, .*, expected https:\/\/ \(or "allowInsecure": true beside it\)\nCorrect them/,
  );
});

test('the command loads neither ajv nor cosmiconfig before it needs them', async () => {
  const script = `
    const { createRequire } = await import('node:module');
    const { Command } = await import('commander');
    const { register } = await import('./src/commands/config.ts');
    register(new Command(), { io: {} });
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).join().match(/node_modules.(ajv|cosmiconfig)\\b/g) ?? [];
    console.log([...new Set(loaded())].length);
    await import('./src/config/config.ts');
    console.log([...new Set(loaded())].length);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  assert.equal(stdout, '0\n2\n');
});
