/**
 * One entity's run: the algorithm of the tool.
 *
 *   recover   send each unresolved batch again: same bytes, same key
 *   for each page of the source (the next is read meanwhile)
 *     diff    leave out rows whose key the ledger holds
 *     map     row → payload; a row that cannot be mapped is a dead letter, its neighbours go on
 *     batch   batchSize payloads, carried over page borders
 *     for each full batch, at most `concurrency` at a time
 *       reserve   store the batch, committed before its first byte is sent
 *       deliver   one attempt
 *       settle    accepted: ledger rows; refused: none; the TB_R_Log row; one transaction
 *
 *   killed                          leaves                       and the next run
 *   before reserve                  nothing                      sends the rows once
 *   after reserve, before settle    a batch in state `sending`   sends the same bytes under the same Idempotency-Key
 *   after settle                    nothing to do                –
 */
import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import { type BatchBuilder, createBatchBuilder } from './batch-builder.ts';
import { createDiff } from './diff.ts';
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import { compileMap, type PayloadMapper } from './map.ts';
import { type KeyedRow, readPages } from './pages.ts';
import type {
  Batch,
  Column,
  DeadLetter,
  Destination,
  EntitySummary,
  Ledger,
  Outcome,
  RunObserver,
  Source,
} from './ports.ts';

/** Rows of one read at most. Two pages and `concurrency` + 2 batches are what a run holds in memory. */
const PAGE_ROWS = 5000;

/** Rows of one read at least: small batches tell of wide rows, but each read costs a round trip. */
const SMALLEST_PAGE_ROWS = 500;

/** The outside of one entity's run. */
export interface EntityPorts {
  readonly source: Source;
  /** Without `writes` it is a dry run: nothing is sent or stored. */
  readonly ledger: Pick<Ledger, 'find' | 'isEmpty' | 'hasLoggedSuccess'>;
  readonly writes?: { readonly ledger: Ledger; readonly destination: Destination };
  readonly observer: RunObserver;
}

/** How far one entity's run goes. */
export interface EntityOptions {
  /** Rows to send at most. */
  readonly limit?: number;
  /** Nothing new is started once this aborts; what is in flight ends. */
  readonly stop: AbortSignal;
  /** Cuts off what is in flight. */
  readonly abort: AbortSignal;
  /** Ask the source how many rows it has, for a progress bar. */
  readonly countRows: boolean;
  /** Rows of one read, for tests of page borders. */
  readonly pageRows?: number;
}

/** Counts of EntitySummary while they grow. */
export type Tally = {
  -readonly [Count in
    | 'read'
    | 'tracked'
    | 'pending'
    | 'accepted'
    | 'refused'
    | 'unresolved'
    | 'newDeadLetters'
    | 'oldDeadLetters']: number;
} & { readonly batches: Record<'pending' | 'accepted' | 'refused' | 'unresolved', number> };

/** All counts at zero. */
export function emptyTally(): Tally {
  return {
    read: 0,
    tracked: 0,
    pending: 0,
    accepted: 0,
    refused: 0,
    unresolved: 0,
    newDeadLetters: 0,
    oldDeadLetters: 0,
    batches: { pending: 0, accepted: 0, refused: 0, unresolved: 0 },
  };
}

/**
 * Runs one entity and counts in `tally` as it goes, so that the counts stand even when it throws.
 *
 * Returns whether it came to the end of the source. Throws SyncError (SOURCE_*, MAP_INVALID, LOG_DATABASE_*, LOCK_LOST)
 * after all that was in flight has ended.
 */
export async function runEntity(
  entity: Entity,
  ports: EntityPorts,
  options: EntityOptions,
  tally: Tally,
): Promise<EntitySummary['state'] & ('done' | 'stopped')> {
  const sender = createSender(entity, ports, options, tally);
  try {
    await sender.recover();
    const ended = await sendPending(entity, ports, options, tally, sender);
    await sender.drain();
    return ended && !sender.leftSome ? 'done' : 'stopped';
  } catch (error) {
    await sender.drain().catch(() => {});
    // Reads that were cut off on purpose end in an error of the driver's.
    if (options.abort.aborted) return 'stopped';
    throw error;
  }
}

