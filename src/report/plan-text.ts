/** `plan` for people: a table of all entities, then a block for each that has more to say. */
import type { Operation } from '../sync/ports.ts';
import { type Paint, painter, type Style } from './colour.ts';
import { methodText } from './comparison-text.ts';
import { formatBytes, formatCount, formatDuration, formatQuantity } from './format.ts';
import type { PlanComparison, PlanDocument, PlannedEntity, PlanSample } from './plan-json.ts';
import { hashesTakenText, heldNote, meaning, stopText } from './summary.ts';
import { printable, type TableCell, type TableColumn, table, widthOf, wrap } from './terminal-text.ts';

/** Width of the block's labels, with the space around them. */
const LABEL_WIDTH = 16;

/** How the text is to look. */
export interface PlanTextOptions {
  /** The terminal's width, 80 where absent. */
  readonly columns?: number;
  readonly colour: boolean;
}

interface View {
  readonly width: number;
  readonly paint: Paint;
}

/** The whole plan, ending with a line break. */
export function planText(document: PlanDocument, { columns, colour }: PlanTextOptions): string {
  const view: View = { width: widthOf(columns), paint: painter(colour) };
  const { entities, exitCode } = document;
  const sections = [
    wrap('What a run would send now. Nothing was sent or stored.', view.width),
    entities.length === 0 ? ['No entity was read.'] : entityTable(entities, view),
    ...entities.map((entity) => entityBlock(entity, view)),
    wrap(`Exit code ${exitCode}: ${meaning({ dryRun: true, exitCode })}`, view.width),
  ];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function entityTable(entities: readonly PlannedEntity[], { width, paint }: View): string[] {
  const count = (title: string, drop?: number): TableColumn => ({
    title,
    align: 'right',
    ...(drop !== undefined && { drop }),
  });
  const columns: TableColumn[] = [
    { title: 'Entity', min: 16 },
    count('Read', 3),
    count('Tracked', 2),
    count('New'),
    count('Changed'),
    count('To delete'),
    count('Batches', 4),
    count('Size', 5),
    count('Time', 1),
  ];
  const rows = entities.map((entity): TableCell[] => [
    printable(entity.entity),
    formatCount(entity.read),
    formatCount(entity.tracked),
    formatCount(entity.newRows),
    formatCount(entity.changedRows),
    formatCount(entity.deletions),
    formatCount(entity.batches),
    formatBytes(entity.bytes),
    formatDuration(entity.durationMs),
  ]);
  return table(columns, rows, width, paint);
}

function entityBlock(entity: PlannedEntity, view: View): string[] {
  const { width, paint } = view;
  const line = (label: string, text: string, style?: Style) => {
    const lines = wrap(printable(text), width, `  ${label}`.padEnd(LABEL_WIDTH));
    return style === undefined ? lines : lines.map((one) => paint(style, one));
  };
  const { comparison, error, heldDeletions, newDeadLetters, oldDeadLetters, withoutHash } = entity;
  return [
    ...wrap(printable(entity.entity), width).map((part) => paint('bold', part)),
    ...(error === null
      ? []
      : [...line('error', withoutName(entity.entity, error.message), 'red'), ...line('', error.hint)]),
    ...(entity.state === 'stopped' ? line('incomplete', stopped(entity), 'yellow') : []),
    ...(comparison === null ? [] : comparisonLines(comparison, entity.changedRows, line)),
    ...(heldDeletions > 0 ? line('held back', heldNote(heldDeletions, true).text, 'yellow') : []),
    ...(newDeadLetters > 0
      ? line(
          'dead letters',
          `${formatCount(newDeadLetters)} of these rows cannot be sent and would become dead letters`,
        )
      : []),
    ...(oldDeadLetters > 0
      ? line(newDeadLetters > 0 ? '' : 'dead letters', `${formatCount(oldDeadLetters)} of earlier runs still wait`)
      : []),
    ...(withoutHash > 0
      ? line('no hash', `${hashesTakenText(withoutHash, true)} --resend-unknown would send them instead.`)
      : []),
    ...entity.warnings.flatMap((warning) => line('warning', warning, 'yellow')),
    ...entity.samples.flatMap((sample) => sampleLines(sample, view)),
  ];
}

/** Messages begin with the entity's name; so does the block. */
function withoutName(entity: string, message: string): string {
  return message.startsWith(`${entity}: `) ? message.slice(entity.length + 2) : message;
}

function stopped({ stoppedBy }: PlannedEntity): string {
  return stopText({ ...(stoppedBy !== null && { stoppedBy }), left: 0 });
}

function comparisonLines(
  { method, why, fullBecause, mapChanged }: PlanComparison,
  changedRows: number,
  line: (label: string, text: string, style?: Style) => string[],
): string[] {
  const how = methodText({ method, ...(fullBecause !== null && { fullBecause }) });
  const rows = formatQuantity(changedRows, 'row');
  return [
    ...line('compares', why === '' ? how : `${how}: ${why}`),
    ...(fullBecause === null ? [] : line('all rows', fullBecause)),
    ...(mapChanged
      ? line(
          'mapping',
          `the mapping changed since the last full comparison: ${rows} would be sent again; \`tamhr-sync ledger rehash\` accepts it without sending`,
          'yellow',
        )
      : []),
  ];
}

const WOULD: Readonly<Record<Operation, string>> = { upsert: 'would send', delete: 'would delete' };

function sampleLines({ operation, key, payload }: PlanSample, { width }: View): string[] {
  const first = `  ${WOULD[operation]}`.padEnd(LABEL_WIDTH);
  return [
    ...wrap(printable(key), width, first),
    // Spaces between the fields, to break lines there.
    ...(payload === null ? [] : wrap(printable(JSON.stringify(payload, undefined, 1)), width, '    ')),
  ];
}
