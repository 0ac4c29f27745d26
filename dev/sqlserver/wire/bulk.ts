/**
 * The message of a bulk load: COLMETADATA, then ROW or NBCROW tokens, then DONE; read row by row while it arrives.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/88176081-df75-4b24-bcfb-4c16ff03cbfa
 */
import type { ResultColumn, SqlValue } from '../engine.ts';
import { ByteReader, OutOfBytes, ProtocolError } from './bytes.ts';
import type { ClientMessage } from './messages.ts';
import { Token } from './tokens.ts';
import { readTypeInfo, type WireType } from './type-info.ts';
import { readValue } from './values.ts';

/** Thrown into whoever reads the rows when the client gives up the load: nothing of it may stay. */
export class BulkLoadCanceled extends Error {
  override readonly name = 'BulkLoadCanceled';
}

interface BulkColumn {
  readonly column: ResultColumn;
  readonly wire: WireType;
}

const NULLABLE_FLAGS = 0x0001 | 0x8000;

/** A bulk load's columns and its rows, to be read once. */
export class BulkLoad {
  readonly #message: ClientMessage;
  #bytes: Buffer = Buffer.alloc(0);
  #position = 0;
  #wires: readonly WireType[] = [];

  constructor(message: ClientMessage) {
    this.#message = message;
  }

  /** Reads COLMETADATA. Throws ProtocolError for anything else, BulkLoadCanceled where the client gave up before it. */
  async columns(): Promise<readonly ResultColumn[]> {
    const columns = await this.#read(readColumns);
    this.#wires = columns.map(({ wire }) => wire);
    return columns.map(({ column }) => column);
  }

  /** The rows, after {@link columns}. Throws BulkLoadCanceled or ProtocolError. */
  async *rows(): AsyncGenerator<readonly SqlValue[]> {
    for (;;) {
      const row = await this.#read((from) => readRow(from, this.#wires));
      if (row === undefined) break;
      yield row;
    }
    await this.drain();
    if (this.#message.ignored) throw new BulkLoadCanceled();
  }

  /** Reads the message to its end without looking at it. */
  async drain(): Promise<void> {
    while ((await this.#message.next()) !== undefined);
  }

  /** Reads one structure, waiting for more bytes as often as it needs them. */
  async #read<T>(read: (from: ByteReader) => T): Promise<T> {
    for (;;) {
      const from = new ByteReader(this.#bytes, this.#position);
      try {
        const value = read(from);
        this.#position = from.position;
        return value;
      } catch (error) {
        if (!(error instanceof OutOfBytes)) throw error;
        await this.#receive(error.needed);
      }
    }
  }

  /** Waits until the buffer holds `needed` bytes, so that a long value is looked at once and not at each packet. */
  async #receive(needed: number): Promise<void> {
    const pieces = [this.#bytes.subarray(this.#position)];
    let length = this.#bytes.length - this.#position;
    do {
      const chunk = await this.#message.next();
      if (chunk === undefined) {
        if (this.#message.ignored) throw new BulkLoadCanceled();
        throw new ProtocolError('a bulk load that ends in the middle of a row');
      }
      pieces.push(chunk);
      length += chunk.length;
    } while (length < needed - this.#position);
    this.#bytes = Buffer.concat(pieces);
    this.#position = 0;
  }
}

function readColumns(from: ByteReader): readonly BulkColumn[] {
  if (from.uint8() !== Token.colMetadata) throw new ProtocolError('a bulk load without COLMETADATA');
  const count = from.uint16();
  return Array.from({ length: count }, () => {
    from.skip(4);
    const flags = from.uint16();
    const wire = readTypeInfo(from);
    if (wire.layout === 'longLength') from.shortText();
    const column = { name: from.byteText(), type: wire.type, nullable: (flags & NULLABLE_FLAGS) !== 0 };
    return { column, wire };
  });
}

/** One row, or undefined at DONE. */
function readRow(from: ByteReader, wires: readonly WireType[]): readonly SqlValue[] | undefined {
  const token = from.uint8();
  switch (token) {
    case Token.row:
      return wires.map((wire) => readValue(from, wire, true));
    case Token.nbcRow: {
      const nulls = from.raw((wires.length + 7) >>> 3);
      return wires.map((wire, i) =>
        ((nulls[i >>> 3] as number) & (1 << (i & 7))) === 0 ? readValue(from, wire, true) : null,
      );
    }
    case Token.done:
      from.skip(12);
      return undefined;
    default:
      throw new ProtocolError(`token 0x${token.toString(16)} in a bulk load`);
  }
}
