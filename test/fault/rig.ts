/**
 * The nightly job on a test bench: a stand-in, a receiver behind a gate, a folder with a configuration of two entities and
 * small batches. It starts runs, changes the source, and tells what is wrong with the end: rows lost, rows taken twice,
 * tables that contradict each other or the receiver.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Call, type Receiver, startReceiver } from '../../dev/receiver.ts';
import { sampleRow } from '../../dev/sqlserver/sample-rows.ts';
import { SAMPLE_TABLES } from '../../dev/sqlserver/sample-schema.ts';
import { DATABASE_NAMES, seed } from '../../dev/sqlserver/seed.ts';
import { type SqlServer, startSqlServer } from '../../dev/sqlserver/server.ts';
import { type CliOptions, type CliResult, runCli } from '../support/cli.ts';
import { type Gate, openGate } from '../support/gate.ts';
import { type InProcessOptions, misbehaviour, runInProcess } from './in-process.ts';
import type { Random } from './random.ts';

/** The entities, in the order in which they run. The source of the first one changes between runs. */
const ENTITIES = [
  { name: 'Users', label: 'User', path: '/users' },
  { name: 'OrgObject', label: 'OrgObject', path: '/orgobject' },
] as const;

type EntityName = (typeof ENTITIES)[number]['name'];

/** What a mirror has besides. */
const MIRRORED = { changes: 'mirror', maxDeletePercent: 100, deleted: { url: '/users-deleted', map: { Code: 'Id' } } };

/** Rows of the second entity: one batch. */
const FEW_ROWS = 20;

/**
 * Runs until exit code 0 at most: a piece of a refused batch that is left in doubt takes two runs to count as refused, and
 * one more to end without a new dead letter.
 */
const MAX_RUNS = 8;

/** A run that fills the cache of compiled code; those that are killed never do. */
let cached: Promise<CliResult> | undefined;

/** What a bench is set up with. */
export interface RigOptions {
  /** Whether the receiver honours Idempotency-Key. */
  readonly idempotency: boolean;
  readonly concurrency: number;
  readonly batchSize: number;
  /** Rows of the first entity. */
  readonly rows: number;
  /** How many of them, the last ones, the receiver refuses. */
  readonly badRows?: number;
  /** The first entity alone. */
  readonly usersOnly?: boolean;
  /** The first entity is mirrored: changed and deleted rows arrive, too. */
  readonly mirror?: boolean;
  /** Changes the destination's configuration. */
  readonly destination?: Readonly<Record<string, unknown>>;
}

/** What a run that was completed has left, compared with what it should. */
export interface Findings {
  /** Rows of the sources that the receiver should have, and has not. */
  readonly lost: number;
  /** Times that it took a row beyond the first. */
  readonly duplicated: number;
  /** Times that it took a batch beyond the first. */
  readonly batchesTwice: number;
  /** What must never be, a sentence each. */
  readonly problems: readonly string[];
}

/** A bench. */
export interface Rig {
  readonly options: RigOptions;
  /** Where the job runs, and with which variables. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly server: SqlServer;
  readonly receiver: Receiver;
  readonly gate: Gate;
  /** Whether the receiver refuses a row. */
  refuses(row: Readonly<Record<string, unknown>>): boolean;
  /** `run` by the real binary. */
  start(options?: Pick<CliOptions, 'onStart'>): Promise<CliResult>;
  /** `run` inside this process; `env` replaces variables. */
  run(options?: Pick<InProcessOptions, 'signals' | 'env'>): Promise<CliResult>;
  /** Takes all faults away. */
  calm(): void;
  /** Runs until the exit code is 0; how each of the runs ended. Throws Error where that takes too many. */
  complete(): Promise<CliResult[]>;
  /** Inserts up to `most` rows into the first source, and updates and deletes fewer. */
  changeSource(random: Random, most: number): Promise<void>;
  /** Empties the log database, and lets the receiver forget. */
  forget(): Promise<void>;
  /** Compares source, receiver and tables after `interruptions` kills or cut-offs since the bench was set up or forgot. */
  verify(interruptions: number): Promise<Findings>;
  /** Rows of a query in the log database. */
  log(sql: string): ReturnType<SqlServer['query']>;
  close(): Promise<void>;
}

