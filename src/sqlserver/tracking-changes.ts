/**
 * Writing TB_R_SYNC_TRACKING: what is done with the keys in #tamhr_keys (tracking.ts), a change a function. The callers
 * have the transactions. Join hints keep the server from reading a whole label where a few thousand seeks will do.
 */
import type { Parameter, Parameters } from './parameters.ts';
import type { Session } from './session.ts';
import { KEYS } from './tracking.ts';

/** Rows that are there keep their label, new ones get the first. `batch` is the one that sent them, or NULL. */
export async function track(session: Session, labels: Parameters, batch: Parameter): Promise<void> {
  await forEachLabel(labels, (label) =>
    session.query(
      `UPDATE t SET SyncTimestamp = SYSUTCDATETIME(), RowHash = k.RowHash, BatchId = @batch
       FROM ${KEYS.name} AS k INNER ${joinOf('label', 't')}`,
      { batch, label },
    ),
  );
  await addUntracked(session, labels, batch);
}

/** Adds the keys that stand under no label to the first one, and returns how many they were. */
export async function addUntracked(session: Session, labels: Parameters, batch: Parameter): Promise<number> {
  const names = Object.keys(labels);
  // Two keys may be equal to the ledger's collation: the first of them stands for both.
  const { rowCount } = await session.query(
    `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash, BatchId)
     SELECT @label0, k.EntityId, SYSUTCDATETIME(), k.RowHash, @batch
     FROM ${KEYS.name} AS k ${names.map((label, index) => `LEFT ${joinOf(label, `t${index}`)}`).join(' ')}
     WHERE ${names.map((_, index) => `t${index}.Id IS NULL`).join(' AND ')}
       AND k.Ord IN (SELECT MIN(Ord) FROM ${KEYS.name} GROUP BY EntityId)`,
    { ...labels, batch },
  );
  return rowCount;
}

/** Removes the keys under every label. */
export async function untrack(session: Session, labels: Parameters): Promise<void> {
  await forEachLabel(labels, (label) =>
    session.query(`DELETE t FROM ${KEYS.name} AS k INNER ${joinOf('label', 't')}`, { label }),
  );
}

/** Gives rows without a hash the key's, and changes nothing else of them. */
export async function giveMissingHashes(session: Session, labels: Parameters): Promise<void> {
  await forEachLabel(labels, (label) =>
    session.query(
      `UPDATE t SET RowHash = k.RowHash FROM ${KEYS.name} AS k INNER ${joinOf('label', 't')} WHERE t.RowHash IS NULL`,
      { label },
    ),
  );
}

/** Gives rows the key's hash, and returns of how many it was another, or none. Nothing else of them changes. */
export async function replaceHashes(session: Session, labels: Parameters): Promise<number> {
  return forEachLabel(labels, (label) =>
    session.query(
      `UPDATE t SET RowHash = k.RowHash FROM ${KEYS.name} AS k INNER ${joinOf('label', 't')}
       WHERE t.RowHash IS NULL OR t.RowHash <> k.RowHash`,
      { label },
    ),
  );
}

function joinOf(label: string, alias: string): string {
  return `LOOP JOIN dbo.TB_R_SYNC_TRACKING AS ${alias} ON ${alias}.EntityType = @${label} AND ${alias}.EntityId = k.EntityId`;
}

/** Rows that were changed under all of them. */
async function forEachLabel(
  labels: Parameters,
  change: (label: Parameter) => Promise<{ readonly rowCount: number }>,
): Promise<number> {
  let rows = 0;
  for (const label of Object.values(labels)) rows += (await change(label)).rowCount;
  return rows;
}
