/** Splits T-SQL into tokens. Comments and white space vanish; every token keeps its line and its place in the text. */
import { message, sqlError } from './errors.ts';

/** A token and its place. */
export interface Token {
  /**
   * word: an identifier or keyword, `text` as written. quoted: [x] or "x", never a keyword. variable: @x. system: @@x.
   * string: `text` without quotes; `unicode` for N''. number: digits with optional point or exponent. binary: 0x….
   */
  readonly kind: 'word' | 'quoted' | 'variable' | 'system' | 'string' | 'number' | 'binary' | 'symbol' | 'end';
  readonly text: string;
  /** Upper case of a word, the symbol itself, empty for the others: what the parser compares with. */
  readonly key: string;
  readonly unicode?: boolean;
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

const tokenPattern = new RegExp(
  [
    '(?<space>[\\s\\u00a0\\ufeff]+|--[^\\n]*)',
    '(?<comment>/\\*)',
    "(?<string>[nN]?')",
    '(?<bracket>\\[(?:[^\\]]|\\]\\])*\\])',
    '(?<double>")',
    '(?<binary>0[xX][0-9a-fA-F]*)',
    '(?<number>(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)',
    '(?<system>@@[\\p{L}_#$@\\p{N}]+)',
    '(?<variable>@[\\p{L}_#$@\\p{N}]*)',
    '(?<word>[\\p{L}_#][\\p{L}\\p{N}_#$@]*)',
    '(?<symbol><>|<=|>=|!=|!<|!>|\\+=|-=|\\*=|/=|%=|::|[-+*/%&|^~=<>(),.;:$])',
  ].join('|'),
  'uy',
);

/**
 * Splits a batch into tokens, the last one of kind 'end'. With `quotedIdentifier` off, "x" is a string.
 * Throws SqlServerError 102, 105 or 113.
 */
export function tokenize(sql: string, quotedIdentifier = true): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let newline = sql.indexOf('\n');
  while (at < sql.length) {
    tokenPattern.lastIndex = at;
    const match = tokenPattern.exec(sql);
    if (match === null)
      throw message(102, 15, 1, `Incorrect syntax near '${String.fromCodePoint(sql.codePointAt(at) ?? 0)}'.`, line);
    const groups = match.groups as Record<string, string | undefined>;
    const raw = match[0];
    let end = at + raw.length;
    if (groups.comment !== undefined) end = commentEnd(sql, at);
    else if (groups.string !== undefined || groups.double !== undefined) {
      const quote = groups.double === undefined ? "'" : '"';
      end = quoteEnd(sql, end, quote, line);
      const text = sql.slice(at + raw.length, end - 1).replaceAll(quote + quote, quote);
      const kind = groups.double !== undefined && quotedIdentifier ? 'quoted' : 'string';
      tokens.push({ kind, text, key: '', unicode: raw.length === 2, line, start: at, end });
    } else if (groups.bracket !== undefined) {
      tokens.push({ kind: 'quoted', text: raw.slice(1, -1).replaceAll(']]', ']'), key: '', line, start: at, end });
    } else if (groups.space === undefined) {
      const kind =
        (['binary', 'number', 'system', 'variable', 'word', 'symbol'] as const).find(
          (name) => groups[name] !== undefined,
        ) ?? 'symbol';
      tokens.push({
        kind,
        text: raw,
        key: kind === 'word' || kind === 'symbol' ? raw.toUpperCase() : '',
        line,
        start: at,
        end,
      });
    }
    for (; newline >= 0 && newline < end; newline = sql.indexOf('\n', newline + 1)) line++;
    at = end;
  }
  tokens.push({ kind: 'end', text: '', key: '', line, start: at, end: at });
  return tokens;
}

function quoteEnd(sql: string, from: number, quote: string, line: number): number {
  let at = from;
  for (;;) {
    const close = sql.indexOf(quote, at);
    if (close < 0)
      throw message(
        105,
        15,
        1,
        `Unclosed quotation mark after the character string '${sql.slice(from, from + 60)}'.`,
        line,
      );
    if (sql[close + 1] !== quote) return close + 1;
    at = close + 2;
  }
}

function commentEnd(sql: string, from: number): number {
  let depth = 0;
  for (let at = from; at < sql.length; at++) {
    if (sql.startsWith('/*', at)) {
      depth++;
      at++;
    } else if (sql.startsWith('*/', at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  throw sqlError(113);
}
