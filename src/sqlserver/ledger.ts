/**
 * The Ledger of one entity while its lock is held: batches are reserved and settled in TB_R_SYNC_BATCH, accepted rows go
 * into TB_R_SYNC_TRACKING, outcomes into TB_R_Log, rows that cannot be sent into TB_R_SYNC_FAILURE.
 *
 * Each writing method is one transaction that may be done again: where a commit's answer was lost, the repeat finds the
 * batch no longer as it was, and writes nothing.
 */
import { randomUUID } from 'node:crypto';
import { SyncError } from '../sync/errors.ts';
import type { Batch, Cell, DeadLetter, EntityIdentity, Ledger, Outcome } from '../sync/ports.ts';
import { type LogColumns, logOutcome, readLogColumns } from './activity-log.ts';
import { endBatch, insertBatch, readUnresolved, recordUnknown, unresolvedIds } from './batches.ts';
import { removeWatermark, writeComparison } from './comparison.ts';
import {
  countKnownLetters,
  deleteDeadLetters,
  deleteLoadedDeadLetters,
  HASH_LENGTH,
  keyHash,
  loadKeyHashes,
  loadLetters,
  writeLetters,
} from './dead-letters.ts';
import { bufferOf, guid, int, nvarchar } from './parameters.ts';
import type { Pool } from './pool.ts';
import { createAnyDeadLetters, createReadOnlyLedger } from './read-only-ledger.ts';
import type { Session } from './session.ts';
import { ERROR_NUMBERS, errorNumber, errorText, isDuplicateKey, isPermissionError } from './statement-error.ts';
import { packBatch } from './stored-batch.ts';
import { fill } from './temporary-table.ts';
import { ENTITY_TYPE_LENGTH, hashRows, KEYS, labelParameters } from './tracking.ts';
import { giveMissingHashes, track, untrack } from './tracking-changes.ts';
import { isTransient } from './transient.ts';

/** For what a destination has answered: not to store it means to send the batch again. */
const PATIENTLY = { patient: true } as const;

/** Whose ledger it is, and which run writes into it. */
export interface LedgerOwner {
  readonly entity: EntityIdentity;
  readonly runId: string;
  readonly host: string;
}

/** A ledger that can find out beforehand whether it will be able to settle. */
export interface RehearsingLedger extends Ledger {
  /**
   * Writes what settling a batch writes, and rolls it back. A settle that fails comes too late: the destination has taken
   * the batch by then, and takes it again every night. Throws SyncError LOG_DATABASE_* naming the table.
   */
  rehearseSettle(): Promise<void>;
}

