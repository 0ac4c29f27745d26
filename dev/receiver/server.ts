/**
 * The stand-in for the receiving API, for demo, tests and hand trials: takes JSON arrays at any path on 127.0.0.1, and
 * deletions, remembers what it took and holds, and fails in every way that it is told to.
 */
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TlsOptions } from 'node:tls';
import { gunzipSync } from 'node:zlib';

/** A row as it came in. */
type ReceivedRow = Readonly<Record<string, unknown>>;

/** One request. It is recorded when it arrives and completed when it is answered. */
export interface Call {
  /** Counted from 1 over all paths. */
  readonly number: number;
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly idempotencyKey: string | undefined;
  /** Of a deletion: the path whose rows it deletes. Set when the body is read. */
  deletesFrom: string | undefined;
  /** Rows in the body, or 1 where the path names one; 0 until it is read, and where it is no JSON array. */
  rows: number;
  /** Rows taken, or deleted; 0 where the same key came before. */
  taken: number;
  /** Answered; undefined where no status line was sent. */
  status: number | undefined;
  /** The answer to an earlier request with this key was repeated. */
  replayed: boolean;
  /** With `keepBodies` only; without its gzip. */
  body: string | undefined;
}

/** How a call is answered. */
export interface Answer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: JSON that says how many rows were taken, for a failure a problem (RFC 9457). */
  readonly body?: string | Uint8Array;
  /** Wait before the answer, after the rows were taken. */
  readonly delayMs?: number | undefined;
  /** As delayMs, until this is settled; for tests that do something while a request is in flight. */
  readonly hold?: Promise<void>;
  /** Whether the rows are taken, whatever the answer. Default: only with a 2xx that is sent whole. */
  readonly take?: boolean;
  /**
   *   whole             the answer is sent (default)
   *   none              nothing is ever sent
   *   reset             the connection is reset (RST) after the body was read
   *   resetBeforeBody   the connection is reset as soon as the headers are there (from `respond`, which sees the body, after it)
   *   close             the connection is closed after the body was read
   *   partial           status and headers are sent and half of the answer's body, then the connection is closed
   *   trickle           the answer's body is sent a byte every 50 ms
   */
  readonly send?: 'whole' | 'none' | 'reset' | 'resetBeforeBody' | 'close' | 'partial' | 'trickle';
}

/** Who may call: with an API key in a header, or by HTTP Basic. Others get 401. */
type RequiredAuth =
  | { readonly header: string; readonly value: string }
  | { readonly user: string; readonly password: string };

/** How the receiver behaves from its start. */
export interface ReceiverOptions {
  /** Default 0: any free one. */
  readonly port?: number;
  /** HTTPS with this key and certificate (PEM); with `clientCa`, only for clients with a certificate of that authority. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
  readonly auth?: RequiredAuth;
  /**
   * Honour Idempotency-Key: the same key and body again get the first answer and take nothing, another body gets 422, and
   * while the first request is not answered the second gets 409. Only keys of requests that were taken are remembered, whatever
   * was answered (as if that were a success): after a refusal or a failure the key may come again.
   * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
   */
  readonly idempotency?: boolean;
  /**
   * Paths that take deletions: batches of rows, of which only the Code counts, that the path beside it holds no longer (such
   * as `{ '/users-deleted': '/users' }`). What it does not hold is deleted without a word. A path
   * may stand beside itself: then its batches by DELETE are deletions, the others are not.
   *
   * DELETE at any other path deletes the row whose Code is the path's last part from the path before it: of
   * `/users/K%201` the row `K 1` from `/users`.
   */
  readonly deletions?: Readonly<Record<string, string>>;
  /** Of a DELETE of a row that is not held. Default 404. */
  readonly missingStatus?: number | undefined;
  /** A row (of a deletion by path: `{ Code }`) for which this returns a reason is refused, and its whole request with it: nothing is taken, unless `report` is set. */
  readonly refuse?: (row: ReceivedRow, path: string) => string | undefined;
  /** Of a request with a refused row. Default 422. */
  readonly refuseStatus?: number | undefined;
  /**
   * Rows that are not refused are taken, and a request with refused rows is answered in this way:
   *
   *   multiStatus   207, `{ results: [{ index, status, detail? }] }` with each row
   *   errors        200, `{ accepted, errors: [{ index, code, reason }] }` with the refused rows; `code` as in `accepted()`
   */
  readonly report?: 'multiStatus' | 'errors';
  /** Requests with more rows, or with more bytes in their body as it is sent, get 413. */
  readonly maxRows?: number | undefined;
  readonly maxBytes?: number | undefined;
  /** Requests beyond these within a second get 429 with Retry-After. */
  readonly requestsPerSecond?: number | undefined;
  /** Keep each call's body as text. */
  readonly keepBodies?: boolean;
  /** Called when a call is over. */
  readonly onCall?: (call: Call) => void;
}

