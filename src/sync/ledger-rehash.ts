/** Accepts a changed map without sending: tracked rows get the hash of the payload that they have now. */
import { createDiff } from './diff.ts';
import { sameHash } from './hash.ts';
import { addExample, type Examples, noExamples } from './ledger-examples.ts';
import type { LedgerSource } from './ledger-source.ts';
import type { LedgerChanges } from './ledger-store.ts';
import type { KeyedRow } from './pages.ts';
import type { LedgerRow, ReadOnlyLedger } from './ports.ts';

/** What rehashing works with. */
export interface RehashOptions {
  readonly source: LedgerSource;
  readonly ledger: Pick<ReadOnlyLedger, 'find' | 'findDeadLetters'>;
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
  /**
   * Sent once, changed since, and refused: dead letters, which keep what they had. With the hash of what was refused they
   * would count as sent.
   */
  readonly deadLetters: Examples;
}

/** A tracked row whose hash is another than the ledger's, or the ledger has none. */
interface Fresh extends Required<LedgerRow> {
  /** As the source has it. */
  readonly rowKey: string;
  readonly had: 'rehashed' | 'hashed';
}

/** Rehashes, a page in a transaction; at the end the map counts as known. Throws SyncError SOURCE_* and LOG_DATABASE_*. */
export async function rehashRows({ source, ledger, changes, signal }: RehashOptions): Promise<Rehashed> {
  const diff = createDiff(ledger, { textKey: source.textKey, held: new Map(), unsettled: 0 });
  const rehashed: Rehashed = {
    rehashed: 0,
    hashed: 0,
    unchanged: 0,
    unmappable: noExamples(),
    deadLetters: noExamples(),
  };

  /** Those whose hash is to be replaced. */
  async function freshOf(rows: readonly KeyedRow[]): Promise<readonly Fresh[]> {
    const fresh: Fresh[] = [];
    for (const row of (await diff(rows)).tracked) {
      const mapped = source.map(row);
      const same = 'hash' in mapped && row.hashes.every((hash) => sameHash(hash, mapped.hash));
      if ('reason' in mapped) addExample(rehashed.unmappable, row.key, mapped.reason);
      else if (row.hashes.length > 0 && same) rehashed.unchanged += 1;
      else {
        const had = row.hashes.length === 0 ? 'hashed' : 'rehashed';
        fresh.push({ key: row.ledgerKey, hash: mapped.hash, rowKey: row.key, had });
      }
    }
    if (fresh.length === 0) return fresh;
    const found = await ledger.findDeadLetters(fresh.map(({ rowKey }) => rowKey));
    const letters = new Set(found.map(({ index }) => index));
    for (const index of letters) addExample(rehashed.deadLetters, fresh[index]?.rowKey as string);
    return fresh.filter((_, index) => !letters.has(index));
  }

  for await (const rows of source.pages(signal)) {
    const fresh = await freshOf(rows);
    for (const { had } of fresh) rehashed[had] += 1;
    if (fresh.length > 0) await changes?.rehash(fresh.map(({ key, hash }) => ({ key, hash })));
    signal.throwIfAborted();
  }
  await changes?.rememberMap(source.mapHash);
  return rehashed;
}
