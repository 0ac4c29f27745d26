/** What `status` says, as one document: history, schedule and what is to be worried about. The text is made from it too. */
import { nextDue, previousDue, type Schedule } from '../schedule/due.ts';
import type { BatchDurations, EntityHistory, History, RunCounts, RunRecord, RunState } from '../sync/history.ts';
import type { EntitySummary, StopCause } from '../sync/ports.ts';
import { formatCount, formatDuration, formatQuantity, isoOf, timeFormatter, withStatus } from './format.ts';
import { remedyOf } from './remedy.ts';

/**
 * How long after it was due a run may end before `status` calls it overdue: a night's run over slow links takes less, and
 * who looks at the start of work learns of it.
 */
export const GRACE_MS = 2 * 60 * 60 * 1000;

/** Where the configuration has no schedule, times are shown in UTC and nothing is overdue. */
const NO_SCHEDULE_ZONE = 'UTC';

/**
 * `status --json`, with the schema docs/json/status.schema.json. Times are ISO 8601 in UTC, durations milliseconds; null is
 * unknown, or never.
 */
export interface StatusDocument {
  readonly generatedAt: string;
  /** Whether the tool's tables are there; without them only what the old job left is known. */
  readonly migrated: boolean;
  readonly schedule: {
    readonly cron: string;
    readonly timeZone: string;
    readonly nextDueAt: string | null;
    readonly previousDueAt: string | null;
    readonly graceMs: number;
  } | null;
  readonly warnings: readonly StatusWarning[];
  readonly entities: readonly StatusEntity[];
  /** Newest first. */
  readonly runs: readonly StatusRun[];
}

/**
 * Something to look after. `alarm` is what nobody else would tell: the job did not do its work.
 *
 *   NOT_MIGRATED    alarm    the tool's tables are missing
 *   NEVER_RUN       alarm    no run, or none that came to this entity
 *   OVERDUE         alarm    its last success is older than the schedule allows
 *   LAST_RUN        warning  its last run failed, was cut off or stopped, or left rows behind
 *   UNRESOLVED      warning  batches whose outcome is unknown
 *   DEAD_LETTERS    warning  rows that cannot be sent
 */
export interface StatusWarning {
  readonly code: 'NOT_MIGRATED' | 'NEVER_RUN' | 'OVERDUE' | 'LAST_RUN' | 'UNRESOLVED' | 'DEAD_LETTERS';
  readonly level: 'alarm' | 'warning';
  /** Null where it concerns all. */
  readonly entity: string | null;
  /** One sentence, without the entity's name. */
  readonly message: string;
}

/** One entity. */
export interface StatusEntity {
  readonly entity: string;
  readonly lastRun: {
    readonly runId: string;
    readonly startedAt: string | null;
    /** Of this entity alone; of the run so far where it still works. */
    readonly durationMs: number | null;
    /** How the entity ended; `running` and `aborted` where the run wrote no summary. */
    readonly outcome: EntitySummary['state'] | 'running' | 'aborted' | 'unknown';
    /** What ended it early, without an error. */
    readonly stoppedBy: StopCause | null;
    readonly counts: RunCounts;
  } | null;
  /** In the ledger, under all labels. */
  readonly trackedRows: number;
  /** When a batch was last accepted. */
  readonly lastSuccessAt: string | null;
  /** When it last ran to the end with nothing refused and nothing unknown, whether or not there was anything to send. */
  readonly lastGoodRunAt: string | null;
  readonly overdue: boolean;
  readonly lastError: { readonly at: string | null; readonly text: string; readonly httpStatus: number | null } | null;
  /** The errors of late, newest first; the first is `lastError`. */
  readonly errors: readonly StatusError[];
  readonly unresolved: readonly StatusBatch[];
  readonly deadLetters: number;
  /** The ten most frequent reasons, the most frequent first. */
  readonly deadLetterReasons: readonly StatusReason[];
  /** The last runs that came to it, as many as are listed of all at most, newest first. */
  readonly runs: readonly StatusEntityRun[];
  readonly lockedSince: string | null;
}

/** An error, and what to do about it. */
interface StatusError {
  readonly at: string | null;
  readonly text: string;
  readonly httpStatus: number | null;
  /** One sentence; null where nothing is known but what the old job wrote. */
  readonly remedy: string | null;
}

/** Why rows are dead letters. */
interface StatusReason {
  readonly reason: string;
  readonly httpStatus: number | null;
  readonly rows: number;
  readonly lastFailedAt: string | null;
  /** The key of one of them. */
  readonly exampleKey: string;
}

/** A run, for one entity. */
interface StatusEntityRun {
  readonly runId: string;
  readonly startedAt: string | null;
  /** Null where the run died, or still works. */
  readonly counts: RunCounts | null;
  /** Null where it settled no batch of the entity. */
  readonly durations: BatchDurations | null;
}

/** A batch whose outcome is unknown. */
interface StatusBatch {
  readonly batchId: string;
  readonly rows: number;
  readonly createdAt: string | null;
  readonly runsTried: number;
  readonly lastTriedAt: string | null;
  /** Null where it was cut off. */
  readonly error: string | null;
  readonly httpStatus: number | null;
}

