/**
 * What the run asks of the outside: a source, a log database, a destination, someone who watches. The edges (sqlserver/,
 * http/, log/) implement these; sync/ knows nothing else of them.
 *
 * Terminology
 *   source       one SQL Server table, view or query
 *   destination  one HTTP endpoint
 *   entity       a source, a destination and the mapping between them
 *   row          one row of the source, its cells in the order of the source's columns
 *   key          what identifies a row; as text it is what the ledger holds (key.ts)
 *   payload      the JSON object that a row becomes
 *   batch        payloads that go in one request
 *   attempt      one HTTP call for a batch, counted from 1
 *   ambiguous    of an attempt: the destination may have taken the batch, and nobody knows (timeout, reset, 5xx); a replay
 *                always counts as one
 *   outcome      how a batch's delivery ended in this run
 *   tracking     TB_R_SYNC_TRACKING, the ledger of keys that the destination has accepted
 *   reserve      to store a batch before its first byte is sent
 *   withdraw     to take a reserved batch back that was never sent
 *   settle       to store its outcome, and the ledger rows with it, in one transaction
 *   unresolved   reserved and not settled: its outcome is unknown, or a run was cut off
 *   replay       to send an unresolved batch again: the same bytes under the same Idempotency-Key
 *   isolate      to halve a refused batch until its bad rows stand alone
 *   dead letter  a row that the destination refuses by itself, or that cannot be sent at all
 *   deletion     a row that is tracked and gone from the source, which the destination is to hold no longer
 *   comparison   of source and ledger: a full one reads all rows, an incremental one those above the watermark
 *   watermark    up to where rows were compared
 *   run          one start of the command; RunId in every table
 */

/** A column's family, which decides its JSON form and whether it can be a key. */
export type ColumnKind =
  | 'integer'
  | 'bigint'
  | 'decimal'
  | 'float'
  | 'boolean'
  | 'guid'
  | 'text'
  | 'binary'
  | 'date'
  | 'time'
  | 'datetime'
  | 'datetimeoffset';

/** A column as the server describes it. `sqlType` is the declared type for messages, such as `decimal(9,2)`. */
export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly sqlType: string;
}

/**
 * A cell of a row:
 *
 *   integer, float        number
 *   bigint, decimal       string, exact, as the server prints it
 *   boolean               boolean
 *   guid                  string, lower case with hyphens
 *   text                  string
 *   binary                Uint8Array
 *   date, datetime        Date whose UTC fields are the wall clock in the column
 *   time                  Date whose UTC fields are the wall clock, on 1970-01-01
 *   datetimeoffset        Date: the instant
 */
export type Cell = null | number | string | boolean | Date | Uint8Array;
export type Row = readonly Cell[];

/** What is read of a row: all of the source's columns as `describe` lists them, or the key's cells in the key's order. */
export type RowShape = 'row' | 'key';

/**
 * Up to where rows were compared, as bytes that sort as what they stand for: a rowversion as it is, or the time in a
 * modified-at column (watermark.ts).
 */
export type Watermark = Uint8Array;

/** How changed rows of a source can be found without reading all. */
export interface IncrementalDetection {
  readonly method: 'rowversion' | 'modifiedAt';
  /** The source's column. */
  readonly column: string;
}

/** What `detection` chose, and why, as a part of a sentence. */
export interface ChosenDetection {
  readonly incremental?: IncrementalDetection;
  readonly why: string;
}

/** Which rows a page is of. */
export interface PageFilter {
  readonly shape: RowShape;
  /** Only rows that may have changed since: rowversion from this one on; modifiedAt NULL, or from this time on. */
  readonly since?: IncrementalDetection & { readonly from: Watermark };
}

