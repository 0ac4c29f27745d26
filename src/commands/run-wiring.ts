/** Wires configuration, SQL Server and HTTP around sync/run.ts, for `run` and for `plan`, which is a dry run that is told of. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import type { Config } from '../config/config.ts';
import { growYoungSpace, keepHeapSmall } from '../heap.ts';
import type { Entity } from '../sync/entity.ts';
import { columnsOf } from '../sync/map.ts';
import type { RunObserver, RunSummary } from '../sync/ports.ts';
import { VERSION } from '../version.js';
import type { CommandContext } from './context.ts';
import { entityOption, selectEntities } from './entities.ts';
import { positiveInteger } from './positive-integer.ts';
import { openRunNotices } from './run-notices.ts';
import type { RunOutput } from './run-output.ts';
import { watchSignals } from './signals.ts';

/** The options that decide which rows are sent, as both commands have them. */
export interface SelectionOptions {
  readonly entity?: readonly string[];
  readonly batchSize?: number;
  readonly full?: true;
  readonly confirmSourceChange?: true;
  readonly resendUnknown?: true;
  readonly maxDeletePercent?: number;
}

/** What a run is asked for on the command line. */
export interface RunRequest extends SelectionOptions {
  readonly dryRun?: true;
  readonly limit?: number;
  /** HH:MM. */
  readonly deadline?: string;
  readonly resolveOnly?: true;
}

/** Adds the options of SelectionOptions to a command. `verb`: what it does to entities, for the help. */
export function addSelectionOptions(command: Command, verb: string): Command {
  return command
    .addOption(entityOption(`${verb} only this entity (repeat for several)`))
    .option('--batch-size <rows>', "rows per request, instead of the configuration's batchSize", positiveInteger)
    .option('--full', 'compare all rows, whatever the watermark')
    .option(
      '--max-delete-percent <percent>',
      "delete rows up to this part of the tracked ones, instead of the configuration's maxDeletePercent",
      percent,
    )
    .option(
      '--confirm-source-change',
      'let rows be deleted although connection, table, query, where or key of the source have changed',
    )
    .option('--resend-unknown', 'send tracked rows that have no hash, instead of taking their hash');
}

/**
 * Runs the entities that the request names. `commandLine` is what TB_R_SYNC_RUN keeps. Closes what it opens, `output` too.
 * Throws SyncError USAGE, and as run() does.
 */
export async function runConfigured(
  { io, redactor }: CommandContext,
  config: Config,
  request: RunRequest,
  commandLine: string,
  openOutput: () => Promise<RunOutput>,
): Promise<RunSummary> {
  const entities = selectEntities(config, request.entity).map((entity) => overridden(entity, request));
  keepHeapSmall();
  const { run } = await import('../sync/run.ts');
  const { createEntityDestination } = await import('../http/entity-destination.ts');
  const { openSqlServer } = await import('../sqlserver/open.ts');
  const { log, observer, close } = await openOutput();
  const signals = watchSignals(io.signals, (signal) => {
    log.warn(`${signal}: finishing what is in flight; a second one cuts it off`);
  });
  const deadline = await deadlineOf(config, request, new Date());
  const until = deadline !== undefined && { deadline };
  const server = openSqlServer(config.connections, config.logConnection, {
    ...until,
    abort: signals.abort,
    onRepeat: (message) => log.warn(message),
  });
  const runId = randomUUID();
  // A plan and a dry run are looked at by whoever asked for them; a run that only resolves is none of the nightly ones, and its
  // figures would hide theirs.
  const notices =
    request.dryRun === true || request.resolveOnly === true
      ? undefined
      : openRunNotices(config, { runId, log, redact: redactor.redact, signal: signals.abort });
  try {
    const summary = await run(
      {
        runId,
        host: hostname(),
        processId: process.pid,
        version: VERSION,
        arguments: commandLine,
      },
      entities,
      {
        logDatabase: server.logDatabase,
        source: (entity) => server.source(entity, entity.source.columns ?? columnsOf(entity.map)),
        destination: (entity) => createEntityDestination(entity, { version: VERSION, redact: redactor.redact }),
        observer: whenLoaded(observer, growYoungSpace),
      },
      {
        ...until,
        dryRun: request.dryRun === true,
        resolveOnly: request.resolveOnly === true,
        tryBatchSize: request.batchSize !== undefined,
        full: request.full === true,
        confirmSourceChange: request.confirmSourceChange === true,
        resendUnknown: request.resendUnknown === true,
        maxRetries: config.run.maxRetries,
        countRows: observer.showsTotals,
        stop: signals.stop,
        abort: signals.abort,
        ...(request.limit !== undefined && { limit: request.limit }),
      },
    ).finally(() => server.close());
    await notices?.ended(summary);
    return summary;
  } catch (error) {
    await notices?.failed(error);
    throw error;
  } finally {
    signals.dispose();
    await close();
  }
}

/** The same observer; `act` comes before the first rows are read, when the drivers are loaded. */
function whenLoaded(observer: RunObserver, act: () => void): RunObserver {
  return {
    ...observer,
    comparing(...comparison) {
      act();
      observer.comparing?.(...comparison);
    },
  };
}

function overridden(entity: Entity, { batchSize, maxDeletePercent }: SelectionOptions): Entity {
  return {
    ...entity,
    ...(maxDeletePercent !== undefined && { maxDeletePercent }),
    ...(batchSize !== undefined && { destination: { ...entity.destination, batchSize } }),
  };
}

/** `--deadline` or run.maxDurationMinutes, whichever comes first. */
async function deadlineOf({ run, schedule }: Config, { deadline }: RunRequest, now: Date): Promise<Date | undefined> {
  const times: Date[] = [];
  if (run.maxDurationMinutes !== undefined) times.push(new Date(now.getTime() + run.maxDurationMinutes * 60_000));
  if (deadline !== undefined) {
    const { nextTime } = await import('../schedule/time-of-day.ts');
    times.push(nextTime(deadline, schedule?.timeZone ?? 'UTC', now));
  }
  return times.sort((a, b) => a.getTime() - b.getTime())[0];
}

function percent(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value <= 100) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 100.');
}
