/**
 * Rows of one operation on their way into batches. Dead letters that are tried again ("suspects") have batches of their
 * own: among other rows, each bad one would have to be isolated again.
 */
import { randomUUID } from 'node:crypto';
import { type BatchLimits, type BatchRow, createBatchBuilder } from './batch-builder.ts';
import type { BatchKind } from './isolation.ts';
import type { Batch, Operation } from './ports.ts';

/** Collects rows, and passes each batch on when it is full. */
export interface Outbox {
  /** The time of sending of a row that is put in next. */
  sentAt(isSuspect: boolean): Date;
  /** Whether a payload of this JSON can be in any batch. */
  fits(json: string): boolean;
  put(row: BatchRow, isSuspect: boolean): Promise<void>;
  /** Passes the batches on that are not full. */
  flush(): Promise<void>;
}

/** `send` gets the batches, one after the other. */
export function createOutbox(
  operation: Operation,
  limits: BatchLimits,
  send: (batch: Batch, kind: BatchKind) => Promise<void>,
): Outbox {
  const lane = (kind: BatchKind) => ({
    kind,
    batches: createBatchBuilder(operation, limits, randomUUID),
    sentAt: new Date(),
  });
  const fresh = lane({});
  const suspects = lane({ suspects: true });
  const laneOf = (isSuspect: boolean) => (isSuspect ? suspects : fresh);
  return {
    sentAt(isSuspect) {
      const into = laneOf(isSuspect);
      if (into.batches.rows === 0) into.sentAt = new Date();
      return into.sentAt;
    },
    fits: (json) => fresh.batches.fits(json),
    async put(row, isSuspect) {
      const into = laneOf(isSuspect);
      for (const full of into.batches.add(row)) {
        await send(full, into.kind);
        // Where bytes cut the batch, its successor holds a row already, and would keep the old time.
        into.sentAt = new Date();
      }
    },
    async flush() {
      for (const { batches, kind } of [fresh, suspects]) {
        const rest = batches.flush();
        if (rest !== undefined) await send(rest, kind);
      }
    },
  };
}
