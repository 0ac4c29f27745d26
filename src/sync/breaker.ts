/** The circuit breaker of one endpoint: when it makes no sense to send more in this run. */

/** Counts batches, not attempts. */
export interface Breaker {
  /** Why it is open, as a clause; undefined while it is closed. It does not close again in this run. */
  readonly reason: string | undefined;
  /** A batch was accepted. */
  passed(): void;
  /** A batch failed for a reason that does not lie in some of its rows. */
  failed(): void;
  /** The replay of an old batch failed. By itself it opens nothing, but then one new batch that fails is enough. */
  replayFailed(): void;
  /** Opens it. */
  open(reason: string): void;
}

/** A breaker that opens after so many failed batches in a row. */
export function createBreaker(maxFailedBatches: number): Breaker {
  let failures = 0;
  let reason: string | undefined;
  return {
    get reason() {
      return reason;
    },
    passed() {
      failures = 0;
    },
    failed() {
      failures += 1;
      if (failures >= maxFailedBatches) {
        reason ??= `${failures} ${failures === 1 ? 'batch' : 'batches in a row'} failed`;
      }
    },
    replayFailed() {
      failures = Math.min(failures + 1, maxFailedBatches - 1);
    },
    open(why) {
      reason ??= why;
    },
  };
}
