/** Locks by name that the server keeps for a connection and drops with it. */
import { SyncError } from '../sync/errors.ts';
import { int, nvarchar } from './parameters.ts';
import type { Session } from './session.ts';

/** The name of an entity's lock; `entityType` is its first tracking label. */
export function entityLock(entityType: string): string {
  return `tamhr-sync:${entityType}`;
}

/** Longest resource name. */
const RESOURCE_LENGTH = 255;

/**
 * Takes the lock `resource` of the current database for the session's connection; false where another has it and does not
 * give it up within `timeoutMs`. sp_getapplock reports through its return code, never by an error
 * (https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-getapplock-transact-sql).
 */
export async function acquireAppLock(session: Session, resource: string, timeoutMs: number): Promise<boolean> {
  const { rows } = await session.query(
    `DECLARE @result int;
EXEC @result = sp_getapplock @Resource = @resource, @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = @timeout;
SELECT @result;`,
    { resource: nvarchar(resource, RESOURCE_LENGTH), timeout: int(timeoutMs) },
  );
  const code = rows[0]?.[0] as number;
  if (code >= 0) return true;
  if (code === -1) return false;
  throw new SyncError(
    'LOG_DATABASE_REFUSED',
    `The lock ${resource} could not be taken: sp_getapplock returned ${code}.`,
    'Run it again; -2 is a cancelled request, -3 a deadlock, -999 an invalid call.',
  );
}

/** Gives up a lock that the session's connection holds. */
export async function releaseAppLock(session: Session, resource: string): Promise<void> {
  await session.query(`EXEC sp_releaseapplock @Resource = @resource, @LockOwner = N'Session';`, {
    resource: nvarchar(resource, RESOURCE_LENGTH),
  });
}

/** Whether nobody holds the lock at this moment. */
export async function isAppLockFree(session: Session, resource: string): Promise<boolean> {
  const { rows } = await session.query(`SELECT APPLOCK_TEST(N'public', @resource, N'Exclusive', N'Session');`, {
    resource: nvarchar(resource, RESOURCE_LENGTH),
  });
  return rows[0]?.[0] === 1;
}
