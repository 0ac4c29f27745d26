/** When the next request may leave: the configured rates, and what the destination asks for. */
import { setTimeout as wait } from 'node:timers/promises';

/** One destination's turns. */
export interface Pacer {
  /** Waits for the turn of a request of so many rows and takes it; false where `stop` came first. */
  turn(rows: number, stop: AbortSignal): Promise<boolean>;
  /** No turn for so many milliseconds from now on. */
  pause(ms: number): void;
}

/** Rates per second; no limit where absent. */
export interface Rates {
  readonly requestsPerSecond?: number;
  readonly rowsPerSecond?: number;
}

/** The longest that a timer takes; beyond, it would strike at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * A pacer that spreads requests evenly: after each one it waits as long as the rates allow for one of its size. `now` gives
 * milliseconds.
 */
export function createPacer(
  { requestsPerSecond = Number.POSITIVE_INFINITY, rowsPerSecond = Number.POSITIVE_INFINITY }: Rates,
  now: () => number = () => performance.now(),
): Pacer {
  let nextAt = 0;
  return {
    async turn(rows, stop) {
      for (;;) {
        if (stop.aborted) return false;
        const time = now();
        if (time >= nextAt) {
          nextAt = time + Math.max(1000 / requestsPerSecond, (rows * 1000) / rowsPerSecond);
          return true;
        }
        if (!(await sleep(nextAt - time, stop))) return false;
      }
    },
    pause(ms) {
      nextAt = Math.max(nextAt, now() + ms);
    },
  };
}

/** Waits so many milliseconds; false where `stop` came first. */
export async function sleep(ms: number, stop: AbortSignal): Promise<boolean> {
  return wait(Math.min(ms, MAX_TIMER_MS), true, { signal: stop }).catch(() => false);
}
