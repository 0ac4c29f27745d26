/** Sends batches to one HTTP endpoint, one attempt at a time; whether to try again is not decided here. */
import { STATUS_CODES } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Dispatcher } from 'undici';
import type { Auth } from '../sync/entity.ts';
import { maskValues, maskValuesInEach } from '../sync/mask.ts';
import type { Attempt, Batch, Destination } from '../sync/ports.ts';
import { readBody } from './answer-body.ts';
import { answerText } from './answer-text.ts';
import { type Endpoint, MAX_ANSWER_BYTES, maxReportBytes, notingWrite, openDispatcher } from './dispatcher.ts';
import { hasKeyPlace, keyedPath } from './keyed-path.ts';
import { describeNetworkError, isAnswerTimeout } from './network-error.ts';
import { rejectedRows, UnclearReportError } from './rejected-rows.ts';
import { waitOf } from './wait.ts';

/** What a destination needs besides its configuration. */
export interface DestinationOptions {
  /** The program's version, for User-Agent. */
  readonly version: string;
  /** Takes secrets out of a text: receivers echo headers. */
  readonly redact: (text: string) => string;
}

/** How long the rest of a 2xx answer is awaited, so that its connection can be used again. */
const DRAIN_MS = 2000;

/** What came of an attempt, whenever that was. */
type Result = Omit<Attempt, 'startedAt' | 'durationMs'>;

/**
 * A destination for batches, with at most `config.concurrency` connections, opened by the first attempt.
 *
 * An attempt takes `config.timeoutMs` at most, from connecting to the answer's last byte. Any 2xx is success as soon as
 * its status is there, unless its body tells of rows (config.rejectedRows, 207): then that is read, too. Redirects are not
 * followed. Where the caller's signal cut the attempt off, `error` says so, and the signal is aborted. `config.url` is a
 * valid http or https URL.
 *
 * Where the URL has a place for a key, a batch is one row, and its attempt a request without a body. What cannot be sent so is
 * an attempt with `notSent` and an error.
 */
export function createDestination(config: Endpoint, { version, redact }: DestinationOptions): Destination {
  const url = new URL(config.url);
  const pathFor = hasKeyPlace(config.url) ? keyedPath(config.url) : undefined;
  const proxy = config.proxy && new URL(config.proxy.url);
  let opened: Promise<Dispatcher> | undefined;

  async function send(batch: Batch, signal: AbortSignal): Promise<Result> {
    const deadline = AbortSignal.timeout(config.timeoutMs);
    let isWritten = false;
    const whyNoAnswer = (error: unknown): string => {
      if (signal.aborted) return 'aborted before the answer was complete';
      if (deadline.aborted || (isWritten && isAnswerTimeout(error))) {
        return `no complete answer from ${url.host} within ${config.timeoutMs / 1000} s`;
      }
      return describeNetworkError(error, url.host, proxy?.host);
    };
    const path = pathFor === undefined ? url.pathname + url.search : pathFor(batch.keys);
    if (path === undefined) {
      return { error: `not sent: the URL takes one key, which is neither empty nor "." or ".."`, notSent: true };
    }
    let response: Dispatcher.ResponseData;
    try {
      opened ??= openDispatcher(config);
      const dispatcher = await opened;
      const body = pathFor === undefined ? await encodedBody(config, batch) : null;
      const cut = AbortSignal.any([signal, deadline]);
      // Aborted before anybody listens for it: undici would connect first.
      cut.throwIfAborted();
      const noteWrite = () => {
        isWritten = true;
      };
      const request = notingWrite(dispatcher, noteWrite).request({
        origin: url.origin,
        method: config.method,
        path,
        headers: headersOf(config, version, batch.id, body !== null),
        body,
        signal: cut,
      });
      // While it connects, undici does not look at the signal; when connected, it drops what was cut.
      response = await unlessAborted(request, cut);
    } catch (error) {
      return { error: redact(whyNoAnswer(error)), ...(!isWritten && { notSent: true }) };
    }
    const { statusCode: status, headers } = response;
    const waitMs = waitOf(status, headers, Date.now());
    const answer = { status, ...(waitMs !== undefined && { waitMs }) };
    if (isSuccess(status)) return { ...answer, ...(await reportIn(response, batch, whyNoAnswer)) };

    const told = await readBody(response, MAX_ANSWER_BYTES).then(
      (text) => withoutStatus(explanationIn(response, text), status),
      (error: unknown) => `its answer could not be read: ${whyNoAnswer(error)}`,
    );
    return { ...answer, error: failure(status, maskValues(redact(told), payloadsOf(batch))) };
  }

  /** What a 2xx says of rows, where it may say something of them. */
  async function reportIn(
    response: Dispatcher.ResponseData,
    batch: Batch,
    whyNoAnswer: (error: unknown) => string,
  ): Promise<Pick<Result, 'error' | 'rejected'>> {
    const { statusCode: status, body } = response;
    const isNeeded = status === 207 || (config.rejectedRows !== undefined && !WITHOUT_BODY.includes(status));
    if (!isNeeded) {
      await body.dump({ limit: MAX_ANSWER_BYTES, signal: AbortSignal.timeout(DRAIN_MS) }).catch(() => {});
      return {};
    }
    try {
      const text = await readBody(response, maxReportBytes(config));
      const rows = rejectedRows(text, batch.keys, config.rejectedRows);
      if (rows.length === 0) return {};
      // A reason may quote another row: "the same as …".
      const reasons = maskValuesInEach(
        rows.map(({ reason }) => redact(reason)),
        payloadsOf(batch),
      );
      return { rejected: rows.map((row, index) => ({ ...row, reason: reasons[index] as string })) };
    } catch (error) {
      const why = error instanceof UnclearReportError ? error.message : whyNoAnswer(error);
      return { error: failure(status, `what it says of its rows could not be understood: ${redact(why)}`) };
    }
  }

  return {
    async attempt(batch, signal) {
      const startedAt = new Date();
      const start = performance.now();
      const result = await send(batch, signal);
      return { startedAt, durationMs: Math.round(performance.now() - start), ...result };
    },
    async close() {
      // Why it could not be opened was told by the attempts.
      const dispatcher = await opened?.catch(() => undefined);
      await dispatcher?.destroy();
    },
  };
}

