/** Dead letters as `failures list` and `failures show` print them, as one document. The text is made from it too. */
import type { DeadLetterList } from '../sync/dead-letters.ts';
import { isoOf } from './format.ts';

/** With the schema docs/json/failures.schema.json. Times are ISO 8601 in UTC; null is none, or unknown. */
export interface FailuresDocument {
  readonly generatedAt: string;
  /** How many there are, of which `failures` are the newest. */
  readonly total: number;
  /** Newest first. */
  readonly failures: readonly Failure[];
}

/** One dead letter. */
export interface Failure {
  readonly entity: string;
  readonly key: string;
  readonly reason: string;
  readonly httpStatus: number | null;
  /** Runs in which it failed, since it last changed. */
  readonly attempts: number;
  readonly firstFailedAt: string | null;
  readonly lastFailedAt: string | null;
  /** When a run tries it again though the row has not changed; null: the next run, or never where it is discarded. */
  readonly nextTryAt: string | null;
  readonly state: 'waiting' | 'discarded';
}

/** The document for these dead letters at the instant `now`. */
export function failuresDocument({ letters, counts }: DeadLetterList, now: Date): FailuresDocument {
  return {
    generatedAt: now.toISOString(),
    total: counts.reduce((sum, count) => sum + count, 0),
    failures: letters.map(
      ({ entity, key, reason, httpStatus, attempts, firstFailedAt, lastFailedAt, nextTryAt, state }) => ({
        entity,
        key,
        reason,
        httpStatus: httpStatus ?? null,
        attempts,
        firstFailedAt: isoOf(firstFailedAt),
        lastFailedAt: isoOf(lastFailedAt),
        // One that is past says no more than none.
        nextTryAt: nextTryAt !== undefined && nextTryAt > now ? isoOf(nextTryAt) : null,
        state,
      }),
    ),
  };
}

/** What `failures retry` and `failures discard` changed, with the schema docs/json/failures-changed.schema.json. */
export interface ChangeDocument {
  readonly total: number;
  /** In the configured order; entities without any, and those that a run has locked, are left out. */
  readonly entities: readonly ChangedEntity[];
}

/** How many dead letters of an entity were changed. */
export interface ChangedEntity {
  readonly entity: string;
  readonly rows: number;
}

/** The document for these changes. */
export function changeDocument(entities: readonly ChangedEntity[]): ChangeDocument {
  return { total: entities.reduce((sum, { rows }) => sum + rows, 0), entities };
}
