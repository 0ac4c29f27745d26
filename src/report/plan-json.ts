/** What `plan` says, as one document: what a run would send and delete, and why. The text is made from it too. */
import type { ComparisonReport, EntitySummary, Operation, RunObserver, RunSummary, StopCause } from '../sync/ports.ts';
import { masked, payloadAt } from './sample-payload.ts';

/**
 * `plan --json`, with the schema docs/json/plan.schema.json. Times are ISO 8601 in UTC, durations milliseconds; null is
 * none, or unknown.
 */
export interface PlanDocument {
  readonly startedAt: string;
  readonly durationMs: number;
  readonly exitCode: number;
  /** Whether samples hold the values of rows; else `***` stands for each but null. */
  readonly valuesShown: boolean;
  /** In the configured order, as far as the plan came. */
  readonly entities: readonly PlannedEntity[];
}

/** One entity. Counts are rows unless named otherwise. */
export interface PlannedEntity {
  readonly entity: string;
  readonly state: EntitySummary['state'];
  readonly stoppedBy: StopCause | null;
  readonly durationMs: number;
  /** How rows to send were looked for; null where it did not come to that. */
  readonly comparison: PlanComparison | null;
  /** Read from the source. */
  readonly read: number;
  /** Left out because the ledger holds them. */
  readonly tracked: number;
  /** Pending, and the ledger does not hold them; of these and of the changed rows some may be new dead letters. */
  readonly newRows: number;
  /** Pending, since the ledger holds them with another hash. */
  readonly changedRows: number;
  /** Pending, to be deleted at the destination, since they are gone from the source. */
  readonly deletions: number;
  /** That are gone from the source and would not be deleted; a warning says why. */
  readonly heldDeletions: number;
  /** That cannot be sent, for the first time. */
  readonly newDeadLetters: number;
  /** Dead letters of earlier runs that still cannot be sent, or wait. */
  readonly oldDeadLetters: number;
  /** Tracked by the old job without a hash: a run takes them as sent and gives them one. */
  readonly withoutHash: number;
  /** That would be sent, and the bytes of their bodies. */
  readonly batches: number;
  readonly bytes: number;
  /** Sentences without the entity's name. */
  readonly warnings: readonly string[];
  /** The first rows that would be sent, then the first that would be deleted. */
  readonly samples: readonly PlanSample[];
  readonly error: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/** How an entity's rows are looked for. */
export interface PlanComparison {
  readonly method: ComparisonReport['method'];
  /** Why this method. */
  readonly why: string;
  /** Why all rows are read although the method could read fewer; null where it reads fewer, or never could. */
  readonly fullBecause: string | null;
  readonly mapChanged: boolean;
}

/** A row that would be sent or deleted. */
export interface PlanSample {
  readonly operation: Operation;
  /** As the ledger holds it. */
  readonly key: string;
  /** JSON.stringify writes it as it would be sent, or masked; null for a deletion whose URL says it all. */
  readonly payload: unknown;
}

/** What of the rows the plan shows. */
export interface SampleOptions {
  /** Rows of each operation of each entity. */
  readonly sample: number;
  readonly showValues: boolean;
}

/** Watches a dry run, and makes the document of its end. */
export interface PlanWatch {
  readonly observer: Pick<RunObserver, 'planned' | 'warning'>;
  document(summary: RunSummary): PlanDocument;
}

/** Keeps samples of what would be sent, and the warnings. Memory: `sample` payloads of each operation and entity. */
export function createPlanWatch({ sample, showValues }: SampleOptions): PlanWatch {
  const samples = new Map<string, Record<Operation, PlanSample[]>>();
  const warnings = new Map<string, string[]>();
  return {
    observer: {
      planned(entity, batch) {
        const kept = samples.get(entity) ?? { upsert: [], delete: [] };
        samples.set(entity, kept);
        const { operation, keys } = batch;
        const room = sample - kept[operation].length;
        for (const [index, key] of keys.slice(0, room).entries()) {
          const payload = payloadAt(batch, index);
          kept[operation].push({ operation, key, payload: showValues ? payload : masked(payload) });
        }
      },
      warning(entity, message) {
        warnings.set(entity, [...(warnings.get(entity) ?? []), message]);
      },
    },
    document: ({ startedAt, durationMs, exitCode, entities }) => ({
      startedAt,
      durationMs,
      exitCode,
      valuesShown: showValues,
      entities: entities.map((summary) => {
        const { upsert, delete: deleted } = samples.get(summary.entity) ?? { upsert: [], delete: [] };
        return plannedEntity(summary, warnings.get(summary.entity) ?? [], [...upsert, ...deleted]);
      }),
    }),
  };
}

function plannedEntity(
  summary: EntitySummary,
  warnings: readonly string[],
  samples: readonly PlanSample[],
): PlannedEntity {
  const { pending, changed, deletions, newDeadLetters, comparison } = summary;
  return {
    entity: summary.entity,
    state: summary.state,
    stoppedBy: summary.stoppedBy ?? null,
    durationMs: summary.durationMs,
    comparison: comparison === undefined ? null : { ...comparison, fullBecause: comparison.fullBecause ?? null },
    read: summary.read,
    tracked: summary.tracked,
    // A tracked row that was a dead letter before counts as changed, and is not pending while it still cannot be sent.
    newRows: Math.max(0, pending - changed - deletions),
    changedRows: changed,
    deletions,
    heldDeletions: summary.heldDeletions,
    newDeadLetters,
    oldDeadLetters: summary.oldDeadLetters,
    withoutHash: summary.hashesTaken,
    batches: summary.batches.pending,
    bytes: summary.bytes,
    warnings,
    samples,
    error: summary.error ?? null,
  };
}
