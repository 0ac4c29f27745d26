/** `tamhr-sync ledger forget`: rows that no longer count as sent, so that the next run sends them again. */
import { type Command, Option } from 'commander';
import type { ForgottenEntity } from '../../report/ledger-json.ts';
import type { Entity } from '../../sync/entity.ts';
import { SyncError } from '../../sync/errors.ts';
import { addExample, type Examples, noExamples } from '../../sync/ledger-examples.ts';
import { LEDGER_PAGE_ROWS } from '../../sync/ledger-source.ts';
import { parseSince } from '../../sync/ledger-time.ts';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { forEachUnlocked, type LedgerAccess, type LedgerOptions, print, reportProblems, withLedger } from './access.ts';
import { confirm } from './confirm.ts';
import type { FileKey } from './key-file.ts';
import { type KeyCounts, othersAlone, ownKeys } from './key-pages.ts';

interface ForgetCommandOptions extends LedgerOptions {
  readonly key?: readonly string[];
  readonly keys?: string;
  readonly since?: string;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** What is to be forgotten of each entity: rows of these keys (all where absent), and sent since then. */
interface Selection {
  /** In pages. */
  readonly keysOf?: (entity: Entity) => readonly (readonly string[])[];
  readonly since?: Date;
}

/**
 * Adds the command. It ends with 0, also where the answer is no; with 1 where keys are not tracked; with 64 where there is no
 * terminal to ask on and no --yes; and with 75 as `adopt` does.
 */
export function register(ledger: Command, context: CommandContext): void {
  ledger
    .command('forget')
    .description('let rows no longer count as sent: the next run sends them again')
    .addOption(entityOption('only rows of this entity (repeat for several); alone: all of them'))
    .option('--key <key...>', 'the row with this key (repeat for several)')
    .addOption(
      new Option('--keys <file>', 'rows whose keys stand in this CSV or NDJSON file (- is standard input)').conflicts(
        'key',
      ),
    )
    .option('--since <time>', 'rows that were sent since: 2026-11-24, "2026-11-24 03:00", 2d, 36h')
    .option('--dry-run', 'count only, and change nothing')
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON document')
    .action((options: ForgetCommandOptions) => forget(context, options));
}

async function forget(context: CommandContext, options: ForgetCommandOptions): Promise<void> {
  const { entity: names, key, keys, since, dryRun = false } = options;
  if ([names, key, keys, since].every((one) => one === undefined)) {
    throw new SyncError(
      'USAGE',
      'ledger forget needs --entity, --key, --keys or --since.',
      'Name what is to be sent again; --entity NAME alone is all of an entity.',
    );
  }
  await withLedger(context, options, async (access) => {
    const { forgetDocument } = await import('../../report/ledger-json.ts');
    const { forgetProblems, forgetText } = await import('../../report/ledger-text.ts');
    const { selection, typed, problems } = await selectionOf(context, access, options);
    const counts = await countOf(access, selection);
    const notTracked = await untrackedOf(access, selection, typed);
    const concerned = counts.filter(({ rows }) => rows > 0);
    warnOfMirrors(context, access, concerned);
    const isAllowed = dryRun || concerned.length === 0 || (await allowed(context, access, options, concerned));
    if (!isAllowed) {
      context.io.stderr.write('Nothing was forgotten.\n');
      return;
    }
    const entities = access.entities.filter(({ name }) => concerned.some(({ entity }) => entity === name));
    const forgotten = dryRun
      ? concerned
      : await forEachUnlocked(context, entities, (entity) => forgetEntity(access, entity, selection));
    if (forgotten.length === 0 && concerned.length > 0) return;
    const document = forgetDocument(dryRun, forgotten, notTracked);
    await print(context, options.json, document, forgetText(document, context.io.stdout.columns));
    reportProblems(context, [...problems, ...forgetProblems(document)]);
  });
}

/** `typed`: the keys that were asked for, to tell which of them are not tracked; `problems`: for stderr. */
async function selectionOf(
  { io }: CommandContext,
  access: LedgerAccess,
  { key, keys: file, since: text }: ForgetCommandOptions,
): Promise<{ selection: Selection; typed: readonly string[]; problems: readonly string[] }> {
  const { entities, timeZone } = access;
  const since = text === undefined ? undefined : parseSince(text, timeZone, new Date());
  if (text !== undefined && since === undefined) {
    throw new SyncError(
      'USAGE',
      `--since ${text} is no time.`,
      'Write a date or date-time such as 2026-11-24 or "2026-11-24 03:00", or an age such as 2d or 36h.',
    );
  }
  const problems: string[] = [];
  const keys: FileKey[] = (key ?? []).map((one) => ({ key: spelled(one) }));
  if (file !== undefined) {
    const { readKeyFile } = await import('./key-file.ts');
    const [first] = entities;
    const areAlike = entities.every(({ source }) => String(source.key) === String(first?.source.key));
    const names = entities.map(({ name }) => name);
    const read = readKeyFile(file, io, {
      keyNames: areAlike && first !== undefined ? first.source.key : [],
      isKey: (text) => mayBeKey(access, text),
      note: (message) => io.stderr.write(`note: ${message}\n`),
    });
    const counts: KeyCounts = { own: 0, others: 0 };
    for await (const one of ownKeys(read, names, counts)) keys.push({ ...one, key: spelled(one.key) });
    problems.push(...othersAlone(file, names, counts));
  }
  const areKeys = key !== undefined || file !== undefined;
  return {
    selection: {
      ...(since !== undefined && { since }),
      ...(areKeys && { keysOf: ({ name }) => pagesOf(keys, name) }),
    },
    typed: keys.map((one) => one.key),
    problems,
  };
}

/** Whether a source can have the key, or a ledger holds it; also where a source that would tell cannot be read. */
async function mayBeKey({ entities, source, store }: LedgerAccess, text: string): Promise<boolean> {
  const { openLedgerSource, readKey } = await import('../../sync/ledger-source.ts');
  for (const entity of entities) {
    const opened = await openLedgerSource(entity, source(entity)).catch((error) => {
      if (!(error instanceof SyncError)) throw error;
    });
    if (opened === undefined || readKey(text, opened.keyColumns) !== undefined) return true;
    if ((await store.readOnly(entity).find([text])).length > 0) return true;
  }
  return false;
}

/** Those of these keys that are this entity's, or whose line names none. */
function pagesOf(keys: readonly FileKey[], entity: string): string[][] {
  const own = [...new Set(keys.filter((one) => (one.entity ?? entity) === entity).map(({ key }) => key))];
  const pages: string[][] = [];
  for (let from = 0; from < own.length; from += LEDGER_PAGE_ROWS) pages.push(own.slice(from, from + LEDGER_PAGE_ROWS));
  return pages;
}

/** The ledger has GUIDs in lower case. */
function spelled(key: string): string {
  const text = key.trim();
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text) ? text.toLowerCase() : key;
}

