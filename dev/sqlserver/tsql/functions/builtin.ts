/** What a built-in function is to the binder, and short forms to define one. */
import type { SqlType } from '../../engine.ts';
import { type Bound, convert, invoke, isNullConstant } from '../bind/bound.ts';
import { type Closure, type SessionClosure, sessionClosureId } from '../bind/closures.ts';
import type { Compilation } from '../bind/scope.ts';
import { sqlError } from '../errors.ts';
import { isBinary, isLob, isText, spell, typeLabel, types } from '../types.ts';

/** A built-in function as the binder uses it. */
export interface Builtin {
  /** Fewest and most arguments, the keyword included. */
  readonly arity: readonly [number, number];
  /** The first argument is a bare word, as in DATEADD(day, …). */
  readonly keywordFirst?: boolean;
  readonly bind: (
    args: readonly Bound[],
    context: { readonly compilation: Compilation; readonly keyword: string },
  ) => Bound;
}

/** A function under its name. */
export type Entry = readonly [string, Builtin];

/** What an argument is turned into: a fixed type, any text type as it is, or anything as it is. */
export type Wanted = SqlType | 'text' | 'any';

/** Turns an argument into what a function takes. */
export function accept(bound: Bound, wanted: Wanted): Bound {
  if (wanted === 'any') return bound;
  if (wanted !== 'text') return convert(bound, wanted);
  if (isText(bound.type))
    return bound.type.name === 'xml' ? convert(bound, types.nvarcharMax, { explicit: true }) : bound;
  if (isNullConstant(bound)) return { ...bound, type: types.nvarcharMax };
  if (isBinary(bound.type) && isLob(bound.type)) throw sqlError(8116, typeLabel(bound.type), 1, 'text');
  return convert(bound, types.varcharMax);
}

/** What a function may need beside its types. */
export interface PureOptions {
  /** Fewest arguments, where some may be left out. */
  readonly required?: number;
  readonly nullable?: boolean;
}

type Result = SqlType | ((args: readonly Bound[]) => SqlType);

/**
 * A function whose result depends on the values of its arguments only and that is NULL where one of them is. `result` gives the
 * type from the accepted arguments.
 */
export function pure(
  name: string,
  wanted: readonly Wanted[],
  result: Result,
  closure: Closure,
  options: PureOptions = {},
): Entry {
  return define(
    name,
    wanted,
    result,
    () => name,
    () => closure,
    options,
  );
}

/** As pure, for a function that also depends on the types or collations of its arguments. */
export function typed(
  name: string,
  wanted: readonly Wanted[],
  result: Result,
  make: (args: readonly Bound[]) => Closure,
  options: PureOptions = {},
): Entry {
  const key = (args: readonly Bound[]): string =>
    `${name} ${args.map((arg) => `${spell(arg.type)} ${arg.collation ?? ''}`).join()}`;
  return define(name, wanted, result, key, make, options);
}

function define(
  name: string,
  wanted: readonly Wanted[],
  result: Result,
  key: (args: readonly Bound[]) => string,
  make: (args: readonly Bound[]) => Closure,
  options: PureOptions,
): Entry {
  const bind: Builtin['bind'] = (given) => {
    const args = given.map((arg, index) => accept(arg, wanted[index] ?? (wanted.at(-1) as Wanted)));
    const type = typeof result === 'function' ? result(args) : result;
    return invoke(key(args), () => make(args), args, type, options);
  };
  return [name, { arity: [options.required ?? wanted.length, wanted.length], bind }];
}

/** A function of the session: it gets the runtime and the stored arguments, NULL included. */
export function ofSession(
  name: string,
  wanted: readonly Wanted[],
  type: SqlType,
  closure: SessionClosure,
  required = wanted.length,
): Entry {
  const bind: Builtin['bind'] = (given) => {
    const id = sessionClosureId(name, closure);
    const args = given.map((arg, index) => `,${accept(arg, wanted[index] as Wanted).sql}`).join('');
    return { sql: `jss(${id}${args})`, type, nullable: true };
  };
  return [name, { arity: [required, wanted.length], bind }];
}

/** A function without arguments that has one value for a whole statement. */
export function ofStatement(
  name: string,
  type: SqlType,
  read: Parameters<Compilation['parameter']>[0] & { kind: 'session' },
  nullable = false,
): Entry {
  return [
    name,
    { arity: [0, 0], bind: (_, { compilation }) => ({ sql: compilation.parameter(read), type, nullable }) },
  ];
}
