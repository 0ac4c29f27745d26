/** `ledger show` for people: a block for each row, its verdict first. */
import type { Entity } from '../sync/entity.ts';
import type { RowVerdict } from '../sync/ledger-verdict.ts';
import { type Paint, painter, type Style } from './colour.ts';
import { formatQuantity, timeFormatter, withStatus } from './format.ts';
import type { ShowBatch, ShowDocument, ShowEntry, ShowRow } from './ledger-json.ts';
import { printable, widthOf, wrap } from './terminal-text.ts';
import type { TextOptions } from './view.ts';

/** Width of the block's labels, with the space around them. */
const LABEL_WIDTH = 16;

interface View {
  readonly width: number;
  readonly paint: Paint;
  readonly time: (iso: string | null) => string;
}

/** The whole of it, ending with a line break; nothing where there is no row. */
export function showText({ rows, more }: ShowDocument, { columns, colour, timeZone }: TextOptions): string {
  const format = timeFormatter(timeZone);
  const view: View = {
    width: widthOf(columns),
    paint: painter(colour),
    time: (iso) => (iso === null ? '?' : format(iso)),
  };
  const blocks = rows.map((row) => rowBlock(row, view).join('\n'));
  if (more) blocks.push(wrap(`More rows match; these are the first ${rows.length}.`, view.width).join('\n'));
  return blocks.length === 0 ? '' : `${blocks.join('\n\n')}\n`;
}

function rowBlock(row: ShowRow, { width, paint, time }: View): string[] {
  const line = (label: string, text: string, style?: Style) => {
    const lines = wrap(printable(text), width, `  ${label}`.padEnd(LABEL_WIDTH));
    return style === undefined ? lines : lines.map((one) => paint(style, one));
  };
  const { entity, key, tracked, hash, unmappable, unresolved, deadLetter, collidesWith } = row;
  return [
    ...wrap(printable(`${entity}, key ${key}`), width).map((part) => paint('bold', part)),
    ...line('verdict', VERDICTS[row.verdict](row, time), STYLES[row.verdict]),
    ...line('source', IN_SOURCE[row.inSource]),
    ...(tracked.length === 0
      ? line('ledger', 'not tracked')
      : tracked.flatMap((entry) => line('ledger', entryText(entry, time)))),
    ...(hash === null ? [] : line('hash', HASHES[hash])),
    ...(unmappable === null ? [] : line('payload', `none: ${unmappable}`)),
    ...(unresolved === null ? [] : line('in doubt', unresolvedText(unresolved, time))),
    ...(deadLetter === null
      ? []
      : line(
          'dead letter',
          `${deadLetter.state}, failed ${formatQuantity(deadLetter.attempts, 'time')}, last at ${time(deadLetter.lastFailedAt)}`,
        )),
    ...(collidesWith === null
      ? []
      : line('collides with', `${collidesWith}, which the ledger does not tell apart from it`)),
  ];
}

const IN_SOURCE: Readonly<Record<ShowRow['inSource'], string>> = {
  yes: 'has the row',
  leftOut: 'source.where leaves the row out',
  no: 'does not have the row',
  unknown: 'could not be read',
};

const HASHES: Readonly<Record<NonNullable<ShowRow['hash']>, string>> = {
  same: 'the row is as it was sent',
  different: 'the row has changed since it was sent',
  none: 'whether the row has changed since it was sent is not known',
};

function entryText({ label, syncedAt, batchId, batch }: ShowEntry, time: View['time']): string {
  const since = `tracked as ${label} since ${time(syncedAt)}`;
  if (batchId === null) return `${since}, by the job before this one or adopted`;
  if (batch === null) return `${since}, batch ${batchId}, whose history was pruned`;
  const status = batch.httpStatus === null ? '' : `, HTTP ${batch.httpStatus}`;
  return `${since}, batch ${batchId} (${batch.state}${status}) of run ${batch.runId}`;
}

