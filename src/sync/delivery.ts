/**
 * The attempts of one batch, all with the same bytes and the same Idempotency-Key, until an answer decides or nothing more
 * may be tried. Why not a retry library: docs/decisions/0008-own-retry-loop.md.
 */
import type { DestinationConfig } from './entity.ts';
import { type Pacer, sleep } from './pacer.ts';
import type { Attempt, Batch, Destination } from './ports.ts';
import { isAmbiguous, judge, type Verdict } from './verdict.ts';

/**
 * How a delivery ended: a Verdict, with `refused` for one that was tried often enough and certainly not taken, and `aborted`
 * for one that a second signal cut off.
 */
export interface Delivery {
  readonly verdict: Exclude<Verdict, 'retry'> | 'refused' | 'aborted';
  readonly attempts: readonly Attempt[];
  /** Whether the destination may have taken the batch although it did not say so. */
  readonly ambiguous: boolean;
}

/** Attempts beyond the first, of all batches of a run together. */
export interface RetryBudget {
  /** False where none is left. */
  take(): boolean;
}

/** So many retries. */
export function createRetryBudget(retries: number): RetryBudget {
  let left = retries;
  return {
    take() {
      left -= 1;
      return left >= 0;
    },
  };
}

/** What a delivery works with. */
export interface DeliveryOptions {
  readonly destination: Pick<Destination, 'attempt'>;
  readonly config: Pick<DestinationConfig, 'maxAttempts' | 'retryDelayMs' | 'maxRetryDelayMs'>;
  readonly pacer: Pacer;
  readonly budget: RetryBudget;
  /** Starts no further attempt. */
  readonly stop: AbortSignal;
  /** Cuts the attempt off. */
  readonly abort: AbortSignal;
  /** The longest wait that the destination may ask for, in milliseconds from now. */
  readonly longestWaitMs: () => number;
  /** Called with what it asked for where that is longer; the delivery ends then. */
  readonly onTooLongWait: (waitMs: number) => void;
  readonly onRetry: (attempt: Attempt, delayMs: number) => void;
}

/** What is known of a batch before its delivery. */
export interface DeliveryHistory {
  /** It may have been taken already: a replay. */
  readonly ambiguous: boolean;
  /** A 500 as the answer to the last of all attempts counts as refused. */
  readonly serverErrorRefuses?: boolean;
}

/** Delivers a batch whose first turn was taken. */
export async function deliver(
  batch: Batch,
  { ambiguous: wasAmbiguous, serverErrorRefuses = false }: DeliveryHistory,
  options: DeliveryOptions,
): Promise<Delivery> {
  const { destination, config, pacer, budget, stop, abort } = options;
  const attempts: Attempt[] = [];
  let ambiguous = wasAmbiguous;
  for (;;) {
    const attempt = await destination.attempt(batch, abort);
    attempts.push(attempt);
    const end = (verdict: Delivery['verdict']): Delivery => ({ verdict, attempts, ambiguous });
    if (attempt.error !== undefined && abort.aborted) return end('aborted');
    const { waitMs = 0 } = attempt;
    const waitsTooLong = waitMs > Math.max(0, options.longestWaitMs());
    if (waitsTooLong) options.onTooLongWait(waitMs);
    else pacer.pause(waitMs);

    const verdict = judge(attempt, ambiguous, batch);
    ambiguous ||= isAmbiguous(attempt);
    if (verdict !== 'retry') return end(verdict);
    const givenUp = () => end(ambiguous ? 'unknown' : 'refused');
    if (attempts.length >= config.maxAttempts) {
      return serverErrorRefuses && attempt.status === 500 ? end('halve') : givenUp();
    }
    if (waitsTooLong || stop.aborted || !budget.take()) return givenUp();
    const delayMs = Math.random() * Math.min(config.maxRetryDelayMs, config.retryDelayMs * 2 ** (attempts.length - 1));
    options.onRetry(attempt, Math.max(delayMs, waitMs));
    if (!(await sleep(delayMs, stop)) || !(await pacer.turn(batch.keys.length, stop))) return givenUp();
  }
}
