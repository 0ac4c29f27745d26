/** What `runs` asks the log database: runs in the past, and one of them with its batches. */
import type { RunRecord } from './history.ts';
import type { RunSummary } from './ports.ts';

/** A run and when it began: enough to find it by. */
export interface RunReference {
  /** Lower-case UUID. */
  readonly runId: string;
  readonly startedAt: Date;
}

/** A batch that a run reserved, or one of an earlier run that it was the last to try without learning its outcome. */
export interface BatchRecord {
  /** Lower-case UUID; the Idempotency-Key. */
  readonly batchId: string;
  /** The run that reserved it. */
  readonly runId: string;
  /** EntityType: the entity's first tracking label. */
  readonly label: string;
  readonly operation: 'upsert' | 'delete';
  /** The batch that it is a half of. */
  readonly parentId?: string;
  /** As TB_R_SYNC_BATCH.State: `sending` is in flight, or its outcome is unknown. */
  readonly state: 'sending' | 'accepted' | 'refused' | 'split';
  readonly rows: number;
  /** HTTP calls for it, in all runs. */
  readonly attempts: number;
  /** Of the last answer. */
  readonly httpStatus?: number;
  readonly durationMs?: number;
  /** Without values of rows. */
  readonly error?: string;
  readonly createdAt: Date;
  readonly settledAt?: Date;
}

/** All that the log database holds of one run. */
export interface RunDetail {
  readonly record: RunRecord;
  /** Absent while it runs, and where it died. */
  readonly summary?: RunSummary;
  /** How many batches there are, of which `batches` are the first. */
  readonly batchCount: number;
  /** Those whose outcome is unknown come first, then refused, split and accepted ones; each oldest first. */
  readonly batches: readonly BatchRecord[];
}

/** Reads runs. Its methods throw SyncError LOG_DATABASE_*. */
export interface RunStore {
  /** The newest `limit` runs, newest first, and how many there are. */
  list(limit: number): Promise<{ readonly total: number; readonly runs: readonly RunRecord[] }>;
  /** All runs, newest first. */
  references(): Promise<readonly RunReference[]>;
  /** One run with at most `limit` of its batches; undefined where it is gone meanwhile. */
  detail(runId: string, limit: number): Promise<RunDetail | undefined>;
  close(): Promise<void>;
}

/** Runs that are named where one is not found. */
const NAMED = 5;

/** The run that was meant, or those that it could have been: several that fit, or, where none does, the nearest. */
export type RunMatch =
  | { readonly runId: string }
  | { readonly fitting: readonly RunReference[] }
  | { readonly near: readonly RunReference[] };

/**
 * Finds the run that `text` names: `last`, or a run's id or its beginning, in either case, with or without its hyphens.
 * `runs` are newest first. Near are those whose ids have the longest beginning in common with `text`; where none has any,
 * the newest.
 */
export function findRun(text: string, runs: readonly RunReference[]): RunMatch {
  const [newest] = runs;
  if (text.toLowerCase() === 'last') return newest === undefined ? { near: [] } : { runId: newest.runId };
  const wanted = plain(text);
  const fitting = wanted === '' ? [] : runs.filter(({ runId }) => plain(runId).startsWith(wanted));
  const [only] = fitting;
  if (only !== undefined) return fitting.length === 1 ? { runId: only.runId } : { fitting: fitting.slice(0, NAMED) };
  const shared = runs.map((run) => sharedLength(plain(run.runId), wanted));
  const longest = Math.max(0, ...shared);
  return { near: runs.filter((_, index) => shared[index] === longest).slice(0, NAMED) };
}

function plain(id: string): string {
  return id.toLowerCase().replaceAll('-', '');
}

function sharedLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

/** The shortest beginnings of these ids that end before a hyphen and tell them apart, as a function from id to beginning. */
export function shortIds(ids: readonly string[]): (id: string) => string {
  const groups = (id: string, count: number) => id.split('-').slice(0, count).join('-');
  let count = 1;
  while (count < 5 && new Set(ids.map((id) => groups(id, count))).size < new Set(ids).size) count += 1;
  return (id) => groups(id, count);
}
