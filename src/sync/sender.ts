/**
 * Sends one entity's batches, in three steps that overlap: while `concurrency` of them are delivered, the one before is
 * settled, and the next ones, two at most, are reserved. At most `concurrency` + 1 have been sent without being settled. What
 * becomes of a batch that is not accepted:
 *
 *   refused for its rows   taken apart (isolation.ts): bad rows become dead letters, what is good in it goes through
 *   refused for its size   the same, and later batches are smaller
 *   refused otherwise      its rows are pending again, for the next run
 *   unknown                stays unresolved: tried once more at the run's end, and first of all in the next one
 *
 * Too many failures in a row, a stop, or an answer that no batch would change: nothing new is started.
 */
import pLimit from 'p-limit';
import { createBatchSteps, type DeliveryLimits, type DeliveryPorts, type Numbered, rowsText } from './batch-steps.ts';
import { isBodyOfCallPerRow, isCallPerRow } from './deletions.ts';
import type { Delivery } from './delivery.ts';
import type { Entity } from './entity.ts';
import { hashAt } from './hash.ts';
import { type BatchKind, createIsolation, letterOf, reasonForAll } from './isolation.ts';
import type { Attempt, Batch, DeadLetter, Doubt, Outcome, StopCause, UnresolvedBatch } from './ports.ts';
import { refusalError } from './refusal.ts';
import { countPending, type Tally } from './tally.ts';
import { isAlreadyGone } from './verdict.ts';

/** Runs in a row whose first answer to the replay was one of these, after which the batch counts as refused. */
const REFUSED_RUNS = 2;
const REFUSING = [400, 413, 422];

/** How long a sender sends, and how much at a time. */
export interface SenderOptions extends DeliveryLimits {
  /** Fill batches to batchSize, although the destination called fewer rows too large. */
  readonly tryBatchSize: boolean;
}

/** Sends an entity's batches, and counts them in a Tally. */
export interface Sender {
  /** Why nothing new is started any more, but for a failure; undefined while it is. */
  readonly stoppedBy: StopCause | undefined;
  /** Whether a batch, or a piece of one, was not sent any more. */
  readonly leftSome: boolean;
  /**
   * Keys of unresolved batches, and of replays that were refused, with the hash that they have there: they are in no new
   * batch.
   */
  readonly held: ReadonlyMap<string, Uint8Array>;
  /** Whether rows of an upsert were refused without becoming dead letters: they are pending again. */
  readonly releasedSome: boolean;
  /** Deletions of rows that the destination did not have. */
  readonly alreadyGone: number;
  /** Rows in a batch at most. */
  readonly batchSize: number;
  /** Sends the unresolved batches of earlier runs again, one after the other. Comes before everything else. */
  recover(): Promise<void>;
  /** Waits for a free place, then starts; throws what an earlier batch failed with. */
  send(batch: Batch, kind: BatchKind): Promise<void>;
  /** Waits until nothing is in flight; throws what a batch failed with. */
  drain(): Promise<void>;
  /** Tries each batch whose outcome is unknown once more, unless the sender has stopped, and records what is then known. */
  resolve(): Promise<void>;
}

/** What this run knows of a batch whose outcome is unknown; its body is in the ledger. */
interface UnknownBatch {
  readonly number: number;
  readonly attempts: readonly Attempt[];
  /** A replay whose first answer was one of REFUSING. */
  readonly refusedFirst: boolean;
}

/** A batch that the destination took. */
interface Accepted {
  readonly sent: Numbered;
  readonly attempts: readonly Attempt[];
}

