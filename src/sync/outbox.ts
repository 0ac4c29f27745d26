/**
 * Rows of one operation on their way into batches. Dead letters that are tried again ("suspects") have batches of their
 * own: among other rows, each bad one would have to be isolated again.
 */
import { randomUUID } from 'node:crypto';
import { type BatchBuilder, type BatchLimits, type BatchRow, createBatchBuilder } from './batch-builder.ts';
import type { BatchKind } from './isolation.ts';
import type { Batch, Operation } from './ports.ts';

/** Collects rows, and passes each batch on when it is full. */
export interface Outbox {
  /** The time of sending of a row that is put in next. */
  sentAt(isSuspect: boolean): Date;
  /** Whether a payload of this JSON can be in any batch. */
  fits(json: Uint8Array): boolean;
  /** Undefined where no batch is full with it: most rows have nothing to wait for. */
  put(row: BatchRow, isSuspect: boolean): Promise<void> | undefined;
  /** Passes the batches on that are not full. */
  flush(): Promise<void>;
}

/** Batches of one kind. */
interface Lane {
  readonly kind: BatchKind;
  readonly batches: BatchBuilder;
  /** Of the batch that is being filled. */
  sentAt: Date;
}

/** `send` gets the batches, one after the other. */
export function createOutbox(
  operation: Operation,
  limits: BatchLimits,
  send: (batch: Batch, kind: BatchKind) => Promise<void>,
): Outbox {
  const lane = (kind: BatchKind): Lane => ({
    kind,
    batches: createBatchBuilder(operation, limits, randomUUID),
    sentAt: new Date(),
  });
  const fresh = lane({});
  const suspects = lane({ suspects: true });
  const laneOf = (isSuspect: boolean) => (isSuspect ? suspects : fresh);
  async function sendAll(into: Lane, full: readonly Batch[]): Promise<void> {
    for (const batch of full) {
      await send(batch, into.kind);
      // Where bytes cut the batch, its successor holds a row already, and would keep the old time.
      into.sentAt = new Date();
    }
  }

  return {
    sentAt(isSuspect) {
      const into = laneOf(isSuspect);
      if (into.batches.rows === 0) into.sentAt = new Date();
      return into.sentAt;
    },
    fits: (json) => fresh.batches.fits(json),
    put(row, isSuspect) {
      const into = laneOf(isSuspect);
      const full = into.batches.add(row);
      return full.length === 0 ? undefined : sendAll(into, full);
    },
    async flush() {
      for (const { batches, kind } of [fresh, suspects]) {
        const rest = batches.flush();
        if (rest !== undefined) await send(rest, kind);
      }
    },
  };
}
