/**
 * A session's inside: its SQLite connection, transaction, scopes of variables and #temporary tables, and its settings. What
 * statements do with it is in the other files of run/.
 *
 * Transactions: reads outside of a write see the newest committed state (read committed by row versions). The first write takes
 * the server's one writer's place and begins SQLite's transaction; both last until the T-SQL transaction ends. So writers wait
 * for each other as if each held a lock on everything, readers never wait.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EngineEvent, LoginRequest, SqlServerError, SqlType } from '../../engine.ts';
import { registerClosures } from '../bind/closures.ts';
import type { CaughtError, Runtime } from '../bind/runtime.ts';
import type { Binding, Names } from '../bind/scope.ts';
import {
  type Catalogue,
  type Database,
  findDatabase,
  findObject,
  sameName,
  storageName,
  type Table,
  type View,
  withDatabase,
} from '../catalogue/objects.ts';
import { isGranted, mayEnter, type Permission } from '../catalogue/permissions.ts';
import { message, sqlError } from '../errors.ts';
import { registerAggregates } from '../functions/aggregates.ts';
import { registerSqlFunctions } from '../functions/sqlite.ts';
import { spell } from '../types.ts';
import { fold } from '../values/collation.ts';
import { now } from '../values/datetime.ts';
import type { Stored } from '../values/stored.ts';
import type { LockMode, LockResult } from './locks.ts';
import type { Server } from './server.ts';
import type { Settings } from './settings.ts';

/** What a running statement yields: an event for the client, or something to wait for before it goes on. */
export type Step = EngineEvent | Promise<unknown>;

/** A variable of T-SQL. */
export interface Variable {
  readonly type: SqlType;
  value: Stored;
}

/** One batch or one call of sp_executesql: its variables; #temporary tables made in it end with it. */
export interface Frame {
  readonly variables: Map<string, Variable>;
  /** Names and types of the variables, as part of the key of compiled statements. */
  signature: string;
  readonly depth: number;
  returnValue: bigint;
}

interface TemporaryTable {
  readonly table: Table;
  /** Depth of the frame that made it. */
  readonly depth: number;
}

/** What a rollback takes back beside the rows. */
interface Schema {
  readonly catalogue: Catalogue | undefined;
  readonly temporary: readonly TemporaryTable[];
}

interface Savepoint {
  readonly name: string;
  schema: Schema;
}

/** The row images that OUTPUT and constraints look at: stored values by column id. */
export interface RowImages {
  readonly inserted: ReadonlyMap<number, Stored> | undefined;
  readonly deleted: ReadonlyMap<number, Stored> | undefined;
}

const statementLimit = 400;
const statementLength = 65_536;
const writerPlace = 'writer';
let versions = 0;
const versionIds = new WeakMap<object, number>();

function versionOf(state: object): number {
  let version = versionIds.get(state);
  if (version === undefined) {
    versions++;
    version = versions;
    versionIds.set(state, version);
  }
  return version;
}

/** One session. */
export class SessionCore implements Runtime, Names {
  readonly server: Server;
  readonly connection: DatabaseSync;
  readonly sessionId: number;
  readonly loginName: string;
  readonly hostName: string;
  readonly appName: string;
  readonly dateFirst = 7;
  database: string;
  settings: Settings;
  frames: Frame[] = [];
  rowCount = 0n;
  lastError = 0;
  caught: CaughtError | undefined;
  lastIdentity: bigint | null = null;
  scopeIdentity: bigint | null = null;
  statementTime = { utc: 0n, local: 0n };
  /** Cancels what the running request waits for. */
  signal: AbortSignal = new AbortController().signal;
  identityInsert: Table | undefined;
  /** Errors that were found while a statement was compiled, not while it ran. */
  readonly compileErrors = new WeakSet<SqlServerError>();
  /** A result set was begun and not ended. */
  isResultOpen = false;
  /** How many TRY blocks surround the running statement. */
  tryDepth = 0;
  transaction = 0n;
  transactionCount = 0;
  /** The name that the outermost BEGIN TRANSACTION gave. */
  transactionName: string | undefined;
  isDoomed = false;
  private isStorageOpen = false;
  private savepoints: Savepoint[] = [];
  private beforeTransaction: Schema | undefined;
  private changedCatalogue: Catalogue | undefined;
  private temporary: readonly TemporaryTable[] = [];
  private readonly prepared = new Map<string, StatementSync>();
  private firstRowversion: bigint | undefined;
  /** May do everything everywhere. */
  readonly isAdministrator: boolean;
  private readonly loginDatabase: string;

