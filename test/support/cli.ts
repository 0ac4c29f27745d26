/** Runs the real binary as a user would: another process, its output as text. */
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin/tamhr-sync.js', import.meta.url));

/** Where processes find what an earlier one has compiled: a third of the time until they do anything. */
const COMPILE_CACHE = join(tmpdir(), 'node-compile-cache');

/** How a command ended. */
export interface CliResult {
  /** Null where a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a command runs. `env` is all of its environment, but for PATH, HOME and where Node caches compiled code. */
export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process once it is started, to send it signals. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs `tamhr-sync` with these arguments to its end. */
export async function runCli(args: readonly string[], { cwd, env = {}, onStart }: CliOptions): Promise<CliResult> {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: { PATH, HOME, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  onStart?.(child);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject).on('close', resolve);
  return { code: await promise, stdout, stderr };
}
