/**
 * Who holds and who waits for what: the one place of the writer, and the application locks of sp_getapplock. Waiting is
 * asynchronous; a request that would close a circle of waiting sessions fails as the deadlock's victim.
 */

/** The modes of sp_getapplock, from the weakest to the strongest. */
export type LockMode = 'IntentShared' | 'Shared' | 'Update' | 'IntentExclusive' | 'Exclusive';

/** 'granted' at once or 'waited' for it; the others did not get the lock. */
export type LockResult = 'granted' | 'waited' | 'timeout' | 'deadlock' | 'cancelled';

interface Held {
  readonly session: number;
  readonly owner: string;
  readonly mode: LockMode;
  count: number;
}

interface Waiting {
  readonly session: number;
  readonly owner: string;
  readonly mode: LockMode;
  readonly settle: (result: LockResult) => void;
}

// https://learn.microsoft.com/sql/relational-databases/sql-server-transaction-locking-and-row-versioning-guide#lock_compat
const compatible: Readonly<Record<LockMode, ReadonlySet<LockMode>>> = {
  IntentShared: new Set<LockMode>(['IntentShared', 'Shared', 'Update', 'IntentExclusive']),
  Shared: new Set<LockMode>(['IntentShared', 'Shared', 'Update']),
  Update: new Set<LockMode>(['IntentShared', 'Shared']),
  IntentExclusive: new Set<LockMode>(['IntentShared', 'IntentExclusive']),
  Exclusive: new Set<LockMode>(),
};

const strength: readonly LockMode[] = ['IntentShared', 'Shared', 'Update', 'IntentExclusive', 'Exclusive'];

/** The locks of one server. */
export class LockTable {
  private readonly held = new Map<string, Held[]>();
  private readonly waiting = new Map<string, Waiting[]>();

  /**
   * Asks for a lock. `timeoutMs` -1 waits for ever, 0 not at all. Answers at once where it can, so that a statement which
   * need not wait stays synchronous.
   */
  acquire(
    resource: string,
    session: number,
    owner: string,
    mode: LockMode,
    timeoutMs: number,
    signal: AbortSignal,
  ): LockResult | Promise<LockResult> {
    const mine = this.held
      .get(resource)
      ?.find((lock) => lock.session === session && lock.owner === owner && lock.mode === mode);
    const queued = (this.waiting.get(resource)?.length ?? 0) > 0;
    const holds = this.held.get(resource)?.some((lock) => lock.session === session) ?? false;
    if (mine !== undefined || (this.isFree(resource, session, mode) && (!queued || holds))) {
      this.grant(resource, session, owner, mode);
      return 'granted';
    }
    if (timeoutMs === 0) return 'timeout';
    if (this.closesCircle(resource, session, mode)) return 'deadlock';
    return this.wait(resource, session, owner, mode, timeoutMs, signal);
  }

  private wait(
    resource: string,
    session: number,
    owner: string,
    mode: LockMode,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<LockResult> {
    const { promise, resolve } = Promise.withResolvers<LockResult>();
    let timer: NodeJS.Timeout | undefined;
    const cancel = (): void => entry.settle('cancelled');
    const entry: Waiting = {
      session,
      owner,
      mode,
      settle: (result) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', cancel);
        const rest = (this.waiting.get(resource) ?? []).filter((other) => other !== entry);
        this.waiting.set(resource, rest);
        resolve(result);
        if (result !== 'waited') this.serve(resource);
      },
    };
    if (timeoutMs > 0) timer = setTimeout(() => entry.settle('timeout'), timeoutMs);
    signal.addEventListener('abort', cancel, { once: true });
    this.waiting.set(resource, [...(this.waiting.get(resource) ?? []), entry]);
    return promise;
  }

  private isFree(resource: string, session: number, mode: LockMode): boolean {
    return (this.held.get(resource) ?? []).every((lock) => lock.session === session || compatible[mode].has(lock.mode));
  }

  private grant(resource: string, session: number, owner: string, mode: LockMode): void {
    const locks = this.held.get(resource) ?? [];
    const same = locks.find((lock) => lock.session === session && lock.owner === owner && lock.mode === mode);
    if (same === undefined) this.held.set(resource, [...locks, { session, owner, mode, count: 1 }]);
    else same.count++;
  }

  /** Would waiting for this lock make a session wait for itself? */
  private closesCircle(resource: string, session: number, mode: LockMode): boolean {
    const seen = new Set<number>();
    const blockers = (at: string, who: number, wanted: LockMode): number[] =>
      (this.held.get(at) ?? [])
        .filter((lock) => lock.session !== who && !compatible[wanted].has(lock.mode))
        .map((lock) => lock.session);
    const visit = (who: number): boolean => {
      if (who === session) return true;
      if (seen.has(who)) return false;
      seen.add(who);
      for (const [at, entries] of this.waiting) {
        for (const entry of entries)
          if (entry.session === who && blockers(at, who, entry.mode).some(visit)) return true;
      }
      return false;
    };
    return blockers(resource, session, mode).some(visit);
  }

  /** Releases one acquisition; false when that owner holds none. */
  release(resource: string, session: number, owner: string): boolean {
    const locks = this.held.get(resource) ?? [];
    const lock = locks.findLast((candidate) => candidate.session === session && candidate.owner === owner);
    if (lock === undefined) return false;
    lock.count--;
    if (lock.count === 0)
      this.held.set(
        resource,
        locks.filter((candidate) => candidate !== lock),
      );
    this.serve(resource);
    return true;
  }

  /** Releases all that a session (with `owner`: as that owner) holds. */
  releaseAll(session: number, owner?: string): void {
    for (const [resource, locks] of this.held) {
      const kept = locks.filter((lock) => lock.session !== session || (owner !== undefined && lock.owner !== owner));
      if (kept.length === locks.length) continue;
      this.held.set(resource, kept);
      this.serve(resource);
    }
  }

  /** The strongest mode in which an owner holds a resource, or undefined. */
  modeOf(resource: string, session: number, owner: string): LockMode | undefined {
    const modes = (this.held.get(resource) ?? [])
      .filter((lock) => lock.session === session && lock.owner === owner)
      .map((lock) => lock.mode);
    return strength.findLast((mode) => modes.includes(mode));
  }

  /** Could a session get the lock at once? */
  isGrantable(resource: string, session: number, mode: LockMode): boolean {
    return this.isFree(resource, session, mode);
  }

  private serve(resource: string): void {
    for (const entry of this.waiting.get(resource) ?? []) {
      if (!this.isFree(resource, entry.session, entry.mode)) break;
      this.grant(resource, entry.session, entry.owner, entry.mode);
      entry.settle('waited');
    }
    if (this.held.get(resource)?.length === 0) this.held.delete(resource);
    if (this.waiting.get(resource)?.length === 0) this.waiting.delete(resource);
  }
}
