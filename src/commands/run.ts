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
import { positiveInteger } from './positive-integer.ts';
import { watchSignals } from './signals.ts';

interface RunCommandOptions {
  readonly entity?: readonly string[];
  readonly dryRun?: true;
  readonly limit?: number;
  readonly batchSize?: number;
  /** HH:MM. */
  readonly deadline?: string;
  readonly resolveOnly?: true;
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
    .option('--deadline <HH:MM>', "start nothing new after this time of day, in the schedule's zone", timeOfDay)
    .addOption(
      new Option('--resolve-only', 'only send batches again whose outcome is unknown').conflicts(['dryRun', 'limit']),
    )
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
  const signals = watchSignals(context.io.signals, (signal) => {
    log.warn(`${signal}: finishing what is in flight; a second one cuts it off`);
  });
  const deadline = await deadlineOf(config, options, new Date());
  const until = deadline !== undefined && { deadline };
  const server = openSqlServer(config.connections, config.logConnection, {
    ...until,
    abort: signals.abort,
    onRepeat: (message) => log.warn(message),
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
        ...until,
        dryRun: options.dryRun === true,
        resolveOnly: options.resolveOnly === true,
        tryBatchSize: options.batchSize !== undefined,
        maxRetries: config.run.maxRetries,
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

/** `--deadline` or run.maxDurationMinutes, whichever comes first. */
async function deadlineOf(
  { run, schedule }: Config,
  { deadline }: RunCommandOptions,
  now: Date,
): Promise<Date | undefined> {
  const times: Date[] = [];
  if (run.maxDurationMinutes !== undefined) times.push(new Date(now.getTime() + run.maxDurationMinutes * 60_000));
  if (deadline !== undefined) {
    const { nextTime } = await import('../schedule/time-of-day.ts');
    times.push(nextTime(deadline, schedule?.timeZone ?? 'UTC', now));
  }
  return times.sort((a, b) => a.getTime() - b.getTime())[0];
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
  ].join(' ');
}

function both(first: RunObserver, second: RunObserver): RunObserver {
  const forwarded: Record<keyof RunObserver, true> = {
    entityStarted: true,
    pageRead: true,
    retrying: true,
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

function timeOfDay(text: string): string {
  if (/^([01]?\d|2[0-3]):[0-5]\d$/.test(text)) return text;
  throw new InvalidArgumentError('Expected a time of day such as 05:30.');
}
