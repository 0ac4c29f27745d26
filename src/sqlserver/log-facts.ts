/** What the server tells of the log database for `check`: permissions, the ledger's index, space, locks. Only reads. */
import type { FileFacts, PermissionFacts, SpaceFacts, TrackingIndex } from '../sync/check-facts.ts';
import type { EntityIdentity, LockHolder } from '../sync/ports.ts';
import { entityLock, isAppLockFree } from './app-lock.ts';
import { readHolder } from './entity-lock.ts';
import type { Session } from './session.ts';
import { errorNumber } from './statement-error.ts';

const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;

/** What a run and the commands need; `migrate` and `ledger prune` need more, and not every night. */
const NEEDED: Readonly<Record<string, readonly PermissionFacts['permission'][]>> = {
  TB_R_SYNC_TRACKING: ALL,
  TB_R_SYNC_RUN: ALL,
  TB_R_SYNC_BATCH: ALL,
  TB_R_SYNC_FAILURE: ALL,
  TB_R_SYNC_ENTITY: ALL,
  TB_R_SYNC_SCHEMA: ['SELECT'],
  TB_R_Log: ['SELECT', 'INSERT'],
};

/** https://learn.microsoft.com/sql/t-sql/functions/has-perms-by-name-transact-sql */
export async function readPermissions(session: Session): Promise<PermissionFacts[]> {
  const wanted = Object.entries(NEEDED).flatMap(([table, permissions]) =>
    permissions.map((permission) => ({ table, permission })),
  );
  const list = wanted.map(({ table, permission }) => `HAS_PERMS_BY_NAME(N'dbo.${table}', N'OBJECT', N'${permission}')`);
  const { rows } = await session.query(`SELECT ${list.join(', ')}`);
  return wanted.map((one, index) => {
    const answer = rows[0]?.[index] ?? null;
    return { ...one, granted: answer === null ? undefined : answer === 1 };
  });
}

/** Looks for an index that keeps EntityType with EntityId unique. */
export async function readTrackingIndex(session: Session): Promise<TrackingIndex> {
  const { rows: tables } = await session.query(`SELECT OBJECT_ID(N'dbo.TB_R_SYNC_TRACKING', N'U')`);
  if (tables[0]?.[0] === null) return { state: 'unknown' };
  const { rows } = await session.query(
    `SELECT i.name FROM sys.indexes AS i
     INNER JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
     INNER JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
     WHERE i.object_id = OBJECT_ID(N'dbo.TB_R_SYNC_TRACKING') AND i.is_unique = 1 AND i.is_disabled = 0
       AND i.has_filter = 0 AND ic.key_ordinal > 0
     GROUP BY i.name
     HAVING COUNT(*) = 2 AND COUNT(CASE WHEN c.name IN (N'EntityType', N'EntityId') THEN 1 END) = 2`,
  );
  const name = rows[0]?.[0];
  return name === undefined ? { state: 'missing' } : { state: 'present', name: name as string };
}

/** https://learn.microsoft.com/sql/relational-databases/system-catalog-views/sys-database-files-transact-sql */
const PAGE_BYTES = 8192;

/** What the login may see of the space. */
export async function readSpace(session: Session): Promise<SpaceFacts> {
  const files = await seen(
    session,
    `SELECT type, size, max_size, growth, FILEPROPERTY(name, 'SpaceUsed')
     FROM sys.database_files WHERE type IN (0, 1)`,
  );
  // Needs VIEW SERVER STATE:
  // https://learn.microsoft.com/sql/relational-databases/system-dynamic-management-views/sys-dm-os-volume-stats-transact-sql
  const disks = await seen(
    session,
    `SELECT MIN(disk.available_bytes) FROM sys.database_files AS f
     CROSS APPLY sys.dm_os_volume_stats(DB_ID(), f.file_id) AS disk`,
  );
  const free = disks[0]?.[0] ?? null;
  return {
    files: files.map((row): FileFacts => {
      const [type, size, max, growth, used] = row.map((cell) => (cell === null ? null : Number(cell)));
      const sizeBytes = (size ?? 0) * PAGE_BYTES;
      const canGrow = growth !== 0 && max !== 0;
      const isUnlimited = canGrow && (max ?? -1) < 0;
      return {
        kind: type === 1 ? 'log' : 'data',
        sizeBytes,
        usedBytes: used === null || used === undefined ? undefined : used * PAGE_BYTES,
        maxBytes: isUnlimited ? undefined : canGrow ? (max ?? 0) * PAGE_BYTES : sizeBytes,
      };
    }),
    diskFreeBytes: free === null ? undefined : Number(free),
  };
}

/** No rows where the server refuses the statement: the login may not see this, or this server does not have it. */
async function seen(session: Session, sql: string) {
  try {
    return (await session.query(sql)).rows;
  } catch (error) {
    if (errorNumber(error) === undefined) throw error;
    return [];
  }
}

/** The entities whose lock somebody holds at this moment, with who. Takes no lock. */
export async function readHeldLocks(
  session: Session,
  entities: readonly EntityIdentity[],
): Promise<{ readonly entity: string; readonly holder: LockHolder }[]> {
  const held: { entity: string; holder: LockHolder }[] = [];
  for (const { name, trackingLabels } of entities) {
    if (await isAppLockFree(session, entityLock(trackingLabels[0]))) continue;
    held.push({ entity: name, holder: await readHolder(session, trackingLabels[0]) });
  }
  return held;
}
