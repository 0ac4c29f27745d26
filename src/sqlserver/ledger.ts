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
import { deleteBatch, endBatch, insertBatch, readUnresolved, recordUnknown, unresolvedIds } from './batches.ts';
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
import { bufferOf, guid, int, nvarchar, type Statement } from './parameters.ts';
import type { Pool } from './pool.ts';
import { createAnyDeadLetters, createReadOnlyLedger } from './read-only-ledger.ts';
import type { Session } from './session.ts';
import { ERROR_NUMBERS, errorNumber, errorText, isDuplicateKey, isPermissionError } from './statement-error.ts';
import { packBatch } from './stored-batch.ts';
import { fill } from './temporary-table.ts';
import { ENTITY_TYPE_LENGTH, hashRows, KEY_COLUMNS, KEYS, labelParameters } from './tracking.ts';
import { addAll, giveMissingHashes, track, untrack } from './tracking-changes.ts';
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
  const reading = createReadOnlyLedger(pool, entity, any);
  let logColumns: LogColumns | undefined;
  /** The run knows all keys that are tracked, and reserves others: then nothing has to be looked for. */
  let knowsTracked = false;
  /** Batches that were reserved while it did. */
  const untracked = new Set<string>();

  /** The changes, where the entity belongs to the run, which holds it up until the transaction's end; gives one row: 1 or 0. */
  function whereOwned(...changes: readonly Statement[]): Statement {
    const own: Statement = {
      sql: `UPDATE dbo.TB_R_SYNC_ENTITY SET LockedAt = LockedAt WHERE EntityType = @entityType AND OwnerRunId = @run`,
      parameters: { entityType, run },
    };
    const keep: Statement = { sql: 'SET @owned = 1', parameters: {} };
    const { sql, parameters } = ifChanged(own, keep, ...changes);
    return { sql: `DECLARE @owned int;\nSET @owned = 0;\n${sql};\nSELECT @owned AS Owned`, parameters };
  }

  /** One transaction: throws LOCK_LOST, and changes nothing, when another run has taken the entity over. */
  async function write(session: Session, ...changes: readonly Statement[]): Promise<void> {
    const { sql, parameters } = whereOwned(...changes);
    const { rows } = await session.atomic(sql, parameters);
    // A trigger may have given rows before.
    if (rows.at(-1)?.[0] !== 1) throw takenOver(entity);
  }

  async function log(session: Session, batch: Batch, outcome: Outcome, rowsRefused = 0): Promise<Statement> {
    logColumns ??= await readLogColumns(session, pool.settings.name);
    return logOutcome(logColumns, { entity, runId, host, batch, outcome, rowsRefused });
  }

  /** Carries the letters to the server, and returns how many of them are new. */
  async function announce(session: Session, letters: readonly DeadLetter[]): Promise<number> {
    if (letters.length === 0) return 0;
    any.note();
    const loaded = await loadLetters(session, letters);
    return loaded - (await countKnownLetters(session, entityType));
  }

  return {
    ...reading,

    async isEmpty() {
      knowsTracked = await reading.isEmpty();
      return knowsTracked;
    },

    async eachKey(take, signal) {
      await reading.eachKey(take, signal);
      knowsTracked = true;
    },

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

    async dueDeadLetters(after, limit) {
      const keys = await reading.dueDeadLetters(after, limit);
      // Their rows may be tracked.
      if (keys.length > 0) knowsTracked = false;
      return keys;
    },

    async reserve(batch) {
      if (knowsTracked && batch.operation === 'upsert') untracked.add(batch.id);
      const stored = await packBatch(batch);
      await pool.repeating(async (session, isRepeat) => {
        await write(session, insertBatch(batch, stored, { run, entityType })).catch((error) => {
          if (!isRepeat || !isDuplicateKey(error)) throw error;
        });
      });
    },

    async withdraw(batch) {
      await pool.repeating((session) => write(session, deleteBatch(batch)));
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
        if (accepted) await fillKeys(session, batch, letters, anyDeadLetters);
        const logged = await log(session, batch, outcome, letters.length);
        const settled = (tracked: Statement | false) => {
          const changes = [
            tracked,
            releases && removeWatermark(labels),
            anyDeadLetters && deleteDeadLetters(entityType),
            letters.length > 0 && writeLetters(entityType, run),
            logged,
          ].filter((change) => change !== false);
          return write(session, ifChanged(endBatch(batch, outcome, run), ...changes));
        };
        if (!accepted) return settled(false);
        if (isDeletion) return settled(untrack(labels));
        if (untracked.delete(batch.id)) {
          try {
            return await settled(addAll(labels, guid(batch.id)));
          } catch (error) {
            // Somebody else has added one, or two are one to the ledger.
            if (!isDuplicateKey(error)) throw error;
          }
        }
        return settled(track(labels, guid(batch.id)));
      }, PATIENTLY);
      return newLetters ?? 0;
    },

    async split(batch, outcome, halves) {
      const stored = await Promise.all(halves.map(async (half) => ({ half, packed: await packBatch(half) })));
      await pool.repeating(async (session) => {
        const owner = { run, entityType, parentId: batch.id };
        const inserts = stored.map(({ half, packed }, place) => insertBatch(half, packed, owner, place));
        await write(session, ifChanged(endBatch(batch, outcome, run), ...inserts, await log(session, batch, outcome)));
      }, PATIENTLY);
    },

    async keepUnknown(batch, outcome, doubt) {
      await pool.repeating(async (session) => {
        const recorded = recordUnknown(batch, outcome, doubt, run);
        await write(session, ifChanged(recorded, await log(session, batch, outcome)));
      }, PATIENTLY);
    },

    async deadLetter(letters) {
      if (letters.length === 0) return 0;
      let newLetters: number | undefined;
      await pool.repeating(async (session) => {
        const announced = await announce(session, letters);
        newLetters ??= announced;
        await write(session, writeLetters(entityType, run));
      });
      return newLetters ?? 0;
    },

    async dropDeadLetters(keys) {
      if (keys.length === 0) return;
      await pool.repeating(async (session) => {
        await loadKeyHashes(session, keys);
        await write(session, deleteLoadedDeadLetters(entityType));
      });
    },

    async takeHashes(rows) {
      if (rows.length === 0) return;
      await pool.repeating(async (session) => {
        await fill(session, KEYS, hashRows(rows), KEY_COLUMNS.hashes);
        await write(session, giveMissingHashes(labels));
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
      const into = <T>(table: string, written: Promise<T>) =>
        written.catch((error): never => {
          throw writeError(error, table, entity, pool.settings.name);
        });
      await pool.repeating(async (session) => {
        await into('dbo.TB_R_SYNC_TRACKING', fillKeys(session, batch, [], true));
        await loadLetters(session, [{ key: randomUUID(), reason: 'rehearsed' }]);
        const logged = await into('dbo.TB_R_Log', log(session, batch, outcome));
        const execute = (table: string, { sql, parameters }: Statement) => into(table, session.query(sql, parameters));
        await session
          .transaction(async () => {
            const { rows } = await execute('dbo.TB_R_SYNC_ENTITY', whereOwned());
            if (rows.at(-1)?.[0] !== 1) throw takenOver(entity);
            await execute('dbo.TB_R_SYNC_BATCH', endBatch(batch, outcome, run));
            await execute('dbo.TB_R_SYNC_TRACKING', track(labels, guid(batch.id)));
            if (entity.deleted !== undefined) await execute('dbo.TB_R_SYNC_TRACKING', untrack(labels));
            await execute('dbo.TB_R_SYNC_FAILURE', deleteDeadLetters(entityType));
            await execute('dbo.TB_R_SYNC_FAILURE', writeLetters(entityType, run));
            await execute('dbo.TB_R_Log', logged);
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

/** One after the other; where they have a parameter in common, it has the same value. */
function allOf(statements: readonly Statement[]): Statement {
  return {
    sql: statements.map(({ sql }) => sql).join(';\n'),
    parameters: Object.assign({}, ...statements.map(({ parameters }) => parameters)),
  };
}

/** The changes, where `first` has changed one row. */
function ifChanged(first: Statement, ...changes: readonly Statement[]): Statement {
  const { sql, parameters } = allOf(changes);
  return {
    sql: `${first.sql};\nIF @@ROWCOUNT = 1\nBEGIN\n${sql};\nEND`,
    parameters: { ...first.parameters, ...parameters },
  };
}

/** Whether the batch has rows that are none of `letters`. */
function hasOthers({ keys }: Batch, letters: readonly DeadLetter[]): boolean {
  const refused = new Set(letters.map(({ key }) => key));
  return keys.some((key) => !refused.has(key));
}

/** Carries a batch's keys and hashes, but for those of `letters`, to #tamhr_keys. */
async function fillKeys(
  session: Session,
  { keys, hashes }: Batch,
  letters: readonly DeadLetter[],
  withKeyHash: boolean,
): Promise<void> {
  const rowHashes = bufferOf(hashes);
  const refused = new Set(letters.map(({ key }) => key));
  function* rows(): Generator<Cell[]> {
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string;
      if (refused.has(key)) continue;
      const row = [index, key, rowHashes.subarray(index * HASH_LENGTH, (index + 1) * HASH_LENGTH)];
      yield withKeyHash ? [...row, keyHash(key)] : row;
    }
  }
  await fill(
    session,
    KEYS,
    refused.size < keys.length ? rows() : [],
    withKeyHash ? KEY_COLUMNS.keyHashes : KEY_COLUMNS.hashes,
  );
}
