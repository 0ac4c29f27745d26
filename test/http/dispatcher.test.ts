import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { type Receiver, type ReceiverOptions, startReceiver } from '../../dev/receiver.ts';
import { createDestination } from '../../src/http/destination.ts';
import type { DestinationConfig, DestinationTls } from '../../src/sync/entity.ts';
import type { Attempt, Batch, Destination } from '../../src/sync/ports.ts';
import { destinationConfig } from '../support/fakes.ts';
import { type ProxyOptions, type ProxyServer, startProxy } from '../support/proxy.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const pem = (name: string) => readFileSync(new URL(`tls/${name}.pem`, import.meta.url), 'utf8');

/** A receiver on https with this certificate. */
async function secureReceiver(certificate = 'valid', clientAuthority?: string): Promise<Receiver> {
  const clientCa = clientAuthority === undefined ? {} : { clientCa: pem(clientAuthority) };
  return receiverOf({ tls: { key: pem('server.key'), cert: pem(certificate), ...clientCa } });
}

async function receiverOf(options?: ReceiverOptions): Promise<Receiver> {
  const receiver = await startReceiver(options);
  closers.unshift(() => receiver.close());
  return receiver;
}

async function proxyOf(options?: ProxyOptions): Promise<ProxyServer> {
  const proxy = await startProxy(options);
  closers.unshift(() => proxy.close());
  return proxy;
}

function destinationOf(url: string, config: Partial<DestinationConfig>): Destination {
  const destination = createDestination(destinationConfig({ url, ...config }), {
    version: '1.2.3',
    redact: (text) => text,
  });
  closers.unshift(() => destination.close());
  return destination;
}

const BATCH: Batch = {
  id: '3f0c2f8e-7d5c-4a2b-9d53-0a4b8f6f1a11',
  operation: 'upsert',
  keys: ['a'],
  hashes: new Uint8Array(16),
  offsets: Uint32Array.of(1),
  body: Buffer.from('[{"Code":"a"}]'),
};
const NEVER = new AbortController().signal;

async function attempt(
  url: string,
  config: Partial<DestinationConfig> = {},
): Promise<Pick<Attempt, 'status' | 'error'>> {
  const { status, error } = await destinationOf(url, config).attempt(BATCH, NEVER);
  return { ...(status !== undefined && { status }), ...(error !== undefined && { error }) };
}

/** A proxy for the attempt at `url`, or none. */
type Way = () => Promise<{ config: Partial<DestinationConfig>; proxy?: ProxyServer }>;

const WAYS: Readonly<Record<string, Way>> = {
  directly: async () => ({ config: {} }),
  'through a proxy': async () => {
    const proxy = await proxyOf();
    return { config: { proxy: { url: proxy.url, noProxy: '' } }, proxy };
  },
  'through a proxy that asks for a login': async () => {
    const proxy = await proxyOf({ login: 'sync:p@ss' });
    return { config: { proxy: { url: proxy.urlWith('sync:p%40ss'), noProxy: '' } }, proxy };
  },
  'through a proxy that speaks TLS': async () => {
    const proxy = await proxyOf({ tls: { key: pem('server.key'), cert: pem('valid') } });
    return { config: { proxy: { url: proxy.url, noProxy: '' } }, proxy };
  },
};

const CA: DestinationTls = { ca: pem('ca') };
const CLIENT: DestinationTls = { ...CA, cert: pem('client'), key: pem('client.key') };
const ENCRYPTED: DestinationTls = {
  ...CLIENT,
  key: pem('client.encrypted.key'),
  passphrase: 'client-passphrase',
};

