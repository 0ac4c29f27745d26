/**
 * One entity's run: the algorithm of the tool.
 *
 *   recover   send each unresolved batch again: same bytes, same key
 *   for each page of the source (read-source.ts; the next is read meanwhile); which rows, and how much of them: comparison.ts
 *     diff    leave out rows that the ledger holds (changes other than new: with the same hash), rows that an unresolved
 *             batch holds, and dead letters as they were refused (intake.ts)
 *     map     row → payload; a row that cannot be mapped is a dead letter, its neighbours go on
 *     batch   batchSize payloads, carried over page borders (outbox.ts)
 *     for each full batch; others are reserved and settled while `concurrency` are delivered (sender.ts)
 *       reserve   store the batch, committed before its first byte is sent
 *       deliver   attempts with backoff, all with the same key (delivery.ts; what an answer means: verdict.ts)
 *       settle    accepted: ledger rows; refused: isolate its bad rows, or none; the TB_R_Log row; one transaction
 *   due       dead letters that are due, looked up by key, in batches of their own (due-dead-letters.ts)
 *   delete    changes mirror: rows of the ledger that the source no longer has, in batches likewise (deletions.ts)
 *   resolve   try each batch whose outcome is unknown once more, and record that
 *   remember  the watermark, where nothing below it must be looked at again
 *
 *   killed                          leaves                        and the next run
 *   before reserve                  nothing                       sends the rows once
 *   after reserve, before settle    a batch in state `sending`    sends the same bytes under the same Idempotency-Key
 *   in or after a split             its halves, `sending`         the same, for each of them
 *   after settle                    the old watermark             compares some rows once more
 */
import { watchStop } from './batch-steps.ts';
import type { Breaker } from './breaker.ts';
import { planComparison, recallComparison, sourceHash, withoutWatermark } from './comparison.ts';
import { isCallPerRow, sendDeletions } from './deletions.ts';
import type { RetryBudget } from './delivery.ts';
import { sendDueDeadLetters } from './due-dead-letters.ts';
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import { sameHash } from './hash.ts';
import { createIntake } from './intake.ts';
import type { BatchKind } from './isolation.ts';
import { compileMap, mapHash } from './map.ts';
import { createOutbox } from './outbox.ts';
import type {
  Batch,
  Column,
  Comparison,
  Destination,
  Ledger,
  ReadOnlyLedger,
  RunObserver,
  Source,
  StopCause,
} from './ports.ts';
import { readSource } from './read-source.ts';
import { createSender, type Sender } from './sender.ts';
import { countPending, type Tally } from './tally.ts';
import { noTrackedKeys, readTrackedKeys } from './tracked-keys.ts';

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
  /** Compare all rows, whatever the watermark. */
  readonly full: boolean;
  /** Missing rows may be deleted, although the source has changed. */
  readonly confirmSourceChange: boolean;
  /** Send tracked rows that have no hash, instead of taking the one that they have now. */
  readonly resendUnknown: boolean;
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
    const compared = options.resolveOnly ? undefined : await sendPending(entity, ports, options, tally, sender);
    await sender?.drain();
    await sender?.resolve();
    if (sender !== undefined && sender.alreadyGone > 0) {
      observer.warning?.(
        entity.name,
        `the destination did not have ${sender.alreadyGone} of ${tally.deleted} deleted rows (HTTP 404 or 410)${sender.alreadyGone === tally.deleted ? '; where that is always so, check deleted.url' : ''}`,
      );
    }
    // What had been read may have been left nevertheless.
    const stoppedBy = (sender?.leftSome ? sender.stoppedBy : undefined) ?? compared?.stoppedBy;
    if (stoppedBy === undefined && compared?.completed && !sender?.releasedSome) {
      await writes?.ledger.rememberComparison(compared.completed);
    }
    if (stoppedBy !== undefined) return { state: 'stopped', stoppedBy };
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

/** What came of comparing source and ledger. */
interface Compared {
  /** What ended it before the source's end. */
  readonly stoppedBy?: StopCause | undefined;
  /** What is to be remembered of it, unless rows become pending again; absent where some must be looked at again. */
  readonly completed?: Comparison | undefined;
}

