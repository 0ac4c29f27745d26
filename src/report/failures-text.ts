/** Dead letters for people: `failures list` as a table, `failures show` as a block for each. */
import type { ChangedEntity, Failure, FailuresDocument } from './failures-json.ts';
import { formatCount, formatQuantity, withStatus } from './format.ts';
import { printable, type TableCell, type TableColumn, table, widthOf, wrap } from './terminal-text.ts';
import { type TextOptions, type View, viewOf } from './view.ts';

/** Width of the block's labels, with the space around them. */
const LABEL_WIDTH = 16;

const NONE = 'No dead letters.\n';

/** A line for each, newest first, and how many more there are; ends with a line break. */
export function failuresText({ total, failures }: FailuresDocument, options: TextOptions): string {
  const view = viewOf(options);
  const more = total - failures.length;
  if (failures.length === 0) return NONE;
  const lines = [
    ...failureTable(failures, view),
    ...(more > 0 ? ['', ...wrap(`${formatCount(more)} more; --limit ${total} shows them all.`, view.width)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function failureTable(failures: readonly Failure[], { width, paint, time }: View): string[] {
  const columns: TableColumn[] = [
    { title: 'Entity', min: 16 },
    // A GUID: whoever copies the key needs all of it.
    { title: 'Key', min: 36, isCopied: true },
    { title: 'Last failed', drop: 2 },
    { title: 'Tries', align: 'right', drop: 1 },
    { title: 'Next try', drop: 3 },
    { title: 'Reason', min: 20 },
  ];
  const rows = failures.map((failure): TableCell[] => [
    printable(failure.entity),
    printable(failure.key),
    timeOr(failure.lastFailedAt, time),
    formatCount(failure.attempts),
    nextTry(failure, time),
    reasonOf(failure),
  ]);
  return table(columns, rows, width, paint);
}

function nextTry({ state, nextTryAt }: Failure, time: View['time']): TableCell {
  if (state === 'discarded') return { text: 'discarded', style: 'dim' };
  return nextTryAt === null ? 'next run' : time(nextTryAt);
}

/** All that is known of each, and what happens next; ends with a line break. */
export function failureBlocks({ failures }: FailuresDocument, options: TextOptions): string {
  const view = viewOf(options);
  return failures
    .map((failure) => failureBlock(failure, view).join('\n'))
    .join('\n\n')
    .concat('\n');
}

function failureBlock(failure: Failure, { width, paint, time }: View): string[] {
  const line = (name: string, text: string) => wrap(text, width, `  ${name}`.padEnd(LABEL_WIDTH));
  return [
    ...wrap(printable(`${failure.entity}, key ${failure.key}`), width).map((part) => paint('bold', part)),
    ...line('reason', reasonOf(failure)),
    ...line('failed', `${formatQuantity(failure.attempts, 'time')}, first at ${timeOr(failure.firstFailedAt, time)}`),
    ...line('last failed', timeOr(failure.lastFailedAt, time)),
    ...line('state', failure.state),
    ...line('what is next', whatIsNext(failure, time)),
  ];
}

function whatIsNext({ state, nextTryAt }: Failure, time: View['time']): string {
  if (state === 'discarded') return 'discarded: sent only once the row changes, or after tamhr-sync failures retry';
  return nextTryAt === null
    ? 'the next run tries it again'
    : `tried again from ${time(nextTryAt)} on, or as soon as the row changes`;
}

function reasonOf({ httpStatus, reason }: Failure): string {
  return printable(withStatus(reason, httpStatus));
}

function timeOr(iso: string | null, time: View['time']): string {
  return iso === null ? '?' : time(iso);
}

/** What `failures retry` or `failures discard` did, and what the next run makes of it; ends with a line break. */
export function changeText(what: 'retry' | 'discard', changed: readonly ChangedEntity[], columns?: number): string {
  if (changed.length === 0) return NONE;
  const lines = changed.flatMap(({ entity, rows }) => {
    const letters = formatQuantity(rows, 'dead letter');
    const option = `--entity ${/^[\w.-]+$/.test(entity) ? entity : JSON.stringify(entity)}`;
    const text =
      what === 'retry'
        ? `${letters} due: the next run tries ${rows === 1 ? 'it' : 'them'} again (tamhr-sync run ${option}).`
        : `${letters} discarded: sent only once ${rows === 1 ? 'the row changes' : 'their rows change'} (tamhr-sync failures retry ${option} undoes that).`;
    return wrap(printable(`${entity}: ${text}`), widthOf(columns));
  });
  return `${lines.join('\n')}\n`;
}
