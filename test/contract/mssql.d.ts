/** The few parts of the package mssql (which has no types of its own) that the outside client's test and the bench use. */
declare module 'mssql' {
  interface Result {
    readonly recordset: readonly Record<string, unknown>[];
    readonly rowsAffected: readonly number[];
    readonly output: Readonly<Record<string, unknown>>;
    readonly returnValue?: number;
  }
  class Table {
    constructor(name: string);
    create: boolean;
    readonly columns: { add(name: string, type: unknown, options?: { nullable?: boolean; primary?: boolean }): void };
    readonly rows: { add(...values: unknown[]): void };
  }
  class Request {
    constructor(owner: ConnectionPool | Transaction | PreparedStatement);
    input(name: string, typeOrValue: unknown, value?: unknown): this;
    output(name: string, type: unknown, value?: unknown): this;
    query(sql: string): Promise<Result>;
    batch(sql: string): Promise<Result>;
    execute(procedure: string): Promise<Result>;
    bulk(table: Table): Promise<{ readonly rowsAffected: number }>;
    cancel(): void;
    /** Gives rows by event, and none in the result. */
    stream: boolean;
    on(event: 'row', listener: (row: Readonly<Record<string, unknown>>) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'done', listener: () => void): this;
    pause(): boolean;
    resume(): boolean;
  }
  class Transaction {
    constructor(pool: ConnectionPool);
    begin(): Promise<void>;
    commit(): Promise<void>;
    rollback(): Promise<void>;
    request(): Request;
  }
  class PreparedStatement {
    constructor(pool: ConnectionPool);
    input(name: string, type: unknown): this;
    prepare(sql: string): Promise<void>;
    execute(values: Readonly<Record<string, unknown>>): Promise<Result>;
    unprepare(): Promise<void>;
  }
  class ConnectionPool {
    constructor(connectionString: string);
    connect(): Promise<this>;
    close(): Promise<void>;
    request(): Request;
  }
  const mssql: {
    readonly ConnectionPool: typeof ConnectionPool;
    readonly Transaction: typeof Transaction;
    readonly PreparedStatement: typeof PreparedStatement;
    readonly Table: typeof Table;
    readonly Request: typeof Request;
    readonly Int: unknown;
    readonly DateTime: unknown;
    readonly UniqueIdentifier: unknown;
    readonly MAX: number;
    readonly NVarChar: (length: number) => unknown;
    readonly Decimal: (precision: number, scale: number) => unknown;
  };
  export default mssql;
}
