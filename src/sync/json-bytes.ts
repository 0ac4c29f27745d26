/**
 * JSON in UTF-8, written piece by piece into memory that is kept from row to row: of a text made first, each piece would be
 * garbage, and the whole would have to be encoded once more.
 */

/** Writes one JSON text after the other. */
export interface JsonBytes {
  /** Bytes written since `clear`. */
  readonly length: number;
  clear(): void;
  /** Takes bytes over as they are. */
  bytes(piece: Uint8Array): void;
  /** Takes over what another has from this place on. */
  copy(from: JsonBytes, start: number): void;
  /** Writes a text that is JSON already. */
  json(text: string): void;
  /** Writes a text as JSON.stringify does. */
  text(text: string): void;
  /** What was written from this place on; only as long as nothing more is. */
  view(start?: number): Buffer;
}

const FIRST_BYTES = 4096;

/** What a larger text has taken is given back when the next one begins. */
const KEPT_BYTES = 1024 * 1024;

/** Bytes of a UTF-16 unit in UTF-8 at most. */
const BYTES_PER_UNIT = 3;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const DELETE = 0x7f;

/** An empty one. */
export function createJsonBytes(): JsonBytes {
  let memory = Buffer.allocUnsafeSlow(FIRST_BYTES);
  let length = 0;

  function reserve(bytes: number): void {
    const atLeast = length + bytes;
    if (atLeast <= memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(atLeast, memory.length * 2));
    memory.copy(larger, 0, 0, length);
    memory = larger;
  }

  function json(text: string): void {
    const units = text.length;
    reserve(units * BYTES_PER_UNIT);
    for (let index = 0; index < units; index++) {
      const unit = text.charCodeAt(index);
      if (unit > DELETE) {
        length += memory.write(text, length);
        return;
      }
      memory[length + index] = unit;
    }
    length += units;
  }

  return {
    get length() {
      return length;
    },
    clear() {
      length = 0;
      if (memory.length > KEPT_BYTES) memory = Buffer.allocUnsafeSlow(FIRST_BYTES);
    },
    bytes(piece) {
      const size = piece.length;
      reserve(size);
      for (let index = 0; index < size; index++) memory[length + index] = piece[index] as number;
      length += size;
    },
    copy(from, start) {
      const piece = from.view(start);
      reserve(piece.length);
      length += piece.copy(memory, length);
    },
    json,
    text(text) {
      const units = text.length;
      reserve(units + 2);
      const first = length + 1;
      for (let index = 0; index < units; index++) {
        const unit = text.charCodeAt(index);
        if (unit < SPACE || unit >= DELETE || unit === QUOTE || unit === BACKSLASH) return json(JSON.stringify(text));
        memory[first + index] = unit;
      }
      memory[length] = QUOTE;
      memory[first + units] = QUOTE;
      length += units + 2;
    },
    view: (start = 0) => memory.subarray(start, length),
  };
}
