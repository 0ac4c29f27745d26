/** Compares source and ledger row by row, both ways, and tells the differences; changes nothing. */
import { missingPages } from './deletions.ts';
import { createDiff } from './diff.ts';
import { sameHash } from './hash.ts';
import { addExample, type Examples, noExamples } from './ledger-examples.ts';
import type { LedgerSource } from './ledger-source.ts';
import type { KeyedRow } from './pages.ts';
import type { ReadOnlyLedger, Source, TrackedKey } from './ports.ts';

/** What verifying works with. */
export interface VerifyOptions {
  readonly source: LedgerSource;
  /** The same, for looking up the ledger's keys. */
  readonly lookup: Pick<Source, 'lookup'>;
  readonly ledger: Pick<ReadOnlyLedger, 'find' | 'findDeadLetters' | 'page' | 'count'>;
  /** Keys in batches whose outcome is unknown. */
  readonly unresolved: ReadonlySet<string>;
  /** Keys that stand under several labels. */
  readonly duplicates: number;
  /** As in Verified. */
  readonly incremental: boolean;
  readonly signal: AbortSignal;
}

/** The kinds of difference between source and ledger. A row may be of several. */
export const DIFFERENCES = [
  'inDoubt',
  'missing',
  'stale',
  'orphaned',
  'duplicate',
  'unreadable',
  'colliding',
  'unmappable',
] as const;

/** One of DIFFERENCES. */
export type Difference = (typeof DIFFERENCES)[number];

/**
 * What came of it.
 *
 *   inDoubt     in a batch whose outcome is unknown; it is of no other kind but duplicate
 *   missing     in the source and not in the ledger
 *   stale       in both, with another hash
 *   orphaned    in the ledger and not in the source
 *   duplicate   under several labels
 *   unreadable  in the ledger, with a key that no row of this source can have
 *   colliding   in the source, with a key that is one with another's to the ledger
 *   unmappable  in the source, without a payload
 */
export interface Verified extends Readonly<Record<Difference, Examples>> {
  sourceRows: number;
  /** Rows under all labels. */
  trackedRows: number;
  /** Of the missing ones. */
  deadLetters: number;
  /** Whether the next run reads only what has changed since the last comparison, unless it is told otherwise (--full). */
  readonly incremental: boolean;
  /** In both, without a hash: whether they are the same nobody can tell. No difference. */
  readonly withoutHash: Examples;
}

/** Walks through both, a page in memory at a time. Throws SyncError SOURCE_* and LOG_DATABASE_*. */
export async function verifyLedger(options: VerifyOptions): Promise<Verified> {
  const { ledger, signal } = options;
  const verified: Verified = {
    sourceRows: 0,
    trackedRows: await ledger.count(),
    deadLetters: 0,
    incremental: options.incremental,
    withoutHash: noExamples(),
    ...(Object.fromEntries(DIFFERENCES.map((kind) => [kind, noExamples()])) as Record<Difference, Examples>),
  };
  for (const key of options.unresolved) addExample(verified.inDoubt, key);
  await walkSource(options, verified);
  // Those that are gone from the source were not met there.
  verified.duplicate.count = options.duplicates;
  const { source, lookup, unresolved } = options;
  const pages = missingPages({
    source: lookup,
    ledger,
    keyColumns: source.keyColumns,
    // A row that is on its way to be deleted is no longer in the source, whatever becomes of it.
    held: new Map(),
    stopCause: () => undefined,
    abort: signal,
  });
  for await (const { missing, unreadable } of pages) {
    for (const { key } of missing) if (!unresolved.has(key)) addExample(verified.orphaned, key);
    for (const key of unreadable) addExample(verified.unreadable, key);
    signal.throwIfAborted();
  }
  return verified;
}

async function walkSource(options: VerifyOptions, verified: Verified): Promise<void> {
  const { source, ledger, unresolved, signal } = options;
  const noting = { find: (keys: readonly string[]) => findNoting(ledger, keys, verified.duplicate) };
  const diff = createDiff(noting, { textKey: source.textKey, held: new Map(), unsettled: 0 });
  for await (const rows of source.pages(signal)) {
    verified.sourceRows += rows.length;
    const isSettled = ({ key }: { readonly key: string }) => !unresolved.has(key);
    const { untracked, tracked, collisions } = await diff(rows);
    for (const { key } of collisions.filter(isSettled)) addExample(verified.colliding, key);
    await noteMissing(untracked.filter(isSettled));
    for (const row of tracked.filter(isSettled)) {
      const mapped = source.map(row);
      if ('reason' in mapped) addExample(verified.unmappable, row.key, mapped.reason);
      else if (row.hashes.length === 0) addExample(verified.withoutHash, row.key);
      else if (!row.hashes.some((hash) => sameHash(hash, mapped.hash))) addExample(verified.stale, row.key);
    }
    signal.throwIfAborted();
  }

  async function noteMissing(rows: readonly KeyedRow[]): Promise<void> {
    if (rows.length === 0) return;
    for (const row of rows) {
      addExample(verified.missing, row.key);
      const mapped = source.map(row);
      if ('reason' in mapped) addExample(verified.unmappable, row.key, mapped.reason);
    }
    verified.deadLetters += (await ledger.findDeadLetters(rows.map(({ key }) => key))).length;
  }
}

/** What the ledger finds; a key that it finds more than once is an example of a duplicate. */
async function findNoting(
  ledger: VerifyOptions['ledger'],
  keys: readonly string[],
  duplicate: Examples,
): Promise<readonly TrackedKey[]> {
  const found = await ledger.find(keys);
  const seen = new Set<number>();
  const noted = new Set<number>();
  for (const { index } of found) {
    if (seen.has(index) && !noted.has(index)) {
      noted.add(index);
      addExample(duplicate, keys[index] as string);
    }
    seen.add(index);
  }
  return found;
}

/** Whether source and ledger agree, but for kinds that are `settled` otherwise. */
export function agrees(verified: Verified, settled: readonly Difference[] = []): boolean {
  return DIFFERENCES.every((kind) => settled.includes(kind) || verified[kind].count === 0);
}
