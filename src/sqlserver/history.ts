/** What `status` reads: runs, batches, tracking. Works on what the job before this one left, too. */
import type {
  BatchDurations,
  DeadLetterReason,
  EntityError,
  EntityHistory,
  EntityRun,
  History,
  RunCounts,
  RunRecord,
  RunState,
  UnresolvedRecord,
} from '../sync/history.ts';
import { maskQuoted } from '../sync/mask.ts';
import type { Cell, EntityIdentity, EntitySummary, Row, RunSummary } from '../sync/ports.ts';
import { entityLock, isAppLockFree } from './app-lock.ts';
import { datetime2, guid, int, nvarchar, type Parameters } from './parameters.ts';
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';
import { activity, ENTITY_TYPE_LENGTH, labelParameters, placeholders } from './tracking.ts';

/**
 * How far back the last run of an entity is looked for, among all runs and then among those that were asked for it by name; so
 * many stay when runs are pruned.
 */
export const RUNS_SEARCHED = 100;

/** Refused batches among which different errors are looked for: a destination that is down refuses many for one reason. */
const REFUSALS_SEARCHED = 50;

/** Different errors of an entity that are told. */
const ERRORS_TOLD = 5;

/** Different reasons of dead letters of an entity that are told. */
const REASONS_TOLD = 10;

/** Reads the history of these entities, and the newest `runs` runs. Throws SyncError LOG_DATABASE_*. */
export async function readHistory(pool: Pool, entities: readonly EntityIdentity[], runs: number): Promise<History> {
  return pool.withSession(async (session) => {
    const tables = await existingTables(session);
    const owners = new Map<EntityIdentity, Owner>();
    for (const entity of tables.tool ? entities : []) {
      const owner = await readOwner(session, entity.trackingLabels[0]);
      if (owner) owners.set(entity, owner);
    }
    // Of all entities, since those that are not asked for have runs of their own in the list.
    const dead = tables.tool ? await readDeadRuns(session) : new Set<string>();
    const searched = Math.max(runs, RUNS_SEARCHED);
    const newest = tables.tool ? await readRuns(session, searched, dead) : [];
    const histories: EntityHistory[] = [];
    for (const entity of entities) {
      const ended = newest.filter(({ summary }) => summaryOf(entity, summary));
      const suffices = newest.length < searched || (ended.length >= runs && findLastGoodRun(entity, newest));
      const found = suffices ? newest : await withRunsNaming(session, entity, newest, dead);
      histories.push(await readEntity(session, entity, tables, owners.get(entity), found, runs));
    }
    return { migrated: tables.tool, entities: histories, runs: newest.slice(0, runs).map(({ record }) => record) };
  });
}

interface Tables {
  /** The tool's own. */
  readonly tool: boolean;
  /** Whether batches say which run last tried them: before a second migrate they do not. */
  readonly lastRuns: boolean;
  readonly tracking: boolean;
  readonly log: boolean;
}

async function existingTables(session: Session): Promise<Tables> {
  const { rows } = await session.query(
    `SELECT OBJECT_ID(N'dbo.TB_R_SYNC_SCHEMA', N'U'), COL_LENGTH(N'dbo.TB_R_SYNC_BATCH', N'LastRunId'),
       OBJECT_ID(N'dbo.TB_R_SYNC_TRACKING'), OBJECT_ID(N'dbo.TB_R_Log')`,
  );
  const [tool = null, lastRuns = null, tracking = null, log = null] = rows[0] ?? [];
  return { tool: tool !== null, lastRuns: lastRuns !== null, tracking: tracking !== null, log: log !== null };
}

/** A row of TB_R_SYNC_RUN; `summary` is absent where there is none that could be read. */
export interface FoundRun {
  readonly record: RunRecord;
  readonly summary?: RunSummary;
}

/** Counts that summaries of the first versions lack: all changes were new then. */
const LATER_COUNTS = { changed: 0, deletions: 0, deleted: 0, heldDeletions: 0, hashesTaken: 0, bytes: 0 };

