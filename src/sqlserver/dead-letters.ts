/** TB_R_SYNC_FAILURE, a statement a function: the rows of an entity that cannot be sent. ledger.ts has the transactions. */
import { hash } from 'node:crypto';
import type { Cell, DeadLetter, KnownDeadLetter } from '../sync/ports.ts';
import { binary, bufferOf, cut, int, type Parameter, type Statement } from './parameters.ts';
import type { Session } from './session.ts';
import { fill, type TemporaryTable } from './temporary-table.ts';
import { KEYS } from './tracking.ts';

/** Bytes of KeyHash and RowHash. */
export const HASH_LENGTH = 16;

const FAILED_ID_LENGTH = 4000;

/** No surrogate pair is cut in two. */
const SHORTEST_CUT_ID = FAILED_ID_LENGTH - 1;

const REASON_LENGTH = 1000;

/** How long after its first failure a dead letter is due: less than a day, so that a nightly run meets it the next night. */
const FIRST_PAUSE_HOURS = 20;

/** The pause doubles with each failure, and is no longer than this. */
const LONGEST_PAUSE_HOURS = 30 * 24;

/** The failure from which on the pause is the longest. */
const LONGEST_PAUSE_AFTER = 1 + Math.ceil(Math.log2(LONGEST_PAUSE_HOURS / FIRST_PAUSE_HOURS));

/** Keys that are looked for; Ord is their place in the caller's list. A dead letter's key may be longer than a ledger's. */
const KEY_HASHES: TemporaryTable = {
  name: '#tamhr_key_hashes',
  columns: [
    { name: 'Ord', type: 'Int', nullable: false },
    { name: 'KeyHash', type: 'Binary', length: HASH_LENGTH, nullable: false },
  ],
};

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

/** The first half of SHA-256 of a key's text, as TB_R_SYNC_FAILURE identifies it. */
export function keyHash(key: string): Buffer {
  return hash('sha256', key, 'buffer').subarray(0, HASH_LENGTH);
}

/** Whether the entity has dead letters; before `migrate` it has none. */
export async function hasDeadLetters(session: Session, entityType: Parameter): Promise<boolean> {
  const { rows: table } = await session.query(`SELECT OBJECT_ID(N'dbo.TB_R_SYNC_FAILURE')`);
  if (table[0]?.[0] === null) return false;
  const { rows } = await session.query(
    'SELECT TOP (1) KeyHash FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = @entityType',
    { entityType },
  );
  return rows.length > 0;
}

/** Which of the keys are dead letters. What is due is the server's clock's to say. */
export async function findDeadLetters(
  session: Session,
  entityType: Parameter,
  keys: readonly string[],
): Promise<KnownDeadLetter[]> {
  await loadKeyHashes(session, keys);
  const { rows } = await session.query(
    `SELECT k.Ord, f.RowHash,
       CASE WHEN f.State = N'discarded' THEN N'discarded' WHEN f.NextTryAt > SYSUTCDATETIME() THEN N'waiting' ELSE N'due' END
     FROM ${KEY_HASHES.name} AS k
     INNER LOOP JOIN dbo.TB_R_SYNC_FAILURE AS f ON f.EntityType = @entityType AND f.KeyHash = k.KeyHash`,
    { entityType },
  );
  return rows.map(([index, rowHash, state]) => ({
    index: index as number,
    state: state as KnownDeadLetter['state'],
    ...(rowHash !== null && { hash: rowHash as Uint8Array }),
  }));
}

/**
 * Keys of dead letters that are due, in the order of their KeyHash from the one after `after`'s on. A key that was cut to
 * fit its column is none of any row.
 */
export async function readDueDeadLetters(
  session: Session,
  entityType: Parameter,
  after: string | undefined,
  limit: number,
): Promise<string[]> {
  const { rows } = await session.query(
    `SELECT TOP (@limit) EntityId FROM dbo.TB_R_SYNC_FAILURE
     WHERE EntityType = @entityType AND State = N'waiting' AND (NextTryAt IS NULL OR NextTryAt <= SYSUTCDATETIME())
       AND DATALENGTH(EntityId) < ${2 * SHORTEST_CUT_ID}${after === undefined ? '' : ' AND KeyHash > @after'}
     ORDER BY KeyHash`,
    {
      entityType,
      limit: int(limit),
      ...(after !== undefined && { after: binary(keyHash(after), HASH_LENGTH) }),
    },
  );
  return rows.map(([key]) => key as string);
}

/** Carries the keys to the server, for deleteLoadedDeadLetters. Not in a transaction. */
export async function loadKeyHashes(session: Session, keys: readonly string[]): Promise<void> {
  await fill(
    session,
    KEY_HASHES,
    keys.map((key, index) => [index, keyHash(key)]),
  );
}