/** One entity's rows. Every method may throw SyncError (SOURCE_*). */
export interface Source {
  /** Server and database, as a text without secrets that tells a source that has moved. */
  readonly location: string;
  /** The columns that a `row` has, in order; refuses columns and key types that cannot be read, by name. */
  describe(): Promise<readonly Column[]>;
  /**
   * At most `limit` rows from the key `from` on (its cells in the order of the entity's key; undefined = from the start),
   * in the server's key order. The row of that key, and what the server holds equal to it, come along once more.
   */
  page(from: Row | undefined, limit: number, signal: AbortSignal, filter: PageFilter): Promise<Row[]>;
  /**
   * The same, each row given to `take` as it comes. Resolves with false where the page broke off after its first rows: nothing
   * of it is read again.
   */
  eachRow(
    from: Row | undefined,
    limit: number,
    signal: AbortSignal,
    filter: PageFilter,
    take: (row: Row) => void,
  ): Promise<boolean>;
  /**
   * The rows that have these keys (a page of them, their cells in the key's order), as the server compares: `index` is the
   * key's place in the list. A key may have several rows where the server holds different texts equal.
   */
  lookup(keys: readonly Row[], shape: RowShape, signal: AbortSignal): Promise<{ index: number; row: Row }[]>;
  /** Rows in the source, counted no further than `atMost`. */
  count(atMost?: number): Promise<number>;
  /**
   * How the entity's changed rows are found. Throws SOURCE_COLUMN_MISSING or SOURCE_REFUSED where the configuration asks
   * for what the source does not have.
   */
  detection(): Promise<ChosenDetection>;
  /**
   * The watermark up to which all has been committed by now, in a statement of its own: what is committed later is not
   * below it (rowversion), or but for the overlap not (modifiedAt). Undefined where no row has a time.
   */
  watermark(detection: IncrementalDetection): Promise<Watermark | undefined>;
}

/** What a batch asks of the destination: to hold these rows as they are here, or no longer. */
export type Operation = 'upsert' | 'delete';

/** Stands for the hash of a row that is to be deleted: a dead letter with it is of a deletion. 16 zero bytes. */
export const DELETION_HASH: Uint8Array = new Uint8Array(16);

/** A batch, ready to be sent. */
export interface Batch {
  /** Lower-case UUID: BatchId, and the Idempotency-Key of each attempt. */
  readonly id: string;
  readonly operation: Operation;
  /** Key text of each row, in the order of the body. */
  readonly keys: readonly string[];
  /** Row hashes, 16 bytes each, one after the other; of a deletion, DELETION_HASH for each row. */
  readonly hashes: Uint8Array;
  /** Byte offset in `body` at which each row's JSON begins. */
  readonly offsets: Uint32Array;
  /** The request's body: a JSON array in UTF-8. */
  readonly body: Uint8Array;
}

/** One HTTP call. */
export interface Attempt {
  readonly startedAt: Date;
  readonly durationMs: number;
  /** Absent where no answer came. */
  readonly status?: number;
  /**
   * Why it is no success, without a secret or a value of a row. Beside a 2xx: what it says of rejected rows could not be
   * read, so that nobody knows which rows were taken.
   */
  readonly error?: string;
  /** No byte of the request was sent: the destination cannot have taken it. */
  readonly notSent?: true;
  /** How long the destination wants no further request, in milliseconds from the attempt's end. */
  readonly waitMs?: number;
  /** The rows that a 2xx says were not taken; the others were. */
  readonly rejected?: readonly RejectedRow[];
}

/** A row that a 2xx says was not taken. `reason` holds no value of it. */
export interface RejectedRow {
  /** Its place in the batch, from 0 on. */
  readonly index: number;
  readonly reason: string;
  /** The HTTP status that a 207 gives it. */
  readonly httpStatus?: number;
}

/**
 * How a batch's delivery ended in this run.
 *
 *   accepted  the destination took it (but for rows that it reported)
 *   refused   the destination took nothing of it
 *   unknown   it may have been taken: it stays unresolved
 *   split     refused, and its halves are batches of their own
 *   aborted   cut off by a second signal or a closing console: it stays unresolved, and nothing is recorded
 */
export interface Outcome {
  readonly state: 'accepted' | 'refused' | 'unknown' | 'split' | 'aborted';
  /** In this run, in order. */
  readonly attempts: readonly Attempt[];
  /** Why, where the attempts do not say it: "not sent: the deadline has passed". */
  readonly note?: string;
}

/** Sends batches to one endpoint. */
export interface Destination {
  /** One attempt, never an exception. */
  attempt(batch: Batch, signal: AbortSignal): Promise<Attempt>;
  close(): Promise<void>;
}

