import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { probeEndpoint, sendHarmlessRequest } from '../../src/http/probe.ts';
import { endpointFinding } from '../../src/report/check-findings.ts';
import type { DestinationConfig } from '../../src/sync/entity.ts';
import { destinationConfig } from '../support/fakes.ts';
import { startProxy } from '../support/proxy.ts';
import { closeAll, NEVER, rawServer, receiverOf } from './endpoints.ts';

afterEach(closeAll);

const pem = (name: string) => readFileSync(new URL(`tls/${name}.pem`, import.meta.url), 'utf8');
const CA = { ca: pem('ca') };
const OPTIONS = { timeoutMs: 5000, signal: NEVER, redact: (text: string) => text.replaceAll('s3cret', '***') };

const secure = (certificate = 'valid', clientCa?: string) =>
  receiverOf({
    tls: { key: pem('server.key'), cert: pem(certificate), ...(clientCa !== undefined && { clientCa: pem(clientCa) }) },
  });

const probe = (url: string, config: Partial<DestinationConfig> = {}) =>
  probeEndpoint(destinationConfig({ url, ...config }), OPTIONS);

const request = (url: string, config: Partial<DestinationConfig> = {}, method: 'GET' | 'HEAD' | 'OPTIONS' = 'GET') =>
  sendHarmlessRequest(destinationConfig({ url, ...config }), { url, method }, '1.2.3', OPTIONS);

/** What a promise rejects with, as its two sentences. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail('it did not reject'),
    (reason: unknown) => reason as Error & { code: string },
  );
  assert.equal(error.code, 'DESTINATION_REFUSED');
  return error.message;
}

describe('the way to an endpoint', () => {
  it('ends with TLS and its certificate, and no request is sent', async () => {
    const receiver = await secure();
    const facts = await probe(`${receiver.url}/users`, { tls: CA });
    assert.equal(facts.address, new URL(receiver.url).host);
    assert.deepEqual(facts.tls, {
      protocol: 'TLSv1.3',
      subject: 'valid',
      issuer: 'tamhr-sync test CA',
      expiresAt: new Date('2120-01-01T00:00:00Z'),
      isOwn: true,
    });
    assert.deepEqual(receiver.calls(), []);
    assert.equal(endpointFinding(facts, new Date('2119-12-01T00:00:00Z')).state, 'ok');
    assert.equal(endpointFinding(facts, new Date('2119-12-20T00:00:00Z')).state, 'warning');
  });

  it('has no TLS with http', async () => {
    const receiver = await receiverOf();
    assert.equal((await probe(receiver.url)).tls, undefined);
    assert.deepEqual(receiver.calls(), []);
  });

  it('ends at a certificate that has expired, is for another host, or is signed by nobody known', async () => {
    const expired = await secure('expired');
    assert.match(await refusal(probe(expired.url, { tls: CA })), /^The TLS certificate of .* has expired\.$/);
    const other = await secure('other-host');
    assert.match(await refusal(probe(other.url, { tls: CA })), /is for another host name/);
    const unknown = await secure();
    assert.match(await refusal(probe(unknown.url)), /is not trusted/);
  });

  it('ends at a port without TLS, and at a host name that is unknown', async () => {
    const receiver = await receiverOf();
    assert.match(await refusal(probe(receiver.url.replace('http:', 'https:'))), /no TLS connection/i);
    assert.match(await refusal(probe('https://no-such-host.invalid/')), /host name in no-such-host\.invalid/);
  });

  it('leads through a proxy, whose password no text holds', async () => {
    const receiver = await secure();
    const proxy = await startProxy({ login: 'me:s3cret' });
    try {
      const way = (login: string) => ({ tls: CA, proxy: { url: proxy.urlWith(login), noProxy: '' } });
      const facts = await probe(receiver.url, way('me:s3cret'));
      assert.equal(facts.proxy, new URL(proxy.url).host);
      assert.equal(facts.tls?.subject, 'valid');
      assert.deepEqual(proxy.requests, [`CONNECT ${new URL(receiver.url).host}`]);
      const refused = await refusal(probe(receiver.url, way('me:wrong-s3cret')));
      assert.match(refused, /asks for another login \(HTTP 407\)/);
      const around = await probe(receiver.url, { tls: CA, proxy: { url: proxy.url, noProxy: '127.0.0.1' } });
      assert.equal(around.proxy, undefined);
      assert.deepEqual(receiver.calls(), []);
    } finally {
      await proxy.close();
    }
  });

  it('is given up when the signal aborts', async () => {
    const host = await rawServer(() => {});
    const cut = new AbortController();
    const probed = probeEndpoint(destinationConfig({ url: `https://${host}/` }), { ...OPTIONS, signal: cut.signal });
    setImmediate(() => cut.abort());
    assert.match(await refusal(probed), /failed|closed/);
  });
});

describe('a harmless request', () => {
  it('brings headers and credentials, but no key and no body, and tells status and clock', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, { status: 200, body: 'x'.repeat(100_000) });
    const auth = { type: 'basic', user: 'me', password: 'pw' } as const;
    const { status, clock } = await request(`${receiver.url}/health?deep=1`, { auth, headers: { 'X-Site': 'a' } });
    assert.equal(status, 200);
    assert.ok(clock !== undefined && Math.abs(clock.aheadMs) <= clock.uncertaintyMs + 1000, JSON.stringify(clock));
    const [call] = receiver.calls();
    assert.deepEqual([call?.method, call?.target, call?.body], ['GET', '/health?deep=1', '']);
    assert.deepEqual(
      [call?.headers.authorization, call?.headers['x-site'], call?.headers['idempotency-key']],
      [`Basic ${Buffer.from('me:pw').toString('base64')}`, 'a', undefined],
    );
  });

  it('may be HEAD or OPTIONS', async () => {
    const receiver = await receiverOf();
    for (const method of ['HEAD', 'OPTIONS'] as const) {
      receiver.failNext(1, 204);
      assert.equal((await request(receiver.url, {}, method)).status, 204);
    }
    assert.deepEqual(
      receiver.calls().map(({ method }) => method),
      ['HEAD', 'OPTIONS'],
    );
  });

  it('tells that a client certificate is asked for', async () => {
    const receiver = await secure('valid', 'client-ca');
    assert.match(await refusal(request(receiver.url, { tls: CA })), /asks for a client certificate/);
    receiver.failNext(1, 200);
    const own = { ...CA, cert: pem('client'), key: pem('client.key') };
    assert.equal((await request(receiver.url, { tls: own })).status, 200);
  });

  it('knows no clock where the answer has no date', async () => {
    const host = await rawServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\n\r\n')));
    assert.deepEqual((await request(`http://${host}/`)).clock, undefined);
  });
});
