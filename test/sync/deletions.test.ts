import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DELETION_HASH, type Row } from '../../src/sync/ports.ts';
import type { EntityOptions } from '../../src/sync/run-entity.ts';
import { entityOf, MemoryDestination, MemoryLedger, memorySource, numberedRows, payloadsOf } from '../support/fakes.ts';
import { runOnce } from '../support/run-once.ts';

const deleted = {
  url: 'http://127.0.0.1/users-deleted',
  method: 'POST',
  map: { Code: 'Id', Gone: { const: true } },
} as const;
const perRow = { url: 'http://127.0.0.1/users/{key}', method: 'DELETE' } as const;
const mirror = (changes: Parameters<typeof entityOf>[0] = {}) => entityOf({ changes: 'mirror', deleted, ...changes });

interface Setting {
  readonly entity?: ReturnType<typeof entityOf>;
  readonly destination?: MemoryDestination;
  readonly options?: Partial<EntityOptions>;
  readonly dryRun?: boolean;
}

/** A run of a mirror whose ledger held `before`, over the rows `now`. */
async function mirrored(before: readonly Row[], now: readonly Row[], setting: Setting = {}) {
  const first = await runOnce({ rows: before, entity: mirror() });
  await first.run;
  const second = await runOnce({ rows: now, ledger: first.ledger, entity: mirror(), ...setting });
  await second.run;
  return second;
}

const twenty = numberedRows(20);

test('rows that are gone are deleted in batches, and leave the ledger', async () => {
  const { destination, ledger, tally } = await mirrored(twenty, twenty.slice(0, 18));
  assert.deepEqual(
    destination.sent.map((batch) => [batch.operation, payloadsOf(batch)]),
    [
      [
        'delete',
        [
          { Code: 19, Gone: true },
          { Code: 20, Gone: true },
        ],
      ],
    ],
  );
  assert.equal(ledger.tracked.size, 18);
  assert.deepEqual([tally.deletions, tally.deleted, tally.pending, tally.accepted], [2, 2, 2, 2]);
});

test('with the key in the URL each row is a call of its own', async () => {
  const { destination } = await mirrored(twenty, twenty.slice(2), { entity: mirror({ deleted: perRow }) });
  assert.deepEqual(
    destination.sent.map(({ keys }) => keys),
    [['1'], ['2']],
  );
});

test('a row that comes back is sent again', async () => {
  const { ledger } = await mirrored(twenty, twenty.slice(1));
  const { destination, run } = await runOnce({ rows: twenty, ledger, entity: mirror() });
  await run;
  assert.deepEqual(
    destination.sent.map(({ operation, keys }) => [operation, keys]),
    [['upsert', ['1']]],
  );
});

describe('the guard', () => {
  test('deletes nothing where more than maxDeletePercent would go', async () => {
    const { destination, ledger, tally, warnings } = await mirrored(twenty, twenty.slice(3));
    assert.deepEqual(destination.sent, []);
    assert.equal(ledger.tracked.size, 20);
    assert.deepEqual([tally.heldDeletions, tally.deletions], [3, 0]);
    assert.match(warnings.join(), /3 of 20 tracked rows .* maxDeletePercent \(10\).*--max-delete-percent 15/);
  });

  test('lets exactly that many go', async () => {
    assert.equal((await mirrored(twenty, twenty.slice(2))).tally.deleted, 2);
  });

  test('lets an emptied source go where it is allowed', async () => {
    const { tally } = await mirrored(twenty, [], { entity: mirror({ maxDeletePercent: 100 }) });
    assert.equal(tally.deleted, 20);
  });

  test('holds in a dry run, too', async () => {
    const { tally } = await mirrored(twenty, [], { dryRun: true });
    assert.deepEqual([tally.heldDeletions, tally.deletions], [20, 0]);
  });
});

describe('the guard, when the source', () => {
  test('is emptied between the count and the sending, lets no more go than was counted', async () => {
    const { ledger } = await mirrored(twenty, twenty);
    const rows = twenty.slice(1);
    const source = memorySource(rows);
    let lookups = 0;
    const emptied: typeof source = {
      ...source,
      async lookup(...asked) {
        lookups += 1;
        return lookups === 1 ? source.lookup(...asked) : [];
      },
    };
    const { destination, tally, warnings, run } = await runOnce({ source: emptied, ledger, entity: mirror() });
    await run;
    assert.deepEqual(destination.sent, []);
    assert.equal(tally.heldDeletions, 20);
    assert.match(warnings.join(), /more rows are missing .* than when they were counted/);
  });

  test('is smaller than minRows by then, lets none go', async () => {
    const { ledger } = await mirrored(twenty, twenty);
    const source = memorySource(twenty.slice(1));
    let counts = 0;
    const shrinking: typeof source = {
      ...source,
      async count() {
        counts += 1;
        return counts === 1 ? 19 : 0;
      },
    };
    const entity = mirror({ source: { minRows: 10 } });
    await assert.rejects((await runOnce({ source: shrinking, ledger, entity })).run, { code: 'SOURCE_TOO_SMALL' });
    assert.equal(ledger.tracked.size, 20);
  });

  test('lacks rows whose deletion was refused, does not count these', async () => {
    const { ledger } = await mirrored(twenty, twenty);
    for (const key of ['1', '2']) {
      ledger.deadLetters.set(key, { key, reason: 'refused', state: 'discarded', hash: DELETION_HASH });
    }
    const { tally, run } = await runOnce({ rows: twenty.slice(4), ledger, entity: mirror() });
    await run;
    assert.deepEqual([tally.deleted, tally.heldDeletions], [2, 0]);
  });
});

