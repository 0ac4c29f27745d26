/** Work done again after a fault that may pass: a wrapper around one try. What may pass, transient.ts says. */
import { setTimeout as wait } from 'node:timers/promises';
import type { ConnectionSettings } from '../sync/connection.ts';
import { faultNumber, TRANSIENT_ERRORS } from './transient.ts';

/** How a run meets faults. Without one, nothing is ever repeated. */
export interface FaultPolicy {
  /** Until when the end of a batch is stored at any price; 5 minutes from its first failure where absent. */
  readonly deadline?: Date;
  /** Nothing is repeated once this aborts. */
  readonly abort: AbortSignal;
  /** Gets a sentence for the log, without a value of a row, where something is tried again. */
  readonly onRepeat: (message: string) => void;
}

/** How long the end of a batch is tried to be stored where the run has no deadline. */
const PATIENCE_MS = 5 * 60_000;

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5000;

/** How one piece of work is repeated. */
export interface Persistence {
  /** Until the run's deadline: what a destination has answered must be stored. */
  readonly patient?: boolean;
  /** Aborted, it is not repeated. */
  readonly signal?: AbortSignal;
  /** What else may pass. */
  readonly also?: (error: unknown) => boolean;
}

/** Does the work, and does it again while it fails for what may pass. `isRepeat`: an earlier try may have had its effect. */
export type Repeat = <T>(work: (isRepeat: boolean) => Promise<T>, how?: Persistence) => Promise<T>;

/** Repeats work on a connection for its `retryForMs`, counted from the work's first failure, where `mayPass` says so. */
export function createRepeat(
  settings: ConnectionSettings,
  policy: FaultPolicy | undefined,
  mayPass: (error: unknown) => boolean,
): Repeat {
  if (policy === undefined) return (work) => work(false);
  return async (work, { patient = false, signal, also = () => false } = {}) => {
    const told = new Set<string>();
    return repeat(work, {
      forMs: () => (patient ? Math.max(settings.retryForMs, patienceMs(policy)) : settings.retryForMs),
      signal: signal === undefined ? policy.abort : AbortSignal.any([policy.abort, signal]),
      mayPass: (error) => mayPass(error) || also(error),
      onRepeat(error) {
        const message = `Connection ${settings.name}: ${whatHappened(error, settings)}; trying again.`;
        if (!told.has(message)) policy.onRepeat(message);
        told.add(message);
      },
    });
  };
}

function patienceMs({ deadline }: FaultPolicy): number {
  return deadline === undefined ? PATIENCE_MS : deadline.getTime() - Date.now();
}

function whatHappened(error: unknown, { name }: ConnectionSettings): string {
  const number = faultNumber(error);
  if (number !== undefined) return `error ${number} (${TRANSIENT_ERRORS[number] ?? 'the database cannot be opened'})`;
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(`Connection ${name}: `, '').replace(/\.$/, '');
}

interface RepeatOptions {
  /** Milliseconds from the first failure on; asked when it has happened. */
  readonly forMs: () => number;
  readonly signal: AbortSignal;
  readonly mayPass: (error: unknown) => boolean;
  readonly onRepeat: (error: unknown) => void;
}

/** The loop. Rejects with the last failure. */
export async function repeat<T>(work: (isRepeat: boolean) => Promise<T>, options: RepeatOptions): Promise<T> {
  const { forMs, signal, mayPass, onRepeat } = options;
  let until: number | undefined;
  for (let failures = 0; ; ) {
    try {
      return await work(failures > 0);
    } catch (error) {
      until ??= performance.now() + forMs();
      const leftMs = until - performance.now();
      if (leftMs <= 0 || signal.aborted || !mayPass(error)) throw error;
      failures += 1;
      onRepeat(error);
      if (!(await pause(Math.min(leftMs, delayMs(failures)), signal))) throw error;
    }
  }
}

/** How long to wait after so many failures: not at all after the first, then a random part of a time that doubles. */
export function delayMs(failures: number, random: () => number = Math.random): number {
  if (failures <= 1) return 0;
  return random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 2));
}

/** False where `signal` came first. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return wait(ms, true, { signal }).catch(() => false);
}
