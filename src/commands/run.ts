/** `tamhr-sync run`: parses its options, runs (run-wiring.ts), and prints the summary. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CommandContext } from './context.ts';
import { writeOut } from './output.ts';
import { positiveInteger } from './positive-integer.ts';
import { openRunOutput, type RunOutputOptions } from './run-output.ts';
import { addSelectionOptions, type RunRequest, runConfigured } from './run-wiring.ts';

interface RunCommandOptions extends RunRequest, RunOutputOptions {
  readonly json?: true;
}

/** Adds the command to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('run')
    .description('send what the receiver does not have yet, each entity in the configured order');
  addSelectionOptions(command, 'sync')
    .option('--dry-run', 'read and count, but send and store nothing')
    .option('--limit <rows>', 'send at most this many rows of each entity', positiveInteger)
    .option('--deadline <HH:MM>', "start nothing new after this time of day, in the schedule's zone", timeOfDay)
    .addOption(
      new Option('--resolve-only', 'only send batches again whose outcome is unknown').conflicts([
        'dryRun',
        'limit',
        'full',
        'maxDeletePercent',
        'confirmSourceChange',
        'resendUnknown',
      ]),
    )
    .option('--json', 'print the summary as one JSON document')
    .addOption(new Option('--quiet', 'log warnings and errors only').conflicts('verbose'))
    .option('--verbose', 'log each page that is read, too')
    .option('--no-progress', 'no progress bars on a terminal')
    .action(async (options: RunCommandOptions) => {
      const config = await context.loadConfig();
      const { createLogObserver } = await import('../report/log-observer.ts');
      // Before the run: afterwards the package may be another one.
      const report = options.dryRun || config.report === undefined ? undefined : await import('./status-file.ts');
      const openOutput = () => openRunOutput(context, config, options, createLogObserver);
      const summary = await runConfigured(context, config, options, commandLine(options), openOutput);
      const { summaryText } = await import('../report/summary.ts');
      const { stdout, stderr } = context.io;
      const text = options.json ? `${JSON.stringify(summary, null, 2)}\n` : summaryText(summary, stdout.columns);
      context.exit(summary.exitCode);
      // Of a dry run it is the result.
      if (options.dryRun) return stdout.write(text);
      // What was sent is sent: the exit code tells of that.
      const told = writeOut(stdout, text).catch((error: Error) => stderr.write(`warning: ${error.message}\n`));
      await report?.reportAfterRun(context, config);
      await told;
    });
}

/** What TB_R_SYNC_RUN keeps as Arguments. */
function commandLine(options: RunCommandOptions): string {
  return [
    'run',
    ...(options.entity ?? []).map((name) => `--entity ${name}`),
    ...(options.limit === undefined ? [] : [`--limit ${options.limit}`]),
    ...(options.batchSize === undefined ? [] : [`--batch-size ${options.batchSize}`]),
    ...(options.deadline === undefined ? [] : [`--deadline ${options.deadline}`]),
    ...(options.resolveOnly ? ['--resolve-only'] : []),
    ...(options.full ? ['--full'] : []),
    ...(options.maxDeletePercent === undefined ? [] : [`--max-delete-percent ${options.maxDeletePercent}`]),
    ...(options.confirmSourceChange ? ['--confirm-source-change'] : []),
    ...(options.resendUnknown ? ['--resend-unknown'] : []),
  ].join(' ');
}

function timeOfDay(text: string): string {
  if (/^([01]?\d|2[0-3]):[0-5]\d$/.test(text)) return text;
  throw new InvalidArgumentError('Expected a time of day such as 05:30.');
}
