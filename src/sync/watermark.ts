/** Watermarks as bytes: how a time becomes one, and which of two is the higher. */
import type { Watermark } from './ports.ts';

/** Added to a time, so that those before 1970 sort first. */
const OFFSET = 2n ** 63n;

/**
 * A time as a watermark: 8 bytes, big-endian, the milliseconds since 1970-01-01T00:00:00Z plus 2^63. Its UTC fields are the
 * wall clock in the column; of datetimeoffset it is the instant. Throws RangeError for an invalid Date.
 */
export function encodeTime(time: Date): Watermark {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time.getTime()) + OFFSET);
  return bytes;
}

/** What encodeTime made a watermark of. Throws RangeError for other bytes. */
export function decodeTime(watermark: Watermark): Date {
  if (watermark.length !== 8) throw new RangeError(`a time of ${watermark.length} bytes`);
  const view = new DataView(watermark.buffer, watermark.byteOffset, watermark.byteLength);
  const time = new Date(Number(view.getBigUint64(0) - OFFSET));
  if (Number.isNaN(time.getTime())) throw new RangeError('bytes that are no time');
  return time;
}

/** Below 0 where `a` is the lower, above 0 where it is the higher, 0 where they are the same; of one method. */
export function compareWatermarks(a: Watermark, b: Watermark): number {
  return Buffer.compare(a, b);
}
