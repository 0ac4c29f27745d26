/**
 * Reads a source by keyset pages, ahead of the caller, and proves as it goes that keys are neither NULL nor repeated: with
 * either, keyset paging would lose rows without a word. Rows are passed on in parts of a page while the rest of it is still
 * coming: what lives for a moment only costs the garbage collector next to nothing.
 *
 * A page begins with the last key of the page before, and what was seen there is dropped. So it is the server that says
 * which keys are equal (case, accents, trailing spaces: its collation knows, nobody else), and of keys that it holds
 * equal none is lost where a page ends between them.
 */
import { SyncError } from './errors.ts';
import { createHandover, type Handover } from './handover.ts';
import { keyReader } from './key.ts';
import type { Column, PageFilter, Row, RowShape, Source } from './ports.ts';

/** What readPages needs to know of the entity. */
export interface PageOptions {
  readonly entity: string;
  readonly columns: readonly Column[];
  /** The key's columns, as indexes into `columns`. */
  readonly keyIndexes: readonly number[];
  /** What is read next, asked when the read of a page begins. */
  readonly next: () => PageSize;
  /** Whether the row of this key is of no interest: it is counted, and left out. */
  readonly leavesOut?: ((key: string) => boolean) | undefined;
  /** Only rows that may have changed. */
  readonly since?: PageFilter['since'];
  /** Cancels the read under way. */
  readonly signal: AbortSignal;
}

/** How much is read by one statement, and passed on at once. */
export interface PageSize {
  readonly shape: RowShape;
  readonly pageRows: number;
  /** Absent: the page as a whole. */
  readonly partRows?: number;
}

/** A row with its key as the ledger writes it. */
export interface KeyedRow {
  readonly key: string;
  /** In the shape of its page. */
  readonly row: Row;
}

/** Rows in key order: a page, or a part of one. */
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
 * Yields the source's rows in key order. While the caller works on a part, the next ones are read, up to the end of their page.
 *
 * Throws SyncError SOURCE_KEY_INVALID at a NULL, repeated or falling key, and what the source throws.
 */
export async function* readPages(source: Source, options: PageOptions): AsyncGenerator<KeyedPage> {
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  const parts = createHandover<KeyedPage>();
  const reading = readAll(source, options, signal, parts).then(parts.end, parts.fail);
  try {
    for (let part = await parts.take(); part !== undefined; part = await parts.take()) yield part;
  } finally {
    stopped.abort();
    parts.stop();
    await reading;
  }
}

async function readAll(
  source: Source,
  options: PageOptions,
  signal: AbortSignal,
  parts: Handover<KeyedPage>,
): Promise<void> {
  const { keyIndexes, since } = options;
  let border: Border | undefined;
  let isWhole = true;
  let isComplete = false;
  while (!isComplete) {
    await parts.taken();
    signal.throwIfAborted();
    const { shape, pageRows, partRows = pageRows } = options.next();
    const from = border && keyCells(border.row, border.shape, keyIndexes);
    const limit = from === undefined ? pageRows : pageRows + 1;
    const filter = { shape, ...(since && { since }) };
    const page = createExamination(shape, border, options);
    let count = 0;
    let failure: unknown;
    const take = (row: Row): void => {
      if (failure !== undefined) return;
      count += 1;
      try {
        if (page.see(row) >= partRows) parts.put(page.part());
      } catch (error) {
        failure = error;
      }
    };
    // A page that broke off is gone on with in the way that is tried again.
    if (isWhole) isWhole = await source.eachRow(from, limit, signal, filter, take);
    else {
      isWhole = true;
      for (const row of await source.page(from, limit, signal, filter)) take(row);
    }
    if (failure !== undefined) throw failure;
    isComplete = isWhole && count < limit;
    border = page.end(isWhole, count === limit);
    const rest = page.part();
    if (rest.rows.length + rest.leftOut > 0) parts.put(rest);
  }
}

/** Where a page ends, and the next begins. */
interface Border {
  readonly shape: RowShape;
  readonly row: Row;
  readonly key: string;
  readonly texts: ReadonlySet<string> | undefined;
}

/** Looks at a page's rows as they come, without those that were in the page before. */
interface Examination {
  /** Throws SOURCE_KEY_INVALID. Returns how many rows the part has, those that are left out with them. */
  see(row: Row): number;
  /** The rows since the last part. */
  part(): KeyedPage;
  /**
   * `isWhole`: it did not break off; `isFull`: there may be more rows. Undefined where no row was seen yet, on any page.
   */
  end(isWhole: boolean, isFull: boolean): Border | undefined;
}

function createExamination(shape: RowShape, before: Border | undefined, options: PageOptions): Examination {
  const { entity, keyIndexes, leavesOut } = options;
  const keyColumns = keyIndexes.map((index) => options.columns[index] as Column);
  const keyOf = keyReader(keyColumns, shape === 'key' ? keyColumns.map((_, index) => index) : keyIndexes);
  const hasKnownOrder = keyColumns.some(({ kind }) => kind !== 'text' && kind !== 'guid');
  const hasText = keyColumns.some(({ kind }) => kind === 'text');
  const repeats = hasText ? repeatsOfTexts(before?.texts) : repeatsInOrder(before?.key);
  let rows: KeyedRow[] = [];
  let leftOut = 0;
  let seen = 0;
  let last: Row | undefined;
  let lastKey = before?.key;
  let lastCells = before && keyCells(before.row, before.shape, keyIndexes);
  return {
    see(row) {
      seen += 1;
      const key = keyOf(row);
      if (key === undefined) throw invalidKey(entity, keyColumns, 'is NULL in a row', lastKey);
      const place = repeats.see(key);
      if (place === 'twice') throw invalidKey(entity, keyColumns, 'repeats', lastKey);
      if (place === 'pageBefore') return rows.length + leftOut;
      if (hasKnownOrder) {
        const cells = keyCells(row, shape, keyIndexes);
        if (lastCells && falls(lastCells, cells, keyColumns)) throw invalidKey(entity, keyColumns, 'falls', lastKey);
        lastCells = cells;
      }
      last = row;
      lastKey = key;
      if (leavesOut?.(key)) leftOut += 1;
      else rows.push({ key, row });
      return rows.length + leftOut;
    },
    part() {
      const part = { shape, rows, leftOut };
      rows = [];
      leftOut = 0;
      return part;
    },
    end(isWhole, isFull) {
      if (isFull && last === undefined) {
        throw invalidKey(entity, keyColumns, `has more than ${seen - 1} values that the server holds equal`, lastKey);
      }
      const row = last ?? before?.row;
      if (row === undefined) return undefined;
      const shapeOfRow = last === undefined ? (before as Border).shape : shape;
      // Of those that the server holds equal to its first, one that broke off may not have come to all that were there before.
      const texts = isWhole ? repeats.texts : repeats.texts?.union(before?.texts ?? new Set<string>());
      return { shape: shapeOfRow, row, key: lastKey as string, texts };
    },
  };
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
