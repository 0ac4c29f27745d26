/** Kills runs (SIGKILL): at each step of the crash table, and at random moments while batches are in flight. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRule } from '../../dev/sqlserver/faults.ts';
import type { CliResult } from '../support/cli.ts';
import { createRandom, type Random } from './random.ts';
import { addFindings, createRig, type Findings, misbehaviours, type Rig } from './rig.ts';

/** Resolves at the moment at which to kill. */
export type Moment = (rig: Rig) => Promise<unknown>;

/** Starts the binary and kills it at the moment; false where it ended by itself before. */
export async function killAt(rig: Rig, moment: Moment): Promise<boolean> {
  let child: ChildProcess | undefined;
  let ended = false;
  const run = rig.start({
    onStart: (started) => {
      child = started;
    },
  });
  const end = run.finally(() => {
    ended = true;
  });
  await Promise.race([moment(rig), end]);
  const killed = !ended && child?.kill('SIGKILL') === true;
  const result = await end;
  // The server may learn of the end later than this process; a statement that is held there would run if it were let go.
  await rig.server.dropConnections();
  rig.calm();
  if (killed !== (result.code === null))
    throw new Error(`killed: ${killed}, exit code ${result.code}: ${result.stderr}`);
  const problems = killed ? [] : misbehaviours([result]);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return killed;
}

/** A statement that stores a batch before it is sent, and one that ends it. */
export const RESERVES = /INSERT INTO dbo\.TB_R_SYNC_BATCH/;
export const SETTLES = /UPDATE dbo\.TB_R_SYNC_BATCH/;

/** How long a statement may take to come from its beginning to its commit. */
const UNTIL_COMMIT_MS = 100;

/** When the n-th statement that matches is about to run, counted from now on. It never runs. */
export function beforeStatement({ server }: Rig, match: RegExp, on = 1): Promise<void> {
  return server.faults.add({ match, on, action: { hold: true } }).struck;
}

/** When such a statement has done all but to commit. It never does. */
export async function beforeCommitOf({ server }: Rig, match: RegExp): Promise<void> {
  await server.faults.add({ match, on: 1, action: { stallAfterRows: 0 } }).struck;
  await sleep(UNTIL_COMMIT_MS);
}

/** When the n-th call from now on has arrived and its body is read; it is answered as `hold` says. */
export function atCall(
  { receiver, refuses }: Rig,
  number: number,
  hold?: 'before its rows are taken' | 'after they are',
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  receiver.respond((_call, rows) => {
    calls += 1;
    if (calls !== number) return undefined;
    resolve();
    return hold && { hold: new Promise(() => {}), take: hold === 'after they are' && !rows.some(refuses) };
  });
  return promise;
}

/** How many kills, and what came of them. */
export interface KillReport extends Findings {
  readonly kills: number;
  /** Runs that completed what kills had left. */
  readonly runs: number;
}

/** Kills at one bench before another is set up. */
export const KILLS_A_ROUND = 5;

/** Rounds at once: a round waits for a process that starts, or keeps one core busy. */
const ROUNDS_AT_ONCE = 2;

/** Kills `kills` runs, round by round. `tell` is told after each round. */
export async function killAtRandom(
  kills: number,
  random: Random,
  tell: (report: KillReport) => void = () => {},
): Promise<KillReport> {
  const rounds = Array.from({ length: Math.ceil(kills / KILLS_A_ROUND) }, (_, index) => ({
    index,
    kills: Math.min(KILLS_A_ROUND, kills - index * KILLS_A_ROUND),
    seed: random.below(2 ** 32),
  }));
  let report: KillReport = { kills: 0, runs: 0, ...addFindings([]) };
  async function work(): Promise<void> {
    for (let round = rounds.shift(); round !== undefined; round = rounds.shift()) {
      const one = await killRound(round.index, round.kills, createRandom(round.seed));
      report = { kills: report.kills + one.kills, runs: report.runs + one.runs, ...addFindings([report, one]) };
      tell(report);
    }
  }
  await Promise.all(Array.from({ length: ROUNDS_AT_ONCE }, work));
  return report;
}

/**
 * Kills `kills` runs at random moments while batches are in flight, some of them one after the other; between a kill and the
 * next run, rows of the source change. Concurrency, kind of receiver, bad rows and mode go by `index`.
 */
export async function killRound(index: number, kills: number, random: Random): Promise<KillReport> {
  const rig = await createRig({
    idempotency: index % 2 === 0,
    concurrency: index % 4 < 2 ? 4 : 1,
    batchSize: 40,
    rows: 200,
    badRows: index % 3 === 2 ? 2 : 0,
    mirror: index % 5 > 2,
  });
  try {
    return await killAndComplete(rig, kills, random);
  } finally {
    await rig.close();
  }
}

async function killAndComplete(rig: Rig, atLeast: number, random: Random): Promise<KillReport> {
  const results: CliResult[] = [];
  const problems: string[] = [];
  let kills = 0;
  for (;;) {
    if (await killAt(rig, randomMoment(random))) kills += 1;
    await rig.changeSource(random, 200);
    // Else the next kill meets what this one has left.
    if (kills < atLeast && random.chance(0.3)) continue;
    results.push(...(await rig.complete()));
    const findings = await rig.verify(kills);
    problems.push(...findings.problems.map((problem) => `after ${kills} kills: ${problem}`));
    if (kills >= atLeast || problems.length > 0) {
      return { ...findings, kills, runs: results.length, problems: [...problems, ...misbehaviours(results)] };
    }
    await rig.changeSource(random, 200);
  }
}

/** A moment after the first call has arrived: at a statement, at a call, in the middle of bytes, or a little later. */
function randomMoment(random: Random): Moment {
  const action: FaultRule['action'] = random.chance(0.5) ? { hold: true } : { delayMs: 0 };
  const statement = random.between(1, 60);
  const call = random.between(1, 5);
  const bytes = random.between(0, 40_000);
  const hold = random.pick(['before its rows are taken', 'after they are', undefined] as const);
  const moment = random.pick<Moment>([
    ({ server }) => server.faults.add({ match: /./s, on: statement, action }).struck,
    ({ server }) => server.faults.add({ match: /./s, on: statement, action }).struck,
    (rig) => atCall(rig, call, hold),
    ({ gate }) => gate.stopAfter('requests', bytes),
    ({ gate }) => gate.stopAfter('answers', Math.floor(bytes / 100)),
  ]);
  return async (rig) => {
    await atCall(rig, 1);
    await moment(rig);
  };
}
