import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Faults } from '../../../../dev/sqlserver/faults.ts';
import { type Listener, type ListenOptions, listen } from '../../../../dev/sqlserver/wire/listener.ts';
import { testAuthority } from '../../../../dev/sqlserver/wire/tls.ts';
import { connect, disconnect, request } from './client.ts';
import { FakeEngine } from './fake-engine.ts';
import { login7, packet, prelogin, RawConnection } from './raw.ts';

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

  it('delivers the rows that come before a planted cut, and refused logins', async () => {
    const faults = new Faults();
    await withListener({ faults }, async (port) => {
      const connection = await connect(port, { encrypt: true, cryptoCredentialsDetails: { ca } });
      faults.add({ match: /^rows$/, action: { truncateAfterRows: 1000 } });
      const { rows, error } = await request(connection, 'rows');
      assert.equal(error?.code, 'ECONNRESET');
      assert.equal(rows.length, 1000);
      await assert.rejects(
        connect(port, { encrypt: true, cryptoCredentialsDetails: { ca } }, 'sa', 'wrong'),
        /Login failed/,
      );
    });
  });

  it('covers the login alone for a client that asks for that', () =>
    withListener({}, async (port) => {
      const raw = new RawConnection(port);
      // ENCRYPTION = 0: encryption off, but the login is to be hidden.
      raw.socket.write(prelogin(0));
      const answer = (await raw.next())?.payload ?? Buffer.alloc(0);
      assert.equal(answer[answer.readUInt16BE(6)], 0);

      let handshaken = false;
      const channel = new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          raw.socket.write(handshaken ? chunk : packet(0x12, chunk), done);
        },
      });
      const secure: TLSSocket = connectTls({ socket: channel, ca, host: 'localhost', servername: 'localhost' });
      const secured = once(secure, 'secureConnect').then(() => {
        handshaken = true;
      });
      while (!handshaken) {
        channel.push((await raw.next())?.payload);
        await Promise.race([secured, new Promise((resolve) => setImmediate(resolve))]);
      }
      secure.write(login7('sa', 'Secret-1', 'TAMHR_LOG'));
      const login = await raw.next();
      assert.equal(login?.type, 0x04, 'the answer to the login comes in clear');
      assert.ok(login?.payload.includes(Buffer.from('Microsoft SQL Server', 'utf16le')));
      raw.socket.write(packet(0x01, Buffer.concat([Buffer.from([4, 0, 0, 0]), Buffer.from('rows', 'utf16le')])));
      assert.equal((await raw.next())?.payload[0], 0x81, 'and so does everything after it');
      await raw.close();
    }));
});
