/** `tamhr-sync logs`: the program's log file, its end or what is appended to it. */
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import type { LogLevel, LogLine } from '../report/log-lines.ts';
import { SyncError } from '../sync/errors.ts';
import type { CommandContext } from './context.ts';
import { writeOut } from './output.ts';
import { positiveInteger } from './positive-integer.ts';
import { watchSignals } from './signals.ts';

/** Lines that are shown, unless --lines says otherwise. */
const LINES_SHOWN = 50;

interface LogsOptions {
  readonly follow?: true;
  readonly lines?: number;
  readonly level?: LogLevel;
  readonly json?: true;
}

/**
 * Adds the command. It ends with 0, also where the reader goes away; with 1 where there is no log file yet, with 78 where
 * none is configured; with --follow it goes on until a signal ends it (130, 143).
 */
export function register(program: Command, context: CommandContext): void {
  program
    .command('logs')
    .description("show the end of the program's log file (logging.file in the configuration), rotated files included")
    .option('--follow', 'go on with what is written to it, until Ctrl-C')
    .option('--lines <number>', `show at most this many lines (default: ${LINES_SHOWN})`, positiveInteger)
    .addOption(
      new Option('--level <level>', 'leave out what is less severe').choices(['error', 'warn', 'info', 'debug']),
    )
    .option('--json', 'print one JSON document a line')
    .action(async (options: LogsOptions) => {
      const config = await context.loadConfig();
      await showLog(context, configuredFile(config), options);
    });
}

type LogFile = NonNullable<Config['logging']['file']>;

function configuredFile({ file, logging }: Config): LogFile {
  if (logging.file !== undefined) return logging.file;
  throw new SyncError(
    'CONFIG_INVALID',
    `${basename(file)} names no log file.`,
    'Add "logging": { "file": "tamhr-sync.log" } to it: runs then write their log there too, besides stderr.',
  );
}

async function showLog(context: CommandContext, file: LogFile, options: LogsOptions): Promise<void> {
  const show = await createShow(context, options);
  try {
    if (options.follow) await followLog(context, file, options, show);
    else await showEnd(context, file, options, show);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new SyncError(
      'LOG_FILE_UNREADABLE',
      `The log file ${file.path} cannot be read: ${(error as NodeJS.ErrnoException).code}.`,
      'Run this as the user that the job runs as, or one that may read the file.',
      { cause: error },
    );
  }
}

/** Prints those of the lines that are wanted; false: nobody reads any more. */
interface Show {
  readonly isWanted: (line: string) => boolean;
  readonly print: (lines: readonly string[]) => Promise<boolean>;
}

async function createShow({ io }: CommandContext, { level = 'debug', json }: LogsOptions): Promise<Show> {
  const { isAtLeast, logLineText, parseLogLine } = await import('../report/log-lines.ts');
  const { wantsColour } = await import('../report/colour.ts');
  const colour = wantsColour(io.stdout, io.env);
  const textOf = (line: LogLine) => (json ? `${JSON.stringify(line)}\n` : logLineText(line, colour));
  return {
    isWanted: (line) => isAtLeast(parseLogLine(line), level),
    async print(lines) {
      const shown = lines.map(parseLogLine).filter((line) => isAtLeast(line, level));
      return shown.length === 0 || writeOut(io.stdout, shown.map(textOf).join(''));
    },
  };
}

async function showEnd({ io, exit }: CommandContext, file: LogFile, { lines = LINES_SHOWN }: LogsOptions, show: Show) {
  const { readEnd } = await import('../log/log-reader.ts');
  const end = await readEnd(file, lines, show.isWanted, true);
  if (end.position !== undefined) await show.print(end.lines);
  else {
    io.stderr.write(`error: ${notYet(file)}`);
    exit(1);
  }
}

async function followLog(
  { io, exit }: CommandContext,
  file: LogFile,
  { lines = LINES_SHOWN }: LogsOptions,
  show: Show,
): Promise<void> {
  const { readEnd, followLines } = await import('../log/log-reader.ts');
  const signals = watchSignals(io.signals, () => {});
  try {
    const end = await readEnd(file, lines, show.isWanted, false);
    if (end.position === undefined) io.stderr.write(notYet(file));
    if (!(await show.print(end.lines))) return;
    for await (const more of followLines(file, end.position, signals.stop)) {
      if (!(await show.print(more))) return;
    }
    exit(signals.stop.reason === 'SIGTERM' ? 143 : 130);
  } finally {
    signals.dispose();
  }
}

function notYet({ path }: LogFile): string {
  return `There is no log file ${path} yet.\nThe first run creates it.\n`;
}
