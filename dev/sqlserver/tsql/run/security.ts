/** CREATE and DROP LOGIN, CREATE USER, GRANT: only an administrator's session runs them. Each only within a write. */
import type { Statement } from '../ast.ts';
import { findDatabase } from '../catalogue/objects.ts';
import { type Grant, userOf } from '../catalogue/permissions.ts';
import { message, sqlError } from '../errors.ts';
import { fold } from '../values/collation.ts';
import type { SessionCore } from './core.ts';

/** CREATE LOGIN. It lasts as long as the server runs. Throws 15025 where there is one of that name, 15247. */
export function createLogin(core: SessionCore, name: string, password: string): void {
  if (!core.isAdministrator) throw sqlError(15247);
  if (core.server.logins.has(fold(name))) throw message(15025, 16, 1, `The server principal '${name}' already exists.`);
  core.server.logins.set(fold(name), { name, password, isAdministrator: false });
}

/** DROP LOGIN. Throws 15151 where there is none. */
export function dropLogin(core: SessionCore, name: string): void {
  if (!core.isAdministrator || !core.server.logins.delete(fold(name))) throw sqlError(15151, 'login', name);
}

/** CREATE USER. Throws 15007 without its login, 15023 where there is one of that name, 15063 where the login has one, 15247. */
export function createUser(core: SessionCore, name: string, login: string): void {
  if (!core.isAdministrator) throw sqlError(15247);
  if (!core.server.logins.has(fold(login)))
    throw message(15007, 16, 1, `'${login}' is not a valid login or you do not have permission.`);
  const database = core.databaseOf(core.database);
  if (database.users.some((user) => fold(user.name) === fold(name)))
    throw message(15023, 16, 1, `User, group, or role '${name}' already exists in the current database.`);
  if (userOf(database, login) !== undefined)
    throw message(15063, 16, 1, 'The login already has an account under a different user name.');
  const id = Math.max(4, ...database.users.map((user) => user.id)) + 1;
  core.replaceDatabase({ ...database, users: [...database.users, { id, name, login }] });
}

/** GRANT … ON object TO user. Throws 15151 where one of them is missing. */
export function grant(core: SessionCore, statement: Extract<Statement, { kind: 'grant' }>): void {
  const object = core.object(statement.object.parts);
  if (object === undefined || !core.isAdministrator)
    throw sqlError(15151, 'object', statement.object.parts.at(-1) as string);
  const database = findDatabase(core.catalogue, object.database) ?? core.databaseOf(core.database);
  const user = database.users.find((candidate) => fold(candidate.name) === fold(statement.user));
  if (user === undefined) throw sqlError(15151, 'user', statement.user);
  const grants = statement.permissions.map((permission): Grant => ({ user: user.id, object: object.id, permission }));
  core.replaceDatabase({ ...database, grants: [...database.grants, ...grants] });
}
