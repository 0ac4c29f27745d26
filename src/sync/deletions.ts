/**
 * Deletions of a mirrored entity: rows that the ledger holds and the source no longer has.
 *
 *   count   walk through the ledger, and look each page of keys up in the source
 *   guard   more than maxDeletePercent of the ledger, or a source that has changed and is not confirmed: nothing is deleted
 *   send    walk once more, look up once more: what is missing then, too, is sent, and leaves the ledger when accepted; where
 *           more is missing than was counted, the source is being emptied: the rest stays
 *
 * It goes by keys alone, whatever the detection: a row that is gone has no watermark.
 */
import type { DeletedConfig, Entity } from './entity.ts';
import { sameHash } from './hash.ts';
import { keyText, parseKey } from './key.ts';
import { compileMap, type Mapped } from './map.ts';
import type { Outbox } from './outbox.ts';
import type { Source, StopCause } from './ports.ts';
import {
  type Column,
  DELETION_HASH,
  type KnownDeadLetter,
  type Ledger,
  type ReadOnlyLedger,
  type Row,
  type RunObserver,
} from './ports.ts';
import type { Tally } from './tally.ts';

/** Keys looked up at a time. */
const PAGE_KEYS = 5000;

/** The JSON of a row whose key stands in the URL: what is stored of it, and not sent. */
const IN_URL = Buffer.from('null');

/** Whether each deletion is a call of its own, with the key in the URL. */
export function isCallPerRow({ map }: DeletedConfig): boolean {
  return map === undefined;
}

/** Whether a batch's body is that of such a call. */
export function isBodyOfCallPerRow(body: Uint8Array): boolean {
  return Buffer.from(body).toString() === `[${IN_URL.toString()}]`;
}

/** What deletions work with. */
export interface DeletionOptions {
  readonly entity: Entity;
  readonly source: Pick<Source, 'lookup'>;
  readonly ledger: ReadOnlyLedger;
  /** Absent in a dry run. */
  readonly writes?: Ledger | undefined;
  readonly observer: RunObserver;
  /** Of deletions. */
  readonly outbox: Outbox;
  /** The key's, in its order. */
  readonly keyColumns: readonly Column[];
  /** Keys whose outcome is not known: none of them is deleted. */
  readonly held: ReadonlyMap<string, unknown>;
  /** Whether the source is the one whose missing rows may be deleted. */
  readonly isSourceConfirmed: boolean;
  readonly stopCause: () => StopCause | undefined;
  readonly countTaken: () => void;
  readonly abort: AbortSignal;
  readonly tally: Tally;
}

/** Returns whether the source as it is now is one that missing rows may be deleted by: it was confirmed, or none is missing. */
export async function sendDeletions(options: DeletionOptions): Promise<boolean> {
  const { entity, observer, tally } = options;
  const { total, missing } = await countMissing(options);
  if (options.stopCause() !== undefined) return false;
  if (missing === 0) return true;
  const hold = (why: string, remedy: string) => {
    tally.heldDeletions += missing;
    observer.warning?.(
      entity.name,
      `${missing} of ${total} tracked rows are no longer in the source; none was deleted at the destination: ${why}. ${remedy}`,
    );
  };
  if (!options.isSourceConfirmed) {
    hold(
      'the connection, table, query, where or key of the source has changed since rows were last deleted by it',
      'If they are to be deleted, run once with --confirm-source-change.',
    );
    return false;
  }
  if (missing > (total * entity.maxDeletePercent) / 100) {
    hold(
      `that is more than maxDeletePercent (${entity.maxDeletePercent})`,
      `See whether the source was loaded completely. If they are to be deleted, run once with --max-delete-percent ${Math.ceil((missing / total) * 100)}.`,
    );
  } else {
    await sendMissing(options, missing);
  }
  return true;
}

/** Rows of the ledger, and those of them that would be deleted. */
async function countMissing(options: DeletionOptions): Promise<{ readonly total: number; readonly missing: number }> {
  let total = 0;
  let missing = 0;
  let unreadable = 0;
  let firstUnreadable = '';
  for await (const page of missingPages(options)) {
    total += page.rows;
    const letters = await deletionLetters(options.ledger, page.missing);
    options.tally.oldDeadLetters += page.missing.filter(({ key }) => letters.get(key) === 'waiting').length;
    missing += page.missing.filter(({ key }) => isToBeTried(letters.get(key))).length;
    firstUnreadable ||= page.unreadable[0] ?? '';
    unreadable += page.unreadable.length;
  }
  if (unreadable > 0) {
    options.observer.warning?.(
      options.entity.name,
      `${unreadable} tracked keys are no keys of this source, such as ${firstUnreadable}; they are left as they are (tamhr-sync ledger verify lists them)`,
    );
  }
  return { total, missing };
}

/** A deletion that was refused waits for its time; without a dead letter there was none. */
function isToBeTried(letter: KnownDeadLetter['state'] | undefined): boolean {
  return letter === undefined || letter === 'due';
}

