/**
 * Runs a batch: control flow, variables, transactions, TRY … CATCH, and what an error does to statement, batch and transaction
 * (https://learn.microsoft.com/sql/t-sql/statements/set-xact-abort-transact-sql, https://www.sommarskog.se/error_handling/Part2.html).
 */
import { type Parameter, SqlServerError, type SqlType } from '../../engine.ts';
import type { Argument, Expression, Statement, TransactionName } from '../ast.ts';
import type { CaughtError } from '../bind/runtime.ts';
import { findDatabase } from '../catalogue/objects.ts';
import { atLine, message, messageInfo, sqlError, unsupported } from '../errors.ts';
import { nvarchar, spell, types } from '../types.ts';
import { converter } from '../values/convert.ts';
import { ticksPerSecond } from '../values/datetime.ts';
import { presenter, type Stored, storer } from '../values/stored.ts';
import { deletePlan, insertPlan, runDelete, runInsert, runUpdate, updatePlan } from './changes.ts';
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
import { parseDeclarations } from './declarations.ts';
import { conditionPlan, evaluate, holds, scalarPlan, typeOf } from './evaluate.ts';
import { callProcedure, type ProcedureArgument } from './procedures.ts';
import { runSelect, selectPlan } from './select.ts';
import { applySetting } from './settings.ts';
import { alterTable, createIndex, createTable, dropIndex, dropTable, truncateTable } from './tables.ts';

type Flow = 'next' | 'break' | 'continue' | 'return';

/** Thrown when the batch is over after an error that the client has been told. */
class BatchEnded extends Error {}

/** Thrown when the running scope (a call of sp_executesql) is over after an error that the client has been told. */
class ScopeEnded extends Error {}

/** Errors that end the batch and roll the transaction back, whatever XACT_ABORT says: conversions, the deadlock's victim. */
const endsBatch = new Set([241, 242, 244, 245, 248, 295, 1205, 8114, 8169, 8178]);

/** Errors after which a data change says that it was terminated (message 3621). */
const changes = new Set<Statement['kind']>(['insert', 'update', 'delete']);

/** Runs the text of a request. `parameters`: those of sp_executesql. Never throws a SqlServerError: it becomes events. */
export function* runRequest(
  core: SessionCore,
  sql: string,
  parameters: readonly Parameter[] | undefined,
): Generator<Step> {
  core.pushFrame();
  try {
    if (parameters !== undefined) {
      core.pushFrame();
      for (const parameter of parameters)
        core.declare(parameter.name, parameter.type, storer(parameter.type)(parameter.value));
    }
    try {
      yield* runText(core, sql);
      for (const parameter of parameters ?? []) {
        if (!parameter.output) continue;
        const { type, value } = core.variable(parameter.name);
        yield { kind: 'output', name: parameter.name, type, value: presenter(type)?.(value) ?? value };
      }
    } finally {
      if (parameters !== undefined) core.popFrame();
    }
    yield* endOfBatch(core);
  } catch (error) {
    if (error instanceof SqlServerError) yield* failed(error, 1);
    else if (!(error instanceof BatchEnded || error instanceof ScopeEnded)) throw error;
  } finally {
    core.tryDepth = 0;
    core.caught = undefined;
    while (core.frames.length > 1) core.popFrame();
    core.popBatchFrame();
  }
}

/** A transaction that an error has doomed can't outlive its batch. */
function* endOfBatch(core: SessionCore): Generator<Step> {
  if (!core.isDoomed) return;
  yield* core.rollback();
  yield* failed(sqlError(3998), 1);
}

function* failed(error: SqlServerError, line: number): Generator<Step> {
  yield { kind: 'message', message: messageInfo(error, line) };
  yield { kind: 'done', failed: true };
}

/** Parses a text, checks what can be checked before it runs, and runs it. */
function* runText(core: SessionCore, sql: string): Generator<Step> {
  const statements = core.server.parse(sql, core.settings.quotedIdentifier);
  checkAhead(core, statements);
  const flow = yield* runAll(core, statements);
  if (flow === 'break' || flow === 'continue') throw sqlError(flow === 'break' ? 135 : 136);
}

