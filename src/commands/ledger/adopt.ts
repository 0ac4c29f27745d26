/** `tamhr-sync ledger adopt`: marks rows as sent as they are now, without sending them. */
import { type Command, Option } from 'commander';
import type { Entity } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import type { LedgerChanges } from '../../sync/ledger-store.ts';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { forEachUnlocked, type LedgerAccess, type LedgerOptions, print, reportProblems, withLedger } from './access.ts';

interface AdoptCommandOptions extends LedgerOptions {
  readonly where?: string;
  readonly keys?: string;
  readonly dryRun?: true;
}

/**
 * Adds the command. It ends with 0, with 1 where keys of the file are not in the source or rows cannot be marked, and with
 * 75 where a run holds the lock of every entity (of some: 1).
 */
export function register(ledger: Command, context: CommandContext): void {
  ledger
    .command('adopt')
    .description('mark rows as sent as they are now, without sending them: where the receiver has them already')
    .addOption(entityOption('mark rows of this entity (repeat for several)'))
    .option('--where <predicate>', "only rows for which this T-SQL predicate over the source's columns holds")
    .addOption(
      new Option(
        '--keys <file>',
        'only rows whose keys stand in this CSV or NDJSON file (- is standard input)',
      ).conflicts('where'),
    )
    .option('--dry-run', 'count only, and change nothing')
    .option('--json', 'print one JSON document')
    .action((options: AdoptCommandOptions) => adopt(context, options));
}

async function adopt(context: CommandContext, options: AdoptCommandOptions): Promise<void> {
  const { entity: names, keys, where, dryRun = false } = options;
  if (names === undefined) {
    throw new SyncError(
      'USAGE',
      'ledger adopt needs --entity.',
      'Name the entities whose rows the receiver has already.',
    );
  }
  if (keys !== undefined && names.length > 1) {
    throw new SyncError('USAGE', '--keys is for one entity at a time.', 'Repeat the command for each --entity.');
  }
  await withLedger(context, options, async (access) => {
    const { adoptDocument } = await import('../../report/ledger-json.ts');
    const { adoptProblems, adoptText } = await import('../../report/ledger-text.ts');
    const work = (entity: Entity, changes: LedgerChanges | undefined) =>
      adoptEntity(context, access, options, entity, changes);
    const results = await forEachUnlocked(context, access.entities, (entity) =>
      dryRun ? work(entity, undefined) : access.store.change(entity, (changes) => work(entity, changes)),
    );
    if (results.length === 0) return;
    const document = adoptDocument(dryRun, results);
    print(context, options.json, document, adoptText(document, context.io.stdout.columns));
    reportProblems(context, adoptProblems(document));
  }).catch((error) => {
    if (where === undefined || !(error instanceof SyncError) || error.code !== 'SOURCE_REFUSED') throw error;
    throw new SyncError(error.code, error.message, 'See whether --where is a predicate over columns of the source.', {
      cause: error,
    });
  });
}

async function adoptEntity(
  { io }: CommandContext,
  access: LedgerAccess,
  { where, keys: file }: AdoptCommandOptions,
  entity: Entity,
  changes: LedgerChanges | undefined,
) {
  const { adoptRows } = await import('../../sync/ledger-adopt.ts');
  const { openLedgerSource, readKey } = await import('../../sync/ledger-source.ts');
  const narrowed =
    where === undefined ? entity : { ...entity, source: { ...entity.source, where: both(entity, where) } };
  const source = await openLedgerSource(entity, access.source(narrowed));
  const selection: { keys?: AsyncIterable<readonly string[]> } = {};
  if (file !== undefined) {
    const { readKeyFile } = await import('./key-file.ts');
    const { keyPages } = await import('./key-pages.ts');
    const isKey = (text: string) => readKey(text, source.keyColumns) !== undefined;
    selection.keys = keyPages(readKeyFile(file, io, { keyNames: entity.source.key, isKey }), entity.name);
  }
  const ledger = access.store.readOnly(entity);
  const adopted = await adoptRows({ source, ledger, changes, ...selection, signal: access.signal });
  return { entity: entity.name, adopted };
}

/** The configured predicate and this one. A comment at the end of either ends before the parenthesis. */
function both({ source: { where } }: Entity, predicate: string): string {
  return where === undefined ? predicate : `(\n${where}\n) AND (\n${predicate}\n)`;
}
