/** What the commands of `tamhr-sync ledger` change of an entity's ledger, on the session that holds its lock. */
import { LEDGER_KEY_LENGTH } from '../sync/key.ts';
import type { LedgerChanges, LedgerFilter } from '../sync/ledger-store.ts';
import type { EntityIdentity, LedgerRow } from '../sync/ports.ts';
import { removeWatermark, writeMapHash } from './comparison.ts';
import { deleteDeadLetters, keyHash } from './dead-letters.ts';
import { bufferOf, datetime2, guid, int, nvarchar, type Parameter, type Parameters } from './parameters.ts';
import type { Session } from './session.ts';
import { fill, type TemporaryTable } from './temporary-table.ts';
import { ENTITY_TYPE_LENGTH, hashRows, KEYS, labelParameters, placeholders } from './tracking.ts';
import { addUntracked, replaceHashes, untrack } from './tracking-changes.ts';

/**
 * Rows that one statement changes where many are to be. From 5,000 locks on the server would lock the whole table, which
 * others use:
 * https://learn.microsoft.com/troubleshoot/sql/database-engine/performance/resolve-blocking-problems-caused-lock-escalation
 */
export const CHUNK_ROWS = 2000;

/** Rows that are too many, numbered from 1 on. */
const DUPLICATES: TemporaryTable = {
  name: '#tamhr_duplicates',
  columns: [
    { name: 'Ord', type: 'Int', nullable: false },
    { name: 'Id', type: 'Int', nullable: false },
  ],
};

/** LedgerChanges of ledger-store.ts for the entity whose lock `session` holds. */
export function createLedgerChanges(session: Session, entity: EntityIdentity): LedgerChanges {
  const labels = labelParameters(entity);
  const entityType = nvarchar(entity.trackingLabels[0], ENTITY_TYPE_LENGTH);

  /** In one transaction; rows that are gone are pending, and may stand below the watermark. */
  async function forgetChunk(remove: () => Promise<number>): Promise<number> {
    return session.transaction(async () => {
      const removed = await remove();
      if (removed > 0) await removeWatermark(session, labels);
      return removed;
    });
  }

  async function forgetKeys(keys: readonly string[], since: Date | undefined): Promise<number> {
    let removed = 0;
    for (let from = 0; from < keys.length; from += CHUNK_ROWS) {
      const chunk = keys.slice(from, from + CHUNK_ROWS);
      await fill(
        session,
        KEYS,
        chunk.map((key, index) => [index, key, null, null]),
      );
      removed += await forgetChunk(() => untrack(session, labels, since));
    }
    return removed;
  }

  async function forgetLabel(label: Parameter, since: Date | undefined): Promise<number> {
    let removed = 0;
    for (;;) {
      const chunk = await forgetChunk(() => deleteRows(session, label, since));
      removed += chunk;
      if (chunk < CHUNK_ROWS) return removed;
    }
  }

  return {
    async adopt(rows) {
      if (rows.length === 0) return { added: 0, rehashed: 0 };
      await fill(session, KEYS, adoptedRows(rows));
      return session.transaction(async () => {
        const rehashed = await replaceHashes(session, labels);
        const added = await addUntracked(session, labels, guid(null));
        await deleteDeadLetters(session, entityType);
        return { added, rehashed };
      });
    },
    async rehash(rows) {
      if (rows.length === 0) return 0;
      await fill(session, KEYS, hashRows(rows));
      return session.transaction(() => replaceHashes(session, labels));
    },
    async forget({ keys, since }: LedgerFilter) {
      if (keys !== undefined) return forgetKeys(keys.filter(fitsLedger), since);
      let removed = 0;
      for (const label of Object.values(labels)) removed += await forgetLabel(label, since);
      return removed;
    },
    async removeDuplicates() {
      await fill(session, DUPLICATES, []);
      const found = await listDuplicates(session, labels);
      let removed = 0;
      for (let from = 0; from < found; from += CHUNK_ROWS) removed += await deleteDuplicates(session, from);
      return removed;
    },
    async removeWatermark() {
      await removeWatermark(session, labels);
    },
    async rememberMap(mapHash) {
      await session.transaction(() => writeMapHash(session, entityType, mapHash));
    },
  };
}

function fitsLedger(key: string): boolean {
  return key.length <= LEDGER_KEY_LENGTH;
}

/** #tamhr_keys of rows whose dead letters end, too. */
function adoptedRows(rows: readonly Required<LedgerRow>[]) {
  return rows.map(({ key, hash }, index) => [index, key, bufferOf(hash), keyHash(key)]);
}

/** Some rows of a label, CHUNK_ROWS at most. */
async function deleteRows(session: Session, label: Parameter, since: Date | undefined): Promise<number> {
  const condition = `EntityType = @label${since === undefined ? '' : ' AND SyncTimestamp >= @since'}`;
  const { rowCount } = await session.query(
    `DELETE FROM dbo.TB_R_SYNC_TRACKING WHERE ${condition}
       AND EntityId IN (SELECT TOP (@rows) EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE ${condition} ORDER BY EntityId)`,
    { label, rows: int(CHUNK_ROWS), ...(since !== undefined && { since: datetime2(since) }) },
  );
  return rowCount;
}

/**
 * Puts down the rows of each key but the one that was sent last, as far as that is known: a row without a hash would have the
 * next run take a change for sent. Returns how many they are.
 */
async function listDuplicates(session: Session, labels: Parameters): Promise<number> {
  const { rowCount } = await session.query(
    `INSERT INTO ${DUPLICATES.name} (Ord, Id)
     SELECT ROW_NUMBER() OVER (ORDER BY Id), Id FROM (
       SELECT Id, ROW_NUMBER() OVER (PARTITION BY EntityId
         ORDER BY CASE WHEN RowHash IS NULL THEN 1 ELSE 0 END, SyncTimestamp DESC, Id DESC) AS Place
       FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (${placeholders(labels)})) AS placed
     WHERE Place > 1`,
    labels,
  );
  return rowCount;
}

/** Deletes those after the first `from` ones, CHUNK_ROWS at most. */
async function deleteDuplicates(session: Session, from: number): Promise<number> {
  const { rowCount } = await session.query(
    `DELETE t FROM ${DUPLICATES.name} AS d INNER LOOP JOIN dbo.TB_R_SYNC_TRACKING AS t ON t.Id = d.Id
     WHERE d.Ord > @from AND d.Ord <= @to`,
    { from: int(from), to: int(from + CHUNK_ROWS) },
  );
  return rowCount;
}
