/** Collects payloads into batches of exactly batchSize rows, fewer only by bytes or at the end. */
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

/** `newId` makes each batch's lower-case UUID. */
export function createBatchBuilder(operation: Operation, limits: BatchLimits, newId: () => string): BatchBuilder {
  const maxBytes = limits.maxBatchBytes ?? Number.POSITIVE_INFINITY;
  let rows: BatchRow[] = [];
  let offsets: number[] = [];
  // The body's length so far without its closing bracket: "[" and each row with a comma before all but the first.
  let bytes = 1;

  function flush(): Batch | undefined {
    if (rows.length === 0) return undefined;
    const batch = {
      id: newId(),
      operation,
      keys: rows.map((row) => row.key),
      hashes: Buffer.concat(rows.map((row) => row.hash)),
      offsets: Uint32Array.from(offsets),
      body: Buffer.from(`[${rows.map((row) => row.json).join(',')}]`),
    };
    rows = [];
    offsets = [];
    bytes = 1;
    return batch;
  }

  return {
    get rows() {
      return rows.length;
    },
    fits: (json) => Buffer.byteLength(json) + 2 <= maxBytes,
    add(row) {
      const length = Buffer.byteLength(row.json);
      const isFull = rows.length >= limits.batchSize || bytes + 1 + length + 1 > maxBytes;
      const complete = [isFull ? flush() : undefined];
      if (rows.length > 0) bytes += 1;
      offsets.push(bytes);
      rows.push(row);
      bytes += length;
      if (rows.length >= limits.batchSize) complete.push(flush());
      return complete.filter((batch) => batch !== undefined);
    },
    flush,
  };
}
