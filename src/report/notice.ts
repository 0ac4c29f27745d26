/** What is told of a run that has ended, to people who see no terminal; as plain text. notice-messages.ts puts it in other forms. */
import { EXIT_CODES } from '../sync/exit-codes.ts';
import type { EntitySummary, RunSummary } from '../sync/ports.ts';
import { formatCount, formatDuration, formatQuantity, timeFormatter } from './format.ts';
import { batchNotes, type Note, notesOf, resultOf } from './summary.ts';
import { printable } from './terminal-text.ts';

/** How a run ended. */
export interface RunEnd {
  readonly runId: string;
  readonly host: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly exitCode: number;
  /** Absent where the run could not start, or ended by a bug. */
  readonly summary?: RunSummary;
  /** Why there is no summary. */
  readonly error?: Note;
}

/** The same for people, each text one line without control characters. */
export interface Notice {
  readonly isFailure: boolean;
  readonly title: string;
  /** What the exit code means. */
  readonly meaning: string;
  /** How each entity ended, with its counts. */
  readonly entities: readonly string[];
  /** What was wrong, and what to do about it. */
  readonly notes: readonly Note[];
  /** Which run it was. */
  readonly run: string;
}

/**
 * More is counted only, so that the longest message is below what the strictest chat takes: 28 KB.
 * https://learn.microsoft.com/microsoftteams/limits-specifications-teams
 */
const MAX_NOTES = 10;
const MAX_ENTITIES = 30;

/** Characters of one text. */
const LONGEST_TEXT = 400;

/** The notice of a run. Times are shown in `timeZone` (IANA); `redact` takes secrets out of a text. */
export function noticeOf(end: RunEnd, timeZone: string, redact: (text: string) => string): Notice {
  const { runId, host, startedAt, durationMs, exitCode, summary } = end;
  const clean = (text: string) => {
    const line = printable(redact(text));
    return line.length <= LONGEST_TEXT ? line : `${line.slice(0, LONGEST_TEXT - 1).toWellFormed()}…`;
  };
  const lines = limited((summary?.entities ?? []).map(entityLine), MAX_ENTITIES, (more) => {
    return `${formatQuantity(more, 'more entity', 'more entities')}.`;
  });
  const notes = limited<Note>(allNotes(end), MAX_NOTES, (more) => ({
    text: `${formatQuantity(more, 'more note', 'more notes')}: tamhr-sync status.`,
  }));
  const started = timeFormatter(timeZone)(startedAt.toISOString());
  return {
    isFailure: exitCode !== 0,
    title: clean(`tamhr-sync on ${host}: ${exitCode === 0 ? 'done' : `exit code ${exitCode}`}`),
    meaning: EXIT_CODES[exitCode] ?? 'unknown',
    entities: lines.map(clean),
    notes: notes.map(({ text, hint }) => ({ text: clean(text), ...(hint !== undefined && { hint: clean(hint) }) })),
    run: `Run ${runId}, started ${started}, took ${formatDuration(durationMs)}.`,
  };
}

function limited<T>(items: readonly T[], most: number, rest: (more: number) => T): readonly T[] {
  return items.length <= most ? items : [...items.slice(0, most), rest(items.length - most)];
}

/** What is worst comes first: what kept the run from its work, then errors, then the rest. */
function allNotes({ error, summary }: RunEnd): Note[] {
  const entities = summary?.entities ?? [];
  const hint = 'tamhr-sync status tells what became of it, and what the next run does.';
  const stopping = entities.filter((entity) => entity.error !== undefined);
  const others = entities.filter((entity) => entity.error === undefined);
  return [
    ...(error === undefined ? [] : [error]),
    ...stopping.flatMap((entity) => notesOf(entity, false)),
    ...entities.flatMap(batchNotes).map((note) => ({ ...note, hint })),
    ...others.flatMap((entity) => notesOf(entity, false)),
  ];
}

function entityLine(summary: EntitySummary): string {
  const { entity, stoppedBy, read, accepted, deleted, refused, unresolved, left, batches } = summary;
  const some = (rows: number, what: string) => (rows > 0 ? [`${formatCount(rows)} ${what}`] : []);
  const counts = [
    stoppedBy === undefined ? resultOf(summary) : `${summary.state} (${stoppedBy})`,
    `${formatCount(read)} read`,
    `${formatCount(accepted)} sent`,
    ...some(deleted, 'of them deletions'),
    ...some(refused, 'refused'),
    ...some(unresolved, 'unknown'),
    ...some(left, 'left'),
    ...some(summary.newDeadLetters, summary.newDeadLetters === 1 ? 'new dead letter' : 'new dead letters'),
    ...some(summary.oldDeadLetters, summary.oldDeadLetters === 1 ? 'old dead letter' : 'old dead letters'),
    ...some(summary.heldDeletions, 'not deleted'),
    formatQuantity(batches.pending, 'batch', 'batches'),
    formatDuration(summary.durationMs),
  ];
  return `${entity}: ${counts.join(', ')}`;
}

/** The notice as plain text, for e-mails and pings; ends with a line break. */
export function noticeText({ title, meaning, entities, notes, run }: Notice): string {
  const blocks = [
    [title, meaning],
    entities,
    ...notes.map(({ text, hint }) => [text, ...(hint === undefined ? [] : [`  ${hint}`])]),
    [run],
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}
