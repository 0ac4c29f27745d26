/** Dead letters as the log database keeps them: what `failures` shows of them, and does with them. */
import type { EntityIdentity } from './ports.ts';

/** A row that cannot be sent. `reason` holds no value of it but the key. */
export interface StoredDeadLetter {
  /** The entity's name. */
  readonly entity: string;
  /** As the ledger would hold it. */
  readonly key: string;
  readonly reason: string;
  readonly httpStatus?: number;
  /** Runs in which it failed, since it last changed. */
  readonly attempts: number;
  readonly firstFailedAt: Date;
  readonly lastFailedAt: Date;
  /** Before that no run tries it unless the row changes; absent: the next run does, where `state` is waiting. */
  readonly nextTryAt?: Date;
  /** `discarded`: not tried again unless the row changes. */
  readonly state: 'waiting' | 'discarded';
}

/** Which of them: those of these entities, and of these keys where there are any. */
export interface DeadLetterFilter {
  readonly entities: readonly EntityIdentity[];
  readonly keys?: readonly string[];
}

/** What a filter lets through. */
export interface DeadLetterList {
  /** The newest first, as many as were asked for. */
  readonly letters: readonly StoredDeadLetter[];
  /** How many there are of each entity, in the filter's order. */
  readonly counts: readonly number[];
}

/** The dead letters in the log database. Every method may throw SyncError LOG_DATABASE_*. */
export interface DeadLetterStore {
  list(filter: DeadLetterFilter, limit: number): Promise<DeadLetterList>;
  /** Makes those of these keys (all where absent) due, and returns how many. Throws LOCK_HELD while a run is at work. */
  retry(entity: EntityIdentity, keys: readonly string[] | undefined): Promise<number>;
  /** Gives those of these keys (all where absent) up, and returns how many. Throws LOCK_HELD while a run is at work. */
  discard(entity: EntityIdentity, keys: readonly string[] | undefined): Promise<number>;
  close(): Promise<void>;
}