/** A summary that somebody damaged is none: status must work all the same. */
function parsedSummary(json: string | null): RunSummary | undefined {
  try {
    const summary = json === null ? undefined : JSON.parse(json);
    if (!Array.isArray(summary?.entities)) return undefined;
    return { ...summary, entities: summary.entities.map((entity: EntitySummary) => ({ ...LATER_COUNTS, ...entity })) };
  } catch {
    return undefined;
  }
}

const RUN_COLUMNS = 'RunId, StartedAt, FinishedAt, State, ExitCode, Host, ProcessId, Version, Arguments, Summary';

/** The newest runs, newest first. Those in `dead` cannot say any more that they are not running. */
export async function readRuns(session: Session, limit: number, dead: ReadonlySet<string>): Promise<FoundRun[]> {
  const { rows } = await session.query(
    `SELECT TOP (@limit) ${RUN_COLUMNS} FROM dbo.TB_R_SYNC_RUN ORDER BY StartedAt DESC, RunId`,
    { limit: int(limit) },
  );
  return rows.map((row) => foundRunOf(row, dead));
}

/**
 * Where entities run one by one, on several machines, many entities or many runs of one fill the list: these runs, and the newest
 * of those before them that were asked for this entity by name.
 */
async function withRunsNaming(
  session: Session,
  entity: EntityIdentity,
  newest: readonly FoundRun[],
  dead: ReadonlySet<string>,
): Promise<FoundRun[]> {
  const known = new Set(newest.map(({ record }) => record.runId));
  const { rows } = await session.query(
    `SELECT TOP (@limit) ${RUN_COLUMNS} FROM dbo.TB_R_SYNC_RUN WHERE CHARINDEX(@named, Arguments) > 0
     ORDER BY StartedAt DESC, RunId`,
    { limit: int(RUNS_SEARCHED), named: nvarchar(`--entity ${entity.name}`, 4000) },
  );
  return [...newest, ...rows.map((row) => foundRunOf(row, dead)).filter(({ record }) => !known.has(record.runId))];
}

/** One of them. */
export async function readRun(
  session: Session,
  runId: string,
  dead: ReadonlySet<string>,
): Promise<FoundRun | undefined> {
  const { rows } = await session.query(`SELECT ${RUN_COLUMNS} FROM dbo.TB_R_SYNC_RUN WHERE RunId = @run`, {
    run: guid(runId),
  });
  return rows[0] && foundRunOf(rows[0], dead);
}

function foundRunOf(row: Row, dead: ReadonlySet<string>): FoundRun {
  const [runId, startedAt, finishedAt, state, exitCode, host, processId, version, commandLine, json] = row;
  const summary = parsedSummary(json as string | null);
  const record: RunRecord = {
    runId: runId as string,
    startedAt: startedAt as Date,
    ...(finishedAt !== null && { finishedAt: finishedAt as Date }),
    state: state === 'running' && dead.has(runId as string) ? 'aborted' : (state as RunState),
    ...(exitCode !== null && { exitCode: exitCode as number }),
    host: host as string,
    processId: processId as number,
    version: version as string,
    arguments: commandLine as string,
    ...(summary && { counts: sum(summary.entities.map(countsOf)) }),
  };
  return { record, ...(summary && { summary }) };
}

