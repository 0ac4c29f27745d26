/** Watches a run and logs it: a line per batch, a line per entity. */
import type { Attempt, EntitySummary, Outcome, RunObserver } from '../sync/ports.ts';
import { comparisonText } from './comparison-text.ts';
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
 *   Users: compares by rowversion, changed rows only (dbo.MDM_USER has the rowversion column RowVer)
 *   Users: batch 1 accepted (3000 rows, HTTP 200, 0.4 s)
 *   Users: batch 2, attempt 1 failed (HTTP 503 Service Unavailable); again in 1.2 s
 *   Users: batch 2 unknown (3000 rows, 4 attempts, 12.3 s): HTTP 503 Service Unavailable
 *   Users: done, 10000 read, 0 already tracked, 7000 sent, 0 refused, 3000 unknown, 4 batches, 2.1 s
 *   Users: done, 15 read, 0 already tracked, 18 sent, 12 changed, 3 deleted, 0 refused, 2 batches, 0.3 s
 *
 * A JSON log has the same as fields.
 */
export function createLogObserver(log: ReportLog): RunObserver {
  /** Attempts of the batches that are being tried again, by id. */
  const attempts = new Map<string, number>();
  return {
    comparing(entity, report) {
      const { method, why, fullBecause, mapChanged } = report;
      // Of `changes: new` nobody wonders how it finds its rows.
      const level = method === 'keys' ? 'debug' : 'info';
      log[level](`${entity}: ${comparisonText(report)}`, { entity, method, why, fullBecause, mapChanged });
    },
    retrying(entity, batch, { status, error }, delayMs) {
      const attempt = (attempts.get(batch.id) ?? 0) + 1;
      attempts.set(batch.id, attempt);
      const why = error ?? `HTTP ${status}`;
      log.warn(
        `${entity}: batch ${batch.number}, attempt ${attempt} failed (${why}); again in ${formatDuration(delayMs)}`,
        { entity, batch: batch.number, batchId: batch.id, attempt, httpStatus: status, delayMs: Math.round(delayMs) },
      );
    },
    batchEnded(entity, batch, outcome) {
      attempts.delete(batch.id);
      const last = outcome.attempts.at(-1);
      const fields = {
        entity,
        batch: batch.number,
        batchId: batch.id,
        rows: batch.rows,
        outcome: outcome.state,
        attempts: outcome.attempts.length,
        httpStatus: last?.status,
        durationMs: totalMs(outcome),
      };
      // What a split leads to is told of its halves.
      const level = outcome.state === 'accepted' || outcome.state === 'split' ? 'info' : 'warn';
      log[level](`${entity}: batch ${batch.number} ${batchText(batch.rows, outcome, last)}`, fields);
    },
    entityEnded(summary) {
      const { entity, state, stoppedBy, read, tracked, accepted, refused, durationMs, batches, error } = summary;
      const level = error !== undefined && state === 'failed' ? 'error' : isSound(summary) ? 'info' : 'warn';
      log[level](`${entity}: ${endText(summary)}`, {
        entity,
        state,
        stoppedBy,
        read,
        tracked,
        changed: summary.changed,
        accepted,
        deletions: summary.deletions,
        deleted: summary.deleted,
        heldDeletions: summary.heldDeletions,
        hashesTaken: summary.hashesTaken,
        refused,
        unresolved: summary.unresolved,
        newDeadLetters: summary.newDeadLetters,
        left: summary.left,
        batches: batches.pending,
        bytes: summary.bytes,
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
  if (outcome.attempts.length > 1) facts.push(`${outcome.attempts.length} attempts`);
  facts.push(formatDuration(totalMs(outcome)));
  const state = outcome.state === 'aborted' ? 'cut off' : outcome.state;
  const reasons = [last?.error, outcome.note].filter((reason) => reason !== undefined);
  return `${state} (${facts.join(', ')})${reasons.length === 0 ? '' : `: ${reasons.join('; ')}`}`;
}

function totalMs({ attempts }: Outcome): number {
  return attempts.reduce((sum, attempt) => sum + attempt.durationMs, 0);
}

function endText(summary: EntitySummary): string {
  if (summary.state === 'locked') return `locked${errorText(summary)}`;
  const counts = [
    summary.stoppedBy === undefined ? summary.state : `${summary.state} (${summary.stoppedBy})`,
    `${summary.read} read`,
    `${summary.tracked} already tracked`,
    `${summary.accepted} sent`,
    ...(summary.changed > 0 ? [`${summary.changed} changed`] : []),
    ...(summary.deleted > 0 ? [`${summary.deleted} deleted`] : []),
    `${summary.refused} refused`,
    ...(summary.unresolved > 0 ? [`${summary.unresolved} unknown`] : []),
    ...(summary.newDeadLetters > 0
      ? [`${summary.newDeadLetters} new dead ${summary.newDeadLetters === 1 ? 'letter' : 'letters'}`]
      : []),
    ...(summary.heldDeletions > 0
      ? [`${summary.heldDeletions} ${summary.heldDeletions === 1 ? 'deletion' : 'deletions'} held back`]
      : []),
    ...(summary.hashesTaken > 0
      ? [`${summary.hashesTaken} ${summary.hashesTaken === 1 ? 'hash' : 'hashes'} taken`]
      : []),
    ...(summary.left > 0 ? [`${summary.left} left`] : []),
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
  const ranToItsEnd = summary.state === 'done' || summary.state === 'resolved';
  const { refused, unresolved, newDeadLetters, heldDeletions } = summary;
  return ranToItsEnd && refused + unresolved + newDeadLetters + heldDeletions === 0;
}
