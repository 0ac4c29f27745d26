/** In-memory ports for tests of sync/: a source, a ledger and a destination that keep what they were told. */
import { withoutWatermark } from '../../src/sync/comparison.ts';
import type { DestinationConfig, Entity } from '../../src/sync/entity.ts';
import { hashAt, sameHash } from '../../src/sync/hash.ts';
import { keyText } from '../../src/sync/key.ts';
import {
  type Attempt,
  type Batch,
  type ChosenDetection,
  type Column,
  type Comparison,
  DELETION_HASH,
  type DeadLetter,
  type Destination,
  type Doubt,
  type KnownDeadLetter,
  type Ledger,
  type LedgerRow,
  type Outcome,
  type PageFilter,
  type Row,
  type Source,
  type Watermark,
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
  changes?: Entity['changes'];
  deleted?: NonNullable<Entity['deleted']>;
  maxDeletePercent?: number;
}): Entity {
  return {
    name: 'Users',
    trackingLabels: ['User', 'Users'],
    timeZone: 'UTC',
    changes: changes.changes ?? 'new',
    detection: { method: 'auto', overlapMinutes: 120 },
    reconcileEvery: 7,
    maxDeletePercent: changes.maxDeletePercent ?? 10,
    ...(changes.map && { map: changes.map }),
    ...(changes.deleted && { deleted: changes.deleted }),
    source: { connection: 'default', table: 'dbo.MDM_USER', key: ['Id'], ...changes.source },
    destination: destinationConfig({ batchSize: 3, timeoutMs: 1000, ...changes.destination }),
  };
}

/** What a source in memory knows of changes: the version of each row, and the highest there is. */
export interface MemoryVersions {
  readonly of: (row: Row) => number;
  readonly current: () => number;
}

/** Rows in the order given (the list may change between runs); pages by position of the key. */
export function memorySource(
  rows: readonly Row[],
  columns = ID_AND_NAME,
  keyIndexes = [0],
  versions?: MemoryVersions,
): Source & { reads: number; keyReads: number; lookups: number } {
  const keyOf = (row: Row) => keyIndexes.map((index) => row[index] ?? null);
  const textOf = (key: Row) => JSON.stringify(key);
  return {
    reads: 0,
    keyReads: 0,
    lookups: 0,
    location: 'memory',
    describe: async () => columns,
    async page(from: Row | undefined, limit: number, _signal: AbortSignal, { shape, since }: PageFilter) {
      this.reads += 1;
      if (shape === 'key') this.keyReads += 1;
      const start = from === undefined ? 0 : rows.findIndex((row) => textOf(keyOf(row)) === textOf(from));
      const isSince = (row: Row) => since === undefined || (versions?.of(row) ?? 0) >= numberOf(since.from);
      const found = rows.slice(start).filter(isSince).slice(0, limit);
      return shape === 'key' ? found.map(keyOf) : found;
    },
    async eachRow(from, limit, signal, filter, take) {
      for (const row of await this.page(from, limit, signal, filter)) take(row);
      return true;
    },
    async lookup(keys, shape) {
      this.lookups += keys.length;
      const byKey = new Map(rows.map((row) => [textOf(keyOf(row)), row]));
      return keys.flatMap((key, index) => {
        const row = byKey.get(textOf(key));
        return row === undefined ? [] : [{ index, row: shape === 'key' ? keyOf(row) : row }];
      });
    },
    count: async (atMost = rows.length) => Math.min(atMost, rows.length),
    async detection(): Promise<ChosenDetection> {
      if (versions === undefined) return { why: 'there are no versions' };
      return { incremental: { method: 'rowversion', column: 'Version' }, why: 'there are versions' };
    },
    watermark: async () => versions && watermarkOf(versions.current()),
  };
}

