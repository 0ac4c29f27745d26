/**
 * One entity's run: the algorithm of the tool.
 *
 *   recover   send each unresolved batch again: same bytes, same key
 *   for each page of the source (the next is read meanwhile)
 *     diff    leave out rows whose key the ledger or an unresolved batch holds, and dead letters that wait
 *     map     row → payload; a row that cannot be mapped is a dead letter, its neighbours go on
 *     batch   batchSize payloads, carried over page borders; dead letters that are due have batches of their own
 *     for each full batch, at most `concurrency` at a time (sender.ts)
 *       reserve   store the batch, committed before its first byte is sent
 *       deliver   attempts with backoff, all with the same key (delivery.ts; what an answer means: verdict.ts)
 *       settle    accepted: ledger rows; refused: isolate its bad rows, or none; the TB_R_Log row; one transaction
 *   resolve   try each batch whose outcome is unknown once more, and record that
 *
 *   killed                          leaves                        and the next run
 *   before reserve                  nothing                       sends the rows once
 *   after reserve, before settle    a batch in state `sending`    sends the same bytes under the same Idempotency-Key
 *   in or after a split             its halves, `sending`         the same, for each of them
 *   after settle                    nothing to do                 –
 */
import { randomUUID } from 'node:crypto';
import { type BatchBuilder, createBatchBuilder } from './batch-builder.ts';
import { causeOf } from './batch-steps.ts';
import type { Breaker } from './breaker.ts';
import type { RetryBudget } from './delivery.ts';
import { createDiff } from './diff.ts';
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import type { BatchKind } from './isolation.ts';
import { compileMap, type PayloadMapper } from './map.ts';
import { type KeyedRow, readPages } from './pages.ts';
import type {
  Batch,
  Column,
  DeadLetter,
  Destination,
  KnownDeadLetter,
  Ledger,
  ReadOnlyLedger,
  RunObserver,
  Source,
  StopCause,
} from './ports.ts';
import { createSender, type Sender } from './sender.ts';
import type { Tally } from './tally.ts';

/** Rows of one read at most. Two pages and `concurrency` + 2 batches are what a run holds in memory. */
const PAGE_ROWS = 5000;

/** Rows of one read at least: small batches tell of wide rows, but each read costs a round trip. */
const SMALLEST_PAGE_ROWS = 500;

/** The outside of one entity's run. */
export interface EntityPorts {
  readonly source: Source;
  /** Without `writes` it is a dry run: nothing is sent or stored. */
  readonly ledger: ReadOnlyLedger;
  readonly writes?: {
    readonly ledger: Ledger;
    readonly destination: Destination;
    /** Of the endpoint. */
    readonly breaker: Breaker;
    /** Of the run. */
    readonly budget: RetryBudget;
  };
  readonly observer: RunObserver;
}

/** How far one entity's run goes. */
export interface EntityOptions {
  /** Rows to send at most. */
  readonly limit?: number;
  /** Only send unresolved batches again. */
  readonly resolveOnly: boolean;
  /** Fill batches to batchSize, although the destination called fewer rows too large. */
  readonly tryBatchSize: boolean;
  /** Nothing new is started once this aborts; what is in flight ends. Its reason is 'deadline', or something else. */
  readonly stop: AbortSignal;
  /** When `stop` will abort with the reason 'deadline'. */
  readonly deadline?: Date;
  /** Cuts off what is in flight. */
  readonly abort: AbortSignal;
  /** Ask the source how many rows it has, for a progress bar. */
  readonly countRows: boolean;
  /** Rows of one read, for tests of page borders. */
  readonly pageRows?: number;
}

/** How an entity's run ended that met no error. */
export interface EntityEnd {
  readonly state: 'done' | 'resolved' | 'stopped';
  readonly stoppedBy?: StopCause;
}

/**
 * Runs one entity and counts in `tally` as it goes, so that the counts stand even when it throws.
 *
 * Throws SyncError (SOURCE_*, MAP_INVALID, LOG_DATABASE_*, DESTINATION_REFUSED, LOCK_LOST) after all that was in flight has
 * ended.
 */
export async function runEntity(
  entity: Entity,
  ports: EntityPorts,
  options: EntityOptions,
  tally: Tally,
): Promise<EntityEnd> {
  const { writes, observer } = ports;
  const maxBatchRows = await ports.ledger.maxBatchRows();
  if (maxBatchRows !== undefined && maxBatchRows < entity.destination.batchSize && !options.tryBatchSize) {
    observer.warning?.(
      entity.name,
      `batches have at most ${maxBatchRows} rows, since the destination called larger ones too large (HTTP 413)`,
    );
  }
  const sender = writes && createSender(entity, { ...writes, observer }, options, tally, maxBatchRows);
  try {
    await sender?.recover();
    const stoppedBy = options.resolveOnly ? undefined : await sendPending(entity, ports, options, tally, sender);
    await sender?.drain();
    await sender?.resolve();
    // What had been read may have been left nevertheless.
    const leftBy = sender?.leftSome ? sender.stoppedBy : undefined;
    if (leftBy ?? stoppedBy) return { state: 'stopped', stoppedBy: (leftBy ?? stoppedBy) as StopCause };
    return { state: options.resolveOnly ? 'resolved' : 'done' };
  } catch (error) {
    await sender?.drain().catch(() => {});
    // Reads that were cut off on purpose end in an error of the driver's.
    if (options.abort.aborted) return { state: 'stopped', stoppedBy: 'signal' };
    // What is known of unresolved batches is worth recording; where that fails too, the first error says more.
    await sender?.resolve().catch(() => {});
    throw error;
  }
}