async function readEntity(
  session: Session,
  entity: EntityIdentity,
  tables: Tables,
  owner: Owner | undefined,
  runs: readonly FoundRun[],
  most: number,
): Promise<EntityHistory> {
  const trackedRows = tables.tracking ? await countTracked(session, entity) : 0;
  const base = { entity: entity.name, trackedRows };
  if (!tables.tool) {
    const { lastError, ...old } = await readOldJob(session, entity, tables);
    const errors = lastError ? [lastError] : [];
    return {
      ...base,
      ...old,
      ...(lastError && { lastError }),
      errors,
      unresolved: [],
      deadLetters: 0,
      deadLetterReasons: [],
      runs: [],
    };
  }
  const entityType = { entityType: nvarchar(entity.trackingLabels[0], ENTITY_TYPE_LENGTH) };
  const batches = await readBatches(session, entityType);
  const lastRun = await readLastRun(session, entity, entityType, owner?.runId, runs);
  const lastGoodRunAt = findLastGoodRun(entity, runs);
  const unresolved = await readUnresolved(session, entity, tables);
  const known = newest([...batches.errors, ...findStops(entity, runs), ...unresolved.map(errorOfUnresolved)]);
  const old = batches.lastAcceptedAt === undefined ? await readOldJob(session, entity, tables) : {};
  const lastSuccessAt = batches.lastAcceptedAt ?? old.lastSuccessAt;
  const errors = known.length === 0 && old.lastError !== undefined ? [old.lastError] : known;
  const [lastError] = errors;
  return {
    ...base,
    ...(lastRun && { lastRun }),
    ...(lastSuccessAt && { lastSuccessAt }),
    ...(lastGoodRunAt && { lastGoodRunAt }),
    ...(lastError && { lastError }),
    errors,
    unresolved,
    deadLetters: await countRows(
      session,
      `SELECT COUNT_BIG(*) FROM dbo.TB_R_SYNC_FAILURE WHERE EntityType = @entityType AND State = N'waiting'`,
      entityType,
    ),
    deadLetterReasons: await readReasons(session, entityType),
    runs: await readEntityRuns(session, entity, entityType, runs, most),
    ...(owner && !owner.isDead && { lockedSince: owner.since }),
  };
}

async function countRows(session: Session, sql: string, parameters: Parameters): Promise<number> {
  const { rows } = await session.query(sql, parameters);
  return Number(rows[0]?.[0] ?? 0);
}

function countTracked(session: Session, entity: EntityIdentity): Promise<number> {
  const labels = labelParameters(entity);
  return countRows(
    session,
    `SELECT COUNT_BIG(*) FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (${placeholders(labels)})`,
    labels,
  );
}

async function readBatches(
  session: Session,
  entityType: Parameters,
): Promise<{ readonly lastAcceptedAt?: Date; readonly errors: readonly EntityError[] }> {
  const { rows: accepted } = await session.query(
    `SELECT MAX(SettledAt) FROM dbo.TB_R_SYNC_BATCH WHERE EntityType = @entityType AND State = N'accepted'`,
    entityType,
  );
  const { rows: refused } = await session.query(
    `SELECT TOP (@most) SettledAt, Error, HttpStatus FROM dbo.TB_R_SYNC_BATCH
     WHERE EntityType = @entityType AND State = N'refused' AND Attempts > 0 ORDER BY SettledAt DESC`,
    { ...entityType, most: int(REFUSALS_SEARCHED) },
  );
  const lastAcceptedAt = accepted[0]?.[0] ?? null;
  return {
    ...(lastAcceptedAt !== null && { lastAcceptedAt: lastAcceptedAt as Date }),
    errors: refused.map(errorOf).filter((error) => error !== undefined),
  };
}

function errorOf(row: Row | undefined): EntityError | undefined {
  if (row === undefined) return undefined;
  const [at, text, httpStatus = null] = row as [Cell, Cell, Cell?];
  return {
    at: at as Date,
    text: (text as string | null) ?? 'no reason was recorded',
    ...(httpStatus !== null && { httpStatus: httpStatus as number }),
  };
}

async function readUnresolved(
  session: Session,
  entity: EntityIdentity,
  { lastRuns }: Tables,
): Promise<UnresolvedRecord[]> {
  const labels = labelParameters(entity);
  const { rows } = await session.query(
    `SELECT b.BatchId, b.RowsInBatch, b.CreatedAt, b.RunsTried, COALESCE(r.FinishedAt, r.StartedAt, b.CreatedAt), b.Error, b.HttpStatus
     FROM dbo.TB_R_SYNC_BATCH AS b
     LEFT JOIN dbo.TB_R_SYNC_RUN AS r ON r.RunId = ${lastRuns ? 'ISNULL(b.LastRunId, b.RunId)' : 'b.RunId'}
     WHERE b.EntityType IN (${placeholders(labels)}) AND b.State = N'sending' ORDER BY b.CreatedAt, b.BatchId`,
    labels,
  );
  return rows.map(([batchId, count, createdAt, runsTried, lastTriedAt, error, httpStatus]) => ({
    batchId: batchId as string,
    rows: count as number,
    createdAt: createdAt as Date,
    runsTried: runsTried as number,
    lastTriedAt: lastTriedAt as Date,
    ...(error !== null && { error: error as string }),
    ...(httpStatus !== null && { httpStatus: httpStatus as number }),
  }));
}