  constructor(server: Server, request: LoginRequest, database: string) {
    this.server = server;
    this.settings = { ...server.initialSettings };
    this.sessionId = server.nextSessionId();
    this.loginName = request.userName;
    this.hostName = request.hostName;
    this.appName = request.appName;
    this.database = database;
    this.loginDatabase = database;
    this.isAdministrator = server.logins.get(fold(request.userName))?.isAdministrator ?? false;
    this.connection = server.connect();
    registerClosures(this.connection, this);
    registerAggregates(this.connection);
    registerSqlFunctions(this.connection);
  }

  // Names and objects

  get catalogue(): Catalogue {
    return this.changedCatalogue ?? this.server.catalogue;
  }

  get nestingLevel(): number {
    return this.frames.length - 1;
  }

  /** What compiled statements depend on, beside their text. */
  get planKey(): string {
    const temporary = this.temporary.length === 0 ? 0 : versionOf(this.temporary);
    return `${versionOf(this.catalogue)} ${temporary} ${this.database} ${this.identityInsert?.id ?? ''} ${this.isAdministrator ? '' : fold(this.loginName)} ${this.frame.signature}`;
  }

  get frame(): Frame {
    return this.frames.at(-1) as Frame;
  }

  databaseOf(name: string): Database {
    const database = findDatabase(this.catalogue, name);
    if (database === undefined) throw sqlError(911, name);
    return database;
  }

  object(parts: readonly string[]): Table | View | undefined {
    const [name, schema, database, server] = [...parts].reverse();
    if (name === undefined) return undefined;
    if (server !== undefined) throw sqlError(7202, server);
    if (name.startsWith('#') || name.startsWith('@')) return this.temporaryTable(name);
    const place = database === undefined || database === '' ? this.database : database;
    this.requireAccess(this.databaseOf(place));
    return findObject(this.databaseOf(place), schema === undefined || schema === '' ? 'dbo' : schema, name);
  }

  /** Throws 916 where the session's login has no user in the database. */
  requireAccess(database: Database): void {
    if (!this.isAdministrator && !mayEnter(database, this.loginName))
      throw sqlError(916, this.loginName, database.name);
  }

  isAllowed(object: Table | View, permission?: Permission): boolean {
    if (this.isAdministrator || (object.kind === 'table' && object.temporary)) return true;
    return isGranted(this.databaseOf(object.database), this.loginName, object, permission);
  }

  allow(object: Table | View, permission: Permission): void {
    if (!this.isAllowed(object, permission))
      throw sqlError(229, permission, object.name, object.database, object.schema);
  }

  private temporaryTable(name: string): Table | undefined {
    const isVariable = name.startsWith('@');
    return this.temporary.findLast(
      (entry) => sameName(entry.table.name, name) && (!isVariable || entry.depth === this.frames.length),
    )?.table;
  }

  /** The #temporary table of that name made in the running scope, which a second CREATE TABLE would collide with. */
  temporaryInScope(name: string): Table | undefined {
    // The session's own tables (depth 0) and those of a plain batch (depth 1) are of one scope.
    const depths = this.frames.length === 1 ? [0, 1] : [this.frames.length];
    return this.temporary.find((entry) => depths.includes(entry.depth) && sameName(entry.table.name, name))?.table;
  }

  addTemporary(table: Table): void {
    this.temporary = [
      ...this.temporary.filter((entry) => entry.table.id !== table.id),
      { table, depth: this.frames.length },
    ];
  }

  removeTemporary(table: Table): void {
    this.temporary = this.temporary.filter((entry) => entry.table.id !== table.id);
  }

  /** Replaces a changed #temporary table. */
  replaceTemporary(table: Table): void {
    this.temporary = this.temporary.map((entry) => (entry.table.id === table.id ? { ...entry, table } : entry));
  }

  /** Throws 3906 where the table's rows must not change, since its database is read-only. */
  refuseReadOnly(table: Table): void {
    if (table.temporary) return;
    const database = findDatabase(this.catalogue, table.database);
    if (database?.readOnly) throw sqlError(3906, database.name);
  }

