/**
 * Sends one entity's batches, `concurrency` at a time: reserve, deliver, settle. What becomes of a batch that is not
 * accepted:
 *
 *   refused for its rows   taken apart: its halves are sent, each as a batch of its own, until the bad rows stand alone as
 *                          dead letters; what is good in it goes through
 *   refused for its size   the same, and later batches are smaller
 *   refused otherwise      its rows are pending again, for the next run
 *   unknown                stays unresolved: tried once more at the run's end, and first of all in the next one
 *
 * Too many failures in a row, a stop, or an answer that no batch would change: nothing new is started.
 */
import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import type { Breaker } from './breaker.ts';
import { type Delivery, type DeliveryHistory, deliver, type RetryBudget } from './delivery.ts';
import type { Entity } from './entity.ts';
import { SyncError } from './errors.ts';
import { halvesOf } from './halves.ts';
import { createPacer } from './pacer.ts';
import type {
  Attempt,
  Batch,
  DeadLetter,
  Destination,
  Doubt,
  Ledger,
  Outcome,
  RunObserver,
  StopCause,
  UnresolvedBatch,
} from './ports.ts';
import { refusalError, schemaError } from './refusal.ts';
import { createSearch, LARGE_BATCH_ROWS, type RefusedAlone, type Search, sameReason } from './search.ts';
import type { Tally } from './tally.ts';

/** Runs in a row whose first answer to the replay was one of these, after which the batch counts as refused. */
const REFUSED_RUNS = 2;
const REFUSING = [400, 413, 422];

/** The longest pause that a destination may ask for where the run has no deadline. */
const LONGEST_WAIT_MS = 15 * 60_000;

const HASH_BYTES = 16;

/** The outside of a sender. */
export interface SenderPorts {
  readonly ledger: Ledger;
  readonly destination: Destination;
  readonly observer: RunObserver;
  /** Of the destination's endpoint, and of the run. */
  readonly breaker: Breaker;
  readonly budget: RetryBudget;
}

/** How long a sender sends. */
export interface SenderOptions {
  /** Nothing new is started once this aborts; its reason is 'deadline', or something else. */
  readonly stop: AbortSignal;
  /** Cuts off what is in flight. */
  readonly abort: AbortSignal;
  readonly deadline?: Date;
}

/** Sends an entity's batches, and counts them in a Tally. */
export interface Sender {
  /** Why nothing new is started any more; undefined while it is. */
  readonly stoppedBy: StopCause | undefined;
  /** Whether a batch, or a piece of one, was not sent any more. */
  readonly leftSome: boolean;
  /** Keys of unresolved batches of earlier runs, and of replays that were refused: they are in no new batch. */
  readonly held: ReadonlySet<string>;
  /** Rows in a batch at most. */
  readonly batchSize: number;
  /** Sends the unresolved batches of earlier runs again, one after the other. Comes before everything else. */
  recover(): Promise<void>;
  /** Waits for a free place, then starts; throws what an earlier batch failed with. */
  send(batch: Batch): Promise<void>;
  /** Waits until nothing is in flight; throws what a batch failed with. */
  drain(): Promise<void>;
  /** Tries each batch whose outcome is unknown once more, unless the sender has stopped, and records what is then known. */
  resolve(): Promise<void>;
}

/** A batch with its number in the run's log. */
interface Numbered {
  readonly batch: Batch;
  readonly number: number;
}

/** A batch that was refused for its rows (verdict `halve`) or its size (`shrink`), and is not settled. */
interface Refused {
  readonly sent: Numbered;
  readonly delivery: Delivery;
}

/** A piece of a refused batch: reserved, not sent. `isolates`: to find bad rows, not to make batches smaller. */
interface Piece {
  readonly sent: Numbered;
  readonly rows: number;
  readonly isolates: boolean;
}

type PieceSearch = Search<Piece, RefusedAlone & Refused>;

/** What this run knows of a batch whose outcome is unknown; its body is in the ledger. */
interface UnknownBatch {
  readonly number: number;
  readonly attempts: readonly Attempt[];
  /** A replay whose first answer was one of REFUSING. */
  readonly refusedFirst: boolean;
}

