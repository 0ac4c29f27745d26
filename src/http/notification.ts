/** Sends one notification by HTTP: a POST whose URL is a secret. */
import { STATUS_CODES } from 'node:http';
import type { Dispatcher } from 'undici';
import type { PingNotification, WebhookNotification } from '../sync/notification.ts';
import { readBody } from './answer-body.ts';
import { answerText } from './answer-text.ts';
import { openDispatcher } from './dispatcher.ts';
import { describeNetworkError } from './network-error.ts';

/** What is sent, and where to. */
export interface NotificationRequest
  extends Pick<WebhookNotification | PingNotification, 'timeoutMs' | 'tls' | 'proxy'> {
  /** Absolute; http or https. */
  readonly url: URL;
  /** Of the body, for Content-Type. */
  readonly type: 'application/json' | 'text/plain; charset=utf-8';
  readonly body: string;
}

/** What sending needs besides. */
export interface NotificationOptions {
  /** The program's version, for User-Agent. */
  readonly version: string;
  /** Cuts it off. */
  readonly signal: AbortSignal;
  /** Takes secrets out of a text: the answer may echo the URL. */
  readonly redact: (text: string) => string;
}

/** An answer is quoted up to here. */
const LONGEST_QUOTE = 200;
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Sends it once, within `timeoutMs`. Any 2xx is success: undefined. Else a phrase that says why not, which names the host
 * and nothing else of the URL; it may quote the answer. Redirects are not followed.
 */
export async function sendNotification(
  { url, type, body, timeoutMs, tls, proxy }: NotificationRequest,
  { version, signal, redact }: NotificationOptions,
): Promise<string | undefined> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const cut = AbortSignal.any([signal, deadline]);
  let dispatcher: Dispatcher | undefined;
  try {
    dispatcher = await openDispatcher({
      url: url.href,
      timeoutMs,
      concurrency: 1,
      batchSize: 1,
      ...(tls !== undefined && { tls }),
      ...(proxy !== undefined && { proxy }),
    });
    const exchange = answerTo(dispatcher, url, { type, body, version, redact, signal: cut });
    // While it connects, undici does not look at the signal.
    return await Promise.race([exchange, abortOf(cut)]);
  } catch (error) {
    if (signal.aborted) return `cut off before ${url.host} had answered`;
    if (deadline.aborted) return `no complete answer from ${url.host} within ${timeoutMs / 1000} s`;
    // Here the keys of TLS stand in the notification.
    return describeNetworkError(error, url.host, proxy && new URL(proxy.url).host).replaceAll(
      ' of the destination',
      '',
    );
  } finally {
    await dispatcher?.destroy();
  }
}

async function answerTo(
  dispatcher: Dispatcher,
  url: URL,
  { type, body, version, signal, redact }: Pick<NotificationRequest, 'type' | 'body'> & NotificationOptions,
): Promise<string | undefined> {
  const response = await dispatcher.request({
    origin: url.origin,
    method: 'POST',
    path: url.pathname + url.search,
    headers: { 'Content-Type': type, 'User-Agent': `tamhr-sync/${version}` },
    body,
    signal,
  });
  const { statusCode: status, headers } = response;
  if (status >= 200 && status < 300) {
    response.body.on('error', () => {}).destroy();
    return undefined;
  }
  const told = answerText(
    String(headers['content-type'] ?? ''),
    await readBody(response, MAX_ANSWER_BYTES).catch(() => ''),
  );
  const line = `${url.host} answered HTTP ${status} ${STATUS_CODES[status] ?? ''}`.trim();
  return told === '' ? line : `${line}: ${redact(told).slice(0, LONGEST_QUOTE)}`;
}

/** Rejects when the signal aborts. */
function abortOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}