/**
 * Compiles each statement before the first one runs, as SQL Server does: an unknown column of a table that exists fails the
 * whole batch. Statements about objects that don't exist yet are left for when they run.
 */
function checkAhead(core: SessionCore, statements: readonly Statement[]): void {
  const { database } = core;
  const { signature } = core.frame;
  const declared = new Map(core.frame.variables);
  try {
    for (const statement of statements) {
      // What is made from here on may change what the names after it mean.
      if (statement.kind === 'createTable') break;
      checkStatement(core, statement);
    }
  } finally {
    core.database = database;
    core.frame.signature = signature;
    core.frame.variables.clear();
    for (const [name, variable] of declared) core.frame.variables.set(name, variable);
  }
}

function checkStatement(core: SessionCore, statement: Statement): void {
  try {
    switch (statement.kind) {
      case 'select':
        selectPlan(core, statement.query);
        break;
      case 'insert':
        insertPlan(core, statement);
        break;
      case 'update':
        updatePlan(core, statement);
        break;
      case 'delete':
        deletePlan(core, statement);
        break;
      case 'declare':
        for (const variable of statement.variables) {
          if (core.variableType(variable.name) !== undefined) throw sqlError(134, variable.name);
          if (variable.value !== undefined) scalarPlan(core, variable.value, variable.type);
          core.declare(variable.name, variable.type, null);
        }
        break;
      case 'setVariable': {
        const type = core.variableType(statement.name);
        if (type === undefined) throw sqlError(137, statement.name);
        scalarPlan(core, statement.expression, type);
        break;
      }
      case 'print':
        scalarPlan(core, statement.expression, nvarchar(4000));
        break;
      case 'use':
        if (findDatabase(core.catalogue, statement.database) !== undefined) core.database = statement.database;
        break;
      case 'if':
        conditionPlan(core, statement.condition);
        checkStatement(core, statement.body);
        if (statement.otherwise !== undefined) checkStatement(core, statement.otherwise);
        break;
      case 'while':
        conditionPlan(core, statement.condition);
        checkStatement(core, statement.body);
        break;
      case 'block':
        for (const inner of statement.body) checkStatement(core, inner);
        break;
      case 'try':
        for (const inner of [...statement.body, ...statement.handler]) checkStatement(core, inner);
        break;
    }
  } catch (error) {
    if (!(error instanceof SqlServerError)) throw error;
    if (!deferred.has(error.info.number)) throw atLine(error, statement.line);
  }
}

/** Errors about objects or settings that an earlier statement of the batch may yet change. */
const deferred = new Set([208, 544, 545, 911, 1088, 2760, 4902, 8101]);

function* runAll(core: SessionCore, statements: readonly Statement[]): Generator<Step, Flow> {
  for (const statement of statements) {
    const flow = yield* runOne(core, statement);
    if (flow !== 'next') return flow;
  }
  return 'next';
}

/** Runs one statement and deals with its error. */
function* runOne(core: SessionCore, statement: Statement): Generator<Step, Flow> {
  core.startClock();
  try {
    const flow = yield* perform(core, statement);
    if (!controlFlow.has(statement.kind)) core.lastError = 0;
    return flow;
  } catch (raw) {
    const error = raw instanceof SqlServerError ? raw : storageError(raw);
    if (error === undefined) throw raw;
    const located = atLine(error, statement.line);
    if (core.compileErrors.has(error)) core.compileErrors.add(located);
    yield* handleError(core, statement, located);
    return 'next';
  }
}

const controlFlow = new Set<Statement['kind']>(['if', 'while', 'block', 'try']);

/** An error of SQLite itself, as far as a statement can be its cause. */
function storageError(error: unknown): SqlServerError | undefined {
  if (error instanceof BatchEnded || error instanceof ScopeEnded || !(error instanceof Error)) return undefined;
  if (!('code' in error) || error.code !== 'ERR_SQLITE_ERROR') return undefined;
  if (error.message === 'integer overflow') return sqlError(8115, 'expression', 'int');
  return message(8630, 17, 1, `Internal Query Processor Error: the stand-in's storage says: ${error.message}`);
}

