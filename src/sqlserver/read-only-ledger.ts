/** The part of a Ledger that only reads. Works before `migrate`, too, for a first dry run. */
import type { EntityIdentity, ReadOnlyLedger } from '../sync/ports.ts';
import { readComparison } from './comparison.ts';
import { findDeadLetters, hasDeadLetters, readDueDeadLetters } from './dead-letters.ts';
import { nvarchar } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { createTracking, ENTITY_TYPE_LENGTH } from './tracking.ts';

/** Whether the entity has dead letters at all, asked once: most have none, and then they cost nothing. */
export interface AnyDeadLetters {
  ask(session: Session): Promise<boolean>;
  /** Some are being written. */
  note(): void;
}

/** Nothing is asked yet. */
export function createAnyDeadLetters(entity: EntityIdentity): AnyDeadLetters {
  let any: boolean | undefined;
  return {
    async ask(session) {
      any ??= await hasDeadLetters(session, nvarchar(entity.trackingLabels[0], ENTITY_TYPE_LENGTH));
      return any;
    },
    note() {
      any = true;
    },
  };
}

/** `any` is shared with whoever writes dead letters of the entity meanwhile. */
export function createReadOnlyLedger(
  pool: Pool,
  entity: EntityIdentity,
  any: AnyDeadLetters = createAnyDeadLetters(entity),
): ReadOnlyLedger {
  const entityType = nvarchar(entity.trackingLabels[0], ENTITY_TYPE_LENGTH);
  return {
    ...createTracking(pool, entity),
    async findDeadLetters(keys) {
      if (keys.length === 0) return [];
      return pool.repeating(async (session) =>
        (await any.ask(session)) ? findDeadLetters(session, entityType, keys) : [],
      );
    },
    async dueDeadLetters(after, limit) {
      return pool.repeating(async (session) =>
        (await any.ask(session)) ? readDueDeadLetters(session, entityType, after, limit) : [],
      );
    },
    async comparison() {
      return pool.repeating((session) => readComparison(session, entityType));
    },
    async maxBatchRows() {
      return pool.repeating(async (session) => {
        const { rows: table } = await session.query(`SELECT OBJECT_ID(N'dbo.TB_R_SYNC_ENTITY')`);
        if (table[0]?.[0] === null) return undefined;
        const { rows } = await session.query(
          'SELECT MaxBatchRows FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = @entityType',
          { entityType },
        );
        return (rows[0]?.[0] ?? undefined) as number | undefined;
      });
    },
  };
}
