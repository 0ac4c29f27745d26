/** Keys as the text that the ledger holds. */
import { textOf } from './cell-json.ts';
import type { Column, Row } from './ports.ts';

/** Longest key text that the ledger's EntityId, nvarchar(255), takes, in UTF-16 units. */
export const LEDGER_KEY_LENGTH = 255;

/**
 * A key as the ledger holds it: GUIDs in lower case, integers in decimal, dates as yyyy-MM-dd, text as it is. Several
 * columns are joined by `|`, with `\` before each `|` and `\` inside a value, so that no two keys have one text; a key of
 * one column is not escaped. Undefined where a cell is NULL.
 *
 * `cells` and `columns` are the key's alone, in the key's order.
 */
export function keyText(cells: Row, columns: readonly Column[]): string | undefined {
  const texts: string[] = [];
  for (const [index, column] of columns.entries()) {
    const cell = cells[index] ?? null;
    if (cell === null) return undefined;
    texts.push(textOf(column.kind)(cell));
  }
  return texts.length === 1 ? texts[0] : texts.map((text) => text.replace(/[\\|]/g, '\\$&')).join('|');
}

/**
 * What keys have in common that a case-insensitive, accent-sensitive collation may hold equal: SQL Server's default ones
 * ignore case, trailing spaces, the width of a character and hiragana against katakana
 * (https://learn.microsoft.com/sql/relational-databases/collations/collation-and-unicode-support). Folds rather too much
 * than too little; only for asking whether two keys might collide.
 */
export function foldKey(key: string): string {
  return key
    .normalize('NFKC')
    .replace(/[ぁ-ゖ]/g, (kana) => String.fromCharCode(kana.charCodeAt(0) + 0x60))
    .toLowerCase()
    .replace(/ +(?=\||$)/g, '');
}
