/** Collects payloads into batches of exactly batchSize rows, fewer only by bytes or at the end. */
import { HASH_BYTES } from './hash.ts';
import type { Batch, Operation } from './ports.ts';

/** One payload on its way into a batch. */
export interface BatchRow {
  readonly key: string;
  /** In UTF-8; copied. */
  readonly json: Uint8Array;
  /** 16 bytes. */
  readonly hash: Uint8Array;
}

/** Where batches are cut. `batchSize` may fall while they are built. */
export interface BatchLimits {
  readonly batchSize: number;
  /** Size of the body, brackets and commas included. */
  readonly maxBatchBytes?: number;
}

/** Fills one batch at a time. */
export interface BatchBuilder {
  /** Rows waiting for their batch to be full. */
  readonly rows: number;
  /** Whether a payload of this JSON can be in any batch. */
  fits(json: Uint8Array): boolean;
  /** Takes a row; returns the batches that are complete with it, or were complete before it: none, one or two. */
  add(row: BatchRow): Batch[];
  /** The last, smaller batch, if rows are waiting. */
  flush(): Batch | undefined;
}

/** Bytes that the first batch is given space for; later ones get as much as the last one took. */
const FIRST_BYTES = 64 * 1024;

/** Hashes that a batch is given space for at first. */
const FIRST_HASHES = 256;

const [OPENING, COMMA, CLOSING] = Buffer.from('[,]') as unknown as [number, number, number];

const NO_BATCH: Batch[] = [];
const NO_BYTES = Buffer.alloc(0);

/** `newId` makes each batch's lower-case UUID. */
export function createBatchBuilder(operation: Operation, limits: BatchLimits, newId: () => string): BatchBuilder {
  const maxBytes = limits.maxBatchBytes ?? Number.POSITIVE_INFINITY;
  let keys: string[] = [];
  let hashes: Buffer = NO_BYTES;
  let offsets: number[] = [];
  // The body so far without its closing bracket: "[" and each row with a comma before all but the first. A row is written
  // straight into it: to join them first would take the memory twice.
  let body: Buffer = NO_BYTES;
  let bytes = 0;
  let space = FIRST_BYTES;

  /** Makes space for a payload of this size between a bracket or comma and a bracket, and for a hash. */
  function grow(size: number): void {
    body = withSpace(body, bytes, size + 2, space);
    hashes = withSpace(hashes, keys.length * HASH_BYTES, HASH_BYTES, FIRST_HASHES * HASH_BYTES);
  }

  function flush(): Batch | undefined {
    if (keys.length === 0) return undefined;
    body[bytes++] = CLOSING;
    const batch = {
      id: newId(),
      operation,
      keys,
      hashes: hashes.subarray(0, keys.length * HASH_BYTES),
      offsets: Uint32Array.from(offsets),
      body: body.subarray(0, bytes),
    };
    space = Math.ceil(bytes * 1.1);
    body = NO_BYTES;
    bytes = 0;
    keys = [];
    hashes = NO_BYTES;
    offsets = [];
    return batch;
  }

  return {
    get rows() {
      return keys.length;
    },
    fits: (json) => maxBytes === Number.POSITIVE_INFINITY || json.length + 2 <= maxBytes,
    add({ key, json, hash }) {
      const isOver = maxBytes < Number.POSITIVE_INFINITY && bytes + 1 + json.length + 1 > maxBytes;
      const before = keys.length >= limits.batchSize || isOver ? flush() : undefined;
      grow(json.length);
      body[bytes++] = keys.length === 0 ? OPENING : COMMA;
      offsets.push(bytes);
      body.set(json, bytes);
      bytes += json.length;
      hashes.set(hash, keys.length * HASH_BYTES);
      keys.push(key);
      const now = keys.length >= limits.batchSize ? flush() : undefined;
      return before === undefined && now === undefined
        ? NO_BATCH
        : [before, now].filter((batch) => batch !== undefined);
    },
    flush,
  };
}

/** A buffer with the same first `used` bytes, and space for `more` of them: the same one, or one at least twice as large. */
function withSpace(buffer: Buffer, used: number, more: number, atFirst: number): Buffer {
  if (used + more <= buffer.length) return buffer;
  const larger = Buffer.allocUnsafeSlow(Math.max(used + more, atFirst, buffer.length * 2));
  buffer.copy(larger, 0, 0, used);
  return larger;
}
