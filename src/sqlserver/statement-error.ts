/** What the server or the network did to a statement, told to a person. Values of rows are masked out of the texts. */
import { SyncError } from '../sync/errors.ts';
import { maskQuoted } from '../sync/mask.ts';
import type { ConnectionRole } from './connect-error.ts';

/**
 * Numbers of the server's errors that the product tells apart.
 * https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
 */
export const ERROR_NUMBERS = {
  invalidColumn: 207,
  invalidObject: 208,
  permissionDenied: 229,
  columnPermissionDenied: 230,
  duplicateKeyInIndex: 2601,
  duplicateKey: 2627,
  /** CREATE TABLE and its like. */
  statementPermissionDenied: 262,
  /** Babelfish reports syntax and permission errors under one number of its own. */
  babelfish: 33557097,
} as const;

/** Messages that only accompany another error: the statement has been terminated; the batch was aborted. */
const companions: ReadonlySet<number> = new Set([3621, 3609, 3930]);

/** The number of the server's error, or undefined where it is none of the server's. */
export function errorNumber(error: unknown): number | undefined {
  if (error instanceof AggregateError) {
    const numbers = error.errors.map(errorNumber).filter((number) => number !== undefined);
    return numbers.find((number) => !companions.has(number)) ?? numbers[0];
  }
  const { number } = (error ?? {}) as { number?: unknown };
  return error instanceof Error && typeof number === 'number' ? number : undefined;
}

/** Whether the server refused a row because its key is there already. */
export function isDuplicateKey(error: unknown): boolean {
  const number = errorNumber(error);
  return number === ERROR_NUMBERS.duplicateKey || number === ERROR_NUMBERS.duplicateKeyInIndex;
}

/** Whether the server refused for lack of a permission. */
export function isPermissionError(error: unknown): boolean {
  const number = errorNumber(error);
  if (number === ERROR_NUMBERS.babelfish) return /permission denied|must be owner/i.test(errorText(error));
  return (
    number === ERROR_NUMBERS.permissionDenied ||
    number === ERROR_NUMBERS.columnPermissionDenied ||
    number === ERROR_NUMBERS.statementPermissionDenied
  );
}

/** The server's text, with what might be a value masked. */
export function errorText(error: unknown): string {
  return maskQuoted(errorOfNumber(error, errorNumber(error)).message);
}

/**
 * Turns what a session rejects with into a SyncError: `<role>_UNAVAILABLE` where the connection broke or nothing came in
 * time, LOG_DATABASE_NOT_MIGRATED where a table or column of the tool is missing, else `<role>_REFUSED`.
 * Anything else, a SyncError too, is returned as it is.
 */
export function statementError(error: unknown, role: ConnectionRole, connectionName: string): unknown {
  if (!isDriverError(error)) return error;
  const place = `Connection ${connectionName}`;
  const number = errorNumber(error);
  if (number === undefined) return connectionLost(error, role, place);
  if (role === 'LOG_DATABASE' && (number === ERROR_NUMBERS.invalidObject || number === ERROR_NUMBERS.invalidColumn)) {
    return new SyncError(
      'LOG_DATABASE_NOT_MIGRATED',
      `${place}: a table or column of the tool is missing (error ${number}: ${errorText(error)})`,
      'Run `tamhr-sync migrate`, or have a DBA run what `tamhr-sync migrate --print` prints.',
      { cause: error },
    );
  }
  const hint = isPermissionError(error)
    ? 'Have the permission that the text names granted to the user of this connection.'
    : 'The number is explained in the documentation of SQL Server; the next run goes on from here.';
  return new SyncError(`${role}_REFUSED`, `${place}: error ${number}: ${errorText(error)}`, hint, { cause: error });
}

function connectionLost(error: unknown, role: ConnectionRole, place: string): SyncError {
  const timedOut = (error as { code?: unknown }).code === 'ETIMEOUT';
  return new SyncError(
    `${role}_UNAVAILABLE`,
    timedOut
      ? `${place}: the server did not answer a statement in time.`
      : `${place}: the connection to the server was lost.`,
    timedOut
      ? 'See what the server is busy with or blocked by; Command Timeout in the connection string gives it longer.'
      : 'See why the server or the network between closed the connection; the next run goes on from here.',
    { cause: error },
  );
}

/** The driver's errors and the socket's have a code; errors of this program have none, or one of Node's (ERR_…). */
function isDriverError(error: unknown): boolean {
  if (error instanceof SyncError || !(error instanceof Error)) return false;
  if (errorNumber(error) !== undefined) return true;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^E[A-Z]+$/.test(code);
}

function errorOfNumber(error: unknown, number: number | undefined): Error {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  return (errors.find((candidate) => errorNumber(candidate) === number) ?? error) as Error;
}
