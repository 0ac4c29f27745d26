/** The diff: which rows of a page are pending, which the ledger holds already, which collide with another key. */
import { foldKey, LEDGER_KEY_LENGTH } from './key.ts';
import type { KeyedRow } from './pages.ts';
import type { DeadLetter, Ledger, TrackedKey } from './ports.ts';

/** What the diff goes by. */
export interface DiffOptions {
  /** Whether text is part of the key: it is compared byte by byte, and may collide in the ledger's unique index. */
  readonly textKey: boolean;
  /** Keys that wait for the next run. It may grow while pages are compared. */
  readonly held: ReadonlySet<string>;
  /** How many pending rows at most may be under way without being in the ledger. */
  readonly unsettled: number;
}

/** A page, taken apart. Held rows are in none of them. */
export interface PageDiff {
  readonly pending: KeyedRow[];
  readonly collisions: DeadLetter[];
  /** Rows that the ledger holds. */
  readonly tracked: number;
}

/** A function for page after page, in the source's order. It rejects as `ledger.find` does. */
export function createDiff(
  ledger: Pick<Ledger, 'find'>,
  { textKey, held, unsettled }: DiffOptions,
): (page: readonly KeyedRow[]) => Promise<PageDiff> {
  /** Folded text keys of the pending rows that the ledger may not hold yet, oldest first. */
  const underWay = new Set<string>();

  return async (page) => {
    const tracked = new Map<number, TrackedKey[]>();
    for (const match of await ledger.find(page.map(({ key }) => key))) {
      const matches = tracked.get(match.index);
      if (matches) matches.push(match);
      else tracked.set(match.index, [match]);
    }
    const diff = { pending: [] as KeyedRow[], collisions: [] as DeadLetter[], tracked: 0 };
    const collides = (key: string, reason: string) => diff.collisions.push({ key, reason });
    for (const [index, keyed] of page.entries()) {
      const { key } = keyed;
      const matches = tracked.get(index);
      // GUIDs and numbers are the same key in either case.
      if (matches?.some((match) => (textKey ? match.key === key : match.key.toLowerCase() === key))) {
        diff.tracked += 1;
      } else if (matches !== undefined) {
        collides(key, 'its key differs from a tracked one only in what the ledger does not tell apart, such as case');
      } else if (textKey && underWay.has(foldKey(key))) {
        collides(key, 'its key may be one with another of this run to the ledger, such as in case; the next run knows');
      } else if (key.length > LEDGER_KEY_LENGTH) {
        collides(key, `its key is longer than ${LEDGER_KEY_LENGTH} characters`);
      } else {
        if (textKey) underWay.add(foldKey(key));
        if (!held.has(key)) diff.pending.push(keyed);
      }
    }
    for (const oldest of underWay) {
      if (underWay.size <= unsettled + page.length) break;
      underWay.delete(oldest);
    }
    return diff;
  };
}
