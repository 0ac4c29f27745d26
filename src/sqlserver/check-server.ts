/** SQL Server as `check` sees it: facts about connections, sources and the log database. Nothing is written. */
import type {
  ClockFacts,
  ConnectionFacts,
  KeyFacts,
  PermissionFacts,
  SpaceFacts,
  TrackingIndex,
} from '../sync/check-facts.ts';
import type { ConnectionSettings } from '../sync/connection.ts';
import type { EntityIdentity, LockHolder, Source } from '../sync/ports.ts';
import { createClosablePool } from './closable-pool.ts';
import { address, concernsAllDatabases } from './connect-error.ts';
import { readKeyFacts } from './key-facts.ts';
import { readHeldLocks, readPermissions, readSpace, readTrackingIndex } from './log-facts.ts';
import { compareMigrations } from './migrate.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { createSource } from './source.ts';
import { type SourceEntity, sourceError } from './source-entity.ts';

export { concernsAllDatabases };

/** Everything that is asked. Each method rejects with SyncError SOURCE_* or LOG_DATABASE_*. */
export interface CheckServer {
  /** Opens a connection. */
  connection(name: string): Promise<ConnectionFacts>;
  clock(name: string): Promise<ClockFacts>;
  source(entity: SourceEntity, columns?: readonly string[]): Source;
  key(entity: SourceEntity): Promise<KeyFacts>;
  /** Names of the migrations that the log database lacks, and its version. */
  migrations(): Promise<{ readonly pending: readonly string[]; readonly version: number }>;
  permissions(): Promise<readonly PermissionFacts[]>;
  trackingIndex(): Promise<TrackingIndex>;
  space(): Promise<SpaceFacts>;
  /** The entities whose lock is held, with who holds it. */
  heldLocks(
    entities: readonly EntityIdentity[],
  ): Promise<readonly { readonly entity: string; readonly holder: LockHolder }[]>;
  /** Ends what is under way, and all connections. */
  close(): Promise<void>;
}

/** Connections are opened when they are needed; connects and statements take `timeoutMs` at most. */
export function openCheckServer(
  connections: Readonly<Record<string, ConnectionSettings>>,
  logConnection: string,
  timeoutMs: number,
): CheckServer {
  const pools = new Map<string, Pool>();
  const poolOf = (name: string): Pool => {
    const settings = connections[name];
    if (settings === undefined) throw new Error(`the configuration has no connection ${name}`);
    const pool =
      pools.get(name) ?? createClosablePool(settings, name === logConnection ? 'LOG_DATABASE' : 'SOURCE', timeoutMs);
    pools.set(name, pool);
    return pool;
  };
  const inLog = <T>(work: (session: Session) => Promise<T>) => poolOf(logConnection).withSession(work);
  return {
    async connection(name) {
      const pool = poolOf(name);
      const start = performance.now();
      return pool.withSession(async (session) => {
        const connected = performance.now();
        const { rows } = await session.query(SERVER);
        const ended = performance.now();
        const [version, edition, database, updateability] = rows[0] as readonly (string | null)[];
        const { encrypt, trustServerCertificate, login } = pool.settings;
        return {
          address: address(pool.settings),
          database: database ?? '',
          user: login.type === 'ntlm' ? `${login.domain}\\${login.user}` : login.user,
          encryption: encrypt === false ? 'none' : trustServerCertificate ? 'not verified' : 'verified',
          version: version ?? '',
          isAzure: AZURE_EDITIONS.includes(edition ?? ''),
          isReadOnly: updateability === 'READ_ONLY',
          connectMs: connected - start,
          latencyMs: ended - connected,
        };
      });
    },
    clock: (name) =>
      poolOf(name).withSession(async (session) => {
        const before = Date.now();
        const { rows } = await session.query('SELECT SYSUTCDATETIME()');
        const after = Date.now();
        const time = rows[0]?.[0] as Date;
        return { aheadMs: time.getTime() - (before + after) / 2, uncertaintyMs: (after - before) / 2 };
      }),
    source: (entity, columns) => createSource(poolOf(entity.source.connection), entity, columns),
    key: (entity) =>
      poolOf(entity.source.connection).withSession(async (session) => {
        try {
          return await readKeyFacts(session, entity);
        } catch (error) {
          throw sourceError(error, entity, entity.source.connection);
        }
      }),
    migrations: () =>
      inLog(async (session) => {
        const { pending, version } = await compareMigrations(session, logConnection);
        return { pending: pending.map(({ name }) => name), version };
      }),
    permissions: () => inLog(readPermissions),
    trackingIndex: () => inLog(readTrackingIndex),
    space: () => inLog(readSpace),
    heldLocks: (entities) => inLog((session) => readHeldLocks(session, entities)),
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
}

/** https://learn.microsoft.com/sql/t-sql/functions/serverproperty-transact-sql */
const SERVER = `SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')),
  CONVERT(nvarchar(128), SERVERPROPERTY('EngineEdition')), DB_NAME(),
  CONVERT(nvarchar(60), DATABASEPROPERTYEX(DB_NAME(), 'Updateability'))`;

/** Azure SQL Database and Managed Instance, as EngineEdition numbers them. */
const AZURE_EDITIONS = ['5', '8'];
