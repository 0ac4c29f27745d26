/** Reading TB_R_SYNC_TRACKING: which keys the ledger holds. Works before `migrate` too, for a first dry run. */
import { SyncError } from '../sync/errors.ts';
import { LEDGER_KEY_LENGTH } from '../sync/key.ts';
import type { Cell, EntityIdentity, Ledger, LedgerRow, TrackedKey } from '../sync/ports.ts';
import { bufferOf, int, nvarchar, type Parameters } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { ColumnDescription, Session } from './session.ts';
import { ERROR_NUMBERS, errorNumber } from './statement-error.ts';
import { fill, type TemporaryTable } from './temporary-table.ts';

/** Longest EntityType. */
export const ENTITY_TYPE_LENGTH = 100;

/** The collation that tells keys apart as the tool does, byte by byte, whatever the ledger's own. */
export const EXACT = 'Latin1_General_BIN2';

/**
 * The keys that a statement is about. Ord is their place in the caller's list. EntityId has the collation of the ledger's,
 * which need not be that of its database: two different ones cannot be compared (error 468).
 */
export const KEYS: TemporaryTable = {
  name: '#tamhr_keys',
  definition: `SELECT TOP (0) 0 AS Ord, CAST(EntityId AS nvarchar(${LEDGER_KEY_LENGTH})) AS EntityId,
    CAST(NULL AS binary(16)) AS RowHash, CAST(NULL AS binary(16)) AS KeyHash
    INTO #tamhr_keys FROM dbo.TB_R_SYNC_TRACKING`,
  columns: [
    { name: 'Ord', type: 'Int', nullable: false },
    { name: 'EntityId', type: 'NVarChar', length: LEDGER_KEY_LENGTH, nullable: false },
    { name: 'RowHash', type: 'Binary', length: 16, nullable: true },
    { name: 'KeyHash', type: 'Binary', length: 16, nullable: true },
  ],
};

/** How many of the columns of KEYS a use of it needs. */
export const KEY_COLUMNS = { keys: 2, hashes: 3, keyHashes: 4 } as const;

/** KEYS of these rows, with their hashes. */
export function hashRows(rows: readonly Required<LedgerRow>[]): Cell[][] {
  return rows.map(({ key, hash }, index) => [index, key, bufferOf(hash)]);
}

/** TB_R_Log.Activity of an entity's batches. */
export function activity(entity: EntityIdentity): string {
  return `Sync Batch: ${entity.name}`;
}

/** The entity's labels as parameters `label0`, `label1`, …; the first is the one that is written. */
export function labelParameters({ trackingLabels }: EntityIdentity): Parameters {
  return Object.fromEntries(
    trackingLabels.map((label, index) => [`label${index}`, nvarchar(label, ENTITY_TYPE_LENGTH)]),
  );
}

/** What stands in IN (…) for parameters: `@label0, @label1`. */
export function placeholders(parameters: Parameters): string {
  return Object.keys(parameters)
    .map((name) => `@${name}`)
    .join(', ');
}