/** Creates the sender of an entity. `maxBatchRows`: what the ledger remembers. */
export function createSender(
  entity: Entity,
  ports: DeliveryPorts,
  options: SenderOptions,
  tally: Tally,
  maxBatchRows = Number.POSITIVE_INFINITY,
): Sender {
  const { ledger, breaker } = ports;
  const { abort } = options;
  const config = entity.destination;
  const steps = createBatchSteps(entity, ports, options, tally);
  const sizeToKeep = options.tryBatchSize ? Number.POSITIVE_INFINITY : maxBatchRows;
  const isolation = createIsolation(entity, ledger, steps, breaker, finish, sizeToKeep);
  const requests = pLimit(config.concurrency);
  const unsettled = pLimit(config.concurrency + 1);
  const inFlight = new Set<Promise<void>>();
  /** Batches go out in the order of their rows, whichever is reserved first. */
  let reservedSoFar: Promise<void> = Promise.resolve();
  const held = new Map<string, Uint8Array>();
  let alreadyGone = 0;
  const unknown = new Map<string, UnknownBatch>();
  let rememberedRows = maxBatchRows;

  /** Ends a delivery; throws SyncError DESTINATION_REFUSED where it stops the entity. */
  async function finish(sent: Numbered, delivery: Delivery, kind: BatchKind = {}): Promise<void> {
    const { verdict, attempts, ambiguous } = delivery;
    switch (verdict) {
      case 'accepted':
        return accept(sent, attempts, kind);
      case 'halve':
      case 'shrink':
        return isolation.takeApart({ sent, delivery }, kind);
      case 'aborted':
        steps.countUnresolved(sent.batch);
        return steps.tell(sent, { state: 'aborted', attempts });
      case 'unknown':
        breaker.failed();
        return leaveUnknown(sent, attempts);
      case 'refused':
        breaker.failed();
        return steps.settle(sent, { state: 'refused', attempts });
      case 'stop': {
        if (ambiguous) leaveUnknown(sent, attempts);
        else await steps.settle(sent, { state: 'refused', attempts });
        const error = refusalError(entity, sent.batch.operation, attempts.at(-1));
        steps.fail(error);
        throw error;
      }
    }
  }

  async function accept(sent: Numbered, attempts: readonly Attempt[], { suspects }: BatchKind): Promise<void> {
    const { batch } = sent;
    const rejected = attempts.at(-1)?.rejected ?? [];
    const reason = reasonForAll(
      batch,
      rejected.map((row) => row.reason),
    );
    if (reason !== undefined && !suspects) return isolation.refuseAll(sent, attempts, reason);
    breaker.passed();
    const letters = rejected.map((row) => letterOf(batch, row.index, row.reason, row.httpStatus));
    await record({ sent, attempts }, letters);
  }

  async function record({ sent, attempts }: Accepted, letters: readonly DeadLetter[]): Promise<void> {
    const { batch } = sent;
    const last = attempts.at(-1);
    if (last !== undefined && isAlreadyGone(batch, last)) alreadyGone += 1;
    await steps.settle(sent, { state: 'accepted', attempts }, letters);
    for (const key of batch.keys) held.delete(key);
    if (batch.operation === 'delete' || batch.keys.length <= rememberedRows) return;
    // The destination takes more than it did.
    rememberedRows = Number.POSITIVE_INFINITY;
    await ledger.rememberMaxBatchRows(undefined);
  }

  function leaveUnknown({ batch, number }: Numbered, attempts: readonly Attempt[], refusedFirst = false): void {
    steps.countUnresolved(batch);
    hold(batch);
    unknown.set(batch.id, { number, attempts, refusedFirst });
  }

  function hold({ keys, hashes }: Batch): void {
    for (const [index, key] of keys.entries()) held.set(key, hashAt(hashes, index));
  }

  async function sendFresh(batch: Batch, kind: BatchKind): Promise<void> {
    if (!steps.mayBegin()) return leave(batch);
    const turn = reservedSoFar;
    const reserved = ledger.reserve(batch).catch((error) => {
      leave(batch);
      throw error;
    });
    reservedSoFar = reserved.catch(() => {}).then(() => turn);
    await reserved;
    await turn;
    await unsettled(async () => {
      const accepted = await requests(() => deliverFresh(batch, kind));
      if (accepted !== undefined) await record(accepted, []);
    });
  }

  /** Returns what is accepted and not settled yet; everything else has its end. */
  async function deliverFresh(batch: Batch, kind: BatchKind): Promise<Accepted | undefined> {
    if (!(await steps.begin(batch.keys.length))) {
      await ledger.withdraw(batch).catch((error) => {
        // The next run sends it as one whose outcome is unknown.
        countPending(tally, batch);
        steps.countUnresolved(batch);
        throw error;
      });
      leave(batch);
      return undefined;
    }
    countPending(tally, batch);
    const sent = steps.number(batch);
    const delivery = await steps.deliver(sent, { ambiguous: false });
    const { attempts, verdict } = delivery;
    // Rows that it reports may stop the entity: the next request waits for what comes of them.
    if (verdict === 'accepted' && attempts.at(-1)?.rejected === undefined) {
      breaker.passed();
      steps.noteTaken(batch);
      return { sent, attempts };
    }
    await finish(sent, delivery, kind);
    return undefined;
  }

  function leave({ keys }: Batch): void {
    tally.left += keys.length;
  }

  /** A deletion that was reserved when `deleted` was of another form, or there at all. */
  function hasNowhereToGo({ operation, body }: Batch): boolean {
    if (operation === 'upsert') return false;
    return entity.deleted === undefined || isCallPerRow(entity.deleted) !== isBodyOfCallPerRow(body);
  }

  /** False where the destination gave no answer that tells of the batch. */
  async function replay({ batch, createdAt, doubt }: UnresolvedBatch, sent: Numbered): Promise<boolean> {
    steps.warn(
      `batch ${batch.id} of an earlier run is unresolved; its ${rowsText(batch.keys.length)} are sent again, ${replayRisk(createdAt)}`,
    );
    const delivery = await steps.deliver(sent, { ambiguous: true });
    const { attempts, verdict } = delivery;
    if (verdict !== 'unknown') {
      await finish(sent, delivery);
      return true;
    }
    const firstStatus = attempts[0]?.status ?? 0;
    const refusedFirst = REFUSING.includes(firstStatus);
    if (refusedFirst && doubt.refusedRuns + 1 >= REFUSED_RUNS) {
      steps.warn(
        `batch ${batch.id}: the first answer to its replay was HTTP ${firstStatus} in ${REFUSED_RUNS} runs in a row; it counts as refused, and rows of it that were taken nevertheless may be taken twice`,
      );
      await isolation.takeApart(
        { sent, delivery: { ...delivery, verdict: firstStatus === 413 ? 'shrink' : 'halve' } },
        {},
      );
      return true;
    }
    leaveUnknown(sent, attempts, refusedFirst);
    return refusedFirst;
  }

  function replayRisk(createdAt: Date): string {
    if (config.idempotencyHeader === null) return 'without an Idempotency-Key: rows may be taken twice';
    const hours = Math.floor((Date.now() - createdAt.getTime()) / 3_600_000);
    if (hours < config.idempotencyKeyTtlHours) return 'the same bytes under the same Idempotency-Key';
    return `but it was first sent ${hours} hours ago, and the destination may have forgotten its Idempotency-Key (idempotencyKeyTtlHours): rows may be taken twice`;
  }

  /** Tries an unknown batch once more where that may be, and records what is then known of it; false where that failed. */
  async function resolveOne({ batch, doubt }: UnresolvedBatch, known: UnknownBatch, mayTry: boolean): Promise<boolean> {
    const sent: Numbered = { batch, number: known.number };
    let { attempts } = known;
    let failed = false;
    if (mayTry && (await steps.begin(batch.keys.length))) {
      const delivery = await steps.deliver(sent, { ambiguous: true }, 1);
      attempts = [...attempts, ...delivery.attempts];
      if (delivery.verdict === 'accepted' || delivery.verdict === 'aborted') {
        steps.countUnresolved(batch, 'no longer');
        await finish(sent, { ...delivery, attempts });
        return true;
      }
      failed = true;
    }
    const last = attempts.at(-1);
    // Nothing was tried: nothing new is known.
    if (last === undefined) return true;
    const serverFailed = (last.status ?? 0) >= 500 && tally.batches.accepted > 0;
    const newDoubt: Doubt = {
      refusedRuns: known.refusedFirst ? doubt.refusedRuns + 1 : 0,
      serverErrorRuns: doubt.serverErrorRuns + (serverFailed ? 1 : 0),
    };
    const isRefused = config.serverErrorRuns > 0 && newDoubt.serverErrorRuns >= config.serverErrorRuns;
    if (serverFailed && isRefused && failed) {
      steps.countUnresolved(batch, 'no longer');
      steps.warn(
        `batch ${batch.id}: it ended with HTTP ${last.status} in ${newDoubt.serverErrorRuns} runs while others were accepted; it counts as refused (serverErrorRuns), and rows of it that were taken nevertheless may be taken twice`,
      );
      const delivery: Delivery = { verdict: 'halve', attempts, ambiguous: true };
      await isolation.takeApart({ sent, delivery }, { serverErrors: true });
      return true;
    }
    const outcome: Outcome = { state: 'unknown', attempts };
    await ledger.keepUnknown(batch, outcome, newDoubt);
    steps.tell(sent, outcome);
    return !failed;
  }

  async function drain(): Promise<void> {
    await Promise.all(inFlight);
    const nothingAccepted = tally.batches.accepted === 0 ? isolation.schemaProblem : undefined;
    const failure = steps.failure ?? nothingAccepted;
    if (failure !== undefined) throw failure;
  }

  return {
    held,
    get stoppedBy() {
      return steps.stoppedBy;
    },
    get leftSome() {
      return steps.leftSome;
    },
    get releasedSome() {
      return steps.releasedSome;
    },
    get alreadyGone() {
      return alreadyGone;
    },
    get batchSize() {
      return Math.min(config.batchSize, isolation.maxBatchRows);
    },
    async recover() {
      let failedInARow = 0;
      for await (const unresolved of ledger.unresolved()) {
        if (abort.aborted) return;
        const { batch } = unresolved;
        const sent = steps.number(batch);
        hold(batch);
        countPending(tally, batch);
        if (hasNowhereToGo(batch)) {
          steps.warn(
            `batch ${batch.id} of an earlier run is unresolved: ${rowsText(batch.keys.length)} to be deleted, while the entity has no "deleted" of that form any more; they wait until it has`,
          );
          leaveUnknown(sent, []);
          continue;
        }
        // Old batches that fail must not keep new ones from being sent.
        if (failedInARow >= config.maxFailedBatches || !(await steps.begin(batch.keys.length))) {
          leaveUnknown(sent, []);
          continue;
        }
        const answered = await replay(unresolved, sent).catch((error) => {
          steps.fail(error);
          throw error;
        });
        failedInARow = answered ? 0 : failedInARow + 1;
        if (!answered) breaker.replayFailed();
      }
    },
    async send(batch, kind) {
      // With this one: those that are delivered, one that is settled or waits, one that is reserved.
      while (inFlight.size >= config.concurrency + 2) await Promise.race(inFlight);
      if (steps.failure !== undefined) throw steps.failure;
      const task = sendFresh(batch, kind)
        .catch(steps.fail)
        .finally(() => inFlight.delete(task));
      inFlight.add(task);
    },
    drain,
    async resolve() {
      if (unknown.size === 0 || abort.aborted) return;
      let failedInARow = 0;
      for await (const unresolved of ledger.unresolved()) {
        const known = unknown.get(unresolved.batch.id);
        if (known === undefined) continue;
        if (hasNowhereToGo(unresolved.batch)) continue;
        const mayTry = failedInARow < config.maxFailedBatches;
        failedInARow = (await resolveOne(unresolved, known, mayTry)) ? 0 : failedInARow + 1;
      }
    },
  };
}
