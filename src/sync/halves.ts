/** Halves of a batch: slices of its stored bytes, never parsed again, each with a key of its own. */
import { HASH_BYTES } from './hash.ts';
import type { Batch } from './ports.ts';

const [OPEN, CLOSE] = [Buffer.from('['), Buffer.from(']')];

/** The first and the second half of a batch of two rows or more; the second is the smaller one. `newId` makes their ids. */
export function halvesOf(batch: Batch, newId: () => string): [Batch, Batch] {
  const middle = Math.ceil(batch.keys.length / 2);
  return [slice(batch, 0, middle, newId()), slice(batch, middle, batch.keys.length, newId())];
}

function slice({ operation, keys, hashes, offsets, body }: Batch, from: number, to: number, id: string): Batch {
  const start = offsets[from] as number;
  // A comma stands before the next row's JSON, the closing bracket after the last one's.
  const end = (offsets[to] ?? body.length) - 1;
  return {
    id,
    operation,
    keys: keys.slice(from, to),
    hashes: hashes.subarray(from * HASH_BYTES, to * HASH_BYTES),
    offsets: offsets.slice(from, to).map((offset) => offset - start + OPEN.length),
    body: Buffer.concat([OPEN, body.subarray(start, end), CLOSE]),
  };
}
