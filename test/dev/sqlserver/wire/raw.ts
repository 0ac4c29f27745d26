/** TDS by hand, for what no driver would send: packets, LOGIN7, and a socket that hands out packets one by one. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { type Packet, PacketDecoder } from '../../../../dev/sqlserver/wire/packets.ts';

/** One packet that is a whole message. */
export function packet(type: number, payload: Uint8Array, status = 1): Buffer {
  const header = Buffer.from([type, status, 0, 0, 0, 0, 1, 0]);
  header.writeUInt16BE(payload.length + header.length, 2);
  return Buffer.concat([header, payload]);
}

/** A PRELOGIN with nothing but the ENCRYPTION option: 0 off, 1 on, 2 not supported. */
export function prelogin(encryption: number): Buffer {
  return packet(0x12, Buffer.from([1, 0, 6, 0, 1, 0xff, encryption]));
}

/** A LOGIN7 with nothing but a user, a password and a database. */
export function login7(userName: string, password: string, database: string): Buffer {
  const fixed = Buffer.alloc(94);
  const texts: Buffer[] = [];
  let offset = fixed.length;
  fixed.writeUInt32LE(0x74000004, 4);
  fixed.writeUInt32LE(4096, 8);
  const scrambled = Buffer.from(password, 'utf16le').map((byte) => ((byte << 4) | (byte >>> 4)) ^ 0xa5);
  const fields = ['', userName, scrambled, '', '', '', '', '', database];
  for (const [i, field] of fields.entries()) {
    const bytes = typeof field === 'string' ? Buffer.from(field, 'utf16le') : Buffer.from(field);
    fixed.writeUInt16LE(offset, 36 + i * 4);
    fixed.writeUInt16LE(bytes.length / 2, 38 + i * 4);
    offset += bytes.length;
    texts.push(bytes);
  }
  const message = Buffer.concat([fixed, ...texts]);
  message.writeUInt32LE(message.length, 0);
  return packet(0x10, message);
}

/** A socket to the server that cuts what comes into packets. */
export class RawConnection {
  readonly socket: Socket;
  readonly #packets: Packet[] = [];
  #arrived: () => void = () => {};

  constructor(port: number) {
    this.socket = createConnection(port, '127.0.0.1');
    const decoder = new PacketDecoder();
    this.socket.on('data', (chunk) => {
      this.#packets.push(...decoder.decode(chunk));
      this.#arrived();
    });
    this.socket.on('close', () => this.#arrived());
    this.socket.on('error', () => {});
  }

  /** The next packet, or undefined where the server has closed the connection. */
  async next(): Promise<Packet | undefined> {
    while (this.#packets.length === 0 && !this.socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    return this.#packets.shift();
  }

  /** Logs in without TLS. */
  async login(userName: string, password: string, database: string): Promise<void> {
    this.socket.write(prelogin(2));
    await this.next();
    this.socket.write(login7(userName, password, database));
    await this.next();
  }

  async close(): Promise<void> {
    if (this.socket.closed) return;
    const closed = once(this.socket, 'close');
    this.socket.destroy();
    await closed;
  }
}
