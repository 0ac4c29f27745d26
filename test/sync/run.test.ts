import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entity } from '../../src/sync/entity.ts';
import { SyncError } from '../../src/sync/errors.ts';
import type { EntityLock, LockHolder, LogDatabase, RunObserver, RunSummary, Source } from '../../src/sync/ports.ts';
import { type RunOptions, run } from '../../src/sync/run.ts';
import { entityOf, MemoryDestination, MemoryLedger, memorySource, numberedRows } from '../support/fakes.ts';

const START = { runId: 'run-1', host: 'h', processId: 1, version: '0', arguments: 'run' };
const unreachable = () => new SyncError('LOG_DATABASE_UNAVAILABLE', 'gone', 'look');

/** A log database in memory that keeps what a run told it. */
class MemoryLogDatabase implements LogDatabase {
  readonly told: string[] = [];
  readonly ledgers = new Map<string, MemoryLedger>();
  readonly lost = new AbortController();
  readonly held = new Map<string, LockHolder>();
  finished: { state: string; exitCode: number; summary: RunSummary } | undefined;

  ledgerOf(name: string): MemoryLedger {
    const ledger = this.ledgers.get(name) ?? new MemoryLedger();
    this.ledgers.set(name, ledger);
    return ledger;
  }
  async startRun() {
    this.told.push('start');
  }
  async finishRun(_runId: string, state: 'finished' | 'aborted', exitCode: number, summary: RunSummary) {
    this.told.push('finish');
    this.finished = { state, exitCode, summary };
  }
  async lock({ name }: { name: string }): Promise<EntityLock | { heldBy: LockHolder }> {
    const heldBy = this.held.get(name);
    if (heldBy) return { heldBy };
    this.told.push(`lock ${name}`);
    return {
      ledger: this.ledgerOf(name),
      lost: this.lost.signal,
      release: async () => void this.told.push(`release ${name}`),
    };
  }
  readOnlyLedger({ name }: { name: string }) {
    return this.ledgerOf(name);
  }
  async close() {}
}

interface Setting {
  names?: readonly string[];
  entities?: readonly Entity[];
  database?: MemoryLogDatabase;
  sources?: Readonly<Record<string, Source>>;
  destination?: MemoryDestination;
  observer?: RunObserver;
  options?: Partial<RunOptions>;
}

async function runWith(setting: Setting) {
  const database = setting.database ?? new MemoryLogDatabase();
  const destination = setting.destination ?? new MemoryDestination();
  const never = new AbortController().signal;
  const entities = setting.entities ?? (setting.names ?? ['A', 'B']).map((name): Entity => ({ ...entityOf({}), name }));
  const summary = await run(
    START,
    entities,
    {
      logDatabase: database,
      source: ({ name }) => setting.sources?.[name] ?? memorySource(numberedRows(4)),
      destination: () => destination,
      observer: setting.observer ?? {},
    },
    {
      dryRun: false,
      countRows: false,
      resolveOnly: false,
      tryBatchSize: false,
      full: false,
      confirmSourceChange: false,
      resendUnknown: false,
      maxRetries: 100,
      stop: never,
      abort: never,
      ...setting.options,
    },
  );
  return { database, destination, summary, states: summary.entities.map(({ state }) => state) };
}

const failing = (error: SyncError): Source => ({ ...memorySource([]), describe: () => Promise.reject(error) });

