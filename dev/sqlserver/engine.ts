/**
 * What stands between the two halves of the stand-in SQL Server: `wire/` (TDS on a socket) asks, `tsql/` (T-SQL on
 * node:sqlite) answers. This file holds only the types both sides speak; it knows neither the protocol nor SQLite.
 *
 * Terminology
 *   engine    one "server": its databases, logins and app locks
 *   session   one login on one connection: current database, transaction, #temporary tables, SET options
 *   event     one piece of an answer, in the order in which the wire sends it
 */

/** A SQL Server data type. `length` is in characters for n(var)char, in bytes for the others; 'max' is a (max) type. */
export interface SqlType {
  readonly name:
    | 'bit'
    | 'tinyint'
    | 'smallint'
    | 'int'
    | 'bigint'
    | 'real'
    | 'float'
    | 'decimal'
    | 'numeric'
    | 'smallmoney'
    | 'money'
    | 'date'
    | 'time'
    | 'smalldatetime'
    | 'datetime'
    | 'datetime2'
    | 'datetimeoffset'
    | 'uniqueidentifier'
    | 'char'
    | 'varchar'
    | 'nchar'
    | 'nvarchar'
    | 'text'
    | 'ntext'
    | 'xml'
    | 'binary'
    | 'varbinary'
    | 'image'
    | 'rowversion';
  readonly length?: number | 'max';
  readonly precision?: number;
  readonly scale?: number;
}

/**
 * A value as it crosses between wire/ and tsql/:
 *
 *   bit, tinyint, smallint, int, real, float    number (bit: 0 or 1)
 *   bigint                                      bigint
 *   decimal, numeric, money, smallmoney         bigint: the unscaled value (1.50 as decimal(9,2) is 150n; money has scale 4)
 *   date, smalldatetime, datetime, datetime2    bigint: ticks of 100 ns since 0001-01-01T00:00:00 (a datetime's are those of its
 *                                               1/300 s, to the nearest tick: .0000000, .0033333, .0066667)
 *   time                                        bigint: ticks of 100 ns since midnight
 *   datetimeoffset                              { ticks (UTC), offsetMinutes }
 *   uniqueidentifier                            Uint8Array(16), in the wire's byte order
 *   text types, xml                             string
 *   binary types, rowversion                    Uint8Array
 */
export type SqlValue =
  | null
  | number
  | bigint
  | string
  | Uint8Array
  | { readonly ticks: bigint; readonly offsetMinutes: number };

/** One column of a result set, in order; `name` is empty for an unnamed expression. */
export interface ResultColumn {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
  readonly identity?: boolean;
  /** char or varchar whose collation says UTF-8; else its code page is 1252. */
  readonly utf8?: boolean;
}

/** A parameter of a call of sp_executesql (or of a prepared handle), with its declared type. `name` begins with @. */
export interface Parameter {
  readonly name: string;
  readonly type: SqlType;
  readonly value: SqlValue;
  readonly output: boolean;
}

/** An error or information message, as sys.messages numbers it. Severity ≤ 10 is information. */
export interface ServerMessage {
  readonly number: number;
  readonly severity: number;
  readonly state: number;
  readonly message: string;
  readonly line: number;
  readonly procedure?: string;
}

/** One piece of an answer. A statement's events are: columns row* done, or done alone, or message (an error) and done. */
export type EngineEvent =
  | { readonly kind: 'columns'; readonly columns: readonly ResultColumn[] }
  | { readonly kind: 'row'; readonly values: readonly SqlValue[] }
  /** End of a statement. `rowCount` is absent where SET NOCOUNT ON or the statement counts no rows. `failed` follows an error. */
  | { readonly kind: 'done'; readonly rowCount?: number; readonly failed?: boolean }
  | { readonly kind: 'message'; readonly message: ServerMessage }
  | { readonly kind: 'database'; readonly from: string; readonly to: string }
  /** A transaction began or ended inside a batch; the wire must say so (ENVCHANGE 8, 9, 10). */
  | { readonly kind: 'transaction'; readonly change: 'begin' | 'commit' | 'rollback'; readonly descriptor: bigint }
  /** The value of an output parameter of the call, or its return status. */
  | { readonly kind: 'output'; readonly name: string; readonly type: SqlType; readonly value: SqlValue }
  | { readonly kind: 'returnStatus'; readonly value: number };

/** Thrown by engine and session for an error that ends the request (login refused, syntax); wire/ turns it into a message. */
export class SqlServerError extends Error {
  readonly info: ServerMessage;
  constructor(info: ServerMessage) {
    super(info.message);
    this.name = 'SqlServerError';
    this.info = info;
  }
}

/** What LOGIN7 said. `password` is already in clear. */
export interface LoginRequest {
  readonly userName: string;
  readonly password: string;
  readonly database: string;
  readonly hostName: string;
  readonly appName: string;
}

export interface Engine {
  /** Opens a session, or throws SqlServerError 18456 (login) or 4060 (database). */
  login(request: LoginRequest): Session;
  /** Ends every session and closes the storage. */
  close(): void;
}

export interface Session {
  readonly id: number;
  /** The current database. */
  readonly database: string;
  /** The open transaction's descriptor, 0n outside of one. */
  readonly transaction: bigint;
  /**
   * Runs one batch (no `parameters`) or the text of one sp_executesql call (with them; then `output` events of the output
   * parameters come last). Asynchronous, since it may wait for another session's lock. When `signal` aborts (attention), it
   * stops at the next row or statement and returns. Errors come as events and end or continue the batch as in SQL Server.
   */
  execute(
    sql: string,
    parameters: readonly Parameter[] | undefined,
    signal: AbortSignal,
  ): AsyncIterable<EngineEvent> | Iterable<EngineEvent>;
  /**
   * Calls a stored procedure by name (sp_getapplock, sp_describe_first_result_set …) as an RPC does; sp_executesql and the
   * sp_prepare family are wire/'s own and never come here.
   */
  call(
    procedure: string,
    parameters: readonly Parameter[],
    signal: AbortSignal,
  ): AsyncIterable<EngineEvent> | Iterable<EngineEvent>;
  /** A transaction manager request. `isolation` is the wire's number (0 = leave as it is). Yields `transaction` events. */
  begin(isolation: number): Promise<readonly EngineEvent[]>;
  commit(): Promise<readonly EngineEvent[]>;
  /** Rolls back to a savepoint where `savepoint` is given, else the whole transaction. */
  rollback(savepoint?: string): Promise<readonly EngineEvent[]>;
  save(savepoint: string): Promise<readonly EngineEvent[]>;
  /**
   * Answers an INSERT BULK statement: `columns` are those of the COLMETADATA that the driver sends after it. Returns the
   * number of rows written, or throws SqlServerError with nothing written.
   */
  bulkInsert(
    insertBulkSql: string,
    columns: readonly ResultColumn[],
    rows: AsyncIterable<readonly SqlValue[]>,
  ): Promise<number>;
  /** sp_reset_connection: rolls back, drops #temporary tables, releases session-owned app locks, restores SET options. */
  reset(): void;
  /** The connection has gone: as reset, and the session ends. */
  close(): void;
}
