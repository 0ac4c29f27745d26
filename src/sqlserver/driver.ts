/**
 * Loads the driver without what it needs for signing in to Azure alone. It requires `@azure/identity` at its first line, 260
 * modules that take longer than all else of it and 15 MB; the tool signs in as a SQL or Windows user, which uses none of it.
 */
import { createRequire, Module } from 'node:module';

/** The driver, which is loaded when the first connection is opened. */
export type Driver = typeof import('tedious');

/** The driver, loaded once. */
export function loadDriver(): Promise<Driver> {
  const require = createRequire(import.meta.resolve('tedious'));
  const path = resolved('@azure/identity', require);
  if (path !== undefined && require.cache[path] === undefined) require.cache[path] = lazyModule(path, require);
  return import('tedious');
}

/** Undefined where the driver comes without it. */
function resolved(name: string, require: NodeJS.Require): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}

/** A module that is loaded when something of it is asked for. */
function lazyModule(path: string, require: NodeJS.Require): NodeModule {
  const lazy = new Module(path);
  lazy.filename = path;
  lazy.loaded = true;
  const load = (): object => {
    if (require.cache[path] === lazy) delete require.cache[path];
    return require(path);
  };
  lazy.exports = new Proxy({}, { get: (_, name) => Reflect.get(load(), name), has: (_, name) => name in load() });
  return lazy;
}
