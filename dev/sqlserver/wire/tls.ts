/**
 * TLS as TDS 7 has it: the handshake's records travel inside PRELOGIN packets, everything after it is plain TLS on the
 * socket. The certificate is a test certificate for localhost and 127.0.0.1, signed by tls/ca.pem.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, type SecureVersion, TLSSocket } from 'node:tls';
import { encodePackets, HEADER_LENGTH, PacketDecoder, PacketType } from './packets.ts';

const read = (name: string): string => readFileSync(new URL(`./tls/${name}`, import.meta.url), 'utf8');

/** PEM of the authority that signed the server's certificate, for clients that verify it. */
export function testAuthority(): string {
  return read('ca.pem');
}

/** Versions of TLS that the server speaks. TDS 7.x stops at 1.2, as SQL Server does. */
export interface TlsVersions {
  readonly minTlsVersion?: SecureVersion;
  readonly maxTlsVersion?: SecureVersion;
}

/** The server's half of TLS, one for all connections. Versions before 1.2 need OpenSSL's security level 0. */
export function serverContext(versions: TlsVersions): SecureContext {
  const maxVersion = versions.maxTlsVersion ?? 'TLSv1.2';
  const minVersion = versions.minTlsVersion ?? 'TLSv1.2';
  const old = minVersion !== 'TLSv1.2' && minVersion !== 'TLSv1.3';
  return createSecureContext({
    cert: read('server-cert.pem'),
    key: read('server-key.pem'),
    minVersion,
    maxVersion,
    ...(old ? { ciphers: 'DEFAULT:@SECLEVEL=0' } : {}),
  });
}

/** What TLS talks to in place of the socket: it wraps and unwraps the handshake, and passes on what comes after it. */
class HandshakeChannel extends Duplex {
  readonly #socket: Socket;
  readonly #decoder = new PacketDecoder();
  #handshake = true;
  #flight: Buffer[] = [];

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  /** Bytes that came from the socket. Throws ProtocolError for a broken packet. */
  receive(chunk: Buffer): void {
    if (!this.#handshake) {
      this.push(chunk);
      return;
    }
    for (const packet of this.#decoder.decode(chunk)) this.push(packet.payload);
  }

  /** The handshake is over: what is left of its last flight is sent, and from now on bytes pass unwrapped. */
  finishHandshake(): void {
    this.#sendFlight();
    this.#handshake = false;
    const rest = this.#decoder.takeRest();
    if (rest.length > 0) this.push(rest);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (!this.#handshake) {
      this.#socket.write(chunk, callback);
      return;
    }
    // A client waits for one message per flight, however many writes OpenSSL makes of it.
    if (this.#flight.push(chunk) === 1) setImmediate(() => this.#sendFlight());
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#flight = [];
    callback(error);
  }

  #sendFlight(): void {
    if (this.#flight.length === 0 || this.#socket.destroyed) return;
    const framing = { type: PacketType.prelogin, packetSize: 4096 + HEADER_LENGTH, processId: 0, firstPacket: 1 };
    const { packets } = encodePackets(Buffer.concat(this.#flight), framing, true);
    this.#flight = [];
    this.#socket.write(packets);
  }
}

/** TLS on one connection: `receive` takes the socket's bytes, `stream` has the clear text in both directions. */
export interface TlsLayer {
  readonly stream: TLSSocket;
  receive(chunk: Buffer): void;
}

/** Starts the server's side of the handshake. The caller listens for 'error', 'data' and 'close' of `stream`. */
export function startTls(socket: Socket, secureContext: SecureContext): TlsLayer {
  const channel = new HandshakeChannel(socket);
  const stream = new TLSSocket(channel, { isServer: true, secureContext });
  // One turn later, since OpenSSL writes its Finished only after it has announced the end of the handshake.
  stream.once('secure', () => setImmediate(() => channel.finishHandshake()));
  return { stream, receive: (chunk) => channel.receive(chunk) };
}
