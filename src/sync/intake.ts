/**
 * Takes a page of source rows in: leaves out what the ledger holds as it is, what an unresolved batch holds and what is a
 * dead letter, maps the rest and puts it into batches.
 */
import type { DiffOptions, TrackedRow } from './diff.ts';
import { createDiff } from './diff.ts';
import type { Entity } from './entity.ts';
import { sameHash } from './hash.ts';
import { keyReader } from './key.ts';
import type { Mapped, PayloadMapper } from './map.ts';
import type { Outbox } from './outbox.ts';
import type { KeyedPage, KeyedRow } from './pages.ts';
import {
  type Column,
  DELETION_HASH,
  type DeadLetter,
  type KnownDeadLetter,
  type Ledger,
  type LedgerRow,
  type ReadOnlyLedger,
  type Row,
  type RunObserver,
  type Source,
  type StopCause,
} from './ports.ts';
import type { Tally } from './tally.ts';

/** What an intake works with. */
export interface IntakeOptions {
  readonly entity: Entity;
  readonly source: Pick<Source, 'lookup'>;
  readonly ledger: ReadOnlyLedger;
  /** Absent in a dry run. */
  readonly writes?: Ledger | undefined;
  readonly observer: RunObserver;
  readonly mapper: PayloadMapper;
  readonly outbox: Outbox;
  readonly columns: readonly Column[];
  /** The key's columns in a whole row. */
  readonly keyIndexes: readonly number[];
  readonly diff: DiffOptions;
  /** Send tracked rows without a hash, instead of taking the one that they have now. */
  readonly resendUnknown: boolean;
  /** The rows are due dead letters: those that are tracked as they are end, the others are tried again. */
  readonly areDue: boolean;
  /** Why no further row is to be taken; undefined while it is. */
  readonly stopCause: () => StopCause | undefined;
  /** Counts a row that goes into a batch. */
  readonly countTaken: () => void;
  readonly abort: AbortSignal;
  readonly tally: Tally;
}

const NO_KEYS: ReadonlySet<string> = new Set();

/** Rows of one source on their way into an outbox. */
export interface Intake {
  /** Part of the last page's rows that the ledger did not hold: from 0 to 1. */
  readonly untrackedPart: number;
  /** Whether a row was left out that an unresolved batch holds otherwise than it is now: it must be looked at again. */
  readonly leftHeld: boolean;
  /** Takes a page; what it has left out is tracked as it is. Where it stops in the middle, the rest of the page counts as left. */
  take(page: KeyedPage): Promise<void>;
}

