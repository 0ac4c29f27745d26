/** Brings the log database up to the newest migration, one transaction per file, safely when two do it at once. */
import type { ConnectionSettings } from '../sync/connection.ts';
import { SyncError } from '../sync/errors.ts';
import { acquireAppLock, releaseAppLock } from './app-lock.ts';
import { loadMigrations, type Migration, recordStatement, splitBatches } from './migrations.ts';
import { createPool } from './pool.ts';
import type { Session } from './session.ts';

const LOCK_RESOURCE = 'tamhr-sync:migrate';

/** How long a second `migrate` waits for the first. */
const LOCK_TIMEOUT_MS = 60_000;

/** What the migrations leave behind. */
const TABLES = [
  'TB_R_Log',
  'TB_R_SYNC_BATCH',
  'TB_R_SYNC_ENTITY',
  'TB_R_SYNC_FAILURE',
  'TB_R_SYNC_RUN',
  'TB_R_SYNC_TRACKING',
];

/** What `migrate` found and did. */
export interface MigrateResult {
  /** Not recorded before; applied now, unless it was only asked for. */
  readonly pending: readonly Migration[];
  /** The newest version that the database had before; 0 where it had none. */
  readonly version: number;
}

/**
 * Applies what is pending; with `check` it only says what is.
 *
 * Throws SyncError LOG_DATABASE_UNAVAILABLE, LOG_DATABASE_REFUSED (no permission, a table lost, or the lock not to be had
 * in a minute), LOG_DATABASE_NOT_MIGRATED (migrated by a newer version) and MIGRATION_CHANGED.
 */
export async function migrate(
  settings: ConnectionSettings,
  { check }: { readonly check: boolean },
): Promise<MigrateResult> {
  const pool = createPool(settings, 'LOG_DATABASE', 1);
  try {
    return await pool.withSession(async (session) => {
      const compare = () => compareMigrations(session, settings.name);
      if (check) return compare();
      await lock(session, settings);
      try {
        const result = await compare();
        for (const migration of result.pending) await apply(session, migration);
        return result;
      } finally {
        if (session.usable) await releaseAppLock(session, LOCK_RESOURCE);
      }
    });
  } finally {
    await pool.close();
  }
}

/**
 * What is pending; only reads. Rejects with SyncError LOG_DATABASE_REFUSED (a table lost), LOG_DATABASE_NOT_MIGRATED
 * (migrated by a newer version) and MIGRATION_CHANGED, or with the driver's error.
 */
export async function compareMigrations(session: Session, connectionName: string): Promise<MigrateResult> {
  const migrations = await loadMigrations();
  const applied = await appliedMigrations(session);
  refuseChanged(migrations, applied);
  const result = pendingOf(migrations, applied, connectionName);
  if (result.pending.length === 0) await refuseMissingTables(session, connectionName);
  return result;
}

/** Throws SyncError LOG_DATABASE_NOT_MIGRATED where the database is older than the migrations, or newer. */
export async function requireMigrated(session: Session, connectionName: string): Promise<void> {
  const { pending } = pendingOf(await loadMigrations(), await appliedMigrations(session), connectionName);
  if (pending.length === 0) return;
  throw new SyncError(
    'LOG_DATABASE_NOT_MIGRATED',
    `Connection ${connectionName}: the log database lacks ${pending.map(({ name }) => name).join(', ')}.`,
    'Run `tamhr-sync migrate`, or have a DBA run what `tamhr-sync migrate --print` prints.',
  );
}

interface Applied {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

async function appliedMigrations(session: Session): Promise<Applied[]> {
  const { rows: found } = await session.query(`SELECT OBJECT_ID(N'dbo.TB_R_SYNC_SCHEMA', N'U')`);
  if (found[0]?.[0] === null) return [];
  const { rows } = await session.query('SELECT Version, Name, Checksum FROM dbo.TB_R_SYNC_SCHEMA ORDER BY Version');
  return rows.map(([version, name, checksum]) => ({
    version: version as number,
    name: name as string,
    checksum: (checksum as string).trim(),
  }));
}

/** Throws where the database knows a version that this program does not. */
function pendingOf(
  migrations: readonly Migration[],
  applied: readonly Applied[],
  connectionName: string,
): MigrateResult {
  const newer = applied.find(({ version }) => !migrations.some((migration) => migration.version === version));
  if (newer !== undefined) {
    throw new SyncError(
      'LOG_DATABASE_NOT_MIGRATED',
      `Connection ${connectionName}: the log database was migrated by a newer tamhr-sync (${newer.name}).`,
      'Install that version, or a later one, here too.',
    );
  }
  const versions = new Set(applied.map(({ version }) => version));
  return {
    pending: migrations.filter(({ version }) => !versions.has(version)),
    version: Math.max(0, ...versions),
  };
}

function refuseChanged(migrations: readonly Migration[], applied: readonly Applied[]): void {
  for (const { version, name, checksum } of applied) {
    const migration = migrations.find((candidate) => candidate.version === version);
    if (migration === undefined || migration.checksum === checksum) continue;
    throw new SyncError(
      'MIGRATION_CHANGED',
      `sql/${migration.name}.sql is not what was applied to the log database as ${name}.`,
      'Restore the file from the release; changes to the database belong into a new file.',
    );
  }
}

/** A database that was migrated, and lost a table since. */
async function refuseMissingTables(session: Session, connectionName: string): Promise<void> {
  const { rows } = await session.query(`SELECT ${TABLES.map((table) => `OBJECT_ID(N'dbo.${table}')`).join(', ')}`);
  const missing = TABLES.filter((_, index) => rows[0]?.[index] === null);
  if (missing.length === 0) return;
  throw new SyncError(
    'LOG_DATABASE_REFUSED',
    `Connection ${connectionName}: the log database was migrated, but dbo.${missing.join(', dbo.')} ${missing.length === 1 ? 'is' : 'are'} gone since.`,
    'Restore it from a backup: with an empty ledger all rows are sent again. To begin with empty tables, delete the rows of dbo.TB_R_SYNC_SCHEMA and run `tamhr-sync migrate`.',
  );
}

async function apply(session: Session, migration: Migration): Promise<void> {
  await session.transaction(async () => {
    for (const batch of splitBatches(migration.sql)) await session.batch(batch);
    await session.batch(recordStatement(migration));
  });
}

async function lock(session: Session, settings: ConnectionSettings): Promise<void> {
  if (await acquireAppLock(session, LOCK_RESOURCE, LOCK_TIMEOUT_MS)) return;
  throw new SyncError(
    'LOG_DATABASE_REFUSED',
    `Connection ${settings.name}: another \`tamhr-sync migrate\` has been at work for more than ${LOCK_TIMEOUT_MS / 1000} s.`,
    'Wait until it has ended, then run this one again.',
  );
}