/** Creates the sender of an entity. `maxBatchRows`: what the destination is known to take. */
export function createSender(
  entity: Entity,
  { ledger, destination, observer, breaker, budget }: SenderPorts,
  options: SenderOptions,
  tally: Tally,
  knownMaxBatchRows = Number.POSITIVE_INFINITY,
): Sender {
  const { stop, abort, deadline } = options;
  const config = entity.destination;
  const pacer = createPacer(config);
  const slots = pLimit(config.concurrency);
  const inFlight = new Set<Promise<void>>();
  const held = new Set<string>();
  const unknown = new Map<string, UnknownBatch>();
  const failures: unknown[] = [];
  let lastNumber = 0;
  let leftSome = false;
  let isolationCalls = 0;
  let maxBatchRows = knownMaxBatchRows;

  const warn = (message: string) => observer.warning?.(entity.name, message);
  const numbered = (batch: Batch): Numbered => {
    lastNumber += 1;
    return { batch, number: lastNumber };
  };
  const infoOf = ({ batch, number }: Numbered) => ({ number, rows: batch.keys.length, id: batch.id });
  const mayStart = () => !stop.aborted && failures.length === 0 && breaker.reason === undefined;

  const stopCause = () => causeOf(stop) ?? (breaker.reason === undefined ? undefined : 'breaker');

  /** Why what is reserved is not sent, as a note. */
  function whyNotSent(): string {
    const cause = stopCause();
    if (cause === 'breaker') return `not sent: ${breaker.reason}`;
    if (cause === undefined) return 'not sent: another batch stopped the entity';
    return cause === 'deadline' ? 'not sent: the deadline has passed' : 'not sent: the run was stopped';
  }

  /** The turn of its first attempt must have been taken. */
  function delivered(sent: Numbered, history: DeliveryHistory, maxAttempts = config.maxAttempts): Promise<Delivery> {
    return deliver(sent.batch, history, {
      destination,
      config: { ...config, maxAttempts },
      pacer,
      budget,
      stop,
      abort,
      longestWaitMs: () => (deadline === undefined ? LONGEST_WAIT_MS : deadline.getTime() - Date.now()),
      onTooLongWait: (waitMs) =>
        breaker.open(`the destination wants no request for ${Math.ceil(waitMs / 1000)} s, longer than the run lasts`),
      onRetry: (attempt, delayMs) => observer.retrying?.(entity.name, infoOf(sent), attempt, delayMs),
    });
  }

  /** Stores the end of a batch and counts it. Until it is stored, it counts as unresolved: that is what a failure leaves. */
  async function settle(sent: Numbered, outcome: Outcome, letters: readonly DeadLetter[] = []): Promise<void> {
    const rows = sent.batch.keys.length;
    const added = await ledger.settle(sent.batch, outcome, letters).catch((error) => {
      countUnresolved(rows, 1);
      throw error;
    });
    const state = outcome.state === 'accepted' ? 'accepted' : 'refused';
    tally[state] += rows - letters.length;
    tally.batches[state] += 1;
    tally.newDeadLetters += added;
    tally.oldDeadLetters += letters.length - added;
    tally.pending -= letters.length - added;
    observer.batchEnded?.(entity.name, infoOf(sent), outcome);
    if (letters.length > 0) warn(lettersText(letters, added));
  }

  function countUnresolved(rows: number, sign: 1 | -1): void {
    tally.unresolved += sign * rows;
    tally.batches.unresolved += sign;
  }

  /** Ends a delivery; throws SyncError DESTINATION_REFUSED where it stops the entity. */
  async function finish(sent: Numbered, { verdict, attempts, ambiguous }: Delivery): Promise<void> {
    switch (verdict) {
      case 'accepted':
        return accept(sent, attempts);
      case 'halve':
      case 'shrink':
        return takeApart({ sent, delivery: { verdict, attempts, ambiguous } });
      case 'aborted':
        countUnresolved(sent.batch.keys.length, 1);
        observer.batchEnded?.(entity.name, infoOf(sent), { state: 'aborted', attempts });
        return;
      case 'unknown':
        breaker.failed();
        return leaveUnknown(sent, attempts, false);
      case 'refused':
        breaker.failed();
        return settle(sent, { state: 'refused', attempts });
      case 'stop':
        if (ambiguous) leaveUnknown(sent, attempts, false);
        else await settle(sent, { state: 'refused', attempts });
        throw refusalError(entity, attempts.at(-1));
    }
  }

  async function accept(sent: Numbered, attempts: readonly Attempt[]): Promise<void> {
    const { batch } = sent;
    const rejected = attempts.at(-1)?.rejected ?? [];
    const reasons = rejected.map(({ reason }) => reason);
    if (reasons.length === batch.keys.length && reasons.length >= LARGE_BATCH_ROWS && sameReason(reasons)) {
      await settle(sent, { state: 'refused', attempts, note: `every row was rejected: ${reasons[0]}` });
      throw schemaError(entity, reasons.length, reasons[0] ?? '');
    }
    const letters = rejected.map(({ index, reason, httpStatus }) => letterOf(batch, index, reason, httpStatus));
    await settle(sent, { state: 'accepted', attempts }, letters);
    breaker.passed();
  }

  function leaveUnknown({ batch, number }: Numbered, attempts: readonly Attempt[], refusedFirst: boolean): void {
    countUnresolved(batch.keys.length, 1);
    unknown.set(batch.id, { number, attempts, refusedFirst });
  }

  /**
   * Takes a refused batch apart until its bad rows stand alone, in at most 2 · ⌈log2 rows⌉ further calls for each of them
   * (search.ts). Throws SyncError DESTINATION_REFUSED where it is not the rows, or a piece met an answer that stops the
   * entity.
   */
  async function takeApart(root: Refused, serverErrorRefuses = false): Promise<void> {
    const search: PieceSearch = createSearch(root.sent.batch.keys.length);
    let stopped: SyncError | undefined;
    try {
      await sendPieces(root, search, serverErrorRefuses);
    } catch (error) {
      const pieces = [...search.takeUnsent(), ...search.takeRefusedAlone('all')];
      if (!(error instanceof SyncError) || error.code !== 'DESTINATION_REFUSED') {
        // The ledger fails: what is not settled stays unresolved.
        for (const { sent } of pieces) countUnresolved(sent.batch.keys.length, 1);
        throw error;
      }
      stopped = error;
      for (const piece of pieces) await release(piece, 'not sent: another part of its batch stopped the entity');
    }
    const { commonReason } = search;
    if (commonReason !== undefined) {
      const note = 'every row that was sent alone was refused for one reason';
      for (const piece of [...search.takeUnsent(), ...search.takeRefusedAlone('all')]) await release(piece, note);
      stopped ??= schemaError(entity, root.sent.batch.keys.length, commonReason);
    }
    if (stopped !== undefined) throw stopped;
    for (const row of search.takeRefusedAlone('all')) await bury(row);
    for (const piece of search.takeUnsent()) await release(piece, whyNotSent());
  }

  /** Sends pieces until none is left, or no more may be sent. */
  async function sendPieces(root: Refused, search: PieceSearch, serverErrorRefuses: boolean): Promise<void> {
    let refused: Refused | undefined = root;
    for (;;) {
      if (refused !== undefined) {
        const { sent, delivery } = refused;
        const isolates = delivery.verdict === 'halve';
        if (sent.batch.keys.length === 1) {
          search.refusedAlone({ ...refused, reason: delivery.attempts.at(-1)?.error ?? 'no reason was given' });
        } else if (isolates && isolationCalls >= config.maxIsolationCalls) {
          const note = `not searched for bad rows: the ${config.maxIsolationCalls} calls of maxIsolationCalls are used up`;
          breaker.failed();
          await release(refused, note);
          for (const piece of search.takeUnsent()) await release(piece, note);
        } else {
          const halves = await split(sent, delivery.attempts, isolates);
          const [first, second] = halves.map((batch) => ({ sent: numbered(batch), rows: batch.keys.length, isolates }));
          search.halved(first as Piece, second as Piece);
        }
      }
      for (const row of search.takeRefusedAlone()) await bury(row);
      const piece = search.next();
      if (piece === undefined) return;
      if (!mayStart() || !(await pacer.turn(piece.rows, stop))) {
        leftSome = true;
        return release(piece, whyNotSent());
      }
      if (piece.isolates) isolationCalls += 1;
      const { sent } = piece;
      const delivery = await delivered(sent, { ambiguous: false, serverErrorRefuses });
      refused = delivery.verdict === 'halve' || delivery.verdict === 'shrink' ? { sent, delivery } : undefined;
      if (refused === undefined) await finish(sent, delivery);
      if (delivery.verdict === 'accepted') search.accepted();
    }
  }

  /** Settles a row that was refused by itself as a dead letter. */
  async function bury({ sent, delivery: { attempts }, reason }: RefusedAlone & Refused): Promise<void> {
    await settle(sent, { state: 'refused', attempts }, [letterOf(sent.batch, 0, reason, attempts.at(-1)?.status)]);
  }

  /** Settles what is reserved so that its rows are pending again. */
  async function release(
    piece: { readonly sent: Numbered; readonly delivery?: Delivery },
    note: string,
  ): Promise<void> {
    await settle(piece.sent, { state: 'refused', attempts: piece.delivery?.attempts ?? [], note });
  }

  async function split(sent: Numbered, attempts: readonly Attempt[], isolates: boolean): Promise<[Batch, Batch]> {
    const outcome: Outcome = { state: 'split', attempts };
    const halves = halvesOf(sent.batch, randomUUID);
    if (!isolates) maxBatchRows = Math.min(maxBatchRows, halves[0].keys.length);
    await ledger.split(sent.batch, outcome, halves, isolates ? undefined : maxBatchRows).catch((error) => {
      countUnresolved(sent.batch.keys.length, 1);
      throw error;
    });
    tally.batches.split += 1;
    observer.batchEnded?.(entity.name, infoOf(sent), outcome);
    return halves;
  }

  async function sendFresh(batch: Batch): Promise<void> {
    const rows = batch.keys.length;
    if (!mayStart() || !(await pacer.turn(rows, stop))) {
      leftSome = true;
      tally.left += rows;
      return;
    }
    countPending(rows);
    await ledger.reserve(batch);
    const sent = numbered(batch);
    await finish(sent, await delivered(sent, { ambiguous: false }));
  }

  function countPending(rows: number): void {
    tally.pending += rows;
    tally.batches.pending += 1;
  }

  async function replay({ batch, createdAt, doubt }: UnresolvedBatch): Promise<void> {
    const rows = batch.keys.length;
    const sent = numbered(batch);
    for (const key of batch.keys) held.add(key);
    countPending(rows);
    if (!mayStart() || !(await pacer.turn(rows, stop))) {
      leftSome = true;
      leaveUnknown(sent, [], false);
      return;
    }
    warn(
      `batch ${batch.id} of an earlier run is unresolved; its ${rowsText(rows)} are sent again, ${replayRisk(createdAt)}`,
    );
    const delivery = await delivered(sent, { ambiguous: true });
    const { attempts, verdict } = delivery;
    const firstStatus = attempts[0]?.status ?? 0;
    const refusedFirst = REFUSING.includes(firstStatus);
    if (verdict !== 'unknown') return finish(sent, delivery);
    if (refusedFirst && doubt.refusedRuns + 1 >= REFUSED_RUNS) {
      warn(
        `batch ${batch.id}: the first answer to its replay was HTTP ${firstStatus} in ${REFUSED_RUNS} runs in a row; it counts as refused, and rows of it that were taken nevertheless may be taken twice`,
      );
      return takeApart({ sent, delivery: { ...delivery, verdict: firstStatus === 413 ? 'shrink' : 'halve' } });
    }
    // The destination answers: what it says of one old batch is no reason to send it no others.
    if (!refusedFirst) breaker.failed();
    leaveUnknown(sent, attempts, refusedFirst);
  }

  function replayRisk(createdAt: Date): string {
    if (config.idempotencyHeader === null) return 'without an Idempotency-Key: rows may be taken twice';
    const hours = Math.floor((Date.now() - createdAt.getTime()) / 3_600_000);
    if (hours < config.idempotencyKeyTtlHours) return 'the same bytes under the same Idempotency-Key';
    return `but it was first sent ${hours} hours ago, and the destination may have forgotten its Idempotency-Key (idempotencyKeyTtlHours): rows may be taken twice`;
  }

  /** Tries an unknown batch once more where that may be, and records what is then known of it. */
  async function resolveOne({ batch, doubt }: UnresolvedBatch, known: UnknownBatch): Promise<void> {
    const sent: Numbered = { batch, number: known.number };
    const rows = batch.keys.length;
    let { attempts } = known;
    if (mayStart() && (await pacer.turn(rows, stop))) {
      const delivery = await delivered(sent, { ambiguous: true }, 1);
      attempts = [...attempts, ...delivery.attempts];
      if (delivery.verdict === 'accepted' || delivery.verdict === 'aborted') {
        countUnresolved(rows, -1);
        return finish(sent, { ...delivery, attempts });
      }
    }
    const last = attempts.at(-1);
    const serverFailed = (last?.status ?? 0) >= 500 && tally.batches.accepted > 0;
    const newDoubt: Doubt = {
      refusedRuns: known.refusedFirst ? doubt.refusedRuns + 1 : 0,
      serverErrorRuns: doubt.serverErrorRuns + (serverFailed ? 1 : 0),
    };
    if (
      serverFailed &&
      config.serverErrorRuns > 0 &&
      newDoubt.serverErrorRuns >= config.serverErrorRuns &&
      mayStart()
    ) {
      countUnresolved(rows, -1);
      warn(
        `batch ${batch.id}: it ended with HTTP ${last?.status} in ${newDoubt.serverErrorRuns} runs while others were accepted; it counts as refused (serverErrorRuns), and rows of it that were taken nevertheless may be taken twice`,
      );
      return takeApart({ sent, delivery: { verdict: 'halve', attempts, ambiguous: true } }, true);
    }
    const outcome: Outcome = { state: 'unknown', attempts, ...(attempts.length === 0 && { note: whyNotSent() }) };
    await ledger.keepUnknown(batch, outcome, newDoubt);
    observer.batchEnded?.(entity.name, infoOf(sent), outcome);
  }

  async function drain(): Promise<void> {
    await Promise.all(inFlight);
    if (failures.length > 0) throw failures[0];
  }

  return {
    held,
    get stoppedBy() {
      return stopCause();
    },
    get leftSome() {
      return leftSome;
    },
    get batchSize() {
      return Math.min(config.batchSize, maxBatchRows);
    },
    async recover() {
      for await (const batch of ledger.unresolved()) {
        if (abort.aborted) return;
        await replay(batch).catch((error) => {
          failures.push(error);
          throw error;
        });
      }
    },
    async send(batch) {
      // One batch may wait behind those in flight, so that the next page is worked on meanwhile.
      while (inFlight.size > config.concurrency) await Promise.race(inFlight);
      if (failures.length > 0) throw failures[0];
      const task = slots(async () => {
        try {
          await sendFresh(batch);
        } catch (error) {
          failures.push(error);
        }
      }).finally(() => inFlight.delete(task));
      inFlight.add(task);
    },
    drain,
    async resolve() {
      if (unknown.size === 0 || abort.aborted) return;
      for await (const batch of ledger.unresolved()) {
        const known = unknown.get(batch.batch.id);
        if (known !== undefined) await resolveOne(batch, known);
      }
    },
  };
}

/** What aborted an entity's `stop`; undefined where nothing did. */
export function causeOf(stop: AbortSignal): StopCause | undefined {
  if (!stop.aborted) return undefined;
  return stop.reason === 'deadline' ? 'deadline' : 'signal';
}

/** The dead letter of a row in a batch. */
function letterOf({ keys, hashes }: Batch, index: number, reason: string, httpStatus?: number): DeadLetter {
  return {
    key: keys[index] as string,
    hash: hashes.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES),
    reason,
    ...(httpStatus !== undefined && { httpStatus }),
  };
}

function rowsText(rows: number): string {
  return `${rows} ${rows === 1 ? 'row' : 'rows'}`;
}

function lettersText(letters: readonly DeadLetter[], added: number): string {
  const [first] = letters as readonly [DeadLetter];
  return `${rowsText(letters.length)} refused by itself (${added} new), such as ${first.key}: ${first.reason}`;
}
