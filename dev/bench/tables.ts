/**
 * A users table of some size with a ledger of its own, on any server: how they are created and filled, and how the ledger is
 * brought into the state from which a work is measured.
 */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { TYPES } from 'tedious';
import { type BulkColumn, SqlClient } from '../sqlserver/client.ts';
import { seed } from '../sqlserver/seed.ts';
import { withKeywords } from '../sqlserver/with-keywords.ts';
import type { Servers } from './processes.ts';
import { LABEL } from './work/environment.ts';
import { stream } from './work/stream.ts';

/**
 *   empty     nothing is tracked
 *   full      all rows are
 *   strewn    all but some that lie evenly among them, see `strewnRows`
 *   half      every second row
 *   unknown   whatever a work has left
 */
export type LedgerState = 'empty' | 'full' | 'strewn' | 'half' | 'unknown';

/** A table of users, its ledger, and how to get at them. */
export interface UsersTable {
  readonly rows: number;
  /** The variables that the shipped configuration names. */
  readonly env: Readonly<Record<string, string>>;
  /** The file with the source's keys in the source's order, 36 characters each, see work/f2.ts. */
  readonly keysFile: string;
  /** Brings the ledger into a state; does nothing where it is in it. */
  prepare(state: Exclude<LedgerState, 'unknown'>): Promise<void>;
  /** Says what a work left. */
  left(state: LedgerState): void;
  /** How many rows the ledger holds. */
  tracked(): Promise<number>;
  close(): Promise<void>;
}

/** Rows that are pending in the state `strewn`. */
export function strewnRows(rows: number): number {
  return Math.min(1000, Math.ceil(rows / 10));
}

/** Rows that are tracked in the state `half`. */
export function halfRows(rows: number): number {
  return Math.ceil(rows / 2);
}

/** What the product keeps beside the ledger, and the log. */
const HISTORY = ['TB_R_SYNC_BATCH', 'TB_R_SYNC_RUN', 'TB_R_SYNC_FAILURE', 'TB_R_SYNC_ENTITY', 'TB_R_Log'];

const LEDGER_COLUMNS: readonly BulkColumn[] = [
  { name: 'EntityType', type: TYPES.NVarChar, length: 100, nullable: false },
  { name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false },
  { name: 'RowHash', type: TYPES.Binary, length: 16, nullable: true },
  { name: 'BatchId', type: TYPES.UniqueIdentifier, nullable: true },
];

/** The names of a table's databases; `unique` keeps them apart from others on the server. */
function databaseNames(unique: string, rows: number): { readonly mdm: string; readonly log: string } {
  return { mdm: `tamhr_bench_${unique}_mdm_${rows}`, log: `tamhr_bench_${unique}_log_${rows}` };
}

