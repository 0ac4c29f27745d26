/**
 * The stand-in for the receiving API, for demo, tests and hand trials: takes JSON arrays at any path on 127.0.0.1,
 * remembers what it took, and fails in every way that it is told to.
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
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly idempotencyKey: string | undefined;
  /** Rows in the body; 0 until it is read, and where it is no JSON array. */
  rows: number;
  /** Rows taken; 0 where the same key came before. */
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
  readonly delayMs?: number;
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
   * while the first request is not answered the second gets 409.
   * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
   */
  readonly idempotency?: boolean;
  /** A row for which this returns a reason is refused, and its whole request with it: 422, nothing taken. */
  readonly refuse?: (row: ReceivedRow, path: string) => string | undefined;
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

/** A running receiver. Paths are without query. */
export interface Receiver {
  /** Such as `http://127.0.0.1:8080`, without a slash at the end. */
  readonly url: string;
  /** In the order of arrival, of one path or of all. */
  calls(path?: string): readonly Call[];
  /** The rows taken at a path by their Code (else code, id or their JSON), in the order of first arrival. */
  accepted(path: string): ReadonlyMap<string, TakenRow>;
  /** Answers each call that `failNext` leaves; undefined means as usual. Asked once the body is read. */
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
  const memory = new Map<string, RememberedKey>();
  const forced: Answer[] = [];
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
    const body = decoded(Buffer.concat(await request.toArray()), request.headers['content-encoding']);
    const rows = body && parseRows(body);
    call.rows = rows?.length ?? 0;
    if (options.keepBodies) call.body = body?.toString();
    read.add(call.number);
    arrivals.emit(String(call.number));

    const remembered = options.idempotency ? memory.get(memoryKey(call)) : undefined;
    const bodyHash = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    const told = failure ?? script(call, rows ?? []) ?? {};
    const answer = told.status === undefined ? { ...usualAnswer(call, rows, remembered, bodyHash), ...told } : told;
    const status = answer.status ?? 200;
    const isTaken = answer.take ?? (isSuccess(status) && ['whole', 'trickle'].includes(answer.send ?? 'whole'));
    if (isTaken && rows !== undefined && remembered === undefined) {
      takeRows(call, rows);
      memory.set(memoryKey(call), { bodyHash, isAnswered: false });
    }
    try {
      if (answer.delayMs !== undefined) await delay(answer.delayMs, undefined, { signal: closing.signal });
      if (answer.hold !== undefined) await Promise.race([answer.hold, once(response, 'close')]);
      await send(call, answer, response);
    } finally {
      const mine = memory.get(memoryKey(call));
      if (mine !== undefined && call.taken > 0) mine.isAnswered = true;
    }
  }

  /** What is answered where neither script nor failNext gives a status. */
  function usualAnswer(
    call: Call,
    rows: readonly ReceivedRow[] | undefined,
    remembered: RememberedKey | undefined,
    bodyHash: string,
  ): Answer {
    if (options.auth !== undefined && !isAuthorized(options.auth, call.headers)) {
      return problem(401, 'the credentials are missing or wrong');
    }
    const encoding = call.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'gzip') return problem(415, 'the only Content-Encoding is gzip');
    if (rows === undefined) return problem(400, 'the body is not a JSON array of objects');
    if (remembered !== undefined) {
      if (remembered.bodyHash !== bodyHash) return problem(422, 'this Idempotency-Key came with another body');
      if (!remembered.isAnswered) return problem(409, 'a request with this Idempotency-Key is in progress');
      call.replayed = true;
      return { status: 200 };
    }
    const refused = rows.flatMap((row, index) => {
      const reason = options.refuse?.(row, call.path);
      return reason === undefined ? [] : [[`[${index}]`, [reason]] as const];
    });
    if (refused.length === 0) return { status: 200 };
    return problem(422, `${refused.length} of ${rows.length} rows refused`, Object.fromEntries(refused));
  }

  function takeRows(call: Call, rows: readonly ReceivedRow[]): void {
    const ofPath = taken.get(call.path) ?? new Map<string, TakenRow>();
    taken.set(call.path, ofPath);
    for (const row of rows) {
      const code = codeOf(row);
      ofPath.set(code, { row, times: (ofPath.get(code)?.times ?? 0) + 1 });
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
      taken.clear();
      memory.clear();
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

/** What is remembered of an Idempotency-Key whose rows were taken. */
interface RememberedKey {
  readonly bodyHash: string;
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
    headers,
    idempotencyKey: typeof idempotencyKey === 'string' ? idempotencyKey : undefined,
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
function problem(status: number, detail?: string, errors?: Readonly<Record<string, readonly string[]>>): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/problem+json' },
    body: JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? '', status, detail, errors }),
  };
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
