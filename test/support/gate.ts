/** A TCP gate in front of a server: passes bytes on, counts them, and on demand stops in the middle of them. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

type Direction = 'requests' | 'answers';

/** A running gate. */
export interface Gate {
  /** What stands for the server's own URL. */
  readonly url: string;
  /**
   * Passes `bytes` more in this direction, over all connections, and from then on none. Resolves as soon as there is one
   * that it keeps back.
   */
  stopAfter(direction: Direction, bytes: number): Promise<void>;
  /** Passes everything again; what was kept back is lost, and its connections with it. */
  open(): void;
  /** Cuts every connection and stops. */
  close(): Promise<void>;
}

/** Opens a gate in front of a server on this machine. */
export async function openGate(serverUrl: string): Promise<Gate> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const stuck = new Set<Socket>();
  const left = { requests: Number.POSITIVE_INFINITY, answers: Number.POSITIVE_INFINITY };
  const stopped = { requests: Promise.withResolvers<void>(), answers: Promise.withResolvers<void>() };

  function pass(direction: Direction, from: Socket, to: Socket): void {
    from.on('data', (bytes: Buffer) => {
      if (stuck.has(from)) return;
      to.write(bytes.subarray(0, left[direction]));
      left[direction] -= bytes.length;
      if (left[direction] >= 0) return;
      left[direction] = 0;
      stuck.add(from);
      stopped[direction].resolve();
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      to.destroy();
      sockets.delete(from);
      stuck.delete(from);
    });
    sockets.add(from);
  }

  const gate = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    pass('requests', client, server);
    pass('answers', server, client);
  });
  gate.listen(0, '127.0.0.1');
  await once(gate, 'listening');
  return {
    url: `${target.protocol}//127.0.0.1:${(gate.address() as AddressInfo).port}`,
    stopAfter(direction, bytes) {
      left[direction] = bytes;
      stopped[direction] = Promise.withResolvers<void>();
      return stopped[direction].promise;
    },
    open() {
      left.requests = Number.POSITIVE_INFINITY;
      left.answers = Number.POSITIVE_INFINITY;
      for (const socket of stuck) socket.destroy();
    },
    async close() {
      gate.close();
      for (const socket of sockets) socket.destroy();
      await once(gate, 'close');
    },
  };
}
