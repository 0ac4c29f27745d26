/** Runs a command line inside this process: a tenth of the time that a process of its own takes. */
import { EventEmitter } from 'node:events';
import { main } from '../../src/cli.ts';
import type { Io } from '../../src/commands/context.ts';
import type { CliResult } from '../support/cli.ts';

/** Where a command line runs. */
export interface InProcessOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Emits SIGINT and the like to the program. */
  readonly signals?: EventEmitter;
  readonly stdin?: NonNullable<Io['stdin']>;
  /** Whether stderr is a terminal. */
  readonly isTTY?: boolean;
  /** The width of the terminal that stdout is; absent: it is none. */
  readonly columns?: number;
  /** Called with each text on stdout; false: nobody reads it any more. */
  readonly onStdout?: (text: string) => boolean;
  /** Called with what is written to stderr. */
  readonly onStderr?: (text: string) => void;
}

/** Runs `tamhr-sync` with these arguments to its end. Rejects where main() does, which it never should. */
export async function runInProcess(
  args: readonly string[],
  { cwd, env = {}, signals = new EventEmitter(), stdin, isTTY = false, columns, onStdout, onStderr }: InProcessOptions,
): Promise<CliResult> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({
    isTTY: name === 'stderr' ? isTTY : columns !== undefined,
    ...(name === 'stdout' && columns !== undefined && { columns }),
    write(text: string, done?: (error?: Error) => void) {
      const isRead = name === 'stderr' || onStdout?.(text) !== false;
      if (isRead) written[name] += text;
      if (name === 'stderr') onStderr?.(text);
      done?.(isRead ? undefined : Object.assign(new Error('nobody reads this'), { code: 'EPIPE' }));
    },
  });
  const io: Io = { stdout: stream('stdout'), stderr: stream('stderr'), env, cwd, signals, ...(stdin && { stdin }) };
  const code = await main(args, io);
  return { code, ...written };
}

/** The exit codes that the README documents for a run that has no bug. */
const DOCUMENTED_CODES: ReadonlySet<number | null> = new Set([0, 1, 2, 64, 69, 75, 78, 130, 143]);

/** What is wrong with how a command ended, whatever befell it: a bug's exit code, a stack trace. */
export function misbehaviour({ code, stdout, stderr }: CliResult): string | undefined {
  if (!DOCUMENTED_CODES.has(code)) return `exit code ${code}: ${stderr}`;
  if (/unexpected \(a bug|^\s+at \S/m.test(`${stdout}\n${stderr}`)) return `a stack trace: ${stdout}${stderr}`;
  return undefined;
}
