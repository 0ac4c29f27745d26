/** An installation for tests of `tamhr-sync ledger`: a job whose log database is migrated, commands run inside this process. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before } from 'node:test';
import { type InProcessOptions, runInProcess } from '../../fault/in-process.ts';
import { assertMeetsSchema } from '../../report/schema.ts';
import type { CliResult } from '../../support/cli.ts';
import { type Job, useJob } from '../../support/job.ts';
import { type TestSqlServer, type TestSqlServerOptions, useSqlServer } from '../../support/sqlserver.ts';

/** A job and what the tests do with its ledger. Usable inside tests and hooks that come after. */
export interface LedgerJob {
  readonly server: TestSqlServer;
  readonly job: Job;
  /** Runs `tamhr-sync ledger` with these arguments. */
  ledger(args: readonly string[], options?: Partial<InProcessOptions>): Promise<CliResult>;
  /** The same with --json: its document, which must meet its schema, and its exit code. */
  // biome-ignore lint/suspicious/noExplicitAny: each command has its own document
  document(...args: string[]): Promise<{ code: number | null; stderr: string; document: any }>;
  /** `run --json`: accepted rows, and the exit code. */
  sync(...args: string[]): Promise<{ code: number | null; accepted: number }>;
  /** Rows of the ledger, sorted: `User 42 hash` or `User 42 -`. */
  tracked(): Promise<string[]>;
  /** Writes a file into the job's folder, and returns its name. */
  file(name: string, content: string | Uint8Array): Promise<string>;
}

/** Sets it up for the tests of the calling file (or `describe`), and takes it away after them. */
export function useLedger(seed: TestSqlServerOptions['seed']): LedgerJob {
  const server = useSqlServer(seed ? { seed } : {});
  const job = useJob(server);
  const inProcess = async (args: readonly string[], options: Partial<InProcessOptions> = {}) => {
    const { stderr, ...result } = await runInProcess(args, { cwd: job.folder, env: job.env, ...options });
    // The stand-in's certificate is nobody's affair here.
    return { ...result, stderr: stderr.replace(/^warning: connection .*certificate is not verified.*\n/m, '') };
  };
  before(async () => {
    assert.equal((await inProcess(['migrate'])).code, 0);
  });
  return {
    server,
    job,
    ledger: (args, options) => inProcess(['ledger', ...args], options),
    async document(...args) {
      const { code, stdout, stderr } = await inProcess(['ledger', ...args, '--json']);
      assert.notEqual(stdout, '', stderr);
      const document: unknown = JSON.parse(stdout);
      assertMeetsSchema(`ledger-${args[0]}`, document);
      return { code, stderr, document };
    },
    async sync(...args) {
      const { code, stdout, stderr } = await inProcess(['run', '--json', ...args]);
      assert.notEqual(stdout, '', stderr);
      const { entities } = JSON.parse(stdout) as { entities: { accepted: number }[] };
      return { code, accepted: entities.reduce((sum, { accepted }) => sum + accepted, 0) };
    },
    async tracked() {
      const rows = await server.query(
        'log',
        'SELECT EntityType, EntityId, CASE WHEN RowHash IS NULL THEN 0 ELSE 1 END AS Hashed FROM dbo.TB_R_SYNC_TRACKING',
      );
      return rows
        .map(({ EntityType, EntityId, Hashed }) => `${EntityType} ${EntityId} ${Hashed ? 'hash' : '-'}`)
        .sort();
    },
    async file(name, content) {
      await writeFile(join(job.folder, name), content);
      return name;
    },
  };
}

/** Holds the lock of an entity as a run does, until the returned function is called. */
export async function holdLock(server: TestSqlServer, entityType: string): Promise<() => Promise<void>> {
  const holder = await server.connect('log');
  await holder.batch(
    `EXEC sp_getapplock @Resource = N'tamhr-sync:${entityType}', @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = 0`,
  );
  return () => holder.close();
}
