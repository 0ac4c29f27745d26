/** The keys of a file, a page at a time. */
import { LEDGER_PAGE_ROWS } from '../../sync/ledger-source.ts';
import type { FileKey } from './key-file.ts';

/** Keys of a file, by whose they are. */
export interface KeyCounts {
  /** Of the entities asked for. */
  own: number;
  /** Of others, as their lines say. */
  others: number;
}

/** The keys that are of these entities, or whose line names none; counted as they are met. */
export async function* ownKeys(
  keys: AsyncIterable<FileKey>,
  entities: readonly string[],
  counts: KeyCounts,
): AsyncGenerator<FileKey> {
  for await (const key of keys) {
    const isOwn = key.entity === undefined || entities.includes(key.entity);
    counts[isOwn ? 'own' : 'others'] += 1;
    if (isOwn) yield key;
  }
}

/** Pages of keys. */
export async function* keyPages(keys: AsyncIterable<FileKey>): AsyncGenerator<string[]> {
  let page: string[] = [];
  for await (const { key } of keys) {
    page.push(key);
    if (page.length < LEDGER_PAGE_ROWS) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** That a file holds keys of other entities alone, as a sentence for stderr; empty where it does not. */
export function othersAlone(file: string, entities: readonly string[], { own, others }: KeyCounts): string[] {
  if (own > 0 || others === 0) return [];
  const name = file === '-' ? 'Standard input' : file;
  return [
    `${name}: no key in it is of ${entities.join(' or ')}: its ${others === 1 ? 'line is' : `${others} lines are`} of other entities.`,
  ];
}
