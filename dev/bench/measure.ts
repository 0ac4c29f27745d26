/** Measures processes: wall time from spawn to exit, CPU time and peak memory as the process itself reports them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import type { Usage } from './usage.ts';

/** A program of Node to run. */
export interface Command {
  /** For Node: a script and its arguments, or options. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What one process took, or the medians of several. Of the works that only start, CPU time and memory are 0: not measured. */
export interface Figures {
  readonly wallS: number;
  /** User and system. */
  readonly cpuS: number;
  /** Peak of the resident memory; 1 MB = 1,048,576 bytes. */
  readonly peakMb: number;
  /** CPU time that the stand-in took meanwhile; undefined on a real server. */
  readonly serverCpuS?: number;
}

/** Runs a process that preloads `usage` (usage.ts, built) and exits with 0. Rejects where it does not, or on `signal`. */
export async function measured(
  command: Command,
  usage: string,
  signal: AbortSignal,
): Promise<{ readonly figures: Figures; readonly stdout: string }> {
  const file = join(command.cwd, `usage-${process.pid}.json`);
  const args = ['--import', pathToFileURL(usage).href, ...command.args];
  const { wallS, stdout } = await timed({ ...command, args, env: { ...command.env, BENCH_USAGE_FILE: file } }, signal);
  const { userMicroseconds, systemMicroseconds, peakKilobytes }: Usage = JSON.parse(await readFile(file, 'utf8'));
  await rm(file);
  return {
    figures: { wallS, cpuS: (userMicroseconds + systemMicroseconds) / 1e6, peakMb: peakKilobytes / 1024 },
    stdout,
  };
}

/** Runs a process to its end with nothing preloaded. Rejects where it exits with another code than 0, or on `signal`. */
export async function timed(
  { args, cwd, env }: Command,
  signal: AbortSignal,
): Promise<{ readonly wallS: number; readonly stdout: string }> {
  signal.throwIfAborted();
  const before = performance.now();
  let wallS = 0;
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...inherited(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.on('exit', () => {
    wallS = (performance.now() - before) / 1000;
  });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr = (stderr + text).slice(-4000);
  });
  const [code] = await once(child, 'close');
  signal.removeEventListener('abort', kill);
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}\n${stdout.slice(-2000)}\n${stderr}`);
  return { wallS, stdout };
}

/** The medians of each figure by itself; of one process, its figures. */
export function medians(runs: readonly Figures[]): Figures {
  const serverCpuS = runs.map((run) => run.serverCpuS).filter((one) => one !== undefined);
  return {
    wallS: median(runs.map(({ wallS }) => wallS)),
    cpuS: median(runs.map(({ cpuS }) => cpuS)),
    peakMb: median(runs.map(({ peakMb }) => peakMb)),
    ...(serverCpuS.length > 0 && { serverCpuS: median(serverCpuS) }),
  };
}

/** The middle value, or the mean of the two in the middle. Throws where there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new Error('no values to take the median of');
  return (lower + upper) / 2;
}

/** This process's environment without what changes how Node runs, or configures the product. */
function inherited(): Record<string, string | undefined> {
  const names = Object.keys(process.env).filter((name) => !/^(NODE_|TAMHR_)/.test(name));
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}