/** Creates and fills the databases. `migrate` is to bring the log database up to date, given the environment. */
export async function createUsersTable(options: {
  readonly servers: Servers;
  readonly unique: string;
  readonly rows: number;
  readonly folder: string;
  readonly migrate: (env: Readonly<Record<string, string>>) => Promise<void>;
}): Promise<UsersTable> {
  const { servers, unique, rows, folder } = options;
  const { mdm, log } = databaseNames(unique, rows);
  const inDatabase = (database: string): string =>
    withKeywords(database === log ? servers.log : servers.source, { Database: database });
  await seed({
    connectionString: inDatabase,
    databases: { mdm, ess: mdm, log },
    rows: { Users: rows },
    inKeyOrder: true,
  });
  const env = {
    TAMHR_DEFAULT_CONNECTION: inDatabase(mdm),
    TAMHR_ESS_CONNECTION: inDatabase(mdm),
    TAMHR_LOG_CONNECTION: inDatabase(log),
  };
  await options.migrate(env);
  const keys = await readKeys(inDatabase(mdm));
  const keysFile = `${folder}/keys-${rows}`;
  await writeFile(keysFile, keys.join(''), 'latin1');

  const ledger = await SqlClient.connect(inDatabase(log));
  let state: LedgerState = 'unknown';
  const clear = async (): Promise<void> => {
    await ledger.batch('TRUNCATE TABLE dbo.TB_R_SYNC_TRACKING');
    for (const table of HISTORY) await ledger.batch(`DELETE FROM dbo.${table}`);
  };
  const fill = async (tracked: readonly string[]): Promise<void> => {
    await clear();
    const batchId = randomUUID();
    const hash = Buffer.alloc(16, 7);
    const rowsOf = function* (): Generator<unknown[]> {
      for (const key of tracked) yield [LABEL, key, hash, batchId];
    };
    await ledger.bulkInsert('dbo.TB_R_SYNC_TRACKING', LEDGER_COLUMNS, rowsOf());
  };
  const deleteStrewn = async (): Promise<void> => {
    const step = rows / strewnRows(rows);
    const pending = Array.from({ length: strewnRows(rows) }, (_, index) => [keys[Math.floor((index + 0.5) * step)]]);
    await ledger.batch('CREATE TABLE #pending (EntityId nvarchar(255) COLLATE DATABASE_DEFAULT NOT NULL)');
    await ledger.bulkInsert(
      '#pending',
      [{ name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false }],
      pending,
    );
    await ledger.batch(`DELETE t FROM dbo.TB_R_SYNC_TRACKING AS t JOIN #pending AS p ON p.EntityId = t.EntityId
WHERE t.EntityType = N'${LABEL}'; DROP TABLE #pending`);
  };

  return {
    rows,
    env,
    keysFile,
    async prepare(wanted) {
      if (state === wanted && wanted !== 'strewn') return;
      const before = state;
      state = 'unknown';
      if (wanted === 'empty') await clear();
      if (wanted === 'half') await fill(keys.filter((_, index) => index % 2 === 0));
      if (wanted === 'full' || (wanted === 'strewn' && before !== 'full')) await fill(keys);
      if (wanted === 'strewn') await deleteStrewn();
      state = wanted;
    },
    left(after) {
      state = after;
    },
    async tracked() {
      const [row] = await ledger.query('SELECT COUNT(*) AS Tracked FROM dbo.TB_R_SYNC_TRACKING');
      return Number(row?.Tracked);
    },
    close: () => ledger.close(),
  };
}

/** Drops what there is of the databases, each whatever becomes of the others. Rejects with the names of those that stay. */
export async function dropUsersTables(servers: Servers, unique: string, sizes: ReadonlySet<number>): Promise<void> {
  const left: string[] = [];
  for (const server of new Set([servers.source, servers.log])) {
    const names = [...sizes].flatMap((rows) => Object.values(databaseNames(unique, rows)));
    try {
      const client = await SqlClient.connect(withKeywords(server, { Database: 'master' }));
      for (const name of names) {
        await drop(client, name).catch((error: Error) => left.push(`${name} (${error.message})`));
      }
      await client.close();
    } catch (error) {
      left.push(`${names.join(', ')} (${(error as Error).message})`);
    }
  }
  if (left.length > 0) throw new Error(`databases that are to be dropped by hand: ${left.join(', ')}`);
}

/** A killed process's connection may outlive it for a moment, so it is tried again. */
async function drop(client: SqlClient, name: string, attempts = 10): Promise<void> {
  const [found] = await client.query('SELECT DB_ID(@name) AS Id', { name });
  if (found?.Id === null) return;
  try {
    await client.batch(`DROP DATABASE [${name}]`);
  } catch (error) {
    if (attempts === 1) throw error;
    await new Promise((resolve) => setTimeout(resolve, 500));
    await drop(client, name, attempts - 1);
  }
}

async function readKeys(connectionString: string): Promise<string[]> {
  const client = await SqlClient.connect(connectionString);
  const keys: string[] = [];
  try {
    await stream(client, 'SELECT Id FROM dbo.MDM_USER', ([key]) => keys.push(String(key?.value)));
  } finally {
    await client.close();
  }
  return keys;
}
