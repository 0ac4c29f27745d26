/** All that is known of a row, and one verdict: why it arrived, or did not. */
import type { DeadLetterStore, StoredDeadLetter } from './dead-letters.ts';
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import { sameHash } from './hash.ts';
import { keyText } from './key.ts';
import { isIncremental, type LedgerSource, openLedgerSource, readKey } from './ledger-source.ts';
import type { BatchRecord, LedgerEntry, LedgerStore } from './ledger-store.ts';
import { narrowed, rejectPredicate } from './ledger-where.ts';
import type { KeyedRow } from './pages.ts';
import type { Row, Source } from './ports.ts';

/** What showing works with. */
export interface ShowPorts {
  readonly store: Pick<LedgerStore, 'entries' | 'batch' | 'unresolved' | 'readOnly'>;
  readonly deadLetters: Pick<DeadLetterStore, 'list'>;
  /** Of the entity as it is given, which may have another `where` than the configured one. */
  source(entity: Entity): Source;
  readonly signal: AbortSignal;
}

/** A row in the ledger, with the batch that sent it. */
export interface ShownEntry extends Omit<LedgerEntry, 'key' | 'hash'> {
  /** Absent where it was pruned, or no batch is known. */
  readonly batch?: BatchRecord;
}

/** What is known of a key in one entity. */
export interface ShownRow {
  readonly entity: string;
  readonly key: string;
  /**
   *   yes      the source has the row
   *   leftOut  the table or query has it, and source.where leaves it out
   *   no       it has not
   *   unknown  the source could not be read
   */
  readonly inSource: 'yes' | 'leftOut' | 'no' | 'unknown';
  /** Under each label. */
  readonly tracked: readonly ShownEntry[];
  /** Of source and ledger; absent where the row is not in both. `none`: the ledger has none, or the row has no payload. */
  readonly hash?: 'same' | 'different' | 'none';
  /** Why it has no payload. */
  readonly unmappable?: string;
  /** The batch that holds it, whose outcome is unknown. */
  readonly unresolved?: BatchRecord;
  readonly deadLetter?: StoredDeadLetter;
  /** A tracked key that is one with this to the ledger, and is another row's. */
  readonly collidesWith?: string;
  /** Whether the next run reads only what has changed since the last comparison. */
  readonly incremental: boolean;
}

/** What came of asking for rows. */
export interface Shown {
  readonly rows: readonly ShownRow[];
  /** Keys that no entity knows. */
  readonly unknown: readonly string[];
  /** Sources that could not be read, each with the error. */
  readonly unread: readonly { readonly entity: string; readonly error: SyncError }[];
}

/**
 * What is known of these keys, as they are typed, in these entities. A source that cannot be read is told of, and what the
 * log database knows is shown all the same. Throws SyncError LOG_DATABASE_*.
 */
export async function showKeys(entities: readonly Entity[], keys: readonly string[], ports: ShowPorts): Promise<Shown> {
  const rows: ShownRow[] = [];
  const unread: { entity: string; error: SyncError }[] = [];
  const known = new Set<string>();
  for (const entity of entities) {
    const read = await readSource(entity, keys, ports).catch((error) => {
      if (ports.signal.aborted || !(error instanceof SyncError)) throw error;
      unread.push({ entity: entity.name, error });
      return undefined;
    });
    const held = await heldBatches(entity, ports);
    for (const [index, typed] of keys.entries()) {
      const shown = await showKey(entity, typed, read, index, held, ports);
      if (shown.length > 0) known.add(typed);
      rows.push(...shown);
    }
  }
  return { rows, unknown: keys.filter((key) => !known.has(key)), unread };
}

/**
 * A page of the keys of rows that match a T-SQL predicate over the source's columns, whether source.where takes them or not.
 * Throws SyncError SOURCE_*, and USAGE where the server does not take the predicate.
 */
export async function keysWhere(
  entity: Entity,
  predicate: string,
  limit: number,
  ports: Pick<ShowPorts, 'source' | 'signal'>,
): Promise<readonly string[]> {
  const { where: _, ...table } = entity.source;
  const whole = { ...entity, source: table };
  const source = ports.source(narrowed(whole, predicate));
  const { keyColumns } = await openLedgerSource(entity, source);
  const rows = await source
    .page(undefined, limit, ports.signal, { shape: 'key' })
    .catch((error) => rejectPredicate(error, entity, ports.source(whole), ports.signal));
  return rows.flatMap((cells) => keyText(cells, keyColumns) ?? []);
}

/** The source, and of each key the rows that source.where takes and those of the table or query. */
interface ReadSource {
  readonly incremental: boolean;
  readonly source: LedgerSource;
  readonly rows: readonly (readonly KeyedRow[])[];
  readonly allRows: readonly (readonly KeyedRow[])[];
}

