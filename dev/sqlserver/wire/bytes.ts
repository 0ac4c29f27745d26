/** Growing buffer to write TDS structures into, and a cursor to read them. All numbers are little-endian, as TDS has them. */

/** Thrown by {@link ByteReader} when a structure is longer than the bytes at hand; `needed` is the buffer length that would do. */
export class OutOfBytes extends Error {
  readonly needed: number;
  constructor(needed: number) {
    super(`the structure needs ${needed} bytes`);
    this.name = 'OutOfBytes';
    this.needed = needed;
  }
}

/** Thrown for bytes that no TDS client sends; the connection is closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

const SHORT_STRING = 32;

/** An append-only buffer. `length` is what has been written; `truncate` takes back a tail that turned out wrong. */
export class ByteWriter {
  bytes: Buffer;
  length = 0;

  constructor(capacity = 1024) {
    this.bytes = Buffer.allocUnsafe(capacity);
  }

  /** Makes room for `count` more bytes and returns where they begin. */
  advance(count: number): number {
    const start = this.length;
    const end = start + count;
    if (end > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, start);
      this.bytes = larger;
    }
    this.length = end;
    return start;
  }

  truncate(length: number): void {
    this.length = length;
  }

  /** Drops the first `count` bytes, which have been sent. */
  discard(count: number): void {
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** A copy of what has been written. */
  toBuffer(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length));
  }

  uint8(value: number): void {
    const at = this.advance(1);
    this.bytes[at] = value;
  }

  uint16(value: number): void {
    const at = this.advance(2);
    this.bytes[at] = value;
    this.bytes[at + 1] = value >>> 8;
  }

  int32(value: number): void {
    const at = this.advance(4);
    this.bytes.writeInt32LE(value, at);
  }

  uint32(value: number): void {
    const at = this.advance(4);
    this.bytes.writeUInt32LE(value, at);
  }

  uint32be(value: number): void {
    const at = this.advance(4);
    this.bytes.writeUInt32BE(value, at);
  }

  int64(value: bigint): void {
    const at = this.advance(8);
    this.bytes.writeBigInt64LE(value, at);
  }

  uint64(value: bigint): void {
    const at = this.advance(8);
    this.bytes.writeBigUInt64LE(value, at);
  }

  float32(value: number): void {
    const at = this.advance(4);
    this.bytes.writeFloatLE(value, at);
  }

  float64(value: number): void {
    const at = this.advance(8);
    this.bytes.writeDoubleLE(value, at);
  }

  /** The low `count` bytes (at most 6) of a whole number that a double holds exactly. */
  uint(value: number, count: number): void {
    const at = this.advance(count);
    this.bytes.writeUIntLE(value, at, count);
  }

  raw(value: Uint8Array): void {
    const at = this.advance(value.length);
    this.bytes.set(value, at);
  }

  /** Text as UTF-16LE, without a length. */
  ucs2(text: string): void {
    const count = text.length;
    let at = this.advance(count * 2);
    if (count > SHORT_STRING) {
      this.bytes.write(text, at, 'utf16le');
      return;
    }
    // Below some tens of characters a loop beats the call into C++.
    const bytes = this.bytes;
    for (let i = 0; i < count; i++) {
      const unit = text.charCodeAt(i);
      bytes[at++] = unit;
      bytes[at++] = unit >>> 8;
    }
  }

  /** B_VARCHAR: a byte with the number of characters, then the text, which is cut at 255. */
  byteText(text: string): void {
    const cut = text.slice(0, 255);
    this.uint8(cut.length);
    this.ucs2(cut);
  }

  /** US_VARCHAR: two bytes with the number of characters, then the text, which is cut at 65,535. */
  shortText(text: string): void {
    const cut = text.slice(0, 65_535);
    this.uint16(cut.length);
    this.ucs2(cut);
  }
}

/** A cursor over received bytes. Every read throws {@link OutOfBytes} past the end. */
export class ByteReader {
  readonly bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position = 0) {
    this.bytes = bytes;
    this.position = position;
  }

  get remaining(): number {
    return this.bytes.length - this.position;
  }

  /** Moves past `count` bytes and returns where they begin. */
  skip(count: number): number {
    const start = this.position;
    if (start + count > this.bytes.length) throw new OutOfBytes(start + count);
    this.position = start + count;
    return start;
  }

  uint8(): number {
    return this.bytes.readUInt8(this.skip(1));
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.skip(2));
  }

  int16(): number {
    return this.bytes.readInt16LE(this.skip(2));
  }

  int32(): number {
    return this.bytes.readInt32LE(this.skip(4));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.skip(4));
  }

  int64(): bigint {
    return this.bytes.readBigInt64LE(this.skip(8));
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64LE(this.skip(8));
  }

  float32(): number {
    return this.bytes.readFloatLE(this.skip(4));
  }

  float64(): number {
    return this.bytes.readDoubleLE(this.skip(8));
  }

  /** An unsigned number of `count` bytes (at most 6). */
  uint(count: number): number {
    return this.bytes.readUIntLE(this.skip(count), count);
  }

  /** A view, not a copy. */
  raw(count: number): Buffer {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  /** Text of `count` UTF-16 code units. */
  ucs2(count: number): string {
    const start = this.skip(count * 2);
    return this.bytes.toString('utf16le', start, start + count * 2);
  }

  byteText(): string {
    return this.ucs2(this.uint8());
  }

  shortText(): string {
    return this.ucs2(this.uint16());
  }
}