/** Sets a bench up. */
export async function createRig(options: RigOptions): Promise<Rig> {
  const server = await startSqlServer({ databases: [] });
  await seed({
    connectionString: (database) => server.connectionString(database),
    rows: { OrgObject: FEW_ROWS },
  });
  const bad = new Set<string>();
  const refuses: Rig['refuses'] = (row) => bad.has(String(row.Code));
  const receiver = await startReceiver({
    idempotency: options.idempotency,
    keepBodies: true,
    deletions: { '/users-deleted': '/users' },
    refuse: (row) => (refuses(row) ? 'this row is refused by itself' : undefined),
  });
  const gate = await openGate(receiver.url);
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-fault-'));
  const env = {
    TAMHR_DEFAULT_CONNECTION: server.connectionString(DATABASE_NAMES.mdm, { Encrypt: 'False' }),
    TAMHR_ESS_CONNECTION: server.connectionString(DATABASE_NAMES.ess, { Encrypt: 'False' }),
    TAMHR_LOG_CONNECTION: server.connectionString(DATABASE_NAMES.log, { Encrypt: 'False' }),
    TAMHR_API_URL: gate.url,
    TAMHR_API_KEY: 'fault-api-key',
  };
  await writeFile(join(folder, 'sync.config.json'), JSON.stringify(await configuration(options)));
  const migrated = await runInProcess(['migrate'], { cwd: folder, env });
  if (migrated.code !== 0) throw new Error(`migrate failed: ${migrated.stderr}`);
  cached ??= runCli(['run', '--dry-run'], { cwd: folder, env });
  await cached;

  const source = createSource(server);
  await source.insert(options.rows);
  const ids = await source.ids('Users');
  for (const id of ids.slice(ids.length - (options.badRows ?? 0))) bad.add(id);
  const log: Rig['log'] = (sql) => server.query(DATABASE_NAMES.log, sql);

  const rig: Rig = {
    options,
    folder,
    env,
    server,
    receiver,
    gate,
    refuses,
    log,
    start: (more) => runCli(['run'], { cwd: folder, env, ...more }),
    run: (more) => runInProcess(['run'], { cwd: folder, ...more, env: { ...env, ...more?.env } }),
    calm() {
      server.faults.clear();
      gate.open();
      receiver.respond(() => undefined);
    },
    async complete() {
      const results: CliResult[] = [];
      while (results.at(-1)?.code !== 0) {
        if (results.length === MAX_RUNS) {
          const ends = results.map(({ code, stderr }) => `${code}: ${stderr}`);
          throw new Error(`${MAX_RUNS} runs did not complete what was pending\n${ends.join('\n')}`);
        }
        results.push(await rig.run());
      }
      return results;
    },
    async changeSource(random, most) {
      await source.insert(random.between(1, most));
      await source.update(random, random.below(most / 4));
      await source.delete(random, random.below(most / 2), bad);
    },
    async forget() {
      await log(
        ['TB_R_SYNC_TRACKING', 'TB_R_SYNC_BATCH', 'TB_R_SYNC_FAILURE', 'TB_R_SYNC_ENTITY', 'TB_R_SYNC_RUN', 'TB_R_Log']
          .map((table) => `DELETE FROM dbo.${table};`)
          .join(' '),
      );
      receiver.clear();
    },
    async verify(interruptions) {
      const findings: Findings[] = [];
      for (const entity of entitiesOf(options)) {
        if (options.mirror && entity.name === 'Users') {
          findings.push(await verifyMirror(entity, rig, await source.names(), bad));
          continue;
        }
        const allowed = options.idempotency ? 0 : interruptions * (options.concurrency + 1);
        findings.push(await verifyEntity(entity, rig, allowed, new Set(await source.ids(entity.name)), bad));
      }
      return addFindings(findings);
    },
    async close() {
      await Promise.all([gate.close(), receiver.close(), server.close()]);
      await rm(folder, { recursive: true });
    },
  };
  return rig;
}

/** The sum of several. */
export function addFindings(findings: readonly Findings[]): Findings {
  const sum = (count: (one: Findings) => number) => findings.reduce((total, one) => total + count(one), 0);
  return {
    lost: sum((one) => one.lost),
    duplicated: sum((one) => one.duplicated),
    batchesTwice: sum((one) => one.batchesTwice),
    problems: findings.flatMap((one) => one.problems),
  };
}

/** How runs ended that no fault may lead to. */
export function misbehaviours(results: readonly CliResult[]): string[] {
  return results.map(misbehaviour).filter((text) => text !== undefined);
}

function entitiesOf({ usersOnly }: RigOptions): readonly (typeof ENTITIES)[number][] {
  return usersOnly ? ENTITIES.slice(0, 1) : ENTITIES;
}

async function configuration(options: RigOptions): Promise<unknown> {
  const { concurrency, batchSize, destination } = options;
  const config = JSON.parse(await readFile(new URL('../../sync.config.json', import.meta.url), 'utf8'));
  const quick = { retryDelayMs: 1, maxRetryDelayMs: 10 };
  Object.assign(config.destination, { concurrency, batchSize, ...quick, ...destination });
  config.entities = entitiesOf(options).map(({ name }) => ({
    ...config.entities.find((entity: { name: string }) => entity.name === name),
    ...(options.mirror && name === 'Users' && MIRRORED),
  }));
  return config;
}

