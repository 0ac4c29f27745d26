import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { startReceiver } from '../../dev/receiver.ts';
import { type ProxyOptions, type ProxyServer, startProxy } from '../support/proxy.ts';
import {
  attemptAnswered,
  BATCH,
  batchOf,
  closeAll,
  destinationOf,
  forward,
  NEVER,
  rawServer,
  receiverOf,
} from './endpoints.ts';

const proxies: ProxyServer[] = [];
afterEach(async () => {
  await closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

async function proxyOf(options?: ProxyOptions): Promise<ProxyServer> {
  const proxy = await startProxy(options);
  proxies.push(proxy);
  return proxy;
}

const pem = (name: string) => readFileSync(new URL(`tls/${name}.pem`, import.meta.url), 'utf8');
const CA = { ca: pem('ca') };

const secureReceiver = (certificate = 'valid', clientCa?: string) =>
  receiverOf({
    tls: { key: pem('server.key'), cert: pem(certificate), ...(clientCa !== undefined && { clientCa: pem(clientCa) }) },
  });

describe('an attempt of which nothing was sent says so where', () => {
  it('the connection is refused, directly or by the proxy', async () => {
    const gone = await startReceiver();
    await gone.close();
    for (const url of [gone.url, gone.url.replace('http:', 'https:')]) {
      assert.equal((await destinationOf(url).attempt(BATCH, NEVER)).notSent, true);
      const proxy = { url: gone.url, noProxy: '' };
      assert.equal(
        (await destinationOf(url.replace('127.0.0.1', 'api.example'), { proxy }).attempt(BATCH, NEVER)).notSent,
        true,
      );
    }
  });

  it('the host is unknown', async () => {
    assert.equal((await destinationOf('http://no-such-host.invalid/').attempt(BATCH, NEVER)).notSent, true);
  });

  it('the certificate is not trusted', async () => {
    for (const certificate of ['expired', 'other-host']) {
      const receiver = await secureReceiver(certificate);
      assert.equal((await destinationOf(receiver.url, { tls: CA }).attempt(BATCH, NEVER)).notSent, true);
      assert.equal(receiver.calls().length, 0);
    }
  });

  it('no TLS is spoken', async () => {
    const receiver = await receiverOf();
    const { notSent } = await destinationOf(receiver.url.replace('http:', 'https:')).attempt(BATCH, NEVER);
    assert.equal(notSent, true);
  });

  it('the connection is closed or times out during the handshake', async () => {
    for (const isClosed of [true, false]) {
      const host = await rawServer((socket) => void (isClosed && socket.destroy()));
      const { notSent } = await destinationOf(`https://${host}/`, { timeoutMs: 300 }).attempt(BATCH, NEVER);
      assert.equal(notSent, true);
    }
  });

  it('it waits for a connection until its time is over', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, { send: 'none' });
    const destination = destinationOf(receiver.url, { timeoutMs: 500 });
    const [first, second] = await Promise.all([destination.attempt(BATCH, NEVER), destination.attempt(BATCH, NEVER)]);
    assert.deepEqual([first.notSent, second.notSent], [undefined, true]);
    assert.match(second.error ?? '', /^no complete answer from /);
    assert.equal(receiver.calls().length, 1);
  });

  for (const refuse of [403, 'close', 'hang'] as const) {
    it(`the proxy opens no tunnel: ${refuse}`, async () => {
      const receiver = await secureReceiver();
      const proxy = await proxyOf({ refuse });
      const config = { tls: CA, timeoutMs: 500, proxy: { url: proxy.url, noProxy: '' } };
      assert.equal((await destinationOf(receiver.url, config).attempt(BATCH, NEVER)).notSent, true);
      assert.equal(proxy.requests.length, 1);
      assert.equal(receiver.calls().length, 0);
    });
  }

  it('the proxy asks for a login before it opens a tunnel', async () => {
    const receiver = await secureReceiver();
    const proxy = await proxyOf({ login: 'sync:p@ss' });
    const config = { tls: CA, proxy: { url: proxy.url, noProxy: '' } };
    assert.equal((await destinationOf(receiver.url, config).attempt(BATCH, NEVER)).notSent, true);
  });

  it('the certificate at the end of the tunnel is not trusted', async () => {
    const receiver = await secureReceiver('expired');
    const proxy = await proxyOf();
    const config = { tls: CA, proxy: { url: proxy.url, noProxy: '' } };
    assert.equal((await destinationOf(receiver.url, config).attempt(BATCH, NEVER)).notSent, true);
  });

  it('it was aborted before, or while it connects', async () => {
    const { promise: isConnected, resolve } = Promise.withResolvers<void>();
    const host = await rawServer(() => resolve());
    assert.equal((await destinationOf(`https://${host}/`).attempt(BATCH, AbortSignal.abort())).notSent, true);
    const abort = new AbortController();
    const attempt = destinationOf(`https://${host}/`).attempt(BATCH, abort.signal);
    await isConnected;
    abort.abort();
    assert.equal((await attempt).notSent, true);
  });

  it('the request cannot be made', async () => {
    const receiver = await receiverOf();
    const auth = { type: 'bearer', token: 'a\nb' } as const;
    assert.equal((await destinationOf(receiver.url, { auth }).attempt(BATCH, NEVER)).notSent, true);
  });
});

