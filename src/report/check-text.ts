/** `check` for people: a line for each check with its mark, the remedy below it; no line is longer than the terminal is wide. */
import stringWidth from 'string-width';
import type { CheckState } from '../sync/check.ts';
import type { CheckDocument, CheckedItem } from './check-json.ts';
import { painter, type Style } from './colour.ts';
import { formatQuantity } from './format.ts';
import { fit, widthOf, wrap } from './terminal-text.ts';

/** From this width on what was found stands in a column of its own. */
const COLUMN_WIDTH = 100;

/** Longer titles stand before what was found, as on a narrow terminal. */
const LONGEST_TITLE = 32;

/** How the text is to look. */
export interface CheckTextOptions {
  /** The terminal's width, 80 where absent. */
  readonly columns?: number;
  readonly colour: boolean;
  /** Marks of plain ASCII. */
  readonly ascii: boolean;
}

const MARKS: Readonly<Record<CheckState, { unicode: string; ascii: string; style: Style }>> = {
  ok: { unicode: '✓', ascii: 'ok', style: 'green' },
  warning: { unicode: '!', ascii: '!', style: 'yellow' },
  failed: { unicode: '✗', ascii: 'x', style: 'red' },
  skipped: { unicode: '–', ascii: '-', style: 'dim' },
};

/** The whole report, ending with a line break. */
export function checkText({ checks, counts }: CheckDocument, { columns, colour, ascii }: CheckTextOptions): string {
  const width = widthOf(columns);
  const paint = painter(colour);
  const markWidth = ascii ? 2 : 1;
  const indent = ' '.repeat(markWidth + 1);
  const room = width - indent.length;
  const titles = checks.map(({ title }) => stringWidth(title));
  const titleWidth = Math.max(0, ...titles.filter((title) => title <= LONGEST_TITLE));

  const linesOf = ({ state, title, found, remedy }: CheckedItem): string[] => {
    const mark = MARKS[state];
    const isWide = width >= COLUMN_WIDTH && stringWidth(title) <= LONGEST_TITLE;
    const start = isWide ? `${fit(title, titleWidth)}  ` : '';
    const lines = isWide ? wrap(found, room, start) : wrap(`${title}: ${found}`, room);
    const below = remedy === null ? [] : wrap(remedy, room, isWide ? ' '.repeat(stringWidth(start)) : '  ');
    return [
      `${paint(mark.style, fit(ascii ? mark.ascii : mark.unicode, markWidth))} ${lines[0]}`,
      ...lines.slice(1).map((line) => indent + line),
      ...below.map((line) => indent + paint(mark.style, line)),
    ];
  };

  const total = formatQuantity(checks.length, 'check');
  const sum = [
    `${counts.ok} good`,
    formatQuantity(counts.warning, 'warning'),
    `${counts.failed} failed`,
    ...(counts.skipped === 0 ? [] : [`${counts.skipped} not checked`]),
  ];
  const end = wrap(`${total}: ${sum.join(', ')}.`, width);
  return `${[...checks.flatMap(linesOf), '', ...end].join('\n')}\n`;
}

/**
 * Whether a terminal is to get ASCII marks: it is a dumb one, or the locale's character set is not UTF-8
 * (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html#tag_08_02). Windows has no such variables, and Node.js
 * writes to its console in Unicode.
 */
export function wantsAscii(env: Readonly<Record<string, string | undefined>>, platform: NodeJS.Platform): boolean {
  if (env.TERM === 'dumb') return true;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return platform === 'win32' ? false : !/utf-?8/i.test(locale);
}
