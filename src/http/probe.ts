/** Looks at the way to an endpoint for `check`: up to and with TLS without sending a request, or by one that changes nothing. */
import type { Socket } from 'node:net';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import type { AnswerFacts, EndpointFacts } from '../sync/check-facts.ts';
import type { DestinationConfig, HarmlessRequest } from '../sync/entity.ts';
import { SyncError } from '../sync/errors.ts';
import { authorization } from './destination.ts';
import { type Inspection, MAX_ANSWER_BYTES, openDispatcher } from './dispatcher.ts';
import { describeNetworkError } from './network-error.ts';

/** How long it may take (`signal` aborts then), and what takes secrets out of texts. */
export interface ProbeOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly redact: (text: string) => string;
}

/** So much later than `timeoutMs` connecting ends by itself: whoever aborts the signal tells of it. */
const SECOND_LIMIT_MS = 1000;

/** What was meant to end here: the connection came about. */
class Connected extends Error {}

/**
 * Connects as an attempt would, by the same proxy and with the same TLS, and hangs up without a request. Throws SyncError
 * DESTINATION_REFUSED.
 */
export async function probeEndpoint(config: DestinationConfig, options: ProbeOptions): Promise<EndpointFacts> {
  const url = new URL(config.url);
  const start = performance.now();
  const seen: { facts?: EndpointFacts; isProxied?: true } = {};
  const opened = await open(config, options, {
    onConnect(socket) {
      seen.facts = {
        address: formatAddress(socket),
        connectMs: performance.now() - start,
        ...(socket instanceof TLSSocket && { tls: tlsFacts(socket) }),
      };
      return new Connected();
    },
    onProxy() {
      seen.isProxied = true;
    },
  });
  try {
    await opened.dispatcher.request({ origin: url.origin, path: '/', method: 'HEAD' });
  } catch (error) {
    if (seen.facts === undefined) throw unreachable(error, config, url, options);
  } finally {
    await opened.close();
  }
  if (seen.facts === undefined) throw new Error('a request was answered without a connection');
  return {
    ...seen.facts,
    ...(seen.isProxied && config.proxy !== undefined && { proxy: new URL(config.proxy.url).host }),
  };
}

/**
 * Sends the request that the configuration calls harmless, with the headers and credentials of batches, and keeps nothing of the
 * answer but its status and Date. Redirects are not followed. Throws SyncError DESTINATION_REFUSED where no answer comes.
 */
export async function sendHarmlessRequest(
  config: DestinationConfig,
  { url: target, method }: HarmlessRequest,
  version: string,
  options: ProbeOptions,
): Promise<AnswerFacts> {
  const url = new URL(target);
  const opened = await open(config, options);
  try {
    const sentAt = Date.now();
    const response = await opened.dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: headersOf(config, version),
      signal: options.signal,
    });
    const answeredAt = Date.now();
    await response.body.dump({ limit: MAX_ANSWER_BYTES, signal: options.signal }).catch(() => {});
    const date = Date.parse(String(response.headers.date ?? ''));
    return {
      status: response.statusCode,
      durationMs: answeredAt - sentAt,
      // The header has whole seconds.
      clock: Number.isNaN(date)
        ? undefined
        : { aheadMs: date + 500 - (sentAt + answeredAt) / 2, uncertaintyMs: 500 + (answeredAt - sentAt) / 2 },
    };
  } catch (error) {
    throw unreachable(error, config, url, options);
  } finally {
    await opened.close();
  }
}

async function open(
  config: DestinationConfig,
  { timeoutMs, signal }: ProbeOptions,
  inspection: Omit<Inspection, 'connectTimeoutMs'> = {},
) {
  const dispatcher = await openDispatcher(
    { ...config, concurrency: 1, timeoutMs: Math.min(config.timeoutMs, timeoutMs + SECOND_LIMIT_MS) },
    { ...inspection, connectTimeoutMs: timeoutMs + SECOND_LIMIT_MS },
  );
  // While it connects, undici does not look at a request's signal.
  const cut = () => void dispatcher.destroy();
  signal.addEventListener('abort', cut);
  return {
    dispatcher,
    async close() {
      signal.removeEventListener('abort', cut);
      if (!signal.aborted) await dispatcher.destroy();
    },
  };
}

function unreachable(error: unknown, { proxy }: DestinationConfig, url: URL, { redact }: ProbeOptions): SyncError {
  const what = redact(describeNetworkError(error, url.host, proxy && new URL(proxy.url).host));
  return new SyncError(
    'DESTINATION_REFUSED',
    `${what.charAt(0).toUpperCase()}${what.slice(1)}.`,
    'Check destination.baseUrl and url, its tls and proxy, and the firewalls between.',
    { cause: error },
  );
}

function headersOf({ headers, auth }: DestinationConfig, version: string): Record<string, string> {
  const all = { Accept: '*/*', 'User-Agent': `tamhr-sync/${version}`, ...headers, ...authorization(auth) };
  const byName = new Map(Object.entries(all).map(([name, value]) => [name.toLowerCase(), [name, value]]));
  return Object.fromEntries(byName.values());
}

function formatAddress({ remoteAddress = '?', remotePort }: Socket): string {
  return `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
}

/** Of the chain without its root, whose expiry clients do not mind as long as they hold it. */
function tlsFacts(socket: TLSSocket): NonNullable<EndpointFacts['tls']> {
  const own = socket.getPeerCertificate(true);
  const chain = [own];
  for (let next = own.issuerCertificate; next && next !== next.issuerCertificate; next = next.issuerCertificate) {
    if (chain.includes(next)) break;
    chain.push(next);
  }
  const expiry = (certificate: PeerCertificate) => Date.parse(certificate.valid_to);
  const first = chain.reduce((one, other) => (expiry(other) < expiry(one) ? other : one));
  return {
    protocol: socket.getProtocol() ?? 'TLS',
    subject: nameOf(first.subject),
    issuer: nameOf(first.issuer),
    expiresAt: new Date(expiry(first)),
    isOwn: first === own,
  };
}

/** Names may be absent, and several. */
function nameOf(name: PeerCertificate['subject'] | undefined): string {
  return [name?.CN ?? name?.O ?? 'no name'].flat().join(', ');
}
