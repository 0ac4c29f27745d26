/** `tamhr-sync failures list | show | retry | discard`: the dead letters, rows that cannot be sent by themselves. */
import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import type { DeadLetterFilter, DeadLetterList, DeadLetterStore } from '../sync/dead-letters.ts';
import { SyncError } from '../sync/errors.ts';
import type { CommandContext } from './context.ts';
import { entityOption, selectEntities } from './entities.ts';
import { positiveInteger } from './positive-integer.ts';
import { timedTextOptions } from './text-options.ts';
import { unlessLocked } from './unless-locked.ts';

/** Dead letters that are listed, unless --limit says otherwise. */
const LISTED = 100;

interface FailuresOptions {
  readonly entity?: readonly string[];
  readonly key?: readonly string[];
  readonly limit?: number;
  readonly json?: true;
}

/**
 * Adds the command and its subcommands. They end with 0, with 1 where a key that was asked for is no dead letter, and with
 * 75 where a run holds the lock of every entity that would be changed (of some of them: 1).
 */
export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('failures')
    .description('show, retry or discard dead letters: rows that cannot be sent, while their neighbours go through');
  const add = (name: string, description: string, which: string) =>
    command
      .command(name)
      .description(description)
      .addOption(entityOption(`${which} of this entity (repeat for several)`))
      .option('--key <key...>', `${which} of this key, as list shows it (repeat for several)`)
      .option('--json', 'print one JSON document');

  add('list', 'list them, newest first', 'only those')
    .option('--limit <rows>', `list at most this many (default: ${LISTED})`, positiveInteger)
    .action((options: FailuresOptions) => list(context, options));
  add('show', 'show all that is known of one, and what happens next', 'those').action((options: FailuresOptions) =>
    show(context, options),
  );
  add('retry', 'let the next run try them again, discarded ones too', 'only those').action((options: FailuresOptions) =>
    change(context, options, 'retry'),
  );
  add('discard', 'give them up: they are sent only once their rows change', 'those').action(
    (options: FailuresOptions) => change(context, options, 'discard'),
  );
}

async function list(context: CommandContext, options: FailuresOptions): Promise<void> {
  await withDeadLetters(context, options, async (store, filter, config) => {
    const { failuresDocument } = await import('../report/failures-json.ts');
    const { failuresText } = await import('../report/failures-text.ts');
    const document = failuresDocument(await store.list(filter, options.limit ?? LISTED), new Date());
    print(context, options, document, failuresText(document, await timedTextOptions(context, config)));
  });
}

async function show(context: CommandContext, options: FailuresOptions): Promise<void> {
  if (options.key === undefined) {
    throw new SyncError('USAGE', 'failures show needs --key.', 'tamhr-sync failures list shows the keys.');
  }
  await withDeadLetters(context, options, async (store, filter, config) => {
    const { failuresDocument } = await import('../report/failures-json.ts');
    const { failureBlocks } = await import('../report/failures-text.ts');
    const list = await store.list(filter, mostOf(filter));
    if (list.letters.length > 0 || options.json) {
      const document = failuresDocument(list, new Date());
      print(context, options, document, failureBlocks(document, await timedTextOptions(context, config)));
    }
    reportUnknownKeys(context, filter, list);
  });
}

async function change(context: CommandContext, options: FailuresOptions, what: 'retry' | 'discard'): Promise<void> {
  if (what === 'discard' && options.key === undefined && options.entity === undefined) {
    throw new SyncError('USAGE', 'failures discard needs --entity or --key.', 'Name what is to be given up.');
  }
  await withDeadLetters(context, options, async (store, filter) => {
    const list = await store.list(filter, mostOf(filter));
    const concerned = filter.entities.filter((_, index) => list.counts[index] !== 0);
    const changed: { readonly entity: string; readonly rows: number }[] = [];
    for (const entity of concerned) {
      const rows = await unlessLocked(context, () => store[what](entity, filter.keys));
      if (rows !== undefined) changed.push({ entity: entity.name, rows });
    }
    const { changeDocument } = await import('../report/failures-json.ts');
    const { changeText } = await import('../report/failures-text.ts');
    // Where all were locked, or no key was one, stderr says what there is to say.
    if (options.json || changed.length > 0 || (concerned.length === 0 && filter.keys === undefined)) {
      print(context, options, changeDocument(changed), changeText(what, changed, context.io.stdout.columns));
    }
    if (changed.length < concerned.length) context.exit(changed.length === 0 ? 75 : 1);
    else reportUnknownKeys(context, filter, list);
  });
}

function reportUnknownKeys({ io, exit }: CommandContext, { keys = [] }: DeadLetterFilter, { letters }: DeadLetterList) {
  const known = new Set(letters.map(({ key }) => key.toLowerCase()));
  const unknown = keys.filter((key) => !known.has(key.toLowerCase()));
  if (unknown.length === 0) return;
  io.stderr.write(`error: No dead letter has the key ${unknown.join(', ')}.\ntamhr-sync failures list shows them.\n`);
  exit(1);
}

/** All that keys can have: each in two spellings, in each entity. Without keys only the counts are of interest. */
function mostOf({ entities, keys = [] }: DeadLetterFilter): number {
  return 2 * keys.length * entities.length;
}

async function withDeadLetters(
  context: CommandContext,
  options: FailuresOptions,
  work: (store: DeadLetterStore, filter: DeadLetterFilter, config: Config) => Promise<void>,
): Promise<void> {
  const config = await context.loadConfig();
  const entities = selectEntities(config, options.entity);
  const settings = config.connections[config.logConnection];
  if (settings === undefined) throw new Error(`the configuration has no connection ${config.logConnection}`);
  const { openDeadLetters } = await import('../sqlserver/failures.ts');
  const store = openDeadLetters(settings);
  try {
    await work(store, { entities, ...(options.key && { keys: options.key }) }, config);
  } finally {
    await store.close();
  }
}

function print({ io }: CommandContext, { json }: FailuresOptions, document: object, text: string): void {
  io.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : text);
}