function* handleError(core: SessionCore, statement: Statement, error: SqlServerError): Generator<Step> {
  const { number, severity } = error.info;
  core.lastError = number;
  core.rowCount = 0n;
  const isRaised = statement.kind === 'raiserror';
  const ends = endsBatch.has(number) || statement.kind === 'throw' || number === 3930;
  const aborts = ends || (core.settings.xactAbort && severity > 10 && !isRaised);
  const isResultOpen = core.isResultOpen;
  core.isResultOpen = false;
  if (core.tryDepth > 0) {
    if (isResultOpen) yield { kind: 'done' };
    if (core.transactionCount > 0 && (core.settings.xactAbort || (endsBatch.has(number) && number !== 1205)))
      core.isDoomed = true;
    if (number === 1205 && core.transactionCount > 0) yield* core.rollback();
    throw error;
  }
  yield { kind: 'message', message: error.info };
  if (changes.has(statement.kind) && !core.compileErrors.has(error)) {
    yield {
      kind: 'message',
      message: messageInfo(message(3621, 0, 0, 'The statement has been terminated.'), statement.line),
    };
  }
  yield { kind: 'done', failed: true };
  if (aborts) {
    const keeps = statement.kind === 'throw' && !core.settings.xactAbort;
    if (core.transactionCount > 0 && !keeps) yield* core.rollback();
    throw new BatchEnded();
  }
  if (core.compileErrors.has(error)) throw new ScopeEnded();
}

function* perform(core: SessionCore, statement: Statement): Generator<Step, Flow> {
  switch (statement.kind) {
    case 'select':
      yield* runSelect(core, statement.query);
      return 'next';
    case 'insert':
      yield* runInsert(core, statement);
      return 'next';
    case 'update':
      yield* runUpdate(core, statement);
      return 'next';
    case 'delete':
      yield* runDelete(core, statement);
      return 'next';
    case 'insertBulk':
      throw unsupported('INSERT BULK');
    case 'if': {
      const branch = holds(core, statement.condition) ? statement.body : statement.otherwise;
      core.rowCount = 0n;
      return branch === undefined ? 'next' : yield* runOne(core, branch);
    }
    case 'while':
      return yield* runLoop(core, statement);
    case 'block':
      return yield* runAll(core, statement.body);
    case 'try':
      return yield* runTry(core, statement);
    case 'break':
    case 'continue':
      return statement.kind;
    case 'return':
      if (statement.value !== undefined) throw sqlError(178);
      return 'return';
    case 'declare':
      for (const variable of statement.variables) {
        core.declare(variable.name, variable.type, null);
        if (variable.value !== undefined)
          core.variable(variable.name).value = evaluate(core, variable.value, variable.type);
      }
      return 'next';
    case 'setVariable':
      core.variable(statement.name).value = evaluate(core, statement.expression, core.variable(statement.name).type);
      core.rowCount = 1n;
      return 'next';
    case 'execute':
      return yield* execute(core, statement);
    case 'executeText':
      yield* runNested(core, String(evaluate(core, statement.text, types.nvarcharMax) ?? ''), []);
      return 'next';
    default:
      yield* performOther(core, statement);
      return 'next';
  }
}

function* runLoop(core: SessionCore, statement: Extract<Statement, { kind: 'while' }>): Generator<Step, Flow> {
  while (holds(core, statement.condition)) {
    const flow = yield* runOne(core, statement.body);
    if (flow === 'break') break;
    if (flow === 'return') return flow;
    // Lets an attention reach a loop that sends nothing.
    yield Promise.resolve();
  }
  return 'next';
}

function* runTry(core: SessionCore, statement: Extract<Statement, { kind: 'try' }>): Generator<Step, Flow> {
  const depth = core.frames.length;
  const outer = core.caught;
  const { tryDepth } = core;
  core.tryDepth = tryDepth + 1;
  try {
    return yield* runAll(core, statement.body);
  } catch (error) {
    core.tryDepth = tryDepth;
    if (!(error instanceof SqlServerError)) throw error;
    // A statement that could not be compiled is no run-time error of the same scope.
    if (
      core.compileErrors.has(error) &&
      core.frames.length === depth &&
      core.frame.depth === depth &&
      !nested.has(error)
    ) {
      throw error;
    }
    core.caught = caughtError(error);
    return yield* runAll(core, statement.handler);
  } finally {
    core.tryDepth = tryDepth;
    core.caught = outer;
  }
}