/** The part of the Ledger that reads tracking and what was logged. */
export function createTracking(
  pool: Pool,
  entity: EntityIdentity,
): Pick<Ledger, 'find' | 'isEmpty' | 'hasLoggedSuccess' | 'page' | 'count' | 'eachKey'> {
  const labels = labelParameters(entity);
  const connectionName = pool.settings.name;
  const noTracking = missingTable('dbo.TB_R_SYNC_TRACKING', connectionName);
  let hashColumn: string | undefined;

  return {
    async isEmpty() {
      return pool.repeating(async (session) => {
        const { rows } = await session
          .query(`SELECT TOP (1) Id FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (${placeholders(labels)})`, labels)
          .catch(noTracking);
        return rows.length === 0;
      });
    },
    async hasLoggedSuccess() {
      return pool.repeating(async (session) => {
        const { rows: table } = await session.query(`SELECT OBJECT_ID(N'dbo.TB_R_Log')`);
        if (table[0]?.[0] === null) return false;
        const { rows } = await session.query(
          `SELECT TOP (1) ID FROM dbo.TB_R_Log
           WHERE LogCategory = N'DataSync' AND Activity = @activity AND Status = N'Success'`,
          { activity: nvarchar(activity(entity), 255) },
        );
        return rows.length > 0;
      });
    },
    async find(keys) {
      // A longer key is in no ledger.
      const rows = keys.flatMap((key, index) => (key.length > LEDGER_KEY_LENGTH ? [] : [[index, key]]));
      if (rows.length === 0) return [];
      return pool.repeating(async (session) => {
        hashColumn ??= await findHashColumn(session, connectionName);
        const hash = hashColumn;
        await fill(session, KEYS, rows, KEY_COLUMNS.keys);
        // The hint keeps the server from reading a whole label where a few thousand seeks will do.
        const selects = Object.keys(labels).map(
          (label) => `SELECT k.Ord, t.EntityId, ${hash}
            FROM ${KEYS.name} AS k
            INNER LOOP JOIN dbo.TB_R_SYNC_TRACKING AS t ON t.EntityType = @${label} AND t.EntityId = k.EntityId`,
        );
        const { rows: found } = await session.query(selects.join('\nUNION ALL\n'), labels);
        return found.map(
          ([index, key, hash]): TrackedKey => ({
            index: index as number,
            key: key as string,
            ...(hash !== null && { hash: hash as Uint8Array }),
          }),
        );
      });
    },
    async page(after, limit) {
      return pool.repeating(async (session) => {
        hashColumn ??= await findHashColumn(session, connectionName);
        const { rows } = await session.query(pageStatement(Object.keys(labels), hashColumn, after !== undefined), {
          ...labels,
          limit: int(limit),
          ...(after !== undefined && { after: nvarchar(after, LEDGER_KEY_LENGTH) }),
        });
        return rows.map(
          ([key, hash]): LedgerRow => ({ key: key as string, ...(hash !== null && { hash: hash as Uint8Array }) }),
        );
      });
    },
    async count() {
      return pool.repeating(async (session) => {
        const { rows } = await session
          .query(
            `SELECT COUNT_BIG(*) FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (${placeholders(labels)})`,
            labels,
          )
          .catch(noTracking);
        return Number(rows[0]?.[0]);
      });
    },
    async eachKey(take, signal) {
      await pool.repeating(
        async (session) => {
          await session
            .query(
              `SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (${placeholders(labels)})`,
              labels,
              signal,
              (row) => take(row[0] as string),
            )
            .catch(noTracking);
        },
        { signal },
      );
    },
  };
}

/**
 * The first rows of each label, which are seeks of the unique index, then the first of all of them: of rows with one key
 * one that has a hash, the first label's before others.
 */
function pageStatement(labels: readonly string[], hashColumn: string, isLater: boolean): string {
  const pages = labels.map(
    (label, index) => `SELECT * FROM (
      SELECT TOP (@limit) t.EntityId, ${hashColumn} AS RowHash, ${index} AS Label FROM dbo.TB_R_SYNC_TRACKING AS t
      WHERE t.EntityType = @${label}${isLater ? ' AND t.EntityId > @after' : ''} ORDER BY t.EntityId) AS page${index}`,
  );
  return `SELECT TOP (@limit) EntityId, RowHash FROM (
    SELECT EntityId, RowHash, ROW_NUMBER() OVER (
      PARTITION BY EntityId ORDER BY CASE WHEN RowHash IS NULL THEN 1 ELSE 0 END, Label) AS Place
    FROM (${pages.join(' UNION ALL ')}) AS pages) AS placed
    WHERE Place = 1 ORDER BY EntityId`;
}

/** Before `migrate` the table has no RowHash. */
async function findHashColumn(session: Session, connectionName: string): Promise<string> {
  const columns = await columnsOf(session, 'dbo.TB_R_SYNC_TRACKING', connectionName);
  const exists = columns.some(({ colName }) => colName.toLowerCase() === 'rowhash');
  return exists ? 't.RowHash' : 'CAST(NULL AS binary(16))';
}

/** A table that was there before the tool, or the view or synonym that stands for it. */
type OlderTable = 'dbo.TB_R_SYNC_TRACKING' | 'dbo.TB_R_Log';

/**
 * The table's columns: catalogue views know none of synonyms. Throws SyncError LOG_DATABASE_NOT_MIGRATED where there is no
 * such table.
 */
export async function columnsOf(
  session: Session,
  table: OlderTable,
  connectionName: string,
): Promise<readonly ColumnDescription[]> {
  const { columns } = await session.query(`SELECT TOP (0) * FROM ${table}`).catch(missingTable(table, connectionName));
  return columns;
}

/** Throws what a statement on the table failed with: LOG_DATABASE_NOT_MIGRATED where there is none. */
function missingTable(table: OlderTable, connectionName: string): (error: unknown) => never {
  return (error) => {
    if (errorNumber(error) !== ERROR_NUMBERS.invalidObject) throw error;
    throw new SyncError(
      'LOG_DATABASE_NOT_MIGRATED',
      `Connection ${connectionName}: the log database has no table ${table}.`,
      'Check the database in the connection string; where it is right, run `tamhr-sync migrate`, or, where the table was dropped since, what `tamhr-sync migrate --print` prints.',
      { cause: error },
    );
  };
}
