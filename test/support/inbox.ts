/** What notifications reach in tests: an HTTP server and an SMTP server that keep what they are sent. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createTlsHttpServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

/** A certificate with its key, as PEM text. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** A request that came in. `url` is path and query. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How the HTTP server answers: a status with a text, or never. */
type HttpAnswer = { readonly status: number; readonly text?: string; readonly location?: string } | 'hang';

/** A running HTTP server. */
export interface HttpInbox {
  readonly url: string;
  /** In the order in which they came. */
  readonly received: Received[];
  answer(request: (received: Received) => HttpAnswer): void;
  close(): Promise<void>;
}

/** Starts an HTTP server (HTTPS with an identity) that answers 200 until told otherwise. */
export async function startHttpInbox(identity?: Identity): Promise<HttpInbox> {
  const received: Received[] = [];
  let answer: (received: Received) => HttpAnswer = () => ({ status: 200, text: 'ok' });
  const server: Server = identity === undefined ? createServer() : createTlsHttpServer(identity);
  server.on('request', async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const call = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    received.push(call);
    const how = answer(call);
    if (how === 'hang') return;
    response.writeHead(how.status, { 'Content-Type': 'text/plain', ...(how.location && { Location: how.location }) });
    response.end(how.text ?? '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${identity === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    received,
    answer(request) {
      answer = request;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A mail that came in. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as they came, lines ended by \n. */
  readonly data: string;
  /** `user:password`, where there was a login. */
  readonly login?: string;
  /** Whether it came through TLS. */
  readonly encrypted: boolean;
}

/** How the SMTP server behaves. */
export interface SmtpOptions {
  /** Offers STARTTLS. */
  readonly identity?: Identity;
  /** Speaks TLS from the first byte. */
  readonly implicit?: boolean;
  /** Answers to commands by their first word (`GREETING` for the first line) instead of the usual ones; `hang` is silence. */
  readonly answers?: Readonly<Record<string, string>>;
}

/** A running SMTP server. */
export interface SmtpInbox {
  readonly port: number;
  readonly received: Mail[];
  close(): Promise<void>;
}

/** Starts as much of an SMTP server (https://www.rfc-editor.org/rfc/rfc5321) as a client needs to deliver mail. */
export async function startSmtpInbox(options: SmtpOptions = {}): Promise<SmtpInbox> {
  const received: Mail[] = [];
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    if (options.implicit && options.identity) serve(secured(socket, options.identity), true);
    else serve(socket, false);
  });

  function serve(socket: Socket, encrypted: boolean, greet = true): void {
    let buffer = '';
    let mail = { from: '', to: [] as string[] };
    let login: string | undefined;
    let isData = false;
    const say = (word: string, text: string) => {
      const line = options.answers?.[word] ?? text;
      if (line !== 'hang') socket.write(`${line}\r\n`);
    };
    const take = (line: string) => {
      const word = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? '';
      switch (word) {
        case 'EHLO':
          say(
            word,
            ['250-test', ...(options.identity && !encrypted ? ['250-STARTTLS'] : []), '250 AUTH PLAIN'].join('\r\n'),
          );
          break;
        case 'STARTTLS':
          if (options.identity === undefined) {
            say(word, '502 not implemented');
            break;
          }
          socket.removeListener('data', read);
          socket.write('220 go ahead\r\n');
          serve(secured(socket, options.identity), true, false);
          break;
        case 'AUTH': {
          const [, user = '', password = ''] = Buffer.from(line.split(' ')[2] ?? '', 'base64')
            .toString()
            .split('\0');
          login = `${user}:${password}`;
          say(word, '235 welcome');
          break;
        }
        case 'MAIL':
          mail = { from: /<(.*?)>/.exec(line)?.[1] ?? '', to: [] };
          say(word, '250 ok');
          break;
        case 'RCPT':
          mail.to.push(/<(.*?)>/.exec(line)?.[1] ?? '');
          say(word, '250 ok');
          break;
        case 'DATA':
          isData = true;
          say(word, '354 go on');
          break;
        default:
          say(word, word === 'QUIT' ? '221 bye' : '500 what?');
      }
    };
    const read = (chunk: Buffer) => {
      buffer += chunk.toString();
      for (;;) {
        const end = buffer.indexOf(isData ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const text = buffer.slice(0, end);
        buffer = buffer.slice(end + (isData ? 5 : 2));
        if (!isData) take(text);
        else {
          isData = false;
          received.push({
            ...mail,
            data: text.replaceAll('\r\n', '\n'),
            encrypted,
            ...(login !== undefined && { login }),
          });
          say('.', '250 taken');
        }
      }
    };
    socket.on('data', read).on('error', () => {});
    if (greet) say('GREETING', '220 test');
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function secured(socket: Socket, identity: Identity): Socket {
  return new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(identity) });
}
