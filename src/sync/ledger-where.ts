/** The predicate of --where: rows that an operator picks by T-SQL over the source's columns. */
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import type { Source } from './ports.ts';

/**
 * The entity with the rows alone for which the predicate holds, of those that its own `where` leaves. The predicate is one
 * value to the server: parentheses, OR and comments in it end there.
 */
export function narrowed(entity: Entity, predicate: string): Entity {
  const { where } = entity.source;
  const picked = `CASE WHEN (\n${predicate}\n) THEN 1 ELSE 0 END = 1`;
  return {
    ...entity,
    source: { ...entity.source, where: where === undefined ? picked : `(\n${where}\n) AND ${picked}` },
  };
}

/**
 * Rejects with what the narrowed source's error is to the operator: USAGE where the server takes the source without the
 * predicate, else what the source itself is refused with; other errors as they are.
 */
export async function rejectPredicate(
  error: unknown,
  entity: Entity,
  source: Pick<Source, 'page'>,
  signal: AbortSignal,
): Promise<never> {
  if (!(error instanceof SyncError) || error.code !== 'SOURCE_REFUSED') throw error;
  await source.page(undefined, 1, signal, { shape: 'key' });
  throw new SyncError(
    'USAGE',
    error.message,
    `See whether --where is a predicate over columns of the source of ${entity.name}.`,
    { cause: error },
  );
}