function errorOfUnresolved({ lastTriedAt, error, httpStatus }: UnresolvedRecord): EntityError | undefined {
  if (error === undefined) return undefined;
  return { at: lastTriedAt, text: error, ...(httpStatus !== undefined && { httpStatus }) };
}

/** The run that TB_R_SYNC_ENTITY names. It is dead where its lock could be had: the lock ends with its connection. */
interface Owner {
  readonly runId: string;
  readonly since: Date;
  readonly isDead: boolean;
}

async function readOwner(session: Session, entityType: string): Promise<Owner | undefined> {
  const named = async () => {
    const { rows } = await session.query(
      'SELECT OwnerRunId, LockedAt FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = @entityType AND OwnerRunId IS NOT NULL',
      { entityType: nvarchar(entityType, ENTITY_TYPE_LENGTH) },
    );
    const [runId, since] = rows[0] ?? [];
    return runId === undefined ? undefined : { runId: runId as string, since: since as Date };
  };
  const owner = await named();
  if (owner === undefined || !(await isAppLockFree(session, entityLock(entityType)))) {
    return owner && { ...owner, isDead: false };
  }
  // It may have given the lock up since the first look; then it is named no more.
  const still = await named();
  return still && { ...still, isDead: still.runId === owner.runId };
}

/** The runs that hold some entity, as the table says, but not its lock: they have died. */
export async function readDeadRuns(session: Session): Promise<ReadonlySet<string>> {
  const { rows } = await session.query(
    'SELECT EntityType FROM dbo.TB_R_SYNC_ENTITY WHERE OwnerRunId IS NOT NULL ORDER BY EntityType',
  );
  const dead = new Set<string>();
  for (const [entityType] of rows) {
    const owner = await readOwner(session, entityType as string);
    if (owner?.isDead) dead.add(owner.runId);
  }
  return dead;
}

/** The newest run that came to this entity: by its summary, or, where it has none, by its batches and its lock. */
async function readLastRun(
  session: Session,
  entity: EntityIdentity,
  entityType: Parameters,
  ownerRunId: string | undefined,
  runs: readonly FoundRun[],
): Promise<EntityHistory['lastRun']> {
  const batches = await countBatches(session, entityType);
  for (const { record, summary } of runs) {
    const ended = summaryOf(entity, summary);
    if (ended !== undefined) {
      const { state, stoppedBy, durationMs } = ended;
      return { run: record, state, ...(stoppedBy && { stoppedBy }), durationMs, counts: countsOf(ended) };
    }
    const counts = batches.get(record.runId);
    if (summary === undefined && (counts !== undefined || record.runId === ownerRunId)) {
      return { run: record, counts: counts ?? sum([]) };
    }
  }
  return undefined;
}

/** A run that found the entity locked did not come to it. */
function summaryOf(entity: EntityIdentity, summary: RunSummary | undefined): EntitySummary | undefined {
  return summary?.entities.find((candidate) => candidate.entity === entity.name && candidate.state !== 'locked');
}

