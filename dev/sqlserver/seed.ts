/**
 * Creates the three databases with their tables and fills them with sample rows, through a socket, so that it works
 * against the stand-in and against a real server alike.
 */
import { TYPES } from 'tedious';
import { type BulkColumn, SqlClient } from './client.ts';
import { sampleRow, sampleRows } from './sample-rows.ts';
import {
  createTableSql,
  LOG_DATABASE_SQL,
  SAMPLE_TABLES,
  type SampleColumn,
  type SampleEntity,
  type SampleTable,
} from './sample-schema.ts';
import { withKeywords } from './with-keywords.ts';

/** The names of the three databases on a server. */
export interface DatabaseNames {
  readonly mdm: string;
  readonly ess: string;
  readonly log: string;
}

/** The names they have at the installation. */
export const DATABASE_NAMES: DatabaseNames = { mdm: 'TAMHR_MDM', ess: 'TAMHR_ESS', log: 'TAMHR_LOG' };

/** What to create, and where. */
export interface SeedOptions {
  /** Gives the connection string for a database of the server; `master` is asked for too. */
  readonly connectionString: (database: string) => string;
  readonly databases?: DatabaseNames;
  /** Rows of each source; an entity that is left out gets none. A number holds for all five. */
  readonly rows: number | Partial<Record<SampleEntity, number>>;
  /**
   * Load them in the order of their keys, as SQL Server's clustered index holds them, whatever the order in which they came.
   * The stand-in keeps rows as they come, so that reading many in key order jumps about.
   */
  readonly inKeyOrder?: boolean;
  /** Ledger rows that the old job wrote for the first so many users, the labels taken in turn. */
  readonly oldJob?: { readonly rows: number; readonly labels?: readonly string[] };
}

/** Creates what is missing and fills it. Rejects with tedious' error, e.g. where the tables exist already (2714). */
export async function seed(options: SeedOptions): Promise<void> {
  const databases = options.databases ?? DATABASE_NAMES;
  await createDatabases(options.connectionString, databases);
  const { rows } = options;
  const entities = Object.entries(SAMPLE_TABLES) as [SampleEntity, SampleTable][];
  for (const database of ['mdm', 'ess'] as const) {
    await withClient(options.connectionString(databases[database]), async (client) => {
      for (const [entity, table] of entities.filter(([, one]) => one.database === database)) {
        await client.batch(createTableSql(table));
        const count = typeof rows === 'number' ? rows : (rows[entity] ?? 0);
        await loadSamples(client, entity, options.inKeyOrder ? inKeyOrder(entity, count) : upTo(count));
      }
    });
  }
  await withClient(options.connectionString(databases.log), async (client) => {
    for (const statement of LOG_DATABASE_SQL) await client.batch(statement);
    await insertOldLog(client, options.oldJob !== undefined);
    if (options.oldJob !== undefined)
      await loadOldLedger(client, options.oldJob.rows, options.oldJob.labels ?? ['User', 'Users']);
  });
}

/** Creates the databases that do not exist yet, each on the server of its connection string. */
export async function createDatabases(
  connectionString: (database: string) => string,
  databases: DatabaseNames,
): Promise<void> {
  for (const name of Object.values(databases)) {
    await withClient(withKeywords(connectionString(name), { Database: 'master' }), async (client) => {
      const [found] = await client.query('SELECT DB_ID(@name) AS Id', { name });
      if (found?.Id === null) await client.batch(`CREATE DATABASE [${name}]`);
    });
  }
}

/** Loads the sample rows of these numbers into an entity's existing table. */
async function loadSamples(client: SqlClient, entity: SampleEntity, numbers: Iterable<number>): Promise<void> {
  const { name, columns }: SampleTable = SAMPLE_TABLES[entity];
  function* rows(): Generator<unknown[]> {
    for (const index of numbers) {
      const row = sampleRow(entity, index);
      yield columns.map((column) => loadable(row[column.name] ?? null, column));
    }
  }
  await client.bulkInsert(`dbo.${name}`, columns.map(bulkColumn), rows());
}

function* upTo(count: number): Generator<number> {
  for (let index = 0; index < count; index++) yield index;
}

/**
 * The server compares the last group of a uniqueidentifier first, and random ones differ there:
 * https://learn.microsoft.com/sql/connect/ado-net/sql/compare-guid-uniqueidentifier-values
 */
