/**
 * How a run looks for the rows to send: by keys alone (changes: new), by the hash of all rows, or only among the rows above
 * the watermark of the last comparison.
 *
 * The next watermark is read before the first page, in a statement of its own; it is remembered at the run's end, when
 * every row below it is settled, or held by an unresolved batch or a dead letter as it is. A crash leaves the old one.
 */
import type { Entity } from './entity.ts';
import { hash16, sameHash } from './hash.ts';
import type { Comparison, ComparisonReport, Ledger, PageFilter, ReadOnlyLedger, Source, Watermark } from './ports.ts';
import { compareWatermarks } from './watermark.ts';

const DAY_MS = 24 * 60 * 60_000;

/** A nightly run does not begin at the same second each night. */
const SLACK_DAYS = 0.25;

/** A comparison that is about to be made. */
export interface PlannedComparison {
  readonly report: ComparisonReport;
  /** Absent where all rows are read. */
  readonly since?: NonNullable<PageFilter['since']>;
  /** What comparison() is to give once this one has come to its end; absent where nothing is remembered of it. */
  readonly completed?: Comparison;
}

/** What tells one source from another: 16 bytes over server and database, table or query, where and key. */
export function sourceHash({ source }: Pick<Entity, 'source'>, { location }: Pick<Source, 'location'>): Uint8Array {
  const { table, query, where, key } = source;
  return hash16(JSON.stringify([location, table ?? null, query ?? null, where ?? null, key]));
}

/** What earlier runs left. The first run confirms the source. `writes`: absent in a dry run. */
export async function recallComparison(
  entity: Entity,
  source: Pick<Source, 'location'>,
  ledger: Pick<ReadOnlyLedger, 'comparison'>,
  writes: Pick<Ledger, 'rememberComparison'> | undefined,
): Promise<Comparison> {
  const left = await ledger.comparison();
  if (left.sourceHash !== undefined) return left;
  const known = { ...left, sourceHash: sourceHash(entity, source) };
  await writes?.rememberComparison(known);
  return known;
}

/**
 * Chooses. `known` is what earlier runs left, `map` the hash of the map as it is now; `full`: all rows, whatever the
 * detection. Rejects as the source's methods do.
 */
export async function planComparison(
  entity: Entity,
  source: Pick<Source, 'location' | 'detection' | 'watermark'>,
  known: Comparison,
  map: Uint8Array,
  full: boolean,
): Promise<PlannedComparison> {
  if (entity.changes === 'new') return { report: { method: 'keys', why: 'changes is new', mapChanged: false } };
  const now = new Date();
  const { incremental, why } = await source.detection();
  const mapChanged = known.mapHash !== undefined && !sameHash(known.mapHash, map);
  const completedFull: Comparison = { ...withoutWatermark(known), mapHash: map, lastFullAt: now };
  if (incremental === undefined) {
    return { report: { method: 'hash', why, mapChanged }, completed: completedFull };
  }

  const { method, column } = incremental;
  const current = await source.watermark(incremental);
  const origin = hash16(JSON.stringify([Buffer.from(sourceHash(entity, source)).toString('hex'), column]));
  const watermark = current && { method, value: current, sourceHash: origin };
  const fullBecause = full ? 'it was asked for' : whyFull(entity, known, { map, method, origin, current, now });
  const report = { method, why, mapChanged, ...(fullBecause !== undefined && { fullBecause }) };
  if (fullBecause !== undefined || known.watermark === undefined) {
    return { report, completed: { ...completedFull, ...(watermark && { watermark }) } };
  }
  return {
    report,
    since: { ...incremental, from: known.watermark.value },
    completed: { ...known, ...(watermark && { watermark }) },
  };
}

/** The same without its watermark: the next comparison is a full one. */
export function withoutWatermark({ watermark, ...rest }: Comparison): Comparison {
  return rest;
}

interface Present {
  readonly map: Uint8Array;
  readonly method: string;
  /** Of source and column. */
  readonly origin: Uint8Array;
  readonly current: Watermark | undefined;
  readonly now: Date;
}

/** Why all rows are to be read; undefined where those above the watermark will do. */
function whyFull(
  { reconcileEvery }: Entity,
  { watermark, mapHash, lastFullAt }: Comparison,
  { map, method, origin, current, now }: Present,
): string | undefined {
  if (watermark === undefined || lastFullAt === undefined) {
    return 'no comparison has come to its end yet, or rows below its watermark are pending again';
  }
  if (watermark.method !== method || !sameHash(watermark.sourceHash, origin)) {
    return 'the source or its detection has changed since the last comparison';
  }
  if (!sameHash(mapHash, map)) return 'the map has changed since the last comparison';
  if (current === undefined || compareWatermarks(watermark.value, current) > 0) {
    return 'the watermark is above what the source has now, as after a restored backup';
  }
  const days = Math.abs(now.getTime() - lastFullAt.getTime()) / DAY_MS;
  if (days >= reconcileEvery - SLACK_DAYS) {
    return `the last full comparison was ${Math.round(days)} days ago (reconcileEvery)`;
  }
  return undefined;
}
