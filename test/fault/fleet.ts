/**
 * Runs of one entity each, all at once, as on several machines: real processes, killed (SIGKILL) at random moments and started
 * again, on one server and one receiver that honours Idempotency-Key. Nothing of it needs the stand-in's faults.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, type Call, startReceiver } from '../../dev/receiver.ts';
import { SAMPLE_TABLES, type SampleEntity } from '../../dev/sqlserver/sample-schema.ts';
import { type CliOptions, type CliResult, runCli } from '../support/cli.ts';
import { misbehaviour, runInProcess } from './in-process.ts';
import { createRandom, type Random } from './random.ts';
import { addFindings, type Findings, type TracedEntity, verifyEntity } from './rig.ts';

/** Rows of each source: from three to eight batches. */
export const FLEET_ROWS: Readonly<Record<SampleEntity, number>> = {
  Users: 160,
  ActualOrg: 120,
  ActualEntity: 80,
  OrgObject: 100,
  EventsCalendar: 60,
};

const BATCH_ROWS = 20;

/** Runs of an entity until one ends with 0 that nothing disturbs. One that finds the lock still held by a killed one is none. */
const MAX_RUNS = 20;

type DatabaseKey = 'mdm' | 'ess' | 'log';

/** A server with the five sources, filled by FLEET_ROWS. */
export interface FleetServer {
  connectionString(database: DatabaseKey): string;
  query(database: DatabaseKey, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** What came of one life of the fleet. */
export interface FleetReport extends Findings {
  readonly kills: number;
  readonly runs: number;
}

/** The entities of the shipped configuration, each to be run by a process of its own. */
export interface Fleet {
  readonly entities: readonly TracedEntity[];
  /** The binary, with these arguments. */
  cli(args: readonly string[], options?: Pick<CliOptions, 'onStart'>): Promise<CliResult>;
  /** The same inside this process, for what only looks. */
  ask(args: readonly string[]): Promise<CliResult>;
  /** Calls of an entity are answered by this from now on. */
  respond(entity: TracedEntity, answer: (call: Call) => Answer | undefined): void;
  /** Runs all entities at once, each killed so many times, until each has come to its end. */
  live(killsEach: number, random: Random): Promise<FleetReport>;
  close(): Promise<void>;
}

/** A run that fills the cache of compiled code; those that are killed never do. */
let cached: Promise<CliResult> | undefined;

/** Sets the fleet up. */
export async function createFleet(server: FleetServer): Promise<Fleet> {
  const receiver = await startReceiver({ idempotency: true, keepBodies: true });
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-fleet-'));
  const config = JSON.parse(await readFile(new URL('../../sync.config.json', import.meta.url), 'utf8'));
  Object.assign(config.destination, { batchSize: BATCH_ROWS, concurrency: 2, retryDelayMs: 1, maxRetryDelayMs: 10 });
  await writeFile(join(folder, 'sync.config.json'), JSON.stringify(config));
  const env = {
    TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm'),
    TAMHR_ESS_CONNECTION: server.connectionString('ess'),
    TAMHR_LOG_CONNECTION: server.connectionString('log'),
    TAMHR_API_URL: receiver.url,
    TAMHR_API_KEY: 'fleet-api-key',
  };
  const cli: Fleet['cli'] = (args, options) => runCli(args, { cwd: folder, env, ...options });
  const entities: TracedEntity[] = config.entities.map(
    (entity: { name: string; trackingLabels: string[]; destination: { url: string } }) => ({
      name: entity.name,
      label: entity.trackingLabels[0],
      path: entity.destination.url,
    }),
  );
  let killed = 0;
  const answers = new Map<string, (call: Call) => Answer | undefined>();
  receiver.respond((call) => answers.get(call.path)?.(call));
  const ask: Fleet['ask'] = (args) => runInProcess(args, { cwd: folder, env });
  const migrated = await ask(['migrate']);
  if (migrated.code !== 0) throw new Error(`migrate failed: ${migrated.stderr}`);
  cached ??= cli(['run', '--dry-run']);
  await cached;

  const respond: Fleet['respond'] = ({ path }, answer) => answers.set(path, answer);

  /** One run, killed at a random call of it; `killed` is false where it ended before. */
  async function killedRun(entity: TracedEntity, random: Random): Promise<{ killed: boolean; result: CliResult }> {
    let kill = () => false;
    let killed = false;
    let calls = 0;
    const last = random.between(1, 3);
    const laterMs = random.below(40);
    const hold = random.pick(['before its rows are taken', 'after they are', undefined] as const);
    respond(entity, () => {
      calls += 1;
      if (calls !== last) return undefined;
      if (hold === undefined) {
        // While the answer is on its way, while the batch is settled, or while others are.
        setTimeout(() => {
          killed = kill();
        }, laterMs);
        return undefined;
      }
      killed = kill();
      return { hold: new Promise(() => {}), take: hold === 'after they are' };
    });
    const result = await cli(['run', '--entity', entity.name], {
      onStart: (child) => {
        kill = () => child.kill('SIGKILL');
      },
    });
    respond(entity, () => undefined);
    // A signal may come when the process has just ended.
    return { killed: killed && result.code === null, result };
  }

  async function liveOf(entity: TracedEntity, kills: number, random: Random) {
    const results: CliResult[] = [];
    let killed = 0;
    while (results.length < MAX_RUNS) {
      if (killed < kills) {
        const one = await killedRun(entity, random);
        results.push(one.result);
        if (one.killed) killed += 1;
        // All was sent before the kill: there is nothing left to disturb.
        else if (one.result.code === 0) break;
        continue;
      }
      const result = await cli(['run', '--entity', entity.name]);
      results.push(result);
      if (result.code === 0) break;
    }
    return { killed, results };
  }

  async function sourceIds({ name }: TracedEntity): Promise<Set<string>> {
    const { name: table, database } = SAMPLE_TABLES[name as SampleEntity];
    const rows = await server.query(database, `SELECT Id FROM dbo.${table}`);
    return new Set(rows.map(({ Id }) => String(Id).toLowerCase()));
  }

  return {
    entities,
    cli,
    ask,
    respond,
    async live(killsEach, random) {
      // Choices of its own for each, or who comes first would change those of all.
      const each = entities.map((entity) => ({ entity, own: createRandom(random.below(2 ** 32)) }));
      const lives = await Promise.all(each.map(({ entity, own }) => liveOf(entity, killsEach, own)));
      const traces = { receiver, log: (sql: string) => server.query('log', sql) };
      const findings = [];
      for (const entity of entities) {
        findings.push(await verifyEntity(entity, traces, 0, await sourceIds(entity), new Set()));
      }
      const problems = lives.flatMap(({ results }, index) => {
        const ended = results.at(-1)?.code === 0 ? [] : [`${entities[index]?.name} never came to its end`];
        // A killed process has no exit code.
        const ends = results.filter(({ code }) => code !== null).map(misbehaviour);
        return [...ended, ...ends.filter((text) => text !== undefined)];
      });
      const sum = addFindings(findings);
      killed += lives.reduce((total, life) => total + life.killed, 0);
      const [dead] = await traces.log(`SELECT COUNT(*) AS Runs FROM dbo.TB_R_SYNC_RUN WHERE State = N'aborted'`);
      if (dead?.Runs !== killed) problems.push(`${dead?.Runs} runs are aborted, and ${killed} were killed`);
      return {
        ...sum,
        kills: lives.reduce((total, { killed }) => total + killed, 0),
        runs: lives.reduce((total, { results }) => total + results.length, 0),
        problems: [...sum.problems, ...problems],
      };
    },
    async close() {
      await receiver.close();
      await rm(folder, { recursive: true });
    },
  };
}
