/**
 * Writing TB_R_SYNC_TRACKING: what is done with the keys in #tamhr_keys (tracking.ts), a change a function. The callers
 * have the transactions. Join hints keep the server from reading a whole label where a few thousand seeks will do.
 */
import type { Parameter, Parameters, Statement } from './parameters.ts';
import { KEYS } from './tracking.ts';

/** Rows that are there keep their label, new ones get the first. `batch` is the one that sent them, or NULL. */
export function track(labels: Parameters, batch: Parameter): Statement {
  const updates = forEachLabel(
    labels,
    (join) =>
      `UPDATE t SET SyncTimestamp = SYSUTCDATETIME(), RowHash = k.RowHash, BatchId = @batch
       FROM ${KEYS.name} AS k INNER ${join}`,
  );
  return { sql: `${updates.sql};\n${addUntracked(labels, batch).sql}`, parameters: { ...labels, batch } };
}

/** Adds all keys to the first label; fails with a duplicate key where one stands there. */
export function addAll({ label0 }: Parameters, batch: Parameter): Statement {
  return {
    sql: `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash, BatchId)
     SELECT @label0, EntityId, SYSUTCDATETIME(), RowHash, @batch FROM ${KEYS.name}`,
    parameters: { label0: label0 as Parameter, batch },
  };
}

/** Adds the keys that stand under no label to the first one; its row count is how many they were. */
export function addUntracked(labels: Parameters, batch: Parameter): Statement {
  const names = Object.keys(labels);
  // Two keys may be equal to the ledger's collation: the first of them stands for both.
  return {
    sql: `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash, BatchId)
     SELECT @label0, k.EntityId, SYSUTCDATETIME(), k.RowHash, @batch
     FROM ${KEYS.name} AS k ${names.map((label, index) => `LEFT ${joinOf(label, `t${index}`)}`).join(' ')}
     WHERE ${names.map((_, index) => `t${index}.Id IS NULL`).join(' AND ')}
       AND k.Ord IN (SELECT MIN(Ord) FROM ${KEYS.name} GROUP BY EntityId)`,
    parameters: { ...labels, batch },
  };
}

/** Removes the keys under every label. */
export function untrack(labels: Parameters): Statement {
  return forEachLabel(labels, (join) => `DELETE t FROM ${KEYS.name} AS k INNER ${join}`);
}

/** Gives rows without a hash the key's, and changes nothing else of them. */
export function giveMissingHashes(labels: Parameters): Statement {
  return forEachLabel(
    labels,
    (join) => `UPDATE t SET RowHash = k.RowHash FROM ${KEYS.name} AS k INNER ${join} WHERE t.RowHash IS NULL`,
  );
}

/** Gives rows the key's hash; its row count is of how many it was another, or none. Nothing else of them changes. */
export function replaceHashes(labels: Parameters): Statement {
  return forEachLabel(
    labels,
    (join) => `UPDATE t SET RowHash = k.RowHash FROM ${KEYS.name} AS k INNER ${join}
       WHERE t.RowHash IS NULL OR t.RowHash <> k.RowHash`,
  );
}

function joinOf(label: string, alias: string): string {
  return `LOOP JOIN dbo.TB_R_SYNC_TRACKING AS ${alias} ON ${alias}.EntityType = @${label} AND ${alias}.EntityId = k.EntityId`;
}

/** A statement for each label; `join` is what follows INNER, with the rows as `t`. */
function forEachLabel(labels: Parameters, change: (join: string) => string): Statement {
  const changes = Object.keys(labels).map((label) => change(joinOf(label, 't')));
  return { sql: changes.join(';\n'), parameters: labels };
}
