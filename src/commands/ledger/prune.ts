/** `tamhr-sync ledger prune`: removes old history, and nothing of the ledger. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseAge } from '../../sync/ledger-time.ts';
import type { CommandContext } from '../context.ts';
import { print, withLedger } from './access.ts';

const DAY_MS = 24 * 60 * 60_000;

/** A hundred years: what is older than that is a slip of the pen. */
const MOST_DAYS = 36_500;

interface PruneCommandOptions {
  /** In milliseconds. */
  readonly olderThan: number;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Adds the command. */
export function register(ledger: Command, context: CommandContext): void {
  ledger
    .command('prune')
    .description('remove runs, batches and log rows of this tool by age; the ledger itself is never pruned')
    .requiredOption('--older-than <age>', 'what ended longer ago than this: 90d, 12w; a day at least', ageOfDays)
    .option('--dry-run', 'count only, and change nothing')
    .option('--json', 'print one JSON document')
    .action((options: PruneCommandOptions) => prune(context, options));
}

async function prune(context: CommandContext, options: PruneCommandOptions): Promise<void> {
  const { olderThan, json } = options;
  const dryRun = options.dryRun === true;
  await withLedger(context, {}, async ({ store, timeZone }) => {
    const { pruneDocument } = await import('../../report/ledger-json.ts');
    const { pruneText } = await import('../../report/ledger-text.ts');
    const before = new Date(Date.now() - olderThan);
    const document = pruneDocument(dryRun, before, await store.prune({ before, dryRun }));
    await print(context, json, document, pruneText(document, timeZone, context.io.stdout.columns));
  });
}

function ageOfDays(text: string): number {
  const age = parseAge(text);
  if (age !== undefined && age >= DAY_MS && age <= MOST_DAYS * DAY_MS) return age;
  throw new InvalidArgumentError('Expected an age of a day at least and 100 years at most, such as 90d or 12w.');
}