/** The first entity's source table, changed inside the stand-in, where no fault counts it. */
function createSource(server: SqlServer) {
  const table = (name: EntityName) => `dbo.${SAMPLE_TABLES[name].name}`;
  const execute = (sql: string) => server.query(DATABASE_NAMES.mdm, sql);
  const columns = SAMPLE_TABLES.Users.columns.map(({ name }) => name);
  let made = 0;

  async function ids(name: EntityName): Promise<string[]> {
    return (await execute(`SELECT Id FROM ${table(name)} ORDER BY Id`)).map(({ Id }) => String(Id));
  }
  /** The rows by their ids, as they are sent. */
  async function names(): Promise<ReadonlyMap<string, string>> {
    const rows = await execute(`SELECT Id, Name FROM ${table('Users')}`);
    return new Map(rows.map(({ Id, Name }) => [String(Id), String(Name)]));
  }
  async function some(random: Random, count: number): Promise<string[]> {
    const all = await ids('Users');
    return Array.from({ length: Math.floor(count) }, () => random.pick(all));
  }
  const inList = (chosen: readonly string[]) => chosen.map((id) => `'${id}'`).join(', ');
  return {
    ids,
    names,
    async insert(count: number) {
      for (const from of Array.from({ length: Math.ceil(count / 100) }, (_, index) => index * 100)) {
        const rows = Array.from({ length: Math.min(100, count - from) }, () => sampleRow('Users', made++));
        const values = rows.map((row) => `(${columns.map((name) => literal(row[name] ?? null)).join(', ')})`);
        await execute(`INSERT INTO ${table('Users')} (${columns.join(', ')}) VALUES ${values.join(', ')}`);
      }
    },
    async update(random: Random, count: number) {
      const chosen = await some(random, count);
      if (chosen.length === 0) return;
      await execute(
        `UPDATE ${table('Users')} SET Name = N'changed ${random.below(1000)}' WHERE Id IN (${inList(chosen)})`,
      );
    },
    async delete(random: Random, count: number, except: ReadonlySet<string>) {
      const chosen = (await some(random, count)).filter((id) => !except.has(id));
      if (chosen.length === 0) return;
      await execute(`DELETE FROM ${table('Users')} WHERE Id IN (${inList(chosen)})`);
    },
  };
}

function literal(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  return typeof value === 'string' ? `N'${value.replaceAll("'", "''")}'` : String(Number(value));
}

/** All of one entity's calls that came with one key. */
interface SentBatch {
  readonly bodies: Set<string>;
  rows: number;
  takes: number;
}

function sentBatches(calls: readonly Call[]): Map<string, SentBatch> {
  const batches = new Map<string, SentBatch>();
  for (const { idempotencyKey, body, taken } of calls) {
    // Cut off before it was read.
    if (body === undefined || idempotencyKey === undefined) continue;
    const batch = batches.get(idempotencyKey) ?? { bodies: new Set(), rows: 0, takes: 0 };
    batches.set(idempotencyKey, batch);
    batch.bodies.add(createHash('sha256').update(body).digest('hex'));
    if (taken === 0) continue;
    batch.rows = taken;
    batch.takes += 1;
  }
  return batches;
}

/** A mirror may take a row again and again; what counts is what is there in the end, and that no key came with other bytes. */
async function verifyMirror(
  { name, label, path }: (typeof ENTITIES)[number],
  { receiver, log }: Rig,
  source: ReadonlyMap<string, string>,
  bad: ReadonlySet<string>,
): Promise<Findings> {
  const holds = receiver.holds(path);
  const good = [...source].filter(([id]) => !bad.has(id));
  const missing = good.filter(([id]) => !holds.has(id));
  const stale = good.filter(([id, current]) => holds.has(id) && holds.get(id)?.Name !== current);
  const left = [...holds.keys()].filter((id) => !source.has(id));
  const tracked = await log(`SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'${label}'`);
  const ledger = new Set(tracked.map(({ EntityId }) => String(EntityId)));
  const unresolved = await log(`SELECT BatchId FROM dbo.TB_R_SYNC_BATCH WHERE State = N'sending'`);
  const sent = sentBatches([...receiver.calls(path), ...receiver.calls(`${path}-deleted`)]);
  const counts = {
    'rows are missing': missing.length,
    'rows are not as they are now': stale.length,
    'rows should be gone': left.length,
    'rows are held and not tracked': [...holds.keys()].filter((id) => !ledger.has(id)).length,
    'rows are tracked and not held': [...ledger].filter((id) => !holds.has(id)).length,
    'batches are unresolved': unresolved.length,
    'keys came with different bytes': [...sent].filter(([, { bodies }]) => bodies.size > 1).length,
  };
  const problems = Object.entries(counts).flatMap(([what, count]) => (count > 0 ? [`${name}: ${count} ${what}`] : []));
  return { lost: missing.length, duplicated: 0, batchesTwice: 0, problems };
}