/** Compile errors that came out of a nested scope: those can be caught. */
const nested = new WeakSet<SqlServerError>();

function caughtError(error: SqlServerError): CaughtError {
  const { number, severity, state, message: text, line, procedure } = error.info;
  return { number, severity, state, message: text, line, procedure };
}

// EXECUTE

function* execute(core: SessionCore, statement: Extract<Statement, { kind: 'execute' }>): Generator<Step, Flow> {
  const name = statement.procedure.parts.join('.');
  const bare = (statement.procedure.parts.at(-1) as string).toLowerCase();
  let status = 0n;
  if (bare === 'sp_executesql') yield* executeSql(core, statement.args);
  else {
    const args = statement.args.map((argument): ProcedureArgument => {
      if (argument.output) throw unsupported('OUTPUT');
      const type = typeOf(core, argument.expression);
      return { name: argument.name, type, value: evaluate(core, argument.expression) };
    });
    status = yield* callProcedure(core, name, args);
  }
  if (statement.result !== undefined) {
    const variable = core.variable(statement.result);
    variable.value = converter(types.int, variable.type)?.(status) ?? status;
  }
  yield { kind: 'done' };
  return 'next';
}

/** EXEC sp_executesql @stmt, @params, @a = … */
function* executeSql(core: SessionCore, args: readonly Argument[]): Generator<Step> {
  const [text, declarations, ...values] = args;
  if (text === undefined) throw sqlError(201, 'sp_executesql', '@statement');
  const sql = String(evaluate(core, text.expression, types.nvarcharMax) ?? '');
  const declared =
    declarations === undefined
      ? []
      : parseDeclarations(String(evaluate(core, declarations.expression, types.nvarcharMax) ?? ''));
  const bound = declared.map((parameter, index) => {
    const given =
      values.find((value) => value.name?.toLowerCase() === parameter.name.toLowerCase()) ??
      (values[index]?.name === undefined ? values[index] : undefined);
    if (given === undefined)
      throw sqlError(
        8178,
        `(${declared.map((one) => `${one.name} ${spell(one.type)}`).join(',')})${sql}`,
        parameter.name,
      );
    return { ...parameter, given, value: evaluate(core, given.expression, parameter.type) };
  });
  if (values.length > declared.length) throw sqlError(8144, '');
  const outputs = yield* runNested(core, sql, bound);
  for (const parameter of bound) {
    if (!parameter.given.output || parameter.given.expression.kind !== 'variable') continue;
    const variable = core.variable(parameter.given.expression.name);
    const value = outputs.get(parameter.name.toLowerCase()) ?? null;
    variable.value = value === null ? null : (converter(parameter.type, variable.type)?.(value) ?? value);
  }
}

/** Runs a text in a scope of its own and returns the values that its variables had at the end. */
function* runNested(
  core: SessionCore,
  sql: string,
  variables: readonly { name: string; type: SqlType; value: Stored }[],
): Generator<Step, ReadonlyMap<string, Stored>> {
  if (core.frames.length > 32)
    throw message(
      217,
      16,
      1,
      'Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).',
    );
  const { database } = core;
  core.pushFrame();
  try {
    for (const variable of variables) core.declare(variable.name, variable.type, variable.value);
    yield* runText(core, sql);
  } catch (error) {
    if (error instanceof SqlServerError) nested.add(error);
    if (!(error instanceof ScopeEnded)) throw error;
  } finally {
    const values = new Map([...core.frame.variables].map(([name, variable]) => [name, variable.value]));
    core.popFrame();
    ended.set(core, values);
    // USE inside of a scope ends with it.
    if (core.database !== database) core.database = database;
  }
  return ended.get(core) ?? new Map();
}

const ended = new WeakMap<SessionCore, ReadonlyMap<string, Stored>>();

// The other statements

function nameOf(core: SessionCore, name: TransactionName): string {
  return 'name' in name ? name.name : String(core.variable(name.variable).value ?? '');
}

function isTemporary(name: string | undefined): boolean {
  return name !== undefined && (name.startsWith('#') || name.startsWith('@'));
}