function inKeyOrder(entity: SampleEntity, count: number): number[] {
  const lastGroups = Array.from(upTo(count), (index) => String(sampleRow(entity, index).Id).slice(-12));
  return [...lastGroups.keys()].sort((a, b) => ((lastGroups[a] as string) < (lastGroups[b] as string) ? -1 : 1));
}

async function withClient(connectionString: string, use: (client: SqlClient) => Promise<void>): Promise<void> {
  const client = await SqlClient.connect(connectionString);
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

function bulkColumn({ name, type, nullable }: SampleColumn): BulkColumn {
  const [, base = '', length = ''] = /^(\w+)(?:\((\w+).*\))?$/.exec(type) ?? [];
  switch (base) {
    case 'uniqueidentifier':
      return { name, nullable, type: TYPES.UniqueIdentifier };
    case 'int':
      return { name, nullable, type: TYPES.Int };
    case 'bit':
      return { name, nullable, type: TYPES.Bit };
    case 'datetime':
      return { name, nullable, type: TYPES.DateTime };
    case 'decimal':
      return { name, nullable, type: TYPES.Decimal, precision: 9, scale: 2 };
    case 'nvarchar':
      return {
        name,
        nullable,
        type: TYPES.NVarChar,
        length: length === 'max' ? Number.POSITIVE_INFINITY : Number(length),
      };
    default:
      throw new Error(`no sample column has the type ${type}`);
  }
}

function loadable(value: string | number | boolean | null, { type }: SampleColumn): unknown {
  if (value === null) return null;
  if (type === 'datetime') return new Date(`${value}Z`);
  if (type.startsWith('decimal')) return Number(value);
  return value;
}

async function loadOldLedger(client: SqlClient, count: number, labels: readonly string[]): Promise<void> {
  const nightly = Date.UTC(2026, 0, 1, 20, 0, 0);
  function* rows(): Generator<unknown[]> {
    let index = 0;
    for (const { Id } of sampleRows('Users', count)) {
      yield [labels[index % labels.length], Id, new Date(nightly + Math.floor(index / 3000) * 86_400_000)];
      index += 1;
    }
  }
  const columns: readonly BulkColumn[] = [
    { name: 'EntityType', type: TYPES.NVarChar, length: 100, nullable: false },
    { name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false },
    { name: 'SyncTimestamp', type: TYPES.DateTime2, scale: 7, nullable: false },
  ];
  await client.bulkInsert('dbo.TB_R_SYNC_TRACKING', columns, rows());
}

/** A login of another application, two failed batches of the old job and, where it left a ledger, two that went well. */
async function insertOldLog(client: SqlClient, withSuccess: boolean): Promise<void> {
  const rows = [
    ['TAMHR Portal', 'Login', 'User Login', 'Success', null, null],
    [
      'TAMHR Hangfire',
      'DataSync',
      'Sync Batch: Users',
      'Failure',
      '{"HttpResponseCode":422}',
      'Gagal mengirim "batch" – エラー',
    ],
    ['TAMHR Hangfire', 'DataSync', 'Sync Batch: EventsCalendar', 'Failure', '{"HttpResponseCode":422}', 'Timeout'],
    ['TAMHR Hangfire', 'DataSync', 'Sync Batch: Users', 'Success', '{"HttpResponseCode":200}', null],
    ['TAMHR Hangfire', 'DataSync', 'Sync Batch: ActualOrg', 'Success', '{"HttpResponseCode":200}', null],
  ] as const;
  for (const [index, [application, category, activity, status, information, exception]] of rows.entries()) {
    if (category === 'DataSync' && status === 'Success' && !withSuccess) continue;
    await client.execute(
      `INSERT INTO dbo.TB_R_Log (ID, ApplicationName, LogID, LogCategory, Activity, ApplicationModule, IPHostName, Status,
  AdditionalInformation, CreatedBy, CreatedOn, ModifiedBy, ModifiedOn, RowStatus, ExceptionMessage)
VALUES (@id, @application, @logId, @category, @activity, N'Scheduler', N'HRSRV01', @status, @information, N'System', @at,
  N'System', @at, 1, @exception)`,
      {
        id: { type: TYPES.UniqueIdentifier, value: `00000000-0000-4000-8000-00000000000${index}` },
        application,
        logId: `OLD-${index}`,
        category,
        activity,
        status,
        information,
        at: { type: TYPES.DateTime, value: new Date(Date.UTC(2026, 0, 1 + index, 20, 0, 5)) },
        exception,
      },
    );
  }
}
