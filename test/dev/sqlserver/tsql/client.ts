/** Talks to the T-SQL engine without a wire: runs a batch and gathers its events into something a test can compare. */

import type {
  Engine,
  EngineEvent,
  Parameter,
  ResultColumn,
  ServerMessage,
  Session,
  SqlType,
  SqlValue,
} from '../../../../dev/sqlserver/engine.ts';
import { createEngine } from '../../../../dev/sqlserver/tsql/engine.ts';
import { spell } from '../../../../dev/sqlserver/tsql/types.ts';

export interface Answer {
  /** The rows of all result sets, one list each. */
  readonly results: SqlValue[][][];
  readonly columns: (readonly ResultColumn[])[];
  /** Messages of severity above 10. */
  readonly errors: ServerMessage[];
  /** Texts of the other messages. */
  readonly messages: string[];
  /** Row counts of the statements that have one. */
  readonly counts: number[];
  readonly events: EngineEvent[];
}

export const login = { userName: 'sa', password: 'Stand-in-1!', database: 'Test', hostName: 'host', appName: 'app' };

/** An engine with a database named Test. */
export const startEngine = (): Engine => createEngine({ databases: ['Test', 'Other'] });

/** Runs a batch, or with parameters the text of sp_executesql. */
export async function run(
  session: Session,
  sql: string,
  parameters?: readonly Parameter[],
  signal: AbortSignal = new AbortController().signal,
): Promise<Answer> {
  const answer: Answer = { results: [], columns: [], errors: [], messages: [], counts: [], events: [] };
  for await (const event of session.execute(sql, parameters, signal)) {
    answer.events.push(event);
    if (event.kind === 'columns') {
      answer.columns.push(event.columns);
      answer.results.push([]);
    } else if (event.kind === 'row') answer.results.at(-1)?.push([...event.values]);
    else if (event.kind === 'message' && event.message.severity > 10) answer.errors.push(event.message);
    else if (event.kind === 'message') answer.messages.push(event.message.message);
    else if (event.kind === 'done' && event.rowCount !== undefined) answer.counts.push(event.rowCount);
  }
  return answer;
}

/** The rows of a batch's last result set. Throws where the batch has an error. */
export async function rows(session: Session, sql: string, parameters?: readonly Parameter[]): Promise<SqlValue[][]> {
  const { results, errors } = await run(session, sql, parameters);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${error.number}: ${error.message}`);
  return results.at(-1) ?? [];
}

/** The first value of a batch's last result set. */
export async function value(session: Session, sql: string, parameters?: readonly Parameter[]): Promise<SqlValue> {
  return (await rows(session, sql, parameters))[0]?.[0] ?? null;
}

/** The numbers of the errors of a batch. */
export async function errorNumbers(session: Session, sql: string): Promise<number[]> {
  return (await run(session, sql)).errors.map((error) => error.number);
}

/** The columns of a batch's last result set as `name type`, with a ? where it may be NULL. */
export async function shape(session: Session, sql: string): Promise<string[]> {
  const { columns, errors } = await run(session, sql);
  if (errors[0] !== undefined) throw new Error(errors[0].message);
  return (columns.at(-1) ?? []).map((column) => `${column.name} ${spell(column.type)}${column.nullable ? '?' : ''}`);
}

export const parameter = (name: string, type: SqlType, given: SqlValue): Parameter => ({
  name,
  type,
  value: given,
  output: false,
});
