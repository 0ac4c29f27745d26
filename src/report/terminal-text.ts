/** Text on a terminal: width in columns (East Asian text and emoji take two), cutting, wrapping, tables. */
import stringWidth from 'string-width';
import type { Paint, Style } from './colour.ts';

/** Where the stream is no terminal. */
const DEFAULT_WIDTH = 80;

/** Cells of other columns are cut to this width before one that is copied. */
const SMALLEST_CELL = 7;

/** Narrower terminals get lines of this many columns all the same. */
const SMALLEST_WIDTH = 40;

/** Columns to fill, from what the stream says (some terminals say 0). */
export function widthOf(columns: number | undefined): number {
  return columns ? Math.max(SMALLEST_WIDTH, columns) : DEFAULT_WIDTH;
}

/**
 * Text from outside as one line that cannot steer the terminal: white space and line breaks become one space, other
 * control characters and what turns the direction of text are written out as `\u001b`.
 */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/\s+/gu, ' ')
    .replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, escaped)
    .trim();
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** `text` cut to at most `width` columns, with `…` at its end where something is missing. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  let left = width - stringWidth('…');
  for (const { segment } of graphemes.segment(text)) {
    left -= stringWidth(segment);
    if (left < 0) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Exactly `width` columns: cut or filled with spaces on the given side. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const short = cut(text, width);
  const space = ' '.repeat(Math.max(0, width - stringWidth(short)));
  return align === 'left' ? short + space : space + short;
}

/** Lines of at most `width` columns, broken at spaces where possible; the first begins with `first`, the others with as many spaces. */
export function wrap(text: string, width: number, first = ''): string[] {
  const indent = ' '.repeat(stringWidth(first));
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(' ').flatMap((word) => pieces(word, width - indent.length))) {
    const longer = empty ? line + word : `${line} ${word}`;
    if (!empty && stringWidth(longer) > width) {
      lines.push(line);
      line = indent + word;
    } else line = longer;
    empty = false;
  }
  return [...lines, line];
}

/** A word in pieces that each fit a line. */
function pieces(word: string, width: number): string[] {
  if (stringWidth(word) <= width) return [word];
  const parts: string[] = [];
  let part = '';
  let left = width;
  for (const { segment } of graphemes.segment(word)) {
    const columns = stringWidth(segment);
    if (part !== '' && columns > left) {
      parts.push(part);
      part = '';
      left = width;
    }
    part += segment;
    left -= columns;
  }
  return [...parts, part];
}

/** One column of a table. */
export interface TableColumn {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** May be cut down to this width, the last such column first. */
  readonly min?: number;
  /** May be left out where the table is too wide for the line; 1 goes first. */
  readonly drop?: number;
  /** Is cut below `min` only where nothing else can be: somebody has to copy it. */
  readonly isCopied?: true;
}

/** A cell: its text, and how to paint it. */
export type TableCell = string | { readonly text: string; readonly style: Style };

/**
 * A table of aligned columns, two spaces between them, no line longer than `width`: first the cells of columns with
 * `min` are cut, then columns with `drop` are left out, at last the widest cells are cut, those with `isCopied` last. Cells must
 * be printable.
 */
export function table(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  width: number,
  paint: Paint,
): string[] {
  const natural = columns.map((column, index) =>
    Math.max(stringWidth(column.title), ...rows.map((row) => stringWidth(textOf(row[index] ?? '')))),
  );
  const widths = fitColumns(columns, natural, width);
  const line = (cells: readonly TableCell[], style?: Style): string => {
    const texts = columns.flatMap(({ align }, index) => {
      const columnWidth = widths[index];
      if (columnWidth === undefined) return [];
      const cell = cells[index] ?? '';
      const text = fit(textOf(cell), columnWidth, align);
      const cellStyle = typeof cell === 'string' ? style : cell.style;
      return [cellStyle === undefined ? text : paint(cellStyle, text)];
    });
    return texts.join('  ').trimEnd();
  };
  return [
    line(
      columns.map(({ title }) => title),
      'bold',
    ),
    ...rows.map((row) => line(row)),
  ];
}

/** A width for each column, undefined for those left out. */
function fitColumns(
  columns: readonly TableColumn[],
  natural: readonly (number | undefined)[],
  width: number,
): readonly (number | undefined)[] {
  const widths = [...natural];
  const shown = natural.filter((columnWidth) => columnWidth !== undefined);
  let excess = shown.reduce((sum, columnWidth) => sum + columnWidth + 2, -2) - width;
  const narrow = (index: number, least: number) => {
    const columnWidth = widths[index] ?? 0;
    const cutBy = Math.max(0, Math.min(columnWidth - least, excess));
    if (cutBy > 0) widths[index] = columnWidth - cutBy;
    excess -= cutBy;
  };
  for (const [index, { min }] of [...columns.entries()].reverse()) if (min !== undefined) narrow(index, min);
  if (excess <= 0) return widths;
  const drops = columns.map(({ drop }, index) => (natural[index] === undefined ? undefined : drop));
  const first = Math.min(...drops.filter((drop) => drop !== undefined));
  if (Number.isFinite(first)) return fitColumns(columns, natural.toSpliced(drops.indexOf(first), 1, undefined), width);
  while (excess > 0) {
    const others = widths.map((columnWidth = 0, index) => (columns[index]?.isCopied ? 0 : columnWidth));
    const cuttable = Math.max(...others) > SMALLEST_CELL ? others : widths.map((columnWidth = 0) => columnWidth);
    const widest = Math.max(...cuttable);
    narrow(cuttable.indexOf(widest), widest - 1);
  }
  return widths;
}

function textOf(cell: TableCell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
