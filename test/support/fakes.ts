/** In-memory ports for tests of sync/: a source, a ledger and a destination that keep what they were told. */
import type { DestinationConfig, Entity } from '../../src/sync/entity.ts';
import { keyText } from '../../src/sync/key.ts';
import type {
  Attempt,
  Batch,
  Column,
  DeadLetter,
  Destination,
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

/** A destination without login, compression or TLS, changed. */
export function destinationConfig(changes: Partial<DestinationConfig>): DestinationConfig {
  return {
    url: 'http://127.0.0.1/users',
    method: 'POST',
    auth: { type: 'none' },
    headers: {},
    batchSize: 3000,
    concurrency: 1,
    timeoutMs: 10_000,
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

/** A ledger in memory that refuses what a real one would: settling what was not reserved, reserving twice. */
export class MemoryLedger implements Ledger {
  readonly tracked = new Map<string, Uint8Array | undefined>();
  readonly batches = new Map<string, { batch: Batch; state: 'sending' | 'accepted' | 'refused' }>();
  readonly deadLetters = new Map<string, DeadLetter>();
  loggedSuccess = false;

  async isEmpty() {
    return this.tracked.size === 0;
  }
  async hasLoggedSuccess() {
    return this.loggedSuccess;
  }
  async find(keys: readonly string[]) {
    const fold = (key: string) => key.trimEnd().toLowerCase();
    const folded = new Map([...this.tracked].map(([key, hash]) => [fold(key), { key, hash }]));
    return keys.flatMap((key, index) => {
      const entry = folded.get(fold(key));
      return entry === undefined ? [] : [{ index, key: entry.key, ...(entry.hash && { hash: entry.hash }) }];
    });
  }
  async *unresolved() {
    for (const { batch, state } of [...this.batches.values()]) if (state === 'sending') yield batch;
  }
  async reserve(batch: Batch) {
    if (this.batches.has(batch.id)) throw new Error('reserved twice');
    this.batches.set(batch.id, { batch, state: 'sending' });
  }
  async settle(batch: Batch, outcome: Outcome) {
    const stored = this.batches.get(batch.id);
    if (stored?.state !== 'sending' || outcome.state === 'aborted') throw new Error('settled what is not in flight');
    stored.state = outcome.state;
    if (outcome.state === 'refused') return;
    for (const [index, key] of batch.keys.entries()) {
      if (this.tracked.has(key)) throw new Error(`sent twice: ${key}`);
      this.tracked.set(key, batch.hashes.subarray(index * 16, index * 16 + 16));
    }
  }
  async deadLetter(letters: readonly DeadLetter[]) {
    const before = this.deadLetters.size;
    for (const letter of letters) this.deadLetters.set(letter.key, letter);
    return this.deadLetters.size - before;
  }
}

type Answer = (batch: Batch, call: number, signal: AbortSignal) => string | undefined | Promise<string | undefined>;

/** A destination whose answers come from `answer`: the error's text, or undefined for a 200. Keeps what it was sent. */
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
    const error = await this.#answer(batch, this.sent.length, signal);
    this.#inFlight -= 1;
    return { startedAt: new Date(), durationMs: 1, ...(error === undefined ? { status: 200 } : { error }) };
  }
  async close() {
    this.closed = true;
  }
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
