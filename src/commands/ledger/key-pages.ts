/** The keys of a file, or of the command line, a page at a time. */
import { LEDGER_PAGE_ROWS } from '../../sync/ledger-source.ts';
import type { FileKey } from './key-file.ts';

/** Pages of the keys that are this entity's, or whose line names none. */
export async function* keyPages(keys: AsyncIterable<FileKey>, entity: string): AsyncGenerator<string[]> {
  let page: string[] = [];
  for await (const { key, entity: named } of keys) {
    if (named !== undefined && named !== entity) continue;
    page.push(key);
    if (page.length < LEDGER_PAGE_ROWS) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
