/** Reads an entity's source to its end, in pages of the shape and size that fit, and has them taken into an intake. */
import type { Entity } from './entity.ts';
import type { Intake } from './intake.ts';
import { type PageSize, readPages } from './pages.ts';
import type { Column, PageFilter, RowShape, RunObserver, Source, StopCause } from './ports.ts';
import type { Tally } from './tally.ts';
import { createWaiting, type TrackedKeys } from './tracked-keys.ts';

/**
 * Rows of one read at most, where they are passed on as a whole. Two pages and `concurrency` + 3 batches are what a run holds in
 * memory, and the ledger's keys.
 */
const PAGE_ROWS = 5000;

/** Keys of one read, where the ledger is not asked about each page: they are passed on in parts as they come. */
const PAGE_KEYS = 20_000;
const PART_KEYS = 500;

/**
 * Whole rows of one read at least: small batches tell of wide rows, but each read costs a round trip. More are read where the
 * ledger is asked about each page; else what lives no longer than a moment costs the garbage collector next to nothing.
 */
const SMALLEST_PAGE_ROWS = 500;

/** Where more of a page's rows are to be sent, the next pages are read whole: to look so many up would cost more. */
const MAX_LOOKUP_PART = 0.25;

/** What is read, and who takes it. */
export interface ReadingOptions {
  readonly entity: Entity;
  readonly source: Source;
  readonly observer: RunObserver;
  readonly columns: readonly Column[];
  /** The key's columns in a whole row. */
  readonly keyIndexes: readonly number[];
  /** The key's, in its order. */
  readonly keyColumns: readonly Column[];
  readonly intake: Intake;
  /** Absent where they are not in memory: the intake asks the ledger. */
  readonly trackedKeys: TrackedKeys | undefined;
  /** Whether the intake asks the ledger about each page. */
  readonly asksLedger: boolean;
  /** Only rows that may have changed. */
  readonly since?: PageFilter['since'];
  /** Rows of one read, for tests of page borders. */
  readonly pageRows?: number;
  /** Why no further row is to be taken; undefined while it is. */
  readonly stopCause: () => StopCause | undefined;
  /** Cancels the read under way. */
  readonly abort: AbortSignal;
  readonly tally: Tally;
}

/** Resolves at the source's end, or when it is to stop. Rejects with what source, ledger and intake throw. */
export async function readSource(options: ReadingOptions): Promise<void> {
  const { entity, source, observer, columns, keyIndexes, keyColumns, intake, trackedKeys, stopCause, tally } = options;
  const readsKeysOnly = () =>
    entity.changes === 'new' && (tally.read === 0 ? !trackedKeys?.isEmpty : intake.untrackedPart <= MAX_LOOKUP_PART);
  const pages = readPages(source, {
    entity: entity.name,
    columns,
    keyIndexes,
    next() {
      const size = pageSizeFor(entity, readsKeysOnly() ? 'key' : 'row', options.asksLedger);
      return { ...size, ...(options.pageRows && { pageRows: options.pageRows }) };
    },
    leavesOut: trackedKeys?.has,
    since: options.since,
    signal: options.abort,
  });
  let told = 0;
  const tellRead = (everyRows: number): void => {
    if (tally.read - told < everyRows) return;
    told = tally.read;
    observer.pageRead?.(entity.name, tally.read, tally.tracked);
  };
  const waiting = trackedKeys && createWaiting({ tracked: trackedKeys, intake, keyColumns, stopCause, tally });
  try {
    for await (const page of pages) {
      tally.read += page.rows.length + page.leftOut;
      await (waiting ?? intake).take(page);
      tellRead(PAGE_ROWS);
      if (stopCause() !== undefined) break;
    }
    if (stopCause() === undefined) await waiting?.flush();
    else await waiting?.leave();
    tellRead(1);
  } finally {
    trackedKeys?.stop();
  }
}

function pageSizeFor({ destination }: Entity, shape: RowShape, asksLedger: boolean): PageSize {
  if (!asksLedger) {
    return shape === 'key'
      ? { shape, pageRows: PAGE_KEYS, partRows: PART_KEYS }
      : { shape, pageRows: SMALLEST_PAGE_ROWS };
  }
  if (shape === 'key') return { shape, pageRows: PAGE_ROWS };
  return { shape, pageRows: Math.min(PAGE_ROWS, Math.max(SMALLEST_PAGE_ROWS, destination.batchSize * 2)) };
}
