/** Broken configurations and connection strings, as `config validate` and a dry run meet them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CliResult } from '../support/cli.ts';
import { misbehaviour, runInProcess } from './in-process.ts';
import { mutateBytes, mutateJson } from './mutate.ts';
import type { Random } from './random.ts';

/** What came of broken input. */
export interface FuzzReport {
  readonly tried: number;
  /** How many of them were sound nevertheless. */
  readonly sound: number;
  /** What must never be, a sentence each. */
  readonly problems: readonly string[];
}

/** Where the configurations are tried: an installation whose shipped configuration is sound. */
export interface Installation {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Tries `count` configurations, JSON and YAML; those that are sound, and name the same servers, in a dry run as well. */
export async function fuzzConfigurations(count: number, random: Random, place: Installation): Promise<FuzzReport> {
  const shipped = await readFile(new URL('../../sync.config.json', import.meta.url));
  const tree = JSON.parse(shipped.toString());
  const full = withEverything(tree);
  await requireSound(place, place.env, JSON.stringify(full));
  return fuzz(count, place, async () => {
    const isTree = random.chance(0.6);
    const mutated = isTree ? mutateJson(full, random) : undefined;
    const text = isTree ? (JSON.stringify(mutated, null, 1) ?? '') : mutateBytes(shipped, random);
    const file = random.chance(0.8) ? 'fuzz.json' : 'fuzz.yaml';
    await writeFile(join(place.folder, file), text);
    const reachesServers = isTree && reaches(mutated, full);
    return { args: ['--config', file], env: place.env, input: String(text), dryRun: reachesServers };
  });
}

/** Tries `count` connection strings, all of one configuration. */
export async function fuzzConnectionStrings(count: number, random: Random, place: Installation): Promise<FuzzReport> {
  for (const sound of CONNECTION_STRINGS) await requireSound(place, { ...place.env, TAMHR_ESS_CONNECTION: sound });
  return fuzz(count, place, async () => {
    const text = mutateBytes(Buffer.from(random.pick(CONNECTION_STRINGS)), random).toString(
      random.pick(['utf8', 'latin1']),
    );
    return { args: [], env: { ...place.env, TAMHR_ESS_CONNECTION: text }, input: text, dryRun: false };
  });
}

const CONNECTION_STRINGS: readonly string[] = [
  'Server=tcp:10.1.2.3,1433;Database=TAMHR_MDM;User Id=tamhr_sync;Password="p;w=""d";Encrypt=True;TrustServerCertificate=True',
  "Data Source=db.example\\SQL2012;Initial Catalog='TAMHR';Persist Security Info=True;Uid=DOM\\sync;Pwd='it''s';Connect Timeout=30",
  'server=localhost;database=x;integrated security=false;UID=u;PWD=p;MultipleActiveResultSets=true;Application Name=a==b',
  'Address=[::1],14330;Initial Catalog=x;Network Library=dbmssocn;User=u;Password={a}b};Encrypt=Strict',
];

/** Input that is broken from the start would be refused for that, and nothing behind it would be tried. */
async function requireSound({ folder }: Installation, env: Installation['env'], config?: string): Promise<void> {
  const args = config === undefined ? [] : ['--config', 'fuzz.json'];
  if (config !== undefined) await writeFile(join(folder, 'fuzz.json'), config);
  const { code, stderr } = await runInProcess([...args, 'config', 'validate'], { cwd: folder, env });
  if (code !== 0) throw new Error(`not sound before it is changed: ${stderr}`);
}

interface Case {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
  readonly dryRun: boolean;
}

async function fuzz(count: number, { folder }: Installation, next: () => Promise<Case>): Promise<FuzzReport> {
  const problems: string[] = [];
  let sound = 0;
  for (let tried = 0; tried < count; tried += 1) {
    const { args, env, input, dryRun } = await next();
    const run = async (...command: string[]) => {
      const { code, problem } = await outcomeOf(runInProcess([...args, ...command], { cwd: folder, env }));
      if (problem !== undefined)
        problems.push(`${command.join(' ')}: ${problem.slice(0, 500)}\n${input.slice(0, 500)}`);
      return code;
    };
    if ((await run('config', 'validate')) !== 0) continue;
    sound += 1;
    await run('config', 'print');
    if (dryRun) await run('run', '--dry-run', '--limit', '5');
  }
  return { tried: count, sound, problems };
}

async function outcomeOf(running: Promise<CliResult>): Promise<{ code?: number | null; problem?: string | undefined }> {
  return running.then(
    (result) => ({ code: result.code, problem: misbehaviour(result) }),
    (error: unknown) => ({ problem: `main() threw ${error}` }),
  );
}

/** The shipped configuration with more of what there is, so that it is changed, too. */
function withEverything(shipped: Record<string, unknown> & { entities: Record<string, unknown>[] }): unknown {
  const [users] = shipped.entities;
  return {
    ...shipped,
    connections: {
      ...(shipped.connections as object),
      spare: { server: 'db.example', database: 'X', user: 'u', password: '${env:TAMHR_API_KEY}', encrypt: 'strict' },
    },
    logging: { level: 'warn', format: 'json' },
    run: { maxDurationMinutes: 60, maxRetries: 10 },
    destination: {
      ...(shipped.destination as object),
      headers: { 'X-Tenant': 'a' },
      compression: 'gzip',
      maxAttempts: 2,
      retryDelayMs: 10,
      requestsPerSecond: 2.5,
      idempotencyKeyTtlHours: 24,
      rejectedRows: { pointer: '/errors', index: '/index', reason: '/reason' },
      proxy: 'http://u:p@proxy.example:3128',
      noProxy: '127.0.0.1,.example',
    },
    entities: [
      {
        ...users,
        destination: { url: '/users?tenant=a', auth: { type: 'basic', user: 'u', password: 'p' }, maxBatchBytes: 9999 },
        source: { ...(users?.source as object), where: 'IsActive = 1', minRows: 1 },
        changes: 'mirror',
        detection: { method: 'hash' },
        reconcileEvery: 30,
        deleted: { url: '/users-deleted', method: 'PUT', map: { Code: 'Id', At: { sentAt: 'yyyy-MM-dd' } } },
        maxDeletePercent: 50,
      },
      { ...shipped.entities[1], changes: 'mirror', deleted: { url: '/actualorg/{key}' } },
      {
        ...shipped.entities[4],
        changes: 'changed',
        detection: { method: 'modifiedAt', column: 'ModifiedOn', overlapMinutes: 5 },
      },
    ],
  };
}

function reaches(mutated: unknown, original: unknown): boolean {
  const connections = (tree: unknown) => JSON.stringify((tree as { connections?: unknown } | null)?.connections);
  return connections(mutated) === connections(original);
}