/** An entity as its receiver and its tables know it. */
export interface TracedEntity {
  readonly name: string;
  /** Its first tracking label. */
  readonly label: string;
  readonly path: string;
}

/** Where traces of an entity are: `log` answers a query in the log database. */
export interface Traces {
  readonly receiver: Receiver;
  log(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/**
 * Compares the ids of an entity's source with what the receiver took and with all tables. `allowed` batches may have been taken
 * twice; `bad`: rows of Users that the receiver refuses.
 */
export async function verifyEntity(
  { name, label, path }: TracedEntity,
  { receiver, log }: Traces,
  allowed: number,
  source: ReadonlySet<string>,
  bad: ReadonlySet<string>,
): Promise<Findings> {
  const problems: string[] = [];
  const expect = (isSo: boolean, otherwise: string) => {
    if (!isSo) problems.push(`${name}: ${otherwise}`);
  };
  const accepted = receiver.accepted(path);
  const sent = sentBatches(receiver.calls(path));
  const taken = [...sent].filter(([, { takes }]) => takes > 0);
  const ofEntity = `EntityType = N'${label}'`;
  const tracked = await log(`SELECT EntityId, BatchId FROM dbo.TB_R_SYNC_TRACKING WHERE ${ofEntity}`);
  const batches = await log(`SELECT BatchId, State, RowsInBatch FROM dbo.TB_R_SYNC_BATCH WHERE ${ofEntity}`);
  const logged = await log(
    `SELECT LogID FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: ${name}' AND Status = N'Success' AND ApplicationName = N'tamhr-sync'`,
  );
  const letters = await log(`SELECT EntityId FROM dbo.TB_R_SYNC_FAILURE WHERE ${ofEntity}`);

  const missing = [...source].filter((id) => !accepted.has(id) && !bad.has(id));
  expect(missing.length === 0, `${missing.length} rows were lost, such as ${missing[0]}`);
  const duplicated = [...accepted.values()].reduce((sum, { times }) => sum + times - 1, 0);
  const batchesTwice = taken.reduce((sum, [, { takes }]) => sum + takes - 1, 0);
  const explained = taken.reduce((sum, [, { takes, rows }]) => sum + (takes - 1) * rows, 0);
  expect(duplicated === explained, `rows were taken ${duplicated} times too often, by batches sent twice ${explained}`);
  expect(batchesTwice <= allowed, `${batchesTwice} batches were taken twice, ${allowed} at most are allowed`);
  const changed = [...sent].filter(([, { bodies }]) => bodies.size > 1);
  expect(changed.length === 0, `${changed.length} keys came with different bytes, such as ${changed[0]?.[0]}`);

  const ledger = new Set(tracked.map(({ EntityId }) => String(EntityId)));
  expect(ledger.size === tracked.length, 'the ledger holds a row twice');
  const untracked = [...accepted.keys()].filter((id) => !ledger.has(id));
  expect(untracked.length === 0, `${untracked.length} accepted rows are not in the ledger, such as ${untracked[0]}`);
  const unaccepted = [...ledger].filter((id) => !accepted.has(id));
  expect(
    unaccepted.length === 0,
    `the ledger holds ${unaccepted.length} rows that were not accepted: ${unaccepted[0]}`,
  );

  const unresolved = batches.filter(({ State }) => State === 'sending');
  expect(unresolved.length === 0, `${unresolved.length} batches are unresolved`);
  const settled = batches.filter(({ State }) => State === 'accepted');
  const rowsByBatch = Map.groupBy(tracked, ({ BatchId }) => BatchId);
  for (const { BatchId, RowsInBatch } of settled) {
    const rows = rowsByBatch.get(BatchId as string)?.length ?? 0;
    expect(rows === RowsInBatch, `batch ${BatchId} has ${RowsInBatch} rows, and the ledger ${rows} of it`);
  }
  const sameKeys = (others: readonly unknown[], whose: string) => {
    const theirs = new Set(others);
    const same = others.length === theirs.size && theirs.size === settled.length;
    expect(same && settled.every(({ BatchId }) => theirs.has(BatchId)), `other batches are accepted than ${whose}`);
  };
  sameKeys(
    logged.map(({ LogID }) => LogID),
    'TB_R_Log has as Success',
  );
  sameKeys(
    taken.map(([key]) => key),
    'the receiver took',
  );
  sameKeys([...rowsByBatch.keys()], 'the ledger names');

  const known = new Set(letters.map(({ EntityId }) => EntityId));
  const due = name === 'Users' ? [...bad].filter((id) => source.has(id)) : [];
  expect(
    due.every((id) => known.has(id)) && known.size === due.length,
    `${known.size} dead letters, not ${due.length}`,
  );
  return { lost: missing.length, duplicated, batchesTwice, problems };
}
