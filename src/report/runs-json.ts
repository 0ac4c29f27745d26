/** Runs as `runs` prints them: the list, or one run in detail, as documents. The text is made from them too. */
import type { RunRecord } from '../sync/history.ts';
import type { EntitySummary } from '../sync/ports.ts';
import type { BatchRecord, RunDetail } from '../sync/run-history.ts';
import { isoOf } from './format.ts';
import { type StatusRun, statusRun } from './status-json.ts';

/** With the schema docs/json/runs.schema.json. Times are ISO 8601 in UTC, durations milliseconds; null is unknown. */
export interface RunsDocument {
  readonly generatedAt: string;
  /** How many there are, of which `runs` are the newest. */
  readonly total: number;
  /** Newest first. */
  readonly runs: readonly StatusRun[];
}

/** The document for these runs at the instant `now`. */
export function runsDocument(
  { total, runs }: { readonly total: number; readonly runs: readonly RunRecord[] },
  now: Date,
): RunsDocument {
  return { generatedAt: now.toISOString(), total, runs: runs.map((run) => statusRun(run, now)) };
}

/** `runs RUN --json`, with the schema docs/json/runs-detail.schema.json. */
export interface RunDetailDocument {
  readonly generatedAt: string;
  readonly run: StatusRun;
  /** As `run --json` printed them; null where the run has written no summary. */
  readonly entities: readonly EntitySummary[] | null;
  readonly batches: {
    /** How many there are, of which `listed` are the first. */
    readonly total: number;
    /** Those whose outcome is unknown first, then refused, split and accepted ones; each oldest first. */
    readonly listed: readonly RunBatch[];
  };
}

/** One batch. */
export interface RunBatch {
  readonly batchId: string;
  /** The run that reserved it: another one where this run only tried it again. */
  readonly runId: string;
  /** Null where no entity of the configuration has the label. */
  readonly entity: string | null;
  readonly label: string;
  readonly operation: BatchRecord['operation'];
  /** The batch that it is a half of. */
  readonly parentId: string | null;
  readonly state: BatchRecord['state'];
  readonly rows: number;
  readonly attempts: number;
  readonly httpStatus: number | null;
  readonly durationMs: number | null;
  readonly error: string | null;
  readonly createdAt: string | null;
  readonly settledAt: string | null;
}

/** The document for this run at the instant `now`. `entityOf`: the entity's name for a tracking label. */
export function runDetailDocument(
  { record, summary, batchCount, batches }: RunDetail,
  entityOf: (label: string) => string | undefined,
  now: Date,
): RunDetailDocument {
  return {
    generatedAt: now.toISOString(),
    run: statusRun(record, now),
    entities: summary?.entities ?? null,
    batches: {
      total: batchCount,
      listed: batches.map((batch) => ({
        batchId: batch.batchId,
        runId: batch.runId,
        entity: entityOf(batch.label) ?? null,
        label: batch.label,
        operation: batch.operation,
        parentId: batch.parentId ?? null,
        state: batch.state,
        rows: batch.rows,
        attempts: batch.attempts,
        httpStatus: batch.httpStatus ?? null,
        durationMs: batch.durationMs ?? null,
        error: batch.error ?? null,
        createdAt: isoOf(batch.createdAt),
        settledAt: isoOf(batch.settledAt),
      })),
    },
  };
}
