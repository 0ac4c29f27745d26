/** What the commands of `tamhr-sync ledger` share: opening the ledger and the sources, locked entities, signals, printing. */
import type { Config } from '../../config/config.ts';
import type { ConnectionSettings } from '../../sync/connection.ts';
import type { Entity } from '../../sync/entity.ts';
import { ofEntity, SyncError } from '../../sync/errors.ts';
import type { LedgerStore } from '../../sync/ledger-store.ts';
import { columnsOf } from '../../sync/map.ts';
import type { Source } from '../../sync/ports.ts';
import type { CommandContext } from '../context.ts';
import { selectEntities } from '../entities.ts';
import { writeOut } from '../output.ts';
import { watchSignals } from '../signals.ts';
import { unlessLocked } from '../unless-locked.ts';

/** Options of every command of them that is about entities. */
export interface LedgerOptions {
  readonly entity?: readonly string[];
  readonly json?: true;
}

const WHAT_STAYS = 'What was done until then stays; to repeat the command is safe.';

/** A command that a signal stops within this says nothing of what it waits for. */
const PATIENCE_MS = 200;

/** The ledger and the sources, open while a command works. */
export interface LedgerAccess {
  readonly config: Config;
  /** Those that --entity names, in the configured order; all where it is absent. */
  readonly entities: readonly Entity[];
  readonly store: LedgerStore;
  /** Of the log database. */
  readonly logSettings: ConnectionSettings;
  /** The columns that a run reads; of the entity as it is given, which may have another `where` than the configured one. */
  source(entity: Entity): Source;
  /** IANA zone of the times that people see. */
  readonly timeZone: string;
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
}

/**
 * Opens what a command needs, lets it work, and closes it again. A signal ends the command with 130 or 143: what it has
 * changed until then stays.
 */
export async function withLedger(
  context: CommandContext,
  options: Pick<LedgerOptions, 'entity'>,
  work: (access: LedgerAccess) => Promise<void>,
): Promise<void> {
  const { io } = context;
  const config = await context.loadConfig();
  const entities = selectEntities(config, options.entity);
  const logSettings = config.connections[config.logConnection];
  if (logSettings === undefined) throw new Error(`the configuration has no connection ${config.logConnection}`);
  const { openLedgerStore } = await import('../../sqlserver/ledger-store.ts');
  const { openSqlServer } = await import('../../sqlserver/open.ts');
  let notice: NodeJS.Timeout | undefined;
  const { stop, abort, dispose } = watchSignals(io.signals, (signal) => {
    // Nothing listens any more: a second signal ends the process, and the server rolls back what it was at.
    dispose();
    const tell = () => io.stderr.write(`${signal}: stopping after this statement; again cuts it off\n`);
    notice = setTimeout(tell, PATIENCE_MS);
  });
  const faults = {
    abort: AbortSignal.any([stop, abort]),
    onRepeat: (message: string) => io.stderr.write(`warning: ${message}\n`),
  };
  const store = openLedgerStore(logSettings, faults);
  const server = openSqlServer(config.connections, config.logConnection, faults);
  try {
    await work({
      config,
      entities,
      store,
      logSettings,
      source: (entity) => server.source(entity, entity.source.columns ?? columnsOf(entity.map)),
      timeZone: config.schedule?.timeZone ?? 'UTC',
      signal: stop,
    });
  } catch (error) {
    if (!stop.aborted) throw error instanceof SyncError ? inTermsOfCommands(error) : error;
    clearTimeout(notice);
    io.stderr.write(`${stop.reason}: stopped. ${WHAT_STAYS}\n`);
    context.exit(stop.reason === 'SIGTERM' ? 143 : 130);
  } finally {
    await Promise.all([store.close(), server.close()]);
    clearTimeout(notice);
    dispose();
  }
}

/** Says on stderr what kept a command from one entity, while it goes on with others. */
export function tellError({ io }: CommandContext, entity: string, error: SyncError): void {
  const { message, hint } = inTermsOfCommands(error);
  io.stderr.write(`error: ${ofEntity(entity, message)}\n${hint}\n`);
}

/** No run goes on from where a command stopped. */
function inTermsOfCommands(error: SyncError): SyncError {
  const hint = error.hint.replace('; the next run goes on from here.', `. ${WHAT_STAYS}`);
  return hint === error.hint ? error : new SyncError(error.code, error.message, hint, { cause: error });
}

/**
 * Does the work for one entity after the other, and returns what came of it without those that a run has locked: stderr says
 * which, and the command ends with 75 where all were, with 1 where some were.
 */
export async function forEachUnlocked<T>(
  context: CommandContext,
  entities: readonly Entity[],
  work: (entity: Entity) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (const entity of entities) {
    const result = await unlessLocked(context, () => work(entity));
    if (result !== undefined) results.push(result);
  }
  if (results.length < entities.length) context.exit(results.length === 0 ? 75 : 1);
  return results;
}

/** The keys of the entity's rows in batches whose outcome is unknown. */
export async function unresolvedKeys({ store }: LedgerAccess, entity: Entity): Promise<ReadonlySet<string>> {
  const unresolved = new Set<string>();
  for await (const { keys } of store.unresolved(entity)) for (const key of keys) unresolved.add(key);
  return unresolved;
}

/** Prints one JSON document, or the text. Throws SyncError OUTPUT_FAILED. */
export async function print(
  { io }: CommandContext,
  json: true | undefined,
  document: object,
  text: string,
): Promise<void> {
  await writeOut(io.stdout, json ? `${JSON.stringify(document, null, 2)}\n` : text);
}

/** Says on stderr what could not be done; then the command ends with 1. */
export function reportProblems({ io, exit }: CommandContext, problems: readonly string[]): void {
  for (const problem of problems) io.stderr.write(`error: ${problem}\n`);
  if (problems.length > 0) exit(1);
}
