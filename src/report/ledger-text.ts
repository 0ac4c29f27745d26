/** What `ledger adopt`, `rehash`, `forget` and `prune` did, for people: a sentence for each entity, and what to do next. */
import { formatCount, formatQuantity, timeFormatter } from './format.ts';
import type {
  AdoptDocument,
  AdoptedEntity,
  ForgetDocument,
  NamedRows,
  PruneDocument,
  RehashDocument,
  RehashedEntity,
} from './ledger-json.ts';
import { printable, widthOf, wrap } from './terminal-text.ts';

/** What was adopted, ending with a line break. */
export function adoptText({ dryRun, entities }: AdoptDocument, columns?: number): string {
  const sentences = entities.map((entity) => `${entity.entity}: ${adoptedText(entity, dryRun)}`);
  return lines(
    [
      ...sentences,
      dryRun
        ? 'Nothing was changed. Without --dry-run these rows are marked; this command sends nothing in either case.'
        : 'This command sent nothing. tamhr-sync plan shows what a run would send now; tamhr-sync ledger verify compares source and ledger.',
    ],
    columns,
  );
}

function adoptedText({ added, rehashed, unchanged, inDoubt, deadLetters }: AdoptedEntity, dryRun: boolean): string {
  const all = added + rehashed + unchanged;
  const rows = formatQuantity(all, 'row');
  const marked = dryRun ? `${rows} would be marked` : `${rows} marked`;
  const parts = [
    `${formatCount(added)} ${dryRun ? 'would be added' : 'added'}`,
    `${formatCount(rehashed)} tracked with another hash or none`,
    `${formatCount(unchanged)} tracked as they are`,
  ];
  const doubt =
    inDoubt === 0
      ? ''
      : ` ${formatCount(inDoubt)} of them ${inDoubt === 1 ? 'is' : 'are'} in a batch whose outcome is unknown, which the next run sends again first.`;
  const ended =
    deadLetters === 0
      ? ''
      : ` ${formatQuantity(deadLetters, 'dead letter')} ${dryRun ? 'would end' : 'ended'} by that.`;
  return `${marked} as sent as ${all === 1 ? 'it is' : 'they are'} now (${parts.join(', ')}).${doubt}${ended}`;
}

/** What was not adopted, and why: a sentence each for stderr; empty where all was. */
export function adoptProblems({ entities }: AdoptDocument): string[] {
  return entities.flatMap(({ entity, notFound, unmappable, colliding }) => [
    ...problem(entity, notFound, 'key is not in the source', 'keys are not in the source'),
    ...problem(entity, unmappable, 'row has no payload', 'rows have no payload'),
    ...problem(entity, colliding, "row's key is another's to the ledger", "rows' keys are others' to the ledger"),
  ]);
}

/** What was rehashed, ending with a line break. */
export function rehashText({ dryRun, entities }: RehashDocument, columns?: number): string {
  const sentences = entities.map((entity) => `${entity.entity}: ${rehashedText(entity, dryRun)}`);
  return lines(
    [
      ...sentences,
      dryRun
        ? 'Nothing was changed. Without --dry-run rows whose values have changed since they were sent count as sent, too, and the receiver keeps them as they were: run tamhr-sync run --full under the old mapping first where it is to get them.'
        : 'Nothing was sent. Rows whose values have changed since they were sent count as sent now, too, and the receiver keeps them as they were. To send rows again all the same, name them to tamhr-sync ledger forget.',
    ],
    columns,
  );
}

function rehashedText({ rehashed, hashed, unchanged, deadLetters }: RehashedEntity, dryRun: boolean): string {
  const rows = formatQuantity(rehashed + hashed, 'tracked row');
  const verb = dryRun ? 'would get' : 'got';
  const had = `${formatCount(rehashed)} had another, ${formatCount(hashed)} had none`;
  const { count, keys } = deadLetters;
  const letters = count === 1 ? '1 row is a dead letter and' : `${formatCount(count)} rows are dead letters and`;
  const named = `${count > keys.length ? 'such as ' : ''}${keys.join(', ')}`;
  const left =
    count === 0
      ? ''
      : ` ${letters} ${dryRun ? 'would be' : count === 1 ? 'was' : 'were'} left alone: ${named} (tamhr-sync failures list tells more).`;
  return `${rows} ${verb} the hash of the present payload (${had}); ${formatCount(unchanged)} had it already.${left}`;
}

/** Rows that kept their hash: a sentence each for stderr. */
export function rehashProblems({ entities }: RehashDocument): string[] {
  return entities.flatMap(({ entity, unmappable }) =>
    problem(entity, unmappable, 'row has no payload under this mapping', 'rows have no payload under this mapping'),
  );
}

/** What was forgotten, ending with a line break. */
export function forgetText({ dryRun, entities }: ForgetDocument, columns?: number): string {
  if (entities.length === 0) return lines(['No tracked row matches; nothing was forgotten.'], columns);
  const sentences = entities.map(({ entity, rows }) =>
    dryRun
      ? `${entity}: ${formatQuantity(rows, 'tracked row')} would be forgotten.`
      : `${entity}: ${formatQuantity(rows, 'tracked row')} forgotten.`,
  );
  return lines(
    [...sentences, dryRun ? 'Nothing was changed.' : 'The next run sends those of them that the source has.'],
    columns,
  );
}

/** Keys that are not tracked, as a sentence for stderr; empty where all are. */
export function forgetProblems({ notTracked }: ForgetDocument): string[] {
  return problem(undefined, notTracked, 'key is not tracked', 'keys are not tracked');
}

/** The question before rows are forgotten, as one line. */
export function forgetQuestion(entities: ForgetDocument['entities']): string {
  const parts = entities.map(({ entity, rows }) => `${formatQuantity(rows, 'tracked row')} of ${entity}`);
  const last = parts.at(-1) ?? '';
  const what = parts.length < 2 ? last : `${parts.slice(0, -1).join(', ')} and ${last}`;
  return printable(`Forget ${what}? The next run sends them again.`);
}

/** What was pruned, ending with a line break; times in the zone (IANA). */
export function pruneText({ dryRun, before, ...pruned }: PruneDocument, timeZone: string, columns?: number): string {
  const parts = [
    formatQuantity(pruned.runs, 'run'),
    formatQuantity(pruned.batches, 'batch', 'batches'),
    `${formatQuantity(pruned.logEntries, 'row')} of TB_R_Log`,
  ];
  const what = `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)} that ended before ${timeFormatter(timeZone)(before)}`;
  return lines(
    [
      `${dryRun ? 'Would remove' : 'Removed'} ${what}.`,
      'The ledger is kept as it is, whatever its age; so are batches whose outcome is unknown, and what others wrote to TB_R_Log.',
    ],
    columns,
  );
}

/** `Users: 3 keys are not in the source, such as a, b, c.` */
function problem(entity: string | undefined, { count, keys, reason }: NamedRows, one: string, many: string): string[] {
  if (count === 0) return [];
  const because = reason === null ? '' : ` (${count === 1 ? '' : 'the first: '}${reason})`;
  const name = entity === undefined ? '' : `${entity}: `;
  const named = `${count > keys.length ? ', such as ' : ': '}${keys.join(', ')}`;
  return [printable(`${name}${formatCount(count)} ${count === 1 ? one : many}${named}${because}`)];
}

function lines(sentences: readonly string[], columns: number | undefined): string {
  return `${sentences.flatMap((sentence) => wrap(printable(sentence), widthOf(columns))).join('\n')}\n`;
}
