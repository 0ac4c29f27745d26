/** tedious as the client of a listener in the same process, with promises. */
import { Connection, type ConnectionConfiguration, Request } from 'tedious';

type Options = ConnectionConfiguration['options'];

/** Logs in; rejects with tedious' error. */
export async function connect(
  port: number,
  options: Options = {},
  userName = 'sa',
  password = 'Secret-1',
): Promise<Connection> {
  const connection = new Connection({
    server: 'localhost',
    authentication: { type: 'default', options: { userName, password } },
    options: {
      port,
      encrypt: false,
      database: 'TAMHR_LOG',
      appName: 'wire test',
      connectTimeout: 5000,
      ...options,
    },
  });
  connection.on('error', () => {});
  await new Promise<void>((resolve, reject) =>
    connection.connect((error) => (error === undefined || error === null ? resolve() : reject(error))),
  );
  return connection;
}

/** What came of one request. */
export interface Outcome {
  readonly columns: readonly (readonly { readonly name: string; readonly type: string }[])[];
  readonly rows: readonly (readonly unknown[])[];
  /** Of the whole request, as tedious adds it up. */
  readonly rowCount: number | undefined;
  readonly error: (Error & { readonly number?: number; readonly code?: string }) | undefined;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** How to run a request: `execSql` (sp_executesql) unless told otherwise. */
export interface Run {
  readonly how?: 'execSql' | 'execSqlBatch' | 'callProcedure';
  readonly options?: ConstructorParameters<typeof Request>[2];
  readonly prepare?: (request: Request) => void;
  readonly onRow?: (request: Request, connection: Connection) => void;
}

/** Runs one request to its end; never rejects. */
export async function request(connection: Connection, sql: string, run: Run = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const columns: { name: string; type: string }[][] = [];
    const rows: unknown[][] = [];
    const outputs: Record<string, unknown> = {};
    const made = new Request(
      sql,
      (error, rowCount) => resolve({ columns, rows, rowCount, error: error ?? undefined, outputs }),
      run.options,
    );
    made.on('columnMetadata', (metadata) => {
      columns.push(Object.values(metadata).map(({ colName, type }) => ({ name: colName, type: type.name })));
    });
    made.on('row', (row: readonly { value: unknown }[]) => {
      rows.push(row.map(({ value }) => value));
      run.onRow?.(made, connection);
    });
    made.on('returnValue', (name, value) => {
      outputs[name] = value;
    });
    run.prepare?.(made);
    connection[run.how ?? 'execSql'](made);
  });
}

/** Closes the connection and waits until it is closed. */
export async function disconnect(connection: Connection): Promise<void> {
  if (connection.closed) return;
  const ended = new Promise((resolve) => connection.once('end', resolve));
  connection.close();
  await ended;
}
