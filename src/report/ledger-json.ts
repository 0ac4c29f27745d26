/** What the commands of `tamhr-sync ledger` print with --json, as documents; schemas in docs/json/. The text is made from them. */
import type { Entity } from '../sync/entity.ts';
import type { Adopted } from '../sync/ledger-adopt.ts';
import type { Examples } from '../sync/ledger-examples.ts';
import type { Rehashed } from '../sync/ledger-rehash.ts';
import type { Shown, ShownEntry, ShownRow } from '../sync/ledger-show.ts';
import type { BatchRecord, LedgerEntry, Pruned } from '../sync/ledger-store.ts';
import { type RowVerdict, verdictOf } from '../sync/ledger-verdict.ts';
import { agrees, DIFFERENCES, type Difference, type Verified } from '../sync/ledger-verify.ts';
import { type Failure, failuresDocument } from './failures-json.ts';
import { isoOf } from './format.ts';

/** Rows that are counted, the first few of them with their keys. */
export interface NamedRows {
  readonly count: number;
  readonly keys: readonly string[];
  /** Why, of the first one; null where the name of the count says all. */
  readonly reason: string | null;
}

function namedRows({ count, keys, reason }: Examples): NamedRows {
  return { count, keys, reason: reason ?? null };
}

/** `ledger adopt`; docs/json/ledger-adopt.schema.json. Entities that a run has locked are left out, here and below. */
export interface AdoptDocument {
  readonly dryRun: boolean;
  readonly entities: readonly AdoptedEntity[];
}

/** Rows that were (in a dry run: would be) marked as sent, and those that were not. */
export interface AdoptedEntity {
  readonly entity: string;
  readonly added: number;
  readonly rehashed: number;
  readonly unchanged: number;
  /** Of these three: in a batch whose outcome is unknown. */
  readonly inDoubt: number;
  /** Of these three: dead letters, which end by it. */
  readonly deadLetters: number;
  readonly notFound: NamedRows;
  readonly unmappable: NamedRows;
  readonly colliding: NamedRows;
}

/** The document for what was adopted, in the configured order. */
export function adoptDocument(
  dryRun: boolean,
  entities: readonly { readonly entity: string; readonly adopted: Adopted }[],
): AdoptDocument {
  return {
    dryRun,
    entities: entities.map(({ entity, adopted: { notFound, unmappable, colliding, ...counts } }) => ({
      entity,
      ...counts,
      notFound: namedRows(notFound),
      unmappable: namedRows(unmappable),
      colliding: namedRows(colliding),
    })),
  };
}

/** `ledger rehash`; docs/json/ledger-rehash.schema.json. */
export interface RehashDocument {
  readonly dryRun: boolean;
  readonly entities: readonly RehashedEntity[];
}

/** Tracked rows, by what became (in a dry run: would become) of their hash. */
export interface RehashedEntity {
  readonly entity: string;
  readonly rehashed: number;
  readonly hashed: number;
  readonly unchanged: number;
  readonly unmappable: NamedRows;
  /** Dead letters, which keep what they had. */
  readonly deadLetters: NamedRows;
}

/** The document for what was rehashed, in the configured order. */
export function rehashDocument(
  dryRun: boolean,
  entities: readonly { readonly entity: string; readonly result: Rehashed }[],
): RehashDocument {
  return {
    dryRun,
    entities: entities.map(({ entity, result: { rehashed, hashed, unchanged, unmappable, deadLetters } }) => ({
      entity,
      rehashed,
      hashed,
      unchanged,
      unmappable: namedRows(unmappable),
      deadLetters: namedRows(deadLetters),
    })),
  };
}

/** `ledger forget`; docs/json/ledger-forget.schema.json. */
export interface ForgetDocument {
  readonly dryRun: boolean;
  readonly total: number;
  /** Without those that had none. */
  readonly entities: readonly ForgottenEntity[];
  /** Keys that were asked for and that are not tracked. */
  readonly notTracked: NamedRows;
}

/** Rows of the ledger that were (in a dry run: would be) removed. */
export interface ForgottenEntity {
  readonly entity: string;
  readonly rows: number;
}