/** Sends `counted` deletions at most. */
async function sendMissing(options: DeletionOptions, counted: number): Promise<void> {
  const { entity, ledger, writes, outbox, tally } = options;
  const map = payloadOf(options);
  let left = counted;
  for await (const { missing: found } of missingPages(options)) {
    const letters = await deletionLetters(ledger, found);
    const missing = found.filter(({ key }) => isToBeTried(letters.get(key)));
    left -= missing.length;
    if (left < 0) {
      tally.heldDeletions += missing.length;
      options.observer.warning?.(
        entity.name,
        `more rows are missing from the source than when they were counted, such as ${missing[0]?.key}; no further one is deleted. See whether the source is loaded while this runs.`,
      );
      return;
    }
    const unsendable: { key: string; reason: string; hash: Uint8Array }[] = [];
    for (const [index, { key, cells }] of missing.entries()) {
      if (options.stopCause() !== undefined) {
        tally.left += missing.length - index;
        break;
      }
      const state = letters.get(key);
      const mapped = map(key, cells, outbox.sentAt(state !== undefined));
      if ('reason' in mapped) {
        unsendable.push({ key, reason: mapped.reason, hash: DELETION_HASH });
        continue;
      }
      options.countTaken();
      await outbox.put({ key, json: mapped.json, hash: DELETION_HASH }, state !== undefined);
    }
    if (unsendable.length === 0) continue;
    const added = writes ? await writes.deadLetter(unsendable) : unsendable.length;
    tally.newDeadLetters += added;
    tally.oldDeadLetters += unsendable.length - added;
    tally.pending += added;
    tally.deletions += added;
    const [first] = unsendable;
    options.observer.warning?.(
      entity.name,
      `${unsendable.length} deletions cannot be sent (${added} new), such as that of ${first?.key}: ${first?.reason}`,
    );
  }
}

/** A row of the ledger that the source does not have; `key` as the tool writes it. */
interface MissingRow {
  readonly key: string;
  readonly cells: Row;
}

/** A page of the ledger: which of its keys the source does not have. */
interface MissingPage {
  /** Of the ledger. */
  readonly rows: number;
  readonly missing: readonly MissingRow[];
  /** Keys that no row of this source can have. */
  readonly unreadable: readonly string[];
}

/** Walks through the ledger; a key that the server holds equal to a row's is not missing. */
export async function* missingPages({
  source,
  ledger,
  keyColumns,
  held,
  stopCause,
  abort,
}: Pick<DeletionOptions, 'source' | 'keyColumns' | 'held' | 'stopCause' | 'abort'> & {
  readonly ledger: Pick<ReadOnlyLedger, 'page'>;
}): AsyncGenerator<MissingPage> {
  let after: string | undefined;
  while (stopCause() === undefined) {
    const page = await ledger.page(after, PAGE_KEYS);
    if (page.length === 0) return;
    after = page.at(-1)?.key;
    const unreadable: string[] = [];
    const readable = page.flatMap(({ key: ledgerKey }) => {
      const cells = parseKey(ledgerKey, keyColumns);
      const key = cells && keyText(cells, keyColumns);
      if (key === undefined) unreadable.push(ledgerKey);
      return cells === undefined || key === undefined ? [] : [{ key, cells }];
    });
    const found = new Set(
      readable.length === 0
        ? []
        : (
            await source.lookup(
              readable.map(({ cells }) => cells),
              'key',
              abort,
            )
          ).map(({ index }) => index),
    );
    const missing = readable.filter(({ key }, index) => !found.has(index) && !held.has(key));
    yield { rows: page.length, missing, unreadable };
    if (page.length < PAGE_KEYS) return;
  }
}

/** The dead letters of deletions among these rows' keys, with their states. */
async function deletionLetters(
  ledger: ReadOnlyLedger,
  rows: readonly MissingRow[],
): Promise<ReadonlyMap<string, KnownDeadLetter['state']>> {
  if (rows.length === 0) return new Map();
  const keys = rows.map(({ key }) => key);
  const letters = await ledger.findDeadLetters(keys);
  return new Map(
    letters
      .filter(({ hash }) => sameHash(hash, DELETION_HASH))
      .map(({ index, state }) => [keys[index] as string, state]),
  );
}

/** What is sent for a key. Where the key stands in the URL, the body says nothing. */
function payloadOf({ entity, keyColumns, outbox }: DeletionOptions): (key: string, cells: Row, sentAt: Date) => Mapped {
  const { deleted, name, timeZone } = entity;
  if (deleted?.map === undefined) {
    return (key) =>
      canStandInUrl(key) ? { json: IN_URL, hash: DELETION_HASH } : { reason: 'its key cannot stand in a URL' };
  }
  const mapper = compileMap({ name: `${name} (deleted)`, map: deleted.map, timeZone }, keyColumns);
  return (_, cells, sentAt) => {
    const mapped = mapper.map(cells, sentAt);
    if ('reason' in mapped || outbox.fits(mapped.json)) return mapped;
    return { reason: 'its payload alone is larger than maxBatchBytes' };
  };
}

/** Dots would be steps of a path, nothing would be the path above, and half a surrogate pair has no UTF-8. */
function canStandInUrl(key: string): boolean {
  return !['', '.', '..'].includes(key) && key.isWellFormed();
}
