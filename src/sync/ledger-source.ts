/** An entity's source as the ledger's commands read it: whole rows with their keys, mapped as the map is now. */
import type { Entity } from './entity.ts';
import { keyReader, keyText, parseKey } from './key.ts';
import { compileMap, type Mapped, mapHash } from './map.ts';
import { type KeyedRow, readPages } from './pages.ts';
import type { Column, ReadOnlyLedger, Row, Source } from './ports.ts';

/** Rows of one read, and keys looked up at a time. */
export const LEDGER_PAGE_ROWS = 5000;

/** A source that has been described, with its map. Methods throw SyncError SOURCE_*. */
export interface LedgerSource {
  /** The key's, in its order. */
  readonly keyColumns: readonly Column[];
  /** Whether text is part of the key: two keys may then be one to the ledger. */
  readonly textKey: boolean;
  /** Of the map as it is now. */
  readonly mapHash: Uint8Array;
  /** A row's payload and hash, or why it has none. The time of sending is any: it is no part of the hash. */
  map(row: KeyedRow): Mapped;
  /** All rows, in key order. */
  pages(signal: AbortSignal): AsyncGenerator<readonly KeyedRow[]>;
  /**
   * The rows of each of these keys (a page of them, as text): the one that
   * has just this key, or else those that the server holds equal to it. Empty where there is none, or the text is no key of
   * the source.
   */
  lookup(keys: readonly string[], signal: AbortSignal): Promise<readonly (readonly KeyedRow[])[]>;
}

/** Describes the source and compiles the map. Throws SyncError SOURCE_* and MAP_INVALID. */
export async function openLedgerSource(entity: Entity, source: Source): Promise<LedgerSource> {
  const columns = await source.describe();
  const mapper = compileMap(entity, columns);
  const keyIndexes = entity.source.key.map((key) =>
    columns.findIndex(({ name }) => name.toLowerCase() === key.toLowerCase()),
  );
  const keyColumns = keyIndexes.map((index) => columns[index] as Column);
  const sentAt = new Date();

  const keyOf = keyReader(keyColumns, keyIndexes);
  const keyed = (row: Row): KeyedRow[] => {
    const key = keyOf(row);
    return key === undefined ? [] : [{ key, row }];
  };

  return {
    keyColumns,
    textKey: keyColumns.some(({ kind }) => kind === 'text'),
    mapHash: mapHash(entity, columns),
    map: ({ row }) => mapper.map(row, sentAt),
    async *pages(signal) {
      const next = () => ({ shape: 'row', pageRows: LEDGER_PAGE_ROWS }) as const;
      for await (const { rows } of readPages(source, { entity: entity.name, columns, keyIndexes, next, signal }))
        yield rows;
    },
    async lookup(keys, signal) {
      const wanted = keys.flatMap((text, place) => {
        const cells = readKey(text, keyColumns);
        return cells === undefined ? [] : [{ place, key: keyText(cells, keyColumns), cells }];
      });
      const rowsOf = keys.map((): KeyedRow[] => []);
      const cells = wanted.map((one) => one.cells);
      for (const { index, row } of cells.length === 0 ? [] : await source.lookup(cells, 'row', signal)) {
        rowsOf[wanted[index]?.place ?? -1]?.push(...keyed(row));
      }
      for (const { place, key } of wanted) {
        const exact = rowsOf[place]?.filter((row) => row.key === key) ?? [];
        if (exact.length > 0) rowsOf[place] = exact;
      }
      return rowsOf;
    },
  };
}

/**
 * The cells of a key as a person or another program writes it: where no text is part of it, in either case and with spaces
 * around it. Undefined where no row of the source can have it.
 */
export function readKey(text: string, keyColumns: readonly Column[]): Row | undefined {
  const exact = parseKey(text, keyColumns);
  if (exact !== undefined || keyColumns.some(({ kind }) => kind === 'text')) return exact;
  return parseKey(text.trim().toLowerCase(), keyColumns);
}

/**
 * Whether the next run reads only what has changed since the last comparison, so that it does not meet a row that the ledger
 * has lost. Throws SyncError SOURCE_* and LOG_DATABASE_*.
 */
export async function isIncremental(
  { changes }: Pick<Entity, 'changes'>,
  source: Pick<Source, 'detection'>,
  ledger: Pick<ReadOnlyLedger, 'comparison'>,
): Promise<boolean> {
  if (changes === 'new') return false;
  const { watermark } = await ledger.comparison();
  return watermark !== undefined && (await source.detection()).incremental !== undefined;
}
