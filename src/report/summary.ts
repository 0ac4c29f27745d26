/** The end of a run as text for people; `run --json` prints the RunSummary itself (docs/json/run.schema.json). */
import { ofEntity } from '../sync/errors.ts';
import { EXIT_CODES } from '../sync/exit-codes.ts';
import type { EntitySummary, RunSummary, StopCause } from '../sync/ports.ts';
import { formatCount, formatDuration, formatQuantity } from './format.ts';
import { printable, type TableColumn, table, widthOf, wrap } from './terminal-text.ts';

/**
 * A table of the entities, what was wrong, and the exit code's meaning; ends with a line break. `columns`: the terminal's
 * width, 80 where absent.
 */
export function summaryText(summary: RunSummary, columns?: number): string {
  const width = widthOf(columns);
  const { dryRun, entities } = summary;
  const notes = entities.flatMap((entity) =>
    [...notesOf(entity, dryRun), ...batchNotes(entity)].flatMap((note) => noteLines(note, width)),
  );
  const lines = [
    ...(dryRun ? ['Dry run: nothing was sent or stored.', ''] : []),
    ...(entities.length === 0 ? ['No entity was run.'] : entityTable(summary, width)),
    '',
    ...(notes.length > 0 ? [...notes, ''] : []),
    ...wrap(`Exit code ${summary.exitCode}: ${meaning(summary)}`, width),
  ];
  return `${lines.join('\n')}\n`;
}

function entityTable({ dryRun, entities }: RunSummary, width: number): string[] {
  const count = (title: string, drop?: number): TableColumn => ({
    title,
    align: 'right',
    ...(drop !== undefined && { drop }),
  });
  // Where no entity has any, they would only take room.
  const hasChanged = entities.some(({ changed }) => changed > 0);
  const hasDeletions = entities.some(({ deletions, deleted }) => deletions + deleted > 0);
  const hasUnknown = entities.some(({ unresolved }) => unresolved > 0);
  const columns: TableColumn[] = [
    { title: 'Entity', min: 8 },
    { title: 'Result' },
    count('Read', 4),
    count('Tracked', 3),
    ...(dryRun ? [count('To send')] : [count('Sent')]),
    ...(hasChanged ? [count('Changed')] : []),
    ...(hasDeletions ? [count(dryRun ? 'To delete' : 'Deleted')] : []),
    ...(dryRun ? [] : [count('Refused')]),
    ...(hasUnknown ? [count('Unknown')] : []),
    count('Batches', 1),
    count('Time', 2),
  ];
  const rows = entities.map((entity) => [
    printable(entity.entity),
    dryRun ? entity.state : resultOf(entity),
    formatCount(entity.read),
    formatCount(entity.tracked),
    formatCount(dryRun ? entity.pending - entity.newDeadLetters : entity.accepted),
    ...(hasChanged ? [formatCount(entity.changed)] : []),
    ...(hasDeletions ? [formatCount(dryRun ? entity.deletions : entity.deleted)] : []),
    ...(dryRun ? [] : [formatCount(entity.refused)]),
    ...(hasUnknown ? [formatCount(entity.unresolved)] : []),
    formatCount(entity.batches.pending),
    formatDuration(entity.durationMs),
  ]);
  return table(columns, rows, width, (_style, text) => text);
}

/** What came of an entity, in a word: read to its end does not mean sent. */
export function resultOf({ state, refused, unresolved, newDeadLetters, accepted }: EntitySummary): string {
  if (state !== 'done' && state !== 'resolved') return state;
  if (accepted > 0) return refused + unresolved > 0 ? 'partly' : state;
  if (unresolved > 0) return 'unknown';
  return refused + newDeadLetters > 0 ? 'not sent' : state;
}

/** What a batch of it failed with, where the entity's own error does not say it; its name first. */
export function batchNotes({ entity, error, batchError }: EntitySummary): Note[] {
  return batchError === undefined || error !== undefined
    ? []
    : [{ text: ofEntity(entity, `a batch failed with: ${batchError}`) }];
}

/** A sentence about an entity, and what to do about it. */
export interface Note {
  readonly text: string;
  readonly hint?: string;
}

