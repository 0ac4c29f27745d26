/** The order of work: build, start server and receiver, fill the tables, try the floors' variants, measure in rounds, tidy up. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqlClient } from '../sqlserver/client.ts';
import { type Built, build } from './build.ts';
import { type BenchReport, type Measured, type Trial, WORK_NAMES, type WorkName } from './figures.ts';
import { machine, versions } from './machine.ts';
import { type Command, type Figures, measured, medians, timed } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { type BenchServers, type CountingReceiver, startReceiverProcess, startServerProcesses } from './processes.ts';
import { ratios } from './ratios.ts';
import { createUsersTable, dropUsersTables, type UsersTable } from './tables.ts';
import { BATCH_SIZE } from './work/environment.ts';
import { type Setting, sizesOf, type Work, workOn } from './works.ts';

/** The variants of the floors, see work/f2.ts and work/f3.ts. */
const VARIANTS = { f2: ['direct', 'temp', 'packed'], f3: ['inTurn', 'atOnce'] } as const;

/** How often `--version` and an empty program are started in a round: they are short. */
const STARTS = 3;

/** What was measured of one work on one table, round by round. */
type Series = Omit<Measured, 'runs' | 'median'> & { readonly runs: Figures[] };

/** Whatever must be undone at the end, the last first. */
type TidyUp = (() => Promise<unknown>)[];

/** What all steps need. */
interface Bench {
  readonly options: BenchOptions;
  readonly built: Built;
  readonly servers: BenchServers;
  readonly receiver: CountingReceiver;
  /** Working directories of the product by its concurrency. */
  readonly jobs: Setting['jobs'];
  readonly tables: ReadonlyMap<number, UsersTable>;
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Measures. `tell` gets a line on each step; `signal` ends it early; `left` is told what could not be tidied up. Rejects where a
 * work did not do what it had to.
 */
export async function bench(
  options: BenchOptions,
  tell: Bench['tell'],
  signal: AbortSignal,
  left: (problem: unknown) => void,
): Promise<BenchReport> {
  const tidyUp: TidyUp = [];
  try {
    const setUp = await start(options, tell, signal, tidyUp);
    const trials: Trial[] = [];
    for (const name of ['f2', 'f3'] as const) {
      if (options.only.has(name)) trials.push(await tryVariants(name, setUp));
    }
    const measuredWorks = (await measureRounds(setUp, trials)).map(
      (series): Measured => ({ ...series, median: medians(series.runs) }),
    );
    return {
      measuredAt: new Date().toISOString(),
      ...versions(),
      machine: machine(),
      server: await serverVersion(setUp.servers),
      rows: options.rows,
      repeats: options.repeats,
      batchSize: BATCH_SIZE,
      trials,
      ratios: ratios(measuredWorks, options.rows),
      measured: measuredWorks,
    };
  } finally {
    // Each, whatever becomes of the others.
    for (const step of tidyUp.reverse()) await step().catch(left);
  }
}

/** Builds, starts server and receiver, and fills the tables that the works need. */
async function start(options: BenchOptions, tell: Bench['tell'], signal: AbortSignal, tidyUp: TidyUp): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-bench-'));
  tidyUp.push(() => rm(folder, { recursive: true }));
  tell('building');
  const built = await build(folder);
  const jobs = { 1: await built.job(1), 4: await built.job(4) };
  const receiver = await startReceiverProcess();
  tidyUp.push(() => receiver.stop());
  const servers = options.server === undefined ? await startServerProcesses() : givenServer(options.server);
  tidyUp.push(() => servers.stop());

  const sizes = new Set([...options.only].flatMap((name) => sizesOf(name, options.rows)));
  const unique = randomBytes(4).toString('hex');
  tidyUp.push(() => dropUsersTables(servers, unique, sizes));
  const migrate = async (env: Command['env']): Promise<void> => {
    await timed({ args: [built.product, 'migrate'], cwd: jobs[1], env: { ...env, ...NO_RECEIVER } }, signal);
  };
  const tables = new Map<number, UsersTable>();
  for (const rows of [...sizes].toSorted((a, b) => b - a)) {
    signal.throwIfAborted();
    tell(`filling a table with ${rows} rows`);
    const table = await createUsersTable({ servers, unique, rows, folder, migrate });
    tables.set(rows, table);
    tidyUp.push(() => table.close());
  }
  return { options, built, servers, receiver, jobs, tables, tell, signal };
}

/** For a command that sends nothing: the shipped configuration names these too. */
const NO_RECEIVER = { TAMHR_API_URL: 'http://127.0.0.1:9', TAMHR_API_KEY: 'bench' };

function givenServer(connectionString: string): BenchServers {
  return { source: connectionString, log: connectionString, cpuS: async () => undefined, stop: async () => {} };
}

/** What the works are made with; a floor that was not tried is not measured, so its variant does not matter. */
function settingOf({ built, receiver, jobs, options }: Bench, trials: readonly Trial[]): Setting {
  const taken = (name: 'f2' | 'f3') => trials.find((trial) => trial.name === name)?.taken ?? VARIANTS[name][0];
  const variants = { f2: taken('f2'), f3: taken('f3') };
  return { built, receiverUrl: receiver.url, jobs, slowRows: options.slowRows, variants };
}

