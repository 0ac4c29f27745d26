/** `tamhr-sync ledger rehash`: accepts a changed mapping without sending. */
import type { Command } from 'commander';
import type { Entity } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import type { LedgerChanges } from '../../sync/ledger-store.ts';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { forEachUnlocked, type LedgerAccess, type LedgerOptions, print, reportProblems, withLedger } from './access.ts';

interface RehashCommandOptions extends LedgerOptions {
  readonly dryRun?: true;
}

/** Adds the command. It ends with 0, with 1 where rows have no payload, and with 75 as `adopt` does. */
export function register(ledger: Command, context: CommandContext): void {
  ledger
    .command('rehash')
    .description(
      'accept a changed mapping without sending: tracked rows get the hash of their present payload, changed values included',
    )
    .addOption(entityOption('rehash rows of this entity (repeat for several)'))
    .option('--dry-run', 'count only, and change nothing')
    .option('--json', 'print one JSON document')
    .action((options: RehashCommandOptions) => rehash(context, options));
}

async function rehash(context: CommandContext, options: RehashCommandOptions): Promise<void> {
  const { entity: names, dryRun = false } = options;
  if (names === undefined) {
    throw new SyncError('USAGE', 'ledger rehash needs --entity.', 'Name the entities whose mapping has changed.');
  }
  await withLedger(context, options, async (access) => {
    const { rehashDocument } = await import('../../report/ledger-json.ts');
    const { rehashProblems, rehashText } = await import('../../report/ledger-text.ts');
    const results = await forEachUnlocked(context, access.entities, (entity) =>
      dryRun
        ? rehashEntity(access, entity, undefined)
        : access.store.change(entity, (changes) => rehashEntity(access, entity, changes)),
    );
    if (results.length === 0) return;
    const document = rehashDocument(dryRun, results);
    await print(context, options.json, document, rehashText(document, context.io.stdout.columns));
    reportProblems(context, rehashProblems(document));
  });
}

async function rehashEntity(access: LedgerAccess, entity: Entity, changes: LedgerChanges | undefined) {
  const { rehashRows } = await import('../../sync/ledger-rehash.ts');
  const { openLedgerSource } = await import('../../sync/ledger-source.ts');
  const source = await openLedgerSource(entity, access.source(entity));
  const ledger = access.store.readOnly(entity);
  return { entity: entity.name, result: await rehashRows({ source, ledger, changes, signal: access.signal }) };
}
