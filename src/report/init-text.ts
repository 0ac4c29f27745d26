/** What `init` did, for people: files, what became of the old file, what the tables asked for, and what to do next. */
import stringWidth from 'string-width';
import { fit, printable, widthOf, wrap } from './terminal-text.ts';

/** What `init` did. No secrets. */
export interface InitReport {
  /** As a person reads their paths. */
  readonly files: readonly { readonly name: string; readonly what: string }[];
  /** The old file; absent where none was read. Sentences without a full stop. */
  readonly old?: { readonly name: string; readonly taken: readonly string[]; readonly notTaken: readonly string[] };
  /** Names of the variables that were copied from the environment. */
  readonly fromEnvironment: readonly string[];
  /** What was changed to fit the tables, a sentence each. */
  readonly changes: readonly string[];
  /** What a person must decide or correct, a sentence each. */
  readonly open: readonly string[];
  /** Commands, in order. */
  readonly next: readonly { readonly command: string; readonly what: string }[];
}

/** The report; ends with a line break. `columns`: the terminal's width, 80 where absent. */
export function initText(report: InitReport, columns: number | undefined): string {
  const width = widthOf(columns);
  const { files, old, fromEnvironment, changes, open, next } = report;
  const sections = [
    section(
      'Written:',
      pairs(
        files.map(({ name, what }) => [name, what]),
        width,
      ),
    ),
    section(`Taken from ${old?.name}:`, paragraph(old?.taken ?? [], width)),
    section(`Not taken from ${old?.name}:`, bullets(old?.notTaken ?? [], width)),
    section('Taken from the environment:', paragraph(fromEnvironment, width)),
    section('Changed to fit the tables:', bullets(changes, width)),
    section('For you to look at:', bullets(open, width)),
    section(
      'Next:',
      pairs(
        next.map(({ command, what }) => [command, what]),
        width,
      ),
    ),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [printable(title), ...lines];
}

function bullets(texts: readonly string[], width: number): string[] {
  return texts.flatMap((text) => wrap(printable(text), width, '  - '));
}

function paragraph(texts: readonly string[], width: number): string[] {
  return texts.length === 0 ? [] : wrap(printable(texts.join(', ')), width, '  ');
}

/** Two columns where both have room, else the text below the name. A path or command is never broken: it is copied. */
function pairs(rows: readonly (readonly [name: string, text: string])[], width: number): string[] {
  const shown = rows.map(([name, text]) => [printable(name), printable(text)] as const);
  const longest = Math.max(0, ...shown.map(([name]) => stringWidth(name)));
  if (longest <= width / 2) {
    return shown.flatMap(([name, text]) => wrap(text, width, `  ${fit(name, longest)}  `));
  }
  return shown.flatMap(([name, text]) => [`  ${name}`, ...wrap(text, width, '      ')]);
}
