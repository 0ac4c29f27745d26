/** `ledger verify` for people: a block for each entity, a line for each kind of difference with what happens next. */
import type { Entity } from '../sync/entity.ts';
import { DIFFERENCES, type Difference } from '../sync/ledger-verify.ts';
import { type Paint, painter, type Style } from './colour.ts';
import { formatCount, formatQuantity } from './format.ts';
import type { NamedRows, VerifiedEntity, VerifyDocument } from './ledger-json.ts';
import { printable, widthOf, wrap } from './terminal-text.ts';

/** Width of the block's labels, with the space around them. */
const LABEL_WIDTH = 16;

/** How the text is to look. */
export interface VerifyTextOptions {
  /** The terminal's width, 80 where absent. */
  readonly columns?: number;
  readonly colour: boolean;
}

interface View {
  readonly width: number;
  readonly paint: Paint;
}

/** The whole of it, each line with its break. Entities that are unread are not in it. */
export function verifyText({ entities }: VerifyDocument, { columns, colour }: VerifyTextOptions): string {
  const view: View = { width: widthOf(columns), paint: painter(colour) };
  return entities.map((entity) => entityBlock(entity, view).join('\n').concat('\n')).join('\n');
}

function entityBlock(entity: VerifiedEntity, { width, paint }: View): string[] {
  const line = (label: string, text: string, style?: Style) => {
    const lines = wrap(printable(text), width, `  ${label}`.padEnd(LABEL_WIDTH));
    return style === undefined ? lines : lines.map((one) => paint(style, one));
  };
  const found = (label: string, { count, keys, reason }: NamedRows, text: string, style?: Style) => {
    if (count === 0) return [];
    const named = count > keys.length ? `such as ${keys.join(', ')}` : keys.join(', ');
    const because = reason === null ? '' : ` (${count === 1 ? '' : 'the first: '}${reason})`;
    return [
      ...line(label, `${formatCount(count)} ${text}`, style),
      ...(keys.length === 0 ? [] : line('', `${named}${because}`)),
    ];
  };
  const title = entity.agrees ? 'source and ledger agree' : 'source and ledger differ';
  return [
    ...wrap(printable(`${entity.entity}: ${title}`), width).map((part) => paint('bold', part)),
    ...line('source', formatQuantity(entity.sourceRows, 'row')),
    ...line('ledger', formatQuantity(entity.trackedRows, 'row')),
    ...DIFFERENCES.flatMap((kind) => found(LABELS[kind] ?? kind, entity[kind], MEANING[kind](entity), 'yellow')),
    ...found('without hash', entity.withoutHash, withoutHashText(entity.changes)),
    ...(entity.duplicatesRemoved === null ? [] : line('repaired', repairedText(entity.duplicatesRemoved), 'green')),
    ...(entity.runAtWork ? line('note', 'a run is at work on it: rows that it is sending count as they were met') : []),
  ];
}

/** Where the label is not the kind's name. */
const LABELS: Readonly<Partial<Record<Difference, string>>> = { inDoubt: 'in doubt' };

/** What each kind means and what happens next, after the number of rows. */
const MEANING: Readonly<Record<Difference, (entity: VerifiedEntity) => string>> = {
  inDoubt: ({ inDoubt }) =>
    `in a batch whose outcome is unknown: the next run sends ${inDoubt.count === 1 ? 'it' : 'them'} again first`,
  missing: ({ missing, deadLetters, incremental }) => {
    const but =
      deadLetters > 0
        ? `, but for ${formatQuantity(deadLetters, 'dead letter')}, tried again when due or changed (tamhr-sync failures list)`
        : '';
    const run = incremental ? 'the next run that compares all rows (tamhr-sync run --full)' : 'the next run';
    return `in the source, not in the ledger: ${run} sends ${missing.count === 1 ? 'it' : 'them'}${but}. Where the receiver has them already: tamhr-sync ledger adopt --entity NAME`;
  },
  stale: ({ changes }) =>
    changes === 'new'
      ? 'changed since they were sent: not sent again, since changes is new'
      : 'changed since they were sent: the next run that compares all rows sends them again (tamhr-sync run --full). Where the mapping has changed and they need not be: tamhr-sync ledger rehash',
  orphaned: ({ changes }) =>
    changes === 'mirror'
      ? 'in the ledger, not in the source: the next run deletes them at the receiver, unless they are more than maxDeletePercent'
      : `in the ledger, not in the source: they stay at the receiver, since changes is ${changes}`,
  duplicate: ({ duplicate, duplicatesRemoved }) =>
    duplicatesRemoved === null
      ? 'under several labels: counted more than once, and otherwise harmless; --repair leaves of each the one that was sent last, one with a hash before others'
      : `${duplicate.count === 1 ? 'was' : 'were'} under several labels`,
  unreadable: () =>
    'in the ledger with a key that no row of this source can have (was source.key another one?): runs leave them as they are; tamhr-sync ledger forget --key removes them',
  colliding: () =>
    'in the source with a key that is one with another to the ledger, which does not tell case apart: they become dead letters',
  unmappable: () => 'in the source without a payload: they become dead letters',
};

function withoutHashText(changes: Entity['changes']): string {
  const unknown = 'tracked without a hash, so that nobody can tell whether they changed since: ';
  if (changes === 'new') return `${unknown}no matter while changes is new; tamhr-sync ledger rehash gives them one`;
  return `${unknown}the next run that compares them takes them as they are now (tamhr-sync run --resend-unknown sends them)`;
}

function repairedText(removed: number): string {
  return `${formatQuantity(removed, 'row')} under further labels removed; the next run compares all rows. Nothing was sent, nothing forgotten.`;
}