describe('run', () => {
  it('takes the entities in order, each under its lock, and stores start and end', async () => {
    const { database, destination, summary } = await runWith({});
    assert.deepEqual(database.told, ['start', 'lock A', 'release A', 'lock B', 'release B', 'finish']);
    assert.deepEqual([summary.exitCode, database.finished?.state, database.finished?.exitCode], [0, 'finished', 0]);
    assert.deepEqual(database.finished?.summary, summary);
    assert.equal(destination.closed, true);
  });

  it('goes on with the next entity after one that fails, and gives its lock back', async () => {
    const missing = new SyncError('SOURCE_MISSING', 'no table', 'create it');
    const { database, states, summary } = await runWith({ sources: { A: failing(missing) } });
    assert.deepEqual([states, summary.exitCode], [['failed', 'done'], 1]);
    assert.deepEqual(summary.entities[0]?.error, { code: 'SOURCE_MISSING', message: 'no table', hint: 'create it' });
    assert.ok(database.told.includes('release A'));
  });

  it('tries the next entity after one that the log database failed, and ends with 69 where it failed all', async () => {
    const database = new MemoryLogDatabase();
    database.ledgerOf('A').reserve = () => Promise.reject(unreachable());
    const { states, summary } = await runWith({ database });
    assert.deepEqual([states, summary.exitCode], [['failed', 'done'], 1]);
    assert.equal((await runWith({ database, names: ['A'] })).summary.exitCode, 69);
  });

  it('passes over an entity that another run holds, and says who it is', async () => {
    const database = new MemoryLogDatabase();
    const since = new Date('2026-11-23T20:00:00Z');
    database.held.set('A', { runId: 'run-0', host: 'other', processId: 7, since });
    const { states, summary } = await runWith({ database });
    assert.deepEqual([states, summary.exitCode], [['locked', 'done'], 1]);
    assert.match(summary.entities[0]?.error?.message ?? '', /run-0 on other \(process 7\).*since 2026-11-23T20:00/);
    assert.equal((await runWith({ database, names: ['A'] })).summary.exitCode, 75);
  });

  it('starts no batch once the connection of the lock is gone, and fails the entity', async () => {
    const database = new MemoryLogDatabase();
    const destination = new MemoryDestination(() => {
      database.lost.abort();
      return undefined;
    });
    const sources = { A: memorySource(numberedRows(30)) };
    const { states, summary } = await runWith({ names: ['A'], database, destination, sources });
    assert.deepEqual([states, summary.exitCode, destination.sent.length], [['failed'], 1, 1]);
    assert.match(summary.entities[0]?.error?.message ?? '', /held its lock was closed/);
  });

  it('leaves an entity that had come to its end done, though the connection of its lock was lost meanwhile', async () => {
    const database = new MemoryLogDatabase();
    const destination = new MemoryDestination(() => {
      database.lost.abort();
      return undefined;
    });
    const sources = { A: memorySource(numberedRows(2)) };
    const { states } = await runWith({ names: ['A'], database, destination, sources });
    assert.deepEqual(states, ['done']);
  });

  it('ends after a signal with its code, as aborted, without the entities that it did not come to', async () => {
    const stop = new AbortController();
    const destination = new MemoryDestination(() => {
      stop.abort('SIGTERM');
      return undefined;
    });
    const { database, states, summary } = await runWith({ destination, options: { stop: stop.signal } });
    assert.deepEqual([states, summary.exitCode, database.finished?.state], [['stopped'], 143, 'aborted']);
  });

  it('ends with 69 and a warning when its end cannot be stored, its summary whole', async () => {
    const database = new MemoryLogDatabase();
    database.finishRun = () => Promise.reject(unreachable());
    const warnings: string[] = [];
    const { summary } = await runWith({ database, observer: { runWarning: (text) => warnings.push(text) } });
    assert.deepEqual([summary.exitCode, summary.entities.length], [69, 2]);
    assert.match(warnings.join(), /could not be stored/);
  });

  it('stores nothing and takes no lock in a dry run', async () => {
    const { database, destination, summary } = await runWith({ options: { dryRun: true } });
    assert.deepEqual([database.told, destination.sent.length, summary.exitCode], [[], 0, 0]);
    assert.deepEqual([summary.entities[0]?.pending, summary.entities[0]?.batches.pending], [4, 2]);
  });

  it('lets an error that nobody expected through, after giving the lock back and storing the run as aborted', async () => {
    const database = new MemoryLogDatabase();
    const source = { ...memorySource([]), describe: () => Promise.reject(new TypeError('bug')) };
    await assert.rejects(runWith({ database, sources: { A: source } }), /bug/);
    assert.deepEqual(database.told, ['start', 'lock A', 'release A', 'finish']);
    assert.deepEqual([database.finished?.state, database.finished?.exitCode], ['aborted', 70]);
  });

  it('begins nothing after the deadline, says of each entity that it was left, and ends with 1', async () => {
    const deadline = new Date(Date.now() + 20);
    const waiting = new MemoryDestination(async (_batch, call) => {
      // A timer that was set later and is due later comes after the deadline's, however slow the machine is.
      if (call === 1) await sleep(Math.max(0, deadline.getTime() - Date.now()) + 20);
      return undefined;
    });
    const { summary, database } = await runWith({
      names: ['A', 'B'],
      sources: { A: memorySource(numberedRows(30)) },
      destination: waiting,
      options: { deadline },
    });
    assert.deepEqual(
      summary.entities.map(({ state, stoppedBy, accepted }) => [state, stoppedBy, accepted]),
      [
        ['stopped', 'deadline', 3],
        ['stopped', 'deadline', 0],
      ],
    );
    assert.deepEqual([summary.exitCode, database.finished?.state], [1, 'finished']);
    assert.ok((summary.entities[0]?.left ?? 0) > 0);
  });

  it('leaves an entity whose endpoint failed for the one before it, and goes on with other endpoints', async () => {
    const down = new MemoryDestination((_, call) => (call === 1 ? 429 : undefined));
    const entities = ['A', 'B', 'C'].map((name): Entity => {
      const url = `http://127.0.0.1/${name === 'C' ? 'other' : 'same'}`;
      return { ...entityOf({ destination: { url, maxFailedBatches: 1 } }), name };
    });
    const { summary } = await runWith({ entities, destination: down });
    assert.deepEqual(
      summary.entities.map(({ state, stoppedBy, read }) => [state, stoppedBy, read > 0]),
      [
        ['stopped', 'breaker', true],
        ['stopped', 'breaker', false],
        ['done', undefined, true],
      ],
    );
  });

  it('spends no more retries than maxRetries, whichever entity needs them', async () => {
    const failing = new MemoryDestination(() => 429);
    const entities = ['A', 'B'].map((name): Entity => {
      const url = `http://127.0.0.1/${name}`;
      return { ...entityOf({ destination: { url, maxAttempts: 3, maxFailedBatches: 1 } }), name };
    });
    await runWith({ entities, destination: failing, options: { maxRetries: 3 } });
    assert.equal(failing.sent.length, 2 + 3);
  });
});
