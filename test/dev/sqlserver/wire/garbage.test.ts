import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Faults } from '../../../../dev/sqlserver/faults.ts';
import { type Listener, listen } from '../../../../dev/sqlserver/wire/listener.ts';
import { connect, disconnect, request } from './client.ts';
import { FakeEngine } from './fake-engine.ts';
import { login7, packet, prelogin, RawConnection } from './raw.ts';

describe('a client that sends garbage', () => {
  let listener: Listener;
  const warnings: Error[] = [];
  const note = (warning: Error): number => warnings.push(warning);
  before(async () => {
    process.on('warning', note);
    listener = await listen({ engine: new FakeEngine(), faults: new Faults() });
  });
  after(async () => {
    process.off('warning', note);
    await listener.close();
  });

  /** Everybody else is still served, and nothing surprised the server. */
  async function othersAreServed(): Promise<void> {
    const connection = await connect(listener.port);
    assert.equal((await request(connection, 'SELECT 1')).error, undefined);
    await disconnect(connection);
    assert.deepEqual(warnings, []);
  }

  const bytes = fc.uint8Array({ maxLength: 200 });

  it('instead of a login hurts nobody', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0x12, 0x10, 0x01, 0x03, 0x99), bytes, bytes, async (type, first, second) => {
        const raw = new RawConnection(listener.port);
        raw.socket.write(packet(type, first));
        raw.socket.end(second);
        while ((await raw.next()) !== undefined);
        await raw.close();
      }),
      { numRuns: 60 },
    );
    await othersAreServed();
  });

  it('in the shape of a LOGIN7 hurts nobody', async () => {
    const good = login7('sa', 'Secret-1', 'TAMHR_LOG');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 8, max: 93 }), fc.nat(255), async (position, value) => {
        const broken = Buffer.from(good);
        broken[position] = value;
        const raw = new RawConnection(listener.port);
        raw.socket.write(prelogin(2));
        await raw.next();
        raw.socket.write(broken);
        raw.socket.end();
        while ((await raw.next()) !== undefined);
        await raw.close();
      }),
      { numRuns: 60 },
    );
    await othersAreServed();
  });

  it('after a login hurts nobody', async () => {
    const allHeaders = Buffer.from([4, 0, 0, 0]);
    const types = fc.constantFrom(0x01, 0x03, 0x06, 0x07, 0x0e, 0x10, 0x12);
    await fc.assert(
      fc.asyncProperty(types, fc.boolean(), bytes, async (type, withHeaders, body) => {
        const raw = new RawConnection(listener.port);
        await raw.login('sa', 'Secret-1', 'TAMHR_LOG');
        if (type === 0x07) {
          raw.socket.write(packet(0x01, Buffer.concat([allHeaders, Buffer.from('INSERT BULK t (n int)', 'utf16le')])));
          await raw.next();
        }
        raw.socket.write(packet(type, withHeaders ? Buffer.concat([allHeaders, body]) : body));
        raw.socket.end();
        while ((await raw.next()) !== undefined);
        await raw.close();
      }),
      { numRuns: 150 },
    );
    await othersAreServed();
  });
});
