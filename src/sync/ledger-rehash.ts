/** Accepts a changed map without sending: tracked rows get the hash of the payload that they have now. */
import { createDiff, type TrackedRow } from './diff.ts';
import { sameHash } from './hash.ts';
import { addExample, type Examples, noExamples } from './ledger-examples.ts';
import type { LedgerSource } from './ledger-source.ts';
import type { LedgerChanges } from './ledger-store.ts';
import type { LedgerRow, ReadOnlyLedger } from './ports.ts';

/** What rehashing works with. */
export interface RehashOptions {
  readonly source: LedgerSource;
  readonly ledger: Pick<ReadOnlyLedger, 'find'>;
  /** Absent in a dry run. */
  readonly changes?: Pick<LedgerChanges, 'rehash' | 'rememberMap'> | undefined;
  readonly signal: AbortSignal;
}

/** Tracked rows of the source, by what became (in a dry run: would become) of their hash. */
export interface Rehashed {
  /** They had another. */
  rehashed: number;
  /** They had none. */
  hashed: number;
  /** They had this one. */
  unchanged: number;
  /** They have no payload, and keep what they had. */
  readonly unmappable: Examples;
}

/** Rehashes, a page in a transaction; at the end the map counts as known. Throws SyncError SOURCE_* and LOG_DATABASE_*. */
export async function rehashRows({ source, ledger, changes, signal }: RehashOptions): Promise<Rehashed> {
  const diff = createDiff(ledger, { textKey: source.textKey, held: new Map(), unsettled: 0 });
  const rehashed: Rehashed = { rehashed: 0, hashed: 0, unchanged: 0, unmappable: noExamples() };

  /** The row with its hash where that is another than the ledger's. */
  function fresh(row: TrackedRow): Required<LedgerRow>[] {
    const mapped = source.map(row);
    if ('reason' in mapped) {
      addExample(rehashed.unmappable, row.key, mapped.reason);
      return [];
    }
    if (row.hashes.length === 0) rehashed.hashed += 1;
    else if (row.hashes.some((hash) => !sameHash(hash, mapped.hash))) rehashed.rehashed += 1;
    else {
      rehashed.unchanged += 1;
      return [];
    }
    return [{ key: row.ledgerKey, hash: mapped.hash }];
  }

  for await (const rows of source.pages(signal)) {
    const { tracked } = await diff(rows);
    const changed = tracked.flatMap(fresh);
    if (changed.length > 0) await changes?.rehash(changed);
    signal.throwIfAborted();
  }
  await changes?.rememberMap(source.mapHash);
  return rehashed;
}
