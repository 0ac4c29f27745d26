import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Entity } from '../../src/sync/entity.ts';
import { SyncError } from '../../src/sync/errors.ts';
import type { Column, Row, Source } from '../../src/sync/ports.ts';
import {
  entityOf,
  keysOf,
  MemoryDestination,
  MemoryLedger,
  memorySource,
  numberedRows,
  payloadsOf,
} from '../support/fakes.ts';
import { endOf, runOnce } from '../support/run-once.ts';

const sizes = (destination: MemoryDestination) => destination.sent.map((batch) => batch.keys.length);

test('rows that the ledger does not hold are sent once, in order, in batches of batchSize, for any mix', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { maxLength: 50 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 4 }),
      async (isTracked, batchSize, pageRows, concurrency) => {
        const rows = numberedRows(isTracked.length);
        const ledger = new MemoryLedger();
        for (const [index, key] of keysOf(rows).entries()) if (isTracked[index]) ledger.tracked.set(key, undefined);
        const pending = rows.filter((_, index) => !isTracked[index]);
        const entity = entityOf({ destination: { batchSize, concurrency } });
        const { destination, run, tally } = await runOnce({ rows, ledger, entity, options: { pageRows } });
        assert.deepEqual(await run, { state: 'done' });
        assert.deepEqual(
          destination.sent.flatMap((batch) => payloadsOf(batch).map((payload) => payload.id)),
          pending.map(([id]) => id),
        );
        assert.deepEqual(
          sizes(destination).slice(0, -1),
          Array(Math.max(0, sizes(destination).length - 1)).fill(batchSize),
        );
        assert.ok(destination.mostInFlight <= concurrency);
        assert.equal(ledger.tracked.size, rows.length);
        assert.equal(tally.accepted, pending.length);
        assert.equal(tally.tracked, rows.length - pending.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('a refused batch leaves its rows pending, and the next run sends exactly these', async () => {
  const rows = numberedRows(10);
  const refusing = new MemoryDestination((_, call) => (call === 2 ? 429 : undefined));
  const first = await runOnce({ rows, destination: refusing });
  await first.run;
  assert.deepEqual(first.tally.batches, { pending: 4, accepted: 3, refused: 1, unresolved: 0, split: 0 });
  assert.equal(first.tally.refused, 3);
  assert.match(first.tally.batchError ?? '', /429/);
  const second = await runOnce({ rows, ledger: first.ledger });
  await second.run;
  assert.deepEqual(
    second.destination.sent.map((batch) => batch.keys),
    [['4', '5', '6']],
  );
});

test('an unresolved batch is sent again first, byte for byte under its own id', async () => {
  const rows = numberedRows(5);
  const crashed = await runOnce({ rows });
  await crashed.run;
  const [reserved] = [...crashed.ledger.batches.values()];
  assert.ok(reserved);
  const ledger = new MemoryLedger();
  ledger.leave(reserved.batch);
  const next = await runOnce({ rows, ledger });
  await next.run;
  assert.equal(next.destination.sent[0], reserved.batch);
  assert.deepEqual(sizes(next.destination), [3, 2]);
  assert.equal(ledger.tracked.size, 5);
});

test('rows of a replay whose outcome stays unknown are in no new batch', async () => {
  const rows = numberedRows(5);
  const earlier = await runOnce({ rows: rows.slice(0, 3) });
  await earlier.run;
  const [batch] = earlier.destination.sent;
  assert.ok(batch);
  const ledger = new MemoryLedger();
  ledger.leave(batch);
  const destination = new MemoryDestination((sent) => (sent === batch ? 503 : undefined));
  const { run, tally } = await runOnce({ rows, ledger, destination });
  await run;
  assert.deepEqual(
    destination.sent.map(({ keys }) => keys),
    [batch.keys, ['4', '5'], batch.keys],
    'first of all, and once more at the end',
  );
  assert.deepEqual([tally.tracked, tally.unresolved, tally.accepted], [0, 3, 2]);
  assert.deepEqual([...ledger.tracked.keys()], ['4', '5']);
});

test('a row that cannot be mapped becomes a dead letter, and its neighbours go', async () => {
  const rows: Row[] = [
    [1, '10'],
    [2, 'no number'],
    [3, '30'],
  ];
  const entity = entityOf({ map: { Id: 'Id', Amount: { column: 'Name', as: 'number' } } });
  const { ledger, destination, tally, warnings, run } = await runOnce({ rows, entity });
  await run;
  assert.deepEqual(
    destination.sent.map((batch) => batch.keys),
    [['1', '3']],
  );
  assert.deepEqual([...ledger.deadLetters.keys()], ['2']);
  assert.equal(tally.newDeadLetters, 1);
  assert.doesNotMatch(warnings.join() + JSON.stringify([...ledger.deadLetters.values()]), /no number/);
  const again = await runOnce({ rows, entity, ledger });
  await again.run;
  assert.deepEqual([again.tally.newDeadLetters, again.tally.oldDeadLetters, again.tally.pending], [0, 1, 0]);
});

test('a payload larger than maxBatchBytes becomes a dead letter', async () => {
  const rows: Row[] = [
    [1, 'a'],
    [2, 'x'.repeat(500)],
    [3, 'c'],
  ];
  const { ledger, destination, run } = await runOnce({
    rows,
    entity: entityOf({ destination: { maxBatchBytes: 100 } }),
  });
  await run;
  assert.deepEqual(
    destination.sent.flatMap((batch) => batch.keys),
    ['1', '3'],
  );
  assert.match(ledger.deadLetters.get('2')?.reason ?? '', /maxBatchBytes/);
});

describe('text keys', () => {
  const columns: readonly Column[] = [{ name: 'Code', kind: 'text', sqlType: 'nvarchar(400)' }];
  const entity = entityOf({ source: { key: ['Code'] } });
  const source = (keys: readonly string[]) =>
    memorySource(
      keys.map((key) => [key]),
      columns,
    );

  test('a key that differs from a tracked one only in case is a dead letter, not a silent skip', async () => {
    const ledger = new MemoryLedger();
    ledger.tracked.set('abc', undefined);
    const { destination, run } = await runOnce({ source: source(['ABC', 'abc', 'x']), entity, ledger });
    await run;
    assert.deepEqual(
      destination.sent.flatMap((batch) => batch.keys),
      ['x'],
    );
    assert.deepEqual([...ledger.deadLetters.keys()], ['ABC']);
  });

  test('of neighbours that differ only in trailing spaces one is sent, the other a dead letter', async () => {
    const { ledger, destination, run } = await runOnce({ source: source(['a', 'a ', 'b']), entity });
    await run;
    assert.deepEqual(
      destination.sent.flatMap((batch) => batch.keys),
      ['a', 'b'],
    );
    assert.deepEqual([...ledger.deadLetters.keys()], ['a ']);
  });

  test('a key that collides with one of a batch that is not settled yet is a dead letter, pages later', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const destination = new MemoryDestination(() => promise);
    const keys = ['ABC', ...Array.from({ length: 5 }, (_, index) => `b${index}`), 'abc', 'x'];
    const { ledger, run } = await runOnce({ source: source(keys), entity, destination, options: { pageRows: 2 } });
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    assert.deepEqual([ledger.tracked.size, ledger.deadLetters.size], [0, 1], 'before anything is settled');
    resolve(undefined);
    await run;
    assert.deepEqual([...ledger.deadLetters.keys()], ['abc']);
    assert.deepEqual(
      destination.sent.flatMap((batch) => batch.keys),
      keys.filter((key) => key !== 'abc'),
    );
  });

  test('a key too long for the ledger is a dead letter', async () => {
    const { ledger, run } = await runOnce({ source: source(['k'.repeat(256)]), entity });
    await run;
    assert.match([...ledger.deadLetters.values()][0]?.reason ?? '', /longer than 255/);
  });
});

test('a GUID that the old job tracked in upper case counts as sent', async () => {
  const columns: readonly Column[] = [{ name: 'Id', kind: 'guid', sqlType: 'uniqueidentifier' }];
  const ledger = new MemoryLedger();
  ledger.tracked.set('6F9619FF-8B86-D011-B42D-00C04FC964FF', undefined);
  const source = memorySource([['6f9619ff-8b86-d011-b42d-00c04fc964ff']], columns);
  const { destination, tally, run } = await runOnce({ source, ledger });
  await run;
  assert.equal(destination.sent.length, 0);
  assert.equal(tally.tracked, 1);
});

test('a source smaller than minRows stops the entity before anything is sent', async () => {
  const entity = entityOf({ source: { minRows: 5 } });
  const { destination, run } = await runOnce({ rows: numberedRows(4), entity });
  await assert.rejects(run, { code: 'SOURCE_TOO_SMALL', message: /4 rows, fewer than minRows \(5\)/ });
  assert.equal(destination.sent.length, 0);
});

test('a log that cannot be searched for earlier successes is a warning, no failure', async () => {
  const ledger = new MemoryLedger();
  ledger.hasLoggedSuccess = () => Promise.reject(new SyncError('LOG_DATABASE_UNAVAILABLE', 'too slow', 'wait'));
  const { destination, warnings, run } = await runOnce({ rows: numberedRows(1), ledger });
  await run;
  assert.equal(destination.sent.length, 1);
  assert.match(warnings[0] ?? '', /could not be searched/);
});

test('a source that cannot be counted is sent all the same, without a total', async () => {
  const source = {
    ...memorySource(numberedRows(2)),
    count: async () => Promise.reject(new SyncError('SOURCE_UNAVAILABLE', 'too slow', 'wait')),
  };
  const totals: unknown[] = [];
  const observer = { entityStarted: (_: string, total: number | undefined) => totals.push(total) };
  const { destination, run } = await runOnce({ source, observer, options: { countRows: true } });
  await run;
  assert.deepEqual([sizes(destination), totals], [[2], [undefined]]);
});

test('an empty ledger beside logged successes is a warning before the first send', async () => {
  const ledger = new MemoryLedger();
  ledger.loggedSuccess = true;
  const { warnings, run } = await runOnce({ rows: numberedRows(1), ledger });
  await run;
  assert.match(warnings[0] ?? '', /TB_R_SYNC_TRACKING holds no row of User or Users/);
});

test('the time of sending goes on when batches are cut by bytes', async () => {
  const entity = entityOf({ destination: { batchSize: 100, maxBatchBytes: 45 }, map: { at: { sentAt: 'HHmmssfff' } } });
  const destination = new MemoryDestination(async () => {
    const start = Date.now();
    while (Date.now() === start) await new Promise(setImmediate);
    return undefined;
  });
  const { run } = await runOnce({ rows: numberedRows(40), entity, destination });
  await run;
  const times = new Set(destination.sent.flatMap((batch) => payloadsOf(batch).map((payload) => payload.at)));
  assert.ok(
    destination.sent.length > 15 && times.size > 10,
    `${times.size} times in ${destination.sent.length} batches`,
  );
});

test('--limit sends so many rows and says that it stopped', async () => {
  const { destination, run } = await runOnce({ rows: numberedRows(10), options: { limit: 4 } });
  assert.equal(await endOf(run), 'stopped');
  assert.deepEqual(sizes(destination), [3, 1]);
});

test('a dry run counts what it would send and stores nothing', async () => {
  const { ledger, destination, tally, run } = await runOnce({ rows: numberedRows(7), dryRun: true });
  assert.deepEqual(await run, { state: 'done' });
  assert.deepEqual([tally.pending, tally.batches.pending, tally.accepted], [7, 3, 0]);
  assert.deepEqual([destination.sent.length, ledger.batches.size], [0, 0]);
});

test('a stop ends after what is in flight, and nothing new is reserved', async () => {
  const stop = new AbortController();
  const destination = new MemoryDestination((_, call) => {
    if (call === 2) stop.abort('SIGINT');
    return undefined;
  });
  const { ledger, run } = await runOnce({ rows: numberedRows(30), destination, options: { stop: stop.signal } });
  assert.equal(await endOf(run), 'stopped');
  assert.equal(destination.sent.length, 2);
  assert.deepEqual(ledger.states(), ['accepted', 'accepted']);
});

test('a stop that leaves only the last batch behind is no end of the source', async () => {
  const stop = new AbortController();
  const destination = new MemoryDestination(async () => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    stop.abort('SIGINT');
    return undefined;
  });
  const { run } = await runOnce({ rows: numberedRows(6), destination, options: { stop: stop.signal } });
  assert.equal(await endOf(run), 'stopped');
  assert.equal(destination.sent.length, 1);
});

