/**
 * The steps of one batch – turn, deliver, settle, split – each counted in the tally and told to the observer. What follows
 * from an answer is decided by those who call them: sender.ts and isolation.ts.
 */
import { randomUUID } from 'node:crypto';
import type { Breaker } from './breaker.ts';
import { type Delivery, type DeliveryHistory, deliver, type RetryBudget } from './delivery.ts';
import type { Entity } from './entity.ts';
import { halvesOf } from './halves.ts';
import { reasonOf } from './outcome.ts';
import { createPacer } from './pacer.ts';
import type { Attempt, Batch, DeadLetter, Destination, Ledger, Outcome, RunObserver, StopCause } from './ports.ts';
import type { Tally } from './tally.ts';

/** The longest pause that a destination may ask for where the run has no deadline. */
const LONGEST_WAIT_MS = 15 * 60_000;

/** The outside of an entity's delivery. */
export interface DeliveryPorts {
  readonly ledger: Ledger;
  readonly destination: Destination;
  readonly observer: RunObserver;
  /** Of the destination's endpoint, and of the run. */
  readonly breaker: Breaker;
  readonly budget: RetryBudget;
}

/** How long it goes on. */
export interface DeliveryLimits {
  /** Nothing new is started once this aborts; its reason is 'deadline', or something else. */
  readonly stop: AbortSignal;
  /** Cuts off what is in flight. */
  readonly abort: AbortSignal;
  readonly deadline?: Date;
}

/** A batch with its number in the run's log. */
export interface Numbered {
  readonly batch: Batch;
  readonly number: number;
}

/** One entity's steps. Those that write throw what the ledger throws. */
export interface BatchSteps {
  /** Why nothing new is started any more, but for a failure; undefined while it is. */
  readonly stoppedBy: StopCause | undefined;
  /** Whether something was not started any more. */
  readonly leftSome: boolean;
  /** What stopped the entity, if anything did. */
  readonly failure: unknown;
  /** Rows of the largest upsert that was accepted so far; 0 where none was. */
  readonly largestAccepted: number;
  /** Whether rows of an upsert were refused without becoming dead letters: they are pending again. */
  readonly releasedSome: boolean;
  /** Nothing new is started after this. */
  fail(failure: unknown): void;
  warn(message: string): void;
  number(batch: Batch): Numbered;
  /** Whether something new may be started. */
  mayBegin(): boolean;
  /** Waits for the turn of a request of so many rows; false where nothing new is started any more. */
  begin(rows: number): Promise<boolean>;
  /** Why what is reserved is not sent, as a note. */
  whyNotSent(): string;
  /** Its first turn must have been taken. */
  deliver(sent: Numbered, history: DeliveryHistory, maxAttempts?: number): Promise<Delivery>;
  /** The destination has taken all of this batch: what `largestAccepted` counts need not wait until it is recorded. */
  noteTaken(batch: Batch): void;
  /** Stores the end of an accepted or refused batch. Where that fails, it counts as unresolved: that is what it is then. */
  settle(sent: Numbered, outcome: Outcome, letters?: readonly DeadLetter[]): Promise<void>;
  /** Reserves the halves of a batch in its place. Where that fails, it counts as unresolved. */
  split(sent: Numbered, attempts: readonly Attempt[]): Promise<[Batch, Batch]>;
  /** Counts it as unresolved; `again`: as one that may have another end after all. */
  countUnresolved(batch: Batch, again?: 'no longer'): void;
  /** Tells the end of a batch that stays unresolved. */
  tell(sent: Numbered, outcome: Outcome): void;
}

