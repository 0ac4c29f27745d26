/** What a connection string or connection object says, in one form. config/ makes it, sqlserver/ opens it. */

export interface ConnectionSettings {
  /** Name in the configuration, for messages. */
  readonly name: string;
  /** Host name or address, without protocol, port or instance. */
  readonly server: string;
  /** Absent with an `instance`, whose port the SQL Server Browser tells, else 1433. */
  readonly port?: number;
  readonly instance?: string;
  readonly database: string;
  readonly login:
    | { readonly type: 'sql'; readonly user: string; readonly password: string }
    | { readonly type: 'ntlm'; readonly domain: string; readonly user: string; readonly password: string };
  /** `strict` is TDS 8: TLS before the first byte. */
  readonly encrypt: boolean | 'strict';
  readonly trustServerCertificate: boolean;
  /** Name that the certificate must hold, where it is not `server`. */
  readonly serverName?: string;
  /** PEM text of the authority that signed the server's certificate. */
  readonly ca?: string;
  readonly minTlsVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly connectTimeoutMs: number;
  /** A statement whose answer's first packet takes longer is cancelled. */
  readonly requestTimeoutMs: number;
  /** How long a run goes on trying after a fault that may pass: lost connections, deadlocks, a failover. */
  readonly retryForMs: number;
  readonly appName: string;
  readonly multiSubnetFailover: boolean;
  readonly readOnlyIntent: boolean;
}