/** Reads, compares, maps and batches to the end of the source, then the dead letters that are due, then deletions. */
async function sendPending(
  entity: Entity,
  { source, ledger, writes, observer }: EntityPorts,
  options: EntityOptions,
  tally: Tally,
  sender: Sender | undefined,
): Promise<Compared> {
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  let taken = 0;
  const isStopped = watchStop(options.stop);
  const stopCause = () => (sender ? sender.stoppedBy : isStopped()) ?? (taken === limit ? 'limit' : undefined);
  if (stopCause() !== undefined) return { stoppedBy: stopCause() };
  const columns = await source.describe();
  const mapper = compileMap(entity, columns);
  const keyIndexes = entity.source.key.map((name) => columnIndex(columns, name));
  const keyColumns = keyIndexes.map((index) => columns[index] as Column);
  await refuseSmallSource(entity, source);
  const isLedgerEmpty = await warnOfEmptyLedger(entity, ledger, observer);

  const known = await recallComparison(entity, source, ledger, writes?.ledger);
  const comparison = await planComparison(entity, source, known, mapHash(entity, columns), options.full);
  if (entity.changes !== 'new' && known.watermark !== undefined && comparison.since === undefined) {
    // What is sent from now on may be by another map, or of another source: should this run not come to its end, and they be
    // put back, the old watermark would hide that.
    await writes?.ledger.rememberComparison(withoutWatermark(known));
  }
  tally.comparison = comparison.report;
  observer.comparing?.(entity.name, comparison.report);
  const countsRows = options.countRows && comparison.since === undefined;
  observer.entityStarted?.(entity.name, countsRows ? await orUndefined(source.count()) : undefined);

  const send = async (batch: Batch, kind: BatchKind) => {
    if (sender !== undefined) return sender.send(batch, kind);
    countPending(tally, batch);
    observer.planned?.(entity.name, batch);
  };
  const limits = {
    ...entity.destination,
    get batchSize() {
      return sender?.batchSize ?? entity.destination.batchSize;
    },
  };
  const outbox = createOutbox('upsert', limits, send);
  const held = sender?.held ?? new Map<string, Uint8Array>();
  const textKey = keyColumns.some(({ kind }) => kind === 'text');
  const trackedKeys = isLedgerEmpty
    ? noTrackedKeys()
    : entity.changes === 'new'
      ? await readTrackedKeys(ledger, { textKey, signal: options.abort })
      : undefined;
  const shared = {
    entity,
    source,
    ledger,
    writes: writes?.ledger,
    observer,
    columns,
    keyIndexes,
    stopCause,
    countTaken: () => {
      taken += 1;
    },
    abort: options.abort,
    tally,
  };
  const intakeOf = (areDue: boolean) =>
    createIntake({
      ...shared,
      mapper,
      outbox,
      areDue,
      resendUnknown: options.resendUnknown,
      diff: {
        textKey,
        held,
        // Due dead letters may be of rows that are tracked.
        areUntracked: !areDue && trackedKeys !== undefined,
        // So many rows at most are in batches that the ledger does not hold yet.
        unsettled: (entity.destination.concurrency + 4) * entity.destination.batchSize,
      },
    });

  const intake = intakeOf(false);
  await readSource({
    ...shared,
    keyColumns,
    intake,
    trackedKeys,
    asksLedger: trackedKeys === undefined || textKey,
    ...(comparison.since && { since: comparison.since }),
    ...(options.pageRows && { pageRows: options.pageRows }),
  });
  const settleAll = async () => {
    await outbox.flush();
    await sender?.drain();
  };
  await sendDueDeadLetters({ ...shared, intake: intakeOf(true), settleOthers: settleAll });
  const { completed } = comparison;
  const isMirrored = entity.changes === 'mirror' && stopCause() === undefined;
  await (isMirrored ? settleAll() : outbox.flush());
  const confirmed = isMirrored ? await deleteMissing() : undefined;
  return {
    stoppedBy: stopCause(),
    ...(completed && !intake.leftHeld && { completed: { ...completed, ...(confirmed && { sourceHash: confirmed }) } }),
  };

  /** Comes when nothing is on its way any more. Returns the source's hash where that is confirmed now and was not before. */
  async function deleteMissing(): Promise<Uint8Array | undefined> {
    await refuseSmallSource(entity, source);
    const isPerRow = entity.deleted === undefined || isCallPerRow(entity.deleted);
    const deletions = createOutbox('delete', isPerRow ? { ...entity.destination, batchSize: 1 } : limits, send);
    const current = sourceHash(entity, source);
    const wasConfirmed = sameHash(known.sourceHash, current);
    const isSourceConfirmed = wasConfirmed || options.confirmSourceChange;
    const isConfirmed = await sendDeletions({ ...shared, outbox: deletions, keyColumns, held, isSourceConfirmed });
    await deletions.flush();
    if (wasConfirmed || !isConfirmed) return undefined;
    // Without the watermark, which may be gone by now.
    await writes?.ledger.rememberComparison({ ...withoutWatermark(known), sourceHash: current });
    return current;
  }
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

/**
 * Returns whether the ledger is empty. Looks through a log that others share, and only to warn: that it takes too long is no
 * reason to fail.
 */
async function warnOfEmptyLedger(
  entity: Entity,
  ledger: Pick<Ledger, 'isEmpty' | 'hasLoggedSuccess'>,
  observer: RunObserver,
): Promise<boolean> {
  if (!(await ledger.isEmpty())) return false;
  const labels = entity.trackingLabels.join(' or ');
  const logged = await orUndefined(ledger.hasLoggedSuccess());
  if (logged === true) {
    observer.warning?.(
      entity.name,
      `TB_R_SYNC_TRACKING holds no row of ${labels}, but TB_R_Log holds successful batches of ${entity.name}: ` +
        'the receiver may have these rows already, and all of them will be sent again; ' +
        '`tamhr-sync ledger adopt` marks rows as sent without sending them',
    );
  } else if (logged === undefined) {
    observer.warning?.(
      entity.name,
      `TB_R_SYNC_TRACKING holds no row of ${labels}, and TB_R_Log could not be searched for batches that were sent before`,
    );
  }
  return true;
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