/** By run, for the runs that ended without a summary. */
async function countBatches(session: Session, entityType: Parameters): Promise<ReadonlyMap<string, RunCounts>> {
  const { rows } = await session.query(
    `SELECT b.RunId, b.State, b.Operation, COUNT(*), SUM(b.RowsInBatch)
     FROM dbo.TB_R_SYNC_BATCH AS b INNER JOIN dbo.TB_R_SYNC_RUN AS r ON r.RunId = b.RunId
     WHERE b.EntityType = @entityType AND r.Summary IS NULL
     GROUP BY b.RunId, b.State, b.Operation`,
    entityType,
  );
  const counts = new Map<string, RunCounts>();
  for (const [run, state, operation, batches, count] of rows as [string, string, string, number, number][]) {
    const more: RunCounts = {
      ...sum([]),
      ...(state === 'accepted' && { rowsAccepted: count, batchesAccepted: batches }),
      ...(state === 'accepted' && operation === 'delete' && { rowsDeleted: count }),
      ...(state === 'refused' && { rowsRefused: count, batchesRefused: batches }),
      ...(state === 'sending' && { rowsUnresolved: count, batchesUnresolved: batches }),
    };
    counts.set(run, sum([counts.get(run) ?? sum([]), more]));
  }
  return counts;
}

function countsOf(summary: EntitySummary): RunCounts {
  return {
    rowsAccepted: summary.accepted,
    rowsRefused: summary.refused,
    rowsUnresolved: summary.unresolved,
    batchesAccepted: summary.batches.accepted,
    batchesRefused: summary.batches.refused,
    batchesUnresolved: summary.batches.unresolved,
    newDeadLetters: summary.newDeadLetters,
    rowsChanged: summary.changed,
    rowsDeleted: summary.deleted,
    deletionsHeld: summary.heldDeletions,
  };
}

function sum(counts: readonly RunCounts[]): RunCounts {
  const total = (name: keyof RunCounts) => counts.reduce((before, count) => before + count[name], 0);
  return {
    rowsAccepted: total('rowsAccepted'),
    rowsRefused: total('rowsRefused'),
    rowsUnresolved: total('rowsUnresolved'),
    batchesAccepted: total('batchesAccepted'),
    batchesRefused: total('batchesRefused'),
    batchesUnresolved: total('batchesUnresolved'),
    newDeadLetters: total('newDeadLetters'),
    rowsChanged: total('rowsChanged'),
    rowsDeleted: total('rowsDeleted'),
    deletionsHeld: total('deletionsHeld'),
  };
}

/** A run that only resolved, or was stopped early, has not seen all that is to be sent. */
function findLastGoodRun(entity: EntityIdentity, runs: readonly FoundRun[]): Date | undefined {
  const good = runs.find(({ summary }) => {
    const ended = summaryOf(entity, summary);
    return ended?.state === 'done' && ended.refused === 0 && ended.unresolved === 0 && ended.heldDeletions === 0;
  });
  return good?.record.finishedAt;
}

/** What stopped the entity as a whole. What a destination answered, its batch tells with the status. */
function findStops(entity: EntityIdentity, runs: readonly FoundRun[]): EntityError[] {
  return runs.flatMap(({ record, summary }) => {
    const { error } = summaryOf(entity, summary) ?? {};
    if (error === undefined || error.code === 'DESTINATION_REFUSED') return [];
    return { at: record.finishedAt ?? record.startedAt, text: error.message, hint: error.hint };
  });
}

/** The newest of each text. */
function newest(errors: readonly (EntityError | undefined)[]): EntityError[] {
  const byText = new Map<string, EntityError>();
  const sorted = errors.filter((error) => error !== undefined).sort((a, b) => b.at.getTime() - a.at.getTime());
  for (const error of sorted) if (!byText.has(error.text)) byText.set(error.text, error);
  return [...byText.values()].slice(0, ERRORS_TOLD);
}

async function readReasons(session: Session, entityType: Parameters): Promise<DeadLetterReason[]> {
  const { rows } = await session.query(
    `SELECT TOP (@most) Reason, HttpStatus, COUNT(*), MAX(LastFailedAt), MIN(EntityId) FROM dbo.TB_R_SYNC_FAILURE
     WHERE EntityType = @entityType AND State = N'waiting'
     GROUP BY Reason, HttpStatus ORDER BY COUNT(*) DESC, MAX(LastFailedAt) DESC`,
    { ...entityType, most: int(REASONS_TOLD) },
  );
  return rows.map(([reason, httpStatus, count, lastFailedAt, exampleKey]) => ({
    reason: reason as string,
    ...(httpStatus !== null && { httpStatus: httpStatus as number }),
    rows: count as number,
    lastFailedAt: lastFailedAt as Date,
    exampleKey: exampleKey as string,
  }));
}

