/** Opens connections: settings to the driver's options, and failures to what a person can act on. */
import type { ConnectionConfiguration } from 'tedious';
import type { ConnectionSettings } from '../sync/connection.ts';
import { type ConnectionRole, connectError, isRefusedLogin } from './connect-error.ts';
import { loadDriver } from './driver.ts';
import { createSession, type Session } from './session.ts';
import { statementError } from './statement-error.ts';

/** How long the server may take, at most, to confirm that a statement is cancelled; then the connection is thrown away. */
const CANCEL_TIMEOUT_MS = 5000;

/**
 * Row counts say whether a run still owns an entity and whether a batch was settled before. The server option
 * `user options` (512) lets sessions begin without them. The other options that matter the driver sets itself
 * (XACT_ABORT: abortTransactionOnError below).
 * https://learn.microsoft.com/sql/database-engine/configure-windows/configure-the-user-options-server-configuration-option
 */
const SESSION_OPTIONS = 'SET NOCOUNT OFF';

/** As ADO.NET's default; the driver's of 4096 costs twice the packets. */
const PACKET_BYTES = 8000;

/** Throws SyncError SOURCE_UNAVAILABLE or LOG_DATABASE_UNAVAILABLE. Tries once, until `signal` aborts. */
export async function connect(
  settings: ConnectionSettings,
  role: ConnectionRole,
  signal?: AbortSignal,
): Promise<Session> {
  const driver = await loadDriver();
  const connection = new driver.Connection(driverConfiguration(settings));
  // A lost connection emits `error`, which without a listener ends the process; the statement under way fails anyway.
  connection.on('error', () => {});
  let serverNumber: number | undefined;
  const noteNumber = ({ number }: { number: number }) => {
    serverNumber ??= number;
  };
  connection.on('errorMessage', noteNumber);
  const close = () => connection.close();
  try {
    signal?.throwIfAborted();
    signal?.addEventListener('abort', close);
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => (error ? reject(error) : resolve()));
    });
  } catch (error) {
    connection.close();
    throw connectError(error, settings, role, serverNumber);
  } finally {
    signal?.removeEventListener('abort', close);
  }
  connection.off('errorMessage', noteNumber);
  const session = createSession(driver, connection, settings.requestTimeoutMs);
  try {
    await session.batch(SESSION_OPTIONS);
  } catch (error) {
    await session.close();
    throw statementError(error, role, settings.name);
  }
  return session;
}

/**
 * Opens connections with these settings until the server refuses user or password: from then on it answers with that
 * refusal and asks the server no more, since failed logins lock the account. An aborted `signal` ends what is under way.
 */
export function createConnector(
  settings: ConnectionSettings,
  role: ConnectionRole,
  signal?: AbortSignal,
): () => Promise<Session> {
  let refusal: unknown;
  return async () => {
    if (refusal !== undefined) throw refusal;
    try {
      return await connect(settings, role, signal);
    } catch (error) {
      if (isRefusedLogin(error)) refusal = error;
      throw error;
    }
  };
}

function driverConfiguration(settings: ConnectionSettings): ConnectionConfiguration {
  const { login, port, instance } = settings;
  return {
    server: settings.server,
    authentication:
      login.type === 'ntlm'
        ? { type: 'ntlm', options: { userName: login.user, password: login.password, domain: login.domain } }
        : { type: 'default', options: { userName: login.user, password: login.password } },
    options: {
      // With a port there is nothing to ask the SQL Server Browser for, and the driver takes only one of them.
      ...(instance !== undefined && port === undefined ? { instanceName: instance } : { port: port ?? 1433 }),
      database: settings.database,
      appName: settings.appName,
      encrypt: settings.encrypt,
      trustServerCertificate: settings.trustServerCertificate,
      ...(settings.serverName !== undefined && { serverName: settings.serverName }),
      cryptoCredentialsDetails: {
        ...(settings.ca !== undefined && { ca: settings.ca }),
        ...(settings.minTlsVersion !== undefined && { minVersion: settings.minTlsVersion }),
        // OpenSSL 3 refuses the ciphers of TLS 1.0 and 1.1 at its default security level.
        ...(/^TLSv1(\.1)?$/.test(settings.minTlsVersion ?? '') && { ciphers: 'DEFAULT:@SECLEVEL=0' }),
      },
      connectTimeout: settings.connectTimeoutMs,
      requestTimeout: settings.requestTimeoutMs,
      cancelTimeout: Math.min(CANCEL_TIMEOUT_MS, settings.requestTimeoutMs || CANCEL_TIMEOUT_MS),
      multiSubnetFailover: settings.multiSubnetFailover,
      readOnlyIntent: settings.readOnlyIntent,
      maxRetriesOnTransientErrors: 0,
      // XACT_ABORT: an error rolls the whole transaction back, never only its statement.
      abortTransactionOnError: true,
      lowerCaseGuids: true,
      useUTC: true,
      packetSize: PACKET_BYTES,
      useColumnNames: false,
      rowCollectionOnDone: false,
      rowCollectionOnRequestCompletion: false,
    },
  };
}