/** Reads, leaves out, maps and batches to the end of the source; returns what ended it before that. */
async function sendPending(
  entity: Entity,
  { source, ledger, writes, observer }: EntityPorts,
  options: EntityOptions,
  tally: Tally,
  sender: Sender | undefined,
): Promise<StopCause | undefined> {
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  let taken = 0;
  const stopCause = () => sender?.stoppedBy ?? causeOf(options.stop) ?? (taken === limit ? 'limit' : undefined);
  let stoppedBy = stopCause();
  if (stoppedBy !== undefined) return stoppedBy;
  const columns = await source.describe();
  const mapper = compileMap(entity, columns);
  const key = entity.source.key.map((name) => columnIndex(columns, name));
  await refuseSmallSource(entity, source);
  await warnOfEmptyLedger(entity, ledger, observer);
  observer.entityStarted?.(entity.name, options.countRows ? await orUndefined(source.count()) : undefined);

  const limits = {
    ...entity.destination,
    get batchSize() {
      return sender?.batchSize ?? entity.destination.batchSize;
    },
  };
  const fresh = { kind: {}, batches: createBatchBuilder(limits, randomUUID), sentAt: new Date() };
  /** Dead letters that are due: among other rows, each bad one would have to be isolated again. */
  const suspects = { kind: { suspects: true }, batches: createBatchBuilder(limits, randomUUID), sentAt: new Date() };
  const send = async (batch: Batch | undefined, kind: BatchKind) => {
    if (batch === undefined) return;
    if (sender !== undefined) return sender.send(batch, kind);
    tally.pending += batch.keys.length;
    tally.batches.pending += 1;
  };
  const leaveOutTracked = createDiff(ledger, {
    textKey: key.some((index) => columns[index]?.kind === 'text'),
    held: sender?.held ?? new Set(),
    // So many rows at most are in batches that the ledger does not hold yet.
    unsettled: (entity.destination.concurrency + 3) * entity.destination.batchSize,
  });
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
    const letters = await findDeadLetters(ledger, [...pending, ...collisions]);
    const unsendable: DeadLetter[] = collisions.filter(({ key }) => letters.get(key)?.state !== 'discarded');
    for (const [index, { key, row }] of pending.entries()) {
      if (stopCause() !== undefined) {
        tally.left += pending.length - index;
        break;
      }
      const letter = letters.get(key);
      const into = letter === undefined ? fresh : suspects;
      if (into.batches.rows === 0) into.sentAt = new Date();
      const mapped = mapRow(mapper, into.batches, row, into.sentAt);
      if (letter !== undefined && isStillDead(letter, mapped)) {
        if (letter.state !== 'discarded') tally.oldDeadLetters += 1;
        continue;
      }
      if ('reason' in mapped) {
        unsendable.push({ key, ...mapped });
        continue;
      }
      taken += 1;
      for (const full of into.batches.add({ key, ...mapped })) {
        await send(full, into.kind);
        // Where bytes cut the batch, its successor holds a row already, and would keep the old time.
        into.sentAt = new Date();
      }
    }
    const known = unsendable.filter(({ key }) => letters.has(key)).length;
    await recordDeadLetters(unsendable, known, writes?.ledger, entity, observer, tally);
    stoppedBy = stopCause();
    if (stoppedBy !== undefined) break;
  }
  for (const { batches, kind } of [fresh, suspects]) await send(batches.flush(), kind);
  return stoppedBy;
}

/** Which of these keys are dead letters already. */
async function findDeadLetters(
  ledger: ReadOnlyLedger,
  rows: readonly { readonly key: string }[],
): Promise<ReadonlyMap<string, KnownDeadLetter>> {
  if (rows.length === 0) return new Map();
  const keys = rows.map(({ key }) => key);
  return new Map((await ledger.findDeadLetters(keys)).map((letter) => [keys[letter.index] as string, letter]));
}

/** Whether a dead letter is to be left out: it is not due, and the row is what it was. */
function isStillDead({ state, hash }: KnownDeadLetter, mapped: ReturnType<PayloadMapper['map']>): boolean {
  if (state === 'due') return false;
  if ('reason' in mapped) return hash === undefined;
  return hash !== undefined && Buffer.compare(hash, mapped.hash) === 0;
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

/** `known` of them are dead letters already. */
async function recordDeadLetters(
  letters: readonly DeadLetter[],
  known: number,
  ledger: Ledger | undefined,
  entity: Entity,
  observer: RunObserver,
  tally: Tally,
): Promise<void> {
  if (letters.length === 0) return;
  const added = ledger === undefined ? letters.length - known : await ledger.deadLetter(letters);
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