test('an abort leaves the batch in flight unresolved and records nothing of it', async () => {
  const stop = new AbortController();
  const abort = new AbortController();
  const destination = new MemoryDestination((_batch, _call, signal) => {
    stop.abort('SIGINT');
    abort.abort('SIGINT');
    return signal.aborted ? { error: 'aborted' } : undefined;
  });
  const options = { stop: stop.signal, abort: abort.signal };
  const { ledger, tally, run } = await runOnce({ rows: numberedRows(9), destination, options });
  assert.equal(await endOf(run), 'stopped');
  assert.deepEqual(ledger.states(), ['sending']);
  assert.deepEqual([tally.unresolved, tally.accepted, ledger.tracked.size], [3, 0, 0]);
});

test('an abort in the middle of a read stops the entity and is no failure of its own', async () => {
  const abort = new AbortController();
  const source: Source = {
    ...memorySource([]),
    page: (_after, _limit, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new SyncError('SOURCE_UNAVAILABLE', 'cancelled', '')));
        abort.abort('SIGHUP');
      }),
  };
  const { run } = await runOnce({ source, options: { stop: abort.signal, abort: abort.signal } });
  assert.equal(await endOf(run), 'stopped');
});

test('a slow destination holds the reading up: memory does not grow with the table', async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const destination = new MemoryDestination(() => promise);
  const source = memorySource(numberedRows(300));
  const entity = entityOf({ destination: { concurrency: 2 } });
  const { run } = await runOnce({ source, destination, entity, options: { pageRows: 3 } });
  for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
  // Two batches in flight, one that waits, one that is full, the page behind it and the one read ahead.
  assert.ok(source.reads <= 6, `${source.reads} pages were read while nothing was answered`);
  resolve(undefined);
  assert.deepEqual(await run, { state: 'done' });
});