/** Each filter that the selection comes to in an entity. */
function* filtersOf({ keysOf, since }: Selection, entity: Entity) {
  const sent = since === undefined ? {} : { since };
  if (keysOf === undefined) yield sent;
  else for (const keys of keysOf(entity)) yield { ...sent, keys };
}

async function countOf({ entities, store, signal }: LedgerAccess, selection: Selection): Promise<ForgottenEntity[]> {
  const counts: ForgottenEntity[] = [];
  for (const entity of entities) {
    let rows = 0;
    for (const filter of filtersOf(selection, entity)) {
      rows += await store.countEntries(entity, filter);
      signal.throwIfAborted();
    }
    counts.push({ entity: entity.name, rows });
  }
  return counts;
}

async function untrackedOf(
  { entities, store, signal }: LedgerAccess,
  { keysOf }: Selection,
  typed: readonly string[],
): Promise<Examples> {
  const notTracked = noExamples();
  if (keysOf === undefined) return notTracked;
  const tracked = new Set<string>();
  for (const entity of entities) {
    const ledger = store.readOnly(entity);
    for (const page of keysOf(entity)) {
      for (const { index } of await ledger.find(page)) tracked.add(page[index] as string);
      signal.throwIfAborted();
    }
  }
  for (const key of new Set(typed)) if (!tracked.has(key)) addExample(notTracked, key);
  return notTracked;
}

function warnOfMirrors(
  { io }: CommandContext,
  { entities }: LedgerAccess,
  concerned: readonly ForgottenEntity[],
): void {
  const mirrors = entities.filter(
    ({ name, changes }) => changes === 'mirror' && concerned.some((one) => one.entity === name),
  );
  for (const { name } of mirrors) {
    io.stderr.write(
      `warning: ${name} is a mirror: rows that are forgotten and gone from the source are never deleted at the receiver.\n`,
    );
  }
}

/** Asks on a terminal; throws SyncError USAGE where there is none and --yes is absent. */
async function allowed(
  context: CommandContext,
  { signal }: LedgerAccess,
  { keys, yes }: ForgetCommandOptions,
  concerned: readonly ForgottenEntity[],
): Promise<boolean> {
  if (yes) return true;
  const { io } = context;
  const { forgetQuestion } = await import('../../report/ledger-text.ts');
  const question = forgetQuestion(concerned);
  if (keys === '-') {
    throw new SyncError('USAGE', `${question} Standard input holds the keys, so nobody can be asked.`, 'Add --yes.');
  }
  if (io.stdin === undefined || !io.stderr.isTTY || !io.stdin().isTTY) {
    throw new SyncError('USAGE', `${question} There is no terminal to ask on.`, 'Repeat the command with --yes.');
  }
  return confirm(io.stdin(), io.stderr, question, signal);
}

async function forgetEntity(
  { store, signal }: LedgerAccess,
  entity: Entity,
  selection: Selection,
): Promise<ForgottenEntity> {
  const rows = await store.change(entity, async (changes) => {
    let removed = 0;
    for (const filter of filtersOf(selection, entity)) {
      removed += await changes.forget(filter);
      signal.throwIfAborted();
    }
    return removed;
  });
  return { entity: entity.name, rows };
}
