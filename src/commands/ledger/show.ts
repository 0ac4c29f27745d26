/** `tamhr-sync ledger show`: all that is known of single rows, for "why did 123 not arrive". */
import { type Command, Option } from 'commander';
import type { Entity } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import type { Shown, ShowPorts } from '../../sync/ledger-show.ts';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { textOptions } from '../text-options.ts';
import { type LedgerOptions, print, reportProblems, tellError, withLedger } from './access.ts';

/** Rows that are shown of --where. */
const SHOWN = 20;

interface ShowCommandOptions extends LedgerOptions {
  readonly key?: readonly string[];
  readonly where?: string;
}

/** Adds the command. It ends with 0, with 1 where nobody knows a key, no row matches, or a source could not be read, and with 69 where none could. */
export function register(ledger: Command, context: CommandContext): void {
  ledger
    .command('show')
    .description('tell of single rows: in the source? sent, when, by which run? or why not, and what happens next')
    .addOption(entityOption('look in this entity only (repeat for several)'))
    .option('--key <key...>', 'the row with this key (repeat for several)')
    .addOption(
      new Option(
        '--where <predicate>',
        `the first ${SHOWN} rows for which this T-SQL predicate over the source's columns holds, such as "NoReg = '123'"`,
      ).conflicts('key'),
    )
    .option('--json', 'print one JSON document')
    .action((options: ShowCommandOptions) => show(context, options));
}

async function show(context: CommandContext, options: ShowCommandOptions): Promise<void> {
  const { key: keys, where } = options;
  if (keys === undefined && where === undefined) {
    throw new SyncError('USAGE', 'ledger show needs --key or --where.', `Such as --where "NoReg = '123'".`);
  }
  await withLedger(context, options, async ({ entities, store, logSettings, source, timeZone, signal }) => {
    const { openDeadLetters } = await import('../../sqlserver/failures.ts');
    const { showKeys } = await import('../../sync/ledger-show.ts');
    const { showDocument } = await import('../../report/ledger-json.ts');
    const { showText } = await import('../../report/ledger-show-text.ts');
    const { printable } = await import('../../report/terminal-text.ts');
    const deadLetters = openDeadLetters(logSettings);
    const ports: ShowPorts = { store, deadLetters, source, signal };
    try {
      const { more, rows, unknown, unread } =
        where === undefined
          ? { more: false, ...(await showKeys(entities, [...new Set(keys)], ports)) }
          : await showWhere(context, entities, where, options.entity !== undefined, ports);
      const document = showDocument({ rows, unknown }, entities, more, new Date());
      await print(context, options.json, document, showText(document, { ...(await textOptions(context)), timeZone }));
      for (const { entity, error } of unread) tellError(context, entity, error);
      const problems: string[] = [];
      if (unknown.length > 0) {
        problems.push(`${printable(unknown.join(', '))}: neither in a source nor in the ledger, and no dead letter.`);
      }
      if (where !== undefined && rows.length === 0) problems.push('No row of the sources matches --where.');
      reportProblems(context, problems);
      if (unread.length > 0) context.exit(unread.length === entities.length ? 69 : 1);
    } finally {
      await deadLetters.close();
    }
  });
}

/** The rows that match in one entity after the other. Where none was named, those that lack the columns are left out. */
async function showWhere(
  { io }: CommandContext,
  entities: readonly Entity[],
  where: string,
  areNamed: boolean,
  ports: ShowPorts,
): Promise<Shown & { readonly more: boolean }> {
  const { keysWhere, showKeys } = await import('../../sync/ledger-show.ts');
  const { printable } = await import('../../report/terminal-text.ts');
  const shown: Shown[] = [];
  const refusals: { entity: string; error: SyncError }[] = [];
  let left = SHOWN;
  let more = false;
  for (const entity of entities) {
    // One more than are shown, to see whether there are more.
    const keys = await keysWhere(entity, where, left + 1, ports).catch((error) => {
      if (!(error instanceof SyncError) || error.code !== 'USAGE') throw error;
      refusals.push({ entity: entity.name, error });
      return [];
    });
    more ||= keys.length > left;
    if (keys.length > 0 && left > 0) shown.push(await showKeys([entity], keys.slice(0, left), ports));
    left -= Math.min(left, keys.length);
  }
  const [refusal] = refusals;
  if (refusal !== undefined && (areNamed || refusals.length === entities.length)) throw refusal.error;
  if (refusals.length > 0) {
    const names = refusals.map(({ entity }) => entity).join(', ');
    io.stderr.write(`note: left out, since their sources do not take --where: ${printable(names)}\n`);
  }
  return {
    more,
    rows: shown.flatMap(({ rows }) => rows),
    unknown: [],
    unread: shown.flatMap(({ unread }) => unread),
  };
}
