/** Watches a run and logs it: a line per batch, a line per entity. */
import type { Attempt, EntitySummary, Outcome, RunObserver } from '../sync/ports.ts';
import { formatDuration } from './format.ts';

/** The log as this file uses it (src/log/log.ts). */
export interface ReportLog {
  debug(message: string, fields?: ReportFields): void;
  info(message: string, fields?: ReportFields): void;
  warn(message: string, fields?: ReportFields): void;
  error(message: string, fields?: ReportFields): void;
}

type ReportFields = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * An observer that writes what happens to `log`, in the forms
 *
 *   Users: batch 1 accepted (3000 rows, HTTP 200, 0.4 s)
 *   Users: batch 2 refused (3000 rows, 0.4 s): HTTP 500: out of memory
 *   Users: done, 10000 read, 0 already tracked, 7000 sent, 3000 refused, 4 batches, 2.1 s
 *
 * A JSON log has the same as fields.
 */
export function createLogObserver(log: ReportLog): RunObserver {
  return {
    batchEnded(entity, batch, outcome) {
      const last = outcome.attempts.at(-1);
      const fields = {
        entity,
        batch: batch.number,
        batchId: batch.id,
        rows: batch.rows,
        outcome: outcome.state,
        httpStatus: last?.status,
        durationMs: totalMs(outcome),
      };
      const level = outcome.state === 'accepted' ? 'info' : 'warn';
      log[level](`${entity}: batch ${batch.number} ${batchText(batch.rows, outcome, last)}`, fields);
    },
    entityEnded(summary) {
      const { entity, state, read, tracked, accepted, refused, durationMs, batches, error } = summary;
      const level = error !== undefined && state === 'failed' ? 'error' : isSound(summary) ? 'info' : 'warn';
      log[level](`${entity}: ${endText(summary)}`, {
        entity,
        state,
        read,
        tracked,
        accepted,
        refused,
        batches: batches.pending,
        durationMs,
        errorCode: error?.code,
      });
    },
    pageRead(entity, read, tracked) {
      log.debug(`${entity}: ${read} rows read, ${tracked} of them already tracked`, { entity, read, tracked });
    },
    warning(entity, message) {
      log.warn(`${entity}: ${message}`, { entity });
    },
    runWarning(message) {
      log.warn(message);
    },
  };
}

function batchText(rows: number, outcome: Outcome, last: Attempt | undefined): string {
  const facts = [`${rows} ${rows === 1 ? 'row' : 'rows'}`];
  if (outcome.state === 'accepted' && last?.status !== undefined) facts.push(`HTTP ${last.status}`);
  facts.push(formatDuration(totalMs(outcome)));
  const state = outcome.state === 'aborted' ? 'cut off' : outcome.state;
  return `${state} (${facts.join(', ')})${last?.error === undefined ? '' : `: ${last.error}`}`;
}

function totalMs({ attempts }: Outcome): number {
  return attempts.reduce((sum, attempt) => sum + attempt.durationMs, 0);
}

function endText(summary: EntitySummary): string {
  if (summary.state === 'locked') return `locked${errorText(summary)}`;
  const counts = [
    summary.state,
    `${summary.read} read`,
    `${summary.tracked} already tracked`,
    `${summary.accepted} sent`,
    `${summary.refused} refused`,
    ...(summary.unresolved > 0 ? [`${summary.unresolved} cut off`] : []),
    ...(summary.newDeadLetters > 0
      ? [`${summary.newDeadLetters} new dead ${summary.newDeadLetters === 1 ? 'letter' : 'letters'}`]
      : []),
    `${summary.batches.pending} ${summary.batches.pending === 1 ? 'batch' : 'batches'}`,
    formatDuration(summary.durationMs),
  ];
  return `${counts.join(', ')}${errorText(summary)}`;
}

/** Messages begin with the entity's name; so does the line. */
function errorText({ entity, error }: EntitySummary): string {
  if (error === undefined) return '';
  const message = error.message.startsWith(`${entity}: `) ? error.message.slice(entity.length + 2) : error.message;
  return `: ${message} ${error.hint}`;
}

function isSound(summary: EntitySummary): boolean {
  return summary.state === 'done' && summary.refused + summary.unresolved + summary.newDeadLetters === 0;
}
