/** `tamhr-sync ledger adopt`: marks rows as sent as they are now, without sending them. */
import { type Command, Option } from 'commander';
import type { Entity } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import type { LedgerChanges } from '../../sync/ledger-store.ts';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import {
  forEachUnlocked,
  type LedgerAccess,
  type LedgerOptions,
  print,
  reportProblems,
  unresolvedKeys,
  withLedger,
} from './access.ts';
import { type KeyCounts, keyPages, othersAlone, ownKeys } from './key-pages.ts';

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
  const { entity: names, keys, dryRun = false } = options;
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
    await print(context, options.json, document, adoptText(document, context.io.stdout.columns));
    reportProblems(context, [...results.flatMap(({ problems }) => problems), ...adoptProblems(document)]);
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
  const { narrowed, rejectPredicate } = await import('../../sync/ledger-where.ts');
  const { signal } = access;
  const rows = access.source(where === undefined ? entity : narrowed(entity, where));
  const source = await openLedgerSource(entity, rows);
  const selection: { keys?: AsyncIterable<readonly string[]> } = {};
  const counts: KeyCounts = { own: 0, others: 0 };
  if (file !== undefined) {
    const { readKeyFile } = await import('./key-file.ts');
    const isKey = (text: string) => readKey(text, source.keyColumns) !== undefined;
    const note = (message: string) => io.stderr.write(`note: ${message}\n`);
    const keys = readKeyFile(file, io, { keyNames: entity.source.key, isKey, note });
    selection.keys = keyPages(ownKeys(keys, [entity.name], counts));
  }
  const ledger = access.store.readOnly(entity);
  const unresolved = await unresolvedKeys(access, entity);
  const adopting = adoptRows({ source, ledger, unresolved, changes, ...selection, signal });
  const adopted =
    where === undefined
      ? await adopting
      : await adopting.catch((error) => rejectPredicate(error, entity, access.source(entity), signal));
  return { entity: entity.name, adopted, problems: file === undefined ? [] : othersAlone(file, [entity.name], counts) };
}
