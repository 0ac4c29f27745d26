/**
 * The ledger's keys in memory, read while the source is. Which of them is faster, nobody knows: a key of the source that is not
 * there yet waits until the ledger is read to its end.
 */
import type { Intake } from './intake.ts';
import { parseKey } from './key.ts';
import { createKeySet } from './key-set.ts';
import type { KeyedPage, KeyedRow } from './pages.ts';
import type { Column, ReadOnlyLedger, Row, StopCause } from './ports.ts';
import type { Tally } from './tally.ts';

/** A ledger with more rows is asked for each page's keys; up to here its keys are held in memory, 20 bytes each. */
const MAX_KEYS = 4_000_000;

/** Keys of the source that may wait for the ledger's, 40 bytes each. */
const MAX_WAITING = 1_000_000;

/** So many keys at least are taken into the intake at once, which looks up the rows of those that are not tracked. */
const LOOKUP_KEYS = 5000;

/** Keys of a ledger. */
export interface TrackedKeys {
  /** Nothing is tracked. */
  readonly isEmpty: boolean;
  /** Whether it is among those that were read so far. */
  has(key: string): boolean;
  readonly isComplete: boolean;
  /** Resolves when all are read; rejects as the ledger does. */
  readonly complete: Promise<void>;
  /** Reads no further. */
  stop(): void;
}

/** A ledger that holds nothing of the entity. */
export function noTrackedKeys(): TrackedKeys {
  return { isEmpty: true, has: () => false, isComplete: true, complete: Promise.resolve(), stop() {} };
}

/** Begins to read the keys; undefined where the ledger is too large. Texts are there when it resolves. */
export async function readTrackedKeys(
  ledger: Pick<ReadOnlyLedger, 'count' | 'eachKey'>,
  { textKey, signal }: { readonly textKey: boolean; readonly signal: AbortSignal },
): Promise<TrackedKeys | undefined> {
  const rows = await ledger.count();
  if (rows > MAX_KEYS) return undefined;
  const keys = createKeySet(rows, { textKey });
  const stopped = new AbortController();
  let isComplete = false;
  const complete = ledger.eachKey(keys.add, AbortSignal.any([signal, stopped.signal])).then(() => {
    isComplete = true;
  });
  // A failure is met by who waits for it; until then it must not count as unhandled.
  complete.catch(() => {});
  if (textKey) await complete;
  return {
    isEmpty: false,
    has: keys.has,
    get isComplete() {
      return isComplete;
    },
    complete,
    stop: () => stopped.abort(),
  };
}

/** Takes pages into an intake once it is known which of their keys are tracked, and enough of them have come together. */
export interface Waiting {
  /** Takes the page, or keeps its keys for later. */
  take(page: KeyedPage): Promise<void>;
  /** Takes what was kept. */
  flush(): Promise<void>;
  /** Takes no more than what is tracked; the rest counts as left, as far as it is known. */
  leave(): Promise<void>;
}

/** What a page passes through on its way into the intake. */
export interface WaitingOptions {
  readonly tracked: TrackedKeys;
  readonly intake: Intake;
  /** They hold no text, or all keys are there. */
  readonly keyColumns: readonly Column[];
  /** Why no further row is to be taken; undefined while it is. */
  readonly stopCause: () => StopCause | undefined;
  readonly tally: Pick<Tally, 'left'>;
}

/** Nothing waits yet. */
export function createWaiting({ tracked, intake, keyColumns, stopCause, tally }: WaitingOptions): Waiting {
  /** Those of one page or part each, a line a key: one text needs less memory than its parts. */
  let kept: string[] = [];
  let keptKeys = 0;
  /** Keys that are not tracked, and how many are, to be taken together. */
  let rows: KeyedRow[] = [];
  let leftOut = 0;

  async function collect(more: readonly KeyedRow[], moreLeftOut: number): Promise<void> {
    rows.push(...more);
    leftOut += moreLeftOut;
    if (rows.length + leftOut >= LOOKUP_KEYS) await takeCollected();
  }

  async function takeCollected(): Promise<void> {
    if (rows.length + leftOut === 0) return;
    const page: KeyedPage = { shape: 'key', rows, leftOut };
    rows = [];
    leftOut = 0;
    await intake.take(page);
  }

  async function flush(): Promise<void> {
    await takeKept();
    await (stopCause() === undefined ? takeCollected() : leave());
  }

  async function leave(): Promise<void> {
    tally.left += rows.length;
    rows = [];
    await takeCollected();
  }

  async function takeKept(): Promise<void> {
    await tracked.complete;
    const pages = kept;
    kept = [];
    keptKeys = 0;
    for (const page of pages) {
      if (stopCause() !== undefined) return;
      const keys = page.split('\n');
      const pending = keys.filter((key) => !tracked.has(key)).map((key) => ({ key, row: cellsOf(key) }));
      await collect(pending, keys.length - pending.length);
    }
  }

  function cellsOf(key: string): Row {
    const cells = parseKey(key, keyColumns);
    if (cells === undefined) throw new Error(`a key of the source cannot be read: ${key}`);
    return cells;
  }

  return {
    async take(page) {
      if (page.shape === 'key' && !tracked.isComplete && keptKeys < MAX_WAITING) {
        if (page.rows.length > 0) kept.push(page.rows.map(({ key }) => key).join('\n'));
        keptKeys += page.rows.length;
        return collect([], page.leftOut);
      }
      await takeKept();
      // What it left out was what had been read of the ledger by then.
      const pending = page.rows.filter(({ key }) => !tracked.has(key));
      const known = page.leftOut + page.rows.length - pending.length;
      if (stopCause() !== undefined) {
        rows.push(...pending);
        leftOut += known;
        return;
      }
      if (page.shape === 'key') return collect(pending, known);
      await takeCollected();
      return intake.take({ ...page, rows: pending, leftOut: known });
    },
    flush,
    leave,
  };
}