  /**
   * Takes over a changed catalogue; `databases` are those to be written. Only within a write. Throws 3906 where objects of a
   * read-only one would change.
   */
  changeCatalogue(catalogue: Catalogue, databases: readonly string[]): void {
    for (const name of databases) {
      const before = findDatabase(this.catalogue, name);
      const after = findDatabase(catalogue, name);
      if (!before?.readOnly || after === undefined) continue;
      if (before.objects !== after.objects || before.schemas !== after.schemas) throw sqlError(3906, before.name);
    }
    this.changedCatalogue = catalogue;
    for (const name of databases) {
      const database = findDatabase(catalogue, name);
      if (database === undefined) this.server.forget(this.connection, name);
      else this.server.save(this.connection, database);
    }
  }

  replaceDatabase(database: Database): void {
    this.changeCatalogue(withDatabase(this.catalogue, database), [database.name]);
  }

  variableType(name: string): SqlType | undefined {
    return this.frame.variables.get(name.toLowerCase())?.type;
  }

  variable(name: string): Variable {
    const variable = this.frame.variables.get(name.toLowerCase());
    if (variable === undefined) throw sqlError(137, name);
    return variable;
  }

  declare(name: string, type: SqlType, value: Stored): void {
    const key = name.toLowerCase();
    this.frame.variables.set(key, { type, value });
    this.frame.signature += `${key} ${spell(type)},`;
  }

  pushFrame(): Frame {
    const frame: Frame = { variables: new Map(), signature: '', depth: this.frames.length + 1, returnValue: 0n };
    this.frames.push(frame);
    return frame;
  }

  /** Ends the innermost scope: its #temporary tables go. */
  popFrame(): void {
    const depth = this.frames.length;
    this.frames.pop();
    this.dropTemporary((entry) => entry.depth >= depth);
  }

  private dropTemporary(condition: (entry: TemporaryTable) => boolean): void {
    const gone = this.temporary.filter(condition);
    if (gone.length === 0) return;
    this.temporary = this.temporary.filter((entry) => !condition(entry));
    for (const { table } of gone) this.connection.exec(`DROP TABLE IF EXISTS ${storageName(table)}`);
  }

  /** Ends the frame of a plain batch: variables go, #temporary tables stay with the session. */
  popBatchFrame(): void {
    this.dropTemporary((entry) => entry.depth === 1 && entry.table.name.startsWith('@'));
    this.temporary = this.temporary.map((entry) => (entry.depth === 1 ? { ...entry, depth: 0 } : entry));
    this.frames.pop();
  }

  // SQLite

  /** A prepared SQLite statement that gives rows as arrays, integers as bigint. */
  prepare(sql: string): StatementSync {
    const known = this.prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.connection.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    if (sql.length > statementLength) return statement;
    if (this.prepared.size >= statementLimit) {
      const [oldest] = this.prepared.keys();
      if (oldest !== undefined) this.prepared.delete(oldest);
    }
    this.prepared.set(sql, statement);
    return statement;
  }

  /** The values of a compiled statement's parameters. */
  parameters(bindings: readonly Binding[], images?: RowImages): Stored[] {
    return bindings.map((binding) => {
      if (binding.kind === 'variable') return this.variable(binding.name).value;
      if (binding.kind === 'session') return binding.read(this);
      return images?.[binding.image]?.get(binding.column) ?? null;
    });
  }

  startClock(): void {
    this.statementTime = { utc: now(true), local: now(false) };
  }

  // Transactions

  get transactionState(): number {
    return this.transactionCount === 0 ? 0 : this.isDoomed ? -1 : 1;
  }

  /** BEGIN TRANSACTION: the outermost one gets a descriptor. */
  *begin(name?: string): Generator<Step> {
    this.transactionCount++;
    if (this.transactionCount > 1) return;
    this.transactionName = name;
    this.transaction = this.server.nextTransaction();
    this.isDoomed = false;
    yield { kind: 'transaction', change: 'begin', descriptor: this.transaction };
  }

  *commit(): Generator<Step> {
    if (this.transactionCount === 0) throw sqlError(3902);
    if (this.isDoomed) throw sqlError(3930);
    if (this.transactionCount > 1) {
      this.transactionCount--;
      return;
    }
    if (this.isStorageOpen) this.connection.exec('COMMIT');
    this.publish();
    yield* this.ended('commit');
  }

  private publish(): void {
    if (this.changedCatalogue !== undefined) this.server.catalogue = this.changedCatalogue;
    this.changedCatalogue = undefined;
  }

  *rollback(savepoint?: string): Generator<Step> {
    if (this.transactionCount === 0) throw sqlError(3903);
    if (savepoint !== undefined) {
      this.rollbackTo(savepoint);
      return;
    }
    this.rollbackStorage();
    yield* this.ended('rollback');
  }

