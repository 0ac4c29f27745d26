/** Keys as the text that the ledger holds. */
import { textOf, type Value } from './cell-json.ts';
import type { Cell, Column, Row } from './ports.ts';

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
  return keyReader(
    columns,
    columns.map((_, index) => index),
  )(cells);
}

/** keyText of row after row, whose key's cells stand at these places, in the key's order. */
export function keyReader(columns: readonly Column[], places: readonly number[]): (row: Row) => string | undefined {
  const texts = columns.map(({ kind }) => textOf(kind));
  const [text] = texts;
  const [place] = places;
  if (text !== undefined && place !== undefined && texts.length === 1) {
    return (row) => {
      const cell = row[place] ?? null;
      return cell === null ? undefined : text(cell);
    };
  }
  return (row) => {
    const parts: string[] = [];
    for (let index = 0; index < texts.length; index++) {
      const cell = row[places[index] as number] ?? null;
      if (cell === null) return undefined;
      parts.push((texts[index] as (value: Value) => string)(cell));
    }
    return joinKey(parts);
  };
}

/** The text of a key whose columns have these texts, in the key's order. */
export function joinKey(texts: readonly string[]): string {
  return texts.length === 1 ? (texts[0] as string) : texts.map((text) => text.replace(/[\\|]/g, '\\$&')).join('|');
}

/**
 * The cells of a key's text, in the order of the key's columns; undefined where the text is no key of these columns (another
 * type, too large, not as keyText writes it). A GUID may be in upper case.
 */
export function parseKey(text: string, columns: readonly Column[]): Row | undefined {
  const parts = columns.length === 1 ? [text] : splitKey(text);
  if (parts.length !== columns.length) return undefined;
  const cells = columns.map((column, index) => parseCell(parts[index] as string, column));
  if (cells.includes(undefined)) return undefined;
  // Text alone has two cases.
  const written = columns.some(({ kind }) => kind === 'text') ? text : text.toLowerCase();
  return keyText(cells as Row, columns) === written ? (cells as Row) : undefined;
}

function splitKey(text: string): string[] {
  const parts = [''];
  for (const [token] of text.matchAll(/\\[\\|]|./gsu)) {
    if (token === '|') parts.push('');
    else parts[parts.length - 1] += token.length === 2 && token.startsWith('\\') ? token.slice(1) : token;
  }
  return parts;
}

const INTEGERS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  tinyint: [0n, 255n],
  smallint: [-(2n ** 15n), 2n ** 15n - 1n],
  int: [-(2n ** 31n), 2n ** 31n - 1n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Undefined where a column of this type cannot hold the text. */
function parseCell(text: string, { kind, sqlType }: Column): Cell | undefined {
  switch (kind) {
    case 'integer':
    case 'bigint': {
      if (!/^-?\d{1,19}$/.test(text)) return undefined;
      const [least, most] = INTEGERS[sqlType] ?? [0n, -1n];
      const value = BigInt(text);
      if (value < least || value > most) return undefined;
      return kind === 'bigint' ? text : Number(text);
    }
    case 'guid':
      return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text) ? text.toLowerCase() : undefined;
    case 'date': {
      const date = new Date(`${text}T00:00:00Z`);
      return /^\d{4}-\d\d-\d\d$/.test(text) && date.getUTCFullYear() > 0 ? date : undefined;
    }
    case 'text':
      return text.length <= Number(/\((\d+)\)/.exec(sqlType)?.[1] ?? 0) ? text : undefined;
    default:
      return undefined;
  }
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