/** The ledger of an entity that `owner.runId` has locked: TB_R_SYNC_ENTITY.OwnerRunId says so. */
export function createLedger(pool: Pool, { entity, runId, host }: LedgerOwner): RehearsingLedger {
  const entityType = nvarchar(entity.trackingLabels[0], ENTITY_TYPE_LENGTH);
  const labels = labelParameters(entity);
  const run = guid(runId);
  const any = createAnyDeadLetters(entity);
  let logColumns: LogColumns | undefined;

  /**
   * Every writing transaction begins with this: it fails when another run has taken the entity over, and holds it up until
   * the end.
   */
  async function requireOwnership(session: Session): Promise<void> {
    const { rowCount } = await session.query(
      'UPDATE dbo.TB_R_SYNC_ENTITY SET LockedAt = LockedAt WHERE EntityType = @entityType AND OwnerRunId = @run',
      { entityType, run },
    );
    if (rowCount !== 1) throw takenOver(entity);
  }

  async function log(session: Session, batch: Batch, outcome: Outcome, rowsRefused = 0): Promise<void> {
    logColumns ??= await readLogColumns(session, pool.settings.name);
    await logOutcome(session, logColumns, { entity, runId, host, batch, outcome, rowsRefused });
  }

  /** Carries the letters to the server, and returns how many of them are new. */
  async function announce(session: Session, letters: readonly DeadLetter[]): Promise<number> {
    if (letters.length === 0) return 0;
    any.note();
    const loaded = await loadLetters(session, letters);
    return loaded - (await countKnownLetters(session, entityType));
  }

  return {
    ...createReadOnlyLedger(pool, entity, any),

    async *unresolved() {
      for (const id of await pool.repeating((session) => unresolvedIds(session, labels))) {
        const found = await pool.repeating((session) => readUnresolved(session, id));
        if (found !== undefined) yield found;
      }
    },

    async rememberMaxBatchRows(rows) {
      await pool.repeating(async (session) => {
        const { rowCount } = await session.query(
          'UPDATE dbo.TB_R_SYNC_ENTITY SET MaxBatchRows = @rows WHERE EntityType = @entityType AND OwnerRunId = @run',
          { entityType, run, rows: int(rows ?? null) },
        );
        if (rowCount !== 1) throw takenOver(entity);
      });
    },

    async reserve(batch) {
      const stored = await packBatch(batch);
      await pool.repeating(async (session, isRepeat) => {
        const reserved = session.transaction(async () => {
          await requireOwnership(session);
          await insertBatch(session, batch, stored, { run, entityType });
        });
        await reserved.catch((error) => {
          if (!isRepeat || !isDuplicateKey(error)) throw error;
        });
      });
    },

    async settle(batch, outcome, letters) {
      const accepted = outcome.state === 'accepted';
      const isDeletion = batch.operation === 'delete';
      const releases = !accepted && !isDeletion && hasOthers(batch, letters);
      let newLetters: number | undefined;
      await pool.repeating(async (session) => {
        const announced = await announce(session, letters);
        // What the first try found: after it the letters may be there.
        newLetters ??= announced;
        const anyDeadLetters = accepted && (await any.ask(session));
        if (accepted) await fill(session, KEYS, keyRows(batch, letters, anyDeadLetters));
        await session.transaction(async () => {
          await requireOwnership(session);
          if (!(await endBatch(session, batch, outcome, run))) return;
          if (accepted && isDeletion) await untrack(session, labels);
          else if (accepted) await track(session, labels, guid(batch.id));
          if (releases) await removeWatermark(session, labels);
          if (anyDeadLetters) await deleteDeadLetters(session, entityType);
          if (letters.length > 0) await writeLetters(session, entityType, run);
          await log(session, batch, outcome, letters.length);
        });
      }, PATIENTLY);
      return newLetters ?? 0;
    },

    async split(batch, outcome, halves) {
      const stored = await Promise.all(halves.map(async (half) => ({ half, packed: await packBatch(half) })));
      await pool.repeating(
        (session) =>
          session.transaction(async () => {
            await requireOwnership(session);
            if (!(await endBatch(session, batch, outcome, run))) return;
            for (const { half, packed } of stored) {
              await insertBatch(session, half, packed, { run, entityType, parentId: batch.id });
            }
            await log(session, batch, outcome);
          }),
        PATIENTLY,
      );
    },

    async keepUnknown(batch, outcome, doubt) {
      await pool.repeating(
        (session) =>
          session.transaction(async () => {
            await requireOwnership(session);
            if (await recordUnknown(session, batch, outcome, doubt, run)) await log(session, batch, outcome);
          }),
        PATIENTLY,
      );
    },

    async deadLetter(letters) {
      if (letters.length === 0) return 0;
      let newLetters: number | undefined;
      await pool.repeating(async (session) => {
        const announced = await announce(session, letters);
        newLetters ??= announced;
        await session.transaction(async () => {
          await requireOwnership(session);
          await writeLetters(session, entityType, run);
        });
      });
      return newLetters ?? 0;
    },

    async dropDeadLetters(keys) {
      if (keys.length === 0) return;
      await pool.repeating(async (session) => {
        await loadKeyHashes(session, keys);
        await session.transaction(async () => {
          await requireOwnership(session);
          await deleteLoadedDeadLetters(session, entityType);
        });
      });
    },

    async takeHashes(rows) {
      if (rows.length === 0) return;
      await pool.repeating(async (session) => {
        await fill(session, KEYS, hashRows(rows));
        await session.transaction(async () => {
          await requireOwnership(session);
          await giveMissingHashes(session, labels);
        });
      });
    },

    async rememberComparison(comparison) {
      await pool.repeating(async (session) => {
        if (!(await writeComparison(session, comparison, { entityType, run }))) throw takenOver(entity);
      });
    },

    async rehearseSettle() {
      const batch: Batch = {
        id: randomUUID(),
        operation: 'upsert',
        keys: [randomUUID()],
        hashes: Buffer.alloc(HASH_LENGTH),
        offsets: Uint32Array.of(1),
        body: Buffer.from('[{}]'),
      };
      const outcome: Outcome = { state: 'accepted', attempts: [] };
      const rehearsed = new Error('rehearsed');
      const into = (table: string, written: Promise<unknown>) =>
        written.catch((error) => {
          throw writeError(error, table, entity, pool.settings.name);
        });
      await pool.repeating(async (session) => {
        await into('dbo.TB_R_SYNC_TRACKING', fill(session, KEYS, keyRows(batch, [], true)));
        await loadLetters(session, [{ key: randomUUID(), reason: 'rehearsed' }]);
        await session
          .transaction(async () => {
            await requireOwnership(session);
            await into('dbo.TB_R_SYNC_BATCH', endBatch(session, batch, outcome, run));
            await into('dbo.TB_R_SYNC_TRACKING', track(session, labels, guid(batch.id)));
            if (entity.deleted !== undefined) await into('dbo.TB_R_SYNC_TRACKING', untrack(session, labels));
            await into('dbo.TB_R_SYNC_FAILURE', deleteDeadLetters(session, entityType));
            await into('dbo.TB_R_SYNC_FAILURE', writeLetters(session, entityType, run));
            await into('dbo.TB_R_Log', log(session, batch, outcome));
            throw rehearsed;
          })
          .catch((error) => {
            if (error !== rehearsed) throw error;
          });
      });
    },
  };
}