/** A row that was taken, as it came last, and how many times. */
interface TakenRow {
  readonly row: ReceivedRow;
  readonly times: number;
}

/** What a call asks for: to hold these rows, or to hold them no longer where `deletesFrom` is there. */
interface Asked {
  readonly rows: readonly ReceivedRow[];
  readonly deletesFrom?: string;
}

/** A running receiver. Paths are without query. */
export interface Receiver {
  /** Such as `http://127.0.0.1:8080`, without a slash at the end. */
  readonly url: string;
  /** In the order of arrival, of one path or of all. */
  calls(path?: string): readonly Call[];
  /** The rows taken at a path by their Code (else code, id or their JSON), in the order of first arrival. */
  accepted(path: string): ReadonlyMap<string, TakenRow>;
  /** What is held at a path by now, by the rows' Code: each as it came last, without those that were deleted since. */
  holds(path: string): ReadonlyMap<string, ReceivedRow>;
  /** The Codes that were deleted from a path, however that was asked for, and how many times. */
  deleted(path: string): ReadonlyMap<string, number>;
  /**
   * Answers each call that `failNext` leaves; undefined means as usual. Asked once the body is read; of a deletion by path the
   * one row is `{ Code }`.
   */
  respond(script: (call: Call, rows: readonly ReceivedRow[]) => Answer | undefined): void;
  /** Answers the next `count` calls in this way; a number is a status. */
  failNext(count: number, answer: number | Answer): void;
  /** The call of this number, once it has arrived and its body is read. */
  arrived(number: number): Promise<Call>;
  /** Forgets calls (numbers begin with 1 again), rows and keys; not the script. */
  clear(): void;
  /** Cuts every connection and stops. */
  close(): Promise<void>;
}

