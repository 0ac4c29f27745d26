/**
 * Random histories of a source – rows inserted, updated, deleted, committed late, between and in the middle of runs – and of
 * runs with faults, changed maps and modes, in memory: whatever happened, the destination ends up holding what the entity's
 * mode promises, and is sent nothing that it holds already.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Entity } from '../../src/sync/entity.ts';
import { SyncError } from '../../src/sync/errors.ts';
import type { Batch, Row } from '../../src/sync/ports.ts';
import {
  entityOf,
  type MemoryAnswer,
  MemoryDestination,
  MemoryLedger,
  memorySource,
  payloadsOf,
} from '../support/fakes.ts';
import { runOnce } from '../support/run-once.ts';

/** A change of the source's. `bad` rows are refused by the destination. */
type Change =
  | { readonly what: 'put'; readonly id: number; readonly name: string; readonly late?: boolean }
  | { readonly what: 'remove'; readonly id: number }
  | { readonly what: 'commit' };

/** What the destination does with an attempt: `take` it or not, and what it answers. */
type Fault = { readonly take: boolean; readonly answer: MemoryAnswer | 'kill'; readonly turns?: number };

type Step =
  | { readonly what: 'change'; readonly change: Change }
  | {
      readonly what: 'run';
      /** By the attempt's number; the others go well. */
      readonly faults: readonly (Fault | undefined)[];
      /** Changes while an attempt is in flight. */
      readonly meanwhile: readonly (Change | undefined)[];
      readonly limit?: number;
      readonly full: boolean;
    }
  | { readonly what: 'mode'; readonly changes: Entity['changes'] }
  | { readonly what: 'map'; readonly constant: number }
  | { readonly what: 'retry' };

