/** In-memory ports for tests of sync/: a source, a ledger and a destination that keep what they were told. */
import type { DestinationConfig, Entity } from '../../src/sync/entity.ts';
import { keyText } from '../../src/sync/key.ts';
import type {
  Attempt,
  Batch,
  Column,
  DeadLetter,
  Destination,
  Doubt,
  KnownDeadLetter,
  Ledger,
  Outcome,
  Row,
  Source,
} from '../../src/sync/ports.ts';

/** Columns `Id int`, `Name nvarchar(50)`: what the fakes' rows have unless told otherwise. */
export const ID_AND_NAME: readonly Column[] = [
  { name: 'Id', kind: 'integer', sqlType: 'int' },
  { name: 'Name', kind: 'text', sqlType: 'nvarchar(50)' },
];

/** A destination without login, compression, TLS or retries, changed. */
export function destinationConfig(changes: Partial<DestinationConfig>): DestinationConfig {
  return {
    url: 'http://127.0.0.1/users',
    method: 'POST',
    auth: { type: 'none' },
    headers: {},
    batchSize: 3000,
    concurrency: 1,
    timeoutMs: 10_000,
    maxAttempts: 1,
    retryDelayMs: 1,
    maxRetryDelayMs: 1,
    maxFailedBatches: 100,
    maxIsolationCalls: 1000,
    serverErrorRuns: 3,
    idempotencyKeyTtlHours: 24,
    compression: 'none',
    idempotencyHeader: 'Idempotency-Key',
    allowInsecure: false,
    ...changes,
  };
}

/** An entity over `Id`, batches of 3, with the given changes. */
export function entityOf(changes: {
  destination?: Partial<Entity['destination']>;
  source?: Partial<Entity['source']>;
  map?: NonNullable<Entity['map']>;
}): Entity {
  return {
    name: 'Users',
    trackingLabels: ['User', 'Users'],
    timeZone: 'UTC',
    changes: 'new',
    ...(changes.map && { map: changes.map }),
    source: { connection: 'default', table: 'dbo.MDM_USER', key: ['Id'], ...changes.source },
    destination: destinationConfig({ batchSize: 3, timeoutMs: 1000, ...changes.destination }),
  };
}

/** Rows in the order given; pages by position of the key. */
export function memorySource(
  rows: readonly Row[],
  columns = ID_AND_NAME,
  keyIndexes = [0],
): Source & { reads: number } {
  const keyOf = (row: Row) => JSON.stringify(keyIndexes.map((index) => row[index]));
  return {
    reads: 0,
    describe: async () => columns,
    async page(from, limit) {
      this.reads += 1;
      const start = from === undefined ? 0 : rows.findIndex((row) => keyOf(row) === JSON.stringify(from));
      return rows.slice(start, start + limit);
    },
    count: async (atMost = rows.length) => Math.min(atMost, rows.length),
  };
}

/** A batch as MemoryLedger keeps it. */
interface StoredBatch {
  readonly batch: Batch;
  state: 'sending' | 'accepted' | 'refused' | 'split';
  doubt: Doubt;
  readonly createdAt: Date;
  readonly outcomes: Outcome[];
}

/** A ledger in memory that refuses what a real one would: settling what was not reserved, reserving twice. */
export class MemoryLedger implements Ledger {
  readonly tracked = new Map<string, Uint8Array | undefined>();
  readonly batches = new Map<string, StoredBatch>();
  readonly deadLetters = new Map<string, DeadLetter & { state: KnownDeadLetter['state'] }>();
  loggedSuccess = false;
  maxRows: number | undefined;

