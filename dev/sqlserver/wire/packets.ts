/**
 * TDS packets: cutting a byte stream into them and wrapping a message in them. Knows the 8-byte header and nothing of
 * what the packets carry. https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/e5ea8520-1ea3-4a75-a2a9-c17e63e9ee19
 */
import { ProtocolError } from './bytes.ts';

/** The message types a client or server may send (first byte of the header). */
export const PacketType = {
  sqlBatch: 0x01,
  rpc: 0x03,
  tabularResult: 0x04,
  attention: 0x06,
  bulkLoad: 0x07,
  transactionManager: 0x0e,
  login7: 0x10,
  sspi: 0x11,
  prelogin: 0x12,
} as const;

/** Bits of the header's status byte. */
export const PacketStatus = {
  endOfMessage: 0x01,
  ignore: 0x02,
  resetConnection: 0x08,
  resetConnectionSkipTransaction: 0x10,
} as const;

export const HEADER_LENGTH = 8;
/** The largest packet that a client may ask for in LOGIN7, in bytes. */
export const MAX_PACKET_SIZE = 32_767;
const TYPES: ReadonlySet<number> = new Set(Object.values(PacketType));
const EMPTY: Buffer = Buffer.alloc(0);

/** One packet as received; `payload` is without the header. */
export interface Packet {
  readonly type: number;
  readonly status: number;
  readonly payload: Buffer;
}

/** Cuts received bytes into packets. */
export class PacketDecoder {
  #pending: Buffer = EMPTY;

  /** The packets that are complete with `chunk`. Throws ProtocolError for a header no client sends. */
  *decode(chunk: Buffer): Generator<Packet> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= HEADER_LENGTH) {
      const type = this.#pending.readUInt8(0);
      if (!TYPES.has(type)) throw new ProtocolError(`packet type 0x${type.toString(16)}`);
      const length = this.#pending.readUInt16BE(2);
      if (length < HEADER_LENGTH || length > MAX_PACKET_SIZE) throw new ProtocolError(`a packet of ${length} bytes`);
      if (this.#pending.length < length) return;
      const packet = this.#pending.subarray(0, length);
      this.#pending = this.#pending.subarray(length);
      yield { type, status: packet.readUInt8(1), payload: packet.subarray(HEADER_LENGTH) };
    }
  }

  /** Bytes that do not make up a packet yet; the decoder forgets them. */
  takeRest(): Buffer {
    const rest = this.#pending;
    this.#pending = EMPTY;
    return rest;
  }
}

/** How a message is cut into packets. */
export interface Framing {
  readonly type: number;
  readonly packetSize: number;
  readonly processId: number;
  /** Number of the first packet, counted from 1. */
  readonly firstPacket: number;
}

/**
 * Wraps the first bytes of `data` in packets. With `last` all of them, the last packet marked as end of message; else
 * only as many as fill whole packets.
 *
 * @returns the packets as one buffer, how many bytes of `data` they hold and how many packets they are
 */
export function encodePackets(
  data: Buffer,
  framing: Framing,
  last: boolean,
): { packets: Buffer; taken: number; count: number } {
  const capacity = framing.packetSize - HEADER_LENGTH;
  const count = last ? Math.max(1, Math.ceil(data.length / capacity)) : Math.floor(data.length / capacity);
  const taken = last ? data.length : count * capacity;
  const packets = Buffer.allocUnsafe(taken + count * HEADER_LENGTH);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const piece = Math.min(capacity, taken - i * capacity);
    packets[at] = framing.type;
    packets[at + 1] = last && i === count - 1 ? PacketStatus.endOfMessage : 0;
    packets.writeUInt16BE(piece + HEADER_LENGTH, at + 2);
    packets.writeUInt16BE(framing.processId & 0xffff, at + 4);
    packets[at + 6] = (framing.firstPacket + i) & 0xff;
    packets[at + 7] = 0;
    data.copy(packets, at + HEADER_LENGTH, i * capacity, i * capacity + piece);
    at += piece + HEADER_LENGTH;
  }
  return { packets, taken, count };
}