/** The newest that came to it, at most `most`. */
async function readEntityRuns(
  session: Session,
  entity: EntityIdentity,
  entityType: Parameters,
  runs: readonly FoundRun[],
  most: number,
): Promise<EntityRun[]> {
  // Those without a summary may have come to it: their batches tell.
  const perhaps = runs.filter(({ summary }) => summary === undefined || summaryOf(entity, summary));
  const ended = perhaps.filter(({ summary }) => summary !== undefined);
  const oldest = (ended[most - 1] ?? perhaps.at(-1))?.record.startedAt;
  if (oldest === undefined) return [];
  const durations = await readDurations(session, entityType, oldest);
  const came = perhaps.flatMap(({ record: { runId, startedAt }, summary }): EntityRun[] => {
    const counted = summaryOf(entity, summary);
    const took = durations.get(runId);
    if (counted === undefined && took === undefined) return [];
    return [{ runId, startedAt, ...(counted && { counts: countsOf(counted) }), ...(took && { durations: took }) }];
  });
  return came.slice(0, most);
}

/** By run, since `oldest`. */
async function readDurations(
  session: Session,
  entityType: Parameters,
  oldest: Date,
): Promise<ReadonlyMap<string, BatchDurations>> {
  const { rows } = await session.query(
    `SELECT b.RunId, COUNT(*), SUM(CAST(b.DurationMs AS bigint)), MAX(b.DurationMs)
     FROM dbo.TB_R_SYNC_BATCH AS b INNER JOIN dbo.TB_R_SYNC_RUN AS r ON r.RunId = b.RunId
     WHERE b.EntityType = @entityType AND r.StartedAt >= @oldest AND b.Attempts > 0 AND b.SettledAt IS NOT NULL
       AND b.DurationMs IS NOT NULL
     GROUP BY b.RunId`,
    { ...entityType, oldest: datetime2(oldest) },
  );
  return new Map(
    rows.map(([runId, batches, totalMs, slowestMs]) => [
      runId as string,
      { batches: batches as number, totalMs: Number(totalMs), slowestMs: slowestMs as number },
    ]),
  );
}

/** What the job before this one left in TB_R_SYNC_TRACKING and TB_R_Log. Its error texts may hold anything. */
async function readOldJob(
  session: Session,
  entity: EntityIdentity,
  tables: Tables,
): Promise<{ readonly lastSuccessAt?: Date; readonly lastError?: EntityError }> {
  const lastSuccessAt = tables.tracking ? await readNewestTracked(session, entity) : null;
  const lastError = tables.log ? await readLoggedFailure(session, entity) : undefined;
  return { ...(lastSuccessAt !== null && { lastSuccessAt }), ...(lastError && { lastError }) };
}

async function readNewestTracked(session: Session, entity: EntityIdentity): Promise<Date | null> {
  const labels = labelParameters(entity);
  const { rows } = await session.query(
    `SELECT MAX(SyncTimestamp) FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType IN (${placeholders(labels)})`,
    labels,
  );
  return (rows[0]?.[0] ?? null) as Date | null;
}

async function readLoggedFailure(session: Session, entity: EntityIdentity): Promise<EntityError | undefined> {
  const { rows } = await session.query(
    `SELECT TOP (1) CreatedOn, ExceptionMessage FROM dbo.TB_R_Log
     WHERE LogCategory = N'DataSync' AND Activity = @activity AND Status = N'Failure' ORDER BY CreatedOn DESC`,
    { activity: nvarchar(activity(entity), 255) },
  );
  const error = errorOf(rows[0]);
  return error && { ...error, text: maskQuoted(error.text) };
}
