/** Reading TB_R_SYNC_TRACKING for people: an entity's rows page by page, and how many they are. */
import { LEDGER_KEY_LENGTH } from '../sync/key.ts';
import type { LedgerEntry, LedgerFilter } from '../sync/ledger-store.ts';
import type { Row } from '../sync/ports.ts';
import { datetime2, int, nvarchar, type Parameter, type Parameters } from './parameters.ts';
import type { Session } from './session.ts';
import { fill, type TemporaryTable } from './temporary-table.ts';
import { EXACT, placeholders } from './tracking.ts';

/** Rows of a page. */
export const PAGE_ROWS = 5000;

/** The keys that were asked for, in the ledger's collation and order. */
const WANTED: TemporaryTable = {
  name: '#tamhr_wanted_keys',
  definition: `SELECT TOP (0) 0 AS Ord, CAST(EntityId AS nvarchar(${LEDGER_KEY_LENGTH})) AS EntityId
    INTO #tamhr_wanted_keys FROM dbo.TB_R_SYNC_TRACKING;
    CREATE CLUSTERED INDEX IX_tamhr_wanted_keys ON #tamhr_wanted_keys (EntityId, Ord)`,
  columns: [
    { name: 'Ord', type: 'Int', nullable: false },
    { name: 'EntityId', type: 'NVarChar', length: LEDGER_KEY_LENGTH, nullable: false },
  ],
};

/** Which filter's keys #tamhr_wanted_keys holds. */
const loaded = new WeakMap<Session, EntryFilter>();

/** A filter in use: sessions know it by its identity. */
export interface EntryFilter {
  /** None is longer than the ledger's. */
  readonly keys?: readonly string[];
  readonly since?: Date;
}

/** The filter as a value of its own, without keys that no ledger holds. */
export function entryFilter({ keys, since }: LedgerFilter): EntryFilter {
  return {
    ...(keys !== undefined && { keys: keys.filter((key) => key.length <= LEDGER_KEY_LENGTH) }),
    ...(since !== undefined && { since }),
  };
}

/** At most PAGE_ROWS rows of one label after the key `after`, in the ledger's order of keys. */
export async function readEntries(
  session: Session,
  label: Parameter,
  filter: EntryFilter,
  after: string | undefined,
): Promise<readonly LedgerEntry[]> {
  await load(session, filter);
  const { rows } = await session.query(
    `SELECT TOP (@limit) t.EntityType, t.EntityId, t.SyncTimestamp, t.RowHash, t.BatchId
     FROM ${filteredRows(filter, after !== undefined)} ORDER BY ${orderColumn(filter.keys)}`,
    {
      ...filterParameters(label, filter),
      limit: int(PAGE_ROWS),
      ...(after !== undefined && { after: nvarchar(after, LEDGER_KEY_LENGTH) }),
    },
  );
  return rows.map(entryOf);
}

/** How many rows of one label there are. */
export async function countEntries(session: Session, label: Parameter, filter: EntryFilter): Promise<number> {
  await load(session, filter);
  const { rows } = await session.query(
    `SELECT COUNT_BIG(*) FROM ${filteredRows(filter, false)}`,
    filterParameters(label, filter),
  );
  return Number(rows[0]?.[0]);
}

/** Keys that stand under more than one of the labels; those that differ in case alone may be two rows of the source. */
export async function countDuplicates(session: Session, labels: Parameters): Promise<number> {
  // The unique index has each key once under a label.
  if (Object.keys(labels).length === 1) return 0;
  const { rows } = await session.query(
    `SELECT COUNT_BIG(*) FROM (
       SELECT COUNT_BIG(*) AS Copies FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (${placeholders(labels)})
       GROUP BY EntityId COLLATE ${EXACT} HAVING COUNT_BIG(*) > 1) AS duplicates`,
    labels,
  );
  return Number(rows[0]?.[0]);
}

async function load(session: Session, filter: EntryFilter): Promise<void> {
  if (filter.keys === undefined || loaded.get(session) === filter) return;
  loaded.delete(session);
  await fill(
    session,
    WANTED,
    filter.keys.map((key, index) => [index, key]),
  );
  // A row whose key was asked for in two spellings comes once.
  await session.query(
    `DELETE w FROM ${WANTED.name} AS w
     WHERE EXISTS (SELECT 1 FROM ${WANTED.name} AS o WHERE o.EntityId = w.EntityId AND o.Ord < w.Ord)`,
  );
  loaded.set(session, filter);
}

/** What follows FROM. The hint keeps the server from reading a whole label where a seek a key will do. */
function filteredRows({ keys, since }: EntryFilter, isLater: boolean): string {
  const tracking = 'dbo.TB_R_SYNC_TRACKING AS t';
  const source = keys ? `${WANTED.name} AS w INNER LOOP JOIN ${tracking} ON t.EntityId = w.EntityId` : tracking;
  const terms = [
    't.EntityType = @label',
    ...(isLater ? [`${orderColumn(keys)} > @after`] : []),
    ...(since ? ['t.SyncTimestamp >= @since'] : []),
  ];
  return `${source} WHERE ${terms.join(' AND ')}`;
}

/** What the rows come in the order of anyway. */
function orderColumn(keys: EntryFilter['keys']): string {
  return keys === undefined ? 't.EntityId' : 'w.EntityId';
}

function filterParameters(label: Parameter, { since }: EntryFilter): Parameters {
  return { label, ...(since !== undefined && { since: datetime2(since) }) };
}

function entryOf([label, key, syncedAt, hash = null, batchId = null]: Row): LedgerEntry {
  return {
    label: label as string,
    key: key as string,
    syncedAt: syncedAt as Date,
    ...(hash !== null && { hash: hash as Uint8Array }),
    ...(batchId !== null && { batchId: batchId as string }),
  };
}