/** All that is to be said of how an entity ended, its name first. */
export function notesOf(entity: EntitySummary, dryRun: boolean): Note[] {
  const { refused, unresolved, newDeadLetters, oldDeadLetters, batches, error } = entity;
  const notes: Note[] = [];
  if (error !== undefined) notes.push({ text: error.message, hint: error.hint });
  if (entity.state === 'resolved') {
    notes.push({ text: 'only batches whose outcome was unknown were sent again; the source was not read.' });
  }
  if (entity.state === 'stopped') notes.push({ text: stopText(entity) });
  if (entity.heldDeletions > 0) notes.push(heldNote(entity.heldDeletions, dryRun));
  if (entity.hashesTaken > 0) notes.push({ text: hashesTakenText(entity.hashesTaken, dryRun) });
  if (refused > 0) {
    const rows = formatQuantity(refused, 'row was', 'rows were');
    notes.push({ text: `${rows} not taken; the next run sends ${refused === 1 ? 'it' : 'them'} again.` });
  }
  if (unresolved > 0) {
    const rows = `${formatQuantity(unresolved, 'row')} in ${formatQuantity(batches.unresolved, 'batch', 'batches')}`;
    notes.push({
      text: `${rows} ended without a known outcome; they are sent again, the same bytes under the same Idempotency-Key, by the next run.`,
    });
  }
  if (batches.split > 0) {
    const halved = formatQuantity(batches.split, 'refused batch was', 'refused batches were');
    notes.push({ text: `${halved} halved, to find bad rows or to be small enough.` });
  }
  if (newDeadLetters > 0) {
    const become = dryRun
      ? `cannot be sent and would become ${newDeadLetters === 1 ? 'a dead letter' : 'dead letters'}.`
      : `cannot be sent and became ${newDeadLetters === 1 ? 'a dead letter' : 'dead letters'}: tamhr-sync failures list.`;
    notes.push({ text: `${formatQuantity(newDeadLetters, 'row')} ${become}` });
  }
  if (oldDeadLetters > 0) {
    notes.push({
      text: `warning: ${formatQuantity(oldDeadLetters, 'dead letter')} of earlier runs still cannot be sent, or ${oldDeadLetters === 1 ? 'waits' : 'wait'} for a later run.`,
    });
  }
  return notes.map(({ text, ...rest }) => ({ text: ofEntity(entity.entity, text), ...rest }));
}

/** Rows that are gone from the source and stay at the destination, and what lets them be deleted. */
export function heldNote(rows: number, dryRun: boolean): Note {
  const gone = formatQuantity(rows, 'row is', 'rows are');
  const not = dryRun ? 'would not be' : rows === 1 ? 'was not' : 'were not';
  return {
    text: `${gone} gone from the source and ${not} deleted at the destination; a warning says why.`,
    hint: 'If they are to be deleted: --max-delete-percent sets for one run how many rows may go, --confirm-source-change lets rows go although the source is configured differently now.',
  };
}

/** Rows of the old job whose hash was not known; in a dry run what would become of them. */
export function hashesTakenText(rows: number, dryRun: boolean): string {
  const had = formatQuantity(rows, 'row', 'rows');
  const [they, count, have] = rows === 1 ? ['it', 'counts', 'has'] : ['they', 'count', 'have'];
  return dryRun
    ? `${had} of the old job ${have} no hash: ${they} ${count} as sent, and would get ${rows === 1 ? 'its' : 'their'} hash.`
    : `${had} of the old job had no hash: ${they} ${count} as sent, and ${have} ${rows === 1 ? 'its' : 'their'} hash now.`;
}

const STOPPED_BY: Readonly<Record<StopCause, string>> = {
  signal: 'stopped by a signal',
  limit: 'stopped at --limit',
  deadline: 'stopped by the deadline',
  breaker: 'stopped, because the destination failed too often in a row or asked for a long pause',
};

/** What stopped an entity, and what follows in the next run. */
export function stopText({ stoppedBy = 'signal', left }: Pick<EntitySummary, 'stoppedBy' | 'left'>): string {
  const follows =
    left > 0
      ? `${formatQuantity(left, 'row')} that had been read, and what had not, follow`
      : 'what had not been read follows';
  return `${STOPPED_BY[stoppedBy]}; ${follows} in the next run.`;
}

function noteLines({ text, hint }: Note, width: number): string[] {
  return [...wrap(printable(text), width), ...(hint === undefined ? [] : wrap(printable(hint), width, '  '))];
}

/** What the exit code means for this run. */
export function meaning({ dryRun, exitCode }: Pick<RunSummary, 'dryRun' | 'exitCode'>): string {
  if (dryRun && exitCode === 0) return 'every source could be read and nothing was sent';
  return EXIT_CODES[exitCode] ?? 'unknown';
}
