/** One connection, one statement at a time: rows as arrays of cells, typed parameters, bulk load, transactions, cancelling. */
import type { Connection } from 'tedious';
import type { Cell, Row } from '../sync/ports.ts';
import type { Driver } from './driver.ts';
import type { Parameters, ParameterType } from './parameters.ts';

/** `dataLength` of a (max) type. */
export const MAX_LENGTH = 65535;

/** A result column as the server describes it, in the driver's terms. */
export interface ColumnDescription {
  readonly colName: string;
  /** As in the driver's TYPES, such as `NVarChar` or `IntN`. */
  readonly type: { readonly name: string };
  /** Bytes; MAX_LENGTH of a (max) type. */
  readonly dataLength: number | undefined;
  readonly precision: number | undefined;
  readonly scale: number | undefined;
  /** Of text; `codepage` is absent where the driver does not know the collation. */
  readonly collation?: { readonly codepage: string | undefined } | undefined;
}

/** What a statement gave: the rows of its only result set, and the number of rows it returned or changed. */
interface Result {
  readonly columns: readonly ColumnDescription[];
  readonly rows: readonly Row[];
  readonly rowCount: number;
}

/** A column of a bulk load. `length` is in characters or bytes. */
export interface BulkColumn {
  readonly name: string;
  readonly type: ParameterType;
  readonly length?: number;
  readonly nullable: boolean;
}

/**
 * One connection in use by one caller. Every method rejects with the driver's error (statement-error.ts turns it into a
 * SyncError).
 */
export interface Session {
  /** False once the connection is lost or in a state that nobody knows. */
  readonly usable: boolean;
  /** The code page in which char and varchar parameters are sent: that of the connection's database. */
  readonly codePage: string | undefined;
  /** Aborts when the connection ends, whoever ended it. */
  readonly ended: AbortSignal;
  /**
   * One statement or several with parameters. An aborted `signal` cancels it and rejects with an AbortError. A statement
   * whose answer stalls for the connection's request timeout is cancelled with ETIMEOUT. With `take`, it gets each row as it
   * comes, and the result has none.
   */
  query(sql: string, parameters?: Parameters, signal?: AbortSignal, take?: (row: Row) => void): Promise<Result>;
  /**
   * Statements that are a transaction together, begun and committed with them in one round trip. An error takes all of them back,
   * those too that XACT_ABORT does not heed, such as RAISERROR in a trigger.
   */
  atomic(sql: string, parameters: Parameters): Promise<Result>;
  /** A batch without parameters, as DDL and temporary tables need it: what sp_executesql creates ends with it. */
  batch(sql: string): Promise<Result>;
  /** The rows are asked for one by one, while they are sent. */
  bulkInsert(table: string, columns: readonly BulkColumn[], rows: Iterable<readonly Cell[]>): Promise<void>;
  /**
   * Commits when `work` resolves, rolls back when it rejects. Where begin, commit or rollback fail the connection is thrown
   * away, which rolls back on the server.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when the connection has ended. */
  close(): Promise<void>;
}

/**
 * Wraps a logged-in connection. `requestTimeoutMs` is how long an answer may stall once it has begun; until then the driver
 * counts it.
 */
