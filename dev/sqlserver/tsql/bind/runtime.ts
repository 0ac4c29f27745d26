/** What a running statement can ask its session: the functions of T-SQL that depend on it. */
import type { SqlType } from '../../engine.ts';
import type { Catalogue, Table, View } from '../catalogue/objects.ts';
import type { Permission } from '../catalogue/permissions.ts';
import type { Stored } from '../values/stored.ts';

/** The error that a CATCH block handles. */
export interface CaughtError {
  readonly number: number;
  readonly severity: number;
  readonly state: number;
  readonly message: string;
  readonly line: number;
  readonly procedure: string | undefined;
}

/** A session as its statements' functions see it. */
export interface Runtime {
  readonly sessionId: number;
  readonly database: string;
  readonly catalogue: Catalogue;
  readonly loginName: string;
  /** May do everything everywhere. */
  readonly isAdministrator: boolean;
  readonly hostName: string;
  readonly appName: string;
  readonly rowCount: bigint;
  readonly lastError: number;
  readonly transactionCount: number;
  /** 1, 0 or -1 as XACT_STATE(). */
  readonly transactionState: number;
  readonly caught: CaughtError | undefined;
  readonly lastIdentity: bigint | null;
  readonly scopeIdentity: bigint | null;
  readonly nestingLevel: number;
  readonly dateFirst: number;
  readonly lockTimeout: number;
  readonly textSize: number;
  /** The time at which the statement began, so that it is the same for all its rows. */
  readonly statementTime: { readonly utc: bigint; readonly local: bigint };
  variable(name: string): { readonly type: SqlType; readonly value: Stored };
  /** Finds an object by [database.][schema.]name, temporary tables included. */
  object(parts: readonly string[]): Table | View | undefined;
  /** Is the session's user allowed to do that with the object, or where no permission is named, to see that it exists? */
  isAllowed(object: Table | View, permission?: Permission): boolean;
  rowsIn(table: Table): number;
  /** The last value that an identity column was given. */
  identityOf(table: Table): bigint | null;
  lastRowversion(): bigint;
  minActiveRowversion(): bigint;
  appLockMode(resource: string, owner: string): string;
  appLockTest(resource: string, mode: string, owner: string): boolean;
}
