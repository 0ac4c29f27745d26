/** `tamhr-sync ledger verify`: compares source and ledger, and removes what is harmless to remove. */
import type { Command } from 'commander';
import type { VerifiedEntity } from '../../report/ledger-json.ts';
import type { Entity } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import { exitCodeOfError } from '../../sync/exit-codes.ts';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { textOptions } from '../text-options.ts';
import { unlessLocked } from '../unless-locked.ts';
import { type LedgerAccess, type LedgerOptions, print, unresolvedKeys, withLedger } from './access.ts';

interface VerifyCommandOptions extends LedgerOptions {
  readonly repair?: true;
}

/**
 * Adds the command. It ends with 0 where source and ledger agree and with 1 where they differ, as diff does; where no source
 * can be read with the code of the first error, which is 69 (of some: 1); with --repair and a run that holds the lock of every entity, with 75 (of some: 1).
 */
export function register(ledger: Command, context: CommandContext): void {
  ledger
    .command('verify')
    .description('compare source and ledger row by row; exit 1 where they differ')
    .addOption(entityOption('verify only this entity (repeat for several)'))
    .option('--repair', 'remove duplicate labels, and let the next run compare all rows; sends and forgets nothing')
    .option('--json', 'print one JSON document')
    .action((options: VerifyCommandOptions) => verify(context, options));
}

async function verify(context: CommandContext, options: VerifyCommandOptions): Promise<void> {
  await withLedger(context, options, async (access) => {
    const { verifyDocument } = await import('../../report/ledger-json.ts');
    const { verifyText } = await import('../../report/ledger-verify-text.ts');
    const verified: VerifiedEntity[] = [];
    const unread: { readonly entity: string; readonly error: SyncError }[] = [];
    for (const entity of access.entities) {
      try {
        verified.push(await verifyEntity(context, access, options, entity));
      } catch (error) {
        if (!isOfItsSource(error)) throw error;
        context.io.stderr.write(`error: ${error.message}\n${error.hint}\n`);
        unread.push({ entity: entity.name, error });
      }
    }
    const names = unread.map(({ entity }) => entity);
    const document = verifyDocument(verified, names, new Date());
    await print(context, options.json, document, verifyText(document, await textOptions(context)));
    const locked = options.repair ? verified.filter(({ duplicatesRemoved }) => duplicatesRemoved === null).length : 0;
    const [first] = unread;
    if (verified.length === 0 && first !== undefined) context.exit(exitCodeOfError(first.error.code));
    else if (locked > 0 && locked === access.entities.length) context.exit(75);
    else if (locked > 0 || !document.agrees) context.exit(1);
  });
}

/** What says nothing of the other entities. */
function isOfItsSource(error: unknown): error is SyncError {
  return error instanceof SyncError && (error.code.startsWith('SOURCE_') || error.code === 'MAP_INVALID');
}

async function verifyEntity(
  context: CommandContext,
  access: LedgerAccess,
  { repair }: VerifyCommandOptions,
  entity: Entity,
): Promise<VerifiedEntity> {
  const { isIncremental, openLedgerSource } = await import('../../sync/ledger-source.ts');
  const { verifyLedger } = await import('../../sync/ledger-verify.ts');
  const { verifiedEntity } = await import('../../report/ledger-json.ts');
  const { store, signal } = access;
  const runAtWork = (await store.holder(entity)) !== undefined;
  const lookup = access.source(entity);
  const ledger = store.readOnly(entity);
  const verified = await verifyLedger({
    source: await openLedgerSource(entity, lookup),
    lookup,
    ledger,
    unresolved: await unresolvedKeys(access, entity),
    incremental: await isIncremental(entity, lookup, ledger),
    duplicates: await store.countDuplicates(entity),
    signal,
  });
  const repairs = () =>
    store.change(entity, async (changes) => {
      const removed = await changes.removeDuplicates();
      await changes.removeWatermark();
      return removed;
    });
  return verifiedEntity(entity, verified, runAtWork, repair && (await unlessLocked(context, repairs)));
}