for (const [way, open] of Object.entries(WAYS)) {
  describe(`TLS with a receiver, ${way}`, () => {
    const certificates: [what: string, certificate: string, tls: DestinationTls, error: RegExp | undefined][] = [
      ['accepts a certificate of the configured authority', 'valid', CA, undefined],
      ['says that a certificate has expired', 'expired', CA, /^the TLS certificate of HOST has expired$/],
      [
        'says that a certificate is for another host',
        'other-host',
        CA,
        /^the TLS certificate of HOST is for another host name$/,
      ],
      // The authority of the clients is none of the receiver's.
      [
        'says that the authority is another one',
        'valid',
        { ca: pem('client-ca') },
        /^the TLS certificate of (the proxy )?HOST is not trusted \(its issuer is unknown here; tls\.ca of the destination can name /,
      ],
    ];
    for (const [what, certificate, tls, expected] of certificates) {
      it(what, async () => {
        const receiver = await secureReceiver(certificate);
        const { config, proxy } = await open();
        const { error, status } = await attempt(`${receiver.url}/users`, { tls, ...config });
        assert.equal(receiver.accepted('/users').size, expected === undefined ? 1 : 0);
        if (expected === undefined) assert.deepEqual({ error, status }, { error: undefined, status: 200 });
        else assert.match(anyHost(error), expected);
        const { host } = new URL(receiver.url);
        if (proxy !== undefined && error?.includes('the proxy') !== true) {
          assert.deepEqual(proxy.requests, [`CONNECT ${host}`]);
        }
      });
    }

    const clients: [what: string, tls: DestinationTls, error: string | undefined][] = [
      ['shows the client certificate', CLIENT, undefined],
      ['shows the client certificate of an encrypted key', ENCRYPTED, undefined],
      [
        'says that a client certificate is asked for',
        CA,
        'HOST asks for a client certificate (tls.cert and tls.key of the destination)',
      ],
    ];
    for (const [what, tls, expected] of clients) {
      it(what, async () => {
        const receiver = await secureReceiver('valid', 'client-ca');
        const { config } = await open();
        const { error, status } = await attempt(`${receiver.url}/users`, { tls, ...config });
        if (expected === undefined) assert.deepEqual({ error, status }, { error: undefined, status: 200 });
        else assert.equal(anyHost(error), expected);
        assert.equal(receiver.accepted('/users').size, expected === undefined ? 1 : 0);
      });
    }

    it('sends nothing where the client certificate is of another authority', async () => {
      const receiver = await secureReceiver('valid', 'ca');
      const { config } = await open();
      const { error, status } = await attempt(`${receiver.url}/users`, { tls: CLIENT, ...config });
      assert.equal(status, undefined);
      assert.notEqual(error, undefined);
      assert.equal(receiver.calls().length, 0);
    });

    it('uses one connection for several batches', async () => {
      const receiver = await secureReceiver();
      const { config, proxy } = await open();
      const destination = destinationOf(`${receiver.url}/users`, { tls: CA, ...config });
      for (let time = 1; time <= 3; time += 1) assert.equal((await destination.attempt(BATCH, NEVER)).status, 200);
      if (proxy !== undefined) assert.equal(proxy.requests.length, 1);
    });
  });
}

/** An error's text with HOST for each address. */
function anyHost(error = ''): string {
  return error.replace(/127\.0\.0\.1:\d+/g, 'HOST');
}

describe('TLS without a configured authority', () => {
  it("does not trust a receiver that Node.js doesn't", async () => {
    const receiver = await secureReceiver();
    assert.match((await attempt(receiver.url)).error ?? '', /is not trusted/);
  });
});

describe('a proxy', () => {
  it('is asked for the name, which need not be known here; the certificate is held to it', async () => {
    const receiver = await secureReceiver('other-host');
    const { host } = new URL(receiver.url);
    const proxy = await proxyOf({ hosts: { 'elsewhere.example:443': host, 'another.example:443': host } });
    const config = { tls: CA, proxy: { url: proxy.url, noProxy: '' } };
    assert.deepEqual(await attempt('https://elsewhere.example/users', config), { status: 200 });
    assert.equal(
      (await attempt('https://another.example/users', config)).error,
      'the TLS certificate of another.example is for another host name',
    );
    assert.deepEqual(proxy.requests, ['CONNECT elsewhere.example:443', 'CONNECT another.example:443']);
  });

  it('forwards plain HTTP as it is', async () => {
    const receiver = await receiverOf({ keepBodies: true });
    const proxy = await proxyOf({ login: 'sync:p@ss' });
    const config = { proxy: { url: proxy.urlWith('sync:p%40ss'), noProxy: '' } };
    assert.deepEqual(await attempt(`${receiver.url}/users?x=1`, config), { status: 200 });
    assert.deepEqual(proxy.requests, [`POST ${receiver.url}/users?x=1`]);
    const [call] = receiver.calls();
    assert.equal(call?.body, BATCH.body.toString());
    assert.equal(call?.headers.host, new URL(receiver.url).host);
    assert.equal(call?.headers['proxy-authorization'], undefined);
  });

  it('is not given the credentials of the receiver, nor the receiver those of the proxy', async () => {
    const receiver = await secureReceiver();
    const proxy = await proxyOf({ login: 'sync:p@ss' });
    const config: Partial<DestinationConfig> = {
      tls: CA,
      auth: { type: 'bearer', token: 'for-the-receiver' },
      proxy: { url: proxy.urlWith('sync:p%40ss'), noProxy: '' },
    };
    assert.deepEqual(await attempt(`${receiver.url}/users`, config), { status: 200 });
    assert.equal(receiver.calls()[0]?.headers['proxy-authorization'], undefined);
    assert.equal(receiver.calls()[0]?.headers.authorization, 'Bearer for-the-receiver');
    assert.deepEqual(
      proxy.headers.map(({ authorization }) => authorization),
      [undefined],
    );
  });

  const LOGIN = 'the proxy PROXY asks for another login (HTTP 407); user and password stand in its URL';
  const CLOSED = 'the proxy PROXY closed the connection before its answer was complete';
  const certificate = (name: string) => ({ tls: { key: pem('server.key'), cert: pem(name) } });
  const faults: [what: string, options: ProxyOptions, login: string, forHttps: string, forHttp: string | undefined][] =
    [
      ['asks for a login', { login: 'sync:p@ss' }, '', LOGIN, LOGIN],
      ['asks for another login', { login: 'sync:p@ss' }, 'sync:wrong', LOGIN, LOGIN],
      [
        'lets nobody through',
        { refuse: 403 },
        '',
        'the proxy PROXY opened no connection with HOST (HTTP 403)',
        undefined,
      ],
      ['closes the connection', { refuse: 'close' }, '', CLOSED, undefined],
      [
        'has an expired certificate',
        certificate('expired'),
        '',
        'the TLS certificate of the proxy PROXY has expired',
        'the TLS certificate of the proxy PROXY has expired',
      ],
      [
        'has a certificate for another host',
        certificate('other-host'),
        '',
        'the TLS certificate of the proxy PROXY is for another host name',
        'the TLS certificate of the proxy PROXY is for another host name',
      ],
    ];
  for (const [what, options, login, forHttps, forHttp] of faults) {
    it(`that ${what} is told apart from the receiver`, async () => {
      const receivers: [Receiver, string | undefined][] = [
        [await secureReceiver(), forHttps],
        [await receiverOf(), forHttp],
      ];
      const proxy = await proxyOf(options);
      const url = login === '' ? proxy.url : proxy.urlWith(login);
      for (const [receiver, expected] of receivers) {
        if (expected === undefined) continue;
        const { error, status } = await attempt(receiver.url, { tls: CA, proxy: { url, noProxy: '' } });
        assert.equal(status, undefined);
        assert.equal(
          error?.replace(new URL(proxy.url).host, 'PROXY').replace(new URL(receiver.url).host, 'HOST'),
          expected,
        );
        assert.equal(receiver.calls().length, 0);
      }
    });
  }

  it('that is not there, or unknown, is told apart from the receiver', async () => {
    const gone = await startProxy();
    await gone.close();
    const host = new URL(gone.url).host;
    for (const url of ['https://api.example/', 'http://api.example/']) {
      assert.equal(
        (await attempt(url, { proxy: { url: gone.url, noProxy: '' } })).error,
        `the proxy ${host} refused the connection`,
      );
      assert.match(
        (await attempt(url, { proxy: { url: 'http://no-such-proxy.invalid:3128', noProxy: '' } })).error ?? '',
        /^the host name in the proxy no-such-proxy\.invalid:3128 (is unknown|could not be looked up)/,
      );
    }
  });

  it('that cannot reach the receiver is told with its status', async () => {
    const gone = await startReceiver();
    await gone.close();
    const { host } = new URL(gone.url);
    const proxy = await proxyOf();
    const config = { proxy: { url: proxy.url, noProxy: '' } };
    assert.equal(
      (await attempt(`https://${host}/`, config)).error,
      `the proxy ${new URL(proxy.url).host} opened no connection with ${host} (HTTP 502)`,
    );
    assert.deepEqual(await attempt(`http://${host}/`, config), { status: 502, error: 'HTTP 502 Bad Gateway' });
  });

  it('does not lift the limit of an answer, nor the time for it', async () => {
    for (const receiver of [await secureReceiver(), await receiverOf()]) {
      const proxy = await proxyOf();
      const config = { tls: CA, proxy: { url: proxy.url, noProxy: '' }, timeoutMs: 2000 };
      const { host } = new URL(receiver.url);
      receiver.failNext(1, { status: 500, body: Buffer.alloc(4 * 1024 * 1024, 'x') });
      assert.match(
        (await attempt(receiver.url, config)).error ?? '',
        new RegExp(`the answer of ${host} is too large$`),
      );
      receiver.failNext(1, { send: 'none' });
      assert.deepEqual(await attempt(receiver.url, { ...config, timeoutMs: 250 }), {
        error: `no complete answer from ${host} within 0.25 s`,
      });
    }
  });

  it('is left when the destination is closed', async () => {
    const receiver = await secureReceiver();
    const proxy = await proxyOf();
    const destination = destinationOf(receiver.url, { tls: CA, proxy: { url: proxy.url, noProxy: '' } });
    assert.equal((await destination.attempt(BATCH, NEVER)).status, 200);
    await destination.close();
    await proxy.left();
  });

  it('that never answers ends the attempt in time, and is asked again later', async () => {
    const receiver = await secureReceiver();
    const proxy = await proxyOf({ refuse: 'hang' });
    const destination = destinationOf(receiver.url, {
      tls: CA,
      timeoutMs: 400,
      proxy: { url: proxy.url, noProxy: '' },
    });
    const { error, durationMs } = await destination.attempt(BATCH, NEVER);
    assert.equal(error, `no complete answer from ${new URL(receiver.url).host} within 0.4 s`);
    assert.ok(durationMs < 2000, `${durationMs} ms`);
    assert.equal(receiver.calls().length, 0);
    proxy.refuse = undefined;
    let status: number | undefined;
    for (let time = 1; time <= 20 && status === undefined; time += 1) {
      ({ status } = await destination.attempt(BATCH, NEVER));
    }
    assert.equal(status, 200);
    assert.equal(receiver.calls().length, 1);
  });

  it('sees no more connections than the concurrency', async () => {
    const receivers = [await secureReceiver(), await receiverOf()];
    for (const receiver of receivers) {
      const proxy = await proxyOf();
      const destination = destinationOf(`${receiver.url}/users`, {
        tls: CA,
        concurrency: 2,
        proxy: { url: proxy.url, noProxy: '' },
      });
      const attempts = await Promise.all(Array.from({ length: 6 }, () => destination.attempt(BATCH, NEVER)));
      assert.deepEqual(new Set(attempts.map(({ status }) => status)), new Set([200]));
      assert.equal(proxy.connections, 2);
    }
  });

  const lists: [noProxy: string, isLeftOut: boolean][] = [
    ['', false],
    ['127.0.0.1', true],
    ['127.0.0.1:PORT', true],
    ['127.0.0.1:1', false],
    ['localhost, 127.0.0.1', true],
    ['example.com 127.0.0.1', true],
    ['*', true],
    ['127.0.0.2', false],
  ];
  for (const [noProxy, isLeftOut] of lists) {
    it(`is ${isLeftOut ? 'left out' : 'used'} where noProxy is ${JSON.stringify(noProxy)}`, async () => {
      for (const receiver of [await secureReceiver(), await receiverOf()]) {
        const proxy = await proxyOf();
        const list = noProxy.replace('PORT', new URL(receiver.url).port);
        const config = { tls: CA, proxy: { url: proxy.url, noProxy: list } };
        assert.deepEqual(await attempt(`${receiver.url}/users`, config), { status: 200 });
        assert.equal(proxy.requests.length, isLeftOut ? 0 : 1);
      }
    });
  }

  for (const [noProxy, isLeftOut] of [
    ['example', true],
    ['.receiver.example', true],
    ['*.receiver.example', true],
    ['API.RECEIVER.EXAMPLE', true],
    ['api.receiver.example:443', true],
    ['api.receiver.example:80', false],
    ['*.api.receiver.example', false],
    ['eceiver.example', false],
  ] as const) {
    it(`is ${isLeftOut ? 'left out' : 'used'} for api.receiver.example where noProxy is ${noProxy}`, async () => {
      const receiver = await secureReceiver('other-host');
      const proxy = await proxyOf({ hosts: { 'api.receiver.example:443': new URL(receiver.url).host } });
      const config = { tls: CA, proxy: { url: proxy.url, noProxy } };
      const { error } = await attempt('https://api.receiver.example/users', config);
      assert.match(error ?? '', isLeftOut ? /^the host name in api\.receiver\.example / : /is for another host name$/);
      assert.equal(proxy.requests.length, isLeftOut ? 0 : 1);
    });
  }
});
