/** `npm run fault`: the same faults as in the tests, as many as wanted, and what came of them in figures. */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { createDatabases, DATABASE_NAMES, seed } from '../../dev/sqlserver/seed.ts';
import { startSqlServer } from '../../dev/sqlserver/server.ts';
import { dropAtStatements } from './drops.ts';
import { createFleet, FLEET_ROWS, type FleetReport } from './fleet.ts';
import { fuzzAnswers, fuzzRuns } from './fuzz-answers.ts';
import { type FuzzReport, fuzzConfigurations, fuzzConnectionStrings } from './fuzz-config.ts';
import { createHistoryBench, HISTORY_KINDS, histories } from './histories.ts';
import { killAtRandom } from './kills.ts';
import { watchMemory } from './memory.ts';
import { createRandom, freshSeed, type Random } from './random.ts';
import { addFindings, createRig, type Findings } from './rig.ts';

const USAGE = `npm run fault -- [options]

Kills and cuts off runs against the stand-in and the stand-in receiver, gives them broken input, and prints what was lost.
Exits with 1 where something was.

  --kills <n>      kill so many runs at random moments
  --fleet <n>      run the five entities by five processes at once, each killed two or three times, so many times over
  --drops <n>      cut the connection to the server at every statement of a run (all), or at this share of them (such as 0.3)
  --fuzz <n>       so many broken configurations, connection strings and HTTP answers each, and a 25th of that in whole runs
  --histories <n>  live so many random histories of source, receiver and runs of each kind of entity
  --seed <n>       repeat the choices of an earlier start
  --help           this text
`;

const { values } = parseArgs({
  options: {
    kills: { type: 'string' },
    fleet: { type: 'string' },
    drops: { type: 'string' },
    fuzz: { type: 'string' },
    histories: { type: 'string' },
    seed: { type: 'string', default: String(freshSeed()) },
    help: { type: 'boolean', default: false },
  },
});
const { kills, fleet, drops, fuzz, histories: lives } = values;
if (values.help || (kills ?? fleet ?? drops ?? fuzz ?? lives) === undefined) {
  process.stdout.write(USAGE);
  process.exit();
}
const random = createRandom(Number(values.seed));
print(`seed ${values.seed}`);
if (kills !== undefined) await reportKills(wholeNumber(kills));
if (fleet !== undefined) await reportFleet(wholeNumber(fleet));
if (drops !== undefined) await reportDrops(drops === 'all' ? 1 : shareIn(drops));
if (fuzz !== undefined) await reportFuzz(wholeNumber(fuzz));
if (lives !== undefined) await reportHistories(wholeNumber(lives));

async function reportKills(count: number): Promise<void> {
  const report = await killAtRandom(count, random, (soFar) => print(`${soFar.kills} killed, ${findingsText(soFar)}`));
  print(`kills: ${report.kills}, completed by ${report.runs} runs; ${findingsText(report)}`);
  tellProblems(report.problems);
}

async function reportFleet(count: number): Promise<void> {
  let report: FleetReport = { kills: 0, runs: 0, ...addFindings([]) };
  for (let life = 0; life < count; life += 1) {
    const server = await startSqlServer({ databases: [] });
    await seed({ connectionString: (database) => server.connectionString(database), rows: FLEET_ROWS });
    const fleet = await createFleet({
      connectionString: (database) => server.connectionString(DATABASE_NAMES[database]),
      query: (database, sql) => server.query(DATABASE_NAMES[database], sql),
    });
    const one = await fleet.live(random.between(2, 3), random);
    report = { kills: report.kills + one.kills, runs: report.runs + one.runs, ...addFindings([report, one]) };
    await fleet.close();
    await server.close();
    print(`${life + 1} fleets, ${report.kills} kills, ${findingsText(report)}`);
  }
  print(`fleets: ${count}, of ${report.runs} runs ${report.kills} killed; ${findingsText(report)}`);
  tellProblems(report.problems);
}

async function reportDrops(share: number): Promise<void> {
  const report = await dropAtStatements(share, random, (statement, soFar) => {
    if (statement % 20 === 0) print(`statement ${statement}: ${soFar.drops} cut off, ${findingsText(soFar)}`);
  });
  const { survived, runs } = report;
  print(`drops: ${report.drops}; ${survived} runs went on, the others took ${runs} more; ${findingsText(report)}`);
  tellProblems(report.problems);
}

async function reportFuzz(count: number): Promise<void> {
  const rig = await createRig({ idempotency: true, concurrency: 1, batchSize: 10, rows: 10 });
  const kinds: readonly (readonly [string, (random: Random) => Promise<FuzzReport>])[] = [
    ['configurations', (own) => fuzzConfigurations(count, own, rig)],
    ['connection strings', (own) => fuzzConnectionStrings(count, own, rig)],
    ['HTTP answers', (own) => fuzzAnswers(count, own)],
    ['runs with HTTP answers', (own) => fuzzRuns(Math.ceil(count / 25), own)],
  ];
  for (const [kind, work] of kinds) {
    const { result, problems } = await watchMemory(() => work(random));
    print(`broken ${kind}: ${result.tried}, of them ${result.sound} sound; problems: ${result.problems.length}`);
    tellProblems([...result.problems, ...problems]);
  }
  await rig.close();
}

async function reportHistories(count: number): Promise<void> {
  const server = await startSqlServer({ databases: [] });
  await createDatabases((database) => server.connectionString(database), DATABASE_NAMES);
  const bench = await createHistoryBench({
    connectionString: (database) => server.connectionString(DATABASE_NAMES[database]),
    execute: (database, sql) => server.query(DATABASE_NAMES[database], sql),
  });
  for (const kind of HISTORY_KINDS) {
    const property = fc.asyncProperty(
      histories(kind),
      async (history) => (await bench.live(kind, history)).length === 0,
    );
    const { failed, numRuns, counterexample } = await fc.check(property, { numRuns: count, seed: Number(values.seed) });
    print(
      `changes ${kind.mode}, by ${kind.detection}: ${numRuns} histories; ${failed ? 'one ended wrong' : 'all ended right'}`,
    );
    if (failed) tellProblems([JSON.stringify(counterexample)]);
  }
  await bench.close();
  await server.close();
}

function findingsText({ lost, duplicated, batchesTwice, problems }: Findings): string {
  return `rows lost: ${lost}, taken twice: ${duplicated} (in ${batchesTwice} batches); problems: ${problems.length}`;
}

function tellProblems(problems: readonly string[]): void {
  for (const problem of problems) print(problem);
  if (problems.length > 0) process.exitCode = 1;
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`expected a whole number from 1 on, found ${text}`);
}

function shareIn(text: string): number {
  const share = Number(text);
  if (share > 0 && share <= 1) return share;
  throw new Error(`expected all or a number above 0 up to 1, found ${text}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
