/** What the commands of `tamhr-sync ledger` change of an entity's ledger, on the session that holds its lock. */
import { LEDGER_KEY_LENGTH } from '../sync/key.ts';
import type { LedgerChanges } from '../sync/ledger-store.ts';
import type { EntityIdentity, LedgerRow } from '../sync/ports.ts';
import { removeWatermark, writeMapHash } from './comparison.ts';
import { deleteDeadLetters, deleteLoadedDeadLetters, hasDeadLetters, keyHash, loadKeyHashes } from './dead-letters.ts';
import { type Chunk, deleteListed, type KeyedTable } from './listed-rows.ts';
import { bufferOf, datetime2, guid, nvarchar, type Parameters, type Statement } from './parameters.ts';
import type { Repeat } from './repeat.ts';
import type { Session } from './session.ts';
import { fill } from './temporary-table.ts';
import { ENTITY_TYPE_LENGTH, EXACT, hashRows, KEY_COLUMNS, KEYS, labelParameters, placeholders } from './tracking.ts';
import { addUntracked, replaceHashes } from './tracking-changes.ts';

const TRACKING: KeyedTable = { table: 'dbo.TB_R_SYNC_TRACKING', key: 'Id' };

/** LedgerChanges of ledger-store.ts for the entity whose lock `session` holds; `repeat` does one transaction again. */
export function createLedgerChanges(session: Session, entity: EntityIdentity, repeat: Repeat): LedgerChanges {
  const labels = labelParameters(entity);
  const entityType = nvarchar(entity.trackingLabels[0], ENTITY_TYPE_LENGTH);

  /** Returns the number of rows that it changes. */
  const execute = async ({ sql, parameters }: Statement) => (await session.query(sql, parameters)).rowCount;
  const transaction = <T>(work: () => Promise<T>): Promise<T> => repeat(() => session.transaction(work));

  /**
   * Rows that are gone are pending, and may stand below the watermark. A dead letter would hold them back until it is due,
   * and that of a deletion for ever: the row it is about is no longer there to be deleted.
   */
  async function forgetChunk(remove: () => Promise<number>, chunk: Chunk, anyDeadLetters: boolean): Promise<number> {
    if (anyDeadLetters) await loadKeyHashes(session, await keysOf(session, chunk));
    return session.transaction(async () => {
      const removed = await remove();
      if (removed === 0) return 0;
      await execute(removeWatermark(labels));
      if (anyDeadLetters) await execute(deleteLoadedDeadLetters(entityType));
      return removed;
    });
  }

  return {
    async adopt(rows) {
      if (rows.length === 0) return { added: 0, rehashed: 0 };
      await fill(session, KEYS, adoptedRows(rows));
      return transaction(async () => {
        const rehashed = await execute(replaceHashes(labels));
        const added = await execute(addUntracked(labels, guid(null)));
        await execute(deleteDeadLetters(entityType));
        return { added, rehashed };
      });
    },
    async rehash(rows) {
      if (rows.length === 0) return 0;
      await fill(session, KEYS, hashRows(rows), KEY_COLUMNS.hashes);
      return transaction(() => execute(replaceHashes(labels)));
    },
    async forget({ keys, since }) {
      if (keys !== undefined) await fill(session, KEYS, keyRows(keys), KEY_COLUMNS.keys);
      const anyDeadLetters = await hasDeadLetters(session, entityType);
      return deleteListed(session, repeat, {
        from: TRACKING,
        wanted: keys === undefined ? labelledRows(labels, since) : keyedRows(labels, since),
        parameters: { ...labels, ...(since !== undefined && { since: datetime2(since) }) },
        each: (remove, chunk) => forgetChunk(remove, chunk, anyDeadLetters),
      });
    },
    async removeDuplicates() {
      return deleteListed(session, repeat, { from: TRACKING, wanted: duplicateRows(labels), parameters: labels });
    },
    async removeWatermark() {
      await transaction(() => execute(removeWatermark(labels)));
    },
    async rememberMap(mapHash) {
      await transaction(() => writeMapHash(session, entityType, mapHash));
    },
  };
}

/** #tamhr_keys of these keys; no ledger holds a longer one. */
function keyRows(keys: readonly string[]) {
  return keys.filter((key) => key.length <= LEDGER_KEY_LENGTH).map((key, index) => [index, key]);
}

/** #tamhr_keys of rows whose dead letters end, too. */
function adoptedRows(rows: readonly Required<LedgerRow>[]) {
  return rows.map(({ key, hash }, index) => [index, key, bufferOf(hash), keyHash(key)]);
}

/** A SELECT of the ids of all rows, or of those that were sent at `@since` or later. */
function labelledRows(labels: Parameters, since: Date | undefined): string {
  return `SELECT t.Id FROM ${TRACKING.table} AS t WHERE t.EntityType IN (${placeholders(labels)})${sentSince(since)}`;
}

/** The same for the keys in #tamhr_keys, two of which may be equal to the ledger. */
function keyedRows(labels: Parameters, since: Date | undefined): string {
  // The hint keeps the server from reading a whole label where a few thousand seeks will do.
  const selects = Object.keys(labels).map(
    (label) => `SELECT t.Id FROM ${KEYS.name} AS k
      INNER LOOP JOIN ${TRACKING.table} AS t ON t.EntityType = @${label} AND t.EntityId = k.EntityId${sentSince(since)}`,
  );
  return selects.join('\nUNION\n');
}

function sentSince(since: Date | undefined): string {
  return since === undefined ? '' : ' AND t.SyncTimestamp >= @since';
}

/**
 * A SELECT of the ids of each key's rows but the one that was sent last, as far as that is known: a row without a hash would
 * have the next run take a change for sent. Keys that differ in case alone may be two rows of the source.
 */
function duplicateRows(labels: Parameters): string {
  return `SELECT Id FROM (
    SELECT Id, ROW_NUMBER() OVER (PARTITION BY EntityId COLLATE ${EXACT}
      ORDER BY CASE WHEN RowHash IS NULL THEN 1 ELSE 0 END, SyncTimestamp DESC, Id DESC) AS Place
    FROM ${TRACKING.table} WHERE EntityType IN (${placeholders(labels)})) AS placed
  WHERE Place > 1`;
}

async function keysOf(session: Session, { source, parameters }: Chunk): Promise<string[]> {
  const { rows } = await session.query(`SELECT t.EntityId FROM ${source}`, parameters);
  return rows.map(([key]) => key as string);
}