/** A number as eight bytes that sort as it does. */
export function watermarkOf(value: number): Watermark {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function numberOf(watermark: Watermark): number {
  return Number(Buffer.from(watermark).readBigUInt64BE());
}

/** A batch as MemoryLedger keeps it. */
interface StoredBatch {
  readonly batch: Batch;
  state: 'sending' | 'accepted' | 'refused' | 'split';
  doubt: Doubt;
  readonly createdAt: Date;
  readonly outcomes: Outcome[];
}

/** As the ledger's collation compares. */
function fold(key: string): string {
  return key.trimEnd().toLowerCase();
}

/** A ledger in memory that refuses what a real one would: settling what was not reserved, reserving twice. */
export class MemoryLedger implements Ledger {
  readonly tracked = new Map<string, Uint8Array | undefined>();
  readonly batches = new Map<string, StoredBatch>();
  readonly deadLetters = new Map<string, DeadLetter & { state: KnownDeadLetter['state'] }>();
  loggedSuccess = false;
  maxRows: number | undefined;
  compared: Comparison = {};

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
  async dueDeadLetters(after: string | undefined, limit: number) {
    const due = [...this.deadLetters.values()].filter(({ state }) => state === 'due').map(({ key }) => key);
    return due
      .sort()
      .filter((key) => after === undefined || key > after)
      .slice(0, limit);
  }
  async page(after: string | undefined, limit: number): Promise<LedgerRow[]> {
    const keys = [...this.tracked.keys()].sort().filter((key) => after === undefined || key > after);
    return keys.slice(0, limit).map((key) => {
      const hash = this.tracked.get(key);
      return { key, ...(hash && { hash }) };
    });
  }
  async count() {
    return this.tracked.size;
  }
  async eachKey(take: (key: string) => void, _signal?: AbortSignal) {
    for (const key of this.tracked.keys()) take(key);
  }
  async comparison() {
    return this.compared;
  }
  async rememberComparison(comparison: Comparison) {
    this.compared = comparison;
  }
  async dropDeadLetters(keys: readonly string[]) {
    for (const key of keys) this.deadLetters.delete(key);
  }
  async takeHashes(rows: readonly Required<LedgerRow>[]) {
    for (const { key, hash } of rows) {
      if (!this.tracked.has(key) || this.tracked.get(key)) throw new Error(`has no row without a hash: ${key}`);
      this.tracked.set(key, hash);
    }
  }
  async *unresolved() {
    const sending = [...this.batches.values()].filter(({ state }) => state === 'sending');
    for (const { batch, doubt, createdAt } of sending.sort((a, b) => a.outcomes.length - b.outcomes.length))
      yield { batch, createdAt, doubt };
  }
  async reserve(batch: Batch) {
    this.leave(batch);
  }
  async withdraw(batch: Batch) {
    this.#sending(batch);
    this.batches.delete(batch.id);
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
      // Its deletion may have been done although it was refused.
      const mayBeGone = sameHash(this.deadLetters.get(key)?.hash, DELETION_HASH);
      this.deadLetters.delete(key);
      if (batch.operation === 'delete') {
        const tracked = [...this.tracked.keys()].filter((other) => fold(other) === fold(key));
        if (tracked.length === 0) throw new Error(`deleted twice: ${key}`);
        for (const other of tracked) this.tracked.delete(other);
        continue;
      }
      const hash = hashAt(batch.hashes, index);
      if (!mayBeGone && sameHash(this.tracked.get(key), hash)) throw new Error(`sent twice: ${key}`);
      this.tracked.set(key, hash);
    }
    const isReleased = outcome.state === 'refused' && letters.length < batch.keys.length;
    if (isReleased && batch.operation === 'upsert') this.compared = withoutWatermark(this.compared);
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

/** Refuses every batch that holds one of these keys. */
export function refusing(bad: ReadonlySet<string>, answer: MemoryAnswer = 422): MemoryDestination {
  return new MemoryDestination((batch) => (batch.keys.some((key) => bad.has(key)) ? answer : undefined));
}

/** Rows of each batch that it got, in order. */
export function sizesOf(destination: MemoryDestination): number[] {
  return destination.sent.map((batch) => batch.keys.length);
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
