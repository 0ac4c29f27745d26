/** What the log database tells of runs in the past: the shapes that `status` reads and the report renders. */
import type { EntitySummary, StopCause } from './ports.ts';

/** As TB_R_SYNC_RUN.State: `aborted` was stopped by a signal, or died; a dead run is known by its lock, which is free. */
export type RunState = 'running' | 'finished' | 'aborted';

/** One run. Counts are over all its entities, from its summary; absent where it died before it wrote one. */
export interface RunRecord {
  /** Lower-case UUID. */
  readonly runId: string;
  readonly startedAt: Date;
  /** Absent while it runs, and where it died. */
  readonly finishedAt?: Date;
  readonly state: RunState;
  readonly exitCode?: number;
  readonly host: string;
  readonly processId: number;
  readonly version: string;
  /** The command line without secrets. */
  readonly arguments: string;
  readonly counts?: RunCounts;
}

/** Rows and batches of one run. */
export interface RunCounts {
  readonly rowsAccepted: number;
  readonly rowsRefused: number;
  /** Of batches whose outcome is unknown, or that were cut off. */
  readonly rowsUnresolved: number;
  readonly batchesAccepted: number;
  readonly batchesRefused: number;
  readonly batchesUnresolved: number;
  readonly newDeadLetters: number;
  /** Of the rows to send: tracked before, and changed since. */
  readonly rowsChanged: number;
  /** Of the accepted rows: deletions. */
  readonly rowsDeleted: number;
  /** Gone from the source, and not deleted at the destination. */
  readonly deletionsHeld: number;
}

/** An error that an entity met: of a batch, or one that stopped the entity. */
export interface EntityError {
  readonly at: Date;
  /** Without values of rows. */
  readonly text: string;
  readonly httpStatus?: number;
  /** What to do about it, where what stopped the entity said so. */
  readonly hint?: string;
}

/** Dead letters of one entity that wait for the same reason. */
export interface DeadLetterReason {
  /** Without values of rows. */
  readonly reason: string;
  readonly httpStatus?: number;
  readonly rows: number;
  readonly lastFailedAt: Date;
  /** The key of one of them. */
  readonly exampleKey: string;
}

/** How long the batches of an entity took in one run, in milliseconds, over those that were attempted and settled. */
export interface BatchDurations {
  readonly batches: number;
  readonly totalMs: number;
  readonly slowestMs: number;
}

/** What a run did for an entity. */
export interface EntityRun {
  /** Lower-case UUID. */
  readonly runId: string;
  readonly startedAt: Date;
  /** Absent where the run died before it wrote a summary, or still works. */
  readonly counts?: RunCounts;
  /** Absent where it settled no batch of the entity. */
  readonly durations?: BatchDurations;
}

/** A batch that was reserved and never settled. */
export interface UnresolvedRecord {
  readonly batchId: string;
  readonly rows: number;
  readonly createdAt: Date;
  /** Runs that tried it. */
  readonly runsTried: number;
  /** When the last of them ended, or began where it died. */
  readonly lastTriedAt: Date;
  /** Why its outcome is unknown, and the last answer's status; absent where it was cut off. */
  readonly error?: string;
  readonly httpStatus?: number;
}

/** What is known of one entity. */
export interface EntityHistory {
  /** The entity's name. */
  readonly entity: string;
  /**
   * The last run that came to this entity, and its counts for this entity alone; absent where none ever did. `state` is
   * how the entity ended in it, absent where the run died or still works.
   */
  readonly lastRun?: {
    readonly run: RunRecord;
    readonly state?: EntitySummary['state'];
    /** What ended it early, without an error. */
    readonly stoppedBy?: StopCause;
    readonly durationMs?: number;
    readonly counts: RunCounts;
  };
  /** Rows that the ledger holds, under all labels. */
  readonly trackedRows: number;
  /** When a batch was last accepted; where only the old job worked: its newest row in the ledger. */
  readonly lastSuccessAt?: Date;
  /** When it last ran to the end with nothing refused, unknown or held back, whether or not there was anything to send. */
  readonly lastGoodRunAt?: Date;
  readonly lastError?: EntityError;
  /** The errors of late, newest first, each text once: its newest. The first is `lastError`. */
  readonly errors: readonly EntityError[];
  /** Oldest first. */
  readonly unresolved: readonly UnresolvedRecord[];
  /** Rows that wait as dead letters. */
  readonly deadLetters: number;
  /** The ten most frequent reasons among them, the most frequent first. */
  readonly deadLetterReasons: readonly DeadLetterReason[];
  /** The last runs that came to it, as many as are listed of all at most, newest first. */
  readonly runs: readonly EntityRun[];
  /** Who holds its lock, as far as the tables say. */
  readonly lockedSince?: Date;
}

/** All that `status` shows of the log database. */
export interface History {
  /**
   * Whether TB_R_SYNC_RUN and its companions are there. If not, only what the old job left is known: tracked rows, last
   * success and last error.
   */
  readonly migrated: boolean;
  /** In the order asked for. */
  readonly entities: readonly EntityHistory[];
  /** Newest first. */
  readonly runs: readonly RunRecord[];
}
