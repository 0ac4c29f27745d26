/** A run: the entities in order, each under its lock, whatever becomes of the others; a summary and an exit code at the end. */
import { causeOf } from './batch-steps.ts';
import { type Breaker, createBreaker } from './breaker.ts';
import { createRetryBudget, type RetryBudget } from './delivery.ts';
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import { exitCodeOfRun } from './exit-codes.ts';
import { lockHeld } from './lock-held.ts';
import type {
  Destination,
  EntityLock,
  EntitySummary,
  LockHolder,
  LogDatabase,
  RunObserver,
  RunStart,
  RunSummary,
  Source,
} from './ports.ts';
import { type EntityEnd, type EntityOptions, runEntity } from './run-entity.ts';
import { emptyTally, type Tally } from './tally.ts';

/** The outside of a run. */
export interface RunPorts {
  readonly logDatabase: LogDatabase;
  /** Opens nothing yet: the first call of the source's methods does. */
  source(entity: Entity): Source;
  destination(entity: Entity): Destination;
  readonly observer: RunObserver;
}

/** What `run` was asked to do. */
export interface RunOptions {
  readonly dryRun: boolean;
  /** Rows to send at most, per entity. */
  readonly limit?: number;
  readonly countRows: boolean;
  /** Only send unresolved batches again. */
  readonly resolveOnly: boolean;
  /** Fill batches to batchSize, although the destination called fewer rows too large. */
  readonly tryBatchSize: boolean;
  /** Compare all rows, whatever the watermark. */
  readonly full: boolean;
  /** Missing rows may be deleted, although the source has changed. */
  readonly confirmSourceChange: boolean;
  /** Send tracked rows that have no hash, instead of taking the one that they have now. */
  readonly resendUnknown: boolean;
  /** Attempts beyond a batch's first, over all batches. */
  readonly maxRetries: number;
  /** Start nothing new from then on. */
  readonly deadline?: Date;
  /** Start nothing new once this aborts; its reason is the signal's name. */
  readonly stop: AbortSignal;
  /** Cut off what is in flight. */
  readonly abort: AbortSignal;
}

/**
 * Runs the entities one after the other and returns the summary, exit code included.
 *
 * A failing entity is in the summary and the next one runs. Throws SyncError LOG_DATABASE_* where the run could not be
 * stored as started, and what no one expected (a bug), after storing the run as aborted.
 */
export async function run(
  start: RunStart,
  entities: readonly Entity[],
  ports: RunPorts,
  options: RunOptions,
): Promise<RunSummary> {
  const { logDatabase, observer } = ports;
  const startedAt = new Date();
  const deadline = watchDeadline(options.deadline);
  const shared: Shared = {
    stop: AbortSignal.any([options.stop, deadline.passed]),
    budget: createRetryBudget(options.maxRetries),
    breakers: new Map(),
  };
  if (!options.dryRun) await logDatabase.startRun(start);
  const entitySummaries: EntitySummary[] = [];
  const summary = (exitCode: number): RunSummary => ({
    runId: start.runId,
    dryRun: options.dryRun,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    exitCode,
    entities: entitySummaries,
  });
  try {
    for (const entity of entities) {
      if (options.stop.aborted) break;
      const ended = await summarize(entity, (tally) => runLocked(start.runId, entity, ports, options, shared, tally));
      entitySummaries.push(ended);
      observer.entityEnded?.(ended);
    }
  } catch (error) {
    if (!options.dryRun) await logDatabase.finishRun(start.runId, 'aborted', 70, summary(70)).catch(() => {});
    throw error;
  } finally {
    deadline.dispose();
  }
  const signal = options.stop.aborted ? (options.stop.reason as NodeJS.Signals) : undefined;
  const ended = summary(exitCodeOfRun({ dryRun: options.dryRun, entities: entitySummaries }, signal));
  return options.dryRun ? ended : finish(ended, signal, ports);
}

/** What the entities of a run share. */
interface Shared {
  /** A signal, or the deadline. */
  readonly stop: AbortSignal;
  readonly budget: RetryBudget;
  /** By endpoint: entities may have the same. */
  readonly breakers: Map<string, Breaker>;
}

