/** Connections in use and at rest: opened when they are needed, thrown away once broken. */
import { Pool as TarnPool, TimeoutError } from 'tarn';
import type { ConnectionSettings } from '../sync/connection.ts';
import { SyncError } from '../sync/errors.ts';
import { createConnector } from './connect.ts';
import type { ConnectionRole } from './connect-error.ts';
import { createRepeat, type FaultPolicy, type Persistence, type Repeat } from './repeat.ts';
import type { Session } from './session.ts';
import { statementError } from './statement-error.ts';
import { isTransient, mayPassOnceOpened } from './transient.ts';

/** How long a caller waits for a connection while all are in use. */
const ACQUIRE_TIMEOUT_MS = 10 * 60_000;

/** The longest that a timer takes; beyond, it would strike at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Connections with the same settings. */
export interface Pool {
  readonly settings: ConnectionSettings;
  /**
   * Lends a session for as long as `work` takes. Rejects with SyncError (`<role>_UNAVAILABLE`, `<role>_REFUSED`,
   * LOG_DATABASE_NOT_MIGRATED) for what connecting or a statement failed with.
   */
  withSession<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /**
   * The same for work that may be done again, each time on a fresh connection: after a fault that may pass it is. `isRepeat`
   * tells it that what it did may be there already.
   */
  repeating<T>(work: (session: Session, isRepeat: boolean) => Promise<T>, how?: Persistence): Promise<T>;
  /** Opens a connection that is the caller's to close; a login that was refused once, to whomever, is not tried again. */
  readonly connect: () => Promise<Session>;
  /** Repeats work that has connections of its own with these settings as `repeating` does. */
  readonly repeat: Repeat;
  /** Waits until all sessions are given back, and closes them. */
  close(): Promise<void>;
}

/** Opens nothing until the first session is asked for, and never more than `maxConnections`. Without `faults` it repeats nothing. */
export function createPool(
  settings: ConnectionSettings,
  role: ConnectionRole,
  maxConnections: number,
  faults?: FaultPolicy,
): Pool {
  let opened = false;
  const connect = createConnector(settings, role);
  const sessions = new TarnPool<Session>({
    async create() {
      const session = await connect();
      opened = true;
      return session;
    },
    destroy: (session) => session.close(),
    validate: (session) => session.usable,
    min: 0,
    max: maxConnections,
    acquireTimeoutMillis: ACQUIRE_TIMEOUT_MS,
    // The driver's own timeout comes first, and says more.
    createTimeoutMillis: Math.min(settings.connectTimeoutMs + 5000, MAX_TIMER_MS),
    // Else it would try again until the caller's time is up, and lock an account whose password is wrong.
    propagateCreateError: true,
  });
  const repeat = createRepeat(settings, faults, (error) => (opened ? mayPassOnceOpened(error) : isTransient(error)));
  const pool: Pool = {
    settings,
    connect,
    async withSession(work) {
      const session = await sessions.acquire().promise.catch((error) => {
        throw error instanceof TimeoutError ? noneFree(settings, role, error) : error;
      });
      try {
        return await work(session);
      } catch (error) {
        // After a failover, what answers on this connection is no longer the server to write to.
        if (isTransient(error)) await session.close();
        throw statementError(error, role, settings.name);
      } finally {
        sessions.release(session);
      }
    },
    repeating: (work, how) => repeat((isRepeat) => pool.withSession((session) => work(session, isRepeat)), how),
    repeat,
    async close() {
      await sessions.destroy();
    },
  };
  return pool;
}

function noneFree({ name }: ConnectionSettings, role: ConnectionRole, cause: Error): SyncError {
  return new SyncError(
    `${role}_UNAVAILABLE`,
    `Connection ${name}: no connection could be had in ${ACQUIRE_TIMEOUT_MS / 60_000} minutes.`,
    'See what holds up the statements on this server.',
    { cause },
  );
}
