/** A plain client for tests, seeding and trials: promises around one tedious connection, to the stand-in or a real server. */
import { MSSQL_SCHEMA, parse } from '@tediousjs/connection-string';
import { Connection, type ConnectionConfiguration, Request, TYPES } from 'tedious';

type TediousType = (typeof TYPES)[keyof typeof TYPES];

/** A value as tedious gives it; GUIDs are in lower case, zone-less times are Dates whose UTC parts are what the column holds. */
export type ClientValue = string | number | boolean | Date | Buffer | null;
export type ClientRow = Record<string, ClientValue>;

/** A parameter: a plain value (string, whole number, bigint, boolean, Date, Buffer, null as nvarchar) or one with its type. */
type ClientParameter = string | number | bigint | boolean | Date | Buffer | null | TypedParameter;

/** A parameter of a type that the value alone does not tell. */
export interface TypedParameter {
  readonly type: TediousType;
  readonly value: unknown;
  readonly length?: number;
  readonly precision?: number;
  readonly scale?: number;
}

export type ClientParameters = Readonly<Record<string, ClientParameter>>;

/** A column of a bulk load. */
export interface BulkColumn {
  readonly name: string;
  readonly type: TediousType;
  readonly nullable?: boolean;
  readonly length?: number;
  readonly precision?: number;
  readonly scale?: number;
}

/** Result columns in order, with tedious' names for their types. */
export interface ClientResult {
  readonly columns: readonly { readonly name: string; readonly type: string; readonly length: number | undefined }[];
  readonly rows: readonly ClientRow[];
  /** Rows of the last statement that counted any, added up by tedious over the whole request. */
  readonly rowCount: number;
}

/** A login was refused; `numbers` are those of the server's messages, none where the server could not be reached. */
export class LoginRefused extends Error {
  readonly numbers: readonly number[];
  constructor(cause: Error, numbers: readonly number[]) {
    super(cause.message, { cause });
    this.name = 'LoginRefused';
    this.numbers = numbers;
  }
}

/** One connection; one request at a time. Errors are tedious' own (`number` on a server's error). */
export class SqlClient {
  readonly connection: Connection;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Logs in with an ADO.NET connection string (Server=tcp:host,port; user and password). Rejects with LoginRefused. */
  static async connect(connectionString: string): Promise<SqlClient> {
    const connection = new Connection(configurationOf(connectionString));
    connection.on('error', () => connection.close());
    const numbers: number[] = [];
    connection.on('errorMessage', ({ number }) => numbers.push(number));
    await new Promise<void>((resolve, reject) =>
      connection.connect((error) => (error ? reject(new LoginRefused(error, numbers)) : resolve())),
    );
    return new SqlClient(connection);
  }

  /** Runs a statement through sp_executesql and gives its rows. */
  async query(sql: string, parameters: ClientParameters = {}): Promise<readonly ClientRow[]> {
    return (await this.run(sql, parameters)).rows;
  }

  /** Runs a statement through sp_executesql and gives the number of rows it touched. */
  async execute(sql: string, parameters: ClientParameters = {}): Promise<number> {
    return (await this.run(sql, parameters)).rowCount;
  }

  /** Runs a batch as it stands, so that #temporary tables and SET options outlive it. */
  async batch(sql: string): Promise<ClientResult> {
    return this.#request(sql, {}, 'execSqlBatch');
  }

  /** Runs a statement through sp_executesql. */
  async run(sql: string, parameters: ClientParameters = {}): Promise<ClientResult> {
    return this.#request(sql, parameters, 'execSql');
  }

  /** Loads rows (in the columns' order) and gives their number. */
  async bulkInsert(
    table: string,
    columns: readonly BulkColumn[],
    rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const load = this.connection.newBulkLoad(table, { keepNulls: true }, (error, rowCount) =>
        error ? reject(error) : resolve(rowCount ?? 0),
      );
      load.setTimeout(0);
      for (const { name, type, nullable = true, ...size } of columns) load.addColumn(name, type, { nullable, ...size });
      this.connection.execBulkLoad(load, rows as Iterable<unknown[]>);
    });
  }

  /** Closes the connection and waits until it is closed. */
  async close(): Promise<void> {
    if (this.connection.closed) return;
    const ended = new Promise<void>((resolve) => this.connection.once('end', () => resolve()));
    this.connection.close();
    await ended;
  }

  #request(sql: string, parameters: ClientParameters, how: 'execSql' | 'execSqlBatch'): Promise<ClientResult> {
    return new Promise((resolve, reject) => {
      let columns: ClientResult['columns'] = [];
      const rows: ClientRow[] = [];
      const request = new Request(sql, (error, rowCount) =>
        error ? reject(error) : resolve({ columns, rows, rowCount: rowCount ?? 0 }),
      );
      request.setTimeout(0);
      request.on('columnMetadata', (metadata) => {
        columns = Object.values(metadata).map(({ colName, type, dataLength }) => ({
          name: colName,
          type: type.name,
          length: dataLength,
        }));
      });
      request.on('row', (row: readonly { metadata: { colName: string }; value: ClientValue }[]) => {
        rows.push(Object.fromEntries(row.map(({ metadata, value }) => [metadata.colName, value])));
      });
      for (const [name, parameter] of Object.entries(parameters)) {
        const { type, value, ...size } = typed(parameter);
        request.addParameter(name, type, value, size);
      }
      this.connection[how](request);
    });
  }
}

function typed(parameter: ClientParameter): TypedParameter {
  if (parameter === null || typeof parameter === 'string') return { type: TYPES.NVarChar, value: parameter };
  if (typeof parameter === 'number') return { type: TYPES.Int, value: parameter };
  if (typeof parameter === 'bigint') return { type: TYPES.BigInt, value: parameter };
  if (typeof parameter === 'boolean') return { type: TYPES.Bit, value: parameter };
  if (parameter instanceof Date) return { type: TYPES.DateTime2, value: parameter };
  if (Buffer.isBuffer(parameter)) return { type: TYPES.VarBinary, value: parameter };
  return parameter;
}

function configurationOf(connectionString: string): ConnectionConfiguration {
  const keywords = parse(connectionString).toSchema(MSSQL_SCHEMA);
  const text = (keyword: string): string => String(keywords[keyword] ?? '');
  const [host = '', port = '1433'] = text('data source').replace(/^tcp:/i, '').split(',');
  return {
    server: host.trim(),
    authentication: { type: 'default', options: { userName: text('user id'), password: text('password') } },
    options: {
      port: Number(port),
      database: text('initial catalog'),
      encrypt: keywords.encrypt !== false,
      trustServerCertificate: keywords.trustservercertificate === true,
      appName: text('application name') || 'tamhr-sync dev',
      connectTimeout: 15_000,
      maxRetriesOnTransientErrors: 0,
      lowerCaseGuids: true,
      useUTC: true,
    },
  };
}
