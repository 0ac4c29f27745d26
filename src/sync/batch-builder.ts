/** Collects payloads into batches of exactly batchSize rows, fewer only by bytes or at the end. */
import { HASH_BYTES } from './hash.ts';
import type { Batch, Operation } from './ports.ts';

/** One payload on its way into a batch. */
export interface BatchRow {
  readonly key: string;
  readonly json: string;
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
  fits(json: string): boolean;
  /** Takes a row; returns the batches that are complete with it, or were complete before it: none, one or two. */
  add(row: BatchRow): Batch[];
  /** The last, smaller batch, if rows are waiting. */
  flush(): Batch | undefined;
}

/** Bytes that the first batch is given space for; later ones get as much as the last one took. */
const FIRST_BYTES = 64 * 1024;

/** Bytes of a UTF-16 unit in UTF-8 at most. */
const BYTES_PER_UNIT = 3;

const [OPENING, COMMA, CLOSING] = Buffer.from('[,]') as unknown as [number, number, number];

const NO_BATCH: Batch[] = [];
const NO_BYTES = Buffer.alloc(0);

/** `newId` makes each batch's lower-case UUID. */
export function createBatchBuilder(operation: Operation, limits: BatchLimits, newId: () => string): BatchBuilder {
  const maxBytes = limits.maxBatchBytes ?? Number.POSITIVE_INFINITY;
  let keys: string[] = [];
  let hashes: Uint8Array[] = [];
  let offsets: number[] = [];
  // The body so far without its closing bracket: "[" and each row with a comma before all but the first. A row is written
  // straight into it: to join texts first would take the memory three times.
  let body = NO_BYTES;
  let bytes = 0;
  let space = FIRST_BYTES;

  /** Makes space for a text of so many UTF-16 units between a bracket or comma and a bracket. */
  function grow(units: number): void {
    const atMost = bytes + units * BYTES_PER_UNIT + 2;
    if (atMost <= body.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(atMost, space, body.length * 2));
    body.copy(larger, 0, 0, bytes);
    body = larger;
  }

  function flush(): Batch | undefined {
    if (keys.length === 0) return undefined;
    body[bytes++] = CLOSING;
    const batch = {
      id: newId(),
      operation,
      keys,
      hashes: Buffer.concat(hashes, hashes.length * HASH_BYTES),
      offsets: Uint32Array.from(offsets),
      body: body.subarray(0, bytes),
    };
    space = Math.ceil(bytes * 1.1);
    body = NO_BYTES;
    bytes = 0;
    keys = [];
    hashes = [];
    offsets = [];
    return batch;
  }

  return {
    get rows() {
      return keys.length;
    },
    fits: (json) => maxBytes === Number.POSITIVE_INFINITY || Buffer.byteLength(json) + 2 <= maxBytes,
    add({ key, json, hash }) {
      const isOver = maxBytes < Number.POSITIVE_INFINITY && bytes + 1 + Buffer.byteLength(json) + 1 > maxBytes;
      const before = keys.length >= limits.batchSize || isOver ? flush() : undefined;
      grow(json.length);
      body[bytes++] = keys.length === 0 ? OPENING : COMMA;
      offsets.push(bytes);
      bytes += body.write(json, bytes);
      keys.push(key);
      hashes.push(hash);
      const now = keys.length >= limits.batchSize ? flush() : undefined;
      return before === undefined && now === undefined
        ? NO_BATCH
        : [before, now].filter((batch) => batch !== undefined);
    },
    flush,
  };
}
