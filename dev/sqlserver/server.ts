/**
 * The stand-in SQL Server as tests and the demo start it: the engine of tsql/ behind the wire of wire/. For development
 * only; it listens on 127.0.0.1 and its one login is known to everybody.
 */
import type { SecureVersion } from 'node:tls';
import {
  type Engine,
  type EngineEvent,
  type ResultColumn,
  SqlServerError,
  type SqlType,
  type SqlValue,
} from './engine.ts';
import { Faults } from './faults.ts';
import { createEngine } from './tsql/engine.ts';
import { type Listener, listen } from './wire/listener.ts';
import type { WindowsLogin } from './wire/ntlm.ts';
import type { TlsMode } from './wire/prelogin.ts';
import { splitTicks } from './wire/temporal.ts';

export { testAuthority } from './wire/tls.ts';

/** The login that exists unless others are given. */
export const DEFAULT_LOGIN = { userName: 'sa', password: 'Stand-in-1' } as const;

/** The databases that exist unless others are given. */
const DEFAULT_DATABASES: readonly string[] = ['TAMHR_MDM', 'TAMHR_ESS', 'TAMHR_LOG'];

/** How to start the stand-in. */
export interface SqlServerOptions {
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** A folder that keeps the databases; in memory if absent. */
  readonly storage?: string;
  /** Databases to create where they are missing. */
  readonly databases?: readonly string[];
  /** Who may log in: password by user name. The first is in the connection strings. */
  readonly logins?: Readonly<Record<string, string>>;
  /** A Windows account that may log in by NTLM; its sessions run as the first of `logins`. */
  readonly windowsLogin?: WindowsLogin;
  /** 'on' (the default) gives each client what it wants, 'off' has no TLS, 'required' takes no client without. */
  readonly tls?: TlsMode;
  readonly minTlsVersion?: SecureVersion;
  readonly maxTlsVersion?: SecureVersion;
  /** The largest TDS packet it agrees to, in bytes. */
  readonly packetSize?: number;
  /** Sessions begin with NOCOUNT ON, as where an administrator has set the server option `user options` to 512. */
  readonly noCount?: boolean;
  /** Keep the text of every statement for `statements()`. */
  readonly record?: boolean;
}

/** A row as {@link SqlServer.query} gives it: GUIDs and times as text, exact numbers as text, binary as Uint8Array. */
type PlainRow = Record<string, string | number | Uint8Array | null>;

/** A running stand-in. */
export interface SqlServer {
  readonly port: number;
  readonly faults: Faults;
  /** An ADO.NET connection string for a database; `overrides` replace or add keywords (`undefined` takes one away). */
  connectionString(database: string, overrides?: Readonly<Record<string, string | undefined>>): string;
  /** The recorded statements, oldest first. Throws Error where recording is off. */
  statements(): readonly string[];
  /** Forgets the recorded statements. */
  clearStatements(): void;
  /** Cuts all connections, and waits until their sessions have ended: what is held there never runs. New ones are still taken. */
  dropConnections(): Promise<void>;
  /** Runs a batch inside the engine, without a socket; the rows of all its results. Rejects with SqlServerError. */
  query(database: string, sql: string): Promise<PlainRow[]>;
  /** Cuts all connections and stops. A storage folder stays, and another start may go on with it. */
  close(): Promise<void>;
  /** Like `close`, but clients get a reset (ECONNRESET), as when the server's process dies. */
  kill(): Promise<void>;
}

/** Starts a stand-in; rejects with EADDRINUSE where the port is taken. */
export async function startSqlServer(options: SqlServerOptions = {}): Promise<SqlServer> {
  const logins = options.logins ?? { [DEFAULT_LOGIN.userName]: DEFAULT_LOGIN.password };
  const [[userName, password] = ['', '']] = Object.entries(logins);
  const login = { userName, password };
  const engine = createEngine({
    ...(options.storage === undefined ? {} : { storage: options.storage }),
    logins,
    databases: options.databases ?? DEFAULT_DATABASES,
    ...(options.noCount === undefined ? {} : { noCount: options.noCount }),
  });
  const faults = new Faults();
  const recorded: string[] = [];
  const listener = await listen({
    engine,
    faults,
    port: options.port,
    windowsLogin: options.windowsLogin && { ...options.windowsLogin, runsAs: login },
    tls: options.tls,
    minTlsVersion: options.minTlsVersion,
    maxTlsVersion: options.maxTlsVersion,
    packetSize: options.packetSize,
    record: options.record ? (statement) => recorded.push(statement) : undefined,
  }).catch((error) => {
    engine.close();
    throw error;
  });
  return new RunningServer(engine, listener, faults, options.record ? recorded : undefined, login);
}

