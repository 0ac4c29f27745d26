/**
 * Who may do what: logins of the server, users of a database and what they were granted on its objects. Only as much as a job's
 * login needs: no roles, no DENY, no permissions on columns or schemas.
 */
import { fold } from '../values/collation.ts';
import type { Database, Table, View } from './objects.ts';

/** A login of the server. Administrators may do everything everywhere and need no user. */
export interface Login {
  readonly name: string;
  readonly password: string;
  readonly isAdministrator: boolean;
}

/** A user of a database, for one login. */
export interface User {
  readonly id: number;
  readonly name: string;
  readonly login: string;
}

/** What a user may do with a table or view. */
export type Permission = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';

/** One permission of one user on one object. */
export interface Grant {
  readonly user: number;
  /** object_id. */
  readonly object: number;
  readonly permission: Permission;
}

/** System databases, which everybody may enter (by their user guest). */
const openDatabases = new Set(['master', 'tempdb']);

/** The user that the login has in the database. */
export function userOf(database: Database, login: string): User | undefined {
  return database.users.find((user) => fold(user.login) === fold(login));
}

/** May a login that is no administrator work in the database at all? */
export function mayEnter(database: Database, login: string): boolean {
  return openDatabases.has(fold(database.name)) || userOf(database, login) !== undefined;
}

/** Was the login's user granted that on the object, or where no permission is named, anything? */
export function isGranted(database: Database, login: string, object: Table | View, permission?: Permission): boolean {
  const user = userOf(database, login);
  return (
    user !== undefined &&
    database.grants.some(
      (grant) =>
        grant.user === user.id &&
        grant.object === object.id &&
        (permission === undefined || grant.permission === permission),
    )
  );
}