describe('an attempt of which something was sent does not say otherwise where', () => {
  for (const send of ['none', 'reset', 'resetBeforeBody', 'close', 'partial'] as const) {
    it(`the answer is missing: ${send}`, async () => {
      const { notSent, error } = await attemptAnswered({ status: 500, send }, { timeoutMs: 500 });
      assert.equal(notSent, undefined);
      assert.notEqual(error, undefined);
    });
  }

  it('there is an answer', async () => {
    for (const status of [200, 302, 400, 503]) {
      assert.equal('notSent' in (await attemptAnswered({ status })), false);
    }
  });

  it('the connection breaks in the middle of the body', async () => {
    const host = await rawServer((socket) => void socket.once('data', () => socket.resetAndDestroy()));
    const large = batchOf({ Name: 'x'.repeat(16 * 1024 * 1024) });
    assert.equal((await destinationOf(`http://${host}/`).attempt(large, NEVER)).notSent, undefined);
  });

  it('the connection was kept from an earlier request, and is closed under the next one', async () => {
    const receiver = await receiverOf();
    let requests = 0;
    const host = await rawServer((socket) => {
      forward(socket, receiver.url);
      socket.on('data', () => {
        requests += 1;
        if (requests > 1) socket.destroy();
      });
    });
    const destination = destinationOf(`http://${host}/`);
    assert.equal((await destination.attempt(BATCH, NEVER)).status, 200);
    const { notSent, status } = await destination.attempt(BATCH, NEVER);
    assert.deepEqual([notSent, status], [undefined, undefined]);
    assert.equal(requests, 2);
  });

  it('a tunnel breaks, or a proxy that forwards', async () => {
    for (const receiver of [await secureReceiver(), await receiverOf()]) {
      const proxy = await proxyOf();
      receiver.failNext(1, { send: 'reset' });
      const config = { tls: CA, timeoutMs: 500, proxy: { url: proxy.url, noProxy: '' } };
      assert.equal((await destinationOf(receiver.url, config).attempt(BATCH, NEVER)).notSent, undefined);
      assert.equal(receiver.calls().length, 1);
    }
  });

  it('it is aborted once its request is under way', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, { send: 'none' });
    const abort = new AbortController();
    const attempt = destinationOf(receiver.url).attempt(BATCH, abort.signal);
    await receiver.arrived(1);
    abort.abort();
    assert.equal((await attempt).notSent, undefined);
  });

  it("a client certificate is refused under TLS 1.3, which comes after the handshake's end", async () => {
    const receiver = await secureReceiver('valid', 'client-ca');
    const { notSent, error } = await destinationOf(receiver.url, { tls: CA }).attempt(BATCH, NEVER);
    assert.match(error ?? '', /asks for a client certificate/);
    assert.equal(notSent, undefined);
    assert.equal(receiver.calls().length, 0);
  });
});

describe("undici's own timeouts", () => {
  for (const [what, answer] of [
    ['nothing comes', ''],
    ['the rest of an answer does not come', 'HTTP/1.1 500 Oh\r\nContent-Length: 10\r\n\r\nabc'],
  ] as const) {
    it(`end an attempt shortly after its deadline where that fails, and ${what}`, async (t) => {
      t.mock.method(AbortSignal, 'timeout', () => new AbortController().signal);
      const host = await rawServer((socket) => void socket.once('data', () => socket.write(answer)));
      const { error, notSent } = await destinationOf(`http://${host}/`, { timeoutMs: 500 }).attempt(BATCH, NEVER);
      assert.match(error ?? '', new RegExp(`no complete answer from ${host} within 0\\.5 s$`));
      assert.equal(notSent, undefined);
    });
  }
});