/** An intake of pages in key order. Its `take` rejects with what source and ledger throw. */
export function createIntake(options: IntakeOptions): Intake {
  const { entity, source, ledger, writes, outbox, tally, keyIndexes, columns } = options;
  const diff = createDiff(ledger, options.diff);
  const comparesRows = entity.changes !== 'new';
  let untrackedPart = 0;
  let leftHeld = false;

  /** The whole rows; one that is gone by now is in none. */
  async function wholeRows(rows: readonly KeyedRow[], { shape }: KeyedPage): Promise<readonly KeyedRow[]> {
    if (shape === 'row' || rows.length === 0) return rows;
    const found = await source.lookup(
      rows.map(({ row }) => row),
      'row',
      options.abort,
    );
    return keyed(found, rows, columns, keyIndexes);
  }

  function map({ row }: KeyedRow, isSuspect = false): Mapped {
    const mapped = options.mapper.map(row, outbox.sentAt(isSuspect));
    if ('reason' in mapped || outbox.fits(mapped.json)) return mapped;
    return { reason: 'its payload alone is larger than maxBatchBytes' };
  }

  /** Those of the tracked rows that are not as the ledger holds them. */
  async function changedOf(rows: readonly TrackedRow[]): Promise<{ changed: KeyedRow[]; unchanged: string[] }> {
    const changed: KeyedRow[] = [];
    const unchanged: string[] = [];
    const unhashed: Required<LedgerRow>[] = [];
    const returned = options.areDue ? await returnedOf(rows) : NO_KEYS;
    for (const row of rows) {
      const mapped = comparesRows ? map(row) : undefined;
      const isUnknown = comparesRows && row.hashes.length === 0 && !options.resendUnknown;
      if (returned.has(row.key)) {
        changed.push(row);
      } else if (mapped === undefined) {
        unchanged.push(row.key);
      } else if ('reason' in mapped) {
        changed.push(row);
      } else if (isUnknown) {
        unhashed.push({ key: row.ledgerKey, hash: mapped.hash });
        unchanged.push(row.key);
      } else if (row.hashes.length > 0 && row.hashes.every((hash) => sameHash(hash, mapped.hash))) {
        unchanged.push(row.key);
      } else {
        changed.push(row);
      }
    }
    if (unhashed.length > 0) await writes?.takeHashes(unhashed);
    tally.hashesTaken += unhashed.length;
    return { changed, unchanged };
  }

  /** Those whose deletion was refused: the destination may have done it nevertheless, so that they are sent once more. */
  async function returnedOf(rows: readonly TrackedRow[]): Promise<ReadonlySet<string>> {
    const letters = await findDeadLetters(ledger, rows);
    return new Set([...letters].filter(([, { hash }]) => sameHash(hash, DELETION_HASH)).map(([key]) => key));
  }

  /** Whether an unresolved batch holds them all as they are: then it is no matter that nobody looks at them again. */
  function areHeldAsTheyAre(rows: readonly KeyedRow[]): boolean {
    return rows.every((row) => {
      const mapped = map(row);
      return !('reason' in mapped) && sameHash(options.diff.held.get(row.key), mapped.hash);
    });
  }

  return {
    get untrackedPart() {
      return untrackedPart;
    },
    get leftHeld() {
      return leftHeld;
    },
    async take(page) {
      const { untracked, tracked, collisions, held } = await diff(page.rows);
      const read = page.rows.length + page.leftOut;
      untrackedPart = read === 0 ? 0 : untracked.length / read;
      if (comparesRows) leftHeld ||= !areHeldAsTheyAre(held);
      const { changed, unchanged } = await changedOf(tracked);
      tally.tracked += unchanged.length + page.leftOut;
      // By keys alone nobody knows whether a row is as it was when it was sent last.
      if (options.areDue && comparesRows) await writes?.dropDeadLetters(unchanged);

      const changedKeys = new Set(changed.map(({ key }) => key));
      const fresh = await wholeRows(untracked, page);
      const pending = fresh.length === 0 ? changed : [...changed, ...fresh];
      const letters = await findDeadLetters(ledger, [...pending, ...collisions]);
      const unsendable: DeadLetter[] = collisions.filter(({ key }) => letters.get(key)?.state !== 'discarded');
      for (let index = 0; index < pending.length; index++) {
        const row = pending[index] as KeyedRow;
        if (options.stopCause() !== undefined) {
          tally.left += pending.length - index;
          break;
        }
        const { key } = row;
        const letter = letters.size === 0 ? undefined : letters.get(key);
        // It is looked up by key later.
        if (letter?.state === 'due' && !options.areDue) continue;
        const isSuspect = letter !== undefined;
        const mapped = map(row, isSuspect);
        if (letter !== undefined && isAsRefused(letter, mapped) && letter.state !== 'due') {
          if (letter.state === 'waiting') tally.oldDeadLetters += 1;
          continue;
        }
        if ('reason' in mapped) {
          unsendable.push({ key, ...mapped });
          continue;
        }
        if (changedKeys.has(key)) tally.changed += 1;
        options.countTaken();
        const isSent = outbox.put({ key, json: mapped.json, hash: mapped.hash }, isSuspect);
        if (isSent !== undefined) await isSent;
      }
      await recordDeadLetters(unsendable, letters, options);
    },
  };
}

/**
 * The rows that were found for these, each with its key; one that is not byte for byte of its key is another row.
 * `keyIndexes`: the key's columns in a whole row.
 */
export function keyed(
  found: readonly { readonly index: number; readonly row: Row }[],
  wanted: readonly { readonly key: string }[],
  columns: readonly Column[],
  keyIndexes: readonly number[],
): KeyedRow[] {
  const keyColumns = keyIndexes.map((index) => columns[index] as Column);
  const keyOf = keyReader(keyColumns, keyIndexes);
  return found.flatMap(({ index, row }) => {
    const key = keyOf(row);
    return key !== undefined && key === wanted[index]?.key ? [{ key, row }] : [];
  });
}

/** Which of these keys are dead letters already. */
async function findDeadLetters(
  ledger: ReadOnlyLedger,
  rows: readonly { readonly key: string }[],
): Promise<ReadonlyMap<string, KnownDeadLetter>> {
  if (rows.length === 0) return new Map();
  const keys = rows.map(({ key }) => key);
  return new Map((await ledger.findDeadLetters(keys)).map((letter) => [keys[letter.index] as string, letter]));
}

/** Whether the row is what it was when it was refused. */
function isAsRefused({ hash }: KnownDeadLetter, mapped: Mapped): boolean {
  return 'reason' in mapped ? hash === undefined : sameHash(hash, mapped.hash);
}

/** `known` are dead letters already. */
async function recordDeadLetters(
  letters: readonly DeadLetter[],
  known: ReadonlyMap<string, unknown>,
  { writes, entity, observer, tally }: IntakeOptions,
): Promise<void> {
  const [first] = letters;
  if (first === undefined) return;
  const added = writes ? await writes.deadLetter(letters) : letters.filter(({ key }) => !known.has(key)).length;
  tally.newDeadLetters += added;
  tally.oldDeadLetters += letters.length - added;
  tally.pending += added;
  observer.warning?.(
    entity.name,
    `${letters.length} row${letters.length === 1 ? '' : 's'} cannot be sent (${added} new), such as ${first.key}: ${first.reason}`,
  );
}