/** A key of the page that the ledger holds, compared as the ledger's collation compares (case, trailing spaces). */
export interface TrackedKey {
  /** Index in the list that was asked for. */
  readonly index: number;
  /** The text that stands in the ledger. */
  readonly key: string;
  /** 16 bytes; absent for rows of the old job. */
  readonly hash?: Uint8Array;
}

/** A row that cannot be sent. `reason` names column and rule, never the value. */
export interface DeadLetter {
  readonly key: string;
  /** 16 bytes; absent where the row has no payload. */
  readonly hash?: Uint8Array;
  readonly reason: string;
  readonly httpStatus?: number;
}

/**
 * A key that is a dead letter already.
 *
 *   due        it is to be tried again
 *   waiting    not yet, unless its hash changes
 *   discarded  never, unless its hash changes
 */
export interface KnownDeadLetter {
  /** Index in the list that was asked for. */
  readonly index: number;
  readonly state: 'due' | 'waiting' | 'discarded';
  /** Of the payload that was refused; absent where the row had none. */
  readonly hash?: Uint8Array;
}

/** An unresolved batch, with what runs before this one learned of it. */
export interface UnresolvedBatch {
  readonly batch: Batch;
  readonly createdAt: Date;
  readonly doubt: Doubt;
}

/** What speaks for it that an unresolved batch will never be taken as it is. */
export interface Doubt {
  /** Consecutive runs in which the first answer to its replay was 400, 413 or 422. */
  readonly refusedRuns: number;
  /** Runs that ended with a 5xx for it while other batches of the entity were accepted. */
  readonly serverErrorRuns: number;
}

/** A row in the ledger: the key's text, and its hash where it has one. */
export interface LedgerRow {
  readonly key: string;
  readonly hash?: Uint8Array;
}

/** What the log database keeps of an entity from comparison to comparison. Hashes are 16 bytes. */
export interface Comparison {
  /** Of the source (comparison.ts) whose missing rows may be deleted. */
  readonly sourceHash?: Uint8Array;
  /** Of the map under which the last full comparison was made. */
  readonly mapHash?: Uint8Array;
  /** Absent where the next comparison must be a full one. */
  readonly watermark?: {
    readonly method: IncrementalDetection['method'];
    readonly value: Watermark;
    /** Of source and column. */
    readonly sourceHash: Uint8Array;
  };
  readonly lastFullAt?: Date;
}

/** The tracking and batches of one entity in one run, while its lock is held. Throws SyncError LOG_DATABASE_* or LOCK_LOST. */
export interface Ledger {
  /** Whether the ledger holds no row of the entity under any of its labels. */
  isEmpty(): Promise<boolean>;
  /** Whether TB_R_Log holds a successful batch of this entity, from whichever job. */
  hasLoggedSuccess(): Promise<boolean>;
  /** Which of these keys (a page of them) are tracked, under any of the entity's labels. */
  find(keys: readonly string[]): Promise<readonly TrackedKey[]>;
  /** Which of these keys are dead letters. */
  findDeadLetters(keys: readonly string[]): Promise<readonly KnownDeadLetter[]>;
  /** Keys of dead letters that are due, at most `limit` of them after `after` in an order of the ledger's own. */
  dueDeadLetters(after: string | undefined, limit: number): Promise<readonly string[]>;
  /**
   * At most `limit` rows after the key `after`, in the ledger's order of keys; a key that stands under several labels comes
   * once.
   */
  page(after: string | undefined, limit: number): Promise<readonly LedgerRow[]>;
  /** Rows under any of the labels. */
  count(): Promise<number>;
  /** Calls `take` with the key of each row under any of the labels, in no order; with some of them twice after a fault. */
  eachKey(take: (key: string) => void, signal: AbortSignal): Promise<void>;
  /** What earlier runs left; empty before `migrate`. */
  comparison(): Promise<Comparison>;
  /** Rows in a batch that the destination is known to take, where it called more of them too large. */
  maxBatchRows(): Promise<number | undefined>;
  /** What maxBatchRows() gives from now on. */
  rememberMaxBatchRows(rows: number | undefined): Promise<void>;
  /**
   * The batches that are unresolved when this is called, those tried in the fewest runs first, of these the oldest; one at
   * a time in memory.
   */
  unresolved(): AsyncIterable<UnresolvedBatch>;
  /** Stores the batch in state `sending`; committed when it returns. */
  reserve(batch: Batch): Promise<void>;
  /** Takes a reserved batch back of which no byte was sent: its rows are pending again. */
  withdraw(batch: Batch): Promise<void>;
  /**
   * Ends an accepted or refused batch in one transaction: its state; where accepted the ledger rows of all keys that are
   * no `letters` (and the end of their own dead letters), written, or of a deletion removed under every label; the
   * letters; the TB_R_Log row; body and keys are cleared. Where rows of an upsert are pending again, the watermark is
   * removed: they may stand below it. A batch that is no longer `sending` is left as it is.
   *
   * Returns how many of the letters were no dead letters before.
   */
  settle(batch: Batch, outcome: Outcome, letters: readonly DeadLetter[]): Promise<number>;
  /**
   * Ends a refused batch in one transaction, and reserves its halves. A batch that is no longer `sending` is left as it is.
   */
  split(batch: Batch, outcome: Outcome, halves: readonly Batch[]): Promise<void>;
  /** Records, once a run, that the batch's outcome is unknown: it stays unresolved with this doubt; the TB_R_Log row. */
  keepUnknown(batch: Batch, outcome: Outcome, doubt: Doubt): Promise<void>;
  /** Stores dead letters that were in no batch, and returns how many of them were not there before. */
  deadLetter(letters: readonly DeadLetter[]): Promise<number>;
  /** Ends dead letters whose rows are gone. */
  dropDeadLetters(keys: readonly string[]): Promise<void>;
  /** Gives tracked rows that have no hash this one (the key as the ledger has it); nothing else of them changes. */
  takeHashes(rows: readonly Required<LedgerRow>[]): Promise<void>;
  /** Replaces what comparison() gives. */
  rememberComparison(comparison: Comparison): Promise<void>;
}

