/** Connections for `check`: whatever they are busy with, they can be closed at once, and nothing is repeated. */
import type { ConnectionSettings } from '../sync/connection.ts';
import { createConnector } from './connect.ts';
import type { ConnectionRole } from './connect-error.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { statementError } from './statement-error.ts';

/** So much later than the caller's own limit the driver gives up, so that it is the caller who tells of it. */
const SECOND_LIMIT_MS = 1000;

/**
 * A Pool without an upper limit: its callers are few. `close` ends what is under way, which then rejects. A connect or a
 * statement takes hardly longer than `timeoutMs`.
 */
export function createClosablePool(configured: ConnectionSettings, role: ConnectionRole, timeoutMs: number): Pool {
  const settings: ConnectionSettings = {
    ...configured,
    connectTimeoutMs: Math.min(configured.connectTimeoutMs, timeoutMs + SECOND_LIMIT_MS),
    requestTimeoutMs: Math.min(configured.requestTimeoutMs, timeoutMs + SECOND_LIMIT_MS),
    retryForMs: 0,
  };
  const closed = new AbortController();
  const sessions = new Set<Session>();
  const free: Session[] = [];
  const connect = createConnector(settings, role, closed.signal);

  async function take(): Promise<Session> {
    for (let session = free.pop(); session !== undefined; session = free.pop()) if (session.usable) return session;
    const session = await connect();
    sessions.add(session);
    if (closed.signal.aborted) await session.close();
    return session;
  }

  const pool: Pool = {
    settings,
    async withSession(work) {
      const session = await take();
      try {
        return await work(session);
      } catch (error) {
        throw statementError(error, role, settings.name);
      } finally {
        free.push(session);
      }
    },
    repeating: (work) => pool.withSession((session) => work(session, false)),
    repeat: (work) => work(false),
    connect,
    async close() {
      closed.abort();
      await Promise.all([...sessions].map((session) => session.close()));
    },
  };
  return pool;
}
