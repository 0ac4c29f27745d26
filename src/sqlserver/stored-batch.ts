/** A batch as TB_R_SYNC_BATCH holds it: body and row keys compressed, with a hash that proves the body. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { SyncError } from '../sync/errors.ts';
import type { Batch, Operation } from '../sync/ports.ts';

/** Columns Body, RowKeys and BodyHash. */
export interface StoredBatch {
  readonly body: Uint8Array;
  readonly rowKeys: Uint8Array;
  /** SHA-256 of the body before compression. */
  readonly bodyHash: Uint8Array;
}

/** RowKeys before compression, as JSON. */
interface RowKeys {
  readonly keys: readonly string[];
  /** Base64. */
  readonly hashes: string;
  readonly offsets: readonly number[];
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

// Level 1: it is stored for seconds only, and must not hold up the request. Checksums, since RowKeys has no hash. Of small
// pieces, which are the default, each costs a turn.
const compression = {
  chunkSize: 128 * 1024,
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
};

/** The columns' values. */
export async function packBatch({ keys, hashes, offsets, body }: Batch): Promise<StoredBatch> {
  const rowKeys: RowKeys = { keys, hashes: Buffer.from(hashes).toString('base64'), offsets: [...offsets] };
  return {
    body: await compress(body, compression),
    rowKeys: await compress(JSON.stringify(rowKeys), compression),
    bodyHash: sha256(body),
  };
}

/** A batch as it is read back: somebody may have cleared it. */
type FoundBatch = { readonly [column in keyof StoredBatch]: StoredBatch[column] | null };

/** The batch again, byte for byte. Throws SyncError LOG_DATABASE_REFUSED where it is not what was stored. */
export async function unpackBatch(
  id: string,
  operation: Operation,
  { body: packed, rowKeys, bodyHash }: FoundBatch,
): Promise<Batch> {
  try {
    if (packed === null || rowKeys === null || bodyHash === null) throw new Error('Body or RowKeys is NULL');
    const body = await decompress(packed);
    if (!sha256(body).equals(bodyHash)) throw new Error('BodyHash differs');
    const { keys, hashes, offsets } = await unpackRowKeys(rowKeys);
    return { id, operation, keys, hashes: Buffer.from(hashes, 'base64'), offsets: Uint32Array.from(offsets), body };
  } catch (error) {
    throw damaged(id, error);
  }
}

/** The keys alone. Throws SyncError LOG_DATABASE_REFUSED where they are not what was stored. */
export async function unpackKeys(id: string, rowKeys: Uint8Array | null): Promise<readonly string[]> {
  try {
    if (rowKeys === null) throw new Error('RowKeys is NULL');
    return (await unpackRowKeys(rowKeys)).keys;
  } catch (error) {
    throw damaged(id, error);
  }
}

async function unpackRowKeys(rowKeys: Uint8Array): Promise<RowKeys> {
  return JSON.parse((await decompress(rowKeys)).toString()) as RowKeys;
}

function damaged(id: string, cause: unknown): SyncError {
  return new SyncError(
    'LOG_DATABASE_REFUSED',
    `Batch ${id} in TB_R_SYNC_BATCH is damaged: its body or keys are not what was stored.`,
    "Find out from the receiver whether it took the batch; with State 'refused' in that row, a run with --full sends its rows anew.",
    { cause },
  );
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