  hasSavepoint(name: string): boolean {
    return this.savepoints.some((savepoint) => sameName(savepoint.name, name));
  }

  private rollbackTo(name: string): void {
    if (this.isDoomed) throw sqlError(3931);
    const index = this.savepoints.findLastIndex((candidate) => sameName(candidate.name, name));
    const savepoint = this.savepoints[index];
    if (savepoint === undefined) throw sqlError(6401, name);
    this.savepoints = this.savepoints.slice(0, index + 1);
    if (!this.isStorageOpen) return;
    this.connection.exec(`ROLLBACK TO p${index}`);
    this.restore(savepoint.schema);
  }

  private rollbackStorage(): void {
    if (this.isStorageOpen) this.connection.exec('ROLLBACK');
    this.changedCatalogue = undefined;
    if (this.beforeTransaction !== undefined) this.restore({ ...this.beforeTransaction, catalogue: undefined });
  }

  private restore(schema: Schema): void {
    this.changedCatalogue = schema.catalogue;
    this.temporary = schema.temporary;
    const depth = this.frames.length;
    this.dropTemporary((entry) => entry.depth > depth);
  }

  private *ended(change: 'commit' | 'rollback'): Generator<Step> {
    const descriptor = this.transaction;
    this.transaction = 0n;
    this.transactionCount = 0;
    this.isDoomed = false;
    this.isStorageOpen = false;
    this.savepoints = [];
    this.beforeTransaction = undefined;
    this.firstRowversion = undefined;
    this.server.locks.releaseAll(this.sessionId, 'Transaction');
    yield { kind: 'transaction', change, descriptor };
  }

  save(name: string): void {
    if (this.transactionCount === 0) throw sqlError(628);
    if (this.isDoomed) throw sqlError(3930);
    this.savepoints.push({ name, schema: this.schema() });
    if (this.isStorageOpen) this.connection.exec(`SAVEPOINT p${this.savepoints.length - 1}`);
  }

  private schema(): Schema {
    return { catalogue: this.changedCatalogue, temporary: this.temporary };
  }

  /**
   * Runs a change as one atomic statement: takes the writer's place (unless only #temporary tables change), and on an error
   * takes back what it wrote. In a transaction the place is kept until that ends.
   */
  *write<T>(temporaryOnly: boolean, body: () => T): Generator<Step, T> {
    const end = yield* this.beginWrite(temporaryOnly);
    let isDone = false;
    try {
      const result = body();
      isDone = true;
      return result;
    } finally {
      end(isDone);
    }
  }

  /** As write, for a change that waits in between. */
  *writeSteps<T>(temporaryOnly: boolean, body: () => Generator<Step, T>): Generator<Step, T> {
    const end = yield* this.beginWrite(temporaryOnly);
    let isDone = false;
    try {
      const result = yield* body();
      isDone = true;
      return result;
    } finally {
      end(isDone);
    }
  }

  private *beginWrite(temporaryOnly: boolean): Generator<Step, (isDone: boolean) => void> {
    if (this.isDoomed) throw sqlError(3930);
    if (this.transactionCount === 0 && this.settings.implicitTransactions) yield* this.begin();
    const inTransaction = this.transactionCount > 0;
    // With XACT_ABORT an error ends the transaction: nothing has to be kept for taking back the statement alone.
    const hasSavepoint = inTransaction && !this.settings.xactAbort;
    if (inTransaction) {
      yield* this.openStorage();
      if (hasSavepoint) this.connection.exec('SAVEPOINT statement');
    } else if (temporaryOnly) this.connection.exec('BEGIN');
    else {
      yield* this.takeWriter();
      this.connection.exec('BEGIN IMMEDIATE');
    }
    const before = this.schema();
    return (isDone) => {
      if (inTransaction && !hasSavepoint) this.isDoomed ||= !isDone;
      else this.endWrite(inTransaction, isDone, before);
    };
  }

  private endWrite(inTransaction: boolean, isDone: boolean, before: Schema): void {
    if (isDone) this.connection.exec(inTransaction ? 'RELEASE statement' : 'COMMIT');
    else {
      this.connection.exec(inTransaction ? 'ROLLBACK TO statement; RELEASE statement' : 'ROLLBACK');
      this.changedCatalogue = before.catalogue;
      this.temporary = before.temporary;
    }
    if (inTransaction) return;
    this.publish();
    this.firstRowversion = undefined;
    this.server.locks.releaseAll(this.sessionId, 'Transaction');
  }

