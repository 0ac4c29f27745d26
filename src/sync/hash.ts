/** The one hash of rows, maps and sources. */
import { hash } from 'node:crypto';

/** Bytes of a hash. */
export const HASH_BYTES = 16;

/** The hash at this place in hashes that stand one after the other. */
export function hashAt(hashes: Uint8Array, index: number): Uint8Array {
  return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

/** The first 16 bytes of SHA-256 over bytes, or over a text in UTF-8. */
export function hash16(value: string | Uint8Array): Uint8Array {
  // Through a string: a Buffer from hash() has memory of its own, which takes twice the time.
  return Buffer.from(hash('sha256', value, 'binary').slice(0, HASH_BYTES), 'binary');
}

/** Whether two hashes are there and the same. */
export function sameHash(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}