/** Starts a receiver. Rejects where the port is taken. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const calls: Call[] = [];
  const read = new Set<number>();
  const arrivals = new EventEmitter();
  const taken = new Map<string, Map<string, TakenRow>>();
  const held = new Map<string, Map<string, ReceivedRow>>();
  const deleted = new Map<string, Map<string, number>>();
  const memory = new Map<string, RememberedKey>();
  const forced: Answer[] = [];
  /** Times of the requests that the rate limit let through within the last second, from performance.now(). */
  const passed: number[] = [];
  const closing = new AbortController();
  let script: Parameters<Receiver['respond']>[0] = () => undefined;

  const listener: RequestListener = async (request, response) => {
    const call = newCall(calls.length + 1, request);
    calls.push(call);
    try {
      await answerCall(call, request, response);
    } catch (error) {
      // The other side went away while its body was read or its answer awaited; anything else is a bug here.
      if (!request.destroyed && !response.destroyed && !closing.signal.aborted) throw error;
    } finally {
      options.onCall?.(call);
    }
  };

  async function answerCall(call: Call, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const failure = forced.shift();
    if (failure?.send === 'resetBeforeBody') {
      request.socket.resetAndDestroy();
      return;
    }
    const sent = Buffer.concat(await request.toArray());
    const body = decoded(sent, request.headers['content-encoding']);
    const asked = body && askedOf(call, body, options.deletions);
    call.rows = asked?.rows.length ?? 0;
    call.deletesFrom = asked?.deletesFrom;
    if (options.keepBodies) call.body = body?.toString();
    read.add(call.number);
    arrivals.emit(String(call.number));

    const remembered = options.idempotency ? memory.get(memoryKey(call)) : undefined;
    const bodyHash = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    const told = failure ?? script(call, asked?.rows ?? []) ?? {};
    const usual = usualAnswer(call, sent.length, asked, remembered, bodyHash);
    const answer = told.status === undefined ? { ...usual, ...told } : told;
    const status = answer.status ?? 200;
    call.replayed = told.status === undefined && usual === remembered?.answer;
    const isTaken = answer.take ?? (isSuccess(status) && ['whole', 'trickle'].includes(answer.send ?? 'whole'));
    let mine: RememberedKey | undefined;
    if (isTaken && asked !== undefined && remembered === undefined) {
      take(call, { ...asked, rows: asked.rows.filter((_, index) => !usual.refused?.has(index)) });
      mine = { bodyHash, answer: isSuccess(usual.status) ? usual : { status: 200 }, isAnswered: false };
      memory.set(memoryKey(call), mine);
    }
    try {
      if (answer.delayMs !== undefined) await delay(answer.delayMs, undefined, { signal: closing.signal });
      if (answer.hold !== undefined) await Promise.race([answer.hold, once(response, 'close')]);
      await send(call, answer, response);
    } finally {
      if (mine !== undefined) mine.isAnswered = true;
    }
  }

  /** What is answered where neither script nor failNext gives a status. `bytes`: of the body as it was sent. */
  function usualAnswer(
    call: Call,
    bytes: number,
    asked: Asked | undefined,
    remembered: RememberedKey | undefined,
    bodyHash: string,
  ): UsualAnswer {
    const { auth, maxBytes = Number.POSITIVE_INFINITY, maxRows = Number.POSITIVE_INFINITY } = options;
    if (!isWithinRate()) {
      const { headers, ...tooMany } = problem(429, `at most ${options.requestsPerSecond} requests a second`);
      return { ...tooMany, headers: { ...headers, 'Retry-After': '1' } };
    }
    if (auth !== undefined && !isAuthorized(auth, call.headers)) {
      return problem(401, 'the credentials are missing or wrong');
    }
    if (bytes > maxBytes) return problem(413, `${bytes} bytes, at most ${maxBytes}`);
    const encoding = call.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'gzip') return problem(415, 'the only Content-Encoding is gzip');
    if (asked === undefined) return problem(400, 'the body is not a JSON array of objects, nor the path one of a row');
    const { rows } = asked;
    if (rows.length > maxRows) return problem(413, `${rows.length} rows, at most ${maxRows}`);
    if (remembered !== undefined) {
      if (remembered.bodyHash !== bodyHash) return problem(422, 'this Idempotency-Key came with another body');
      if (!remembered.isAnswered) return problem(409, 'a request with this Idempotency-Key is in progress');
      return remembered.answer;
    }
    if (isMissing(call, asked)) return problem(options.missingStatus ?? 404, 'there is no such row');
    const refused = new Map<number, string>();
    for (const [index, row] of rows.entries()) {
      const reason = options.refuse?.(row, call.path);
      if (reason !== undefined) refused.set(index, reason);
    }
    if (refused.size === 0) return { status: 200 };
    if (options.report !== undefined) return reportOf(options.report, rows, refused);
    return problem(
      options.refuseStatus ?? 422,
      `${refused.size} of ${rows.length} rows refused`,
      Object.fromEntries([...refused].map(([index, reason]) => [`[${index}]`, [reason]])),
    );
  }

  function isWithinRate(): boolean {
    const { requestsPerSecond = Number.POSITIVE_INFINITY } = options;
    const now = performance.now();
    while (passed[0] !== undefined && passed[0] <= now - 1000) passed.shift();
    const isWithin = passed.length < requestsPerSecond;
    if (isWithin) passed.push(now);
    return isWithin;
  }

  /** Whether the row that the path names is not there. */
  function isMissing({ path }: Call, { rows, deletesFrom }: Asked): boolean {
    if (deletesFrom === undefined || options.deletions?.[path] !== undefined) return false;
    return !rows.every((row) => held.get(deletesFrom)?.has(codeOf(row)));
  }

  function take(call: Call, { rows, deletesFrom }: Asked): void {
    const takenHere = ofPath(taken, call.path);
    const heldThere = ofPath(held, deletesFrom ?? call.path);
    for (const row of rows) {
      const code = codeOf(row);
      takenHere.set(code, { row, times: (takenHere.get(code)?.times ?? 0) + 1 });
      if (deletesFrom === undefined) heldThere.set(code, row);
      else if (heldThere.delete(code)) {
        const deletedThere = ofPath(deleted, deletesFrom);
        deletedThere.set(code, (deletedThere.get(code) ?? 0) + 1);
      }
    }
    call.taken = rows.length;
  }

  const server = options.tls ? createTlsServer(tlsOptions(options.tls), listener) : createServer(listener);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: (path) => calls.filter((call) => path === undefined || call.path === path),
    accepted: (path) => taken.get(path) ?? new Map(),
    holds: (path) => held.get(path) ?? new Map(),
    deleted: (path) => deleted.get(path) ?? new Map(),
    async arrived(number) {
      if (!read.has(number)) await once(arrivals, String(number));
      return calls[number - 1] as Call;
    },
    respond(newScript) {
      script = newScript;
    },
    failNext(count, answer) {
      const failure = typeof answer === 'number' ? problem(answer) : answer;
      for (let left = count; left > 0; left -= 1) forced.push(failure);
    },
    clear() {
      calls.length = 0;
      read.clear();
      for (const byPath of [taken, held, deleted]) byPath.clear();
      memory.clear();
      passed.length = 0;
    },
    async close() {
      const closed = once(server, 'close');
      closing.abort();
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** An answer by the receiver's own rules. */
interface UsualAnswer extends Answer {
  readonly status: number;
  /** Rows that are not taken though the answer is a success, by index, with the reasons. */
  readonly refused?: ReadonlyMap<number, string>;
}

/** What is remembered of an Idempotency-Key whose rows were taken. */
interface RememberedKey {
  readonly bodyHash: string;
  /** To a request with the same key. */
  readonly answer: UsualAnswer;
  isAnswered: boolean;
}

function memoryKey({ path, idempotencyKey, number }: Call): string {
  return `${path} ${idempotencyKey ?? `call ${number}`}`;
}

function newCall(number: number, { method, url, headers }: IncomingMessage): Call {
  const idempotencyKey = headers['idempotency-key'];
  return {
    number,
    method: method ?? '',
    path: (url ?? '').replace(/\?.*/s, ''),
    target: url ?? '',
    headers,
    idempotencyKey: typeof idempotencyKey === 'string' ? idempotencyKey : undefined,
    deletesFrom: undefined,
    rows: 0,
    taken: 0,
    status: undefined,
    replayed: false,
    body: undefined,
  };
}

function tlsOptions({ clientCa, ...own }: NonNullable<ReceiverOptions['tls']>): TlsOptions {
  return clientCa === undefined ? own : { ...own, ca: clientCa, requestCert: true, rejectUnauthorized: true };
}

/** A body without its gzip; undefined where it is none, or compressed in another way. */
function decoded(body: Buffer, encoding: string | undefined): Buffer | undefined {
  if (encoding === undefined) return body;
  try {
    return encoding === 'gzip' ? gunzipSync(body) : undefined;
  } catch {
    return undefined;
  }
}

/** The inner map of a path, made where there is none. */
function ofPath<T>(byPath: Map<string, Map<string, T>>, path: string): Map<string, T> {
  const inner = byPath.get(path) ?? new Map<string, T>();
  byPath.set(path, inner);
  return inner;
}

/** Undefined where neither body nor path is what it must be. */
function askedOf({ method, path }: Call, body: Buffer, deletions: ReceiverOptions['deletions']): Asked | undefined {
  const from = deletions?.[path];
  if (method === 'DELETE' && from === undefined) return rowInPath(path);
  const deletesFrom = from === path && method !== 'DELETE' ? undefined : from;
  const rows = parseRows(body);
  return rows && { rows, ...(deletesFrom !== undefined && { deletesFrom }) };
}

function rowInPath(path: string): Asked | undefined {
  const at = path.lastIndexOf('/');
  try {
    const code = decodeURIComponent(path.slice(at + 1));
    return code === '' ? undefined : { rows: [{ Code: code }], deletesFrom: path.slice(0, at) };
  } catch {
    return undefined;
  }
}

function parseRows(body: Buffer): ReceivedRow[] | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    const isRow = (item: unknown) => typeof item === 'object' && item !== null && !Array.isArray(item);
    return Array.isArray(json) && json.every(isRow) ? json : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(row: ReceivedRow): string {
  return String(row.Code ?? row.code ?? row.id ?? JSON.stringify(row));
}

function isAuthorized(auth: RequiredAuth, headers: IncomingHttpHeaders): boolean {
  if ('header' in auth) return headers[auth.header.toLowerCase()] === auth.value;
  return headers.authorization === `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** https://www.rfc-editor.org/rfc/rfc9457 */
function problem(status: number, detail?: string, errors?: Readonly<Record<string, readonly string[]>>): UsualAnswer {
  return {
    status,
    headers: { 'Content-Type': 'application/problem+json' },
    body: JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? '', status, detail, errors }),
  };
}

/** A success that names the rows it did not take. */
function reportOf(
  form: NonNullable<ReceiverOptions['report']>,
  rows: readonly ReceivedRow[],
  refused: ReadonlyMap<number, string>,
): UsualAnswer {
  const status = form === 'multiStatus' ? 207 : 200;
  const results = rows.map((_, index) =>
    refused.has(index) ? { index, status: 422, detail: refused.get(index) } : { index, status: 201 },
  );
  const errors = [...refused].map(([index, reason]) => ({ index, code: codeOf(rows[index] ?? {}), reason }));
  const body = form === 'multiStatus' ? { results } : { accepted: rows.length - refused.size, errors };
  return { status, body: JSON.stringify(body), refused };
}

async function send(call: Call, answer: Answer, response: ServerResponse): Promise<void> {
  if (response.closed) return;
  const { socket } = response;
  if (answer.send === 'none') {
    if (!response.closed) await once(response, 'close');
    return;
  }
  if (answer.send === 'reset' || answer.send === 'resetBeforeBody') {
    socket?.resetAndDestroy();
    return;
  }
  if (answer.send === 'close') {
    socket?.destroy();
    return;
  }
  call.status = answer.status ?? 200;
  const usual = isSuccess(call.status) ? { accepted: call.rows } : { error: 'this answer was asked for' };
  const body = Buffer.from(answer.body ?? JSON.stringify(usual));
  const hasBody = call.status !== 204 && call.status !== 304;
  response.writeHead(call.status, {
    'Content-Type': 'application/json',
    ...(hasBody && { 'Content-Length': body.length }),
    ...answer.headers,
  });
  if (answer.send === 'partial') {
    response.write(body.subarray(0, body.length / 2), () => socket?.destroy());
    if (!response.closed) await once(response, 'close');
  } else if (answer.send === 'trickle') {
    for (const byte of body) {
      if (response.destroyed) return;
      response.write(Uint8Array.of(byte));
      await delay(50);
    }
    response.end();
  } else {
    response.end(hasBody ? body : undefined);
    if (!response.closed) await once(response, 'close');
  }
}
