/**
 * The ledger for the commands of `tamhr-sync ledger`: what they read of it, and the changes that they make under the
 * entity's lock. What a run does with it is Ledger in ports.ts.
 */
import type { EntityIdentity, LedgerRow, LockHolder, Operation, ReadOnlyLedger } from './ports.ts';

/** A row of TB_R_SYNC_TRACKING. */
export interface LedgerEntry extends LedgerRow {
  /** EntityType, as it stands there. */
  readonly label: string;
  readonly syncedAt: Date;
  /** The batch that sent it; absent for rows of the old job and adopted ones. */
  readonly batchId?: string;
}

/** Which rows of an entity: all where nothing is said; both where both are. */
export interface LedgerFilter {
  /** As the ledger compares. */
  readonly keys?: readonly string[];
  /** Sent at this time or later. */
  readonly since?: Date;
}

/** A batch as TB_R_SYNC_BATCH tells of it. */
export interface BatchRecord {
  readonly id: string;
  readonly runId: string;
  readonly operation: Operation;
  readonly state: string;
  readonly createdAt: Date;
  readonly settledAt?: Date;
  readonly httpStatus?: number;
}

/** A batch whose outcome is unknown, with the keys of its rows. */
export interface UnresolvedKeys {
  readonly record: BatchRecord;
  readonly keys: readonly string[];
}

/** What is to be removed of the history. */
export interface PruneOptions {
  /** What ended before this goes. */
  readonly before: Date;
  /** Count only. */
  readonly dryRun: boolean;
}

/** Rows that were (in a dry run: would be) removed. */
export interface Pruned {
  /** TB_R_SYNC_RUN. */
  readonly runs: number;
  /** TB_R_SYNC_BATCH, settled ones. */
  readonly batches: number;
  /** TB_R_Log, those that this tool wrote. */
  readonly logEntries: number;
}

/** The ledger outside of runs. Every method may throw SyncError LOG_DATABASE_*. */
export interface LedgerStore {
  readOnly(entity: EntityIdentity): ReadOnlyLedger;
  /** Rows of the entity, in pages, each label's in the ledger's order of keys. */
  entries(entity: EntityIdentity, filter: LedgerFilter): AsyncIterable<readonly LedgerEntry[]>;
  /** How many they are. */
  countEntries(entity: EntityIdentity, filter: LedgerFilter): Promise<number>;
  /** Keys that stand under more than one label; keys that differ in case alone are two. */
  countDuplicates(entity: EntityIdentity): Promise<number>;
  /** Undefined where it was pruned. */
  batch(id: string): Promise<BatchRecord | undefined>;
  /** The batches of the entity whose outcome is unknown, one at a time in memory. */
  unresolved(entity: EntityIdentity): AsyncIterable<UnresolvedKeys>;
  /** Who holds the entity's lock; undefined where nobody does. */
  holder(entity: EntityIdentity): Promise<LockHolder | undefined>;
  /**
   * Lends the means to change an entity's ledger, under its lock. Throws LOCK_HELD while a run is at work; one that has lost
   * its lock stops at its next change.
   */
  change<T>(entity: EntityIdentity, work: (changes: LedgerChanges) => Promise<T>): Promise<T>;
  /**
   * Removes history by age, in small transactions; nothing of the ledger, and no unresolved batch. Whatever their age, the
   * newest 100 runs and the last one that ended with 0 stay: `status` tells of them.
   */
  prune(options: PruneOptions): Promise<Pruned>;
  close(): Promise<void>;
}

/** Changes of one entity's ledger. Each method is one transaction, or several small ones where the table is the list. */
export interface LedgerChanges {
  /**
   * Marks rows (a page of them) as sent as they are now: those that are not there are added under the first label, the
   * others get this hash where theirs differs; dead letters of these keys end.
   */
  adopt(rows: readonly Required<LedgerRow>[]): Promise<{ readonly added: number; readonly rehashed: number }>;
  /** Gives tracked rows (a page of them) this hash, and returns of how many it was another, or none. */
  rehash(rows: readonly Required<LedgerRow>[]): Promise<number>;
  /** Removes the filter's rows, and with them their dead letters and the watermark; returns how many rows. */
  forget(filter: LedgerFilter): Promise<number>;
  /** Leaves of each key that stands under several labels the row that was sent last, and returns how many went. */
  removeDuplicates(): Promise<number>;
  /** The next run compares all rows. */
  removeWatermark(): Promise<void>;
  /** Replaces what Ledger.comparison() gives as mapHash. */
  rememberMap(mapHash: Uint8Array): Promise<void>;
}
