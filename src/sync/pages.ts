/**
 * Reads a source by keyset pages, the next one while the caller works on the last, and proves as it goes that keys are
 * neither NULL nor repeated: with either, keyset paging would lose rows without a word.
 *
 * A page begins with the last key of the page before, and what was seen there is dropped. So it is the server that says
 * which keys are equal (case, accents, trailing spaces: its collation knows, nobody else), and of keys that it holds
 * equal none is lost where a page ends between them.
 */
import { SyncError } from './errors.ts';
import { keyReader } from './key.ts';
import type { Column, PageFilter, Row, RowShape, Source } from './ports.ts';

/** What readPages needs to know of the entity. */
export interface PageOptions {
  readonly entity: string;
  readonly columns: readonly Column[];
  /** The key's columns, as indexes into `columns`. */
  readonly keyIndexes: readonly number[];
  /** What is read next, asked when the read of a page begins. */
  readonly next: () => { readonly shape: RowShape; readonly pageRows: number };
  /** Whether the row of this key is of no interest: it is counted, and left out. */
  readonly leavesOut?: ((key: string) => boolean) | undefined;
  /** Only rows that may have changed. */
  readonly since?: PageFilter['since'];
  /** Cancels the read under way. */
  readonly signal: AbortSignal;
}

/** A row with its key as the ledger writes it. */
export interface KeyedRow {
  readonly key: string;
  /** In the shape of its page. */
  readonly row: Row;
}

/** Rows in key order. */
export interface KeyedPage {
  readonly shape: RowShape;
  readonly rows: readonly KeyedRow[];
  /** How many more there were, of no interest. */
  readonly leftOut: number;
}

/** The key's cells of a row of this shape, in the key's order. `keyIndexes`: the key's columns in a whole row. */
function keyCells(row: Row, shape: RowShape, keyIndexes: readonly number[]): Row {
  return shape === 'key' ? row : keyIndexes.map((index) => row[index] ?? null);
}

/**
 * Yields the source's rows in key order, about `pageRows` at a time, at most two pages in memory.
 *
 * Throws SyncError SOURCE_KEY_INVALID at a NULL, repeated or falling key, and what `source.page` throws.
 */
export async function* readPages(source: Source, options: PageOptions): AsyncGenerator<KeyedPage> {
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  let next: Promise<Read> | undefined = read(source, undefined, options, signal);
  let page: Page | undefined;
  try {
    while (next !== undefined) {
      const current: Read = await next;
      next = current.rows.length < current.limit ? undefined : read(source, current, options, signal);
      // Its failure is met at the next await; until then it must not count as unhandled.
      next?.catch(() => {});
      page = examine(current, page, options);
      if (page.rows.length + page.leftOut > 0) yield page;
    }
  } finally {
    stopped.abort();
    await next?.catch(() => {});
  }
}

/** What the source gave, not looked at yet; complete where it is fewer than `limit`. */
interface Read {
  readonly shape: RowShape;
  readonly limit: number;
  readonly rows: readonly Row[];
}

/** Reads on from the last row before. */
async function read(
  source: Source,
  before: Read | undefined,
  { keyIndexes, since, next }: PageOptions,
  signal: AbortSignal,
): Promise<Read> {
  const { shape, pageRows } = next();
  const last = before?.rows.at(-1);
  const from = before && last && keyCells(last, before.shape, keyIndexes);
  const limit = from === undefined ? pageRows : pageRows + 1;
  return { shape, limit, rows: await source.page(from, limit, signal, { shape, ...(since && { since }) }) };
}

/** `rows` and `leftOut` are without those that were in the page before. */
interface Page extends KeyedPage {
  /** The last row of all that was read. */
  readonly last: KeyedRow | undefined;
  readonly repeats: Repeats;
}

