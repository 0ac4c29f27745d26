/**
 * What `check` looks at, and how its checks run: all at once where none needs another, each within a time limit. What a check
 * does is its own; what it found becomes a Finding in report/check-findings.ts.
 */
import pLimit from 'p-limit';
import { SyncError } from './errors.ts';

/** Every kind of check with what it is called before the name of what is checked. */
export const CHECK_TITLES = {
  node: 'Node.js',
  config: 'configuration',
  secrets: 'secrets',
  files: 'file permissions',
  schedule: 'schedule',
  connection: 'connection',
  clock: 'clock of',
  migrations: 'log tables',
  permissions: 'log permissions',
  trackingIndex: 'ledger index',
  space: 'log space',
  locks: 'locks',
  source: 'source',
  key: 'key of',
  rows: 'rows of',
  changes: 'changes of',
  endpoint: 'endpoint',
  authentication: 'login at',
  receiverClock: 'clock of',
} as const;

export type CheckKind = keyof typeof CHECK_TITLES;

/** `skipped`: not checked, since another check failed or the configuration has nothing to check with. */
export type CheckState = 'ok' | 'warning' | 'failed' | 'skipped';

/** What a check found, without a secret or a value of a row. */
export interface Finding {
  readonly state: CheckState;
  /** One phrase or sentence, or several. */
  readonly found: string;
  /** What to do, where there is something to do. */
  readonly remedy?: string;
}

/** One line of the table of checks. */
export interface Check {
  /** Unique among the checks that run together. */
  readonly id: string;
  readonly kind: CheckKind;
  /** Name of what is checked: a connection's, an entity's, a host's; empty where there is only one. */
  readonly subject: string;
  /** Ids of checks without whose success this one makes no sense. */
  readonly needs?: readonly string[];
  /** Ids of checks that must have ended before. */
  readonly after?: readonly string[];
  /** State of a check that took too long; failed where absent. */
  readonly tooLong?: 'warning';
  /** Rejects with SyncError for what failed. The signal aborts at the time limit. */
  run(signal: AbortSignal): Promise<Finding> | Finding;
}

/** What came of a check. */
export interface CheckResult extends Finding, Pick<Check, 'id' | 'kind' | 'subject'> {
  /** Without the time that it waited for others. */
  readonly durationMs: number;
}

/** How checks run. */
export interface CheckLimits {
  /** Longest time of each. */
  readonly timeoutMs: number;
  /** How many run at the same time. */
  readonly atOnce: number;
}

/** `key of Users`. */
export function checkTitle({ kind, subject }: Pick<Check, 'kind' | 'subject'>): string {
  return subject === '' ? CHECK_TITLES[kind] : `${CHECK_TITLES[kind]} ${subject}`;
}

/**
 * Runs the checks, and gives their results in the same order. `needs` and `after` name checks that stand before. Rejects with
 * what a check rejects with, where that is no SyncError: then it is a bug.
 */
export async function runChecks(checks: readonly Check[], { timeoutMs, atOnce }: CheckLimits): Promise<CheckResult[]> {
  const limit = pLimit(atOnce);
  const running = new Map<string, Promise<CheckResult>>();
  for (const check of checks) running.set(check.id, settled(check));
  return Promise.all(running.values());

  async function settled(check: Check): Promise<CheckResult> {
    const { id, kind, subject, needs = [], after = [] } = check;
    // Waiting takes no place among those that run.
    const before = await Promise.all([...needs, ...after].map((other) => resultOf(other)));
    const missing = before.slice(0, needs.length).find(({ state }) => state === 'failed' || state === 'skipped');
    if (missing !== undefined) {
      const found = `not checked, since ${checkTitle(missing)} ${missing.state === 'failed' ? 'failed' : 'was not'}`;
      return { id, kind, subject, state: 'skipped', found, durationMs: 0 };
    }
    return limit(async () => {
      const start = performance.now();
      const finding = await inTime(check, timeoutMs);
      return { id, kind, subject, ...finding, durationMs: Math.round(performance.now() - start) };
    });
  }

  function resultOf(id: string): Promise<CheckResult> {
    const result = running.get(id);
    if (result === undefined) throw new Error(`no check ${id} stands before`);
    return result;
  }
}

async function inTime(check: Check, timeoutMs: number): Promise<Finding> {
  const cut = new AbortController();
  const late = Promise.withResolvers<Finding>();
  const timer = setTimeout(() => {
    late.resolve({
      state: check.tooLong ?? 'failed',
      found: `took longer than ${timeoutMs / 1000} s`,
      remedy: 'See what the other side is busy with or what holds the connection up; --timeout gives it longer.',
    });
    cut.abort();
  }, timeoutMs);
  try {
    return await Promise.race([attempt(check, cut.signal), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function attempt(check: Check, signal: AbortSignal): Promise<Finding> {
  try {
    return await check.run(signal);
  } catch (error) {
    if (signal.aborted) return { state: 'failed', found: 'cut off' };
    if (!(error instanceof SyncError)) throw error;
    return { state: 'failed', found: withoutSubject(error.message, check.subject), remedy: error.hint };
  }
}

/** The subject stands before it already. */
function withoutSubject(message: string, subject: string): string {
  const start = [`${subject}: `, `Connection ${subject}: `].find((text) => subject !== '' && message.startsWith(text));
  return message.slice(start?.length ?? 0);
}

/** 1 where a check failed, else 0. */
export function exitCodeOfChecks(results: readonly Pick<CheckResult, 'state'>[]): number {
  return results.some(({ state }) => state === 'failed') ? 1 : 0;
}
