/** The commander program: global options, commands, and the one place where an error becomes a message and an exit code. */
import { Command, CommanderError } from 'commander';
import type { CommandContext, Io, TextStream } from './commands/context.ts';
import { ledgerExitCodes } from './commands/ledger/exit-codes.ts';
import type { Config } from './config/config.ts';
import { createRedactor, type Redactor } from './log/redact.ts';
import { painter, wantsColour } from './report/colour.ts';
import { SyncError } from './sync/errors.ts';
import { EXIT_CODES, exitCodeOfError } from './sync/exit-codes.ts';
import { versionLine } from './version.js';

/** The module of each command, in the order of the help. */
const COMMANDS = {
  init: () => import('./commands/init.ts'),
  run: () => import('./commands/run.ts'),
  plan: () => import('./commands/plan.ts'),
  status: () => import('./commands/status.ts'),
  check: () => import('./commands/check.ts'),
  runs: () => import('./commands/runs.ts'),
  logs: () => import('./commands/logs.ts'),
  failures: () => import('./commands/failures.ts'),
  ledger: () => import('./commands/ledger.ts'),
  config: () => import('./commands/config.ts'),
  migrate: () => import('./commands/migrate.ts'),
  schedule: () => import('./commands/schedule.ts'),
  completion: () => import('./commands/completion.ts'),
  help: () => import('./commands/help.ts'),
};

/**
 * Runs one command line (without node and script) and returns the exit code; never calls exit, never throws.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const redactor = createRedactor();
  const stdout = watched(redacting(io.stdout, redactor));
  const stderr = redacting(io.stderr, redactor);
  let exitCode = 0;
  let config: Promise<Config> | undefined;
  const program = new Command('tamhr-sync');
  const context: CommandContext = {
    io: { ...io, stdout, stderr },
    redactor,
    exit: (code) => {
      exitCode = code;
    },
    loadConfig: (warn = true) => {
      config ??= loadConfig(program.opts(), io, redactor, warn ? stderr : undefined);
      return config;
    },
  };
  program
    .description(
      'Sends what a receiver does not have yet from SQL Server tables to HTTP APIs, in batches, each row once.',
    )
    .option('-V, --version', 'print the versions of tamhr-sync, Node.js and its main libraries')
    .on('option:version', () => {
      stdout.write(`${versionLine()}\n`);
      throw new CommanderError(0, 'commander.version', 'printed');
    })
    .option('--config <file>', 'configuration file (default: sync.config.json, .yaml or .yml in the working directory)')
    .option(
      '--secrets <file>',
      'file of NAME=value lines for the ${env:NAME} references (default: .env beside the configuration)',
    )
    .addHelpText('after', '\nMore: tamhr-sync help topics')
    .addHelpText('afterAll', ({ command }) => exitCodeLines(command, helpWidth(io.stdout)))
    // Commander takes the style away where getOutHasColors says so.
    .configureHelp({ showGlobalOptions: true, styleTitle: bold, minWidthToWrap: 20 })
    .showHelpAfterError('(add --help for the usage)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => helpWidth(io.stdout),
      getErrHelpWidth: () => helpWidth(io.stderr),
      getOutHasColors: () => wantsColour(io.stdout, io.env),
      getErrHasColors: () => wantsColour(io.stderr, io.env),
    });
  try {
    for (const { register } of await modulesFor(argv)) register(program, context);
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    exitCode = report(error, stderr);
  }
  const failure = await stdout.failure();
  if (failure === undefined) return exitCode;
  const code = await reportOutput(failure, stderr);
  return exitCode === 0 ? code : exitCode;
}

/**
 * Where the command line begins with a command its module alone, since loading all is much of the time until it does anything;
 * all where it begins with an option, with nothing that is known, or with `help`, which prints the help of others.
 */
function modulesFor([first = '']: readonly string[]) {
  const isAlone = Object.hasOwn(COMMANDS, first) && first !== 'help';
  const loads = isAlone ? [COMMANDS[first as keyof typeof COMMANDS]] : Object.values(COMMANDS);
  return Promise.all(loads.map((load) => load()));
}

async function loadConfig(
  options: { config?: string; secrets?: string },
  io: Io,
  redactor: Redactor,
  stderr: TextStream | undefined,
): Promise<Config> {
  const { loadConfig } = await import('./config/config.ts');
  const config = await loadConfig({
    cwd: io.cwd,
    env: io.env,
    ...(options.config !== undefined && { file: options.config }),
    ...(options.secrets !== undefined && { secretsFile: options.secrets }),
  });
  redactor.add(config.secrets);
  for (const warning of config.warnings) stderr?.write(`warning: ${warning}\n`);
  return config;
}

function report(error: unknown, stderr: TextStream): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
  if (error instanceof SyncError) {
    stderr.write(`error: ${error.message}\n${error.hint}\n`);
    return exitCodeOfError(error.code);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  stderr.write(`error: unexpected (a bug in tamhr-sync; please report it): ${text}\n`);
  return 70;
}

/** What was written went nowhere; that nobody reads any more is no failure. */
async function reportOutput(failure: Error, stderr: TextStream): Promise<number> {
  const { isUnread, outputFailed } = await import('./commands/output.ts');
  return isUnread(failure) ? 0 : report(outputFailed('stdout', failure), stderr);
}

function redacting(stream: TextStream, redactor: Redactor): TextStream {
  return {
    isTTY: stream.isTTY,
    // Read at each use: a terminal changes its size.
    get columns() {
      return stream.columns;
    },
    write: (text, written) => stream.write(redactor.redact(text), written),
  };
}

/** Notes the first failure of what is written by callers who do not ask; `failure` resolves with it once that is written. */
function watched(stream: TextStream): TextStream & { failure(): Promise<Error | undefined> } {
  let failure: Error | undefined;
  let written = Promise.resolve();
  return {
    isTTY: stream.isTTY,
    get columns() {
      return stream.columns;
    },
    write(text, callback) {
      if (callback !== undefined) return stream.write(text, callback);
      const { promise, resolve } = Promise.withResolvers<void>();
      stream.write(text, (error) => {
        failure ??= error ?? undefined;
        resolve();
      });
      written = promise;
    },
    async failure() {
      await written;
      return failure;
    },
  };
}

/** The terminal's width, or 80. */
function helpWidth({ isTTY, columns }: TextStream): number {
  return (isTTY && columns) || 80;
}

function bold(title: string): string {
  return painter(true)('bold', title);
}

function exitCodeLines(command: Command, width: number): string {
  const help = command.createHelp();
  help.prepareContext({ helpWidth: width });
  const lines = Object.entries(ledgerExitCodes(command) ?? EXIT_CODES).map(([code, meaning]) =>
    help.formatItem(code.padStart(3), 3, meaning, help),
  );
  return `\n${bold('Exit codes:')}\n${lines.join('\n')}`;
}