function unresolvedText({ batchId, runId, operation, createdAt }: ShowBatch, time: View['time']): string {
  const what = operation === 'delete' ? 'is to be deleted by' : 'is in';
  return `it ${what} batch ${batchId} of run ${runId}, made at ${time(createdAt)}, whose outcome is unknown`;
}

const STYLES: Readonly<Record<RowVerdict, Style>> = {
  inDoubt: 'yellow',
  deadLetter: 'red',
  colliding: 'red',
  unmappable: 'red',
  pending: 'yellow',
  changed: 'yellow',
  outdated: 'yellow',
  sent: 'green',
  toDelete: 'yellow',
  stays: 'yellow',
  leftOut: 'yellow',
  sourceUnread: 'red',
};

const VERDICTS: Readonly<Record<RowVerdict, (row: ShowRow, time: View['time']) => string>> = {
  inDoubt: () =>
    'In doubt: it was sent, and no answer tells whether it was taken. The next run sends the same batch again first.',
  deadLetter: ({ key, deadLetter }) => {
    const reason = deadLetter === null ? '' : withStatus(deadLetter.reason, deadLetter.httpStatus).replace(/\.$/, '');
    return `A dead letter: ${reason}. tamhr-sync failures show --key ${quoted(key)} tells more.`;
  },
  colliding: () => "It cannot be sent: its key is another row's to the ledger. The next run makes it a dead letter.",
  unmappable: () => 'It cannot be sent: it has no payload. The next run makes it a dead letter.',
  pending: ({ incremental }) =>
    incremental
      ? 'Pending: the next run that compares all rows sends it (tamhr-sync run --full), or an earlier one where it has changed since the last comparison.'
      : 'Pending: the next run sends it.',
  changed: (row, time) =>
    `Pending: it has changed since it was sent ${sentAt(row, time)}. The next run that compares it sends it again (tamhr-sync run --full compares all rows).`,
  outdated: (row, time) =>
    `Sent ${sentAt(row, time)}. It has changed since, and is not sent again, since changes is new (tamhr-sync ledger forget --key ${quoted(row.key)} lets the next run send it).`,
  sent: (row, time) => `Sent ${sentAt(row, time)}; nothing to do.`,
  toDelete: (row) =>
    `${gone(row)}: the next run deletes it at the receiver, unless that would be more rows than maxDeletePercent allows.`,
  stays: (row, time) =>
    `${gone(row)}: sent ${sentAt(row, time)}, and it stays at the receiver, since changes is ${row.changes satisfies Entity['changes']}.`,
  leftOut: () => 'Not sent: source.where in the configuration leaves it out.',
  sourceUnread: ({ tracked }, time) =>
    tracked.length === 0
      ? 'Not known: the source could not be read, and the ledger does not hold it.'
      : `Sent at ${time(tracked[0]?.syncedAt ?? null)}; whether it has changed since is not known: the source could not be read.`,
};

function gone({ inSource }: ShowRow): string {
  return inSource === 'leftOut'
    ? 'No longer in the source, since source.where leaves it out'
    : 'Not in the source any more';
}

/** `2026-11-24 03:01 +07:00 by run …`, of the row under the label that was sent last. */
function sentAt({ tracked }: ShowRow, time: View['time']): string {
  const last = tracked.toSorted((a, b) => (b.syncedAt ?? '').localeCompare(a.syncedAt ?? ''))[0];
  const at = time(last?.syncedAt ?? null);
  if (last?.batch) return `at ${at} by run ${last.batch.runId}`;
  return last?.batchId ? `at ${at}` : `at ${at} (by the job before this one, or adopted)`;
}

/** As a shell takes it. */
function quoted(key: string): string {
  return /^[\w.:-]+$/.test(key) && !key.startsWith('-') ? key : `"${key.replace(/["\\$`]/g, '\\$&')}"`;
}
