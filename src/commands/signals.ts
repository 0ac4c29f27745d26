/** Signals become two AbortSignals: one to start nothing new, one to cut off what is in flight. */
import type { EventEmitter } from 'node:events';

/**
 * What a run watches. Both abort with the signal's name as their reason. After `abort` nothing listens any more, so that a
 * further signal ends the process at once, whatever it waits for: what it leaves behind is what a killed run leaves.
 */
export interface StopSignals {
  /** Aborts at the first SIGINT or SIGTERM (Ctrl-C and Ctrl-Break on Windows). */
  readonly stop: AbortSignal;
  /** Aborts at the second one, or at SIGHUP: a closing console on Windows leaves about 10 s. */
  readonly abort: AbortSignal;
  /** Stops listening. */
  dispose(): void;
}

/** Listens on `signals` (the process, or a test's emitter). `onStop` is called with the first signal's name. */
export function watchSignals(signals: EventEmitter, onStop: (signal: NodeJS.Signals) => void): StopSignals {
  const stop = new AbortController();
  const abort = new AbortController();
  const cutOff = (signal: NodeJS.Signals) => {
    abort.abort(signal);
    dispose();
  };
  const interrupted = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) return cutOff(signal);
    stop.abort(signal);
    onStop(signal);
  };
  const hungUp = (signal: NodeJS.Signals) => {
    if (!stop.signal.aborted) stop.abort(signal);
    cutOff(signal);
  };
  const listeners = { SIGINT: interrupted, SIGTERM: interrupted, SIGBREAK: interrupted, SIGHUP: hungUp };
  const dispose = () => {
    for (const [name, listener] of Object.entries(listeners)) signals.off(name, listener);
  };
  for (const [name, listener] of Object.entries(listeners)) signals.on(name, listener);
  return { stop: stop.signal, abort: abort.signal, dispose };
}
