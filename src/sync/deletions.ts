/**
 * Deletions of a mirrored entity: rows that the ledger holds and the source no longer has.
 *
 *   count   walk through the ledger, and look each page of keys up in the source
 *   guard   more than maxDeletePercent of the ledger, or a source that has changed and is not confirmed: nothing is deleted
 *   send    walk once more, look up once more: what is missing then, too, is sent, and leaves the ledger when accepted
 *
 * It goes by keys alone, whatever the detection: a row that is gone has no watermark.
 */
import type { DeletedConfig, Entity } from './entity.ts';
import { sameHash } from './hash.ts';
import { keyText, parseKey } from './key.ts';
import { compileMap, type Mapped } from './map.ts';
import type { Outbox } from './outbox.ts';
import type { Source, StopCause } from './ports.ts';
import { type Column, DELETION_HASH, type Ledger, type ReadOnlyLedger, type Row, type RunObserver } from './ports.ts';
import type { Tally } from './tally.ts';

/** Keys looked up at a time. */
const PAGE_KEYS = 5000;

/** The JSON of a row whose key stands in the URL: what is stored of it, and not sent. */
const IN_URL = 'null';

/** Whether each deletion is a call of its own, with the key in the URL. */
export function isCallPerRow({ map }: DeletedConfig): boolean {
  return map === undefined;
}

/** Whether a batch's body is that of such a call. */
export function isBodyOfCallPerRow(body: Uint8Array): boolean {
  return Buffer.from(body).toString() === `[${IN_URL}]`;
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
  const { entity, ledger, observer, tally } = options;
  const total = await ledger.count();
  const missing = await countMissing(options);
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
    await sendMissing(options);
  }
  return true;
}

async function countMissing(options: DeletionOptions): Promise<number> {
  let missing = 0;
  let unreadable = 0;
  let firstUnreadable = '';
  for await (const page of missingPages(options)) {
    missing += page.missing.length;
    firstUnreadable ||= page.unreadable[0] ?? '';
    unreadable += page.unreadable.length;
  }
  if (unreadable > 0) {
    options.observer.warning?.(
      options.entity.name,
      `${unreadable} tracked keys are no keys of this source, such as ${firstUnreadable}; they are left as they are (tamhr-sync ledger verify lists them)`,
    );
  }
  return missing;
}

async function sendMissing(options: DeletionOptions): Promise<void> {
  const { entity, ledger, writes, outbox, tally } = options;
  const map = payloadOf(options);
  for await (const { missing } of missingPages(options)) {
    const letters = await deletionLetters(
      ledger,
      missing.map(({ key }) => key),
    );
    const unsendable: { key: string; reason: string; hash: Uint8Array }[] = [];
    for (const [index, { key, cells }] of missing.entries()) {
      if (options.stopCause() !== undefined) {
        tally.left += missing.length - index;
        break;
      }
      const state = letters.get(key);
      if (state === 'waiting') tally.oldDeadLetters += 1;
      if (state === 'waiting' || state === 'discarded') continue;
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

/** A page of the ledger: which of its keys the source does not have. */
export interface MissingPage {
  readonly missing: readonly { readonly key: string; readonly cells: Row }[];
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
    const readable = page.flatMap(({ key }) => {
      const cells = parseKey(key, keyColumns);
      if (cells === undefined) unreadable.push(key);
      return cells === undefined ? [] : [{ key, cells }];
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
    const missing = readable.filter(
      ({ cells }, index) => !found.has(index) && !held.has(keyText(cells, keyColumns) ?? ''),
    );
    yield { missing, unreadable };
    if (page.length < PAGE_KEYS) return;
  }
}

/** The dead letters of deletions among these keys, with their states. */
async function deletionLetters(ledger: ReadOnlyLedger, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (keys.length === 0) return new Map();
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