test('a batch whose settle fails counts as unresolved and stops the entity', async () => {
  const ledger = new MemoryLedger();
  ledger.settle = async () => {
    throw new Error('log database gone');
  };
  const { destination, tally, run } = await runOnce({ rows: numberedRows(30), ledger });
  await assert.rejects(run, /log database gone/);
  // The second may be on its way while the first is settled.
  assert.ok(destination.sent.length <= 2);
  assert.equal(tally.unresolved, destination.sent.length * 3);
});

test('pages of whole rows are small where batches are, whose rows may be wide, and where the ledger is not asked', async () => {
  const limitsOf = async (batchSize: number, changes: Entity['changes'], tracked: number) => {
    const ledger = new MemoryLedger();
    for (const [id] of numberedRows(tracked)) ledger.tracked.set(String(id), undefined);
    const source = memorySource(numberedRows(3));
    const page = source.page.bind(source);
    const limits: number[] = [];
    source.page = (from, limit, signal, filter) => {
      limits.push(limit);
      return page(from, limit, signal, filter);
    };
    const { run } = await runOnce({ source, ledger, entity: entityOf({ changes, destination: { batchSize } }) });
    await run;
    return limits;
  };
  assert.deepEqual(await limitsOf(10, 'changed', 1), [500]);
  assert.deepEqual(await limitsOf(1000, 'changed', 1), [2000]);
  assert.deepEqual(await limitsOf(3000, 'changed', 1), [5000]);
  assert.deepEqual(await limitsOf(3000, 'new', 0), [500]);
  assert.deepEqual(await limitsOf(10, 'new', 1), [20_000], 'keys alone');
});