/** What a dry run needs of the ledger. Works before `migrate`, too. */
export type ReadOnlyLedger = Pick<
  Ledger,
  | 'find'
  | 'findDeadLetters'
  | 'dueDeadLetters'
  | 'isEmpty'
  | 'hasLoggedSuccess'
  | 'maxBatchRows'
  | 'page'
  | 'count'
  | 'eachKey'
  | 'comparison'
>;

/** Who holds an entity's lock. Fields are absent where the tables do not say. */
export interface LockHolder {
  readonly runId?: string;
  readonly host?: string;
  readonly processId?: number;
  readonly since?: Date;
}

/** An entity's lock. It dies with its connection; then `lost` aborts, and nothing new may be reserved. */
export interface EntityLock {
  readonly ledger: Ledger;
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** What is known of a run when it starts. */
export interface RunStart {
  readonly runId: string;
  readonly host: string;
  readonly processId: number;
  readonly version: string;
  /** The command line without secrets. */
  readonly arguments: string;
}

/** The log database as a run uses it. Throws SyncError LOG_DATABASE_*. */
export interface LogDatabase {
  /** Stores the run as running; throws LOG_DATABASE_NOT_MIGRATED where tables are missing. */
  startRun(run: RunStart): Promise<void>;
  finishRun(runId: string, state: 'finished' | 'aborted', exitCode: number, summary: RunSummary): Promise<void>;
  /**
   * Takes the entity's lock without waiting, or says who holds it; then rehearses a settle and rolls it back. Throws
   * LOG_DATABASE_* where that fails: what cannot be recorded must not be sent.
   */
  lock(entity: EntityIdentity, runId: string): Promise<EntityLock | { readonly heldBy: LockHolder }>;
  /** The ledger for reading only, without a lock: for dry runs. */
  readOnlyLedger(entity: EntityIdentity): ReadOnlyLedger;
  close(): Promise<void>;
}

/** What the log database needs to know of an entity. */
export interface EntityIdentity {
  readonly name: string;
  readonly trackingLabels: readonly [string, ...string[]];
  readonly destination: { readonly url: string; readonly batchSize: number };
  /** Where its deletions go; absent where it has none. */
  readonly deleted?: { readonly url: string };
}

/** What ended an entity early without an error. */
export type StopCause = 'signal' | 'limit' | 'deadline' | 'breaker';

/** How rows to send were looked for. */
export interface ComparisonReport {
  /** `keys`: changes is new, and keys alone are compared. */
  readonly method: 'keys' | 'hash' | 'rowversion' | 'modifiedAt';
  /** Why this method. */
  readonly why: string;
  /** Why all rows are read although the method could read fewer. */
  readonly fullBecause?: string;
  /** The map differs from that of the last full comparison: rows whose payload it changes are sent again. */
  readonly mapChanged: boolean;
}

/** How one entity ended. Counts are rows unless named otherwise. */
export interface EntitySummary {
  readonly entity: string;
  /**
   *   done      read to the end (some batches may be refused)
   *   resolved  only unresolved batches were sent again (--resolve-only)
   *   stopped   ended early, `stoppedBy` says by what
   *   locked    another run holds its lock; nothing was done
   *   failed    `error` says why
   */
  readonly state: 'done' | 'resolved' | 'stopped' | 'locked' | 'failed';
  /** `breaker`: too many batches in a row failed. */
  readonly stoppedBy?: StopCause;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Read from the source. */
  readonly read: number;
  /** Left out because the ledger holds them (with `changes` other than new: as they are now). */
  readonly tracked: number;
  /** That went into a batch (in a dry run: would go), replayed ones included, or became new dead letters. */
  readonly pending: number;
  /** Of the pending and left rows: tracked with another hash. */
  readonly changed: number;
  /** Of the pending rows: to be deleted at the destination, since they are gone from the source. */
  readonly deletions: number;
  readonly accepted: number;
  /** Of the accepted rows: deletions. */
  readonly deleted: number;
  /** Gone from the source, and not deleted at the destination: maxDeletePercent, or an unconfirmed change of the source. */
  readonly heldDeletions: number;
  /** Tracked without a hash by the job before this one; they count as sent, and have their hash now. */
  readonly hashesTaken: number;
  /** Not taken, and pending again. */
  readonly refused: number;
  /** Of batches whose outcome is unknown, or that were cut off. */
  readonly unresolved: number;
  readonly newDeadLetters: number;
  /** Dead letters of earlier runs that were refused once more, or wait. */
  readonly oldDeadLetters: number;
  /** Pending, and left for the next run by what stopped the entity; rows that were not read are not known. */
  readonly left: number;
  /** As the rows above: `pending` is all that were (in a dry run: would be) sent; `split`: halved on the way. */
  readonly batches: {
    readonly pending: number;
    readonly accepted: number;
    readonly refused: number;
    readonly unresolved: number;
    readonly split: number;
  };
  /** Of the bodies of pending batches. */
  readonly bytes: number;
  /** What a batch failed with whose rows were refused, or whose outcome stayed unknown: the first one that ended. */
  readonly batchError?: string;
  /** How rows to send were looked for; absent where it did not come to that. */
  readonly comparison?: ComparisonReport;
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
}

/** How a run ended: `run --json` prints it, TB_R_SYNC_RUN.Summary holds it. */
export interface RunSummary {
  readonly runId: string;
  readonly dryRun: boolean;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly exitCode: number;
  readonly entities: readonly EntitySummary[];
}

/** Watches a run: progress bar, log lines. Never throws. */
export interface RunObserver {
  /** `total`: rows in the source, where it was counted. */
  entityStarted?(entity: string, total: number | undefined): void;
  /** How the entity's rows are looked for. */
  comparing?(entity: string, report: ComparisonReport): void;
  /** In a dry run: a batch that would be sent. */
  planned?(entity: string, batch: Batch): void;
  /** After some thousand rows, and at the end; `read`, `tracked` are totals so far. */
  pageRead?(entity: string, read: number, tracked: number): void;
  batchEnded?(
    entity: string,
    batch: { readonly number: number; readonly rows: number; readonly id: string },
    outcome: Outcome,
  ): void;
  /** A batch will be tried again, `delayMs` from now. */
  retrying?(
    entity: string,
    batch: { readonly number: number; readonly rows: number; readonly id: string },
    attempt: Attempt,
    delayMs: number,
  ): void;
  entityEnded?(summary: EntitySummary): void;
  warning?(entity: string, message: string): void;
  /** Of the run as a whole; `message` is a sentence. */
  runWarning?(message: string): void;
}
