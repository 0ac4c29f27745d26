/** TB_R_SYNC_FAILURE for people: what `failures` reads, and the two changes it makes under the entity's lock. */
import type { ConnectionSettings } from '../sync/connection.ts';
import type { DeadLetterFilter, DeadLetterStore, StoredDeadLetter } from '../sync/dead-letters.ts';
import type { Cell, EntityIdentity, Row } from '../sync/ports.ts';
import { HASH_LENGTH, keyHash } from './dead-letters.ts';
import { withEntityLock } from './entity-lock.ts';
import { requireMigrated } from './migrate.ts';
import { int, nvarchar, type Parameters } from './parameters.ts';
import { createPool } from './pool.ts';
import type { Session } from './session.ts';
import { fill, type TemporaryTable } from './temporary-table.ts';
import { ENTITY_TYPE_LENGTH, placeholders } from './tracking.ts';

/** TOP takes no more here. */
const MAX_INT = 2_147_483_647;

/** The keys that were asked for, however many. */
const WANTED: TemporaryTable = {
  name: '#tamhr_wanted',
  columns: [{ name: 'KeyHash', type: 'Binary', length: HASH_LENGTH, nullable: false }],
};

/** Opens nothing until it is used. */
export function openDeadLetters(settings: ConnectionSettings): DeadLetterStore {
  const pool = createPool(settings, 'LOG_DATABASE', 1);

  async function change(entity: EntityIdentity, keys: readonly string[] | undefined, state: string): Promise<number> {
    return withEntityLock(pool, entity, async (session) => {
      await want(session, keys);
      const { rowCount } = await session.query(
        `UPDATE dbo.TB_R_SYNC_FAILURE SET State = @state, NextTryAt = NULL
         WHERE EntityType = @entityType ${among(keys)}`,
        { ...entityTypeOf(entity), state: nvarchar(state, 20) },
      );
      return rowCount;
    });
  }

  return {
    list: (filter, limit) =>
      pool.withSession(async (session) => {
        await requireMigrated(session, settings.name);
        await want(session, filter.keys);
        return {
          letters: await readLetters(session, filter, limit),
          counts: await countLetters(session, filter),
        };
      }),
    retry: (entity, keys) => change(entity, keys, 'waiting'),
    discard: (entity, keys) => change(entity, keys, 'discarded'),
    close: () => pool.close(),
  };
}

async function want(session: Session, keys: readonly string[] | undefined): Promise<void> {
  if (keys !== undefined) await fill(session, WANTED, hashesOf(keys));
}

/** Each key as the table identifies it. A GUID may be typed in upper case. */
function hashesOf(keys: readonly string[]): Cell[][] {
  const spellings = keys.flatMap((key) => [key, ...(/^[\da-f-]{36}$/i.test(key) ? [key.toLowerCase()] : [])]);
  return [...new Set(spellings)].map((key) => [keyHash(key)]);
}

/** The condition for the keys that `want` has put down. */
function among(keys: readonly string[] | undefined): string {
  return keys === undefined ? '' : `AND KeyHash IN (SELECT KeyHash FROM ${WANTED.name})`;
}

function entityTypeOf({ trackingLabels: [label] }: EntityIdentity): Parameters {
  return { entityType: nvarchar(label, ENTITY_TYPE_LENGTH) };
}

async function countLetters(session: Session, { entities, keys }: DeadLetterFilter): Promise<number[]> {
  const counts: number[] = [];
  for (const entity of entities) {
    const { rows } = await session.query(
      `SELECT COUNT_BIG(*) FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = @entityType ${among(keys)}`,
      entityTypeOf(entity),
    );
    counts.push(Number(rows[0]?.[0] ?? 0));
  }
  return counts;
}

async function readLetters(
  session: Session,
  { entities, keys }: DeadLetterFilter,
  limit: number,
): Promise<StoredDeadLetter[]> {
  if (entities.length === 0) return [];
  const labels: Parameters = Object.fromEntries(
    entities.map(({ trackingLabels: [label] }, index) => [`entity${index}`, nvarchar(label, ENTITY_TYPE_LENGTH)]),
  );
  // Which entity it is, only the server can tell: labels compare by its collation.
  const cases = entities.map((_, index) => `WHEN EntityType = @entity${index} THEN ${index}`).join(' ');
  const { rows } = await session.query(
    `SELECT TOP (@limit) CASE ${cases} END, EntityId, Reason, HttpStatus, Attempts, FirstFailedAt, LastFailedAt, NextTryAt, State
     FROM dbo.TB_R_SYNC_FAILURE
     WHERE EntityType IN (${placeholders(labels)}) ${among(keys)}
     ORDER BY LastFailedAt DESC, EntityType, EntityId`,
    { ...labels, limit: int(Math.min(limit, MAX_INT)) },
  );
  return rows.map((row) => letterOf(entities, row));
}

function letterOf(entities: readonly EntityIdentity[], row: Row): StoredDeadLetter {
  const [index, key, reason, httpStatus, attempts, firstFailedAt, lastFailedAt, nextTryAt, state] = row;
  return {
    entity: entities[index as number]?.name ?? '',
    key: key as string,
    reason: reason as string,
    ...(httpStatus !== null && { httpStatus: httpStatus as number }),
    attempts: attempts as number,
    firstFailedAt: firstFailedAt as Date,
    lastFailedAt: lastFailedAt as Date,
    ...(nextTryAt !== null && { nextTryAt: nextTryAt as Date }),
    state: state as StoredDeadLetter['state'],
  };
}
