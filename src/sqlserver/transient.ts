/** Which faults of a server or of the network may pass by themselves, so that the same work may succeed a moment later. */
import { TimeoutError } from 'tarn';
import { errorNumber } from './statement-error.ts';

/**
 * Numbers of the server's errors, and what they say. The first column of links tells who else calls them transient:
 *
 *   Azure      https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
 *   SqlClient  https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconfigurableretryfactory.baselinetransienterrors
 *   EF Core    https://github.com/dotnet/efcore/blob/main/src/EFCore.SqlServer/Storage/Internal/SqlServerTransientExceptionDetector.cs
 *   texts      https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
 *
 * Not here, though some of those lists have them: numbers that only SqlClient itself makes of socket errors (64, 121, 233,
 * 10053, 10054, 10060: the driver of this program gives codes instead), refused logins (18456 and its like, which lock
 * accounts), a database that is damaged (3908) or not there (4060, but see mayPassOnceOpened), snapshot conflicts (3960:
 * nothing here runs in that isolation level).
 */
export const TRANSIENT_ERRORS: Readonly<Record<number, string>> = {
  // Locks: SqlClient, EF Core.
  1204: 'no lock could be had',
  1205: 'deadlock victim',
  1222: 'lock timeout',
  // Sessions and servers that end, pause or start: the texts of these numbers.
  596: 'the session was killed',
  6005: 'the server is shutting down',
  17142: 'the server is paused',
  17197: 'the login timed out on the server',
  17809: 'the server has no free user connection',
  18401: 'the server is being upgraded',
  // Databases on their way up or over to another server: EF Core; 922, 954, 955, 976, 978 and 983 by their texts
  // (https://learn.microsoft.com/sql/database-engine/availability-groups/windows/always-on-client-connectivity-sql-server).
  615: 'the database is offline for a moment',
  921: 'the database has not been recovered yet',
  922: 'the database is being recovered',
  927: 'the database is being restored',
  941: 'the database is not started',
  952: 'the database is in transition',
  954: 'the database is a mirror',
  955: 'the database lacks a quorum',
  976: 'the replica takes no queries',
  978: 'the replica takes read-only connections alone',
  982: 'no secondary replica is online',
  983: 'the replica is neither primary nor secondary',
  988: 'the database lacks a quorum',
  3948: 'the state of the replica changed',
  4221: 'the secondary replica is starting',
  // What a write finds that is still connected to the server that was the primary one.
  3906: 'the database is read-only',
  // Resources: EF Core; 701, 802, 1101, 1105 and 9002 by their texts: somebody or a job frees the space
  // (https://learn.microsoft.com/sql/relational-databases/logs/troubleshoot-a-full-transaction-log-sql-server-error-9002).
  701: 'the server is out of memory',
  802: 'the server is out of memory',
  1101: 'the database has no space left',
  1105: 'the database has no space left',
  8628: 'the query could not be optimized in time',
  8645: 'no memory for the query in time',
  8651: 'no memory for the query',
  9002: 'the transaction log is full',
  // Reads that data moved away under: EF Core.
  601: 'data moved during the scan',
  3966: 'a row version is gone',
  // Azure, SqlClient, EF Core.
  10928: 'a limit of the database is reached',
  10929: 'the server is too busy',
  10936: 'a limit of the elastic pool is reached',
  40143: 'the service failed',
  40197: 'the service failed',
  40501: 'the service is busy',
  40540: 'the service failed',
  40613: 'the database is not available',
  49918: 'not enough resources',
  49919: 'too many operations',
  49920: 'too many operations',
};

/**
 * Codes of the driver and of the socket: lost, refused or timed out, and a name server that is not there for a moment. A
 * host name that does not exist (ENOTFOUND), certificates and a mismatch of encryption are none of these.
 * https://nodejs.org/api/errors.html#common-system-errors
 */
const transientCodes: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECLOSE',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'EPIPE',
  'ESOCKET',
  'ETIMEDOUT',
  'ETIMEOUT',
]);

const DEADLOCK_VICTIM = 1205;

/** Cannot open database. */
const DATABASE_MISSING = 4060;

/**
 * Whether the fault may pass. What SyncErrors wrap decides: the server's number where it sent one, else the codes of the
 * innermost errors, since the driver wraps a refused certificate as it wraps a lost connection.
 */
export function isTransient(error: unknown): boolean {
  const number = faultNumber(error);
  if (number !== undefined) return number in TRANSIENT_ERRORS;
  return innermost(error).some(isGone);
}

/**
 * Whether it may pass on a connection that was open before. A wrong name of a database must fail at once; but one that was
 * opened a moment ago is there, and only failing over.
 */
export function mayPassOnceOpened(error: unknown): boolean {
  return isTransient(error) || faultNumber(error) === DATABASE_MISSING;
}

/** The transaction was rolled back for the sake of another one; its session goes on. */
export function isDeadlock(error: unknown): boolean {
  return faultNumber(error) === DEADLOCK_VICTIM;
}

/** The number of the server's error, also where it is wrapped. */
export function faultNumber(error: unknown): number | undefined {
  const number = errorNumber(error);
  if (number !== undefined) return number;
  return error instanceof Error && error.cause !== undefined ? faultNumber(error.cause) : undefined;
}

/** The connection is lost or could not be opened. */
function isGone(error: Error): boolean {
  if (error instanceof TimeoutError) return true;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return false;
  // What the driver says of a statement on a connection that it has given up; in another state it is a bug of the caller.
  if (code === 'EINVALIDSTATE') return /\bFinal state\b/.test(error.message);
  return transientCodes.has(code);
}

/** The errors at the bottom of what an error wraps; those without a code say nothing, and what wraps them counts. */
function innermost(error: unknown): Error[] {
  if (!(error instanceof Error)) return [];
  // Somebody wanted it to end, for whatever reason it names.
  if (error.name === 'AbortError') return [error];
  const wrapped: readonly unknown[] = error instanceof AggregateError ? error.errors : [error.cause];
  const inner = wrapped.flatMap(innermost).filter((one) => 'code' in one || one instanceof TimeoutError);
  return inner.length > 0 ? inner : [error];
}
