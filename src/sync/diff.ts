/** The diff: which rows of a page the ledger does not hold, which it does and as what, which collide with another key. */
import { foldKey, LEDGER_KEY_LENGTH } from './key.ts';
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
  /** The ledger is known to hold none of the rows' keys, letter by letter. */
  readonly areUntracked?: boolean;
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

type Matches = ReadonlyMap<number, readonly TrackedKey[]>;

const NO_MATCHES: Matches = new Map();

/** A function for page after page, in the source's order. It rejects as `ledger.find` does. */
export function createDiff(
  ledger: Pick<Ledger, 'find'>,
  { textKey, held, unsettled, areUntracked = false }: DiffOptions,
): (page: readonly KeyedRow[]) => Promise<PageDiff> {
  /** Folded text keys of the pending rows that the ledger may not hold yet, oldest first. */
  const underWay = new Set<string>();

  /** What the ledger holds of these keys, by their places. */
  async function find(page: readonly KeyedRow[]): Promise<Matches> {
    const found = new Map<number, TrackedKey[]>();
    for (const match of await ledger.find(page.map(({ key }) => key))) {
      const matches = found.get(match.index);
      if (matches) matches.push(match);
      else found.set(match.index, [match]);
    }
    return found;
  }

  return async (page) => {
    // Only the ledger's collation knows which texts are one key to it.
    const mayMatch = page.length > 0 && (textKey || !areUntracked);
    const matchesOf = mayMatch ? await find(page) : NO_MATCHES;
    const diff: PageDiff = { untracked: [], tracked: [], collisions: [], held: [] };
    const collides = (key: string, reason: string) => diff.collisions.push({ key, reason });
    for (let index = 0; index < page.length; index++) {
      const keyed = page[index] as KeyedRow;
      const { key } = keyed;
      const matches = matchesOf.get(index);
      // GUIDs and numbers are the same key in either case.
      const same = matches?.filter((match) => (textKey ? match.key === key : match.key.toLowerCase() === key));
      const first = same?.[0];
      if (held.size > 0 && held.has(key)) {
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
