/** Configurations for tests: a directory with files, and a small sound configuration. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { SyncError } from '../../src/sync/errors.ts';

/** A sound configuration of one entity, deep enough to be changed by tests. */
export function smallConfig() {
  return {
    connections: {
      main: 'Server=db.example;Database=MDM;User ID=sync;Password=${env:DB_PASSWORD}' as unknown,
    } as Record<string, unknown>,
    log: { connection: 'main' } as Record<string, unknown>,
    destination: { baseUrl: 'https://api.example/v1' } as Record<string, unknown>,
    entities: [entity()] as Record<string, unknown>[],
  } as Record<string, unknown> & {
    connections: Record<string, unknown>;
    destination: Record<string, unknown>;
    entities: Record<string, unknown>[];
  };
}

/** One sound entity. */
export function entity(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: 'Users',
    source: { connection: 'main', table: 'dbo.MDM_USER', key: 'Id' },
    destination: { url: '/users' },
    map: { Code: 'Id' },
    ...changes,
  };
}

/** A directory of its own for one test, with these files in it. */
export async function directoryWith(t: TestContext, files: Record<string, string | Uint8Array>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tamhr-sync-config-'));
  t.after(() => rm(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content, { mode: 0o600 });
  return directory;
}

/** Variables that smallConfig needs. */
export const ENV = { DB_PASSWORD: 'db-password-1' };

/** Loads a configuration tree, written as sync.config.json, with ENV and further variables. */
export async function load(
  t: TestContext,
  tree: unknown,
  { env = {}, files = {} }: { env?: Record<string, string>; files?: Record<string, string> } = {},
): Promise<Config> {
  const cwd = await directoryWith(t, { 'sync.config.json': JSON.stringify(tree), ...files });
  return loadConfig({ cwd, env: { ...ENV, ...env } });
}

/** The lines of the problems that a configuration is refused for, each `path: text`. */
export async function problemsOf(
  t: TestContext,
  tree: unknown,
  options: { env?: Record<string, string>; files?: Record<string, string> } = {},
): Promise<string[]> {
  const error = await errorOf(load(t, tree, options));
  return error.message
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
}

/** The SyncError that a promise is rejected with; throws where it is not. */
export async function errorOf(promise: Promise<unknown>): Promise<SyncError> {
  const outcome = await promise.then(
    () => 'a sound configuration',
    (error: unknown) => error,
  );
  if (outcome instanceof SyncError) return outcome;
  throw outcome instanceof Error ? outcome : new Error(`expected an error, found ${outcome}`);
}
