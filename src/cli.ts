/** The commander program: global options, commands, and the one place where an error becomes a message and an exit code. */
import { Command, CommanderError } from 'commander';
import { register as registerConfig } from './commands/config.ts';
import type { CommandContext, Io, TextStream } from './commands/context.ts';
import { register as registerFailures } from './commands/failures.ts';
import { register as registerInit } from './commands/init.ts';
import { register as registerLedger } from './commands/ledger.ts';
import { register as registerMigrate } from './commands/migrate.ts';
import { register as registerPlan } from './commands/plan.ts';
import { register as registerRun } from './commands/run.ts';
import { register as registerStatus } from './commands/status.ts';
import type { Config } from './config/config.ts';
import { createRedactor, type Redactor } from './log/redact.ts';
import { SyncError } from './sync/errors.ts';
import { EXIT_CODES, exitCodeOfError } from './sync/exit-codes.ts';
import { VERSION } from './version.ts';

/**
 * Runs one command line (without node and script) and returns the exit code; never calls exit, never throws.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const redactor = createRedactor();
  const stdout = redacting(io.stdout, redactor);
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
    loadConfig: () => {
      config ??= loadConfig(program.opts(), io, redactor, stderr);
      return config;
    },
  };
  program
    .description(
      'Sends what a receiver does not have yet from SQL Server tables to HTTP APIs, in batches, each row once.',
    )
    .version(VERSION, '--version', 'print the version')
    .option('--config <file>', 'configuration file (default: sync.config.json, .yaml or .yml in the working directory)')
    .option(
      '--secrets <file>',
      'file of NAME=value lines for the ${env:NAME} references (default: .env beside the configuration)',
    )
    .helpCommand('help [command]', 'show help for a command')

    .addHelpText('afterAll', `\nExit codes:\n${exitCodeLines()}`)
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for the usage)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
  const commands = [
    registerInit,
    registerRun,
    registerPlan,
    registerStatus,
    registerFailures,
    registerLedger,
    registerConfig,
    registerMigrate,
  ];
  for (const register of commands) register(program, context);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, stderr);
  }
}

async function loadConfig(
  options: { config?: string; secrets?: string },
  io: Io,
  redactor: Redactor,
  stderr: TextStream,
): Promise<Config> {
  const { loadConfig } = await import('./config/config.ts');
  const config = await loadConfig({
    cwd: io.cwd,
    env: io.env,
    ...(options.config !== undefined && { file: options.config }),
    ...(options.secrets !== undefined && { secretsFile: options.secrets }),
  });
  redactor.add(config.secrets);
  for (const warning of config.warnings) stderr.write(`warning: ${warning}\n`);
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

function exitCodeLines(): string {
  return Object.entries(EXIT_CODES)
    .map(([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`)
    .join('\n');
}
