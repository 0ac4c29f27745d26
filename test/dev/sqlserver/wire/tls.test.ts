import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Faults } from '../../../../dev/sqlserver/faults.ts';
import { type Listener, type ListenOptions, listen } from '../../../../dev/sqlserver/wire/listener.ts';
import { PacketDecoder } from '../../../../dev/sqlserver/wire/packets.ts';
import { testAuthority } from '../../../../dev/sqlserver/wire/tls.ts';
import { connect, disconnect, request } from './client.ts';
import { FakeEngine } from './fake-engine.ts';

const ca = testAuthority();

async function withListener(options: Partial<ListenOptions>, use: (port: number) => Promise<void>): Promise<void> {
  const engine = new FakeEngine();
  engine.on('rows', () => [
    { kind: 'columns', columns: [{ name: 't', type: { name: 'nvarchar', length: 4000 }, nullable: true }] },
    ...Array.from({ length: 3000 }, () => ({ kind: 'row', values: ['語'.repeat(100)] }) as const),
    { kind: 'done', rowCount: 3000 },
  ]);
  const listener: Listener = await listen({ engine, faults: new Faults(), ...options });
  try {
    await use(listener.port);
  } finally {
    await listener.close();
  }
}

async function readsRows(port: number, options: Parameters<typeof connect>[1]): Promise<void> {
  const connection = await connect(port, options);
  assert.equal((await request(connection, 'rows')).rowCount, 3000);
  await disconnect(connection);
}

describe('TLS of the stand-in', () => {
  it('verifies against the test authority and carries large answers', () =>
    withListener({}, (port) => readsRows(port, { encrypt: true, cryptoCredentialsDetails: { ca } })));

  it('is refused by a client that does not know the authority', () =>
    withListener({}, async (port) => {
      await assert.rejects(connect(port, { encrypt: true }), /certificate/i);
    }));

  it('is taken by a client that trusts any certificate', () =>
    withListener({}, (port) => readsRows(port, { encrypt: true, trustServerCertificate: true })));

  it('is left out for a client that wants none', () => withListener({}, (port) => readsRows(port, { encrypt: false })));

  it('keeps out a client without TLS where it is required', () =>
    withListener({ tls: 'required' }, async (port) => {
      await assert.rejects(connect(port, { encrypt: false }));
      await readsRows(port, { encrypt: true, cryptoCredentialsDetails: { ca } });
    }));

  it('keeps out a client that insists on TLS where it is off', () =>
    withListener({ tls: 'off' }, async (port) => {
      await assert.rejects(connect(port, { encrypt: true, trustServerCertificate: true }));
      await readsRows(port, { encrypt: false });
    }));

  it('speaks an old version only to a client that lowers its minimum', () =>
    withListener({ minTlsVersion: 'TLSv1', maxTlsVersion: 'TLSv1' }, async (port) => {
      await assert.rejects(connect(port, { encrypt: true, trustServerCertificate: true }));
      await readsRows(port, {
        encrypt: true,
        trustServerCertificate: true,
        cryptoCredentialsDetails: { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' },
      });
    }));

  it('covers the login alone for a client that asks for that', () =>
    withListener({}, async (port) => {
      const socket = createConnection(port, '127.0.0.1');
      const packets: { type: number; payload: Buffer }[] = [];
      let arrived: () => void = () => {};
      const decoder = new PacketDecoder();
      socket.on('data', (chunk) => {
        packets.push(...decoder.decode(chunk));
        arrived();
      });
      const nextPacket = async (): Promise<{ type: number; payload: Buffer }> => {
        while (packets.length === 0) {
          await new Promise<void>((resolve) => {
            arrived = resolve;
          });
        }
        return packets.shift() as { type: number; payload: Buffer };
      };
      const packet = (type: number, payload: Buffer): Buffer => {
        const header = Buffer.from([type, 1, 0, 0, 0, 0, 1, 0]);
        header.writeUInt16BE(payload.length + 8, 2);
        return Buffer.concat([header, payload]);
      };
      // ENCRYPTION = 0: encryption off, but the login is to be hidden.
      socket.write(packet(0x12, Buffer.from([1, 0, 6, 0, 1, 0xff, 0])));
      const prelogin = (await nextPacket()).payload;
      assert.equal(prelogin[prelogin.readUInt16BE(6)], 0);

      let handshaken = false;
      const channel = new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          socket.write(handshaken ? chunk : packet(0x12, chunk), done);
        },
      });
      const secure: TLSSocket = connectTls({ socket: channel, ca, host: 'localhost', servername: 'localhost' });
      const feed = async (): Promise<void> => {
        while (!handshaken) channel.push((await nextPacket()).payload);
      };
      void feed();
      await once(secure, 'secureConnect');
      handshaken = true;
      secure.write(packet(0x10, login7('sa', 'Secret-1', 'TAMHR_LOG')));
      const answer = await nextPacket();
      assert.equal(answer.type, 0x04, 'the answer to the login comes in clear');
      assert.ok(answer.payload.includes(Buffer.from('Microsoft SQL Server', 'utf16le')));
      socket.write(packet(0x01, Buffer.concat([Buffer.from([4, 0, 0, 0]), Buffer.from('rows', 'utf16le')])));
      assert.equal((await nextPacket()).payload[0], 0x81, 'and so does everything after it');
      socket.destroy();
    }));
});

/** A LOGIN7 with nothing but a user, a password and a database. */
function login7(userName: string, password: string, database: string): Buffer {
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
  return message;
}
