/** `tamhr-sync ledger verify`: compares source and ledger, and removes what is harmless to remove. */
import type { Command } from 'commander';
import type { VerifiedEntity } from '../../report/ledger-json.ts';
import type { Entity } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { textOptions } from '../text-options.ts';
import { unlessLocked } from '../unless-locked.ts';
import { type LedgerAccess, type LedgerOptions, print, tellError, unresolvedKeys, withLedger } from './access.ts';

interface VerifyCommandOptions extends LedgerOptions {
  readonly repair?: true;
}

/**
 * Adds the command. It ends with 0 where source and ledger agree and with 1 where they differ, as diff does, or where some
 * entities could not be compared; where no source could be read with 69; with --repair and a run that holds the lock of every
 * entity with 75 (of some: 1).
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
    const unreachable = new Map<string, SyncError>();
    for (const entity of access.entities) {
      const { connection } = entity.source;
      try {
        // To wait for it once more would be to no avail.
        const known = unreachable.get(connection);
        if (known !== undefined) throw known;
        verified.push(await verifyEntity(context, access, options, entity));
      } catch (error) {
        if (access.signal.aborted || !isOfOneEntity(error)) throw error;
        if (error.code === 'SOURCE_UNAVAILABLE') unreachable.set(connection, error);
        tellError(context, entity.name, error);
        unread.push({ entity: entity.name, error });
      }
    }
    const names = unread.map(({ entity }) => entity);
    const document = verifyDocument(verified, names, new Date());
    await print(context, options.json, document, verifyText(document, await textOptions(context)));
    const locked = options.repair ? verified.filter(({ duplicatesRemoved }) => duplicatesRemoved === null).length : 0;
    if (unread.length > 0 && unread.length === access.entities.length) {
      context.exit(unread.every(({ error }) => error.code.startsWith('SOURCE_')) ? 69 : 1);
    } else if (locked > 0 && locked === access.entities.length) context.exit(75);
    else if (locked > 0 || !document.agrees) context.exit(1);
  });
}

/** What says nothing of the other entities. */
function isOfOneEntity(error: unknown): error is SyncError {
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