describe('a source that has changed', () => {
  const moved = mirror({ source: { where: 'Id < 20' } });

  test('deletes nothing until it is confirmed', async () => {
    const { destination, tally, warnings, ledger } = await mirrored(twenty, twenty.slice(0, 19), { entity: moved });
    assert.deepEqual(destination.sent, []);
    assert.equal(tally.heldDeletions, 1);
    assert.match(warnings.join(), /where or key of the source has changed.*--confirm-source-change/);
    const confirmed = await runOnce({
      rows: twenty.slice(0, 19),
      ledger,
      entity: moved,
      options: { confirmSourceChange: true },
    });
    await confirmed.run;
    assert.equal(confirmed.tally.deleted, 1);
    const next = await runOnce({ rows: twenty.slice(0, 18), ledger, entity: moved });
    await next.run;
    assert.equal(next.tally.deleted, 1);
  });

  test('is confirmed by itself where no row is missing', async () => {
    const { ledger } = await mirrored(twenty, twenty, { entity: moved });
    const next = await runOnce({ rows: twenty.slice(1), ledger, entity: moved });
    await next.run;
    assert.equal(next.tally.deleted, 1);
  });

  test('does not become confirmed in another mode', async () => {
    const { ledger } = await mirrored(twenty, twenty.slice(0, 19), {
      entity: entityOf({ changes: 'changed', source: { where: 'Id < 20' } }),
    });
    const next = await runOnce({ rows: twenty.slice(0, 19), ledger, entity: moved });
    await next.run;
    assert.equal(next.tally.heldDeletions, 1);
  });
});

describe('what the destination answers', () => {
  test('404 and 410 to one row count as done, and are told of', async () => {
    const destination = new MemoryDestination((_, call) => (call === 1 ? 404 : 410));
    const { tally, ledger, warnings } = await mirrored(twenty, twenty.slice(2), {
      entity: mirror({ deleted: perRow }),
      destination,
    });
    assert.equal(tally.deleted, 2);
    assert.equal(ledger.tracked.size, 18);
    assert.match(warnings.join(), /did not have 2 of 2 deleted rows .*check deleted\.url/);
  });

  test('404 to a batch says nothing of its rows: it is halved', async () => {
    const held = new Set(['1', '3']);
    const destination = new MemoryDestination(({ keys }) => (keys.every((key) => held.has(key)) ? undefined : 404));
    const { tally, ledger } = await mirrored(twenty, twenty.slice(3), {
      entity: mirror({ maxDeletePercent: 50 }),
      destination,
    });
    assert.deepEqual([tally.deleted, tally.newDeadLetters], [3, 0]);
    assert.equal(ledger.tracked.size, 17);
  });

  test('404 to a batch and to each of its rows is no endpoint: nothing leaves the ledger, and the entity fails', async () => {
    for (const gone of [2, 120]) {
      const rows = numberedRows(1000);
      const first = await runOnce({ rows, entity: mirror() });
      await first.run;
      const { ledger } = first;
      const entity = mirror({ maxDeletePercent: 50, destination: { batchSize: 500 } });
      const destination = new MemoryDestination(() => 404);
      const { run, tally } = await runOnce({ rows: rows.slice(gone), ledger, entity, destination });
      await assert.rejects(run, { code: 'DESTINATION_REFUSED', hint: /^Check deleted\.url\./ });
      assert.equal(ledger.tracked.size, 1000);
      assert.equal(ledger.deadLetters.size, 0);
      assert.deepEqual([tally.deleted, tally.refused], [0, gone]);
      // A large batch is not searched to its end.
      assert.ok(destination.sent.length < 60, `${destination.sent.length} calls`);
    }
  });

  test('a deletion that is refused by itself is a dead letter, which waits; its neighbours go', async () => {
    const destination = () => new MemoryDestination(({ keys }) => (keys.includes('2') ? 422 : undefined));
    const first = await mirrored(twenty, twenty.slice(2), { destination: destination() });
    const { ledger } = first;
    assert.deepEqual([first.tally.deleted, first.tally.newDeadLetters], [1, 1]);
    const waiting = await runOnce({ rows: twenty.slice(2), ledger, entity: mirror(), destination: destination() });
    await waiting.run;
    assert.deepEqual([waiting.destination.sent.length, waiting.tally.oldDeadLetters], [0, 1]);
    for (const letter of ledger.deadLetters.values()) letter.state = 'due';
    const due = await runOnce({ rows: twenty.slice(2), ledger, entity: mirror() });
    await due.run;
    assert.equal(due.tally.deleted, 1);
    assert.equal(ledger.deadLetters.size, 0);
  });

  test('an unresolved deletion is sent again first, and its row, should it come back, after it', async () => {
    const lost = await mirrored(twenty, twenty.slice(1), { destination: new MemoryDestination(() => 503) });
    const { ledger } = lost;
    assert.equal(lost.tally.unresolved, 1);
    const { destination, run } = await runOnce({ rows: twenty, ledger, entity: mirror() });
    await run;
    assert.deepEqual(
      destination.sent.map(({ operation, keys }) => [operation, keys]),
      [
        ['delete', ['1']],
        ['upsert', ['1']],
      ],
    );
  });

  test('an unresolved deletion of an entity that deletes no more waits, and is told of', async () => {
    const { ledger } = await mirrored(twenty, twenty.slice(1), { destination: new MemoryDestination(() => 503) });
    const { destination, warnings, run } = await runOnce({ rows: twenty.slice(1), ledger, entity: entityOf({}) });
    await run;
    assert.deepEqual(destination.sent, []);
    assert.match(warnings.join(), /the entity has no "deleted" of that form any more/);
  });

  test('so does one of another form, until the form is what it was', async () => {
    const { ledger } = await mirrored(twenty, twenty.slice(2), { destination: new MemoryDestination(() => 503) });
    const other = await runOnce({ rows: twenty.slice(2), ledger, entity: mirror({ deleted: perRow }) });
    await other.run;
    assert.deepEqual(other.destination.sent, []);
    assert.match(other.warnings.join(), /of that form/);
    const again = await runOnce({ rows: twenty.slice(2), ledger, entity: mirror() });
    await again.run;
    assert.deepEqual(
      again.destination.sent.map(({ keys }) => keys),
      [['1', '2']],
    );
  });
});