  /** Begins SQLite's transaction for the running T-SQL transaction, if that is still to do. */
  *openStorage(): Generator<Step> {
    if (this.isStorageOpen) return;
    yield* this.takeWriter();
    this.connection.exec('BEGIN IMMEDIATE');
    this.isStorageOpen = true;
    this.beforeTransaction = this.schema();
    this.savepoints.forEach((savepoint, index) => {
      savepoint.schema = this.schema();
      this.connection.exec(`SAVEPOINT p${index}`);
    });
  }

  private *takeWriter(): Generator<Step> {
    const result = yield* this.lock(writerPlace, 'Transaction', 'Exclusive', this.settings.lockTimeout);
    if (result === 'timeout') throw sqlError(1222);
    if (result === 'deadlock') throw sqlError(1205, this.sessionId);
    if (result === 'cancelled') throw message(0, 11, 0, 'Operation cancelled by user.');
  }

  /** Asks for a lock and waits for it. */
  *lock(resource: string, owner: string, mode: LockMode, timeoutMs: number): Generator<Step, LockResult> {
    const answer = this.server.locks.acquire(resource, this.sessionId, owner, mode, timeoutMs, this.signal);
    if (typeof answer === 'string') return answer;
    let result: LockResult = 'cancelled';
    yield answer.then((value) => {
      result = value;
    });
    return result;
  }

  /** The next rowversion of a database, noted as active until the transaction ends. */
  nextRowversion(database: string): bigint {
    const value = this.server.nextRowversion(database);
    this.firstRowversion ??= value;
    return value;
  }

  // Runtime

  rowsIn(table: Table): number {
    return Number((this.prepare(`SELECT count(*) FROM ${storageName(table)}`).get() as unknown as [bigint])[0]);
  }

  identityOf(table: Table): bigint | null {
    return this.server.lastIdentity(table) ?? null;
  }

  lastRowversion(): bigint {
    return this.server.lastRowversion(this.database);
  }

  minActiveRowversion(): bigint {
    return this.server.activeRowversion() ?? this.server.lastRowversion(this.database) + 1n;
  }

  /** The first rowversion that this session's open transaction gave out. */
  get activeRowversion(): bigint | undefined {
    return this.firstRowversion;
  }

  get lockTimeout(): number {
    return this.settings.lockTimeout;
  }

  get textSize(): number {
    return this.settings.textSize;
  }

  appLockMode(resource: string, owner: string): string {
    return this.server.locks.modeOf(this.appLockName(resource), this.sessionId, ownerName(owner)) ?? 'NoLock';
  }

  appLockTest(resource: string, mode: string, owner: string): boolean {
    ownerName(owner);
    return this.server.locks.isGrantable(this.appLockName(resource), this.sessionId, mode as LockMode);
  }

  /** Application locks are per database; names are compared byte by byte. */
  appLockName(resource: string): string {
    return `app ${fold(this.database)} ${resource}`;
  }

  // Life

  /** Rolls back, drops #temporary tables, releases locks, restores settings: sp_reset_connection. */
  reset(): void {
    if (this.connection.isTransaction) this.connection.exec('ROLLBACK');
    this.isStorageOpen = false;
    this.changedCatalogue = undefined;
    this.transaction = 0n;
    this.transactionCount = 0;
    this.isDoomed = false;
    this.savepoints = [];
    this.beforeTransaction = undefined;
    this.firstRowversion = undefined;
    this.frames = [];
    this.dropTemporary(() => true);
    this.server.locks.releaseAll(this.sessionId);
    this.settings = { ...this.server.initialSettings };
    this.database =
      findDatabase(this.server.catalogue, this.loginDatabase) === undefined ? 'master' : this.loginDatabase;
    this.identityInsert = undefined;
    this.rowCount = 0n;
    this.lastError = 0;
    this.tryDepth = 0;
    this.caught = undefined;
    this.lastIdentity = null;
    this.scopeIdentity = null;
  }

  close(): void {
    this.reset();
    this.prepared.clear();
    this.connection.close();
  }
}

function ownerName(owner: string): string {
  if (/^session$/i.test(owner)) return 'Session';
  if (/^transaction$/i.test(owner)) return 'Transaction';
  throw sqlError(214, '@LockOwner', 'nvarchar');
}