export function createSession(driver: Driver, connection: Connection, requestTimeoutMs: number): Session {
  const ended = new AbortController();
  let discarded = false;
  connection.once('end', () => ended.abort());

  function discard(): void {
    discarded = true;
    connection.close();
  }

  function run(
    send: (request: InstanceType<Driver['Request']>) => void,
    sql: string,
    parameters: Parameters,
    signal?: AbortSignal,
    take?: (row: Row) => void,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal));
      const rows: Row[] = [];
      const keep = take ?? ((row: Row) => rows.push(row));
      let columns: readonly ColumnDescription[] = [];
      let stalled = false;
      let isOver = false;
      const request = new driver.Request(sql, (error, rowCount) => {
        isOver = true;
        watchdog.stop();
        signal?.removeEventListener('abort', cancel);
        if (!error) resolve({ columns, rows, rowCount: rowCount ?? 0 });
        else if (signal?.aborted) reject(aborted(signal));
        else if (stalled) reject(timedOut(driver, requestTimeoutMs));
        else reject(withCode(driver, error));
      });
      const watchdog = createWatchdog(requestTimeoutMs, () => {
        stalled = true;
        request.cancel();
      });
      const cancel = () => request.cancel();
      request.on('columnMetadata', (metadata) => {
        columns = metadata as readonly ColumnDescription[];
        watchdog.progress();
      });
      request.on('row', (cells: readonly { readonly value: Cell }[]) => {
        // What had arrived when the connection ended may be parsed after the request has failed, and be read again by then.
        if (isOver) return;
        watchdog.progress();
        const row = new Array<Cell>(cells.length);
        for (let index = 0; index < cells.length; index++) row[index] = (cells[index] as { value: Cell }).value;
        keep(row);
      });
      for (const [name, { type, value, length, scale }] of Object.entries(parameters)) {
        const facts = { ...(length !== undefined && { length }), ...(scale !== undefined && { scale }) };
        request.addParameter(name, driver.TYPES[type], value, facts);
      }
      signal?.addEventListener('abort', cancel, { once: true });
      watchdog.start();
      send(request);
    });
  }

  /** The driver's timeout ends with the answer's first byte; what stalls after it, throws the connection away. */
  const called = (call: Call) =>
    new Promise<void>((resolve, reject) => {
      let stalled = false;
      const watchdog = createWatchdog(requestTimeoutMs, () => {
        stalled = true;
        discard();
      });
      const settle = (error?: Error | null) => {
        watchdog.stop();
        if (!error) resolve();
        else reject(stalled ? timedOut(driver, requestTimeoutMs) : withCode(driver, error));
      };
      watchdog.start();
      try {
        call(settle);
      } catch (error) {
        settle(error as Error);
      }
    });

  /** Nobody knows in what state a failed call leaves the connection. */
  const calledOrDiscarded = (call: Call) =>
    called(call).catch((error) => {
      discard();
      throw error;
    });

  async function rollBack(): Promise<void> {
    // With XACT_ABORT the server has often done it already.
    if (connection.closed || !connection.inTransaction) return;
    await called((callback) => connection.rollbackTransaction(callback)).catch(discard);
  }

  return {
    get usable() {
      return !discarded && !connection.closed;
    },
    get codePage() {
      return connection.databaseCollation?.codepage;
    },
    ended: ended.signal,
    query: (sql, parameters = {}, signal, take) =>
      run((request) => connection.execSql(request), sql, parameters, signal, take),
    async atomic(sql, parameters) {
      const whole = `BEGIN TRY
BEGIN TRANSACTION;
${sql};
COMMIT TRANSACTION;
END TRY
BEGIN CATCH
IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;
THROW;
END CATCH`;
      return run((request) => connection.execSql(request), whole, parameters).catch(async (error) => {
        await rollBack();
        throw error;
      });
    },
    batch: (sql) => run((request) => connection.execSqlBatch(request), sql, {}),
    async bulkInsert(table, columns, rows) {
      if (Array.isArray(rows) && rows.length === 0) return;
      await called((callback) => {
        const load = connection.newBulkLoad(table, {}, callback);
        for (const { name, type, length, nullable } of columns) {
          load.addColumn(name, driver.TYPES[type], { nullable, ...(length !== undefined && { length }) });
        }
        connection.execBulkLoad(load, rows as Iterable<unknown[]>);
      });
    },
    async transaction(work) {
      await calledOrDiscarded((callback) => connection.beginTransaction(callback));
      const result = await work().catch(async (error) => {
        await rollBack();
        throw error;
      });
      await calledOrDiscarded((callback) => connection.commitTransaction(callback));
      return result;
    },
    close() {
      if (ended.signal.aborted) return Promise.resolve();
      const end = new Promise<void>((resolve) =>
        ended.signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      discard();
      return end;
    },
  };
}

/** A method of the driver's that calls back. */
type Call = (callback: (error?: Error | null) => void) => void;

/** An answer that ends too early or makes no sense rejects without a code; the driver drops the connection then. */
function withCode(driver: Driver, error: Error): Error {
  const known = 'code' in error || error instanceof AggregateError || error instanceof TypeError;
  return known ? error : new driver.RequestError(error.message, 'ESOCKET', { cause: error });
}

function timedOut(driver: Driver, timeoutMs: number): Error {
  return new driver.RequestError(`No data for ${timeoutMs} ms`, 'ETIMEOUT');
}

function aborted(signal: AbortSignal): Error {
  const error = new Error('The statement was cancelled', { cause: signal.reason });
  error.name = 'AbortError';
  return error;
}

/**
 * Calls `stalled` once `timeoutMs` (0: never) to twice that have passed without progress. A flag a row is cheaper than a
 * timer a row.
 */
function createWatchdog(timeoutMs: number, stalled: () => void) {
  let timer: NodeJS.Timeout | undefined;
  let moved = false;
  return {
    start() {
      moved = true;
      if (timeoutMs === 0) return;
      timer = setInterval(() => {
        if (!moved) stalled();
        moved = false;
      }, timeoutMs);
    },
    progress() {
      moved = true;
    },
    stop() {
      clearInterval(timer);
    },
  };
}
