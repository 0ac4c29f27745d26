import assert from 'node:assert/strict';
import { chmod, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { directoryWith, ENV, entity, load, problemsOf, smallConfig } from './fixture.ts';

const pem = (name: string) => readFile(join(import.meta.dirname, '..', 'http', 'tls', `${name}.pem`), 'utf8');

/** PEM files for a configuration's directory, under short names. */
async function pemFiles() {
  return {
    'ca.pem': await pem('ca'),
    'client.pem': await pem('client'),
    'client.key': await pem('client.key'),
    'encrypted.key': await pem('client.encrypted.key'),
    'other.key': await pem('server.key'),
  };
}

const withTls = (tls: unknown) => ({ ...smallConfig(), destination: { baseUrl: 'https://api.example', tls } });

describe('TLS of a destination', () => {
  test('is read from files beside the configuration, or from PEM text in it', async (t) => {
    const files = await pemFiles();
    const inline = { ca: files['ca.pem'], cert: '${file:client.pem}', key: '${file:client.key}' };
    const tree = withTls({ ca: 'ca.pem', cert: 'client.pem', key: 'client.key' });
    tree.entities.push(entity({ name: 'Inline', destination: { url: '/i', tls: inline } }));
    tree.entities.push(entity({ name: 'Without', destination: { url: '/w', tls: {} } }));
    const config = await load(t, tree, { files });
    const [users, own, without] = config.entities;
    assert.deepEqual(
      config.files,
      ['ca.pem', 'client.pem', 'client.key'].map((name) => join(dirname(config.file), name)),
    );
    const expected = { ca: files['ca.pem'], cert: files['client.pem'], key: files['client.key'] };
    assert.deepEqual(users?.destination.tls, expected);
    assert.deepEqual(
      Object.values(own?.destination.tls ?? {}).map((text) => text.trim()),
      Object.values(expected).map((text) => text.trim()),
    );
    assert.deepEqual(without?.destination.tls, {});
  });

  test('tells key and passphrase to redaction, but no certificate', async (t) => {
    const files = await pemFiles();
    const tls = { ca: 'ca.pem', cert: 'client.pem', key: 'encrypted.key', passphrase: 'client-passphrase' };
    const { secrets } = await load(t, withTls(tls), { files });
    assert.deepEqual([...secrets].sort(), [files['encrypted.key'], 'client-passphrase', 'db-password-1'].sort());
  });

  const mistakes: [what: string, tls: object, problem: string][] = [
    [
      'a file that is not there',
      { ca: 'none.pem' },
      'destination.tls.ca: names a file that cannot be read: there is no such file',
    ],
    [
      'a key for a certificate',
      { ca: 'client.key' },
      'destination.tls.ca: holds no certificate, expected PEM text (-----BEGIN CERTIFICATE-----) or a file of it',
    ],
    [
      'a certificate for a key',
      { cert: 'client.pem', key: 'client.pem' },
      'destination.tls.key: holds no private key, expected PEM text (-----BEGIN PRIVATE KEY-----) or a file of it',
    ],
    [
      'a damaged certificate',
      { ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
      'destination.tls.ca: holds a certificate that is damaged',
    ],
    [
      'a damaged key',
      { cert: 'client.pem', key: '-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----' },
      'destination.tls.key: holds a private key that is damaged',
    ],
    [
      "another certificate's key",
      { cert: 'client.pem', key: 'other.key' },
      'destination.tls.key: is not the key of the certificate in cert',
    ],
    [
      'an encrypted key without its passphrase',
      { cert: 'client.pem', key: 'encrypted.key' },
      'destination.tls.key: holds an encrypted key, which needs a passphrase beside it',
    ],
    [
      'an encrypted key with a wrong passphrase',
      { cert: 'client.pem', key: 'encrypted.key', passphrase: 'hunter2' },
      'destination.tls.key: holds an encrypted key, which the passphrase does not open',
    ],
  ];
  for (const [what, tls, problem] of mistakes) {
    test(`is refused at once where it holds ${what}`, async (t) => {
      assert.deepEqual(await problemsOf(t, withTls(tls), { files: await pemFiles() }), [problem]);
    });
  }

  /** The warnings of a configuration whose files have these modes. */
  async function warningsOf(t: TestContext, tree: unknown, modes: Record<string, number>) {
    const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(tree), ...(await pemFiles()) });
    for (const [name, mode] of Object.entries(modes)) await chmod(join(cwd, name), mode);
    return (await loadConfig({ cwd, env: ENV })).warnings;
  }

  test('gives a warning where others can read the key or the passphrase', {
    skip: process.platform === 'win32' && 'Windows has no modes',
  }, async (t) => {
    const tree = withTls({ cert: 'client.pem', key: 'encrypted.key', passphrase: 'client-passphrase' });
    assert.deepEqual(await warningsOf(t, tree, {}), []);
    const [inClear, key, ...more] = await warningsOf(t, tree, { 'sync.config.json': 0o644, 'encrypted.key': 0o644 });
    assert.match(inClear ?? '', /holds secrets in clear \(destination\.tls\) and others can read it/);
    assert.equal(key, 'others can read the file of destination.tls.key; let only its owner read it (chmod 600)');
    assert.deepEqual(more, []);
  });
});
