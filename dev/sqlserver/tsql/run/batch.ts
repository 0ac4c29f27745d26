/**
 * Runs a batch: control flow, variables, transactions, TRY … CATCH, and what an error does to statement, batch and transaction
 * (https://learn.microsoft.com/sql/t-sql/statements/set-xact-abort-transact-sql, https://www.sommarskog.se/error_handling/Part2.html).
 */

import { type Parameter, SqlServerError, type SqlType } from '../../engine.ts';
import type { Argument, Statement } from '../ast.ts';
import type { CaughtError } from '../bind/runtime.ts';
import { atLine, message, messageInfo, sqlError, unsupported } from '../errors.ts';
import { spell, types } from '../types.ts';
import { converter } from '../values/convert.ts';
import { presenter, type Stored, storer } from '../values/stored.ts';
import { checkAhead } from './ahead.ts';
import { runDelete, runInsert, runUpdate } from './changes.ts';
import type { SessionCore, Step } from './core.ts';
import { parseDeclarations } from './declarations.ts';
import { evaluate, holds, typeOf } from './evaluate.ts';
import { callProcedure, type ProcedureArgument } from './procedures.ts';
import { runSelect } from './select.ts';
import { performSessionStatement } from './session-statements.ts';

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

/** What runs under SET FMTONLY ON: SELECT describes its columns, everything else is passed over. */
const describable = new Set<Statement['kind']>(['select', 'setOption', 'block', 'declare', 'use']);

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
  if (core.settings.metadataOnly && !describable.has(statement.kind)) return 'next';
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
      yield* performSessionStatement(core, statement);
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
