/** The T-SQL half of the stand-in: an Engine on node:sqlite. Databases, logins and storage are chosen here. */
import type { Engine, LoginRequest, Session } from '../engine.ts';
import { findDatabase } from './catalogue/objects.ts';
import { mayEnter } from './catalogue/permissions.ts';
import { sqlError } from './errors.ts';
import { Server } from './run/server.ts';
import { defaultSettings } from './run/settings.ts';
import { StandInSession } from './session.ts';
import { fold } from './values/collation.ts';

/** How an engine is started. */
export interface EngineOptions {
  /** Folder for the database file; without it a temporary one that close() removes. */
  readonly storage?: string;
  /** The administrators: password by login name; by default sa with Stand-in-1! */
  readonly logins?: Readonly<Record<string, string>>;
  /** Databases beside master and tempdb, made where they are missing. */
  readonly databases?: readonly string[];
  /** Sessions begin with NOCOUNT ON, as where an administrator has set the server option `user options` to 512. */
  readonly noCount?: boolean;
}

/** Starts an engine. A login without a database begins in master. */
export function createEngine(options: EngineOptions = {}): Engine {
  const server = new Server(options.storage, options.logins ?? { sa: 'Stand-in-1!' }, options.databases ?? [], {
    ...defaultSettings,
    noCount: options.noCount ?? false,
  });
  return {
    login(request: LoginRequest): Session {
      const known = server.logins.get(fold(request.userName));
      if (known === undefined || known.password !== request.password) throw sqlError(18456, request.userName);
      const database = findDatabase(server.catalogue, request.database === '' ? 'master' : request.database);
      const isOpen = database !== undefined && (known.isAdministrator || mayEnter(database, known.name));
      if (!isOpen) throw sqlError(4060, request.database);
      return new StandInSession(server, request, database.name);
    },
    close: () => server.close(),
  };
}