  async isEmpty() {
    return this.tracked.size === 0;
  }
  async hasLoggedSuccess() {
    return this.loggedSuccess;
  }
  async maxBatchRows() {
    return this.maxRows;
  }
  async find(keys: readonly string[]) {
    const fold = (key: string) => key.trimEnd().toLowerCase();
    const folded = new Map([...this.tracked].map(([key, hash]) => [fold(key), { key, hash }]));
    return keys.flatMap((key, index) => {
      const entry = folded.get(fold(key));
      return entry === undefined ? [] : [{ index, key: entry.key, ...(entry.hash && { hash: entry.hash }) }];
    });
  }
  async findDeadLetters(keys: readonly string[]) {
    return keys.flatMap((key, index) => {
      const letter = this.deadLetters.get(key);
      return letter ? [{ index, state: letter.state, ...(letter.hash && { hash: letter.hash }) }] : [];
    });
  }
  async *unresolved() {
    const sending = [...this.batches.values()].filter(({ state }) => state === 'sending');
    for (const { batch, doubt, createdAt } of sending.sort((a, b) => a.outcomes.length - b.outcomes.length))
      yield { batch, createdAt, doubt };
  }
  async reserve(batch: Batch) {
    this.leave(batch);
  }
  /** A batch as a run that was killed leaves it. */
  leave(batch: Batch, doubt: Doubt = { refusedRuns: 0, serverErrorRuns: 0 }, createdAt = new Date()) {
    if (this.batches.has(batch.id)) throw new Error('reserved twice');
    this.batches.set(batch.id, { batch, state: 'sending', doubt, createdAt, outcomes: [] });
  }
  async settle(batch: Batch, outcome: Outcome, letters: readonly DeadLetter[]) {
    const stored = this.#sending(batch);
    if (outcome.state !== 'accepted' && outcome.state !== 'refused') throw new Error(`settled as ${outcome.state}`);
    stored.state = outcome.state;
    stored.outcomes.push(outcome);
    const refused = new Set(letters.map(({ key }) => key));
    for (const [index, key] of batch.keys.entries()) {
      if (outcome.state !== 'accepted' || refused.has(key)) continue;
      if (this.tracked.has(key)) throw new Error(`sent twice: ${key}`);
      this.tracked.set(key, batch.hashes.subarray(index * 16, index * 16 + 16));
      this.deadLetters.delete(key);
    }
    return this.deadLetter(letters);
  }
  async rememberMaxBatchRows(rows: number | undefined) {
    this.maxRows = rows;
  }
  async split(batch: Batch, outcome: Outcome, halves: readonly Batch[]) {
    const stored = this.#sending(batch);
    stored.state = 'split';
    stored.outcomes.push(outcome);
    for (const half of halves) this.leave(half);
  }
  async keepUnknown(batch: Batch, outcome: Outcome, doubt: Doubt) {
    const stored = this.#sending(batch);
    stored.doubt = doubt;
    stored.outcomes.push(outcome);
  }
  async deadLetter(letters: readonly DeadLetter[]) {
    const before = this.deadLetters.size;
    for (const letter of letters) this.deadLetters.set(letter.key, { ...letter, state: 'waiting' });
    return this.deadLetters.size - before;
  }
  /** The states of all batches, in the order in which they were reserved. */
  states() {
    return [...this.batches.values()].map(({ state }) => state);
  }
  #sending({ id }: Batch): StoredBatch {
    const stored = this.batches.get(id);
    if (stored?.state !== 'sending') throw new Error('ended what is not in flight');
    return stored;
  }
}

/** What a destination in memory answers: a status, nothing for a 200, or more of an Attempt. */
export type MemoryAnswer = number | undefined | Omit<Attempt, 'startedAt' | 'durationMs'>;
type Answer = (batch: Batch, call: number, signal: AbortSignal) => MemoryAnswer | Promise<MemoryAnswer>;

/** A destination whose answers come from `answer`. Keeps what it was sent. */
export class MemoryDestination implements Destination {
  readonly sent: Batch[] = [];
  mostInFlight = 0;
  closed = false;
  #inFlight = 0;
  readonly #answer: Answer;

  constructor(answer: Answer = () => undefined) {
    this.#answer = answer;
  }
  async attempt(batch: Batch, signal: AbortSignal): Promise<Attempt> {
    this.#inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    this.sent.push(batch);
    const answer = (await this.#answer(batch, this.sent.length, signal)) ?? 200;
    this.#inFlight -= 1;
    return { startedAt: new Date(), durationMs: 1, ...(typeof answer === 'number' ? answered(answer) : answer) };
  }
  async close() {
    this.closed = true;
  }
}

function answered(status: number): Pick<Attempt, 'status' | 'error'> {
  return status < 300 ? { status } : { status, error: `HTTP ${status}` };
}

/** What the receiver's side of a batch says, parsed. */
export function payloadsOf(batch: Batch): Record<string, unknown>[] {
  return JSON.parse(Buffer.from(batch.body).toString());
}

/** `count` rows of ID_AND_NAME with ids from 1. */
export function numberedRows(count: number): Row[] {
  return Array.from({ length: count }, (_, index) => [index + 1, `name ${index + 1}`]);
}

/** Key text of rows of ID_AND_NAME. */
export function keysOf(rows: readonly Row[]): string[] {
  return rows.map((row) => keyText([row[0] ?? null], ID_AND_NAME.slice(0, 1)) ?? 'NULL');
}