/** One run. */
export interface StatusRun {
  readonly runId: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly durationMs: number | null;
  readonly state: RunState;
  readonly exitCode: number | null;
  readonly host: string;
  readonly processId: number;
  readonly version: string;
  readonly arguments: string;
  readonly counts: RunCounts | null;
}

/** The document for this history at the instant `now`. */
export function statusDocument(history: History, schedule: Schedule | undefined, now: Date): StatusDocument {
  // The last due time whose grace is over: before that a run may still be at work.
  const dueAt = schedule && previousDue(schedule, new Date(now.getTime() - GRACE_MS));
  const showTime = timeFormatter(schedule?.timeZone ?? NO_SCHEDULE_ZONE);
  const entities = history.entities.map((entity) => statusEntity(entity, history.migrated, dueAt, now));
  return {
    generatedAt: now.toISOString(),
    migrated: history.migrated,
    schedule:
      schedule === undefined
        ? null
        : {
            ...schedule,
            nextDueAt: isoOf(nextDue(schedule, now)),
            previousDueAt: isoOf(previousDue(schedule, now)),
            graceMs: GRACE_MS,
          },
    warnings: [
      ...generalWarnings(history),
      ...entities.flatMap((entity) => entityWarnings(entity, history, dueAt, now, showTime)),
    ],
    entities,
    runs: history.runs.map((run) => statusRun(run, now)),
  };
}

/** What people are told of the last success: rows that were accepted are none, but of the job before nothing else is known. */
export function lastSuccessOf({ lastGoodRunAt, lastSuccessAt, lastRun }: StatusEntity): string | null {
  return lastGoodRunAt ?? (lastRun === null ? lastSuccessAt : null);
}

function statusEntity(entity: EntityHistory, migrated: boolean, dueAt: Date | undefined, now: Date): StatusEntity {
  const { lastRun, lastError } = entity;
  // Of the old job it is not known which of its runs were good.
  const lastGood = migrated ? entity.lastGoodRunAt : entity.lastSuccessAt;
  return {
    entity: entity.entity,
    lastRun:
      lastRun === undefined
        ? null
        : {
            runId: lastRun.run.runId,
            startedAt: isoOf(lastRun.run.startedAt),
            durationMs: lastRun.durationMs ?? runDuration(lastRun.run, now),
            outcome: lastRun.state ?? (lastRun.run.state === 'finished' ? 'unknown' : lastRun.run.state),
            stoppedBy: lastRun.stoppedBy ?? null,
            counts: lastRun.counts,
          },
    trackedRows: entity.trackedRows,
    lastSuccessAt: isoOf(entity.lastSuccessAt),
    lastGoodRunAt: isoOf(entity.lastGoodRunAt),
    overdue: dueAt !== undefined && !(lastGood !== undefined && lastGood >= dueAt),
    lastError:
      lastError === undefined
        ? null
        : { at: isoOf(lastError.at), text: lastError.text, httpStatus: lastError.httpStatus ?? null },
    errors: entity.errors.map(({ at, text, httpStatus, hint }) => ({
      at: isoOf(at),
      text,
      httpStatus: httpStatus ?? null,
      remedy: migrated
        ? remedyOf({ ...(hint !== undefined && { hint }), ...(httpStatus !== undefined && { httpStatus }) })
        : null,
    })),
    unresolved: entity.unresolved.map(({ createdAt, lastTriedAt, error, httpStatus, ...batch }) => ({
      ...batch,
      createdAt: isoOf(createdAt),
      lastTriedAt: isoOf(lastTriedAt),
      error: error ?? null,
      httpStatus: httpStatus ?? null,
    })),
    deadLetters: entity.deadLetters,
    deadLetterReasons: entity.deadLetterReasons.map(({ httpStatus, lastFailedAt, ...reason }) => ({
      ...reason,
      httpStatus: httpStatus ?? null,
      lastFailedAt: isoOf(lastFailedAt),
    })),
    runs: entity.runs.map(({ runId, startedAt, counts, durations }) => ({
      runId,
      startedAt: isoOf(startedAt),
      counts: counts ?? null,
      durations: durations ?? null,
    })),
    lockedSince: isoOf(entity.lockedSince),
  };
}

/** A run as documents show it, at the instant `now`. */
export function statusRun(run: RunRecord, now: Date): StatusRun {
  return {
    runId: run.runId,
    startedAt: isoOf(run.startedAt),
    finishedAt: isoOf(run.finishedAt),
    durationMs: runDuration(run, now),
    state: run.state,
    exitCode: run.exitCode ?? null,
    host: run.host,
    processId: run.processId,
    version: run.version,
    arguments: run.arguments,
    counts: run.counts ?? null,
  };
}

/** Null for a run that died, and where clocks disagree. */
function runDuration({ startedAt, finishedAt, state }: RunRecord, now: Date): number | null {
  const end = finishedAt ?? (state === 'running' ? now : undefined);
  const duration = end === undefined ? Number.NaN : end.getTime() - startedAt.getTime();
  return duration >= 0 ? duration : null;
}

