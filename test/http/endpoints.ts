/** What the tests of destinations send to, and what they send; closed after each test by closeAll. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { type Answer, type Receiver, type ReceiverOptions, startReceiver } from '../../dev/receiver.ts';
import { createDestination, type DestinationOptions } from '../../src/http/destination.ts';
import { createEntityDestination } from '../../src/http/entity-destination.ts';
import type { DeletedConfig, DestinationConfig } from '../../src/sync/entity.ts';
import type { Attempt, Batch, Destination } from '../../src/sync/ports.ts';
import { destinationConfig } from '../support/fakes.ts';

const closers: (() => Promise<unknown>)[] = [];

/** Closes what was opened here, the last one first. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0)) await close();
}

/** A running receiver that keeps the bodies it gets. */
export async function receiverOf(options?: ReceiverOptions): Promise<Receiver> {
  const receiver = await startReceiver({ keepBodies: true, ...options });
  closers.unshift(() => receiver.close());
  return receiver;
}

/** A server that does what `onSocket` does with each connection; its address as host:port. */
export async function rawServer(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.unshift(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What `destinationOf` redacts. */
export const SECRET = 'k-5f3a9c71';

const OPTIONS: DestinationOptions = { version: '1.2.3', redact: (text) => text.replaceAll(SECRET, '***') };

/** A destination at this URL, with defaults for everything else. */
export function destinationOf(url: string, config: Partial<DestinationConfig> = {}): Destination {
  return closing(createDestination(destinationConfig({ url, ...config }), OPTIONS));
}

/** The same for an entity whose deletions go where `deleted` says. */
export function entityDestinationOf(
  url: string,
  deleted: DeletedConfig | undefined,
  config: Partial<DestinationConfig> = {},
): Destination {
  const destination = destinationConfig({ url, ...config });
  return closing(createEntityDestination({ destination, ...(deleted !== undefined && { deleted }) }, OPTIONS));
}

function closing(destination: Destination): Destination {
  closers.unshift(() => destination.close());
  return destination;
}

/** A batch that asks for the deletion of the row with this key, as sync/ makes it where each is a call of its own. */
export function deletionOf(...keys: string[]): Batch {
  const body = `[${keys.map(() => 'null').join(',')}]`;
  return {
    id: '8c1d4d1e-1f0b-4a55-8f39-5d1f4d0c7e22',
    operation: 'delete',
    keys,
    hashes: new Uint8Array(),
    offsets: Uint32Array.from(keys, (_, index) => 1 + 5 * index),
    body: Buffer.from(body),
  };
}

/** A batch of these payloads; their keys are k0, k1 and so on. */
export function batchOf(...payloads: object[]): Batch {
  const texts = payloads.map((payload) => JSON.stringify(payload));
  let offset = 1;
  const offsets = texts.map((text) => {
    const start = offset;
    offset += Buffer.byteLength(text) + 1;
    return start;
  });
  return {
    id: '3f0c2f8e-7d5c-4a2b-9d53-0a4b8f6f1a11',
    operation: 'upsert',
    keys: texts.map((_, index) => `k${index}`),
    hashes: new Uint8Array(16 * texts.length),
    offsets: Uint32Array.from(offsets),
    body: Buffer.from(`[${texts.join(',')}]`),
  };
}

export const BATCH = batchOf(
  { Code: 'a', Name: 'Budi Santoso', Email: 'budi@ess.example' },
  { Code: 'b', Name: '佐藤 🙂' },
);
export const NEVER = new AbortController().signal;

/** One attempt at a receiver that answers so. */
export async function attemptAnswered(answer: Answer, config?: Partial<DestinationConfig>): Promise<Attempt> {
  const receiver = await receiverOf();
  receiver.failNext(1, answer);
  return destinationOf(`${receiver.url}/users`, config).attempt(BATCH, NEVER);
}

/** Passes a connection on, so that a test can count connections. */
export function forward(socket: Socket, url: string): void {
  const onward = new Socket().on('error', () => {}).connect(Number(new URL(url).port), '127.0.0.1');
  socket.pipe(onward).pipe(socket);
}