/** Reads, leaves out, maps and batches; returns whether it came to the source's end, and to no limit or stop before. */
async function sendPending(
  entity: Entity,
  { source, ledger, writes, observer }: EntityPorts,
  options: EntityOptions,
  tally: Tally,
  sender: Sender,
): Promise<boolean> {
  if (options.stop.aborted) return false;
  const columns = await source.describe();
  const mapper = compileMap(entity, columns);
  const key = entity.source.key.map((name) => columnIndex(columns, name));
  await refuseSmallSource(entity, source);
  await warnOfEmptyLedger(entity, ledger, observer);
  observer.entityStarted?.(entity.name, options.countRows ? await orUndefined(source.count()) : undefined);

  const batches = createBatchBuilder(entity.destination, randomUUID);
  const leaveOutTracked = createDiff(ledger, {
    textKey: key.some((index) => columns[index]?.kind === 'text'),
    held: sender.held,
    // So many rows at most are in batches that the ledger does not hold yet.
    unsettled: (entity.destination.concurrency + 2) * entity.destination.batchSize,
  });
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  let taken = 0;
  let ended = true;
  let sentAt = new Date();
  const pages = readPages(source, {
    entity: entity.name,
    columns,
    keyIndexes: key,
    pageRows: options.pageRows ?? pageRowsFor(entity),
    signal: options.abort,
  });
  for await (const page of pages) {
    tally.read += page.length;
    const { pending, collisions, tracked } = await leaveOutTracked(page);
    tally.tracked += tracked;
    observer.pageRead?.(entity.name, tally.read, tally.tracked);
    const unsendable: DeadLetter[] = collisions;
    for (const { key, row } of pending) {
      if (options.stop.aborted || taken === limit) break;
      if (batches.rows === 0) sentAt = new Date();
      const mapped = mapRow(mapper, batches, row, sentAt);
      if ('reason' in mapped) {
        unsendable.push({ key, ...mapped });
        continue;
      }
      taken += 1;
      const full = batches.add({ key, ...mapped });
      if (full === undefined) continue;
      await sender.send(full);
      // Where bytes cut the batch, its successor holds a row already, and would keep the old time.
      sentAt = new Date();
    }
    await recordDeadLetters(unsendable, writes?.ledger, entity, observer, tally);
    if (options.stop.aborted || taken === limit) {
      ended = false;
      break;
    }
  }
  const rest = batches.flush();
  if (rest) await sender.send(rest);
  return ended;
}

function pageRowsFor({ destination }: Entity): number {
  return Math.min(PAGE_ROWS, Math.max(SMALLEST_PAGE_ROWS, destination.batchSize * 2));
}

function mapRow(
  mapper: PayloadMapper,
  batches: BatchBuilder,
  row: KeyedRow['row'],
  sentAt: Date,
): ReturnType<PayloadMapper['map']> {
  const mapped = mapper.map(row, sentAt);
  if ('reason' in mapped || batches.fits(mapped.json)) return mapped;
  return { reason: 'its payload alone is larger than maxBatchBytes' };
}

async function recordDeadLetters(
  letters: readonly DeadLetter[],
  ledger: Ledger | undefined,
  entity: Entity,
  observer: RunObserver,
  tally: Tally,
): Promise<void> {
  if (letters.length === 0) return;
  const added = ledger === undefined ? letters.length : await ledger.deadLetter(letters);
  tally.newDeadLetters += added;
  tally.oldDeadLetters += letters.length - added;
  tally.pending += added;
  const [first] = letters as [DeadLetter];
  observer.warning?.(
    entity.name,
    `${letters.length} row${letters.length === 1 ? '' : 's'} cannot be sent (${added} new), such as ${first.key}: ${first.reason}`,
  );
}

async function refuseSmallSource(entity: Entity, source: Source): Promise<void> {
  const { minRows } = entity.source;
  if (minRows === undefined) return;
  const rows = await source.count(minRows);
  if (rows >= minRows) return;
  throw new SyncError(
    'SOURCE_TOO_SMALL',
    `${entity.name}: the source has ${rows} rows, fewer than minRows (${minRows}).`,
    'See whether the source was loaded completely; lower source.minRows if this many rows are right.',
  );
}

