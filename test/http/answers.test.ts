import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { Answer } from '../../dev/receiver.ts';
import type { RejectedRowsConfig } from '../../src/sync/entity.ts';
import {
  attemptAnswered,
  BATCH,
  batchOf,
  closeAll,
  destinationOf,
  NEVER,
  rawServer,
  receiverOf,
  SECRET,
} from './endpoints.ts';

afterEach(closeAll);

const rejectedRows: RejectedRowsConfig = { pointer: '/errors', index: '/row', reason: '/why' };
const REPORT = '{"errors":[{"row":1,"why":"no e-mail"}]}';
const REJECTED = [{ index: 1, reason: 'no e-mail' }];

/** Writes the answer once the request's body is there: its last byte is a bracket. */
function answering(...pieces: (string | Buffer)[]): (socket: Socket) => void {
  return (socket) => {
    socket.on('data', (data: Buffer) => {
      if (data.at(-1) === ']'.charCodeAt(0)) for (const piece of pieces) socket.write(piece);
    });
  };
}

describe('how long to wait', () => {
  const cases: [what: string, answer: Answer, waitMs: number | undefined][] = [
    ['Retry-After of a 429', { status: 429, headers: { 'Retry-After': '3' } }, 3000],
    ['RateLimit-Reset of a 503', { status: 503, headers: { 'RateLimit-Reset': '4' } }, 4000],
    [
      'a success that used up the rate limit',
      { status: 200, headers: { 'RateLimit-Remaining': '0', 'RateLimit-Reset': '5' } },
      5000,
    ],
    ['a success that did not', { status: 200, headers: { 'Retry-After': '3' } }, undefined],
    ['a broken answer', { status: 503, headers: { 'Retry-After': '3' }, send: 'partial' }, 3000],
  ];
  for (const [what, answer, waitMs] of cases) {
    it(`is ${waitMs ?? 'not'} told by ${what}`, async () => {
      const attempt = await attemptAnswered(answer);
      assert.equal(attempt.waitMs, waitMs);
      assert.equal('waitMs' in attempt, waitMs !== undefined);
      assert.equal(attempt.status, answer.status);
    });
  }

  it("is told by a date, by the answer's own clock", async () => {
    const headers = { Date: 'Mon, 05 Oct 2026 11:00:00 GMT', 'Retry-After': 'Mon, 05 Oct 2026 11:00:09 GMT' };
    assert.equal((await attemptAnswered({ status: 503, headers })).waitMs, 9000);
  });
});