/** Statuses of 2xx that never come with one: https://www.rfc-editor.org/rfc/rfc9110#section-15.3 */
const WITHOUT_BODY: readonly number[] = [204, 205];

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** An answer that is no success, as one line. */
function failure(status: number, told: string): string {
  const line = `HTTP ${status} ${STATUS_CODES[status] ?? ''}`.trim();
  return told === '' ? line : `${line}: ${told}`;
}

/**
 * What comes first: the answer, or that the signal aborts. The listener goes at once: by it a signal that waits for its timeout
 * would keep the request with its body.
 */
async function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const listener = () => reject(signal.reason);
  signal.addEventListener('abort', listener, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    signal.removeEventListener('abort', listener);
  }
}

const compressed = promisify(gzip);

async function encodedBody({ compression }: Endpoint, { body }: Batch): Promise<Uint8Array> {
  return compression === 'gzip' ? compressed(body) : body;
}

/** A request's headers; of two with one name, whatever its case, the later one is sent. */
function headersOf(
  { headers, auth, compression, idempotencyHeader }: Endpoint,
  version: string,
  batchId: string,
  hasBody: boolean,
): Record<string, string> {
  const all = {
    ...(hasBody && { 'Content-Type': 'application/json' }),
    Accept: 'application/json, text/*;q=0.5',
    'User-Agent': `tamhr-sync/${version}`,
    ...headers,
    ...authorization(auth),
    ...(hasBody && compression !== 'none' && { 'Content-Encoding': compression }),
    ...(idempotencyHeader !== null && { [idempotencyHeader]: batchId }),
  };
  const byName = new Map(Object.entries(all).map(([name, value]) => [name.toLowerCase(), [name, value]]));
  return Object.fromEntries(byName.values());
}

/** The headers by which a request proves who sends it. */
export function authorization(auth: Auth): Record<string, string> {
  switch (auth.type) {
    case 'none':
      return {};
    case 'apiKey':
      return { [auth.header]: auth.value };
    case 'basic':
      // UTF-8: https://www.rfc-editor.org/rfc/rfc7617#section-2.1
      return { Authorization: `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}` };
    case 'bearer':
      return { Authorization: `Bearer ${auth.token}` };
  }
}

/** What the answer says of its failure, and where a redirect leads (without its query, which may hold secrets). */
function explanationIn({ statusCode, headers }: Dispatcher.ResponseData, body: string): string {
  const { location } = headers;
  if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
    return `redirects are not followed; it leads to ${location.replace(/[?#].*/s, '')}`;
  }
  return answerText(String(headers['content-type'] ?? ''), body);
}

/** The text without the status at its start: servers repeat it in titles. */
function withoutStatus(text: string, status: number): string {
  const reason = STATUS_CODES[status] ?? '';
  const repeated = [`${status} ${reason}`, `${status} - ${reason}`, reason].find((start) =>
    text.toLowerCase().startsWith(start.toLowerCase()),
  );
  const rest = text.slice(repeated?.length);
  return reason === '' || /^\p{L}/u.test(rest) ? text : rest.replace(/^[\s:;.-]+/, '');
}

/** The JSON of each row in the batch's body: an array without white space. */
function payloadsOf({ body, offsets }: Batch): string[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Array.from(offsets, (offset, index) =>
    bytes.toString('utf8', offset, (offsets[index + 1] ?? body.length) - 1),
  );
}
