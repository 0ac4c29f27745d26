/**
 * Reads a source by keyset pages, the next one while the caller works on the last, and proves as it goes that keys are
 * neither NULL nor repeated: with either, `key > @after` would lose rows without a word.
 */
import { SyncError } from './errors.ts';
import { foldKey, keyText } from './key.ts';
import type { Column, Row, Source } from './ports.ts';

/** What readPages needs to know of the entity. */
export interface PageOptions {
  readonly entity: string;
  readonly columns: readonly Column[];
  /** The key's columns, as indexes into `columns`. */
  readonly keyIndexes: readonly number[];
  readonly pageRows: number;
  /** Cancels the read under way. */
  readonly signal: AbortSignal;
}

/** A row with its key as the ledger writes it. */
export interface KeyedRow {
  readonly key: string;
  readonly row: Row;
}

/**
 * Yields the source's rows in key order, about `pageRows` at a time, at most two pages in memory.
 *
 * Throws SyncError SOURCE_KEY_INVALID at a NULL, repeated or falling key, and what `source.page` throws.
 */
export async function* readPages(source: Source, options: PageOptions): AsyncGenerator<readonly KeyedRow[]> {
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  let next: Promise<Page> | undefined = readPage(source, undefined, options, signal);
  try {
    while (next !== undefined) {
      const page: Page = await next;
      next = page.last && readPage(source, page.last, options, signal);
      // Its failure is met at the next await; until then it must not count as unhandled.
      next?.catch(() => {});
      if (page.rows.length > 0) yield page.rows;
    }
  } finally {
    stopped.abort();
    await next?.catch(() => {});
  }
}

interface Page {
  readonly rows: readonly KeyedRow[];
  /** The last row, where more follow. */
  readonly last: KeyedRow | undefined;
}

/** One row more than the page is read: it shows whether the border would part two keys that the server holds equal. */
async function readPage(
  source: Source,
  after: KeyedRow | undefined,
  options: PageOptions,
  signal: AbortSignal,
): Promise<Page> {
  const { entity, columns, keyIndexes } = options;
  const keyColumns = keyIndexes.map((index) => columns[index] as Column);
  const cellsOf = (row: Row): Row => keyIndexes.map((index) => row[index] ?? null);
  for (let limit = options.pageRows; ; limit *= 2) {
    const read = await source.page(after && cellsOf(after.row), limit + 1, signal);
    let previous = after;
    const rows = read.map((row) => {
      const key = keyText(cellsOf(row), keyColumns);
      if (key === undefined) throw invalidKey(entity, keyColumns, 'is NULL in a row', after);
      const keyed = { key, row };
      if (previous !== undefined && !increases(cellsOf(previous.row), cellsOf(row))) {
        throw invalidKey(entity, keyColumns, previous.key === key ? 'repeats' : 'falls', previous);
      }
      previous = keyed;
      return keyed;
    });
    if (rows.length <= limit) return { rows, last: undefined };
    const [last, extra] = rows.slice(-2) as [KeyedRow, KeyedRow];
    // Keys that differ only in case or trailing spaces may be equal to the server: such neighbours stay in one page.
    if (foldKey(last.key) === foldKey(extra.key)) continue;
    rows.pop();
    return { rows, last };
  }
}

/** Whether `b` comes after `a`, as far as that can be told here: the order of text and GUIDs is the server's alone. */
function increases(a: Row, b: Row): boolean {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (typeof left === 'number' && typeof right === 'number' && left !== right) return left < right;
    if (left instanceof Date && right instanceof Date && +left !== +right) return left < right;
    if (typeof left === 'string' && left !== right) return true;
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