describe('rejected rows', () => {
  it('are told by their place and reason', async () => {
    const { status, error, rejected } = await attemptAnswered({ body: REPORT }, { rejectedRows });
    assert.deepEqual({ status, error, rejected }, { status: 200, error: undefined, rejected: REJECTED });
  });

  it('are told by their key', async () => {
    const body = '{"data":{"failed":[{"id":"K1"}]}}';
    const byKey = { pointer: '/data/failed', key: '/id', reason: '/why' };
    const { rejected } = await attemptAnswered({ status: 201, body }, { rejectedRows: byKey });
    assert.deepEqual(rejected, [{ index: 1, reason: 'id: K1' }]);
  });

  for (const body of ['{}', '{"errors":null}', '{"errors":[]}', '\ufeff{"errors":[]}']) {
    it(`are none in ${JSON.stringify(body)}`, async () => {
      const attempt = await attemptAnswered({ body }, { rejectedRows });
      assert.deepEqual(Object.keys(attempt), ['startedAt', 'durationMs', 'status']);
    });
  }

  it('are none where the status comes without a body', async () => {
    const attempt = await attemptAnswered({ status: 204 }, { rejectedRows });
    assert.deepEqual(Object.keys(attempt), ['startedAt', 'durationMs', 'status']);
  });

  it('are not looked for where nothing says that they are told', async () => {
    const attempt = await attemptAnswered({ body: REPORT });
    assert.deepEqual(Object.keys(attempt), ['startedAt', 'durationMs', 'status']);
  });

  it('are told by a 207 with a status for each row', async () => {
    const body = '[{"status":201},{"status":422,"detail":"no e-mail"}]';
    assert.deepEqual((await attemptAnswered({ status: 207, body })).rejected, [
      { index: 1, reason: 'no e-mail', httpStatus: 422 },
    ]);
    assert.equal('rejected' in (await attemptAnswered({ status: 207, body: '{"done":true}' })), false);
  });

  it('are told by a 207 where the configuration says', async () => {
    const body = '{"results":[{"status":201},{"status":422}],"errors":[{"row":0,"why":"old"}]}';
    const { rejected } = await attemptAnswered({ status: 207, body }, { rejectedRows });
    assert.deepEqual(rejected, [{ index: 0, reason: 'old' }]);
  });

  it('are told by the stand-in for the receiver in each of its ways', async () => {
    const refuse = (row: { readonly Code?: unknown }) => (row.Code === 'b' ? 'must not be b' : undefined);
    const multiStatus = await receiverOf({ refuse, report: 'multiStatus' });
    assert.deepEqual((await destinationOf(multiStatus.url).attempt(BATCH, NEVER)).rejected, [
      { index: 1, reason: 'must not be b', httpStatus: 422 },
    ]);
    const errors = await receiverOf({ refuse, report: 'errors' });
    const byIndex = { pointer: '/errors', index: '/index', reason: '/reason' };
    const { rejected } = await destinationOf(errors.url, { rejectedRows: byIndex }).attempt(BATCH, NEVER);
    assert.deepEqual(rejected, [{ index: 1, reason: 'must not be b' }]);
  });

  it('are told without the values of the row, secrets and too many words', async () => {
    const whys = [`BUDI SANTOSO <budi@ess.example> has ${SECRET}`, 'no '.repeat(1000)];
    const body = JSON.stringify({ errors: whys.map((why, row) => ({ row, why })) });
    const { rejected } = await attemptAnswered({ body }, { rejectedRows });
    assert.equal(rejected?.[0]?.reason, '*** <***> has ***');
    assert.match(rejected?.[1]?.reason ?? '', /^no no .*…$/);
    assert.equal(rejected?.[1]?.reason.length, 500);
  });

  for (const [encoding, body] of [
    ['gzip', gzipSync(REPORT)],
    ['X-GZIP', gzipSync(REPORT)],
    ['deflate', deflateSync(REPORT)],
    ['br', brotliCompressSync(REPORT)],
    ['identity', REPORT],
  ] as const) {
    it(`are read from an answer in ${encoding}`, async () => {
      const headers = { 'Content-Encoding': encoding };
      assert.deepEqual((await attemptAnswered({ headers, body }, { rejectedRows })).rejected, REJECTED);
    });
  }

  it('may be all rows of a large batch', async () => {
    const batch = batchOf(...Array.from({ length: 3000 }, (_, index) => ({ Code: `c${index}` })));
    const why = `${'this row was refused because of what it holds, '.repeat(20)}sorry`;
    const body = JSON.stringify({ errors: batch.keys.map((_, row) => ({ row, why })) });
    assert.ok(body.length > 2.5 * 1024 * 1024);
    const receiver = await receiverOf();
    receiver.failNext(1, { body });
    const { rejected, error } = await destinationOf(receiver.url, { rejectedRows }).attempt(batch, NEVER);
    assert.equal(error, undefined);
    assert.equal(rejected?.length, 3000);
  });

  const gzip = { 'Content-Encoding': 'gzip' };
  const unclear: [what: string, answer: Answer, why: RegExp][] = [
    ['the answer breaks off', { body: REPORT, send: 'partial' }, /HOST closed the connection before its answer was/],
    ['the answer is empty', { body: '' }, /it is no JSON$/],
    ['it is no JSON', { body: 'thanks!' }, /it is no JSON$/],
    ['its JSON is cut', { body: REPORT.slice(0, -3) }, /it is no JSON$/],
    ['it is too large', { body: Buffer.alloc(4 * 1024 * 1024, ' ') }, /the answer of HOST is too large$/],
    ['it trickles in', { body: ' '.repeat(400), send: 'trickle' }, /no complete answer from HOST within 0\.5 s$/],
    ['its encoding is another', { headers: gzip, body: REPORT }, /HOST is not in the Content-Encoding that it names/],
    ['its gzip is cut', { headers: gzip, body: gzipSync(REPORT).subarray(0, 30) }, /HOST is not in the Content-Enc/],
    ['its encoding is unknown', { headers: { 'Content-Encoding': 'gzip, rot13' }, body: REPORT }, /none that is known/],
    ['its encoding is none', { headers: { 'Content-Encoding': 'constructor' }, body: REPORT }, /none that is known/],
    ['it blows up', { headers: gzip, body: gzipSync(Buffer.alloc(256 * 1024 * 1024)) }, /answer of HOST is too large$/],
    ['it names no row of the batch', { body: '{"errors":[{"row":2}]}' }, /names row 2, counted from 0, and .* has 2$/],
    ['its list is none', { body: '{"errors":"budi@ess.example"}' }, /what stands at "\/errors" is no array$/],
    ['it is nested without end', { body: '['.repeat(1024 * 1024) }, /it is no JSON$/],
  ];
  for (const [what, answer, why] of unclear) {
    it(`are not known where ${what}`, async () => {
      const attempt = await attemptAnswered(answer, {
        rejectedRows,
        timeoutMs: what === 'it trickles in' ? 500 : 20_000,
      });
      assert.deepEqual(Object.keys(attempt), ['startedAt', 'durationMs', 'status', 'error']);
      assert.equal(attempt.status, 200);
      const error = attempt.error?.replace(/127\.0\.0\.1:\d+/, 'HOST') ?? '';
      assert.match(error, /^HTTP 200 OK: what it says of its rows could not be understood: /);
      assert.match(error, why);
    });
  }

  it('are not known where the attempt is aborted before the report is complete', async () => {
    const abort = new AbortController();
    const host = await rawServer((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{', () => abort.abort()));
    });
    const { error, rejected } = await destinationOf(`http://${host}/`, { rejectedRows }).attempt(BATCH, abort.signal);
    assert.match(error ?? '', /aborted before the answer was complete$/);
    assert.equal(rejected, undefined);
  });
});

describe('a hostile answer', () => {
  const ok = `HTTP/1.1 200 OK\r\nContent-Length: ${REPORT.length}\r\n\r\n${REPORT}`;
  const hostile: [what: string, pieces: (string | Buffer)[], expected: RegExp | typeof REJECTED][] = [
    ['with fewer bytes than it says', ['HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n', REPORT], /no complete answer/],
    ['with more bytes than it says', ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', REPORT], /it is no JSON$/],
    [
      'with two lengths',
      ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}'],
      /closed the connection/,
    ],
    ['with a negative length', ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}'], /not HTTP$/],
    [
      'with a length and chunks',
      ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'],
      /closed the connection/,
    ],
    ['with a chunk of no size', ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}'], /not HTTP$/],
    ['with a chunk that never ends', ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{'], /no complete/],
    ['with a NUL in a header', ['HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}'], /not HTTP$/],
    ['with a header of no name', ['HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\n{}'], /not HTTP$/],
    ['with a status beyond all', ['HTTP/1.1 1000 OK\r\n\r\n'], /not HTTP$/],
    [
      'that changes the protocol',
      ['HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
      /closed the/,
    ],
    ['of noise', [Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 167) % 256))], /not HTTP$/],
    ['with hints before it', ['HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'.repeat(100), ok], REJECTED],
    ['with two answers in one', [ok, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'], REJECTED],
  ];
  for (const [what, pieces, expected] of hostile) {
    it(`${what} is no exception`, async () => {
      const host = await rawServer(answering(...pieces));
      const destination = destinationOf(`http://${host}/`, { rejectedRows, timeoutMs: 500 });
      const { error, rejected, notSent } = await destination.attempt(BATCH, NEVER);
      assert.equal(notSent, undefined);
      if (expected instanceof RegExp) {
        assert.match(error ?? '', expected);
        assert.equal(rejected, undefined);
      } else {
        assert.deepEqual({ error, rejected }, { error: undefined, rejected: expected });
      }
    });
  }

  it('for a request that was not made yet is not taken for its answer', async () => {
    let requests = 0;
    const host = await rawServer((socket) => {
      socket.on('data', (data: Buffer) => {
        if (data.at(-1) !== ']'.charCodeAt(0)) return;
        requests += 1;
        if (requests === 1) socket.write(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}`);
        else socket.write('HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const destination = destinationOf(`http://${host}/`, { rejectedRows });
    await destination.attempt(BATCH, NEVER);
    assert.equal((await destination.attempt(BATCH, NEVER)).status, 500);
    assert.equal(requests, 2);
  });

  it('without an end costs no more memory than its limit', async () => {
    const host = await rawServer((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`;
        const more = () => {
          while (socket.writable && socket.write(chunk));
        };
        socket.on('drain', more);
        more();
      });
    });
    const destination = destinationOf(`http://${host}/`, { rejectedRows, batchSize: 10 });
    const before = process.memoryUsage().rss;
    const { error } = await destination.attempt(BATCH, NEVER);
    assert.match(error ?? '', /is too large$/);
    assert.ok(process.memoryUsage().rss - before < 200 * 1024 * 1024);
  });
});

describe('a redirect', () => {
  it('is not followed, elsewhere or to the same host, so that no credentials and no rows go there', async () => {
    const elsewhere = await receiverOf();
    for (const auth of [
      { type: 'apiKey', header: 'X-Api-Key', value: SECRET },
      { type: 'bearer', token: SECRET },
    ] as const) {
      for (const status of [301, 302, 303, 307, 308]) {
        const receiver = await receiverOf();
        for (const location of [`${elsewhere.url}/users`, '/other', `//${new URL(elsewhere.url).host}/users`]) {
          receiver.failNext(1, { status, headers: { Location: location } });
          const attempt = await destinationOf(`${receiver.url}/users`, { auth }).attempt(BATCH, NEVER);
          assert.equal(attempt.status, status);
          assert.match(attempt.error ?? '', /redirects are not followed/);
        }
        assert.deepEqual(new Set(receiver.calls().map(({ path }) => path)), new Set(['/users']));
      }
    }
    assert.equal(elsewhere.calls().length, 0);
  });
});
