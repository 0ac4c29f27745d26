/**
 * Floor 2: writes ledger rows in batches, and nothing else. Its argument is the statement to try:
 *
 *   direct   bulk load into the ledger itself
 *   temp     bulk load into a kept #temporary table, from there by INSERT … SELECT
 *   packed   the same with many keys in one value, taken apart by the server: fewer values on the wire
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { TYPES } from 'tedious';
import { BATCH_SIZE, connectToLedger, LABEL, report, required } from './environment.ts';

const KEY_LENGTH = 36;
const HASH_LENGTH = 16;

/** Keys in one value of `packed`: as many as nvarchar(4000) takes. */
const PACK_SIZE = 111;

/** A batch's keys, one after the other, as they stand in the file of keys. */
type WriteBatch = (keys: string, batchId: string) => Promise<unknown>;

const ledger = await connectToLedger();
const keyBytes = await readFile(required('BENCH_KEYS_FILE'));
/** As random as real ones. */
const hash = createHash('sha256').update('a row').digest().subarray(0, HASH_LENGTH);

const HASH_COLUMN = { name: 'RowHash', type: TYPES.Binary, length: HASH_LENGTH, nullable: true } as const;
const KEY_COLUMN = { name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false } as const;

const VARIANTS: Readonly<Record<string, () => Promise<WriteBatch>>> = {
  async direct() {
    const columns = [
      { name: 'EntityType', type: TYPES.NVarChar, length: 100, nullable: false },
      KEY_COLUMN,
      HASH_COLUMN,
      { name: 'BatchId', type: TYPES.UniqueIdentifier, nullable: true },
    ];
    return (keys, batchId) =>
      ledger.bulkInsert(
        'dbo.TB_R_SYNC_TRACKING',
        columns,
        each(keys, (key) => [LABEL, key, hash, batchId]),
      );
  },

  async temp() {
    await ledger.batch(
      'CREATE TABLE #keys (EntityId nvarchar(255) COLLATE DATABASE_DEFAULT NOT NULL, RowHash binary(16) NULL)',
    );
    return async (keys, batchId) => {
      await ledger.bulkInsert(
        '#keys',
        [KEY_COLUMN, HASH_COLUMN],
        each(keys, (key) => [key, hash]),
      );
      await ledger.batch(`INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash, BatchId)
SELECT N'${LABEL}', EntityId, SYSUTCDATETIME(), RowHash, '${batchId}' FROM #keys; TRUNCATE TABLE #keys`);
    };
  },

  async packed() {
    await ledger.batch(`CREATE TABLE #numbers (N int NOT NULL PRIMARY KEY);
CREATE TABLE #packs (Keys nvarchar(4000) COLLATE DATABASE_DEFAULT NOT NULL, Hashes varbinary(8000) NOT NULL)`);
    const numbers = Array.from({ length: PACK_SIZE }, (_, n) => [n]);
    await ledger.bulkInsert('#numbers', [{ name: 'N', type: TYPES.Int, nullable: false }], numbers);
    const hashes = Buffer.concat(Array(PACK_SIZE).fill(hash));
    const columns = [
      { name: 'Keys', type: TYPES.NVarChar, length: 4000, nullable: false },
      { name: 'Hashes', type: TYPES.VarBinary, length: 8000, nullable: false },
    ];
    return async (keys, batchId) => {
      const packs = pieces(keys, PACK_SIZE * KEY_LENGTH).map((pack) => [
        pack,
        hashes.subarray(0, (pack.length / KEY_LENGTH) * HASH_LENGTH),
      ]);
      await ledger.bulkInsert('#packs', columns, packs);
      await ledger.batch(`INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash, BatchId)
SELECT N'${LABEL}', SUBSTRING(p.Keys, n.N * ${KEY_LENGTH} + 1, ${KEY_LENGTH}), SYSUTCDATETIME(),
  CAST(SUBSTRING(p.Hashes, n.N * ${HASH_LENGTH} + 1, ${HASH_LENGTH}) AS binary(16)), '${batchId}'
FROM #packs AS p CROSS JOIN #numbers AS n WHERE DATALENGTH(p.Keys) > n.N * ${2 * KEY_LENGTH}; TRUNCATE TABLE #packs`);
    };
  },
};

const variant = VARIANTS[process.argv[2] ?? ''];
if (variant === undefined) throw new Error(`expected one of ${Object.keys(VARIANTS)}, found ${process.argv[2]}`);
const write = await variant();
for (let from = 0; from < keyBytes.length; from += BATCH_SIZE * KEY_LENGTH)
  await write(keyBytes.toString('latin1', from, from + BATCH_SIZE * KEY_LENGTH), randomUUID());
await ledger.close();
report({ rows: keyBytes.length / KEY_LENGTH });

function each(keys: string, row: (key: string) => unknown[]): unknown[][] {
  return pieces(keys, KEY_LENGTH).map(row);
}

function pieces(text: string, length: number): string[] {
  const found: string[] = [];
  for (let from = 0; from < text.length; from += length) found.push(text.slice(from, from + length));
  return found;
}