async function readSource(
  entity: Entity,
  keys: readonly string[],
  { source: open, store, signal }: ShowPorts,
): Promise<ReadSource> {
  const opened = open(entity);
  const source = await openLedgerSource(entity, opened);
  const incremental = await isIncremental(entity, opened, store.readOnly(entity));
  const rows = await source.lookup(keys, signal);
  if (entity.source.where === undefined) return { incremental, source, rows, allRows: rows };
  const { where, ...unfiltered } = entity.source;
  const all = await openLedgerSource(entity, open({ ...entity, source: unfiltered }));
  return { incremental, source, rows, allRows: await all.lookup(keys, signal) };
}

/** The batches whose outcome is unknown, by the keys of their rows. */
async function heldBatches(entity: Entity, { store }: ShowPorts): Promise<ReadonlyMap<string, BatchRecord>> {
  const held = new Map<string, BatchRecord>();
  for await (const { record, keys } of store.unresolved(entity)) for (const key of keys) held.set(key, record);
  return held;
}

/** A record for each row that the typed key may mean; none where nobody knows it. */
async function showKey(
  entity: Entity,
  typed: string,
  read: ReadSource | undefined,
  index: number,
  held: ReadonlyMap<string, BatchRecord>,
  { store, deadLetters }: ShowPorts,
): Promise<ShownRow[]> {
  const rows = new Map((read?.rows[index] ?? []).map((row) => [row.key, row]));
  const present = (read?.allRows[index] ?? []).map(({ key }) => key);
  const spelled = spelling(typed, read?.source);
  const entries: LedgerEntry[] = [];
  for await (const page of store.entries(entity, { keys: [...new Set([spelled, ...present])] })) entries.push(...page);
  // Where no row says how the key is spelt, the ledger may.
  const others = entries.map(({ key }) => key).filter((key) => !isSameKey(key, spelled, read?.source));
  const keys = present.length > 0 ? present : [...new Set([spelled, ...others])];
  const { letters } = await deadLetters.list({ entities: [entity], keys }, keys.length * 2);

  const shown: ShownRow[] = [];
  for (const key of keys) {
    const own = entries.filter((entry) => isSameKey(entry.key, key, read?.source));
    const other = own.length === 0 ? entries[0] : undefined;
    const letter = letters.find((one) => one.key === key);
    const unresolved = held.get(key);
    if (present.length === 0 && own.length === 0 && letter === undefined && unresolved === undefined) continue;
    const row = rows.get(key);
    const mapped = row && read?.source.map(row);
    shown.push({
      entity: entity.name,
      key,
      inSource: read === undefined ? 'unknown' : row !== undefined ? 'yes' : present.length > 0 ? 'leftOut' : 'no',
      tracked: await withBatches(own, store),
      incremental: read?.incremental ?? false,
      ...(own.length > 0 && mapped && { hash: compared(own, 'hash' in mapped ? mapped.hash : undefined) }),
      ...(mapped && 'reason' in mapped && { unmappable: mapped.reason }),
      ...(unresolved && { unresolved }),
      ...(letter && { deadLetter: letter }),
      ...(other && { collidesWith: other.key }),
    });
  }
  return shown;
}

/** The typed key as the ledger would have it. */
function spelling(typed: string, source: LedgerSource | undefined): string {
  const cells: Row | undefined = source && readKey(typed, source.keyColumns);
  if (source !== undefined && cells !== undefined) return keyText(cells, source.keyColumns) ?? typed;
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(typed) ? typed.toLowerCase() : typed;
}

/** Text is compared as it is; GUIDs and numbers are the same key in either case. */
function isSameKey(a: string, b: string, source: LedgerSource | undefined): boolean {
  return (source?.textKey ?? true) ? a === b : a.toLowerCase() === b.toLowerCase();
}

async function withBatches(entries: readonly LedgerEntry[], store: ShowPorts['store']): Promise<ShownEntry[]> {
  const shown: ShownEntry[] = [];
  for (const { label, syncedAt, batchId } of entries) {
    const batch = batchId === undefined ? undefined : await store.batch(batchId);
    shown.push({ label, syncedAt, ...(batchId !== undefined && { batchId }), ...(batch && { batch }) });
  }
  return shown;
}

function compared(entries: readonly LedgerEntry[], hash: Uint8Array | undefined): 'same' | 'different' | 'none' {
  if (hash === undefined || entries.every((entry) => entry.hash === undefined)) return 'none';
  return entries.some((entry) => sameHash(entry.hash, hash)) ? 'same' : 'different';
}
