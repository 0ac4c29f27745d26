/**
 * Marks rows of the source as sent as they are now, without sending them: the way out where the receiver has rows that the
 * ledger does not know of. Safe to repeat, and to go on with where it was cut off.
 */
import { createDiff } from './diff.ts';
import { sameHash } from './hash.ts';
import { addExample, type Examples, noExamples } from './ledger-examples.ts';
import type { LedgerSource } from './ledger-source.ts';
import type { LedgerChanges } from './ledger-store.ts';
import type { KeyedRow } from './pages.ts';
import type { LedgerRow, ReadOnlyLedger } from './ports.ts';

/** What adopting works with. */
export interface AdoptOptions {
  readonly source: LedgerSource;
  readonly ledger: Pick<ReadOnlyLedger, 'find' | 'findDeadLetters'>;
  /** Keys in batches whose outcome is unknown. */
  readonly unresolved: ReadonlySet<string>;
  /** Absent in a dry run. */
  readonly changes?: Pick<LedgerChanges, 'adopt'> | undefined;
  /** Pages of keys to adopt; all rows of the source where absent. */
  readonly keys?: AsyncIterable<readonly string[]>;
  readonly signal: AbortSignal;
}

/** Rows that were (in a dry run: would be) marked, and those that were not. */
export interface Adopted {
  /** That the ledger did not hold. */
  added: number;
  /** That it held with another hash, or none. */
  rehashed: number;
  /** That it held as they are. */
  unchanged: number;
  /** Of these three: in a batch whose outcome is unknown, which the next run sends again first. */
  inDoubt: number;
  /** Of these three: dead letters, which end by it. */
  deadLetters: number;
  /** Keys that were asked for and that the source does not have. */
  readonly notFound: Examples;
  /** Rows that have no payload, and so no hash. */
  readonly unmappable: Examples;
  /** Rows that the ledger cannot hold beside another: their keys are one to it. */
  readonly colliding: Examples;
}

/** Adopts, a page in a transaction. Throws SyncError SOURCE_*, LOG_DATABASE_*, and what `keys` throws. */
export async function adoptRows(options: AdoptOptions): Promise<Adopted> {
  const { source, ledger, unresolved, changes, keys, signal } = options;
  const diff = createDiff(ledger, { textKey: source.textKey, held: new Map(), unsettled: 0 });
  const adopted: Adopted = {
    added: 0,
    rehashed: 0,
    unchanged: 0,
    inDoubt: 0,
    deadLetters: 0,
    notFound: noExamples(),
    unmappable: noExamples(),
    colliding: noExamples(),
  };

  async function take(rows: readonly KeyedRow[]): Promise<void> {
    const { untracked, tracked, collisions } = await diff(rows);
    for (const { key, reason } of collisions) addExample(adopted.colliding, key, reason);
    const hashesOf = new Map(tracked.map(({ key, hashes }) => [key, hashes]));
    const counted = { added: 0, rehashed: 0 };
    const marked: Required<LedgerRow>[] = [];
    for (const row of [...untracked, ...tracked]) {
      const mapped = source.map(row);
      if ('reason' in mapped) {
        addExample(adopted.unmappable, row.key, mapped.reason);
        continue;
      }
      marked.push({ key: row.key, hash: mapped.hash });
      const hashes = hashesOf.get(row.key);
      if (hashes === undefined) counted.added += 1;
      else if (hashes.length === 0 || hashes.some((hash) => !sameHash(hash, mapped.hash))) counted.rehashed += 1;
    }
    const letters = marked.length === 0 ? [] : await ledger.findDeadLetters(marked.map(({ key }) => key));
    if (marked.length > 0) await changes?.adopt(marked);
    adopted.deadLetters += letters.length;
    adopted.inDoubt += marked.filter(({ key }) => unresolved.has(key)).length;
    adopted.added += counted.added;
    adopted.rehashed += counted.rehashed;
    adopted.unchanged += marked.length - counted.added - counted.rehashed;
  }

  if (keys === undefined) {
    for await (const rows of source.pages(signal)) {
      await take(rows);
      signal.throwIfAborted();
    }
    return adopted;
  }
  for await (const page of keys) {
    const wanted = [...new Set(page)];
    const found = await source.lookup(wanted, signal);
    for (const [index, key] of wanted.entries()) {
      if (found[index]?.length === 0) addExample(adopted.notFound, key);
    }
    await take([...new Map(found.flat().map((row) => [row.key, row])).values()]);
    signal.throwIfAborted();
  }
  return adopted;
}
