/** What commands get of SQL Server: the sources, the log database and its history, behind one close. */
import type { ConnectionSettings } from '../sync/connection.ts';
import type { History } from '../sync/history.ts';
import type { EntityIdentity, LogDatabase, Source } from '../sync/ports.ts';
import { readHistory } from './history.ts';
import { createLogDatabase } from './log-database.ts';
import { createPool, type Pool } from './pool.ts';
import type { FaultPolicy } from './repeat.ts';
import { createSource, type SourceEntity } from './source.ts';

/** A page is read at a time, and a count beside it. */
const SOURCE_CONNECTIONS = 2;

/** Batches in flight that are reserved or settled at once; more of them wait for their turn. */
const LOG_CONNECTIONS = 10;

/** Everything of SQL Server. Connections are opened when they are needed. */
export interface SqlServer {
  readonly logDatabase: LogDatabase;
  /** Reads `columns` and the key's; all where `columns` is absent. */
  source(entity: SourceEntity, columns?: readonly string[]): Source;
  /** What `status` shows; `runs` is how many runs it lists. */
  history(entities: readonly EntityIdentity[], runs: number): Promise<History>;
  close(): Promise<void>;
}

/**
 * `connections` by their names in the configuration; `logConnection` holds the log database. Without `faults` nothing is
 * tried again.
 */
export function openSqlServer(
  connections: Readonly<Record<string, ConnectionSettings>>,
  logConnection: string,
  faults?: FaultPolicy,
): SqlServer {
  const settingsOf = (name: string): ConnectionSettings => {
    const settings = connections[name];
    if (settings === undefined) throw new Error(`the configuration has no connection ${name}`);
    return settings;
  };
  const sources = new Map<string, Pool>();
  const logPool = createPool(settingsOf(logConnection), 'LOG_DATABASE', LOG_CONNECTIONS, faults);
  const logDatabase = createLogDatabase(logPool);
  return {
    logDatabase,
    source(entity, columns) {
      const name = entity.source.connection;
      let pool = sources.get(name);
      if (pool === undefined) {
        pool = createPool(settingsOf(name), 'SOURCE', SOURCE_CONNECTIONS, faults);
        sources.set(name, pool);
      }
      return createSource(pool, entity, columns);
    },
    history: (entities, runs) => readHistory(logPool, entities, runs),
    async close() {
      await Promise.all([logDatabase, ...sources.values()].map((opened) => opened.close()));
    },
  };
}
