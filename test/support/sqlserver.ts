/**
 * The SQL Server that integration tests run on: a stand-in of its own per test file or, where TAMHR_TEST_SQLSERVER holds
 * an ADO.NET connection string, that server, on which databases with names of their own are created and dropped again.
 */
import { after, before, it } from 'node:test';
import { type BulkColumn, type ClientParameters, type ClientRow, SqlClient } from '../../dev/sqlserver/client.ts';
import type { Faults } from '../../dev/sqlserver/faults.ts';
import {
  createDatabases,
  DATABASE_NAMES,
  type DatabaseNames,
  type SeedOptions,
  seed,
} from '../../dev/sqlserver/seed.ts';
import { type SqlServer, type SqlServerOptions, startSqlServer } from '../../dev/sqlserver/server.ts';
import { withKeywords } from '../../dev/sqlserver/with-keywords.ts';

/** The real server's connection string, or undefined where tests run on the stand-in. */
export const REAL_SERVER: string | undefined = process.env.TAMHR_TEST_SQLSERVER || undefined;

type DatabaseKey = keyof DatabaseNames;

/** Three databases on one server, for the tests of one file. Usable inside tests and hooks that come after. */
export interface TestSqlServer {
  /** The databases' names on this server. */
  readonly databases: DatabaseNames;
  /** The stand-in itself. Throws on a real server. */
  readonly standIn: SqlServer;
  /** The stand-in's faults. Throws on a real server. */
  readonly faults: Faults;
  /** An ADO.NET connection string for one of the three (or for `master`); `overrides` replace or add keywords. */
  connectionString(database: DatabaseKey | 'master', overrides?: Readonly<Record<string, string | undefined>>): string;
  /** A connection of the test's own, closed when the file's tests are done. */
  connect(database: DatabaseKey | 'master'): Promise<SqlClient>;
  /** Runs a statement with parameters; its rows as objects. */
  query(database: DatabaseKey, sql: string, parameters?: ClientParameters): Promise<readonly ClientRow[]>;
  /** Runs a statement with parameters; the number of rows it touched. */
  execute(database: DatabaseKey, sql: string, parameters?: ClientParameters): Promise<number>;
  bulkInsert(
    database: DatabaseKey,
    table: string,
    columns: readonly BulkColumn[],
    rows: Iterable<readonly unknown[]>,
  ): Promise<number>;
}

/** What a file's tests start from. */
export interface TestSqlServerOptions {
  /** Tables and sample rows to create; without it the three databases are empty. */
  readonly seed?: Pick<SeedOptions, 'rows' | 'oldJob'>;
  /** For the stand-in alone. */
  readonly standIn?: SqlServerOptions;
}

/** Sets up a server for the tests of the calling file (or `describe`), and takes it away after them. */
export function useSqlServer(options: TestSqlServerOptions = {}): TestSqlServer {
  let standIn: SqlServer | undefined;
  const clients = new Map<string, SqlClient>();
  const unique = `${process.pid.toString(36)}_${Date.now().toString(36)}`;
  const databases: DatabaseNames =
    REAL_SERVER === undefined
      ? DATABASE_NAMES
      : { mdm: `tamhr_test_${unique}_mdm`, ess: `tamhr_test_${unique}_ess`, log: `tamhr_test_${unique}_log` };

  const onStandIn = (): SqlServer => {
    if (standIn === undefined) throw new Error('this needs the stand-in, and to be inside a test');
    return standIn;
  };
  const connectionString: TestSqlServer['connectionString'] = (database, overrides) => {
    const name = database === 'master' ? 'master' : databases[database];
    return REAL_SERVER === undefined
      ? onStandIn().connectionString(name, overrides)
      : withKeywords(REAL_SERVER, { Database: name, ...overrides });
  };
  const byName = (database: string): string =>
    REAL_SERVER === undefined
      ? onStandIn().connectionString(database)
      : withKeywords(REAL_SERVER, { Database: database });
  /** One connection per database for the tests' own statements, opened when first asked for, and again if it was lost. */
  const client = async (database: DatabaseKey): Promise<SqlClient> => {
    const open = clients.get(database);
    if (open !== undefined && !open.connection.closed) return open;
    const opened = await SqlClient.connect(connectionString(database));
    clients.set(database, opened);
    return opened;
  };

  before(async () => {
    if (REAL_SERVER === undefined) standIn = await startSqlServer({ databases: [], ...options.standIn });
    if (options.seed === undefined) await createDatabases(byName, databases);
    else await seed({ connectionString: byName, databases, ...options.seed });
  });
  const opened: SqlClient[] = [];
  after(async () => {
    await Promise.all([...opened, ...clients.values()].map((one) => one.close()));
    if (standIn !== undefined) await standIn.close();
    else await dropDatabases(byName('master'), databases);
  });

  return {
    databases,
    get standIn() {
      return onStandIn();
    },
    get faults() {
      return onStandIn().faults;
    },
    connectionString,
    async connect(database) {
      const made = await SqlClient.connect(connectionString(database));
      opened.push(made);
      return made;
    },
    query: async (database, sql, parameters) => (await client(database)).query(sql, parameters),
    execute: async (database, sql, parameters) => (await client(database)).execute(sql, parameters),
    bulkInsert: async (database, table, columns, rows) => (await client(database)).bulkInsert(table, columns, rows),
  };
}

/** A test that plants faults, so that it can run on the stand-in only; on a real server it is left out, and says so. */
export function itOnStandIn(name: string, run: () => Promise<void> | void): void {
  if (REAL_SERVER === undefined) it(`${name} (stand-in)`, run);
  else process.stderr.write(`Left out on a real server, since it plants faults: ${name}\n`);
}

async function dropDatabases(master: string, databases: DatabaseNames): Promise<void> {
  const client = await SqlClient.connect(master);
  try {
    for (const name of Object.values(databases)) await client.batch(`DROP DATABASE [${name}]`);
  } finally {
    await client.close();
  }
}
