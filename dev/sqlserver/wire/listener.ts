/** The listening socket of the stand-in, on 127.0.0.1 only, and the connections that came in through it. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { SecureVersion } from 'node:tls';
import type { Engine } from '../engine.ts';
import type { Faults } from '../faults.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { MAX_PACKET_SIZE } from './packets.ts';
import type { TlsMode } from './prelogin.ts';
import { serverContext } from './tls.ts';

/** How to listen. */
export interface ListenOptions {
  readonly engine: Engine;
  readonly faults: Faults;
  /** 0 or absent: a free one. */
  readonly port?: number | undefined;
  /** 'on' (the default) gives a client what it wants. */
  readonly tls?: TlsMode | undefined;
  /** TLSv1.2 if absent, as the newest that TDS 7 takes. */
  readonly minTlsVersion?: SecureVersion | undefined;
  readonly maxTlsVersion?: SecureVersion | undefined;
  /** None if absent: a login with Windows credentials is refused. */
  readonly windowsLogin?: ConnectionOptions['windowsLogin'];
  /** The largest packet the server agrees to, in bytes; 32,767 if absent. */
  readonly packetSize?: number | undefined;
  /** Called with each statement's text before it runs. */
  readonly record?: ((statement: string) => void) | undefined;
}

/** A listening server. */
export interface Listener {
  readonly port: number;
  /** Cuts all connections, and waits until their sessions have ended; new ones are still taken. */
  dropConnections(): Promise<void>;
  /** Takes no more connections, ends or resets those there are, and waits until all have gone. */
  close(how?: 'end' | 'reset'): Promise<void>;
}

/** Listens; rejects with EADDRINUSE and the like. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { minTlsVersion, maxTlsVersion } = options;
  const shared: ConnectionOptions = {
    engine: options.engine,
    faults: options.faults,
    tlsMode: options.tls ?? 'on',
    secureContext: serverContext({
      ...(minTlsVersion === undefined ? {} : { minTlsVersion }),
      ...(maxTlsVersion === undefined ? {} : { maxTlsVersion }),
    }),
    windowsLogin: options.windowsLogin,
    packetSize: Math.min(options.packetSize ?? MAX_PACKET_SIZE, MAX_PACKET_SIZE),
    record: options.record ?? (() => {}),
  };
  const connections = new Set<Connection>();
  const server: Server = createServer((socket) => {
    const connection = new Connection(socket, shared);
    connections.add(connection);
    connection.closed.then(() => connections.delete(connection));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');

  const dropConnections = async (how: 'end' | 'reset' = 'end'): Promise<void> => {
    for (const connection of connections) connection.destroy(how);
    await Promise.all([...connections].map((connection) => connection.closed));
  };
  return {
    port: (server.address() as AddressInfo).port,
    dropConnections: () => dropConnections(),
    async close(how) {
      const closed = once(server, 'close');
      server.close();
      await dropConnections(how);
      await closed;
    },
  };
}