/** The document for what was forgotten, in the configured order. */
export function forgetDocument(
  dryRun: boolean,
  entities: readonly ForgottenEntity[],
  notTracked: Examples,
): ForgetDocument {
  return {
    dryRun,
    total: entities.reduce((sum, { rows }) => sum + rows, 0),
    entities,
    notTracked: namedRows(notTracked),
  };
}

/** `ledger prune`; docs/json/ledger-prune.schema.json. */
export interface PruneDocument extends Pruned {
  readonly dryRun: boolean;
  /** What ended before this went. */
  readonly before: string;
}

/** The document for what was pruned. */
export function pruneDocument(dryRun: boolean, before: Date, { runs, batches, logEntries }: Pruned): PruneDocument {
  return { dryRun, before: before.toISOString(), runs, batches, logEntries };
}

/** `ledger verify`; docs/json/ledger-verify.schema.json. */
export interface VerifyDocument {
  readonly generatedAt: string;
  /** Whether source and ledger agree in all entities; duplicates that were removed no longer count. */
  readonly agrees: boolean;
  /** Without those that are unread. */
  readonly entities: readonly VerifiedEntity[];
  /** Names of entities whose source could not be read, or whose map does not fit it. */
  readonly unread: readonly string[];
}

/** One entity. Kinds of difference as in sync/ledger-verify.ts. */
export interface VerifiedEntity extends Readonly<Record<Difference, NamedRows>> {
  readonly entity: string;
  readonly changes: Entity['changes'];
  readonly agrees: boolean;
  /** A run was at work on it, so that the figures may have moved meanwhile. */
  readonly runAtWork: boolean;
  readonly sourceRows: number;
  readonly trackedRows: number;
  /** Of the missing ones. */
  readonly deadLetters: number;
  /** The next run reads only what has changed since the last comparison. */
  readonly incremental: boolean;
  readonly withoutHash: NamedRows;
  /** Rows under further labels that --repair removed; null where it was not asked for, or a run held the lock. */
  readonly duplicatesRemoved: number | null;
}

/** The entity's part of the document. */
export function verifiedEntity(
  { name, changes }: Pick<Entity, 'name' | 'changes'>,
  verified: Verified,
  runAtWork: boolean,
  duplicatesRemoved: number | undefined,
): VerifiedEntity {
  const kinds = DIFFERENCES.map((kind) => [kind, namedRows(verified[kind])] as const);
  return {
    entity: name,
    changes,
    agrees: agrees(verified, duplicatesRemoved === undefined ? [] : ['duplicate']),
    runAtWork,
    sourceRows: verified.sourceRows,
    trackedRows: verified.trackedRows,
    deadLetters: verified.deadLetters,
    // Repaired, the ledger has no watermark any more.
    incremental: verified.incremental && duplicatesRemoved === undefined,
    ...(Object.fromEntries(kinds) as Record<Difference, NamedRows>),
    withoutHash: namedRows(verified.withoutHash),
    duplicatesRemoved: duplicatesRemoved ?? null,
  };
}

/** The document for these entities, in the configured order, at the instant `now`; of those in `unread` nobody knows. */
export function verifyDocument(
  entities: readonly VerifiedEntity[],
  unread: readonly string[],
  now: Date,
): VerifyDocument {
  const agrees = unread.length === 0 && entities.every((entity) => entity.agrees);
  return { generatedAt: now.toISOString(), agrees, entities, unread };
}

/** `ledger show`; docs/json/ledger-show.schema.json. Times are ISO 8601 in UTC; null is none, or unknown. */
export interface ShowDocument {
  readonly generatedAt: string;
  /** Whether more rows match --where than are shown. */
  readonly more: boolean;
  readonly rows: readonly ShowRow[];
  /** Keys that no entity knows. */
  readonly unknownKeys: readonly string[];
}