const id = fc.integer({ min: 1, max: 12 });
const concurrency = fc.integer({ min: 1, max: 3 });
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record(
      {
        what: fc.constant('put' as const),
        id,
        name: fc.constantFrom('a', 'b', 'c', 'bad'),
        late: fc.boolean(),
      },
      { requiredKeys: ['what', 'id', 'name'] },
    ),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('remove' as const), id }) },
  { weight: 1, arbitrary: fc.constant({ what: 'commit' as const }) },
);
const fault: fc.Arbitrary<Fault> = fc.constantFrom<Fault>(
  { take: false, answer: 503 },
  { take: true, answer: 503 },
  { take: true, answer: { error: 'reset' } },
  { take: false, answer: { error: 'refused', notSent: true } },
  { take: false, answer: 429 },
  { take: false, answer: 401 },
  { take: false, answer: 'kill' },
  { take: true, answer: 'kill' },
  { take: true, answer: undefined, turns: 3 },
  { take: true, answer: undefined, turns: 20 },
  { take: true, answer: 503, turns: 3 },
);
const step = (modes: readonly Entity['changes'][]): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ what: fc.constant('change' as const), change }) },
    {
      weight: 6,
      arbitrary: fc.record(
        {
          what: fc.constant('run' as const),
          faults: fc.array(fc.option(fault, { nil: undefined }), { maxLength: 6 }),
          meanwhile: fc.array(fc.option(change, { nil: undefined }), { maxLength: 6 }),
          limit: fc.integer({ min: 1, max: 5 }),
          full: fc.boolean(),
        },
        { requiredKeys: ['what', 'faults', 'meanwhile', 'full'] },
      ),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('mode' as const), changes: fc.constantFrom(...modes) }) },
    {
      weight: 1,
      arbitrary: fc.record({ what: fc.constant('map' as const), constant: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 2, arbitrary: fc.constant({ what: 'retry' as const }) },
  );

/** A source, a ledger and a destination through all of a history. */
class World {
  readonly rows: Row[] = [];
  readonly ledger = new MemoryLedger();
  /** Key → name and constant, as the destination holds it. */
  readonly held = new Map<number, { name: string; constant: number }>();
  readonly #taken = new Set<string>();
  readonly #versions = new Map<number, number>();
  readonly #open: { version: number; apply: () => void }[] = [];
  readonly #isIncremental: boolean;
  #lastVersion = 0;
  changes: Entity['changes'];
  constant = 1;
  readonly concurrency: number;
  needless: string[] = [];

  constructor(changes: Entity['changes'], isIncremental: boolean, concurrency: number) {
    this.changes = changes;
    this.concurrency = concurrency;
    this.#isIncremental = isIncremental;
  }

  change(change: Change): void {
    if (change.what === 'commit') this.#open.shift()?.apply();
    else if (change.what === 'remove') this.#remove(change.id);
    else {
      this.#lastVersion += 1;
      const version = this.#lastVersion;
      const apply = () => {
        this.#remove(change.id);
        this.#versions.set(change.id, version);
        const at = this.rows.findIndex(([other]) => (other as number) > change.id);
        this.rows.splice(at < 0 ? this.rows.length : at, 0, [change.id, change.name]);
      };
      // Of a row that is locked by a transaction, no other can be changed.
      const isLocked = this.#open.length > 0;
      if (change.late && !isLocked) this.#open.push({ version, apply });
      else apply();
    }
  }

  #remove(id: number): void {
    const at = this.rows.findIndex(([other]) => other === id);
    if (at >= 0) this.rows.splice(at, 1);
  }

  async run({ faults, meanwhile, limit, full }: Omit<Step & { what: 'run' }, 'what'>): Promise<unknown> {
    const destination = new MemoryDestination(async (batch, call) => {
      const during = meanwhile[call - 1];
      if (during !== undefined) this.change(during);
      const { take, answer, turns = 0 } = faults[call - 1] ?? { take: true, answer: undefined };
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      const isBad = batch.operation === 'upsert' && payloadsOf(batch).some(({ name }) => name === 'bad');
      const isKnown = this.#taken.has(batch.id);
      if (take && !isBad && !isKnown) this.#take(batch);
      if (answer === 'kill') throw new Error('killed');
      return isBad && !isKnown && (answer === undefined || take) ? 422 : answer;
    });
    const versions = {
      of: (row: Row) => this.#versions.get(row[0] as number) ?? 0,
      current: () => this.#open[0]?.version ?? this.#lastVersion + 1,
    };
    const entity = entityOf({
      changes: this.changes,
      map: { id: 'Id', name: 'Name', constant: { const: this.constant } },
      deleted: { url: 'http://127.0.0.1/users-deleted', method: 'POST', map: { id: 'Id' } },
      maxDeletePercent: 100,
      destination: { batchSize: 3, maxFailedBatches: 2, concurrency: this.concurrency },
    });
    const { run, tally } = await runOnce({
      source: memorySource(this.rows, undefined, undefined, this.#isIncremental ? versions : undefined),
      ledger: this.ledger,
      destination,
      entity,
      options: { pageRows: 4, full, ...(limit !== undefined && { limit }) },
    });
    await run.catch((error) => {
      if (error.message !== 'killed' && !(error instanceof SyncError)) throw error;
    });
    return tally;
  }

  #take(batch: Batch): void {
    this.#taken.add(batch.id);
    for (const payload of payloadsOf(batch)) {
      const { id, name, constant } = payload as { id: number; name: string; constant: number };
      if (batch.operation === 'delete') this.held.delete(id);
      else {
        const before = this.held.get(id);
        if (before?.name === name && before.constant === constant) this.needless.push(`${id} ${name} ${constant}`);
        this.held.set(id, { name, constant });
      }
    }
  }

  retryLetters(): void {
    for (const letter of this.ledger.deadLetters.values()) letter.state = 'due';
  }

  /** Nothing goes wrong any more, until nothing is unresolved. */
  async settleDown(): Promise<void> {
    while (this.#open.length > 0) this.change({ what: 'commit' });
    for (let runs = 0; runs < 4; runs++) {
      this.retryLetters();
      await this.run({ faults: [], meanwhile: [], full: false });
    }
  }
}

function check(world: World): void {
  const goodRows = world.rows.filter(([, name]) => name !== 'bad') as [number, string][];
  for (const [id, name] of goodRows) {
    const held = world.held.get(id);
    assert.ok(held, `row ${id} was lost`);
    if (world.changes !== 'new') assert.deepEqual(held, { name, constant: world.constant }, `row ${id} is stale`);
  }
  if (world.changes !== 'mirror') return;
  const ids = new Set(world.rows.map(([id]) => id as number));
  for (const id of world.held.keys()) assert.ok(ids.has(id), `row ${id} should be gone`);
}

async function live(world: World, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.what === 'change') world.change(step.change);
    else if (step.what === 'mode') world.changes = step.changes;
    else if (step.what === 'map') world.constant = step.constant;
    else if (step.what === 'retry') world.retryLetters();
    else await world.run(step);
  }
  await world.settleDown();
  check(world);
  assert.deepEqual(world.needless, [], 'sent although the destination held them');
}

const RUNS = Number(process.env.TAMHR_TEST_HISTORIES ?? 150);

describe('whatever happens to source, runs, map and mode, the destination ends up right', () => {
  for (const changes of ['new', 'changed', 'mirror'] as const) {
    for (const isIncremental of [false, true]) {
      test(`changes ${changes}, ${isIncremental ? 'by watermark' : 'by hash'}`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(step([changes]), { maxLength: 25 }), concurrency, (steps, concurrency) =>
            live(new World(changes, isIncremental, concurrency), steps),
          ),
          { numRuns: RUNS },
        );
      });
    }
  }
  for (const isIncremental of [false, true]) {
    test(`changing modes, ${isIncremental ? 'by watermark' : 'by hash'}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step(['new', 'changed', 'mirror']), { maxLength: 25 }),
          concurrency,
          (steps, concurrency) => live(new World('new', isIncremental, concurrency), steps),
        ),
        { numRuns: RUNS },
      );
    });
  }
});