/** Deletes those of the keys that loadKeyHashes has put down. */
export function deleteLoadedDeadLetters(entityType: Parameter): Statement {
  return deleteByKeyHash(entityType, KEY_HASHES);
}

/** Carries the letters to the server, for the two functions below; returns how many keys they are. Not in a transaction. */
export async function loadLetters(session: Session, letters: readonly DeadLetter[]): Promise<number> {
  const rows = letterRows(letters);
  await fill(session, LETTERS, rows);
  return rows.length;
}

/** How many of the loaded letters stand in the table. */
export async function countKnownLetters(session: Session, entityType: Parameter): Promise<number> {
  const { rows } = await session.query(
    `SELECT COUNT(*) FROM ${LETTERS.name} AS l
     INNER JOIN dbo.TB_R_SYNC_FAILURE AS f ON f.EntityType = @entityType AND f.KeyHash = l.KeyHash`,
    { entityType },
  );
  return rows[0]?.[0] as number;
}

/**
 * Writes the loaded letters. A run counts a failure once, however often it is written; a row that has changed since its
 * last failure begins anew, and is no longer discarded.
 */
export function writeLetters(entityType: Parameter, run: Parameter): Statement {
  const unchanged = '(f.RowHash = l.RowHash OR (f.RowHash IS NULL AND l.RowHash IS NULL))';
  const statements = [
    `UPDATE f SET RowHash = l.RowHash, Reason = l.Reason, HttpStatus = l.HttpStatus, LastFailedAt = SYSUTCDATETIME(), RunId = @run,
       Attempts = CASE WHEN ${unchanged} THEN f.Attempts + CASE WHEN f.RunId = @run THEN 0 ELSE 1 END ELSE 1 END,
       State = CASE WHEN ${unchanged} THEN f.State ELSE N'waiting' END
     FROM dbo.TB_R_SYNC_FAILURE AS f
     INNER JOIN ${LETTERS.name} AS l ON l.KeyHash = f.KeyHash
     WHERE f.EntityType = @entityType`,
    `INSERT INTO dbo.TB_R_SYNC_FAILURE
       (EntityType, KeyHash, EntityId, RowHash, Reason, HttpStatus, Attempts, FirstFailedAt, LastFailedAt, State, RunId)
     SELECT @entityType, l.KeyHash, l.EntityId, l.RowHash, l.Reason, l.HttpStatus, 1, SYSUTCDATETIME(), SYSUTCDATETIME(),
       N'waiting', @run
     FROM ${LETTERS.name} AS l
     WHERE NOT EXISTS (
       SELECT 1 FROM dbo.TB_R_SYNC_FAILURE AS f WHERE f.EntityType = @entityType AND f.KeyHash = l.KeyHash)`,
    `UPDATE f SET NextTryAt = DATEADD(hour,
       CASE WHEN f.Attempts >= ${LONGEST_PAUSE_AFTER} THEN ${LONGEST_PAUSE_HOURS}
         ELSE ${FIRST_PAUSE_HOURS} * POWER(2, f.Attempts - 1) END, f.LastFailedAt)
     FROM dbo.TB_R_SYNC_FAILURE AS f
     INNER JOIN ${LETTERS.name} AS l ON l.KeyHash = f.KeyHash
     WHERE f.EntityType = @entityType`,
  ];
  return { sql: statements.join(';\n'), parameters: { entityType, run } };
}

/** Deletes those of the keys in #tamhr_keys, whose rows must have their KeyHash. */
export function deleteDeadLetters(entityType: Parameter): Statement {
  return deleteByKeyHash(entityType, KEYS);
}

function deleteByKeyHash(entityType: Parameter, { name }: TemporaryTable): Statement {
  return {
    sql: `DELETE f FROM dbo.TB_R_SYNC_FAILURE AS f
     INNER JOIN ${name} AS k ON k.KeyHash = f.KeyHash
     WHERE f.EntityType = @entityType`,
    parameters: { entityType },
  };
}

/** Each key once: the last word on it counts. */
function letterRows(letters: readonly DeadLetter[]): Cell[][] {
  const byKey = new Map(letters.map((letter) => [letter.key, letter]));
  return [...byKey.values()].map(({ key, hash: rowHash, reason, httpStatus }) => [
    keyHash(key),
    cut(key, FAILED_ID_LENGTH),
    rowHash === undefined ? null : bufferOf(rowHash),
    cut(reason, REASON_LENGTH),
    httpStatus ?? null,
  ]);
}
