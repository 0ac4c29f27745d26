/** From one that makes things to one that takes them at its own pace. */

/** Carries what one side makes to the other, in order. */
export interface Handover<T> {
  put(item: T): void;
  /** Resolves when all has been taken, or nobody takes more. */
  taken(): Promise<void>;
  /** Ends it after what was put. */
  end(): void;
  /** The same, with an error. */
  fail(error: unknown): void;
  /** Waits for the next item; undefined at the end. Throws what it failed with. */
  take(): Promise<T | undefined>;
  /** Nobody takes more. */
  stop(): void;
}

/** Empty, and not ended. */
export function createHandover<T>(): Handover<T> {
  const items: T[] = [];
  let ended: { readonly error?: unknown } | undefined;
  let isStopped = false;
  let change = Promise.withResolvers<void>();
  const changed = (): void => {
    change.resolve();
    change = Promise.withResolvers();
  };
  return {
    put(item) {
      items.push(item);
      changed();
    },
    async taken() {
      while (items.length > 0 && !isStopped) await change.promise;
    },
    end() {
      ended = {};
      changed();
    },
    fail(error) {
      ended = { error };
      changed();
    },
    async take() {
      while (items.length === 0 && ended === undefined) await change.promise;
      const item = items.shift();
      changed();
      if (item === undefined && ended !== undefined && 'error' in ended) throw ended.error;
      return item;
    },
    stop() {
      isStopped = true;
      changed();
    },
  };
}