/** The SyncError LOCK_LOST of a run whose entity is no longer its own. */
export function takenOver(entity: EntityIdentity): SyncError {
  return new SyncError(
    'LOCK_LOST',
    `${entity.name}: another run or command has taken it over, since the lock of this run was lost.`,
    'See why the connection to the log database was closed; the other run, or the next one, goes on from here.',
  );
}

/** What writing into a table failed with, where the server said so; else as it is. */
function writeError(error: unknown, table: string, entity: EntityIdentity, connectionName: string): unknown {
  const number = errorNumber(error);
  if (number === undefined || isTransient(error)) return error;
  const isMissing = number === ERROR_NUMBERS.invalidObject || number === ERROR_NUMBERS.invalidColumn;
  return new SyncError(
    isMissing ? 'LOG_DATABASE_NOT_MIGRATED' : 'LOG_DATABASE_REFUSED',
    `Connection ${connectionName}: ${table} takes no row of ${entity.name} (error ${number}: ${errorText(error)})`,
    isMissing
      ? 'Have a DBA run what `tamhr-sync migrate --print` prints; where a view or synonym stands for the table, it needs the same columns.'
      : isPermissionError(error)
        ? `Have ${table === 'dbo.TB_R_Log' ? 'SELECT and INSERT' : 'SELECT, INSERT, UPDATE and DELETE'} on it granted to the user of this connection. Nothing was sent.`
        : 'Columns that are not of the tool must allow NULL or have a default, and a trigger must let the row pass. Nothing was sent.',
    { cause: error },
  );
}

/** Whether the batch has rows that are none of `letters`. */
function hasOthers({ keys }: Batch, letters: readonly DeadLetter[]): boolean {
  const refused = new Set(letters.map(({ key }) => key));
  return keys.some((key) => !refused.has(key));
}

/** #tamhr_keys of a batch's keys but for those of `letters`. */
function keyRows({ keys, hashes }: Batch, letters: readonly DeadLetter[], withKeyHash: boolean): Cell[][] {
  const rowHashes = bufferOf(hashes);
  const refused = new Set(letters.map(({ key }) => key));
  return keys.flatMap((key, index) =>
    refused.has(key)
      ? []
      : [
          [
            index,
            key,
            rowHashes.subarray(index * HASH_LENGTH, (index + 1) * HASH_LENGTH),
            withKeyHash ? keyHash(key) : null,
          ],
        ],
  );
}
