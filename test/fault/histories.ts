/**
 * Random histories on real parts: a source table that changes between and in the middle of runs, a receiver that fails, runs
 * that are cut off, maps and modes that change. At the end the receiver must hold what the entity's mode promises, and have
 * been sent nothing that it held already. test/sync/changes-model.test.ts does the same in memory, with more kinds of harm.
 */
import { EventEmitter } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Answer, type Call, type Receiver, startReceiver } from '../../dev/receiver.ts';
import { misbehaviour, runInProcess } from './in-process.ts';

/** The server as a history needs it: a stand-in, or a real one. */
export interface HistoryServer {
  connectionString(database: 'mdm' | 'log'): string;
  execute(database: 'mdm' | 'log', sql: string): Promise<unknown>;
}

/** How an entity of a history is configured; `mode` may change in the middle where it is `any`. */
export interface HistoryKind {
  readonly mode: 'new' | 'changed' | 'mirror' | 'any';
  readonly detection: 'hash' | 'rowversion' | 'modifiedAt';
}

/** All there are. */
export const HISTORY_KINDS: readonly HistoryKind[] = (['new', 'changed', 'mirror', 'any'] as const).flatMap((mode) =>
  (['hash', 'rowversion', 'modifiedAt'] as const)
    // Keys alone know no detection.
    .filter((detection) => mode !== 'new' || detection === 'hash')
    .map((detection) => ({ mode, detection })),
);

/** A change of the source. The receiver refuses rows of the name `bad`. */
type Change = { readonly id: number; readonly name?: string };

/** What happens to one request of a run. */
type Harm = 'not taken, 503' | 'taken, 503' | 'taken, reset' | '429' | '401' | 'run cut off' | 'taken, run cut off';

type Step =
  | { readonly what: 'change'; readonly change: Change }
  | { readonly what: 'mode'; readonly mode: 'new' | 'changed' | 'mirror' }
  | { readonly what: 'map'; readonly constant: number }
  | {
      readonly what: 'run';
      /** By the request's number in the run; the others go well. */
      readonly harm: readonly (Harm | undefined)[];
      /** Made while that request is in flight. */
      readonly meanwhile: readonly (Change | undefined)[];
      readonly limit?: number;
    };

/** A history; `perRow`: each deletion is a call of its own. */
export interface History {
  readonly steps: readonly Step[];
  readonly perRow: boolean;
  readonly concurrency: number;
}

const IDS = 12;
const change: fc.Arbitrary<Change> = fc.record(
  { id: fc.integer({ min: 1, max: IDS }), name: fc.constantFrom('Ani', 'Budi', 'Citra', 'bad') },
  { requiredKeys: ['id'] },
);
const harm = fc.constantFrom<Harm>(
  'not taken, 503',
  'taken, 503',
  'taken, reset',
  '429',
  '401',
  'run cut off',
  'taken, run cut off',
);
const few = <T>(one: fc.Arbitrary<T>) => fc.array(fc.option(one, { nil: undefined }), { maxLength: 4 });

/** Histories of this kind. */
export function histories({ mode }: HistoryKind): fc.Arbitrary<History> {
  const run = fc.record(
    {
      what: fc.constant('run' as const),
      harm: few(harm),
      meanwhile: few(change),
      limit: fc.integer({ min: 1, max: 5 }),
    },
    { requiredKeys: ['what', 'harm', 'meanwhile'] },
  );
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ what: fc.constant('change' as const), change }) },
    { weight: 5, arbitrary: run },
    {
      weight: 1,
      arbitrary: fc.record({ what: fc.constant('map' as const), constant: fc.integer({ min: 1, max: 3 }) }),
    },
    {
      weight: mode === 'any' ? 2 : 0,
      arbitrary: fc.record({
        what: fc.constant('mode' as const),
        mode: fc.constantFrom('new' as const, 'changed' as const, 'mirror' as const),
      }),
    },
  );
  return fc.record({
    steps: fc.array(step, { minLength: 3, maxLength: 24 }),
    perRow: fc.boolean(),
    concurrency: fc.integer({ min: 1, max: 3 }),
  });
}

/** A bench on which one history is lived after the other. */
export interface HistoryBench {
  /** Lives it; what is wrong with its end, a sentence each. */
  live(kind: HistoryKind, history: History): Promise<string[]>;
  close(): Promise<void>;
}

