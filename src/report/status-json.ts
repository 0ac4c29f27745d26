/** What `status` says, as one document: history, schedule and what is to be worried about. The text is made from it too. */
import { nextDue, previousDue, type Schedule } from '../schedule/due.ts';
import type { EntityHistory, History, RunCounts, RunRecord, RunState } from '../sync/history.ts';
import type { EntitySummary } from '../sync/ports.ts';
import { formatDuration, formatQuantity, isoOf, timeFormatter } from './format.ts';

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
 *   LAST_RUN        warning  its last run failed, was cut off, or left rows behind
 *   UNRESOLVED      warning  batches without a recorded outcome
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
    readonly counts: RunCounts;
  } | null;
  /** In the ledger, under all labels. */
  readonly trackedRows: number;
  /** When a batch was last accepted. */
  readonly lastSuccessAt: string | null;
  /** When it last ran to the end and nothing was refused, whether or not there was anything to send. */
  readonly lastGoodRunAt: string | null;
  readonly overdue: boolean;
  readonly lastError: { readonly at: string | null; readonly text: string; readonly httpStatus: number | null } | null;
  readonly unresolved: readonly {
    readonly batchId: string;
    readonly rows: number;
    readonly createdAt: string | null;
  }[];
  readonly deadLetters: number;
  readonly lockedSince: string | null;
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
    unresolved: entity.unresolved.map(({ batchId, rows, createdAt }) => ({
      batchId,
      rows,
      createdAt: isoOf(createdAt),
    })),
    deadLetters: entity.deadLetters,
    lockedSince: isoOf(entity.lockedSince),
  };
}

function statusRun(run: RunRecord, now: Date): StatusRun {
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
    const known = migrated ? 'it has never run to its end with nothing refused' : 'no success of it is known';
    const message =
      lastGoodAt === null
        ? `${known}; ${due}.`
        : `its last success is from ${showTime(lastGoodAt)}, ${formatDuration(now.getTime() - Date.parse(lastGoodAt))} ago; ${due}.`;
    warn('OVERDUE', 'alarm', message);
  }
  const lastRunWarning = lastRun && whatWentWrong(lastRun);
  if (lastRunWarning) warn('LAST_RUN', 'warning', lastRunWarning);
  if (unresolved.length > 0) {
    const rows = unresolved.reduce((sum, batch) => sum + batch.rows, 0);
    const batches = `${formatQuantity(unresolved.length, 'batch', 'batches')} (${formatQuantity(rows, 'row')})`;
    const inFlight =
      lastRun?.outcome === 'running' ? 'in flight, or cut off' : 'cut off: the next run sends the same again';
    warn('UNRESOLVED', 'warning', `${batches} without a recorded answer, ${inFlight}.`);
  }
  if (deadLetters > 0) {
    warn('DEAD_LETTERS', 'warning', `${formatQuantity(deadLetters, 'row')} cannot be sent (dead letters).`);
  }
  return warnings;
}

function whatWentWrong({ outcome, counts }: NonNullable<StatusEntity['lastRun']>): string | undefined {
  const { rowsRefused, batchesRefused } = counts;
  const refused = `${formatQuantity(rowsRefused, 'row')} in ${formatQuantity(batchesRefused, 'batch', 'batches')} refused`;
  if (outcome === 'failed') return `its last run failed${rowsRefused > 0 ? `, ${refused}` : ''}.`;
  if (outcome === 'aborted') return 'its last run was cut off.';
  return rowsRefused > 0 ? `its last run left ${refused}; the next run sends them again.` : undefined;
}
