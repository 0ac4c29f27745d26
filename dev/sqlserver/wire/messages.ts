/** Messages on a connection: what a client sends, gathered from packets, and the answer that is sent while it is made. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByteWriter, ProtocolError } from './bytes.ts';
import { encodePackets, type Packet, PacketStatus, PacketType } from './packets.ts';

/** Thrown where a connection has gone while it was needed. */
export class ConnectionGone extends Error {
  override readonly name = 'ConnectionGone';
}

/** Bytes of a message that may wait for being read before the socket is paused. */
const HIGH_WATER_MARK = 256 * 1024;
const MAX_MESSAGE_LENGTH = 512 * 1024 * 1024;
const FLUSH_AT = 32 * 1024;

/**
 * One message from a client, readable while it still arrives. `signal` aborts when the client cancels it (attention) or
 * has gone.
 */
export class ClientMessage {
  readonly type: number;
  /** Status bits of the first packet; they say whether the connection is to be reset. */
  readonly status: number;
  readonly #abort = new AbortController();
  readonly #chunks: Buffer[] = [];
  #waitingBytes = 0;
  #complete = false;
  #ignored = false;
  #gone = false;
  #wake: () => void = () => {};
  #onRead: () => void = () => {};

  constructor(first: Packet) {
    this.type = first.type;
    this.status = first.status;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The client changed its mind while it was sending: the message counts as never sent. Known once it is complete. */
  get ignored(): boolean {
    return this.#ignored;
  }

  /** True when more has arrived than should wait; `onRead` is called when it no longer does. */
  get isFull(): boolean {
    return this.#waitingBytes >= HIGH_WATER_MARK;
  }

  set onRead(listener: () => void) {
    this.#onRead = listener;
  }

  receive(packet: Packet): void {
    this.#chunks.push(packet.payload);
    this.#waitingBytes += packet.payload.length;
    if ((packet.status & PacketStatus.endOfMessage) !== 0) {
      this.#complete = true;
      this.#ignored = (packet.status & PacketStatus.ignore) !== 0;
    }
    this.#wake();
  }

  cancel(): void {
    this.#abort.abort();
  }

  /** The connection has gone: whoever reads the message gets ConnectionGone. */
  lose(): void {
    this.#gone = true;
    this.#abort.abort();
    this.#wake();
  }

  /** The next bytes, or undefined at the message's end. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#gone) throw new ConnectionGone();
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        const wasFull = this.isFull;
        this.#waitingBytes -= chunk.length;
        if (wasFull && !this.isFull) this.#onRead();
        return chunk;
      }
      if (this.#complete) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The whole message. Throws ProtocolError above 512 MB. */
  async body(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_MESSAGE_LENGTH) throw new ProtocolError('a message of more than 512 MB');
    }
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }
}

/**
 * One message to a client. Tokens are written into `out`; `flush` sends what fills packets, waiting where the client
 * reads slowly, and `end` sends the rest.
 */
export class Answer {
  readonly out: ByteWriter;
  readonly #output: Writable;
  readonly #packetSize: number;
  readonly #processId: number;
  #nextPacket = 1;

  /** `scratch` is a buffer that answers of a connection use one after the other. */
  constructor(output: Writable, packetSize: number, processId: number, scratch: ByteWriter) {
    this.#output = output;
    this.#packetSize = packetSize;
    this.#processId = processId;
    this.out = scratch;
    scratch.truncate(0);
  }

  /** So much is waiting that it is time to flush. */
  get isDue(): boolean {
    return this.out.length >= FLUSH_AT;
  }

  /** Sends whole packets and lets other work on; throws ConnectionGone where the client has gone. */
  async flush(): Promise<void> {
    const accepted = this.#send(false);
    // Even where the kernel takes everything at once, an attention must get its turn.
    await nextTurn();
    if (!accepted) await this.#drained();
    if (this.#output.destroyed) throw new ConnectionGone();
  }

  async end(): Promise<void> {
    const accepted = this.#send(true);
    if (!accepted) await this.#drained();
  }

  /** Sends all that has been written and then closes the connection, without the message's end. */
  async cut(): Promise<void> {
    const { packets } = encodePackets(
      this.out.bytes.subarray(0, this.out.length),
      {
        type: PacketType.tabularResult,
        packetSize: this.#packetSize,
        processId: this.#processId,
        firstPacket: this.#nextPacket,
      },
      true,
    );
    // The last packet must not look like the message's end.
    packets[lastPacketStart(packets) + 1] = 0;
    await endStream(this.#output, packets);
  }

  #send(last: boolean): boolean {
    const { packets, taken, count } = encodePackets(
      this.out.bytes.subarray(0, this.out.length),
      {
        type: PacketType.tabularResult,
        packetSize: this.#packetSize,
        processId: this.#processId,
        firstPacket: this.#nextPacket,
      },
      last,
    );
    this.#nextPacket += count;
    this.out.discard(taken);
    return this.#output.write(packets);
  }

  async #drained(): Promise<void> {
    if (this.#output.destroyed || !this.#output.writableNeedDrain) return;
    const listening = new AbortController();
    try {
      await Promise.race([
        once(this.#output, 'drain', { signal: listening.signal }),
        once(this.#output, 'close', { signal: listening.signal }),
      ]);
    } finally {
      listening.abort();
    }
  }
}

function lastPacketStart(packets: Buffer): number {
  let at = 0;
  for (let next = packets.readUInt16BE(2); next < packets.length; next += packets.readUInt16BE(at + 2)) at = next;
  return at;
}

/** Ends a stream after `last`; resolves when that has been handed on, or the stream has gone. */
export async function endStream(stream: Writable, last: Uint8Array = new Uint8Array(0)): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once('close', () => resolve());
    stream.end(last, () => resolve());
  });
}
