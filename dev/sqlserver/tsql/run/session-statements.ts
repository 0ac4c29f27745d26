/** Statements that neither steer the batch nor touch rows: transactions, settings, definitions, USE, WAITFOR. */

import type { Statement, TransactionName } from '../ast.ts';
import { message, sqlError, unsupported } from '../errors.ts';
import { types } from '../types.ts';
import { converter } from '../values/convert.ts';
import { ticksPerSecond } from '../values/datetime.ts';
import { alterTable } from './alter-table.ts';
import type { SessionCore, Step } from './core.ts';
import {
  alterDatabase,
  createDatabase,
  createSchema,
  createView,
  dropDatabase,
  dropSchema,
  dropView,
} from './databases.ts';
import { evaluate } from './evaluate.ts';
import { print, raise, throwError } from './raising.ts';
import { createLogin, createUser, dropLogin, grant } from './security.ts';
import { applySetting } from './settings.ts';
import { createIndex, createTable, dropIndex, dropTable, truncateTable } from './tables.ts';

function nameOf(core: SessionCore, name: TransactionName): string {
  return 'name' in name ? name.name : String(core.variable(name.variable).value ?? '');
}

function isTemporary(name: string | undefined): boolean {
  return name !== undefined && (name.startsWith('#') || name.startsWith('@'));
}

/** Runs such a statement. */
export function* performSessionStatement(core: SessionCore, statement: Statement): Generator<Step> {
  const define = (temporary: boolean, body: () => void): Generator<Step, void> => {
    if (!temporary) requireOwner(core, statement);
    return core.write(temporary, body);
  };
  switch (statement.kind) {
    case 'begin':
      yield* core.begin(statement.name);
      break;
    case 'commit':
      yield* core.commit();
      break;
    case 'rollback':
      yield* rollback(core, statement.name);
      break;
    case 'save':
      core.save(nameOf(core, statement.name));
      break;
    case 'print':
      yield* print(core, statement.expression, statement.line);
      break;
    case 'raiserror':
      yield* raise(core, statement);
      break;
    case 'throw':
      throwError(core, statement.args, statement.line);
      break;
    case 'waitfor':
      yield* delay(core, String(evaluate(core, statement.delay, types.nvarcharMax)));
      break;
    case 'use':
      yield* use(core, statement.database);
      break;
    case 'setOption':
      applySetting(core.settings, statement);
      break;
    case 'setIdentityInsert':
      setIdentityInsert(core, statement);
      break;
    case 'declareTable':
      yield* define(true, () => createTable(core, { parts: [statement.name] }, statement.definition));
      return;
    case 'createTable':
      yield* define(isTemporary(statement.name.parts.at(-1)), () =>
        createTable(core, statement.name, statement.definition),
      );
      break;
    case 'alterTable':
      yield* define(isTemporary(statement.name.parts.at(-1)), () => alterTable(core, statement.name, statement.change));
      break;
    case 'createIndex':
      yield* define(isTemporary(statement.table.parts.at(-1)), () =>
        createIndex(core, statement.table, statement.index),
      );
      break;
    case 'dropIndex':
      yield* define(isTemporary(statement.table.parts.at(-1)), () =>
        dropIndex(core, statement.table, statement.index, statement.ifExists),
      );
      break;
    case 'truncate':
      yield* define(isTemporary(statement.table.parts.at(-1)), () => truncateTable(core, statement.table));
      break;
    case 'drop':
      yield* define(
        statement.names.every((name) => isTemporary(name.parts.at(-1))),
        () => drop(core, statement),
      );
      break;
    case 'createView':
      yield* define(false, () => createView(core, statement));
      break;
    case 'createSchema':
      yield* define(false, () => createSchema(core, statement.name));
      break;
    case 'createDatabase':
      yield* define(false, () => createDatabase(core, statement.name));
      break;
    case 'createLogin':
      createLogin(core, statement.name, statement.password);
      break;
    case 'dropLogin':
      dropLogin(core, statement.name);
      break;
    case 'createUser':
      yield* core.write(false, () => createUser(core, statement.name, statement.login));
      break;
    case 'grant':
      yield* core.write(false, () => grant(core, statement));
      break;
    case 'alterDatabase':
      yield* define(false, () => alterDatabase(core, statement.name, statement.option));
      break;
    default:
      throw unsupported(statement.kind, statement.line);
  }
  core.rowCount = 0n;
  yield { kind: 'done' };
}