describe('a GUID that stands in the ledger in upper case', () => {
  const columns = [
    { name: 'Id', kind: 'guid', sqlType: 'uniqueidentifier' },
    { name: 'Name', kind: 'text', sqlType: 'nvarchar(50)' },
  ] as const;
  const key = 'aaaaaaaa-0000-4000-8000-000000000001';
  const entity = mirror({ maxDeletePercent: 100 });

  function upperCased(): MemoryLedger {
    const ledger = new MemoryLedger();
    ledger.tracked.set(key.toUpperCase(), undefined);
    return ledger;
  }

  test('is deleted by the key as rows are sent with', async () => {
    const { destination, ledger, run } = await runOnce({
      source: memorySource([], columns),
      ledger: upperCased(),
      entity,
    });
    await run;
    assert.deepEqual(
      destination.sent.map((batch) => [batch.keys, payloadsOf(batch)]),
      [[[key], [{ Code: key, Gone: true }]]],
    );
    assert.equal(ledger.tracked.size, 0);
  });

  test('is not deleted anew while its deletion is unresolved', async () => {
    const ledger = upperCased();
    for (const _night of [1, 2, 3]) {
      const destination = new MemoryDestination(() => 503);
      await (await runOnce({ source: memorySource([], columns), ledger, entity, destination })).run;
    }
    assert.equal(ledger.batches.size, 1);
  });
});

test('a row that comes back after its deletion was refused is sent, though the ledger holds it as it is', async () => {
  const destination = new MemoryDestination(({ keys }) => (keys.includes('1') ? 422 : undefined));
  const { ledger } = await mirrored(twenty, twenty.slice(1), { destination });
  assert.equal(ledger.deadLetters.size, 1);
  for (const letter of ledger.deadLetters.values()) letter.state = 'due';
  const back = await runOnce({ rows: twenty, ledger, entity: mirror() });
  await back.run;
  assert.deepEqual(
    back.destination.sent.map(({ operation, keys }) => [operation, keys]),
    [['upsert', ['1']]],
  );
  assert.equal(ledger.deadLetters.size, 0);
});

test('keys that no row of the source can have are left alone, and told of', async () => {
  const ledger = new MemoryLedger();
  ledger.tracked.set('User-1', undefined);
  const { destination, tally, warnings, run } = await runOnce({
    rows: [],
    ledger,
    entity: mirror({ maxDeletePercent: 100 }),
  });
  await run;
  assert.deepEqual(destination.sent, []);
  assert.equal(tally.heldDeletions, 0);
  assert.match(warnings.join(), /1 tracked keys are no keys of this source, such as User-1/);
});

test('a key that cannot stand in a URL is a dead letter', async () => {
  const columns = [{ name: 'Id', kind: 'text', sqlType: 'nvarchar(5)' }] as const;
  const ledger = new MemoryLedger();
  for (const key of ['..', '\ud800', 'ok']) ledger.tracked.set(key, undefined);
  const { destination, tally, run } = await runOnce({
    source: memorySource([], columns),
    ledger,
    entity: mirror({ deleted: perRow, maxDeletePercent: 100 }),
  });
  await run;
  assert.deepEqual(
    destination.sent.map(({ keys }) => keys),
    [['ok']],
  );
  assert.equal(tally.newDeadLetters, 2);
});
