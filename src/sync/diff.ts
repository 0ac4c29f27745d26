/** The diff: which rows of a page the ledger does not hold, which it does and as what, which collide with another key. */
import { foldKey, LEDGER_KEY_LENGTH } from './key.ts';
import type { KeySet } from './key-set.ts';
import type { KeyedRow } from './pages.ts';
import type { DeadLetter, Ledger, TrackedKey } from './ports.ts';

/** What the diff goes by. */
export interface DiffOptions {
  /** Whether text is part of the key: it is compared byte by byte, and may collide in the ledger's unique index. */
  readonly textKey: boolean;
  /** Keys that wait for what becomes of their batch. It may change while pages are compared. */
  readonly held: ReadonlyMap<string, Uint8Array>;
  /** How many pending rows at most may be under way without being in the ledger. */
  readonly unsettled: number;
  /** The keys that the ledger held when the run began, where it is asked for no more than these; their hashes are not known. */
  readonly trackedKeys?: KeySet | undefined;
}

/** A row that the ledger holds. */
export interface TrackedRow extends KeyedRow {
  /** The key as it stands there. */
  readonly ledgerKey: string;
  /** One for each label that it has a hash under. */
  readonly hashes: readonly Uint8Array[];
}

/** A page, taken apart: each row is in one of these. */
export interface PageDiff {
  /** Not in the ledger. */
  readonly untracked: KeyedRow[];
  readonly tracked: TrackedRow[];
  readonly collisions: DeadLetter[];
  readonly held: KeyedRow[];
}

/** A function for page after page, in the source's order. It rejects as `ledger.find` does. */
export function createDiff(
  ledger: Pick<Ledger, 'find'>,
  { textKey, held, unsettled, trackedKeys }: DiffOptions,
): (page: readonly KeyedRow[]) => Promise<PageDiff> {
  /** Folded text keys of the pending rows that the ledger may not hold yet, oldest first. */
  const underWay = new Set<string>();

  /** What the ledger holds of these keys, by their places. */
  async function find(keys: readonly string[]): Promise<ReadonlyMap<number, TrackedKey[]>> {
    const found = new Map<number, TrackedKey[]>();
    for (const match of await ledger.find(keys)) {
      const matches = found.get(match.index);
      if (matches) matches.push(match);
      else found.set(match.index, [match]);
    }
    return found;
  }

  /** Only the ledger's collation knows which texts are one key to it. */
  async function findAmong(tracked: KeySet, keys: readonly string[]): Promise<ReadonlyMap<number, TrackedKey[]>> {
    const found = new Map<number, TrackedKey[]>();
    const others: number[] = [];
    for (const [index, key] of keys.entries()) {
      if (tracked.has(key)) found.set(index, [{ index, key }]);
      else if (textKey) others.push(index);
    }
    if (others.length === 0) return found;
    const matches = await find(others.map((index) => keys[index] as string));
    for (const [place, match] of matches) found.set(others[place] as number, match);
    return found;
  }

  return async (page) => {
    const keys = page.map(({ key }) => key);
    const matchesOf = trackedKeys === undefined ? await find(keys) : await findAmong(trackedKeys, keys);
    const diff: PageDiff = { untracked: [], tracked: [], collisions: [], held: [] };
    const collides = (key: string, reason: string) => diff.collisions.push({ key, reason });
    for (const [index, keyed] of page.entries()) {
      const { key } = keyed;
      const matches = matchesOf.get(index);
      // GUIDs and numbers are the same key in either case.
      const same = matches?.filter((match) => (textKey ? match.key === key : match.key.toLowerCase() === key));
      const [first] = same ?? [];
      if (held.has(key)) {
        if (textKey) underWay.add(foldKey(key));
        diff.held.push(keyed);
      } else if (first !== undefined) {
        const hashes = same?.flatMap(({ hash }) => hash ?? []) ?? [];
        diff.tracked.push({ ...keyed, ledgerKey: first.key, hashes });
      } else if (matches !== undefined) {
        collides(key, 'its key differs from a tracked one only in what the ledger does not tell apart, such as case');
      } else if (textKey && underWay.has(foldKey(key))) {
        collides(key, 'its key may be one with another of this run to the ledger, such as in case; the next run knows');
      } else if (key.length > LEDGER_KEY_LENGTH) {
        collides(key, `its key is longer than ${LEDGER_KEY_LENGTH} characters`);
      } else {
        if (textKey) underWay.add(foldKey(key));
        diff.untracked.push(keyed);
      }
    }
    for (const oldest of underWay) {
      if (underWay.size <= unsettled + page.length) break;
      underWay.delete(oldest);
    }
    return diff;
  };
}
