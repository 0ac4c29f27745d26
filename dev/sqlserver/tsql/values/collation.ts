/**
 * Text comparison like SQL Server's default collations: case-insensitive or -sensitive, accent-sensitive, width- and
 * kana-insensitive, trailing spaces ignored. fold() turns a text into a key that SQLite can compare byte by byte: first all
 * base letters, then the accents, then (case-sensitive only) the case. Not modelled: the word sort of hyphen and apostrophe.
 */
import { sqlError } from '../errors.ts';

/** How text compares: case-insensitive, case-sensitive, or by code points. */
export type Collation = 'ci' | 'cs' | 'bin';

/** The collation of server and databases, and of every column that names no other. */
export const defaultCollation = 'SQL_Latin1_General_CP1_CI_AS';

/** Which comparison a collation name stands for. Throws 448 for a name that the stand-in does not know. */
export function collationOf(name: string): Collation {
  if (/^database_default$/i.test(name)) return 'ci';
  if (
    /^(SQL_Latin1_General_CP1|Latin1_General|Latin1_General_100|Japanese|Japanese_XJIS_100)(_CI_AS)(_SC)?(_UTF8)?$/i.test(
      name,
    )
  )
    return 'ci';
  if (/^(SQL_Latin1_General_CP1|Latin1_General|Latin1_General_100)(_CS_AS)(_SC)?(_UTF8)?$/i.test(name)) return 'cs';
  if (/^(Latin1_General|Latin1_General_100|Japanese)_BIN2?$/i.test(name)) return 'bin';
  throw sqlError(448, name);
}

const simple = /^[0-9A-Za-z]*$/;
const ascii = /^[\x20-\x7e]*$/;

// Symbols sort before digits, digits before letters; within the symbols in the order of the Latin1_General tables.
const symbols = ' _-,;:!?.\'"()[]{}@*/\\&#%`^+<=>|~$';
const symbolKey = new Map([...symbols].map((symbol, index) => [symbol, String.fromCharCode(3 + index)]));
const symbolPattern = /[^0-9a-z]/g;

/** The comparison key of a text. Two texts are equal in the collation exactly when their keys are. */
export function fold(text: string, collation: Collation = 'ci'): string {
  const trimmed = trimSpaces(text);
  if (collation === 'bin') return trimmed;
  if (collation === 'cs') return `${fold(trimmed)}\u0002${trimmed.normalize('NFC')}`;
  if (simple.test(trimmed)) return trimmed.toLowerCase();
  if (ascii.test(trimmed))
    return trimmed.toLowerCase().replace(symbolPattern, (symbol) => symbolKey.get(symbol) ?? symbol);
  return foldUnicode(trimmed);
}

/** Without the spaces at its end. */
export function trimSpaces(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--;
  return end === text.length ? text : text.slice(0, end);
}

function foldUnicode(text: string): string {
  let base = '';
  let accents = '';
  let pending = '';
  for (const character of unify(text).normalize('NFD')) {
    if (/\p{M}/u.test(character)) {
      accents += `${pending}${character}`;
      pending = '';
    } else {
      base += symbolKey.get(character) ?? character;
      pending += '\u0002';
    }
  }
  return accents === '' ? base : `${base}\u0001${accents}`;
}

/** One spelling for what differs only in case, width or kana. */
function unify(text: string): string {
  return text
    .replace(/[\uff01-\uffef\u3000]/g, (wide) => wide.normalize('NFKC'))
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/ς/g, 'σ')
    .replace(/[\u30a1-\u30f6]/g, (katakana) => String.fromCharCode(katakana.charCodeAt(0) - 0x60));
}

/**
 * Makes the test of `LIKE pattern ESCAPE character`: %, _, [set], [^set]. LIKE counts trailing spaces of the pattern, unlike =.
 * https://learn.microsoft.com/sql/t-sql/language-elements/like-transact-sql
 */
export function likeMatcher(
  pattern: string,
  escapeText: string | null,
  collation: Collation,
): (text: string) => boolean {
  const normal = (text: string): string => (collation === 'ci' ? unify(text).normalize('NFC') : text.normalize('NFC'));
  const characters = [...normal(pattern)];
  const escapeCharacter = escapeText === null ? undefined : normal(escapeText);
  const quote = (character: string): string => character.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  let source = '';
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] as string;
    if (character === escapeCharacter) {
      i++;
      source += quote(characters[i] ?? character);
    } else if (character === '%') source += '[^]*';
    else if (character === '_') source += '[^]';
    else if (character === '[') {
      const end = characters.indexOf(']', i + (characters[i + 1] === '^' ? 3 : 2));
      if (end < 0) return () => false;
      const negated = characters[i + 1] === '^';
      const inside = characters.slice(i + (negated ? 2 : 1), end);
      const ranges = inside
        .map((member, at) => (member === '-' && at > 0 && at < inside.length - 1 ? '-' : quote(member)))
        .join('');
      source += `[${negated ? '^' : ''}${ranges}]`;
      i = end;
    } else source += quote(character);
  }
  const expression = new RegExp(`^${source}$`, 'u');
  // A fixed text ignores trailing spaces of the value, as the documentation says of char data.
  return (text) => expression.test(normal(text)) || expression.test(normal(trimSpaces(text)));
}
