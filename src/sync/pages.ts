/**
 * Reads a source by keyset pages, the next one while the caller works on the last, and proves as it goes that keys are
 * neither NULL nor repeated: with either, keyset paging would lose rows without a word.
 *
 * A page begins with the last key of the page before, and what was seen there is dropped. So it is the server that says
 * which keys are equal (case, accents, trailing spaces: its collation knows, nobody else), and of keys that it holds
 * equal none is lost where a page ends between them.
 */
import { SyncError } from './errors.ts';
import { keyText } from './key.ts';
import type { Column, PageFilter, Row, RowShape, Source } from './ports.ts';

/** What readPages needs to know of the entity. */
export interface PageOptions {
  readonly entity: string;
  readonly columns: readonly Column[];
  /** The key's columns, as indexes into `columns`. */
  readonly keyIndexes: readonly number[];
  /** What is read next, asked when the read of a page begins. */
  readonly next: () => { readonly shape: RowShape; readonly pageRows: number };
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
}

/** The key's cells of a row of this shape, in the key's order. `keyIndexes`: the key's columns in a whole row. */
export function keyCells(row: Row, shape: RowShape, keyIndexes: readonly number[]): Row {
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
  let next: Promise<Page> | undefined = readPage(source, undefined, options, signal);
  try {
    while (next !== undefined) {
      const page: Page = await next;
      next = page.isLast ? undefined : readPage(source, page, options, signal);
      // Its failure is met at the next await; until then it must not count as unhandled.
      next?.catch(() => {});
      if (page.rows.length > 0) yield page;
    }
  } finally {
    stopped.abort();
    await next?.catch(() => {});
  }
}

/** `rows`: those that were not in the page before. */
interface Page extends KeyedPage {
  /** The keys of all that was read. */
  readonly keys: ReadonlySet<string>;
  readonly isLast: boolean;
}

async function readPage(
  source: Source,
  before: Page | undefined,
  options: PageOptions,
  signal: AbortSignal,
): Promise<Page> {
  const { entity, keyIndexes, since } = options;
  const { shape, pageRows } = options.next();
  const keyColumns = keyIndexes.map((index) => options.columns[index] as Column);
  const last = before?.rows.at(-1);
  const lastCells = last && before && keyCells(last.row, before.shape, keyIndexes);
  const limit = last === undefined ? pageRows : pageRows + 1;
  const read = await source.page(lastCells, limit, signal, { shape, ...(since && { since }) });

  const keys = new Set<string>();
  const rows: KeyedRow[] = [];
  let nearCells = lastCells;
  for (const row of read) {
    const near = rows.at(-1) ?? last;
    const cells = keyCells(row, shape, keyIndexes);
    const key = keyText(cells, keyColumns);
    if (key === undefined) throw invalidKey(entity, keyColumns, 'is NULL in a row', near);
    if (keys.has(key)) throw invalidKey(entity, keyColumns, 'repeats', near);
    keys.add(key);
    if (before?.keys.has(key)) continue;
    if (nearCells && falls(nearCells, cells, keyColumns)) throw invalidKey(entity, keyColumns, 'falls', near);
    nearCells = cells;
    rows.push({ key, row });
  }
  const isLast = read.length < limit;
  if (!isLast && rows.length === 0) {
    throw invalidKey(entity, keyColumns, `has more than ${pageRows} values that the server holds equal`, last);
  }
  return { shape, rows, keys, isLast };
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

function invalidKey(entity: string, key: readonly Column[], what: string, near: KeyedRow | undefined): SyncError {
  const names = key.map((column) => column.name).join(', ');
  const place = near === undefined ? 'on its first page' : `after ${near.key}`;
  return new SyncError(
    'SOURCE_KEY_INVALID',
    `${entity}: the key (${names}) ${what} ${place}; reading on would lose rows.`,
    `Name columns in source.key that together are unique and never NULL, or leave such rows out with source.where.`,
  );
}