function* performOther(core: SessionCore, statement: Statement): Generator<Step> {
  const define = (temporary: boolean, body: () => void): Generator<Step, void> => core.write(temporary, body);
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
      applySetting(core, statement);
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
    case 'alterDatabase':
      yield* define(false, () => alterDatabase(core, statement.name, statement.option));
      break;
    default:
      throw unsupported(statement.kind, statement.line);
  }
  core.rowCount = 0n;
  yield { kind: 'done' };
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

function* print(core: SessionCore, expression: Expression, line: number): Generator<Step> {
  const text = String(evaluate(core, expression, nvarchar(4000)) ?? '');
  yield { kind: 'message', message: { number: 0, severity: 0, state: 1, message: text, line } };
}

/** RAISERROR('text %s %d', severity, state, args …). */
function* raise(core: SessionCore, statement: Extract<Statement, { kind: 'raiserror' }>): Generator<Step> {
  const [text, severityArgument, stateArgument, ...rest] = statement.args;
  if (text === undefined || severityArgument === undefined || stateArgument === undefined)
    throw sqlError(102, 'RAISERROR');
  const type = typeOf(core, text);
  if (type.name === 'int') throw unsupported('RAISERROR with a message number');
  const severity = Number(evaluate(core, severityArgument, types.int));
  const state = Math.min(255, Math.max(0, Number(evaluate(core, stateArgument, types.int))));
  const values = rest.map((argument) =>
    evaluate(
      core,
      argument,
      typeOf(core, argument).name === 'int' || typeOf(core, argument).name === 'bigint'
        ? types.bigint
        : types.nvarcharMax,
    ),
  );
  const shown = formatMessage(String(evaluate(core, text, nvarchar(4000)) ?? ''), values);
  if (severity > 25 || severity < 0)
    throw message(
      2754,
      16,
      1,
      'Error severity levels greater than 18 can only be specified by members of the sysadmin role, using the WITH LOG option.',
    );
  const error = message(50000, severity, state, shown, statement.line);
  if (severity > 10) throw error;
  if (statement.options.includes('SETERROR')) core.lastError = 50000;
  yield { kind: 'message', message: error.info };
}

function formatMessage(format: string, values: readonly Stored[]): string {
  let index = 0;
  return format.replace(
    /%(%|(-?)(0?)(\d*)(?:\.(\d+))?(?:l|I64)?([diouxXs]))/g,
    (
      whole: string,
      _: string,
      left: string,
      zero: string,
      width: string,
      precision: string | undefined,
      kind: string | undefined,
    ) => {
      if (kind === undefined) return whole === '%%' ? '%' : whole;
      const value = values[index++] ?? null;
      let text = value === null ? '(null)' : String(value);
      if (kind === 's' && precision !== undefined) text = text.slice(0, Number(precision));
      if ((kind === 'x' || kind === 'X') && typeof value === 'bigint')
        text = kind === 'x' ? value.toString(16) : value.toString(16).toUpperCase();
      if (width === '') return text;
      return left === '-' ? text.padEnd(Number(width)) : text.padStart(Number(width), zero === '0' ? '0' : ' ');
    },
  );
}

function throwError(core: SessionCore, args: readonly Expression[], line: number): never {
  const [number, text, state] = args;
  if (number === undefined) {
    const { caught } = core;
    if (caught === undefined)
      throw message(
        10704,
        15,
        1,
        'To rethrow an error, a THROW statement must be used inside a CATCH block. Insert the THROW statement inside a CATCH block, or add error parameters to the THROW statement.',
        line,
      );
    throw new SqlServerError({
      number: caught.number,
      severity: caught.severity,
      state: caught.state,
      message: caught.message,
      line: caught.line,
    });
  }
  if (text === undefined || state === undefined) throw sqlError(102, 'THROW');
  const code = Number(evaluate(core, number, types.int));
  if (code < 50000)
    throw message(
      35100,
      16,
      10,
      `Error number ${code} in the THROW statement is outside the valid range. Specify an error number in the valid range of 50000 to 2147483647.`,
      line,
    );
  throw message(
    code,
    16,
    Number(evaluate(core, state, types.int)),
    String(evaluate(core, text, nvarchar(2048)) ?? ''),
    line,
  );
}

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
