/** An HTTP proxy for tests: CONNECT tunnels and plain requests that it forwards, with or without a login. */
import { once } from 'node:events';
import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** How a proxy behaves. */
export interface ProxyOptions {
  /** `user:password` that a client must show; others get 407. */
  readonly login?: string;
  /** The proxy itself speaks TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Answered to each CONNECT instead of opening a tunnel; `close` closes the connection, `hang` never answers. */
  readonly refuse?: number | 'close' | 'hang' | undefined;
  /** `host:port` as a client asks for it → `host:port` where it really is. */
  readonly hosts?: Readonly<Record<string, string>>;
}

/** A running proxy. */
export interface ProxyServer {
  /** Without login. */
  readonly url: string;
  /** With one. */
  urlWith(login: string): string;
  /** What clients asked for: `CONNECT host:port`, or method and absolute URL. */
  readonly requests: readonly string[];
  /** The headers of these. */
  readonly headers: readonly IncomingHttpHeaders[];
  /** Connections from clients so far. */
  readonly connections: number;
  /** Waits until no client is connected. */
  left(): Promise<void>;
  /** As the option; may be changed at any time. */
  refuse: ProxyOptions['refuse'];
  close(): Promise<void>;
}

/** Starts a proxy on 127.0.0.1. */
export async function startProxy({ login, tls, refuse, hosts = {} }: ProxyOptions = {}): Promise<ProxyServer> {
  const requests: string[] = [];
  const headersSeen: IncomingHttpHeaders[] = [];
  const clients: Socket[] = [];
  const noted = (request: IncomingMessage) => {
    requests.push(`${request.method} ${request.url}`);
    headersSeen.push(request.headers);
  };
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => sockets.add(socket.on('error', () => {}));
  const isWelcome = ({ headers }: IncomingMessage) =>
    login === undefined || headers['proxy-authorization'] === `Basic ${Buffer.from(login).toString('base64')}`;

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    noted(request);
    if (!isWelcome(request)) {
      response.writeHead(407, { 'Proxy-Authenticate': 'Basic' }).end('a login is needed');
      return;
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const onward = forward(request.url ?? '', { method: request.method ?? '', headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  };

  const server = tls ? createTlsServer(tls, onRequest) : createServer(onRequest);
  server.on('secureConnection', keep).on('connection', (socket) => {
    keep(socket);
    clients.push(socket);
  });
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const target = request.url ?? '';
    noted(request);
    const { refuse } = proxy;
    if (refuse === 'hang') return;
    if (refuse === 'close') return void socket.destroy();
    const status = isWelcome(request) ? refuse : 407;
    if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\n\r\n`);
    const [host = '', port = ''] = (hosts[target] ?? target).split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    keep(onward).add(socket);
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const scheme = tls ? 'https' : 'http';
  const { port } = server.address() as AddressInfo;
  const proxy: ProxyServer = {
    url: `${scheme}://127.0.0.1:${port}`,
    urlWith: (text) => `${scheme}://${text}@127.0.0.1:${port}`,
    requests,
    headers: headersSeen,
    get connections() {
      return clients.length;
    },
    refuse,
    async left() {
      for (const client of clients) if (!client.closed) await once(client, 'close');
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
