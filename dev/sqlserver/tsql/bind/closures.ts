/**
 * Functions that compiled statements call from SQLite by number: js(n, …) for pure ones, jsv(n, …) for those that give another
 * value each time, jss(n, …) for those that look at the session. The numbers live as long as the process, so that a compiled
 * statement serves every session.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Stored } from '../values/stored.ts';
import type { Runtime } from './runtime.ts';

// A value given to a function is what the expression's type says; the compiler has seen to that.
// biome-ignore lint/suspicious/noExplicitAny: the arguments' types are the compiler's knowledge, not TypeScript's
export type Closure = (...args: any[]) => Stored;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type SessionClosure = (runtime: Runtime, ...args: any[]) => Stored;

const pure: Closure[] = [];
const pureIds = new Map<string, number>();
const inSession: SessionClosure[] = [];
const sessionIds = new Map<string, number>();

/** The number of a function; `key` says all that makes it differ from others. */
export function closureId(key: string, make: () => Closure): number {
  let id = pureIds.get(key);
  if (id === undefined) {
    id = pure.push(make()) - 1;
    pureIds.set(key, id);
  }
  return id;
}

/** As closureId, for a function that gets the session first. */
export function sessionClosureId(key: string, closure: SessionClosure): number {
  let id = sessionIds.get(key);
  if (id === undefined) {
    id = inSession.push(closure) - 1;
    sessionIds.set(key, id);
  }
  return id;
}

/** Makes js(), jsv() and jss() known to a connection. */
export function registerClosures(connection: DatabaseSync, runtime: Runtime): void {
  const call = (id: unknown, ...args: unknown[]) => (pure[Number(id)] as Closure)(...args);
  connection.function('js', { deterministic: true, varargs: true, useBigIntArguments: true }, call);
  connection.function('jsv', { varargs: true, useBigIntArguments: true }, call);
  connection.function('jss', { varargs: true, useBigIntArguments: true }, (id, ...args) =>
    (inSession[Number(id)] as SessionClosure)(runtime, ...args),
  );
}
