/** A line of the program's log file, in either of its formats, as `logs` prints it. */
import { painter, type Style } from './colour.ts';
import { printable } from './terminal-text.ts';

/** From the most to the least severe. */
const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;

/** One of them. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** With the schema docs/json/logs.schema.json; an entry of the JSON format has further members. */
export interface LogLine {
  /** ISO 8601 in UTC; null where the line is no entry, such as what something else wrote into the file. */
  readonly time: string | null;
  readonly level: LogLevel | null;
  readonly message: string;
}

/** Reads a line of src/log/log.ts's text or JSON format. */
export function parseLogLine(line: string): LogLine {
  return parseJson(line) ?? parseText(line) ?? { time: null, level: null, message: line };
}

function parseJson(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const entry = JSON.parse(line);
    if (typeof entry.time !== 'string' || typeof entry.message !== 'string') return undefined;
    return isLevel(entry.level) ? entry : undefined;
  } catch {
    return undefined;
  }
}

function parseText(line: string): LogLine | undefined {
  const [, time = '', level, message = ''] = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) ([a-z]+) +(.*)$/s.exec(line) ?? [];
  return isLevel(level) ? { time, level, message } : undefined;
}

function isLevel(text: unknown): text is LogLevel {
  return LOG_LEVELS.some((level) => level === text);
}

/** Whether a line is at least as severe; one that is no entry always is. */
export function isAtLeast({ level }: LogLine, wanted: LogLevel): boolean {
  return level === null || LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(wanted);
}

const STYLES: Readonly<Record<LogLevel, Style | undefined>> = {
  error: 'red',
  warn: 'yellow',
  info: undefined,
  debug: 'dim',
};

/** The line as text, as the text format writes it and without what could steer the terminal; ends with a line break. */
export function logLineText({ time, level, message }: LogLine, colour: boolean): string {
  const text = printable(message);
  if (time === null || level === null) return `${text}\n`;
  const line = `${printable(time)} ${level.padEnd(5)} ${text}`;
  const style = STYLES[level];
  return `${style === undefined ? line : painter(colour)(style, line)}\n`;
}
