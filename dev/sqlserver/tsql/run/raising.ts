/** PRINT, RAISERROR and THROW. */

import { SqlServerError } from '../../engine.ts';
import type { Expression, Statement } from '../ast.ts';
import { message, sqlError, unsupported } from '../errors.ts';
import { nvarchar, types } from '../types.ts';
import type { Stored } from '../values/stored.ts';
import type { SessionCore, Step } from './core.ts';
import { evaluate, typeOf } from './evaluate.ts';

/** PRINT. */
export function* print(core: SessionCore, expression: Expression, line: number): Generator<Step> {
  const text = String(evaluate(core, expression, nvarchar(4000)) ?? '');
  yield { kind: 'message', message: { number: 0, severity: 0, state: 1, message: text, line } };
}

/** RAISERROR('text %s %d', severity, state, args …). */
export function* raise(core: SessionCore, statement: Extract<Statement, { kind: 'raiserror' }>): Generator<Step> {
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

/** THROW: with arguments a new error, without the one that the CATCH block handles. */
export function throwError(core: SessionCore, args: readonly Expression[], line: number): never {
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
