import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, afterEach, describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { type Answer, startReceiver } from '../../dev/receiver.ts';
import type { Auth } from '../../src/sync/entity.ts';
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
  SECRET,
} from './endpoints.ts';

afterEach(closeAll);

/** Runs the collector now. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

describe('a batch', () => {
  it('is let go of with its answer, not with its timeout', async () => {
    const receiver = await receiverOf();
    const destination = destinationOf(receiver.url, { timeoutMs: 60_000 });
    const send = async () => {
      const batch = batchOf({ Code: 'x'.repeat(100_000) });
      assert.equal((await destination.attempt(batch, NEVER)).status, 200);
      return new WeakRef(batch.body);
    };
    const bodies = [];
    for (let call = 0; call < 5; call++) bodies.push(await send());
    // The last request is all that its connection remembers.
    const isHeld = (body: WeakRef<WeakKey>) => body.deref() !== undefined;
    for (let turn = 0; turn < 50 && bodies.slice(0, 4).some(isHeld); turn++) {
      await new Promise(setImmediate);
      collectGarbage();
    }
    assert.deepEqual(bodies.slice(0, 4).filter(isHeld).length, 0);
  });
});

describe('a request', () => {
  it("is the batch's bytes, with the headers that describe it", async () => {
    const receiver = await receiverOf();
    const attempt = await destinationOf(`${receiver.url}/import/users?site=1`).attempt(BATCH, NEVER);
    assert.equal(attempt.status, 200);
    assert.equal('error' in attempt, false);
    const [call] = receiver.calls();
    assert.equal(call?.method, 'POST');
    assert.equal(call?.path, '/import/users');
    assert.equal(call?.body, Buffer.from(BATCH.body).toString());
    const { headers } = call ?? {};
    assert.equal(headers?.['content-type'], 'application/json');
    assert.equal(headers?.['content-length'], String(BATCH.body.length));
    assert.equal(headers?.['user-agent'], 'tamhr-sync/1.2.3');
    assert.equal(headers?.['idempotency-key'], BATCH.id);
    assert.equal(headers?.['transfer-encoding'], undefined);
    assert.equal(headers?.authorization, undefined);
  });

  it('uses the configured method', async () => {
    const receiver = await receiverOf();
    await destinationOf(receiver.url, { method: 'PUT' }).attempt(BATCH, NEVER);
    assert.equal(receiver.calls()[0]?.method, 'PUT');
  });

  const auths: [auth: Auth, header: string, value: string][] = [
    [{ type: 'apiKey', header: 'X-Import-Key', value: SECRET }, 'x-import-key', SECRET],
    [{ type: 'basic', user: 'tamhr', password: 'pä:ss' }, 'authorization', 'Basic dGFtaHI6cMOkOnNz'],
    [{ type: 'bearer', token: SECRET }, 'authorization', `Bearer ${SECRET}`],
  ];
  for (const [auth, header, value] of auths) {
    it(`proves who sends it by ${auth.type}`, async () => {
      const receiver = await receiverOf();
      await destinationOf(receiver.url, { auth }).attempt(BATCH, NEVER);
      assert.equal(receiver.calls()[0]?.headers[header], value);
    });
  }

  it('carries extra headers, which replace defaults but not authentication or the idempotency key', async () => {
    const receiver = await receiverOf();
    await destinationOf(receiver.url, {
      auth: { type: 'apiKey', header: 'X-Api-Key', value: 'right' },
      headers: {
        'X-Site': 'TAM',
        'content-type': 'application/vnd.tam+json',
        'x-api-key': 'wrong',
        'idempotency-key': 'wrong',
      },
    }).attempt(BATCH, NEVER);
    const { headers } = receiver.calls()[0] ?? {};
    assert.equal(headers?.['x-site'], 'TAM');
    assert.equal(headers?.['content-type'], 'application/vnd.tam+json');
    assert.equal(headers?.['x-api-key'], 'right');
    assert.equal(headers?.['idempotency-key'], BATCH.id);
  });

  it('is compressed where that is configured, and says so', async () => {
    const receiver = await receiverOf();
    const batch = batchOf(...Array.from({ length: 500 }, (_, index) => ({ Code: String(index), Name: '佐藤 🙂' })));
    const sent = Buffer.from(batch.body);
    const { status } = await destinationOf(`${receiver.url}/users`, { compression: 'gzip' }).attempt(batch, NEVER);
    assert.equal(status, 200);
    const [call] = receiver.calls();
    assert.equal(call?.headers['content-encoding'], 'gzip');
    assert.equal(call?.headers['transfer-encoding'], undefined);
    assert.ok(Number(call?.headers['content-length']) < sent.length / 5, call?.headers['content-length']);
    assert.equal(call?.body, sent.toString());
    assert.equal(receiver.accepted('/users').size, 500);
    assert.deepEqual(batch.body, sent);
  });

  it('is not compressed by default', async () => {
    const receiver = await receiverOf();
    await destinationOf(receiver.url).attempt(BATCH, NEVER);
    assert.equal(receiver.calls()[0]?.headers['content-encoding'], undefined);
  });

  it("carries the batch's id in the configured header, the same each time, or in none", async () => {
    const receiver = await receiverOf();
    const renamed = destinationOf(receiver.url, { idempotencyHeader: 'X-Request-Id' });
    for (let time = 1; time <= 2; time += 1) await renamed.attempt(BATCH, NEVER);
    await destinationOf(receiver.url, { idempotencyHeader: null }).attempt(BATCH, NEVER);
    assert.deepEqual(
      receiver.calls().map(({ headers }) => [headers['x-request-id'], headers['idempotency-key']]),
      [
        [BATCH.id, undefined],
        [BATCH.id, undefined],
        [undefined, undefined],
      ],
    );
    assert.doesNotMatch(JSON.stringify(receiver.calls()[2]?.headers), new RegExp(BATCH.id));
  });

  it('that cannot be made is a failed attempt', async () => {
    const receiver = await receiverOf();
    const auth: Auth = { type: 'bearer', token: `${SECRET}\nX: 1` };
    const { error, status } = await destinationOf(receiver.url, { auth }).attempt(BATCH, NEVER);
    assert.equal(status, undefined);
    assert.match(error ?? '', /^the request to 127\.0\.0\.1:\d+ failed: invalid Authorization header$/i);
    assert.equal(receiver.calls().length, 0);
  });

  it('says when it began and how long it took', async () => {
    const before = Date.now();
    const attempt = await attemptAnswered({ status: 200, delayMs: 60 });
    assert.ok(attempt.startedAt.getTime() >= before && attempt.startedAt.getTime() <= Date.now());
    assert.ok(attempt.durationMs >= 59 && attempt.durationMs < 10_000, `${attempt.durationMs} ms`);
    assert.ok(Number.isInteger(attempt.durationMs));
  });

  it('uses the connection of the one before it, whether that was accepted or refused', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, 422);
    const connections: Socket[] = [];
    const proxied = await rawServer((socket) => {
      connections.push(socket);
      forward(socket, receiver.url);
    });
    const destination = destinationOf(`http://${proxied}/users`);
    for (const expected of [422, 200, 200]) {
      assert.equal((await destination.attempt(BATCH, NEVER)).status, expected);
    }
    assert.equal(connections.length, 1);
  });

  it('opens no more connections than the concurrency', async () => {
    const receiver = await receiverOf();
    let connections = 0;
    const proxied = await rawServer((socket) => {
      connections += 1;
      forward(socket, receiver.url);
    });
    const destination = destinationOf(`http://${proxied}/users`, { concurrency: 2 });
    const attempts = await Promise.all(Array.from({ length: 6 }, () => destination.attempt(BATCH, NEVER)));
    assert.deepEqual(new Set(attempts.map(({ status }) => status)), new Set([200]));
    assert.equal(connections, 2);
  });
});

describe('an answer of 2xx', () => {
  for (const status of [200, 201, 202, 204, 299]) {
    it(`is success: ${status}`, async () => {
      const { error, ...attempt } = await attemptAnswered({ status });
      assert.equal(attempt.status, status);
      assert.equal(error, undefined);
    });
  }

  const bodies: Record<string, Answer> = {
    'is no JSON': { status: 200, body: 'thanks!' },
    'is very long': { status: 200, body: Buffer.alloc(4 * 1024 * 1024, 'x') },
    'breaks off': { status: 200, send: 'partial' },
  };
  for (const [what, answer] of Object.entries(bodies)) {
    it(`is success though its body ${what}`, async () => {
      const { error, status } = await attemptAnswered(answer);
      assert.deepEqual({ error, status }, { error: undefined, status: 200 });
    });
  }

  it('does not wait for the end of a body that trickles in', async () => {
    const { error, status, durationMs } = await attemptAnswered({
      status: 200,
      send: 'trickle',
      body: 'x'.repeat(400),
    });
    assert.deepEqual({ error, status }, { error: undefined, status: 200 });
    assert.ok(durationMs < 5000, `${durationMs} ms`);
  });
});

describe('an answer that is not 2xx', () => {
  it('is told with its status and what it says', async () => {
    const attempt = await attemptAnswered({
      status: 422,
      headers: { 'Content-Type': 'application/problem+json' },
      body: '{"title":"Unprocessable Entity","status":422,"detail":"1 of 2 rows refused"}',
    });
    assert.equal(attempt.status, 422);
    assert.equal(attempt.error, 'HTTP 422 Unprocessable Entity: 1 of 2 rows refused');
  });

  const told: [what: string, answer: Answer, error: string][] = [
    ['a status alone', { status: 503, body: '' }, 'HTTP 503 Service Unavailable'],
    ['a status that nobody knows', { status: 499, body: '{"message":"gone"}' }, 'HTTP 499: gone'],
    [
      "a gateway's page",
      { status: 502, headers: { 'Content-Type': 'text/html' }, body: '<html><title>502 Bad Gateway</title></html>' },
      'HTTP 502 Bad Gateway',
    ],
    ['words that begin like the status', { status: 302, body: '"Foundry"' }, 'HTTP 302 Found: Foundry'],
    ['broken JSON', { status: 500, body: '{"message": "brok' }, 'HTTP 500 Internal Server Error: {"message": "brok'],
    [
      'what a compressed body says',
      {
        status: 500,
        headers: { 'Content-Encoding': 'gzip' },
        body: gzipSync('{"message":"out of space"}'),
      },
      'HTTP 500 Internal Server Error: out of space',
    ],
    ['401', { status: 401, body: '{"message":"no such key"}' }, 'HTTP 401 Unauthorized: no such key'],
    ['304', { status: 304 }, 'HTTP 304 Not Modified'],
  ];
  for (const [what, answer, error] of told) {
    it(`is told: ${what}`, async () => {
      assert.equal((await attemptAnswered(answer)).error, error);
    });
  }

  it('is not followed where it is a redirect, and says where that leads without its query', async () => {
    const elsewhere = await receiverOf();
    const location = `${elsewhere.url}/users?token=abc#x`;
    for (const status of [301, 302, 303, 307, 308]) {
      const { error } = await attemptAnswered({ status, headers: { Location: location } });
      assert.match(
        error ?? '',
        new RegExp(`^HTTP ${status} [A-Za-z ]+: redirects are not followed; it leads to ${elsewhere.url}/users$`),
      );
    }
    assert.equal(elsewhere.calls().length, 0);
  });

  it('is told without the values of the rows that it echoes', async () => {
    const body = JSON.stringify({ message: 'row {"Email":"budi@ess.example"} of BUDI SANTOSO or 佐藤 🙂: no e-mail' });
    const { error = '' } = await attemptAnswered({ status: 400, body });
    assert.match(error, /^HTTP 400 Bad Request: row .*\*\*\*.* or \*\*\*: no e-mail$/);
    assert.doesNotMatch(error, /budi|santoso|佐藤/i);
  });

  it('is told without the secrets that it echoes', async () => {
    const { error } = await attemptAnswered({ status: 403, body: `{"message":"key ${SECRET} is revoked"}` });
    assert.equal(error, 'HTTP 403 Forbidden: key *** is revoked');
  });

  it('is told in a few words however much it says', async () => {
    const { error = '' } = await attemptAnswered({ status: 400, body: `{"message":"${'no '.repeat(10_000)}"}` });
    assert.match(error, /^HTTP 400 Bad Request: no no .*…$/);
    assert.ok(error.length < 600);
  });

  it('keeps its status where it is too large', async () => {
    const { status, error } = await attemptAnswered({ status: 500, body: Buffer.alloc(4 * 1024 * 1024, 'x') });
    assert.equal(status, 500);
    assert.match(
      error ?? '',
      /^HTTP 500 Internal Server Error: its answer could not be read: the answer of 127\.0\.0\.1:\d+ is too large$/,
    );
  });

  it('keeps its status where it breaks off', async () => {
    const { status, error } = await attemptAnswered({ status: 500, send: 'partial' });
    assert.equal(status, 500);
    assert.match(
      error ?? '',
      /^HTTP 500 Internal Server Error: its answer could not be read: 127\.0\.0\.1:\d+ closed /,
    );
  });

  it('keeps its status where it is not complete in time', async () => {
    const { status, error } = await attemptAnswered(
      { status: 500, send: 'trickle', body: 'x'.repeat(400) },
      { timeoutMs: 300 },
    );
    assert.equal(status, 500);
    assert.match(error ?? '', /could not be read: no complete answer from 127\.0\.0\.1:\d+ within 0\.3 s$/);
  });
});

describe('an attempt without an answer', () => {
  const closed = 'closed the connection before its answer was complete';
  for (const send of ['reset', 'resetBeforeBody', 'close'] as const) {
    it(`says that the connection was closed: ${send}`, async () => {
      const { status, error } = await attemptAnswered({ send });
      assert.equal(status, undefined);
      assert.match(error ?? '', new RegExp(`^127\\.0\\.0\\.1:\\d+ ${closed}$`));
    });
  }

  it('says that the connection was reset in the middle of a large body', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, { send: 'resetBeforeBody' });
    const large = batchOf({ Name: 'x'.repeat(16 * 1024 * 1024) });
    const { error } = await destinationOf(receiver.url).attempt(large, NEVER);
    assert.match(error ?? '', new RegExp(closed));
  });

  it('says that the connection was refused', async () => {
    const receiver = await startReceiver();
    await receiver.close();
    const { status, error } = await destinationOf(receiver.url).attempt(BATCH, NEVER);
    assert.equal(status, undefined);
    assert.equal(error, `${new URL(receiver.url).host} refused the connection`);
  });

  it('says that the host name is unknown or cannot be looked up', async () => {
    const { error } = await destinationOf('http://no-such-host.invalid/users').attempt(BATCH, NEVER);
    assert.match(error ?? '', /^the host name in no-such-host\.invalid (is unknown|could not be looked up)/);
  });

  it('says that none came in time, and ends in time', async () => {
    const { status, error, durationMs } = await attemptAnswered({ send: 'none' }, { timeoutMs: 250 });
    assert.equal(status, undefined);
    assert.match(error ?? '', /^no complete answer from 127\.0\.0\.1:\d+ within 0\.25 s$/);
    assert.ok(durationMs >= 249 && durationMs < 2000, `${durationMs} ms`);
  });

  it('ends in time where the TLS handshake hangs', async () => {
    const host = await rawServer(() => {});
    const { error, durationMs } = await destinationOf(`https://${host}/`, { timeoutMs: 250 }).attempt(BATCH, NEVER);
    assert.equal(error, `no complete answer from ${host} within 0.25 s`);
    assert.ok(durationMs < 2000, `${durationMs} ms`);
  });

  it('says that something else than HTTP speaks there', async () => {
    const host = await rawServer((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
    const { error } = await destinationOf(`http://${host}/`).attempt(BATCH, NEVER);
    assert.match(error ?? '', new RegExp(`^${host} answered something that is not HTTP$`));
  });

  it("says that the answer's headers are too large", async () => {
    const host = await rawServer((socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`));
    const { error } = await destinationOf(`http://${host}/`).attempt(BATCH, NEVER);
    assert.equal(error, `the answer of ${host} has too large headers`);
  });

  it('works again when the receiver does', async () => {
    const receiver = await receiverOf();
    const destination = destinationOf(receiver.url, { timeoutMs: 250 });
    for (const answer of [{ send: 'reset' }, { send: 'none' }, { send: 'partial', status: 500 }] as const) {
      receiver.failNext(1, answer);
      assert.notEqual((await destination.attempt(BATCH, NEVER)).error, undefined);
      const { error, status } = await destination.attempt(BATCH, NEVER);
      assert.deepEqual({ error, status }, { error: undefined, status: 200 });
    }
  });
});

describe('an aborted attempt', () => {
  it('ends at once and says so', async () => {
    const receiver = await receiverOf();
    receiver.failNext(1, { send: 'none' });
    const abort = new AbortController();
    const attempt = destinationOf(receiver.url).attempt(BATCH, abort.signal);
    await receiver.arrived(1);
    abort.abort('SIGINT');
    const { status, error } = await attempt;
    assert.equal(status, undefined);
    assert.equal(error, 'aborted before the answer was complete');
  });

  it('ends at once while it connects', async () => {
    const { promise: isConnected, resolve } = Promise.withResolvers<void>();
    const host = await rawServer(() => resolve());
    const abort = new AbortController();
    const attempt = destinationOf(`https://${host}/`).attempt(BATCH, abort.signal);
    await isConnected;
    abort.abort('SIGINT');
    const { error, durationMs } = await attempt;
    assert.equal(error, 'aborted before the answer was complete');
    assert.ok(durationMs < 5000, `${durationMs} ms`);
  });

  it('ends at once where the signal was aborted before it, though the host does not finish the connection', async () => {
    const host = await rawServer(() => {});
    const { error, durationMs } = await destinationOf(`https://${host}/`).attempt(BATCH, AbortSignal.abort());
    assert.equal(error, 'aborted before the answer was complete');
    assert.ok(durationMs < 5000, `${durationMs} ms`);
  });

  it('sends nothing where the signal was aborted before it', async () => {
    const receiver = await receiverOf();
    const { error } = await destinationOf(receiver.url).attempt(BATCH, AbortSignal.abort());
    assert.equal(error, 'aborted before the answer was complete');
    assert.equal(receiver.calls().length, 0);
  });
});

describe('close', () => {
  it('returns where nothing was sent', async () => {
    await destinationOf('http://127.0.0.1:9/').close();
  });

  it('closes the connections', async () => {
    const receiver = await receiverOf();
    const { promise: isClosed, resolve } = Promise.withResolvers<void>();
    const proxied = await rawServer((socket) => {
      socket.on('close', () => resolve());
      forward(socket, receiver.url);
    });
    const destination = destinationOf(`http://${proxied}/`);
    await destination.attempt(BATCH, NEVER);
    await destination.close();
    await isClosed;
  });
});

describe('TLS', () => {
  const pem = (name: string) => readFileSync(new URL(`tls/${name}.pem`, import.meta.url), 'utf8');
  const trusted = getCACertificates('default');
  after(() => setDefaultCACertificates(trusted));

  const certificates: [name: string, isIssuerKnown: boolean, expected: RegExp | undefined][] = [
    ['valid', true, undefined],
    ['valid', false, /^the TLS certificate of 127\.0\.0\.1:\d+ is not trusted /],
    ['expired', true, /^the TLS certificate of 127\.0\.0\.1:\d+ has expired$/],
    ['other-host', true, /^the TLS certificate of 127\.0\.0\.1:\d+ is for another host name$/],
  ];
  for (const [name, isIssuerKnown, expected] of certificates) {
    it(`verifies the certificate: ${name}, ${isIssuerKnown ? 'known' : 'unknown'} issuer`, async () => {
      setDefaultCACertificates(isIssuerKnown ? [...trusted, pem('ca')] : trusted);
      const receiver = await receiverOf({ tls: { key: pem('server.key'), cert: pem(name) } });
      const { error } = await destinationOf(`${receiver.url}/users`).attempt(BATCH, NEVER);
      if (expected === undefined) assert.equal(error, undefined);
      else assert.match(error ?? '', expected);
      assert.equal(receiver.accepted('/users').size, expected === undefined ? 2 : 0);
    });
  }

  it('sends nothing once an attempt has ended that did not get past the handshake', async () => {
    setDefaultCACertificates([...trusted, pem('ca')]);
    const receiver = await receiverOf({ tls: { key: pem('server.key'), cert: pem('valid') } });
    const waiting: Socket[] = [];
    let isOpen = false;
    const slow = await rawServer((socket) => (isOpen ? forward(socket, receiver.url) : void waiting.push(socket)));
    const destination = destinationOf(`https://${slow}/users`, { timeoutMs: 1000 });
    assert.match((await destination.attempt(batchOf({ Code: 'late' }), NEVER)).error ?? '', /within 1 s$/);
    isOpen = true;
    for (const socket of waiting) forward(socket, receiver.url);
    assert.equal((await destination.attempt(batchOf({ Code: 'next' }), NEVER)).error, undefined);
    assert.deepEqual([...receiver.accepted('/users').keys()], ['next']);
  });

  it('is told to be missing where https meets plain HTTP', async () => {
    const receiver = await receiverOf();
    const { error } = await destinationOf(receiver.url.replace('http:', 'https:')).attempt(BATCH, NEVER);
    assert.match(
      error ?? '',
      /^no TLS connection with 127\.0\.0\.1:\d+ \((EPROTO|ERR_SSL_\w+)\); it may not speak HTTPS/,
    );
  });
});