class RunningServer implements SqlServer {
  readonly port: number;
  readonly faults: Faults;
  readonly #engine: Engine;
  readonly #listener: Listener;
  readonly #recorded: string[] | undefined;
  readonly #login: { readonly userName: string; readonly password: string };
  #stopped: Promise<void> | undefined;

  constructor(
    engine: Engine,
    listener: Listener,
    faults: Faults,
    recorded: string[] | undefined,
    login: { readonly userName: string; readonly password: string },
  ) {
    this.port = listener.port;
    this.faults = faults;
    this.#engine = engine;
    this.#listener = listener;
    this.#recorded = recorded;
    this.#login = login;
  }

  connectionString(database: string, overrides: Readonly<Record<string, string | undefined>> = {}): string {
    const keywords: Record<string, string | undefined> = {
      Server: `tcp:127.0.0.1,${this.port}`,
      Database: database,
      'User Id': this.#login.userName,
      Password: this.#login.password,
      TrustServerCertificate: 'True',
      ...overrides,
    };
    const pairs = Object.entries(keywords).filter((pair): pair is [string, string] => pair[1] !== undefined);
    return pairs.map(([keyword, value]) => `${keyword}=${quote(value)};`).join('');
  }

  statements(): readonly string[] {
    if (this.#recorded === undefined) throw new Error('statements are recorded only with the option `record`');
    return [...this.#recorded];
  }

  clearStatements(): void {
    if (this.#recorded !== undefined) this.#recorded.length = 0;
  }

  dropConnections(): Promise<void> {
    return this.#listener.dropConnections();
  }

  async query(database: string, sql: string): Promise<PlainRow[]> {
    const session = this.#engine.login({ ...this.#login, database, hostName: 'localhost', appName: 'stand-in' });
    try {
      return await plainRows(session.execute(sql, undefined, new AbortController().signal));
    } finally {
      session.close();
    }
  }

  close(): Promise<void> {
    this.#stopped ??= this.#stop('end');
    return this.#stopped;
  }

  kill(): Promise<void> {
    this.#stopped ??= this.#stop('reset');
    return this.#stopped;
  }

  async #stop(how: 'end' | 'reset'): Promise<void> {
    this.faults.clear();
    await this.#listener.close(how);
    this.#engine.close();
  }
}

/** A value of a connection string, in quotes where it holds something that would end it. */
function quote(value: string): string {
  return /[;"'=]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

async function plainRows(events: AsyncIterable<EngineEvent> | Iterable<EngineEvent>): Promise<PlainRow[]> {
  const rows: PlainRow[] = [];
  let columns: readonly ResultColumn[] = [];
  for await (const event of events) {
    if (event.kind === 'columns') columns = event.columns;
    if (event.kind === 'message' && event.message.severity > 10) throw new SqlServerError(event.message);
    if (event.kind === 'row') {
      const { values } = event;
      rows.push(Object.fromEntries(columns.map(({ name, type }, i) => [name, plain(values[i] ?? null, type)])));
    }
  }
  return rows;
}

function plain(value: SqlValue, type: SqlType): string | number | Uint8Array | null {
  if (value instanceof Uint8Array) return type.name === 'uniqueidentifier' ? formatGuid(value) : value;
  if (value === null || typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'object') return formatTime(value.ticks, 'datetime2');
  switch (type.name) {
    case 'bigint':
      return String(value);
    case 'decimal':
    case 'numeric':
      return formatExact(value, type.scale ?? 0);
    case 'money':
    case 'smallmoney':
      return formatExact(value, 4);
    default:
      return formatTime(value, type.name);
  }
}

function formatGuid(bytes: Uint8Array): string {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  const hex = order.map((i) => (bytes[i] as number).toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function formatExact(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const sign = unscaled < 0n ? '-' : '';
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** ISO form with as many digits of the second as there are: 2026-11-23T23:59:59.997. */
function formatTime(ticks: bigint, name: SqlType['name']): string {
  const { days, time } = splitTicks(ticks);
  const date = new Date((days - 719_162) * 86_400_000).toISOString().slice(0, 10);
  if (name === 'date') return date;
  // SQL Server shows a datetime's 1/300 s as milliseconds.
  const shown = name === 'datetime' ? ((time + 5000n) / 10_000n) * 10_000n : time;
  const fraction = String(shown % 10_000_000n)
    .padStart(7, '0')
    .replace(/0+$/, '');
  const clock = new Date(Number(shown / 10_000n)).toISOString().slice(11, 19) + (fraction === '' ? '' : `.${fraction}`);
  return name === 'time' ? clock : `${date}T${clock}`;
}
