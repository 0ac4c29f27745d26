import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { useJob } from '../support/job.ts';
import { type ProxyServer, startProxy } from '../support/proxy.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const file = (name: string) => fileURLToPath(new URL(`../http/tls/${name}.pem`, import.meta.url));
const pem = (name: string) => readFileSync(file(name), 'utf8');

describe('a receiver behind a proxy, with a certificate of its own authority, that asks for a client certificate', () => {
  const server = useSqlServer({ seed: { rows: { Users: 5 } } });
  const job = useJob(server, {
    tls: { key: pem('server.key'), cert: pem('other-host'), clientCa: pem('client-ca') },
  });
  let proxy: ProxyServer;
  before(async () => {
    const hosts = { 'elsewhere.example:443': new URL(job.receiver.url).host };
    proxy = await startProxy({ login: 'sync:proxy-password-1', hosts });
    job.env.TAMHR_API_URL = 'https://elsewhere.example';
    assert.equal((await job.run(['migrate'])).code, 0);
  });
  after(() => proxy.close());
  beforeEach(() =>
    job.configure((config) => {
      config.entities = config.entities.slice(0, 1);
      config.destination.compression = 'gzip';
      config.destination.idempotencyHeader = 'X-Batch-Id';
      config.destination.tls = {
        ca: file('ca'),
        cert: file('client'),
        key: file('client.encrypted.key'),
        passphrase: '${env:KEY_PASSPHRASE}',
      };
    }),
  );

  it('is refused by the proxy without the right login, which no output shows', async () => {
    const { code, stdout, stderr } = await job.run(['run', '--verbose'], {
      env: { ...job.env, KEY_PASSPHRASE: 'client-passphrase', HTTPS_PROXY: proxy.urlWith('sync:wrong-password-2') },
    });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /the proxy 127\.0\.0\.1:\d+ asks for another login \(HTTP 407\)/);
    assert.doesNotMatch(stdout + stderr, /wrong-password-2|client-passphrase/);
  });

  it('gets the rows, compressed, with the proxy that the environment names', async () => {
    const { code, stderr } = await job.run(['run'], {
      env: { ...job.env, KEY_PASSPHRASE: 'client-passphrase', HTTPS_PROXY: proxy.urlWith('sync:proxy-password-1') },
    });
    assert.equal(code, 0, stderr);
    assert.equal(job.receiver.accepted('/users').size, 5);
    const [call] = job.receiver.calls();
    assert.equal(call?.headers['content-encoding'], 'gzip');
    assert.match(String(call?.headers['x-batch-id']), /^[0-9a-f-]{36}$/);
    assert.equal(call?.idempotencyKey, undefined);
  });
});
