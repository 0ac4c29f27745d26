/** What TB_R_SYNC_ENTITY keeps of an entity from comparison to comparison, a statement a function. */
import type { Comparison, IncrementalDetection } from '../sync/ports.ts';
import { HASH_LENGTH } from './dead-letters.ts';
import {
  binary,
  datetime2,
  nvarchar,
  type Parameter,
  type Parameters,
  type Statement,
  varbinary,
} from './parameters.ts';
import type { Session } from './session.ts';
import { placeholders } from './tracking.ts';

const WATERMARK_LENGTH = 100;

/** Empty before `migrate`, and where the entity has not been compared yet. */
export async function readComparison(session: Session, entityType: Parameter): Promise<Comparison> {
  const { rows: column } = await session.query(`SELECT COL_LENGTH(N'dbo.TB_R_SYNC_ENTITY', N'WatermarkSourceHash')`);
  if ((column[0]?.[0] ?? null) === null) return {};
  const { rows } = await session.query(
    `SELECT SourceHash, MapHash, WatermarkKind, Watermark, WatermarkSourceHash, LastFullComparisonAt
     FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = @entityType`,
    { entityType },
  );
  const [sourceHash = null, mapHash = null, kind = null, value = null, ofSource = null, lastFullAt = null] =
    rows[0] ?? [];
  return {
    ...(sourceHash !== null && { sourceHash: sourceHash as Uint8Array }),
    ...(mapHash !== null && { mapHash: mapHash as Uint8Array }),
    ...(kind !== null &&
      value !== null &&
      ofSource !== null && {
        watermark: {
          method: kind as IncrementalDetection['method'],
          value: value as Uint8Array,
          sourceHash: ofSource as Uint8Array,
        },
      }),
    ...(lastFullAt !== null && { lastFullAt: lastFullAt as Date }),
  };
}

/** Replaces it; false where the entity does not belong to `run`. */
export async function writeComparison(
  session: Session,
  { sourceHash, mapHash, watermark, lastFullAt }: Comparison,
  owner: { readonly entityType: Parameter; readonly run: Parameter },
): Promise<boolean> {
  const { rowCount } = await session.query(
    `UPDATE dbo.TB_R_SYNC_ENTITY
     SET SourceHash = @sourceHash, MapHash = @mapHash, WatermarkKind = @kind, Watermark = @watermark,
       WatermarkSourceHash = @ofSource, LastFullComparisonAt = @lastFullAt
     WHERE EntityType = @entityType AND OwnerRunId = @run`,
    {
      ...owner,
      sourceHash: binary(sourceHash ?? null, HASH_LENGTH),
      mapHash: binary(mapHash ?? null, HASH_LENGTH),
      kind: nvarchar(watermark?.method ?? null, 20),
      watermark: varbinary(watermark?.value ?? null, WATERMARK_LENGTH),
      ofSource: binary(watermark?.sourceHash ?? null, HASH_LENGTH),
      lastFullAt: datetime2(lastFullAt ?? null),
    },
  );
  return rowCount === 1;
}

/**
 * Makes the next comparison a full one, under whichever of the labels it is then: which of them is the first may change.
 */
export function removeWatermark(labels: Parameters): Statement {
  return {
    sql: `UPDATE dbo.TB_R_SYNC_ENTITY SET WatermarkKind = NULL, Watermark = NULL, WatermarkSourceHash = NULL
     WHERE EntityType IN (${placeholders(labels)})`,
    parameters: labels,
  };
}

/** Replaces the map's hash alone. */
export async function writeMapHash(session: Session, entityType: Parameter, mapHash: Uint8Array): Promise<void> {
  const parameters = { entityType, mapHash: binary(mapHash, HASH_LENGTH) };
  const { rowCount } = await session.query(
    'UPDATE dbo.TB_R_SYNC_ENTITY SET MapHash = @mapHash WHERE EntityType = @entityType',
    parameters,
  );
  if (rowCount > 0) return;
  await session.query(
    'INSERT INTO dbo.TB_R_SYNC_ENTITY (EntityType, MapHash) VALUES (@entityType, @mapHash)',
    parameters,
  );
}