/** Measures each variant of a floor twice, in turn, the first time being a warm-up for the server; the fastest is taken. */
async function tryVariants(name: 'f2' | 'f3', setUp: Bench): Promise<Trial> {
  const setting = settingOf(setUp, []);
  const wallS: Record<string, number> = {};
  for (const variant of [...VARIANTS[name], ...VARIANTS[name]]) {
    const variants = { ...setting.variants, [name]: variant };
    const work = workOn(name, tableOf(setUp, setUp.options.rows), { ...setting, variants });
    const { figures } = await measureWork(work, setUp);
    wallS[variant] = Math.min(figures.wallS, wallS[variant] ?? Number.POSITIVE_INFINITY);
    setUp.tell(`trial: ${work.title}, ${work.rows} rows: ${figures.wallS.toFixed(2)} s`);
  }
  const [[taken] = ['']] = Object.entries(wallS).toSorted(([, a], [, b]) => a - b);
  return { name, taken, wallS };
}

/** All works in turn, as often as asked for. */
async function measureRounds(setUp: Bench, trials: readonly Trial[]): Promise<Series[]> {
  const { options, tables, tell, signal } = setUp;
  const setting = settingOf(setUp, trials);
  const names = WORK_NAMES.filter((name) => options.only.has(name));
  const works = [...tables.values()].flatMap((table) =>
    names
      .filter((name) => sizesOf(name, options.rows).includes(table.rows))
      .map((name) => workOn(name, table, setting)),
  );
  const series = new Map<Work, Series>();
  const starts = startsOf(names, setUp);
  for (let round = 1; round <= options.repeats; round += 1) {
    const bytesOf = new Map<Work, number>();
    for (const work of works) {
      const { figures, calls, bytes } = await measureWork(work, setUp);
      bytesOf.set(work, bytes);
      const { name, title, rows, sends } = work;
      const one = series.get(work) ?? { name, title, rows, sent: sends, calls, bytes, runs: [] };
      one.runs.push(figures);
      series.set(work, one);
      tell(`round ${round}: ${title}, ${rows} rows: ${figures.wallS.toFixed(2)} s, ${figures.peakMb.toFixed(0)} MB`);
    }
    checkSame(bytesOf);
    for (let start = 0; start < STARTS; start += 1) {
      for (const { command, runs } of starts) {
        // Without the preload, which would weigh more than what is measured.
        const { wallS } = await timed(command, signal);
        runs.push({ wallS, cpuS: 0, peakMb: 0 });
      }
    }
  }
  return [...series.values(), ...starts.map(({ command, ...start }) => start)];
}

function tableOf({ tables }: Bench, rows: number): UsersTable {
  const table = tables.get(rows);
  if (table === undefined) throw new Error(`no table of ${rows} rows`);
  return table;
}

/** The works that only start. */
function startsOf(names: readonly WorkName[], { built, jobs }: Bench): (Series & { readonly command: Command })[] {
  const all = [
    { name: 'version', title: 'tamhr-sync --version', args: [built.product, '--version'] },
    { name: 'node', title: 'node -e 0', args: ['-e', '0'] },
  ] as const;
  return all
    .filter(({ name }) => names.includes(name))
    .map(({ args, ...start }) => ({
      ...start,
      rows: 0,
      sent: 0,
      calls: 0,
      bytes: 0,
      runs: [],
      command: { args, cwd: jobs[1], env: {} },
    }));
}

/** One work, and whether it did what it had to. */
async function measureWork(
  work: Work,
  { built, servers, receiver, signal }: Bench,
): Promise<{ readonly figures: Figures; readonly calls: number; readonly bytes: number }> {
  const { table, needs, leaves, title } = work;
  if (needs !== undefined) await table.prepare(needs);
  await receiver.begin(work.delayMs);
  if (leaves !== undefined) table.left('unknown');
  const before = await servers.cpuS();
  const { figures, stdout } = await measured(work.command, built.usage, signal);
  const after = await servers.cpuS();
  const { calls, bytes } = await receiver.received();
  if (leaves !== undefined) table.left(leaves);
  expect(`calls by ${title}`, calls, work.calls);
  if (work.tracks !== undefined) expect(`rows tracked after ${title}`, await table.tracked(), work.tracks);
  for (const [what, amount] of Object.entries(work.reports ?? {}))
    expect(`${what} that ${title} reports`, JSON.parse(stdout)[what], amount);
  const ofServer = before === undefined || after === undefined ? {} : { serverCpuS: after - before };
  return { figures: { ...figures, ...ofServer }, calls, bytes };
}

/**
 * Whoever sends all rows of a table in batches of the same size sends the same bytes: another time of sending is as long. Throws
 * where that is not so.
 */
export function checkSame(bytesOf: ReadonlyMap<Work, number>): void {
  const bytesOfTable = new Map<UsersTable, number>();
  for (const [{ title, table, sends, calls }, bytes] of bytesOf) {
    if (sends !== table.rows || calls !== Math.ceil(sends / BATCH_SIZE)) continue;
    expect(`bytes sent by ${title}`, bytes, bytesOfTable.get(table));
    bytesOfTable.set(table, bytes);
  }
}

function expect(what: string, actual: number, expected: number | undefined): void {
  if (expected !== undefined && actual !== expected)
    throw new Error(`${what}: ${actual}, not ${expected}; what did something else is not comparable`);
}

async function serverVersion({ source }: BenchServers): Promise<string> {
  const client = await SqlClient.connect(source);
  const [row] = await client.query(
    "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(50)) AS Version, @@VERSION AS Text",
  );
  await client.close();
  return String(row?.Text).includes('stand-in') ? 'stand-in' : `SQL Server ${row?.Version}`;
}