function generalWarnings({ migrated, runs }: History): StatusWarning[] {
  const alarm = (code: StatusWarning['code'], message: string): StatusWarning[] => [
    { code, level: 'alarm', entity: null, message },
  ];
  if (!migrated) {
    return alarm(
      'NOT_MIGRATED',
      'The log database is not migrated: only what the job before this tool left is shown. Run tamhr-sync migrate.',
    );
  }
  return runs.length === 0 ? alarm('NEVER_RUN', 'No run has ever happened. Is the scheduler set up?') : [];
}

function entityWarnings(
  entity: StatusEntity,
  { migrated, runs }: History,
  dueAt: Date | undefined,
  now: Date,
  showTime: (iso: string) => string,
): StatusWarning[] {
  const warnings: StatusWarning[] = [];
  const warn = (code: StatusWarning['code'], level: StatusWarning['level'], message: string) =>
    warnings.push({ code, level, entity: entity.entity, message });
  const { lastRun, unresolved, deadLetters } = entity;
  const lastGoodAt = migrated ? entity.lastGoodRunAt : entity.lastSuccessAt;
  if (migrated && lastRun === null) {
    if (runs.length > 0) warn('NEVER_RUN', 'alarm', 'no run has ever come to it.');
  } else if (entity.overdue && dueAt !== undefined) {
    const due = `it was due at ${showTime(dueAt.toISOString())}`;
    const known = migrated
      ? 'it has never run to its end with nothing refused or unknown'
      : 'no success of it is known';
    const message =
      lastGoodAt === null
        ? `${known}; ${due}.`
        : `its last success is from ${showTime(lastGoodAt)}, ${formatDuration(now.getTime() - Date.parse(lastGoodAt))} ago; ${due}.`;
    warn('OVERDUE', 'alarm', message);
  }
  const lastRunWarning = lastRun && whatWentWrong(lastRun);
  if (lastRunWarning) warn('LAST_RUN', 'warning', lastRunWarning);
  if (unresolved.length > 0) {
    warn('UNRESOLVED', 'warning', whatIsUnresolved(unresolved, lastRun?.outcome === 'running', showTime));
  }
  if (deadLetters > 0) {
    const rows = formatQuantity(deadLetters, 'row');
    warn('DEAD_LETTERS', 'warning', `${rows} cannot be sent (dead letters): tamhr-sync failures list.`);
  }
  return warnings;
}

/** Batches that the warning names. */
const BATCHES_NAMED = 3;

function whatIsUnresolved(
  batches: readonly StatusBatch[],
  isRunning: boolean,
  showTime: (iso: string) => string,
): string {
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  const named = batches.slice(0, BATCHES_NAMED).map(({ batchId, rows, createdAt, runsTried, error, httpStatus }) => {
    const since = createdAt === null ? '?' : showTime(createdAt);
    const tried = formatQuantity(runsTried, 'run');
    const why = error !== null ? withStatus(error, httpStatus) : isRunning ? 'no answer yet' : 'cut off';
    return `${batchId} (${formatQuantity(rows, 'row')} since ${since}, ${tried}, ${why})`;
  });
  const more = batches.length - named.length;
  const list = [...named, ...(more > 0 ? [`${formatCount(more)} more`] : [])].join(', ');
  const what = isRunning
    ? 'in flight, or without a known outcome'
    : 'without a known outcome, which the next run sends again first';
  return `${formatQuantity(batches.length, 'batch', 'batches')} (${formatQuantity(rows, 'row')}) ${what}: ${list}.`;
}

function whatWentWrong({ outcome, stoppedBy, counts }: NonNullable<StatusEntity['lastRun']>): string | undefined {
  // What has no known outcome is in flight.
  if (outcome === 'running') return undefined;
  const { rowsRefused, rowsUnresolved, deletionsHeld } = counts;
  const left = [
    ...(rowsRefused > 0 ? [`${formatQuantity(rowsRefused, 'row')} refused`] : []),
    ...(rowsUnresolved > 0 ? [`${formatQuantity(rowsUnresolved, 'row')} without a known outcome`] : []),
  ].join(' and ');
  if (outcome === 'failed') return `its last run failed${left === '' ? '' : `, with ${left}`}.`;
  if (outcome === 'aborted') return 'its last run was cut off.';
  if (stoppedBy === 'deadline' || stoppedBy === 'breaker') {
    return `its last run was stopped ${STOPPED_BY[stoppedBy]}${left === '' ? '' : `, with ${left}`}; the next run goes on from there.`;
  }
  if (left !== '') return `its last run left ${left}; the next run sends them again.`;
  if (deletionsHeld === 0) return undefined;
  const gone = formatQuantity(deletionsHeld, 'row that is', 'rows that are');
  return `its last run did not delete ${gone} gone from the source; tamhr-sync plan says why.`;
}

const STOPPED_BY = {
  deadline: 'by its deadline',
  breaker: 'because the destination failed too often in a row, or asked for a long pause',
} as const;
