/** Opens the way to one endpoint: connections, TLS, proxy. */
import { isIP, type Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import type { buildConnector, Dispatcher } from 'undici';
import type { DeletedConfig, DestinationConfig, DestinationTls } from '../sync/entity.ts';

/** Where batches go, of upserts or of deletions. */
export interface Endpoint extends Omit<DestinationConfig, 'method'> {
  readonly method: DestinationConfig['method'] | DeletedConfig['method'];
}

/** As much of an endpoint as the way there needs. */
type Way = Pick<Endpoint, 'url' | 'tls' | 'proxy' | 'timeoutMs' | 'concurrency' | 'batchSize'>;

/** An answer that is longer is not read to its end, unless it tells of rows. */
export const MAX_ANSWER_BYTES = 1024 * 1024;

/** What an answer may say of each row, on average. */
const MAX_BYTES_PER_ROW = 1024;

/** An answer that tells of rows is read so far: there is space for all of them. */
export function maxReportBytes({ batchSize }: Pick<Endpoint, 'batchSize'>): number {
  return Math.max(MAX_ANSWER_BYTES, batchSize * MAX_BYTES_PER_ROW);
}

/** How much later than an attempt's own deadline undici ends it: only should that deadline ever fail to. */
const SECOND_DEADLINE_MS = 1000;

/** A proxy that opens no tunnel within this time has failed; undici gives TCP and TLS as long. */
const TUNNEL_TIMEOUT_MS = 10_000;

type Connector = buildConnector.connector;

/** For who looks at the way to an endpoint rather than sends batches. */
export interface Inspection {
  /** TCP and TLS each take this long at most. */
  readonly connectTimeoutMs: number;
  /**
   * Gets each connection with the endpoint (directly or through a tunnel) or with the proxy that forwards to it, before a
   * byte of a request is written. What it returns fails the connection, and so the request.
   */
  readonly onConnect?: (socket: Socket) => Error | null;
  /** Called when the proxy is reached. */
  readonly onProxy?: () => void;
}

/**
 * A dispatcher for requests to the origin of `config.url`, with at most `config.concurrency` connections, opened by the
 * first request.
 *
 * Where the proxy itself cannot be reached, the error's code begins with UND_ERR_PRX, and why is its cause.
 */
export async function openDispatcher(config: Way, inspection?: Inspection): Promise<Dispatcher> {
  const { buildConnector, EnvHttpProxyAgent, errors, Pool } = await import('undici');
  const { url, proxy } = config;
  const timeout = inspection && { timeout: inspection.connectTimeoutMs };
  const tls = { ...config.tls, ...timeout, allowH2: false };
  const limits = {
    connections: config.concurrency,
    allowH2: false,
    maxResponseSize: maxReportBytes(config),
    headersTimeout: config.timeoutMs + SECOND_DEADLINE_MS,
    bodyTimeout: config.timeoutMs + SECOND_DEADLINE_MS,
  };
  const connectDirectly = buildConnector(tls);
  const openPool = (origin: string | URL, connect: Connector) =>
    new Pool(origin, { ...limits, connect: heedingAlerts(inspected(connect, inspection)) });
  if (proxy === undefined) return openPool(new URL(url).origin, connectDirectly);

  /** Connects to the proxy, and marks an error as the proxy's. */
  const toProxy =
    (connect: Connector): Connector =>
    ({ servername = '', ...options }, callback) =>
      // undici sets an address too, which Node deprecates (DEP0123).
      connect({ ...options, ...(isIP(servername) === 0 && { servername }) }, (...result) => {
        if (result[0] !== null) return callback(new errors.ProxyConnectionError(result[0]), null);
        inspection?.onProxy?.();
        callback(...result);
      });
  const proxyUrl = new URL(proxy.url).href;
  return new EnvHttpProxyAgent({
    httpProxy: proxyUrl,
    httpsProxy: proxyUrl,
    noProxy: proxy.noProxy,
    connect: connectDirectly,
    requestTls: tls,
    proxyTls: { allowH2: false, ...timeout, ...authoritiesOfProxy(config.tls) },
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
 * The same dispatcher, for one request: `onWrite` is called right before its first byte is written, on the connection with
 * the endpoint (directly or through a tunnel) or with the proxy that forwards it.
 * https://github.com/nodejs/undici/blob/v8.12.4/lib/dispatcher/client-h1.js (writeH1)
 */
export function notingWrite(dispatcher: Dispatcher, onWrite: () => void): Dispatcher {
  return dispatcher.compose(
    (dispatch) => (options, handler) =>
      dispatch(options, {
        onRequestStart(controller, context) {
          // Here ends a request whose signal was aborted while it waited for its connection.
          handler.onRequestStart?.(controller, context);
          if (!controller.aborted) onWrite();
        },
        onResponseStart: (...answer) => handler.onResponseStart?.(...answer),
        onResponseData: (...chunk) => handler.onResponseData?.(...chunk),
        onResponseEnd: (...end) => handler.onResponseEnd?.(...end),
        onResponseError: (...failure) => handler.onResponseError?.(...failure),
      }),
  );
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

function inspected(connect: Connector, { onConnect }: Partial<Inspection> = {}): Connector {
  if (onConnect === undefined) return connect;
  return (options, callback) =>
    connect(options, (...result) => {
      const [error, socket] = result;
      const refusal = error === null ? onConnect(socket) : null;
      if (error !== null || refusal === null) return callback(...result);
      socket?.destroy();
      callback(refusal, null);
    });
}

/** `ca` is the endpoint's authority; the proxy may have a certificate of one that everybody trusts. */
function authoritiesOfProxy(tls: DestinationTls | undefined): { ca?: string[] } {
  return tls?.ca === undefined ? {} : { ca: [...getCACertificates('default'), tls.ca] };
}