/** Throws 262 for what makes something new, 1088 for the rest, where the session is no administrator's. */
function requireOwner(core: SessionCore, statement: Statement): void {
  if (core.isAdministrator) return;
  const [, made] = /^create(Table|View|Schema|Database)$/.exec(statement.kind) ?? [];
  if (made !== undefined) throw sqlError(262, `CREATE ${made.toUpperCase()}`, core.database);
  const named = 'table' in statement ? statement.table : 'name' in statement ? statement.name : undefined;
  throw sqlError(1088, typeof named === 'object' && 'parts' in named ? named.parts.join('.') : core.database);
}

function drop(core: SessionCore, statement: Extract<Statement, { kind: 'drop' }>): void {
  for (const name of statement.names) {
    if (statement.what === 'TABLE') dropTable(core, name, statement.ifExists);
    else if (statement.what === 'VIEW') dropView(core, name, statement.ifExists);
    else if (statement.what === 'SCHEMA') dropSchema(core, name.parts.at(-1) as string, statement.ifExists);
    else dropDatabase(core, name.parts.at(-1) as string, statement.ifExists);
  }
}

function* rollback(core: SessionCore, name: TransactionName | undefined): Generator<Step> {
  if (name === undefined) {
    yield* core.rollback();
    return;
  }
  const text = nameOf(core, name);
  const isSavepoint = core.hasSavepoint(text);
  if (!isSavepoint && sameTransactionName(core, text)) yield* core.rollback();
  else yield* core.rollback(text);
}

const sameTransactionName = (core: SessionCore, name: string): boolean =>
  core.transactionName !== undefined && core.transactionName === name;

/** WAITFOR DELAY 'hh:mm:ss.mmm'. */
function* delay(core: SessionCore, text: string): Generator<Step> {
  const ticks = converter(types.nvarcharMax, { name: 'time', scale: 3 })?.(text);
  if (typeof ticks !== 'bigint')
    throw message(148, 15, 1, `Incorrect time syntax in time string '${text}' used with WAITFOR.`);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Number((ticks * 1000n) / ticksPerSecond));
  const cancel = (): void => resolve();
  core.signal.addEventListener('abort', cancel, { once: true });
  try {
    yield promise;
  } finally {
    clearTimeout(timer);
    core.signal.removeEventListener('abort', cancel);
  }
}

function* use(core: SessionCore, name: string): Generator<Step> {
  const database = core.databaseOf(name);
  core.requireAccess(database);
  const from = core.database;
  core.database = database.name;
  yield { kind: 'database', from, to: database.name };
  yield {
    kind: 'message',
    message: {
      number: 5701,
      severity: 0,
      state: 2,
      message: `Changed database context to '${database.name}'.`,
      line: 1,
    },
  };
}

function setIdentityInsert(core: SessionCore, statement: Extract<Statement, { kind: 'setIdentityInsert' }>): void {
  const table = core.object(statement.table.parts);
  if (table?.kind !== 'table') throw sqlError(1088, statement.table.parts.join('.'));
  if (!table.columns.some((column) => column.identity !== undefined))
    throw sqlError(8106, statement.table.parts.join('.'));
  if (!statement.on) {
    if (core.identityInsert?.id === table.id) core.identityInsert = undefined;
    return;
  }
  if (core.identityInsert !== undefined && core.identityInsert.id !== table.id)
    throw sqlError(8107, core.identityInsert.name, table.name);
  core.identityInsert = table;
}
