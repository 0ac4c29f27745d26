/**
 * The Ledger of one entity while its lock is held: batches are reserved and settled in TB_R_SYNC_BATCH, accepted rows go
 * into TB_R_SYNC_TRACKING, outcomes into TB_R_Log, rows that cannot be sent into TB_R_SYNC_FAILURE.
 */
import { hash, randomUUID } from 'node:crypto';
import { SyncError } from '../sync/errors.ts';
import type { Batch, Cell, DeadLetter, EntityIdentity, Ledger, Outcome } from '../sync/ports.ts';
import { type LogColumns, logOutcome, readLogColumns, totalDurationMs } from './activity-log.ts';
import { binary, blob, bufferOf, cut, guid, int, nvarchar } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { ERROR_NUMBERS, errorNumber, errorText, isPermissionError } from './statement-error.ts';
import { packBatch, unpackBatch } from './stored-batch.ts';
import { fill, type TemporaryTable } from './temporary-table.ts';
import { createTracking, ENTITY_TYPE_LENGTH, KEYS, labelParameters, placeholders } from './tracking.ts';

const HASH_LENGTH = 16;
const FAILED_ID_LENGTH = 4000;
const REASON_LENGTH = 1000;

/** TB_R_SYNC_FAILURE in the making. */
const LETTERS: TemporaryTable = {
  name: '#tamhr_letters',
  columns: [
    { name: 'KeyHash', type: 'Binary', length: HASH_LENGTH, nullable: false },
    { name: 'EntityId', type: 'NVarChar', length: FAILED_ID_LENGTH, nullable: false },
    { name: 'RowHash', type: 'Binary', length: HASH_LENGTH, nullable: true },
    { name: 'Reason', type: 'NVarChar', length: REASON_LENGTH, nullable: false },
    { name: 'HttpStatus', type: 'Int', nullable: true },
  ],
};

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
  let logColumns: LogColumns | undefined;
  let anyDeadLetters: boolean | undefined;

  /** Every writing transaction begins with this: it fails when another run has taken the entity over, and holds it up until the end. */
  async function requireOwnership(session: Session): Promise<void> {
    const { rowCount } = await session.query(
      'UPDATE dbo.TB_R_SYNC_ENTITY SET LockedAt = LockedAt WHERE EntityType = @entityType AND OwnerRunId = @run',
      { entityType, run },
    );
    if (rowCount === 1) return;
    throw new SyncError(
      'LOCK_LOST',
      `${entity.name}: another run has taken it over, since the lock of this one was lost.`,
      'See why the connection to the log database was closed; the other run goes on from here.',
    );
  }

  /** False where the batch was settled before. */
  async function endBatch(session: Session, batch: Batch, outcome: Outcome): Promise<boolean> {
    const last = outcome.attempts.at(-1);
    const { rowCount } = await session.query(
      `UPDATE dbo.TB_R_SYNC_BATCH
       SET State = @state, Attempts = Attempts + @attempts,
         RunsTried = RunsTried + CASE WHEN RunId = @run THEN 0 ELSE 1 END,
         HttpStatus = @httpStatus, DurationMs = @durationMs, Error = @error,
         SettledAt = SYSUTCDATETIME(), Body = NULL, RowKeys = NULL
       WHERE BatchId = @batch AND State = N'sending'`,
      {
        batch: guid(batch.id),
        run,
        state: nvarchar(outcome.state, 20),
        attempts: int(outcome.attempts.length),
        httpStatus: int(last?.status ?? null),
        durationMs: int(totalDurationMs(outcome)),
        error: nvarchar(last?.error ?? null, Number.POSITIVE_INFINITY),
      },
    );
    return rowCount === 1;
  }

  /** #tamhr_keys into TB_R_SYNC_TRACKING: rows that are there keep their label, new ones get the first. */
  async function track(session: Session, batch: Batch): Promise<void> {
    const parameters = { ...labels, batch: guid(batch.id) };
    const joinOf = (label: string, alias: string) =>
      `LOOP JOIN dbo.TB_R_SYNC_TRACKING AS ${alias} ON ${alias}.EntityType = @${label} AND ${alias}.EntityId = k.EntityId`;
    const names = Object.keys(labels);
    for (const label of names) {
      await session.query(
        `UPDATE t SET SyncTimestamp = SYSUTCDATETIME(), RowHash = k.RowHash, BatchId = @batch
         FROM ${KEYS.name} AS k INNER ${joinOf(label, 't')}`,
        { batch: parameters.batch, [label]: labels[label] as (typeof labels)[string] },
      );
    }
    // Two keys of one batch may be equal to the ledger's collation: the first of them stands for both.
    await session.query(
      `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, SyncTimestamp, RowHash, BatchId)
       SELECT @label0, k.EntityId, SYSUTCDATETIME(), k.RowHash, @batch
       FROM ${KEYS.name} AS k ${names.map((label, index) => `LEFT ${joinOf(label, `t${index}`)}`).join(' ')}
       WHERE ${names.map((_, index) => `t${index}.Id IS NULL`).join(' AND ')}
         AND k.Ord IN (SELECT MIN(Ord) FROM ${KEYS.name} GROUP BY EntityId)`,
      parameters,
    );
  }

  async function deleteDeadLetters(session: Session): Promise<void> {
    await session.query(
      `DELETE f FROM dbo.TB_R_SYNC_FAILURE AS f
       INNER JOIN ${KEYS.name} AS k ON k.KeyHash = f.KeyHash
       WHERE f.EntityType = @entityType`,
      { entityType },
    );
  }

  async function log(session: Session, batch: Batch, outcome: Outcome): Promise<void> {
    logColumns ??= await readLogColumns(session, pool.settings.name);
    await logOutcome(session, logColumns, { entity, runId, host, batch, outcome });
  }

  async function hasDeadLetters(session: Session): Promise<boolean> {
    const { rows } = await session.query(
      'SELECT TOP (1) KeyHash FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = @entityType',
      { entityType },
    );
    return rows.length > 0;
  }

  return {
    ...createTracking(pool, entity),

    async *unresolved() {
      const { rows } = await pool.withSession((session) =>
        session.query(
          `SELECT BatchId FROM dbo.TB_R_SYNC_BATCH
           WHERE EntityType IN (${placeholders(labels)}) AND State = N'sending' ORDER BY CreatedAt, BatchId`,
          labels,
        ),
      );
      for (const [id] of rows) {
        const { rows: stored } = await pool.withSession((session) =>
          session.query(
            `SELECT Body, RowKeys, BodyHash FROM dbo.TB_R_SYNC_BATCH WHERE BatchId = @batch AND State = N'sending'`,
            { batch: guid(id as string) },
          ),
        );
        // Settled meanwhile, by a run that has taken over.
        if (stored[0] === undefined) continue;
        const [body, rowKeys, bodyHash] = stored[0] as [Uint8Array | null, Uint8Array | null, Uint8Array];
        yield unpackBatch(id as string, { body, rowKeys, bodyHash });
      }
    },

    async reserve(batch) {
      const { body, rowKeys, bodyHash } = await packBatch(batch);
      await pool.withSession((session) =>
        session.transaction(async () => {
          await requireOwnership(session);
          await session.query(
            `INSERT INTO dbo.TB_R_SYNC_BATCH
               (BatchId, RunId, EntityType, Operation, State, RowsInBatch, BodyHash, Body, RowKeys, Attempts, RunsTried, CreatedAt)
             VALUES (@batch, @run, @entityType, N'upsert', N'sending', @rows, @bodyHash, @body, @rowKeys, 0, 1, SYSUTCDATETIME())`,
            {
              batch: guid(batch.id),
              run,
              entityType,
              rows: int(batch.keys.length),
              bodyHash: binary(bodyHash, 32),
              body: blob(body),
              rowKeys: blob(rowKeys),
            },
          );
        }),
      );
    },

    async settle(batch, outcome) {
      await pool.withSession(async (session) => {
        const accepted = outcome.state === 'accepted';
        if (accepted) {
          anyDeadLetters ??= await hasDeadLetters(session);
          await fill(session, KEYS, keyRows(batch, anyDeadLetters));
        }
        await session.transaction(async () => {
          await requireOwnership(session);
          if (!(await endBatch(session, batch, outcome))) return;
          if (accepted) {
            await track(session, batch);
            if (anyDeadLetters) await deleteDeadLetters(session);
          }
          await log(session, batch, outcome);
        });
      });
    },

    async rehearseSettle() {
      const batch: Batch = {
        id: randomUUID(),
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
      await pool.withSession(async (session) => {
        await into('dbo.TB_R_SYNC_TRACKING', fill(session, KEYS, keyRows(batch, true)));
        await session
          .transaction(async () => {
            await requireOwnership(session);
            await into('dbo.TB_R_SYNC_BATCH', endBatch(session, batch, outcome));
            await into('dbo.TB_R_SYNC_TRACKING', track(session, batch));
            await into('dbo.TB_R_SYNC_FAILURE', deleteDeadLetters(session));
            await into('dbo.TB_R_Log', log(session, batch, outcome));
            throw rehearsed;
          })
          .catch((error) => {
            if (error !== rehearsed) throw error;
          });
      });
    },

    async deadLetter(letters) {
      if (letters.length === 0) return 0;
      anyDeadLetters = true;
      return pool.withSession(async (session) => {
        await fill(session, LETTERS, letterRows(letters));
        return session.transaction(async () => {
          await requireOwnership(session);
          await session.query(
            `UPDATE f SET RowHash = l.RowHash, Reason = l.Reason, HttpStatus = l.HttpStatus,
               Attempts = f.Attempts + 1, LastFailedAt = SYSUTCDATETIME()
             FROM dbo.TB_R_SYNC_FAILURE AS f
             INNER JOIN ${LETTERS.name} AS l ON l.KeyHash = f.KeyHash
             WHERE f.EntityType = @entityType`,
            { entityType },
          );
          const { rowCount } = await session.query(
            `INSERT INTO dbo.TB_R_SYNC_FAILURE
               (EntityType, KeyHash, EntityId, RowHash, Reason, HttpStatus, Attempts, FirstFailedAt, LastFailedAt, State)
             SELECT @entityType, l.KeyHash, l.EntityId, l.RowHash, l.Reason, l.HttpStatus, 1, SYSUTCDATETIME(), SYSUTCDATETIME(),
               N'waiting'
             FROM ${LETTERS.name} AS l
             WHERE NOT EXISTS (
               SELECT 1 FROM dbo.TB_R_SYNC_FAILURE AS f WHERE f.EntityType = @entityType AND f.KeyHash = l.KeyHash)`,
            { entityType },
          );
          return rowCount;
        });
      });
    },
  };
}

