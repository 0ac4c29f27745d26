/** What all sessions of one stand-in share: the storage, the committed catalogue, counters, locks and parsed texts. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Statement } from '../ast.ts';
import {
  type Catalogue,
  type Database,
  deserializeDatabase,
  emptyDatabase,
  serializeDatabase,
  storageName,
  type Table,
  withDatabase,
} from '../catalogue/objects.ts';
import type { Login } from '../catalogue/permissions.ts';
import { parseBatch } from '../parser/statement.ts';
import { fold } from '../values/collation.ts';
import { creationTime } from '../values/datetime.ts';
import type { Stored } from '../values/stored.ts';
import { LockTable } from './locks.ts';
import { defaultSettings, type Settings } from './settings.ts';

const parsedLimit = 2000;

/** Longer texts (lists of values) are unlikely to come again. */
const parsedLength = 32_768;

/** What the server needs of a session. */
interface OpenSession {
  readonly id: number;
  readonly activeRowversion: bigint | undefined;
  readonly database: string;
  close(): void;
}

/** The part of an engine that is not of one session. */
export class Server {
  readonly locks = new LockTable();
  /** By folded name. */
  readonly logins: Map<string, Login>;
  /** What a new session has. */
  readonly initialSettings: Readonly<Settings>;
  /** The committed state. */
  catalogue: Catalogue = new Map();
  /** The open sessions. */
  readonly sessions = new Set<OpenSession>();
  private readonly path: string;
  private readonly temporaryFolder: string | undefined;
  private readonly keeper: DatabaseSync;
  private readonly parsed = new Map<string, readonly Statement[]>();
  /** object_id → the last value that its identity column was given. */
  private readonly identities = new Map<number, bigint>();
  /** database → the last rowversion given out. */
  private readonly rowversions = new Map<string, bigint>();
  private lastObjectId = 1_000;
  private lastSessionId = 50;
  private lastTransaction = 0n;

  constructor(
    storage: string | undefined,
    logins: Readonly<Record<string, string>>,
    databases: readonly string[],
    initialSettings: Readonly<Settings> = defaultSettings,
  ) {
    this.logins = new Map(
      Object.entries(logins).map(([name, password]) => [fold(name), { name, password, isAdministrator: true }]),
    );
    this.initialSettings = initialSettings;
    let folder = storage;
    if (folder === undefined) {
      folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sqlserver-stand-in-'));
      this.temporaryFolder = folder;
    } else {
      mkdirSync(folder, { recursive: true });
      this.temporaryFolder = undefined;
    }
    this.path = join(folder, 'databases.sqlite');
    this.keeper = this.connect();
    this.keeper.exec('CREATE TABLE IF NOT EXISTS catalogue (name TEXT PRIMARY KEY, json TEXT NOT NULL)');
    this.load();
    for (const name of ['master', 'tempdb', ...databases]) this.addDatabase(name);
  }

  /** Opens a connection to the storage. */
  connect(): DatabaseSync {
    const connection = new DatabaseSync(this.path);
    connection.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-64000; PRAGMA mmap_size=8589934592; PRAGMA wal_autocheckpoint=16384',
    );
    return connection;
  }

  private load(): void {
    for (const row of this.keeper.prepare('SELECT json FROM catalogue').all()) {
      const database = deserializeDatabase(row.json as string);
      this.catalogue = withDatabase(this.catalogue, database);
      for (const object of database.objects.values()) {
        this.lastObjectId = Math.max(this.lastObjectId, object.id + 50);
        if (object.kind === 'table') this.loadCounters(object);
      }
    }
  }

  private loadCounters(table: Table): void {
    const maximum = (column: number): Stored => {
      const statement = this.keeper.prepare(`SELECT max(c${column}) AS m FROM ${storageName(table)}`);
      statement.setReadBigInts(true);
      return statement.get()?.m as Stored;
    };
    for (const column of table.columns) {
      if (column.identity !== undefined) {
        const last = maximum(column.id);
        if (typeof last === 'bigint') this.identities.set(table.id, last);
      } else if (column.type.name === 'rowversion') {
        const last = maximum(column.id) as Uint8Array | null;
        if (last !== null) {
          const value = new DataView(last.buffer, last.byteOffset, 8).getBigUint64(0);
          const key = fold(table.database);
          if (value > (this.rowversions.get(key) ?? 0n)) this.rowversions.set(key, value);
        }
      }
    }
  }

  private addDatabase(name: string): void {
    if (this.catalogue.has(fold(name))) return;
    const database = emptyDatabase(this.nextDatabaseId(), name, creationTime());
    this.catalogue = withDatabase(this.catalogue, database);
    this.save(this.keeper, database);
  }

  nextDatabaseId(): number {
    return Math.max(0, ...[...this.catalogue.values()].map((database) => database.id)) + 1;
  }

  /** Writes a database's catalogue through a connection, within its transaction. */
  save(connection: DatabaseSync, database: Database): void {
    connection
      .prepare('INSERT INTO catalogue VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET json = excluded.json')
      .run(fold(database.name), serializeDatabase(database));
  }

  forget(connection: DatabaseSync, name: string): void {
    connection.prepare('DELETE FROM catalogue WHERE name = ?').run(fold(name));
  }

  nextObjectId(): number {
    this.lastObjectId++;
    return this.lastObjectId;
  }

  nextSessionId(): number {
    this.lastSessionId++;
    return this.lastSessionId;
  }

  nextTransaction(): bigint {
    this.lastTransaction++;
    return this.lastTransaction;
  }

  lastIdentity(table: Table): bigint | undefined {
    return this.identities.get(table.id);
  }

  setIdentity(table: Table, value: bigint | undefined): void {
    if (value === undefined) this.identities.delete(table.id);
    else this.identities.set(table.id, value);
  }

  lastRowversion(database: string): bigint {
    return this.rowversions.get(fold(database)) ?? 2000n;
  }

  nextRowversion(database: string): bigint {
    const next = this.lastRowversion(database) + 1n;
    this.rowversions.set(fold(database), next);
    return next;
  }

  /** The lowest rowversion that an open transaction has given out: only the session in the writer's place can have one. */
  activeRowversion(): bigint | undefined {
    for (const session of this.sessions) if (session.activeRowversion !== undefined) return session.activeRowversion;
    return undefined;
  }

  /** Parses a batch, or takes it from the texts parsed before. */
  parse(sql: string, quotedIdentifier: boolean): readonly Statement[] {
    const key = quotedIdentifier ? sql : `off ${sql}`;
    const known = this.parsed.get(key);
    if (known !== undefined) return known;
    const statements = parseBatch(sql, quotedIdentifier);
    if (sql.length > parsedLength) return statements;
    if (this.parsed.size >= parsedLimit) {
      const [oldest] = this.parsed.keys();
      if (oldest !== undefined) this.parsed.delete(oldest);
    }
    this.parsed.set(key, statements);
    return statements;
  }

  close(): void {
    for (const session of [...this.sessions]) session.close();
    this.keeper.close();
    if (this.temporaryFolder !== undefined) rmSync(this.temporaryFolder, { recursive: true, force: true });
  }
}