/** The longest that a timer takes; beyond, it would strike at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** `passed` aborts at the deadline with the reason 'deadline'. */
function watchDeadline(deadline: Date | undefined): { readonly passed: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  if (deadline === undefined) return { passed: controller.signal, dispose: () => {} };
  const leftMs = deadline.getTime() - Date.now();
  const timer = setTimeout(() => controller.abort('deadline'), Math.min(leftMs, MAX_TIMER_MS));
  return { passed: controller.signal, dispose: () => clearTimeout(timer) };
}

/** Stores the run's end. Where that fails, the run still returns its summary, with the exit code that says so. */
async function finish(
  summary: RunSummary,
  signal: NodeJS.Signals | undefined,
  { logDatabase, observer }: RunPorts,
): Promise<RunSummary> {
  try {
    await logDatabase.finishRun(
      summary.runId,
      signal === undefined ? 'finished' : 'aborted',
      summary.exitCode,
      summary,
    );
    return summary;
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    observer.runWarning?.(`The run's end could not be stored in TB_R_SYNC_RUN: ${error.message}`);
    return { ...summary, exitCode: 69 };
  }
}

type End = EntityEnd | { readonly heldBy: LockHolder };

/** Runs `work` and turns its end, good or bad, into a summary. Errors that are no SyncError are bugs and go on up. */
async function summarize(entity: Entity, work: (tally: Tally) => Promise<End>): Promise<EntitySummary> {
  const startedAt = new Date();
  const tally = emptyTally();
  const summary = (end: Pick<EntitySummary, 'state' | 'stoppedBy'>, error?: SyncError): EntitySummary => ({
    entity: entity.name,
    ...end,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    ...tally,
    ...(error && { error: { code: error.code, message: error.message, hint: error.hint } }),
  });
  try {
    const end = await work(tally);
    return 'heldBy' in end ? summary({ state: 'locked' }, lockHeld(entity, end.heldBy)) : summary(end);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return summary({ state: 'failed' }, error);
  }
}

async function runLocked(
  runId: string,
  entity: Entity,
  { logDatabase, source, destination, observer }: RunPorts,
  { deadline, ...options }: RunOptions,
  { stop, budget, breakers }: Shared,
  tally: Tally,
): Promise<End> {
  const stoppedBy = causeOf(stop);
  // What the deadline leaves is in the summary, although nothing of it was begun.
  if (stoppedBy !== undefined) return { state: 'stopped', stoppedBy };
  const entityOptions: EntityOptions = { ...options, stop, ...(deadline !== undefined && { deadline }) };
  if (options.dryRun) {
    const ledger = logDatabase.readOnlyLedger(entity);
    return runEntity(entity, { source: source(entity), ledger, observer }, entityOptions, tally);
  }
  const lock = await logDatabase.lock(entity, runId);
  if ('heldBy' in lock) return lock;
  const { url, maxFailedBatches } = entity.destination;
  const breaker = breakers.get(url) ?? createBreaker(maxFailedBatches);
  breakers.set(url, breaker);
  const target = destination(entity);
  try {
    const { ledger } = lock;
    const ports = {
      source: source(entity),
      ledger,
      writes: { ledger, destination: target, breaker, budget },
      observer,
    };
    const lockedOptions = { ...entityOptions, stop: AbortSignal.any([stop, lock.lost]) };
    const end = await runEntity(entity, ports, lockedOptions, tally);
    if (end.state === 'stopped' && lock.lost.aborted && !stop.aborted) throw lockLost(entity);
    return end;
  } finally {
    await target.close().finally(() => release(lock));
  }
}

/** A lock that cannot be released any more dies with its connection; that is no reason to fail. */
async function release(lock: EntityLock): Promise<void> {
  try {
    await lock.release();
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
  }
}

function lockLost(entity: Entity): SyncError {
  return new SyncError(
    'LOCK_LOST',
    `${entity.name}: the connection that held its lock was closed, so no further batch was started.`,
    'See why the log database closed connections; the next run goes on from here.',
  );
}
