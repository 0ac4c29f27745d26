/** Why a connection could not be opened, told to a person: driver and TLS codes become a sentence and what to do. */
import type { ConnectionSettings } from '../sync/connection.ts';
import { SyncError } from '../sync/errors.ts';
import { faultNumber } from './transient.ts';

/** Which group of error codes a connection's failures belong to. */
export type ConnectionRole = 'SOURCE' | 'LOG_DATABASE';

interface Explanation {
  readonly what: string;
  readonly hint: string;
}

/**
 * The SyncError (SOURCE_UNAVAILABLE or LOG_DATABASE_UNAVAILABLE) of a failed connect. `serverNumber` is the number of the
 * server's own error message, where it sent one: the driver does not keep it, so its error gets it here.
 */
export function connectError(
  error: unknown,
  settings: ConnectionSettings,
  role: ConnectionRole,
  serverNumber: number | undefined,
): SyncError {
  const { what, hint } = explain(error, settings, serverNumber);
  if (error instanceof Error && serverNumber !== undefined) Object.assign(error, { number: serverNumber });
  return new SyncError(`${role}_UNAVAILABLE`, `Connection ${settings.name}: ${what}.`, hint, { cause: error });
}

/**
 * Whether a failed connect says the same of the server's other databases: it was not reached, or the login itself was refused
 * (which, tried on, locks the account).
 */
export function concernsAllDatabases(error: unknown): boolean {
  return faultNumber(error) === undefined || isRefusedLogin(error);
}

/** `host:port` or `host\instance`. */
export function address({ server, port, instance }: ConnectionSettings): string {
  if (instance !== undefined && port === undefined) return `${server}\\${instance}`;
  return `${server.includes(':') ? `[${server}]` : server}:${port ?? 1433}`;
}

function explain(error: unknown, settings: ConnectionSettings, serverNumber: number | undefined): Explanation {
  const place = address(settings);
  const codes = errorCodes(error);
  const has = (...wanted: string[]) => wanted.some((code) => codes.includes(code));
  if (serverNumber !== undefined) return loginRefused(serverNumber, settings, place);
  if (has('EINSTLOOKUP')) return instanceNotFound(settings, has('ENOTFOUND', 'EAI_AGAIN'));
  if (has('ENOTFOUND', 'EAI_AGAIN')) {
    return {
      what: `the host name ${settings.server} is unknown`,
      hint: 'Check the server in the connection string, and that this machine can resolve its name.',
    };
  }
  if (has('ECONNREFUSED')) {
    return {
      what: `${place} refused the connection`,
      hint: 'Check host and port, that SQL Server runs there, and that TCP/IP is enabled in its network configuration.',
    };
  }
  const certificate = certificateProblem(codes, settings, place);
  if (certificate !== undefined) return certificate;
  if (has('EENCRYPT')) return encryptionMismatch(settings, place);
  if (has('ETIMEOUT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN')) {
    // Where the SQL Server Browser does not answer, the whole time goes into waiting for it.
    if (settings.instance !== undefined && settings.port === undefined) return instanceNotFound(settings, false);
    return {
      what: `${place} did not answer within ${settings.connectTimeoutMs / 1000} s`,
      hint: 'Check host and port and the firewalls between; Connect Timeout in the connection string gives it longer.',
    };
  }
  if (codes.some((code) => code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code === 'EPROTO')) {
    return {
      what: `no TLS connection to ${place} came about (${codes.find((code) => /^(ERR_|EPROTO)/.test(code))})`,
      hint: 'The server may speak only an old TLS version: minTlsVersion lowers the minimum for this connection.',
    };
  }
  if (has('ECONNRESET', 'EPIPE', 'ESOCKET')) {
    return {
      what: `${place} closed the connection before the login was done`,
      hint: 'Check that this is the port of SQL Server, and whether the server demands encryption.',
    };
  }
  return {
    what: `${place} could not be used: ${error instanceof Error ? error.message : 'unknown error'}`,
    hint: 'Check the connection string of this connection.',
  };
}

/**
 * Errors that speak of user and password; further tries with them would lock the account.
 * https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors-18000-to-18999
 */
const REFUSED_LOGINS: ReadonlySet<number | undefined> = new Set([18452, 18456, 18486, 18487, 18488]);

/** Whether what connectError made says that the server does not take this user with this password. */
export function isRefusedLogin(error: unknown): boolean {
  return REFUSED_LOGINS.has(faultNumber(error));
}

/** https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors */
function loginRefused(number: number, { database, login }: ConnectionSettings, place: string): Explanation {
  const user = login.type === 'ntlm' ? `${login.domain}\\${login.user}` : login.user;
  switch (number) {
    case 18456:
    case 18452:
      return {
        what: `${place} refused the login of ${user} (error ${number})`,
        hint: 'Check user and password, and that the server allows this kind of login; it is not tried again, so as not to lock the account.',
      };
    case 18486:
      return {
        what: `the account ${user} is locked on ${place} (error ${number})`,
        hint: 'Have the account unlocked.',
      };
    case 18487:
    case 18488:
      return {
        what: `the password of ${user} on ${place} has expired or must be changed (error ${number})`,
        hint: 'Change the password, then the one in the configuration.',
      };
    case 4060:
    case 4063:
    case 4064:
      return {
        what: `${place} could not open the database ${database} for ${user} (error ${number})`,
        hint: 'Check the database name in the connection string, and that the user may use that database.',
      };
    default:
      return {
        what: `${place} refused the connection (error ${number})`,
        hint: 'See the server’s error log for the reason; this number is explained in its documentation.',
      };
  }
}

function instanceNotFound({ server, instance }: ConnectionSettings, unknownHost: boolean): Explanation {
  if (unknownHost) {
    return {
      what: `the host name ${server} is unknown`,
      hint: 'Check the server in the connection string, and that this machine can resolve its name.',
    };
  }
  return {
    what: `the port of the instance ${instance} on ${server} could not be found out`,
    hint: 'Check the instance name and that the SQL Server Browser runs there (UDP port 1434), or name the port instead of the instance.',
  };
}

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
function certificateProblem(
  codes: readonly string[],
  settings: ConnectionSettings,
  place: string,
): Explanation | undefined {
  const code = codes.find((candidate) => certificateCodes.has(candidate));
  if (code === undefined) return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      what: `the certificate of ${place} was issued for another name than ${settings.serverName ?? settings.server}`,
      hint: 'Connect by the name in the certificate, or say it with HostNameInCertificate in the connection string.',
    };
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return {
      what: `the certificate of ${place} ${code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet'}`,
      hint: "Have the server's certificate renewed, and check this machine's clock.",
    };
  }
  return {
    what: `the certificate of ${place} is signed by nobody this machine trusts`,
    hint: "Give the authority's certificate as `ca` of this connection; TrustServerCertificate=True accepts any certificate and so any server.",
  };
}

const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function encryptionMismatch({ encrypt }: ConnectionSettings, place: string): Explanation {
  return encrypt
    ? {
        what: `${place} does not offer encryption, which this connection demands`,
        hint: 'Have encryption enabled on the server; Encrypt=False in the connection string does without, on a network you trust.',
      }
    : {
        what: `${place} demands encryption, which this connection forbids`,
        hint: 'Take Encrypt=False out of the connection string.',
      };
}

/** The codes of an error and of all that it wraps, outermost first. */
function errorCodes(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const { code } = error as { code?: unknown };
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  return [...(typeof code === 'string' ? [code] : []), ...inner.flatMap(errorCodes)];
}