function examine({ shape, limit, rows: read }: Read, before: Page | undefined, options: PageOptions): Page {
  const { entity, keyIndexes, leavesOut } = options;
  const keyColumns = keyIndexes.map((index) => options.columns[index] as Column);
  const keyOf = keyReader(keyColumns, shape === 'key' ? keyColumns.map((_, index) => index) : keyIndexes);
  const hasKnownOrder = keyColumns.some(({ kind }) => kind !== 'text' && kind !== 'guid');
  const hasText = keyColumns.some(({ kind }) => kind === 'text');
  const near = before?.last;
  const repeats = hasText ? repeatsOfTexts(before?.repeats.texts) : repeatsInOrder(near?.key);
  const rows: KeyedRow[] = [];
  let leftOut = 0;
  let last: Row | undefined;
  let lastKey = near?.key;
  let lastCells = before && near && keyCells(near.row, before.shape, keyIndexes);
  for (const row of read) {
    const key = keyOf(row);
    if (key === undefined) throw invalidKey(entity, keyColumns, 'is NULL in a row', lastKey);
    const place = repeats.see(key);
    if (place === 'twice') throw invalidKey(entity, keyColumns, 'repeats', lastKey);
    if (place === 'pageBefore') continue;
    if (hasKnownOrder) {
      const cells = keyCells(row, shape, keyIndexes);
      if (lastCells && falls(lastCells, cells, keyColumns)) throw invalidKey(entity, keyColumns, 'falls', lastKey);
      lastCells = cells;
    }
    last = row;
    lastKey = key;
    if (leavesOut?.(key)) leftOut += 1;
    else rows.push({ key, row });
  }
  if (read.length === limit && last === undefined) {
    throw invalidKey(entity, keyColumns, `has more than ${limit - 1} values that the server holds equal`, lastKey);
  }
  return { shape, rows, leftOut, last: last === undefined ? near : { key: lastKey as string, row: last }, repeats };
}

/** Tells where a key was seen before. */
interface Repeats {
  see(key: string): 'first' | 'pageBefore' | 'twice';
  /** All of this page, where they are texts. */
  readonly texts?: ReadonlySet<string>;
}

/** Texts that the server holds equal come in any order. */
function repeatsOfTexts(before: ReadonlySet<string> | undefined): Repeats {
  const texts = new Set<string>();
  return {
    see(key) {
      if (texts.has(key)) return 'twice';
      texts.add(key);
      return before?.has(key) ? 'pageBefore' : 'first';
    },
    texts,
  };
}

/** Of all other keys equal ones stand beside each other; `last` is that with which the page begins. */
function repeatsInOrder(last: string | undefined): Repeats {
  let isAhead = last !== undefined;
  return {
    see(key) {
      if (key !== last) {
        last = key;
        isAhead = false;
        return 'first';
      }
      const place = isAhead ? 'pageBefore' : 'twice';
      isAhead = false;
      return place;
    },
  };
}

/** Whether `b` comes before `a`, as far as that can be told here: the order of text and GUIDs is the server's alone. */
function falls(a: Row, b: Row, columns: readonly Column[]): boolean {
  for (const [index, { kind }] of columns.entries()) {
    const [left, right] = [a[index], b[index]].map((cell) => (kind === 'bigint' ? BigInt(cell as string) : cell));
    if (kind === 'text' || kind === 'guid') {
      if (left !== right) return false;
    } else if (left?.valueOf() !== right?.valueOf()) {
      return (left as number | bigint | Date) > (right as number | bigint | Date);
    }
  }
  return false;
}

function invalidKey(entity: string, key: readonly Column[], what: string, near: string | undefined): SyncError {
  const names = key.map((column) => column.name).join(', ');
  const place = near === undefined ? 'on its first page' : `after ${near}`;
  return new SyncError(
    'SOURCE_KEY_INVALID',
    `${entity}: the key (${names}) ${what} ${place}; reading on would lose rows.`,
    `Name columns in source.key that together are unique and never NULL, or leave such rows out with source.where.`,
  );
}
