/** The nightly job as an installation has it: a folder with a configuration and its secrets, a server, a receiver. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { type Receiver, type ReceiverOptions, startReceiver } from '../../dev/receiver.ts';
import type { RunSummary } from '../../src/sync/ports.ts';
import { type CliOptions, type CliResult, runCli } from './cli.ts';
import type { TestSqlServer } from './sqlserver.ts';

/** The shipped configuration, as it is parsed. */
// biome-ignore lint/suspicious/noExplicitAny: tests change any part of it
type AnyConfig = any;

const API_KEY = 'test-api-key-7f3a';

/** A folder, its receiver and the commands run in it. Usable inside tests and hooks that come after. */
export interface Job {
  readonly receiver: Receiver;
  readonly folder: string;
  /** The environment that the shipped configuration's references name. */
  readonly env: Record<string, string>;
  /** Writes the shipped configuration with as little waiting as can be, changed. */
  configure(change?: (config: AnyConfig) => void): Promise<void>;
  /** Runs `tamhr-sync` in the folder. */
  run(args: readonly string[], options?: Partial<CliOptions>): Promise<CliResult>;
  /** `run --json` with further arguments; its exit code and summary. */
  sync(...args: string[]): Promise<{ code: number | null; stderr: string; summary: RunSummary }>;
}

/** Sets up a job on a server for the tests of the calling file (or `describe`), and takes it away after them. */
export function useJob(server: TestSqlServer, receiverOptions: ReceiverOptions = {}): Job {
  const job = {} as { -readonly [Key in keyof Job]: Job[Key] };
  before(async () => {
    job.receiver = await startReceiver({
      auth: { header: 'X-Api-Key', value: API_KEY },
      keepBodies: true,
      ...receiverOptions,
    });
    job.folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-test-'));
    job.env = {
      TAMHR_DEFAULT_CONNECTION: server.connectionString('mdm'),
      TAMHR_ESS_CONNECTION: server.connectionString('ess'),
      TAMHR_LOG_CONNECTION: server.connectionString('log'),
      TAMHR_API_URL: job.receiver.url,
      TAMHR_API_KEY: API_KEY,
    };
    await job.configure();
  });
  after(async () => {
    await job.receiver.close();
    await rm(job.folder, { recursive: true });
  });
  return Object.assign(job, {
    async configure(change = () => {}) {
      const shipped = new URL('../../sync.config.json', import.meta.url);
      const config = JSON.parse(await readFile(shipped, 'utf8'));
      config.destination.retryDelayMs = 1;
      for (const [name, connectionString] of Object.entries(config.connections)) {
        config.connections[name] = { connectionString, retryForMs: 200 };
      }
      change(config);
      await writeFile(join(job.folder, 'sync.config.json'), JSON.stringify(config, null, 2));
    },
    run: (args, options) => runCli(args, { cwd: job.folder, env: job.env, ...options }),
    async sync(...args) {
      const { code, stdout, stderr } = await job.run(['run', '--json', ...args]);
      return { code, stderr, summary: parsed(stdout, stderr) };
    },
  } satisfies Partial<Job>);
}

function parsed(stdout: string, stderr: string): RunSummary {
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`no summary on stdout: ${stdout}\nstderr: ${stderr}`);
  }
}
