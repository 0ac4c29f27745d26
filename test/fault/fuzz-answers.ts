/** Broken HTTP answers, as one attempt meets them, and as a whole run does. */
import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createDestination } from '../../src/http/destination.ts';
import type { Attempt, Batch } from '../../src/sync/ports.ts';
import { destinationConfig } from '../support/fakes.ts';
import type { FuzzReport } from './fuzz-config.ts';
import { mutateBytes } from './mutate.ts';
import { createRandom, type Random } from './random.ts';
import { createRig, misbehaviours } from './rig.ts';

/** Time for one attempt; answers that never end take it all. */
const TIMEOUT_MS = 400;

/** Attempts at once: most of the time goes by in waiting. */
const AT_ONCE = 16;

/** A client that has read so much of an endless answer reads without bound. The product's limit is 1 MiB; sockets hold more. */
const MAX_BYTES_READ = 16 * 1024 * 1024;

/** A status line that has an end; line ends before it are passed over. */
const STATUS_LINE = /^[\r\n]*[^\r\n][^\n]*\n/;

/** An answer: bytes, and what becomes of the connection. */
interface BrokenAnswer {
  readonly bytes: Uint8Array;
  readonly end: 'stay' | 'close' | 'reset' | 'flood';
}

/** Tries `count` answers, one attempt each. `sound` counts those that were a success. */
export async function fuzzAnswers(count: number, random: Random): Promise<FuzzReport> {
  const seeds = Array.from({ length: count }, () => random.below(2 ** 32));
  // Made anew when asked for: all of them together are large.
  const answerTo = (number: number) => brokenAnswer(createRandom(seeds[number] as number));
  const numberIn = (path: string) => Number(path.slice(1));
  const server = await openBrokenServer((path) => answerTo(numberIn(path)));
  const problems: string[] = [];
  let sound = 0;
  let next = 0;
  async function work(): Promise<void> {
    while (next < count) {
      const number = next++;
      const problem = await attemptAt(`${server.url}/${number}`).then(
        (attempt) => {
          if (attempt.status !== undefined && attempt.error === undefined) sound += 1;
          return wrongIn(attempt);
        },
        (error: unknown) => `rejected: ${error instanceof Error ? error.stack : error}`,
      );
      if (problem !== undefined) problems.push(`${problem}, after the answer ${textOf(answerTo(number))}`);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await server.close();
  for (const [path, bytes] of server.read) {
    const answer = answerTo(numberIn(path));
    // An endless status line is read for as long as the attempt may take, but not kept.
    if (bytes <= MAX_BYTES_READ || !STATUS_LINE.test(Buffer.from(answer.bytes).toString('latin1'))) continue;
    problems.push(`${bytes} bytes were read of the endless answer ${textOf(answer)}`);
  }
  return { tried: count, sound, problems };
}

function textOf({ bytes, end }: BrokenAnswer): string {
  return `${JSON.stringify(Buffer.from(bytes).toString('latin1', 0, 500))} (${end})`;
}

const PAYLOAD = '{"Code":"a","Name":"Budi Santoso"}';
const BATCH: Batch = {
  id: '3f0c2f8e-7d5c-4a2b-9d53-0a4b8f6f1a11',
  operation: 'upsert',
  keys: ['a', 'b', 'c'],
  hashes: new Uint8Array(48),
  offsets: Uint32Array.of(1, 2 + PAYLOAD.length, 3 + 2 * PAYLOAD.length),
  body: Buffer.from(`[${PAYLOAD},${PAYLOAD},${PAYLOAD}]`),
};

async function attemptAt(url: string): Promise<Attempt> {
  const destination = createDestination(destinationConfig({ url, timeoutMs: TIMEOUT_MS }), {
    version: '1.2.3',
    redact: (text) => text,
  });
  try {
    return await destination.attempt(BATCH, new AbortController().signal);
  } finally {
    await destination.close();
  }
}

function wrongIn(attempt: Attempt): string | undefined {
  const { status, error, durationMs } = attempt;
  if (status === undefined && error === undefined) return 'neither a status nor an error';
  if (status !== undefined && !(Number.isInteger(status) && status >= 100 && status <= 999)) return `status ${status}`;
  if (error !== undefined && /^\s+at \S/m.test(error)) return `a stack trace: ${error}`;
  // Longer than the attempt, and the time that the rest of a success is awaited.
  if (durationMs > TIMEOUT_MS + 10_000) return `it took ${durationMs} ms`;
  return undefined;
}

/** Time after which a run is stopped: a broken answer may ask for long pauses. */
const RUN_MS = 5000;

/**
 * Lets `count` runs meet a receiver that gives nothing but broken answers. Afterwards a sound one gets what is left, and
 * the ledger must hold every row. `sound` counts the runs that ended with 0 nevertheless.
 */
export async function fuzzRuns(count: number, random: Random): Promise<FuzzReport> {
  const problems: string[] = [];
  let sound = 0;
  const server = await openBrokenServer(() => brokenAnswer(random));
  const rig = await createRig({
    idempotency: false,
    concurrency: 2,
    batchSize: 10,
    rows: 30,
    usersOnly: true,
    destination: { timeoutMs: TIMEOUT_MS, maxAttempts: 2 },
  });
  try {
    for (let tried = 0; tried < count; tried += 1) {
      const signals = new EventEmitter();
      const timer = setTimeout(() => signals.emit('SIGTERM'), RUN_MS);
      const result = await rig.run({ env: { TAMHR_API_URL: server.url }, signals });
      clearTimeout(timer);
      if (result.code === 0) sound += 1;
      problems.push(...misbehaviours([result]));
      if (tried % 5 < 4) continue;
      problems.push(...misbehaviours(await rig.complete()));
      const [counts] = await rig.log(
        `SELECT (SELECT COUNT(*) FROM dbo.TB_R_SYNC_TRACKING) + (SELECT COUNT(*) FROM dbo.TB_R_SYNC_FAILURE) AS Settled`,
      );
      if (counts?.Settled !== 30) problems.push(`of 30 rows ${counts?.Settled} are settled`);
      await rig.forget();
    }
  } finally {
    await Promise.all([rig.close(), server.close()]);
  }
  return { tried: count, sound, problems };
}

/** A server that gives each request the answer of its path. */
async function openBrokenServer(answerOf: (path: string) => BrokenAnswer): Promise<{
  readonly url: string;
  /** By path, how many bytes a client took of an endless answer. */
  readonly read: ReadonlyMap<string, number>;
  close(): Promise<void>;
}> {
  const sockets = new Set<Socket>();
  const read = new Map<string, number>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let request = '';
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.setEncoding('latin1').on('data', (text: string) => {
      request += text;
      const [head, body = ''] = request.split('\r\n\r\n', 2);
      const length = Number(/^content-length: (\d+)/im.exec(head ?? '')?.[1] ?? 0);
      if (!request.includes('\r\n\r\n') || body.length < length) return;
      const path = request.split(' ')[1] ?? '/';
      request = '';
      const { bytes, end } = answerOf(path);
      socket.write(bytes);
      if (end === 'close') socket.end();
      if (end === 'reset') socket.resetAndDestroy();
      if (end === 'flood') flood(socket, (bytes) => read.set(path, bytes));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    read,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Writes without end, as fast as the other side reads. */
function flood(socket: Socket, tell: (bytes: number) => void): void {
  const piece = Buffer.alloc(64 * 1024, 'x');
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
    tell(socket.bytesWritten);
  };
  socket.on('drain', more);
  more();
}

const STATUS_LINES: readonly string[] = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200',
  'HTTP/1.1 200 ',
  'HTTP/1.1 201 Created',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 207 Multi-Status',
  'HTTP/1.1 301 Moved Permanently',
  'HTTP/1.1 400 Bad Request',
  'HTTP/1.1 401 Unauthorized',
  'HTTP/1.1 409 Conflict',
  'HTTP/1.1 413 Content Too Large',
  'HTTP/1.1 422 Unprocessable Content',
  'HTTP/1.1 429 Too Many Requests',
  'HTTP/1.1 500 Internal Server Error',
  'HTTP/1.1 503 Service Unavailable',
  'HTTP/1.0 502 Bad Gateway',
];

const ODD_STATUS_LINES: readonly string[] = [
  'HTTP/1.1 100 Continue',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.1 103 Early Hints',
  'HTTP/1.1 999 Whatever',
  'HTTP/1.1 000 None',
  'HTTP/1.1 20 Short',
  'HTTP/1.1 2000 Long',
  'HTTP/1.1 -1 Minus',
  'HTTP/2 200',
  'HTTP/9.9 200 OK',
  'ICY 200 OK',
  'SSH-2.0-OpenSSH_9.6',
  '',
];

const HEADERS: readonly string[] = [
  'Content-Type: application/json',
  'Content-Type: application/problem+json; charset=utf-16',
  'Content-Type: text/html; charset=shift_jis',
  'Content-Type: multipart/mixed; boundary=',
  'Content-Type:',
  'Content-Encoding: gzip',
  'Content-Encoding: br, gzip, zstd',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Content-Length: 1\r\nContent-Length: 2',
  'Content-Length: 0x10',
  'Retry-After: 1',
  'Retry-After: -5',
  'Retry-After: 1e99',
  'Retry-After: Wed, 99 Foo 2026 99:99:99 GMT',
  'Retry-After: 99999999999999999999999',
  'Retry-After: Fri, 31 Dec 9999 23:59:59 GMT',
  'RateLimit-Reset: soon',
  'Location: https://user:secret@elsewhere.example/?token=x',
  'Location: ::::',
  'Connection: close',
  'Connection: upgrade\r\nUpgrade: h2c',
  'Set-Cookie: a=b; \0',
  'X: \x1b[31m\u202e',
  ' folded: header',
  'no colon',
  `X-Long: ${'x'.repeat(70_000)}`,
  Array.from({ length: 3000 }, (_, index) => `X-${index}: y`).join('\r\n'),
];

const DEEP = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
const BODIES: readonly (string | Uint8Array)[] = [
  '',
  '{"accepted":3}',
  '{"title":"One or more validation errors occurred.","status":400,"errors":{"[1].Name":["Budi Santoso is bad"]}}',
  '{"errors":[{"index":1,"reason":"bad"},{"index":-1},{"index":1e99},{"index":"1"},null]}',
  '[{"status":200},{"status":422,"title":"bad"},{"status":"x"}]',
  '[{"status":200}]',
  '{"responses":[{"id":"a","status":500}]}',
  '{"__proto__":{"message":"x"},"constructor":{"prototype":1}}',
  '{"message":',
  'null',
  '"text"',
  '1e999',
  DEEP,
  `{"errors":${DEEP}}`,
  `{"message":"${'x'.repeat(2_000_000)}"}`,
  '<!doctype html><title>Bad &amp; Gateway</title><h1>502</h1>',
  `<title>${'<'.repeat(50_000)}`,
  '\ufeff{"message":"with a mark"}',
  Buffer.from('\ufeff{"message":"wide"}', 'utf16le'),
  Buffer.from([0xff, 0xfe, 0xfd, 0x00, 0xc3, 0x28]),
  gzipSync('{"message":"zipped"}'),
  gzipSync(Buffer.alloc(50_000_000)),
  '5\r\nhello\r\n0\r\n\r\n',
  'fffffffffffffffff\r\nhello\r\n',
  '-5\r\nhello\r\n0\r\n\r\n',
  '5;ext="\r\nhello\r\nzz\r\n',
  '5\r\nhel',
];

/** An answer that is broken in its lines, its lengths, its bytes or its end; some are sound after all. */
function brokenAnswer(random: Random): BrokenAnswer {
  const headers = Array.from({ length: random.below(4) }, () => random.pick(HEADERS));
  const body = Buffer.from(random.pick(BODIES));
  if (random.chance(0.5)) headers.push(`Content-Length: ${body.length}`);
  const lineEnd = random.chance(0.95) ? '\r\n' : '\n';
  const head = [random.pick(random.chance(0.8) ? STATUS_LINES : ODD_STATUS_LINES), ...headers, '', ''].join(lineEnd);
  const whole = Buffer.concat([Buffer.from(head, 'latin1'), body]);
  return {
    bytes: random.chance(0.4) ? mutateBytes(whole, random) : whole,
    end: random.pick(['stay', 'close', 'close', 'reset', 'flood'] as const),
  };
}
