/** Opens the way to one endpoint: connections, TLS, proxy. */
import { isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import type { buildConnector, Dispatcher } from 'undici';
import type { DestinationConfig, DestinationTls } from '../sync/entity.ts';

/** An answer that is longer is not read to its end. */
export const MAX_ANSWER_BYTES = 1024 * 1024;

/** A proxy that opens no tunnel within this time has failed; undici gives TCP and TLS as long. */
const TUNNEL_TIMEOUT_MS = 10_000;

type Connector = buildConnector.connector;

/**
 * A dispatcher for requests to the origin of `config.url`, with at most `config.concurrency` connections, opened by the
 * first request.
 *
 * Where the proxy itself cannot be reached, the error's code begins with UND_ERR_PRX, and why is its cause.
 */
export async function openDispatcher(config: DestinationConfig): Promise<Dispatcher> {
  const { buildConnector, EnvHttpProxyAgent, errors, Pool } = await import('undici');
  const { url, proxy } = config;
  const tls = { ...config.tls, allowH2: false };
  const limits = {
    connections: config.concurrency,
    allowH2: false,
    maxResponseSize: MAX_ANSWER_BYTES,
    // Each attempt has a deadline of its own, which covers both.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const connectDirectly = buildConnector(tls);
  const openPool = (origin: string | URL, connect: Connector) =>
    new Pool(origin, { ...limits, connect: heedingAlerts(connect) });
  if (proxy === undefined) return openPool(new URL(url).origin, connectDirectly);

  /** Connects to the proxy, and marks an error as the proxy's. */
  const toProxy =
    (connect: Connector): Connector =>
    ({ servername = '', ...options }, callback) =>
      // undici sets an address too, which Node deprecates (DEP0123).
      connect({ ...options, ...(isIP(servername) === 0 && { servername }) }, (...result) =>
        result[0] === null ? callback(...result) : callback(new errors.ProxyConnectionError(result[0]), null),
      );
  const proxyUrl = new URL(proxy.url).href;
  return new EnvHttpProxyAgent({
    httpProxy: proxyUrl,
    httpsProxy: proxyUrl,
    noProxy: proxy.noProxy,
    connect: connectDirectly,
    requestTls: tls,
    proxyTls: { allowH2: false, ...authoritiesOfProxy(config.tls) },
    // For the endpoint, reached directly or through a tunnel, or for the proxy that forwards plain requests.
    factory: (origin, options) => {
      const { connect } = options as { connect: Connector };
      return openPool(origin, String(origin) === proxyUrl ? toProxy(connect) : connect);
    },
    // For the proxy that is asked for tunnels.
    clientFactory: (origin, options) => {
      const { connect } = options as { connect: Connector };
      return new Pool(origin, {
        connect: toProxy(connect),
        headersTimeout: Math.min(config.timeoutMs, TUNNEL_TIMEOUT_MS),
      });
    },
  });
}

/**
 * Node emits a TLS alert that comes after the handshake (with TLS 1.3: the client certificate's refusal) without destroying
 * the socket, and of its two errors undici tells the last one: that the other side closed it.
 */
function heedingAlerts(connect: Connector): Connector {
  return (options, callback) =>
    connect(options, (...result) => {
      result[1]?.on('error', (error) => result[1]?.destroy(error));
      callback(...result);
    });
}

/** `ca` is the endpoint's authority; the proxy may have a certificate of one that everybody trusts. */
function authoritiesOfProxy(tls: DestinationTls | undefined): { ca?: string[] } {
  return tls?.ca === undefined ? {} : { ca: [...getCACertificates('default'), tls.ca] };
}