/** Looks through a log that others share, and only to warn: that it takes too long is no reason to fail. */
async function warnOfEmptyLedger(
  entity: Entity,
  ledger: Pick<Ledger, 'isEmpty' | 'hasLoggedSuccess'>,
  observer: RunObserver,
): Promise<void> {
  if (!(await ledger.isEmpty())) return;
  const labels = entity.trackingLabels.join(' or ');
  const logged = await orUndefined(ledger.hasLoggedSuccess());
  if (logged === true) {
    observer.warning?.(
      entity.name,
      `TB_R_SYNC_TRACKING holds no row of ${labels}, but TB_R_Log holds successful batches of ${entity.name}: ` +
        'the receiver may have these rows already, and all of them will be sent again',
    );
  } else if (logged === undefined) {
    observer.warning?.(
      entity.name,
      `TB_R_SYNC_TRACKING holds no row of ${labels}, and TB_R_Log could not be searched for batches that were sent before`,
    );
  }
}

/** What is good to know but not needed: undefined where the server could not tell. */
async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error) => {
    if (error instanceof SyncError) return undefined;
    throw error;
  });
}

function columnIndex(columns: readonly Column[], name: string): number {
  const index = columns.findIndex((column) => column.name.toLowerCase() === name.toLowerCase());
  if (index >= 0) return index;
  throw new Error(`source.describe() returned no key column ${name}`);
}

/** Reserves, delivers and settles batches, `concurrency` at a time. */
interface Sender {
  /** Whether a batch was not started any more. */
  readonly leftSome: boolean;
  /** Keys of batches whose replay was refused in this run: the next run sends them. */
  readonly held: ReadonlySet<string>;
  /** Sends the unresolved batches again, one after the other. */
  recover(): Promise<void>;
  /** Waits for a free place, then starts; throws what an earlier batch failed with. */
  send(batch: Batch): Promise<void>;
  /** Waits until nothing is in flight; throws what a batch failed with. */
  drain(): Promise<void>;
}

function createSender(entity: Entity, ports: EntityPorts, options: EntityOptions, tally: Tally): Sender {
  const { writes, observer } = ports;
  const slots = pLimit(entity.destination.concurrency);
  const inFlight = new Set<Promise<void>>();
  const held = new Set<string>();
  const failures: unknown[] = [];
  let number = 0;
  let leftSome = false;

  async function deliver(batch: Batch, reserved: boolean): Promise<Outcome['state']> {
    number += 1;
    const rows = batch.keys.length;
    tally.pending += rows;
    tally.batches.pending += 1;
    if (writes === undefined) return 'accepted';
    const { ledger, destination } = writes;
    const mine = { number, rows, id: batch.id };
    if (!reserved) await ledger.reserve(batch);
    const attempt = await destination.attempt(batch, options.abort);
    const state = attempt.error === undefined ? 'accepted' : options.abort.aborted ? 'aborted' : 'refused';
    const outcome: Outcome = { state, attempts: [attempt] };
    const count = state === 'aborted' ? 'unresolved' : state;
    // Until it is settled, an accepted batch counts as unresolved: that is what a failing settle leaves behind.
    if (state !== 'aborted')
      await ledger.settle(batch, outcome).catch((error) => {
        tally.unresolved += rows;
        tally.batches.unresolved += 1;
        throw error;
      });
    tally[count] += rows;
    tally.batches[count] += 1;
    observer.batchEnded?.(entity.name, mine, outcome);
    return state;
  }

  async function drain(): Promise<void> {
    await Promise.all(inFlight);
    if (failures.length > 0) throw failures[0];
  }

  return {
    held,
    get leftSome() {
      return leftSome;
    },
    async recover() {
      if (writes === undefined) return;
      for await (const batch of writes.ledger.unresolved()) {
        if (options.stop.aborted) return;
        observer.warning?.(
          entity.name,
          `batch ${batch.id} of an earlier run was cut off; its ${batch.keys.length} rows are sent again under the same Idempotency-Key`,
        );
        if ((await deliver(batch, true)) !== 'accepted') for (const key of batch.keys) held.add(key);
      }
    },
    async send(batch) {
      // One batch may wait behind those in flight, so that the next page is worked on meanwhile.
      while (inFlight.size > entity.destination.concurrency) await Promise.race(inFlight);
      if (failures.length > 0) throw failures[0];
      const task = slots(async () => {
        if (options.stop.aborted || failures.length > 0) {
          leftSome = true;
          return;
        }
        try {
          await deliver(batch, false);
        } catch (error) {
          failures.push(error);
        }
      }).finally(() => inFlight.delete(task));
      inFlight.add(task);
    },
    drain,
  };
}