/** Creates the source table and what a job needs, in databases that are empty. */
export async function createHistoryBench(server: HistoryServer): Promise<HistoryBench> {
  const isVersioned = await server
    .execute(
      'mdm',
      `CREATE TABLE dbo.PERSON (Id uniqueidentifier NOT NULL PRIMARY KEY, Name nvarchar(50) NULL,
         ModifiedOn datetime2(3) NOT NULL, Version rowversion)`,
    )
    .then(() => server.execute('mdm', 'SELECT MIN_ACTIVE_ROWVERSION() AS Version'))
    .then(
      () => true,
      () => false,
    );
  if (!isVersioned) {
    await server.execute('mdm', `IF OBJECT_ID(N'dbo.PERSON') IS NOT NULL DROP TABLE dbo.PERSON`);
    await server.execute(
      'mdm',
      `CREATE TABLE dbo.PERSON (Id uniqueidentifier NOT NULL PRIMARY KEY, Name nvarchar(50) NULL, ModifiedOn datetime2(3) NOT NULL)`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-history-'));
  const state: { onCall: (call: Call) => void } = { onCall: () => {} };
  const receiver = await startReceiver({
    idempotency: true,
    keepBodies: true,
    deletions: { '/people-deleted': '/people' },
    refuse: (row, path) => (path === '/people' && row.Name === 'bad' ? 'this row is refused by itself' : undefined),
    onCall: (call) => state.onCall(call),
  });
  const life = { server, receiver, folder, state };
  await writeConfiguration(life, { mode: 'new', detection: 'hash' }, { constant: 1, perRow: false, concurrency: 1 });
  const migrated = await runInProcess(['migrate'], { cwd: folder });
  if (migrated.code !== 0) throw new Error(`migrate failed: ${migrated.stderr}`);
  return {
    // Where the server knows no rowversions, the same histories are compared by hash.
    live: (kind, history) =>
      live(life, isVersioned || kind.detection !== 'rowversion' ? kind : { ...kind, detection: 'hash' }, history),
    async close() {
      await receiver.close();
      await rm(folder, { recursive: true });
    },
  };
}

interface Life {
  readonly server: HistoryServer;
  readonly receiver: Receiver;
  readonly folder: string;
  readonly state: { onCall: (call: Call) => void };
}

interface Settings {
  readonly constant: number;
  readonly perRow: boolean;
  readonly concurrency: number;
}

async function live({ server, receiver, folder, state }: Life, kind: HistoryKind, history: History): Promise<string[]> {
  await clear(server, receiver);
  const problems: string[] = [];
  const rows = new Map<string, string>();
  /** As the receiver holds them: what is sent although it is held is told of. */
  const held = new Map<string, string>();
  state.onCall = (call) => {
    if (call.taken === 0) return;
    for (const row of rowsIn(call)) {
      const code = String(row.Code);
      const payload = JSON.stringify([row.Name, row.Constant]);
      if (call.deletesFrom !== undefined) held.delete(code);
      else {
        if (held.get(code) === payload) problems.push(`${code} was sent although it was held`);
        held.set(code, payload);
      }
    }
  };
  const apply = async ({ id, name }: Change) => {
    const key = keyOf(id);
    await server.execute('mdm', changeStatement(key, name, rows.has(key)));
    if (name === undefined) rows.delete(key);
    else rows.set(key, name);
  };

  let mode = kind.mode === 'any' ? 'new' : kind.mode;
  let constant = 1;
  const sync = async ({ harm, meanwhile, limit }: Omit<Extract<Step, { what: 'run' }>, 'what'>) => {
    await writeConfiguration(
      { server, receiver, folder },
      { mode, detection: kind.detection },
      { constant, ...history },
    );
    const signals = new EventEmitter();
    let calls = 0;
    receiver.respond((_call, requested) => {
      const during = meanwhile[calls];
      const planned = harm[calls];
      calls += 1;
      const held = during === undefined ? undefined : { hold: apply(during) };
      return { ...held, ...(planned && answerTo(planned, requested, signals)) };
    });
    const args = ['run', '--quiet', ...(limit === undefined ? [] : ['--limit', String(limit)])];
    const result = await runInProcess(args, { cwd: folder, signals });
    receiver.respond(() => undefined);
    const misbehaved = misbehaviour(result);
    if (misbehaved !== undefined) problems.push(misbehaved);
    return result;
  };

  for (const step of history.steps) {
    if (step.what === 'change') await apply(step.change);
    else if (step.what === 'mode') mode = step.mode;
    else if (step.what === 'map') constant = step.constant;
    else await sync(step);
  }
  // Nothing goes wrong any more: an unresolved batch with a bad row takes two runs to be refused, and what it held goes in a third.
  for (let last = 0; last < 4; last++) {
    await runInProcess(['failures', 'retry'], { cwd: folder });
    const before = receiver.calls().length;
    await sync({ harm: [], meanwhile: [] });
    if (receiver.calls().length === before) break;
  }
  return [...problems, ...differences(mode, rows, receiver.holds('/people'), constant)];
}

/** What the receiver holds otherwise than the mode promises. */
function differences(
  mode: string,
  rows: ReadonlyMap<string, string>,
  holds: ReturnType<Receiver['holds']>,
  constant: number,
): string[] {
  const problems: string[] = [];
  for (const [key, name] of rows) {
    if (name === 'bad') continue;
    const row = holds.get(key);
    if (row === undefined) problems.push(`${key} was lost`);
    else if (mode !== 'new' && (row.Name !== name || row.Constant !== constant)) problems.push(`${key} is stale`);
  }
  if (mode !== 'mirror') return problems;
  const left = [...holds.keys()].filter((key) => !rows.has(key));
  return [...problems, ...left.map((key) => `${key} should have been deleted`)];
}

function answerTo(harm: Harm, rows: readonly Record<string, unknown>[], signals: EventEmitter): Answer {
  // Of a request with a bad row nothing is taken.
  const take = harm.startsWith('taken') && !rows.some(({ Name }) => Name === 'bad');
  switch (harm) {
    case 'not taken, 503':
    case 'taken, 503':
      return { status: 503, take };
    case 'taken, reset':
      return { send: 'reset', take };
    case '429':
    case '401':
      return { status: Number(harm), take };
    case 'run cut off':
    case 'taken, run cut off':
      setImmediate(() => {
        signals.emit('SIGINT', 'SIGINT');
        signals.emit('SIGINT', 'SIGINT');
      });
      return { send: 'none', take };
  }
}

/** GUIDs whose order as SQL Server sorts them is not that of their text. */
function keyOf(id: number): string {
  const hex = id.toString(16).padStart(2, '0');
  return `${hex}0000aa-00${hex}-4000-8000-0000000000${(IDS - id).toString(16).padStart(2, '0')}`;
}

function changeStatement(key: string, name: string | undefined, exists: boolean): string {
  if (name === undefined) return `DELETE FROM dbo.PERSON WHERE Id = '${key}'`;
  return exists
    ? `UPDATE dbo.PERSON SET Name = N'${name}', ModifiedOn = SYSUTCDATETIME() WHERE Id = '${key}'`
    : `INSERT INTO dbo.PERSON (Id, Name, ModifiedOn) VALUES ('${key}', N'${name}', SYSUTCDATETIME())`;
}

function rowsIn({ body, method, path }: Call): readonly Record<string, unknown>[] {
  if (method === 'DELETE') return [{ Code: decodeURIComponent(path.split('/').at(-1) ?? '') }];
  return JSON.parse(body ?? '[]');
}

async function clear(server: HistoryServer, receiver: Receiver): Promise<void> {
  await server.execute('mdm', 'DELETE FROM dbo.PERSON');
  for (const table of ['TRACKING', 'BATCH', 'FAILURE', 'ENTITY', 'RUN']) {
    await server.execute('log', `DELETE FROM dbo.TB_R_SYNC_${table}`);
  }
  receiver.clear();
}

async function writeConfiguration(
  { server, receiver, folder }: Pick<Life, 'server' | 'receiver' | 'folder'>,
  { mode, detection }: { readonly mode: string; readonly detection: HistoryKind['detection'] },
  { constant, perRow, concurrency }: Settings,
): Promise<void> {
  const connection = (database: 'mdm' | 'log') => ({
    connectionString: server.connectionString(database),
    retryForMs: 200,
  });
  const config = {
    connections: { mdm: connection('mdm'), log: connection('log') },
    log: { connection: 'log' },
    destination: {
      baseUrl: receiver.url,
      batchSize: 3,
      concurrency,
      maxAttempts: 1,
      retryDelayMs: 1,
      maxRetryDelayMs: 1,
    },
    entities: [
      {
        name: 'People',
        trackingLabels: ['Person', 'People'],
        source: { connection: 'mdm', table: 'dbo.PERSON', key: 'Id' },
        destination: { url: '/people' },
        changes: mode,
        detection:
          detection === 'modifiedAt'
            ? { method: detection, column: 'ModifiedOn', overlapMinutes: 0 }
            : { method: detection },
        maxDeletePercent: 100,
        deleted: perRow ? { url: '/people/{key}' } : { url: '/people-deleted', map: { Code: 'Id' } },
        map: { Code: 'Id', Name: 'Name', Constant: { const: constant }, SentAt: { sentAt: 'yyyy-MM-dd HH:mm:ss.fff' } },
      },
    ],
  };
  await writeFile(join(folder, 'sync.config.json'), JSON.stringify(config));
}