/** What is known of a key in one entity. */
export interface ShowRow {
  readonly entity: string;
  readonly changes: Entity['changes'];
  readonly key: string;
  readonly verdict: RowVerdict;
  readonly inSource: ShownRow['inSource'];
  readonly tracked: readonly ShowEntry[];
  readonly hash: 'same' | 'different' | 'none' | null;
  readonly unmappable: string | null;
  readonly unresolved: ShowBatch | null;
  readonly deadLetter: Failure | null;
  readonly collidesWith: string | null;
  /** The next run reads only what has changed since the last comparison. */
  readonly incremental: boolean;
}

/** A row of the ledger. Without a batch it is the old job's, or was adopted. */
export interface ShowEntry {
  readonly label: string;
  readonly syncedAt: string | null;
  readonly batchId: string | null;
  /** Null where none is known, or it was pruned. */
  readonly batch: ShowBatch | null;
}

/** A batch. */
export interface ShowBatch {
  readonly batchId: string;
  readonly runId: string;
  readonly operation: BatchRecord['operation'];
  readonly state: string;
  readonly createdAt: string | null;
  readonly settledAt: string | null;
  readonly httpStatus: number | null;
}

/** The document for these rows at the instant `now`. */
export function showDocument(
  { rows, unknown }: Pick<Shown, 'rows' | 'unknown'>,
  entities: readonly Pick<Entity, 'name' | 'changes'>[],
  more: boolean,
  now: Date,
): ShowDocument {
  const changesOf = new Map(entities.map(({ name, changes }) => [name, changes]));
  return {
    generatedAt: now.toISOString(),
    more,
    rows: rows.map((row) => showRow(row, changesOf.get(row.entity) ?? 'new', now)),
    unknownKeys: unknown,
  };
}

function showRow(row: ShownRow, changes: Entity['changes'], now: Date): ShowRow {
  const { entity, key, inSource, tracked, hash, unmappable, unresolved, deadLetter, collidesWith, incremental } = row;
  const [failure = null] = deadLetter ? failuresDocument({ letters: [deadLetter], counts: [1] }, now).failures : [];
  return {
    entity,
    changes,
    key,
    verdict: verdictOf(row, changes),
    inSource,
    tracked: tracked.map(showEntry),
    hash: hash ?? null,
    unmappable: unmappable ?? null,
    unresolved: unresolved ? showBatch(unresolved) : null,
    deadLetter: failure,
    collidesWith: collidesWith ?? null,
    incremental,
  };
}

function showEntry({ label, syncedAt, batchId, batch }: ShownEntry): ShowEntry {
  return { label, syncedAt: isoOf(syncedAt), batchId: batchId ?? null, batch: batch ? showBatch(batch) : null };
}

function showBatch({ id, runId, operation, state, createdAt, settledAt, httpStatus }: BatchRecord): ShowBatch {
  return {
    batchId: id,
    runId,
    operation,
    state,
    createdAt: isoOf(createdAt),
    settledAt: isoOf(settledAt),
    httpStatus: httpStatus ?? null,
  };
}

/** A line of `ledger export`; docs/json/ledger-export.schema.json. The members' order is that of the CSV's columns. */
export interface ExportLine {
  readonly entity: string;
  readonly label: string;
  readonly key: string;
  /** Hexadecimal; null where the row has none. */
  readonly hash: string | null;
  readonly syncedAt: string | null;
  readonly batchId: string | null;
}

/** The line of a row of the ledger. */
export function exportLine(entity: string, { label, key, hash, syncedAt, batchId }: LedgerEntry): ExportLine {
  return {
    entity,
    label,
    key,
    hash: hash === undefined ? null : Buffer.from(hash).toString('hex'),
    syncedAt: isoOf(syncedAt),
    batchId: batchId ?? null,
  };
}

/** The header of the CSV, with its line break. */
export const EXPORT_HEADER = 'entity,label,key,hash,syncedAt,batchId\r\n';

/** A line as CSV (https://www.rfc-editor.org/rfc/rfc4180), with its line break; null is an empty cell. */
export function csvLine(line: ExportLine): string {
  const cell = (text: string | null) =>
    text !== null && /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return `${Object.values(line).map(cell).join(',')}\r\n`;
}