/** The steps of this entity's batches in one run. */
export function createBatchSteps(
  entity: Entity,
  { ledger, destination, observer, breaker, budget }: DeliveryPorts,
  { stop, abort, deadline }: DeliveryLimits,
  tally: Tally,
): BatchSteps {
  const config = entity.destination;
  const pacer = createPacer(config);
  let lastNumber = 0;
  let leftSome = false;
  let failure: unknown;
  let largestAccepted = 0;
  let releasedSome = false;

  const infoOf = ({ batch, number }: Numbered) => ({ number, rows: batch.keys.length, id: batch.id });
  function tell(sent: Numbered, outcome: Outcome): void {
    if (outcome.state === 'unknown') noteError(outcome);
    observer.batchEnded?.(entity.name, infoOf(sent), outcome);
  }
  const warn = (message: string) => observer.warning?.(entity.name, message);
  const stopCause = watchStop(stop);
  const stoppedBy = () => stopCause() ?? (breaker.reason === undefined ? undefined : 'breaker');

  function noteError(outcome: Outcome): void {
    // One that was not tried tells nothing of why.
    const error = outcome.attempts.length > 0 ? reasonOf(outcome) : undefined;
    if (error !== undefined) tally.batchError ??= error;
  }

  function countUnresolved({ keys }: Batch, again?: 'no longer'): void {
    const sign = again === undefined ? 1 : -1;
    tally.unresolved += sign * keys.length;
    tally.batches.unresolved += sign;
  }

  /** What is not stored stays unresolved. */
  const stored = <T>({ batch }: Numbered, written: Promise<T>): Promise<T> =>
    written.catch((error) => {
      countUnresolved(batch);
      throw error;
    });

  return {
    get stoppedBy() {
      return stoppedBy();
    },
    get leftSome() {
      return leftSome;
    },
    get failure() {
      return failure;
    },
    get largestAccepted() {
      return largestAccepted;
    },
    get releasedSome() {
      return releasedSome;
    },
    fail(error) {
      failure ??= error;
    },
    warn,
    number(batch) {
      lastNumber += 1;
      return { batch, number: lastNumber };
    },
    mayBegin() {
      const isGoing = failure === undefined && stoppedBy() === undefined;
      leftSome ||= !isGoing;
      return isGoing;
    },
    async begin(rows) {
      const begins = this.mayBegin() && (await pacer.turn(rows, stop)) && this.mayBegin();
      leftSome ||= !begins;
      return begins;
    },
    whyNotSent() {
      const cause = stoppedBy();
      if (cause === 'breaker') return `not sent: ${breaker.reason}`;
      if (cause === undefined) return 'not sent: another batch stopped the entity';
      return cause === 'deadline' ? 'not sent: the deadline has passed' : 'not sent: the run was stopped';
    },
    deliver: (sent, history, maxAttempts = config.maxAttempts) =>
      deliver(sent.batch, history, {
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
      }),
    noteTaken({ operation, keys }) {
      if (operation === 'upsert') largestAccepted = Math.max(largestAccepted, keys.length);
    },
    async settle(sent, outcome, letters = []) {
      const { operation, keys } = sent.batch;
      const rows = keys.length;
      const added = await stored(sent, ledger.settle(sent.batch, outcome, letters));
      const state = outcome.state === 'accepted' ? 'accepted' : 'refused';
      if (operation === 'upsert' && state === 'accepted' && letters.length < rows) {
        largestAccepted = Math.max(largestAccepted, rows);
      }
      tally[state] += rows - letters.length;
      if (state === 'refused' && letters.length < rows) noteError(outcome);
      if (operation === 'delete' && state === 'accepted') tally.deleted += rows - letters.length;
      if (operation === 'upsert' && state === 'refused' && letters.length < rows) releasedSome = true;
      tally.batches[state] += 1;
      tally.newDeadLetters += added;
      tally.oldDeadLetters += letters.length - added;
      // Dead letters of earlier runs were not pending.
      tally.pending -= letters.length - added;
      if (operation === 'delete') tally.deletions -= letters.length - added;
      tell(sent, outcome);
      if (letters.length > 0) warn(lettersText(letters, added));
    },
    async split(sent, attempts) {
      const outcome: Outcome = { state: 'split', attempts };
      const halves = halvesOf(sent.batch, randomUUID);
      await stored(sent, ledger.split(sent.batch, outcome, halves));
      tally.batches.split += 1;
      tell(sent, outcome);
      return halves;
    },
    countUnresolved,
    tell,
  };
}

/** What aborted an entity's `stop`; undefined where nothing did. */
export function causeOf(stop: AbortSignal): StopCause | undefined {
  if (!stop.aborted) return undefined;
  return stop.reason === 'deadline' ? 'deadline' : 'signal';
}

/** The same for those who ask for each row: a signal that is made of others looks through these each time. */
export function watchStop(stop: AbortSignal): () => StopCause | undefined {
  let cause = causeOf(stop);
  const note = () => {
    cause = causeOf(stop);
  };
  stop.addEventListener('abort', note, { once: true });
  return () => cause;
}

/** `1 row`, `2 rows`. */
export function rowsText(rows: number): string {
  return `${rows} ${rows === 1 ? 'row' : 'rows'}`;
}

function lettersText(letters: readonly DeadLetter[], added: number): string {
  const [first] = letters as readonly [DeadLetter];
  return `${rowsText(letters.length)} refused by itself (${added} new), such as ${first.key}: ${first.reason}`;
}
