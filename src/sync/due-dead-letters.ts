/** Tries the dead letters again that are due: their rows are looked up by key, whichever rows the run has read. */

import { sameHash } from './hash.ts';
import { type Intake, keyed } from './intake.ts';
import { parseKey } from './key.ts';
import type { Column, Ledger, ReadOnlyLedger, Row, Source, StopCause } from './ports.ts';
import { DELETION_HASH } from './ports.ts';

/** Keys looked up at a time. */
const PAGE_KEYS = 1000;

/** What it works with. */
export interface DueOptions {
  readonly source: Pick<Source, 'lookup'>;
  readonly ledger: ReadOnlyLedger;
  /** Absent in a dry run. */
  readonly writes?: Ledger | undefined;
  readonly columns: readonly Column[];
  readonly keyIndexes: readonly number[];
  /** Takes the rows; its `areDue` is true. */
  readonly intake: Intake;
  /** Called before the first rows are taken: what has been read before must be settled, for they may be the same. */
  readonly settleOthers: () => Promise<void>;
  readonly stopCause: () => StopCause | undefined;
  readonly abort: AbortSignal;
}

/** Dead letters whose rows are gone end, but for those of deletions. */
export async function sendDueDeadLetters(options: DueOptions): Promise<void> {
  const { source, ledger, writes, columns, keyIndexes, intake } = options;
  const keyColumns = keyIndexes.map((index) => columns[index] as Column);
  let keys = await ledger.dueDeadLetters(undefined, PAGE_KEYS);
  if (keys.length > 0) await options.settleOthers();
  while (keys.length > 0 && options.stopCause() === undefined) {
    const wanted = keys.flatMap((key) => {
      const cells = parseKey(key, keyColumns);
      return cells === undefined ? [] : [{ key, cells }];
    });
    const rows = keyed(await lookUp(wanted), wanted, columns, keyIndexes);
    const found = new Set(rows.map(({ key }) => key));
    const gone = wanted.map(({ key }) => key).filter((key) => !found.has(key));
    await writes?.dropDeadLetters(await upsertsOf(ledger, gone));
    if (rows.length > 0) await intake.take({ shape: 'row', rows, leftOut: 0 });
    keys = await ledger.dueDeadLetters(keys.at(-1), PAGE_KEYS);
  }

  async function lookUp(wanted: readonly { readonly cells: Row }[]) {
    if (wanted.length === 0) return [];
    return source.lookup(
      wanted.map(({ cells }) => cells),
      'row',
      options.abort,
    );
  }
}

/** Those of the dead letters that are of rows to be sent. */
async function upsertsOf(ledger: ReadOnlyLedger, keys: readonly string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  const letters = await ledger.findDeadLetters(keys);
  return letters.filter(({ hash }) => !sameHash(hash, DELETION_HASH)).map(({ index }) => keys[index] as string);
}
