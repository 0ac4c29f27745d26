/** `tamhr-sync run`: wires configuration, SQL Server, HTTP and log around sync/run.ts, and prints its summary. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import type { Entity } from '../sync/entity.ts';
import { columnsOf } from '../sync/map.ts';
import type { RunObserver, RunSummary } from '../sync/ports.ts';
import { VERSION } from '../version.ts';
import type { CommandContext } from './context.ts';
import { entityOption, selectEntities } from './entities.ts';
import { watchSignals } from './signals.ts';

interface RunCommandOptions {
  readonly entity?: readonly string[];
  readonly dryRun?: true;
  readonly limit?: number;
  readonly batchSize?: number;
  readonly json?: true;
  readonly quiet?: true;
  readonly verbose?: true;
  readonly progress: boolean;
}

/** Adds the command to the program. */
export function register(program: Command, context: CommandContext): void {
  program
    .command('run')
    .description('send what the receiver does not have yet, each entity in the configured order')
    .addOption(entityOption('sync only this entity (repeat for several)'))
    .option('--dry-run', 'read and count, but send and store nothing')
    .option('--limit <rows>', 'send at most this many rows of each entity', positiveInteger)
    .option('--batch-size <rows>', "rows per request, instead of the configuration's batchSize", positiveInteger)
    .option('--json', 'print the summary as one JSON document')
    .addOption(new Option('--quiet', 'log warnings and errors only').conflicts('verbose'))
    .option('--verbose', 'log each page that is read, too')
    .option('--no-progress', 'no progress bars on a terminal')
    .action(async (options: RunCommandOptions) => {
      const summary = await runConfigured(context, await context.loadConfig(), options);
      const { summaryText } = await import('../report/summary.ts');
      const { stdout } = context.io;
      stdout.write(options.json ? `${JSON.stringify(summary, null, 2)}\n` : summaryText(summary, stdout.columns));
      context.exit(summary.exitCode);
    });
}

async function runConfigured(context: CommandContext, config: Config, options: RunCommandOptions): Promise<RunSummary> {
  const entities = selectEntities(config, options.entity).map((entity) => overridden(entity, options));
  const { run } = await import('../sync/run.ts');
  const { createDestination } = await import('../http/destination.ts');
  const { openSqlServer } = await import('../sqlserver/open.ts');
  const { log, observer, close } = await openOutput(context, config, options);
  const server = openSqlServer(config.connections, config.logConnection);
  const signals = watchSignals(context.io.signals, (signal) => {
    log.warn(`${signal}: finishing what is in flight; a second one cuts it off`);
  });
  try {
    return await run(
      {
        runId: randomUUID(),
        host: hostname(),
        processId: process.pid,
        version: VERSION,
        arguments: commandLine(options),
      },
      entities,
      {
        logDatabase: server.logDatabase,
        source: (entity) => server.source(entity, entity.source.columns ?? columnsOf(entity.map)),
        destination: (entity) =>
          createDestination(entity.destination, { version: VERSION, redact: context.redactor.redact }),
        observer,
      },
      {
        dryRun: options.dryRun === true,
        countRows: observer.showsTotals,
        stop: signals.stop,
        abort: signals.abort,
        ...(options.limit !== undefined && { limit: options.limit }),
      },
    );
  } finally {
    signals.dispose();
    await server.close();
    await close();
  }
}

interface Output {
  readonly log: Log;
  readonly observer: RunObserver & { readonly showsTotals: boolean };
  close(): Promise<void>;
}

/** The log, and what shows a run as it goes: progress bars on a terminal, a line per batch elsewhere. */
async function openOutput(
  { io, redactor }: CommandContext,
  config: Config,
  options: RunCommandOptions,
): Promise<Output> {
  const { createLog } = await import('../log/log.ts');
  const { createLogObserver } = await import('../report/log-observer.ts');
  const progress =
    io.stderr.isTTY && options.progress && !options.quiet
      ? (await import('../report/progress.ts')).createProgress(io.stderr)
      : undefined;
  const { format, file } = config.logging;
  const level = options.quiet ? 'warn' : options.verbose ? 'debug' : config.logging.level;
  const log = createLog({
    level,
    // The bars say what the batches' lines would.
    ...(progress && level === 'info' && { stderrLevel: 'warn' }),
    format,
    stderr: { write: (text) => (progress ? progress.print(text) : io.stderr.write(text)) },
    redactor,
    ...(file !== undefined && { file }),
  });
  const lines = createLogObserver(log);
  return {
    log,
    observer: { ...(progress ? both(progress.observer, lines) : lines), showsTotals: progress !== undefined },
    async close() {
      progress?.close();
      await log.close();
    },
  };
}

function overridden(entity: Entity, { batchSize }: RunCommandOptions): Entity {
  if (batchSize === undefined) return entity;
  return { ...entity, destination: { ...entity.destination, batchSize } };
}

/** What TB_R_SYNC_RUN keeps as Arguments. */
function commandLine(options: RunCommandOptions): string {
  return [
    'run',
    ...(options.entity ?? []).map((name) => `--entity ${name}`),
    ...(options.limit === undefined ? [] : [`--limit ${options.limit}`]),
    ...(options.batchSize === undefined ? [] : [`--batch-size ${options.batchSize}`]),
  ].join(' ');
}

function both(first: RunObserver, second: RunObserver): RunObserver {
  const forwarded: Record<keyof RunObserver, true> = {
    entityStarted: true,
    pageRead: true,
    batchEnded: true,
    entityEnded: true,
    warning: true,
    runWarning: true,
  };
  const events = Object.keys(forwarded) as (keyof RunObserver)[];
  const tell =
    (event: keyof RunObserver) =>
    (...details: never[]) => {
      for (const observer of [first, second])
        (observer[event] as ((...details: never[]) => void) | undefined)?.(...details);
    };
  return Object.fromEntries(events.map((event) => [event, tell(event)]));
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('Expected a whole number from 1 on.');
  }
  return value;
}