/** What writing into a table failed with, where the server said so; else as it is. */
function writeError(error: unknown, table: string, entity: EntityIdentity, connectionName: string): unknown {
  const number = errorNumber(error);
  if (number === undefined) return error;
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

/** The first half of SHA-256 of a key's text, as TB_R_SYNC_FAILURE identifies it. */
function keyHash(key: string): Buffer {
  return hash('sha256', key, 'buffer').subarray(0, HASH_LENGTH);
}

function keyRows({ keys, hashes }: Batch, withKeyHash: boolean): Cell[][] {
  const rowHashes = bufferOf(hashes);
  return keys.map((key, index) => [
    index,
    key,
    rowHashes.subarray(index * HASH_LENGTH, (index + 1) * HASH_LENGTH),
    withKeyHash ? keyHash(key) : null,
  ]);
}

/** Each key once: the last word on it counts. */
function letterRows(letters: readonly DeadLetter[]): Cell[][] {
  const byKey = new Map(letters.map((letter) => [letter.key, letter]));
  return [...byKey.values()].map(({ key, hash, reason, httpStatus }) => [
    keyHash(key),
    cut(key, FAILED_ID_LENGTH),
    hash === undefined ? null : bufferOf(hash),
    cut(reason, REASON_LENGTH),
    httpStatus ?? null,
  ]);
}
