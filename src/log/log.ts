/**
 * The program's log: winston writing to stderr and, when configured, to a rotating file. The only home of winston;
 * import this file lazily.
 */
import { Writable } from 'node:stream';
import winston from 'winston';
import type { Redactor } from './redact.ts';
import { appendRotating, type RotatingFile } from './rotating-file.ts';

/** From the most to the least severe; a level includes those before it. */
type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Facts of an entry for machines: members of its JSON line. The text format leaves them out. */
type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where entries go and in which form. */
export interface LogOptions {
  /** What is less severe is left out. */
  readonly level: LogLevel;
  /** The same for stderr, where it shows less than the file. */
  readonly stderrLevel?: LogLevel;
  /**
   * text  `2026-11-23T03:00:01.234Z info  Users: batch 1 accepted (3000 rows, HTTP 200, 1.5 s)`
   * json  `{"time":"2026-11-23T03:00:01.234Z","level":"info","message":"Users: …","rows":3000}`
   */
  readonly format: 'text' | 'json';
  readonly stderr: { write(text: string): void };
  readonly file?: RotatingFile;
  readonly redactor: Pick<Redactor, 'redact'>;
}

/** One method per level. A message is one sentence for people; none of them throws. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** Returns when every entry is written. Entries after it are lost. */
  close(): Promise<void>;
}

/** Opens the log. A log file that cannot be written costs one warning on stderr, never the run. */
export function createLog({ level, stderrLevel = level, format, stderr, file, redactor }: LogOptions): Log {
  const lineOf = format === 'json' ? jsonLine : textLine;
  const logger = winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((info) => lineOf(redacted(info.entry as Entry, redactor))),
    transports: [transport((line) => stderr.write(line), stderrLevel)],
  });
  if (file !== undefined) logger.add(transport(fileWriter(file, stderr, redactor), level));
  const write =
    (severity: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      const entry: Entry = { time: new Date().toISOString(), level: severity, message, fields };
      logger.log({ level: severity, message, entry });
    };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      logger.once('finish', resolve);
      logger.end();
      await promise;
    },
  };
}

interface Entry {
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

function redacted({ message, fields, ...rest }: Entry, { redact }: LogOptions['redactor']): Entry {
  const redactedFields = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === 'string' ? redact(value) : value,
  ]);
  return { ...rest, message: redact(message), fields: Object.fromEntries(redactedFields) };
}

function jsonLine({ fields, ...head }: Entry): string {
  // Twice: the first gives time, level and message their place, the second keeps a field from replacing them.
  return JSON.stringify({ ...head, ...fields, ...head });
}

function textLine({ time, level, message }: Entry): string {
  return `${time} ${level.padEnd(5)} ${message.replace(/\p{Cc}/gu, escapeControl)}`;
}

/** One entry is one line, and a text from outside cannot steer the terminal. */
function escapeControl(character: string): string {
  if (character === '\n') return '\\n';
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function transport(write: (line: string) => void, level: LogLevel): winston.transport {
  const stream = new Writable({
    decodeStrings: false,
    write(line: string, _encoding, next) {
      write(line);
      next();
    },
  });
  return new winston.transports.Stream({ stream, level, eol: '\n' });
}

/** Appends to the log file; the first failure is told on stderr, every line is tried. */
function fileWriter(
  file: RotatingFile,
  stderr: LogOptions['stderr'],
  { redact }: LogOptions['redactor'],
): (line: string) => void {
  let warned = false;
  return (line) => {
    try {
      appendRotating(file, line);
    } catch (error) {
      if (warned) return;
      warned = true;
      const reason = error instanceof Error ? error.message : String(error);
      stderr.write(redact(`warning: the log file cannot be written: ${reason}\n`));
    }
  };
}
