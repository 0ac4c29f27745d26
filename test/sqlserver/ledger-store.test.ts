import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { TYPES } from 'tedious';
import { openLedgerStore } from '../../src/sqlserver/ledger-store.ts';
import { createLogDatabase } from '../../src/sqlserver/log-database.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createPool } from '../../src/sqlserver/pool.ts';
import type { LedgerChanges, LedgerEntry, LedgerFilter, LedgerStore } from '../../src/sync/ledger-store.ts';
import type { Comparison, EntityIdentity, Outcome } from '../../src/sync/ports.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import {
  batchOf,
  deletionOf,
  entityNamed,
  hashOf,
  ownedLedger,
  settingsOf,
  USERS,
  useServerAndPool,
} from './fixture.ts';

const ACCEPTED: Outcome = { state: 'accepted', attempts: [{ startedAt: new Date(), durationMs: 1, status: 201 }] };
const OLD = new Date('2026-01-01T00:00:00Z');
const NEW = new Date('2026-11-01T00:00:00Z');
const COLUMNS = [
  { name: 'EntityType', type: TYPES.NVarChar, length: 100, nullable: false },
  { name: 'EntityId', type: TYPES.NVarChar, length: 255, nullable: false },
  { name: 'SyncTimestamp', type: TYPES.DateTime2, scale: 7, nullable: false },
  { name: 'RowHash', type: TYPES.Binary, length: 16, nullable: true },
  { name: 'BatchId', type: TYPES.UniqueIdentifier, nullable: true },
];

type Tracked = readonly [label: string, key: string, syncedAt?: Date, hash?: Buffer | null, batchId?: string | null];

const labelled = (name: string): EntityIdentity => ({ ...entityNamed(name), trackingLabels: [name, `${name}Old`] });
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `${index}`.padStart(6, '0'));

describe('the ledger store', () => {
  let store: LedgerStore;
  after(() => store.close());
  const { server, pool } = useServerAndPool('log');
  before(async () => {
    const settings = await settingsOf(server.connectionString('log'));
    await migrate(settings, { check: false });
    store = openLedgerStore(settings);
  });

  const insert = (rows: readonly Tracked[]) =>
    server.bulkInsert(
      'log',
      'dbo.TB_R_SYNC_TRACKING',
      COLUMNS,
      rows.map(([label, key, syncedAt = OLD, hash = null, batchId = null]) => [label, key, syncedAt, hash, batchId]),
    );

  async function pagesOf(entity: EntityIdentity, filter: LedgerFilter = {}): Promise<(readonly LedgerEntry[])[]> {
    const pages: (readonly LedgerEntry[])[] = [];
    for await (const page of store.entries(entity, filter)) pages.push(page);
    return pages;
  }
  async function entriesOf(entity: EntityIdentity, filter?: LedgerFilter): Promise<LedgerEntry[]> {
    return (await pagesOf(entity, filter)).flat();
  }
  const shown = ({ label, key }: LedgerEntry) => `${label} ${key}`;

  describe('listing rows', () => {
    it('gives all that the table says of them, label by label in the order of keys', async () => {
      const batchId = randomUUID();
      await insert([
        ['ListedOld', 'b', NEW],
        ['Listed', 'c', OLD, hashOf('c'), batchId],
        ['Listed', 'a'],
        ['ListedNot', 'a'],
      ]);
      const entries = await entriesOf(labelled('Listed'));
      assert.deepEqual(
        entries.map((entry) => ({ ...entry, syncedAt: entry.syncedAt.toISOString() })),
        [
          { label: 'Listed', key: 'a', syncedAt: OLD.toISOString() },
          { label: 'Listed', key: 'c', syncedAt: OLD.toISOString(), hash: hashOf('c'), batchId },
          { label: 'ListedOld', key: 'b', syncedAt: NEW.toISOString() },
        ],
      );
      assert.equal(await store.countEntries(labelled('Listed'), {}), 3);
    });

    it('gives only those of a time or later, in UTC', async () => {
      await insert([
        ['Since', 'before', new Date(NEW.getTime() - 1)],
        ['Since', 'at', NEW],
        ['SinceOld', 'after', new Date(NEW.getTime() + 1)],
      ]);
      const filter = { since: NEW };
      assert.deepEqual((await entriesOf(labelled('Since'), filter)).map(shown), ['Since at', 'SinceOld after']);
      assert.equal(await store.countEntries(labelled('Since'), filter), 2);
    });

    it('gives only those of some keys, equal as the ledger has it, each once', async () => {
      await insert([
        ['Keys', 'a', NEW],
        ['KeysOld', 'a'],
        ['Keys', 'b'],
        ['Keys', 'c'],
      ]);
      const entity = labelled('Keys');
      const keys = ['c', 'A', 'a ', 'a', 'absent', 'x'.repeat(256)];
      assert.deepEqual((await entriesOf(entity, { keys })).map(shown), ['Keys a', 'Keys c', 'KeysOld a']);
      assert.equal(await store.countEntries(entity, { keys }), 3);
      assert.deepEqual((await entriesOf(entity, { keys, since: NEW })).map(shown), ['Keys a']);
      assert.equal(await store.countEntries(entity, { keys, since: NEW }), 1);
      assert.deepEqual(await pagesOf(entity, { keys: [] }), []);
      assert.equal(await store.countEntries(entity, { keys: [] }), 0);
      assert.equal(await store.countEntries(entity, { keys: ['b'] }), 1);
    });

    it('gives many in pages, and two lists at once do not meet', async () => {
      const keys = numbered(11_000);
      await insert([...keys.map((key): Tracked => ['Paged', key]), ['PagedOld', 'z']]);
      const entity = labelled('Paged');
      const even = keys.filter((_, index) => index % 2 === 0);
      assert.deepEqual(
        (await pagesOf(entity)).map(({ length }) => length),
        [5000, 5000, 1000, 1],
      );
      const few = store.entries(entity, { keys: ['000001', '000003'] })[Symbol.asyncIterator]();
      const [first, second] = await Promise.all([entriesOf(entity, { keys: even }), few.next()]);
      assert.deepEqual(
        first.map(({ key }) => key),
        even,
      );
      assert.deepEqual((second.value ?? []).map(shown), ['Paged 000001', 'Paged 000003']);
      assert.equal(await store.countEntries(entity, { keys: even }), even.length);
    });

    it('counts keys that stand under several labels, byte by byte', async () => {
      await insert([
        ['Double', 'a'],
        ['DoubleOld', 'a'],
        ['Double', 'x'],
        ['DoubleOld', 'X'],
        ['Double', 'b'],
        ['DoubleOld', 'b'],
        ['DoubleOld', 'c'],
        ['DoubleNot', 'c'],
      ]);
      assert.equal(await store.countDuplicates(labelled('Double')), 2);
      assert.equal(await store.countDuplicates(entityNamed('Double')), 0);
    });

    it('reads the ledger as a run does', async () => {
      await insert([['Run', 'a', OLD, hashOf('a')]]);
      assert.deepEqual(await store.readOnly(labelled('Run')).page(undefined, 10), [{ key: 'a', hash: hashOf('a') }]);
    });
  });

  describe('batches', () => {
    it('are told by their id while they are there', async () => {
      const { ledger, runId } = await ownedLedger(server, await pool(), labelled('Told'));
      const batch = deletionOf(['a']);
      await ledger.reserve(batch);
      const reserved = await store.batch(batch.id);
      assert.ok(reserved?.createdAt instanceof Date);
      const { createdAt, ...rest } = reserved;
      assert.deepEqual(rest, { id: batch.id, runId, operation: 'delete', state: 'sending' });
      await ledger.settle(batch, ACCEPTED, []);
      const settled = await store.batch(batch.id.toUpperCase());
      assert.ok(settled?.settledAt instanceof Date);
      assert.deepEqual([settled.state, settled.httpStatus, settled.createdAt], ['accepted', 201, createdAt]);
      assert.equal(await store.batch(randomUUID()), undefined);
      assert.equal(await store.batch('no id'), undefined);
    });

    it('whose outcome is unknown are told with their keys', async () => {
      const entity = labelled('Doubted');
      const { ledger } = await ownedLedger(server, await pool(), entity);
      const batches = [batchOf(['a', 'b']), deletionOf(['c'])];
      for (const batch of batches) await ledger.reserve(batch);
      const settled = batchOf(['d']);
      await ledger.reserve(settled);
      await ledger.settle(settled, ACCEPTED, []);
      const found: unknown[] = [];
      for await (const { record, keys } of store.unresolved(entity)) found.push([record.id, record.operation, keys]);
      assert.deepEqual(
        found,
        batches.map(({ id, operation, keys }) => [id, operation, keys]),
      );
      await server.execute('log', `UPDATE dbo.TB_R_SYNC_BATCH SET RowKeys = 0x00 WHERE BatchId = '${batches[0]?.id}'`);
      await assert.rejects(store.unresolved(entity)[Symbol.asyncIterator]().next(), {
        code: 'LOG_DATABASE_REFUSED',
        message: new RegExp(`${batches[0]?.id} .* is damaged`),
      });
    });
  });

  describe('the lock', () => {
    it('is held by the run that has it, and by nobody once that has ended', async (t: TestContext) => {
      const entity = labelled('Held');
      const database = createLogDatabase(createPool((await pool()).settings, 'LOG_DATABASE', 2));
      t.after(() => database.close());
      assert.equal(await store.holder(entity), undefined);
      const runId = randomUUID();
      await database.startRun({ runId, host: 'worker-7', processId: 47, version: '0.1.0', arguments: 'run' });
      const lock = await database.lock(entity, runId);
      assert.ok(!('heldBy' in lock));
      const holder = await store.holder(entity);
      assert.deepEqual([holder?.runId, holder?.host, holder?.processId], [runId, 'worker-7', 47]);
      const refused = store.change(entity, async () => assert.fail('it worked without the lock'));
      await assert.rejects(refused, { code: 'LOCK_HELD' });
      await lock.release();
      assert.equal(await store.holder(entity), undefined);
    });

    it('is held while changes are made, and what they give and throw is passed on', async () => {
      const entity = labelled('Changing');
      const given = await store.change(entity, async () => {
        assert.deepEqual(await store.holder(entity), {});
        await assert.rejects(
          store.change(entity, async () => {}),
          { code: 'LOCK_HELD' },
        );
        return 7;
      });
      assert.equal(given, 7);
      const failure = new RangeError('mine');
      await assert.rejects(
        store.change(entity, () => Promise.reject(failure)),
        failure,
      );
      assert.equal(await store.holder(entity), undefined);
    });
  });

  describe('a change', () => {
    const comparison: Comparison = {
      sourceHash: hashOf('source'),
      mapHash: hashOf('map'),
      watermark: { method: 'rowversion', value: Buffer.alloc(8, 1), sourceHash: hashOf('column') },
      lastFullAt: new Date('2026-11-23T20:00:00Z'),
    };

    /** An entity of two labels with these rows, and a comparison. */
    async function entityWith(name: string, rows: readonly Tracked[]): Promise<EntityIdentity> {
      const entity = labelled(name);
      const { ledger } = await ownedLedger(server, await pool(), entity);
      await ledger.rememberComparison(comparison);
      await insert(rows);
      return entity;
    }
    const change = <T>(entity: EntityIdentity, work: (changes: LedgerChanges) => Promise<T>) =>
      store.change(entity, work);
    const hasWatermark = async (entity: EntityIdentity) =>
      (await store.readOnly(entity).comparison()).watermark !== undefined;
    const rowOf = (key: string) => ({ key, hash: hashOf(key) });

    it('adopts rows: new ones under the first label, others get the hash, and their dead letters end', async () => {
      const batchId = randomUUID();
      const entity = await entityWith('Adopt', [
        ['Adopt', 'same', OLD, hashOf('same'), batchId],
        ['Adopt', 'other', OLD, hashOf('before'), batchId],
        ['AdoptOld', 'none', OLD],
        ['AdoptOld', 'untouched', OLD],
      ]);
      const { ledger } = await ownedLedger(server, await pool(), entity);
      await ledger.deadLetter(['new', 'other', 'left'].map((key) => ({ key, reason: 'x' })));
      const rows = ['same', 'other', 'none', 'new', 'NEW'].map((key) => ({ key, hash: hashOf(key.toLowerCase()) }));
      assert.deepEqual(await change(entity, (changes) => changes.adopt(rows)), { added: 1, rehashed: 2 });
      assert.deepEqual(await change(entity, (changes) => changes.adopt(rows)), { added: 0, rehashed: 0 });
      assert.deepEqual(await change(entity, (changes) => changes.adopt([])), { added: 0, rehashed: 0 });
      const entries = await entriesOf(entity);
      assert.deepEqual(
        entries.map(({ label, key, hash, batchId }) => [label, key, hash, batchId]),
        [
          ['Adopt', 'new', hashOf('new'), undefined],
          ['Adopt', 'other', hashOf('other'), batchId],
          ['Adopt', 'same', hashOf('same'), batchId],
          ['AdoptOld', 'none', hashOf('none'), undefined],
          ['AdoptOld', 'untouched', undefined, undefined],
        ],
      );
      assert.ok(Math.abs(Date.now() - (entries[0]?.syncedAt.getTime() ?? 0)) < 60_000);
      assert.equal(entries[1]?.syncedAt.getTime(), OLD.getTime());
      assert.deepEqual(
        (await store.readOnly(entity).findDeadLetters(['new', 'other', 'left'])).map(({ index }) => index),
        [2],
      );
      assert.equal(await hasWatermark(entity), false, 'ownedLedger begins anew');
    });

    it('adopts a page of thousands', async () => {
      const keys = numbered(7000);
      const entity = await entityWith(
        'AdoptMany',
        keys.slice(0, 3000).map((key) => ['AdoptManyOld', key]),
      );
      const adopted = await change(entity, (changes) => changes.adopt(keys.map(rowOf)));
      assert.deepEqual(adopted, { added: 4000, rehashed: 3000 });
      assert.equal(await store.countEntries(entity, {}), 7000);
      assert.equal(await store.countDuplicates(entity), 0);
      assert.equal(await hasWatermark(entity), true);
    });

    it('gives tracked rows another hash, and adds none', async () => {
      const entity = await entityWith('Rehash', [
        ['Rehash', 'a', OLD, hashOf('before')],
        ['RehashOld', 'b'],
        ['Rehash', 'c', OLD, hashOf('c')],
      ]);
      const rows = ['a', 'b', 'c', 'absent'].map(rowOf);
      assert.equal(await change(entity, (changes) => changes.rehash(rows)), 2);
      assert.equal(await change(entity, (changes) => changes.rehash(rows)), 0);
      assert.equal(await change(entity, (changes) => changes.rehash([])), 0);
      const entries = await entriesOf(entity);
      assert.deepEqual(
        entries.map(({ key, hash, syncedAt }) => [key, hash, syncedAt.getTime()]),
        ['a', 'c', 'b'].map((key) => [key, hashOf(key), OLD.getTime()]),
      );
    });

    it('forgets all rows of the entity in small transactions, and its watermark', async () => {
      const entity = await entityWith(
        'Forget',
        numbered(4500).flatMap((key): Tracked[] => [
          ['Forget', key],
          ['ForgetOld', key],
        ]),
      );
      await insert([['ForgetNot', 'a']]);
      assert.equal(await change(entity, (changes) => changes.forget({})), 9000);
      assert.deepEqual(await entriesOf(entity), []);
      assert.equal(await store.countEntries(entityNamed('ForgetNot'), {}), 1);
      const { watermark, ...kept } = comparison;
      assert.ok(watermark);
      assert.deepEqual(await store.readOnly(entity).comparison(), kept);
    });

    it('forgets only what the filter says', async () => {
      const rows: Tracked[] = [
        ['Part', 'a', NEW],
        ['PartOld', 'a', OLD],
        ['Part', 'b', OLD],
        ['PartOld', 'c', NEW],
      ];
      const left = async (name: string, filter: LedgerFilter) => {
        const entity = await entityWith(
          name,
          rows.map(([label, ...rest]): Tracked => [label.replace('Part', name), ...rest]),
        );
        const removed = await change(entity, (changes) => changes.forget(filter));
        const entries = await entriesOf(entity);
        assert.equal(removed, rows.length - entries.length);
        assert.equal(await hasWatermark(entity), removed === 0);
        return entries.map(({ label, key }) => `${label.replace(name, '')}${key}`);
      };
      assert.deepEqual(await left('PartKeys', { keys: ['A', 'a', 'x', 'x'.repeat(300)] }), ['b', 'Oldc']);
      assert.deepEqual(await left('PartSince', { since: NEW }), ['b', 'Olda']);
      assert.deepEqual(await left('PartBoth', { keys: ['a', 'b'], since: NEW }), ['b', 'Olda', 'Oldc']);
      assert.deepEqual(await left('PartNone', { keys: [] }), ['a', 'b', 'Olda', 'Oldc']);
      assert.deepEqual(await left('PartAbsent', { keys: ['x'] }), ['a', 'b', 'Olda', 'Oldc']);
    });

    it('forgets thousands of keys', async () => {
      const keys = numbered(5000);
      const entity = await entityWith(
        'PartMany',
        keys.map((key) => ['PartMany', key]),
      );
      const filter = { keys: keys.slice(0, 4500) };
      assert.equal(await change(entity, (changes) => changes.forget(filter)), 4500);
      assert.equal(await store.countEntries(entity, {}), 500);
    });

    it('forgets the dead letters of the rows that it forgets, and no others', async () => {
      const longKey = 'x'.repeat(300);
      const left = async (name: string, filter: LedgerFilter) => {
        const entity = await entityWith(name, [
          [name, 'a', NEW],
          [`${name}Old`, 'b', OLD],
          [name, 'c', NEW],
        ]);
        const { ledger } = await ownedLedger(server, await pool(), entity);
        await ledger.deadLetter(['a', 'b', 'A', 'untracked', longKey].map((key) => ({ key, reason: 'x' })));
        const other = await ownedLedger(server, await pool(), entityNamed(`${name}Not`));
        await other.ledger.deadLetter([{ key: 'a', reason: 'x' }]);
        await change(entity, (changes) => changes.forget(filter));
        assert.equal((await store.readOnly(entityNamed(`${name}Not`)).findDeadLetters(['a'])).length, 1);
        const found = await store.readOnly(entity).findDeadLetters(['a', 'b', 'A', 'untracked', longKey]);
        return found.map(({ index }) => ['a', 'b', 'A', 'untracked', 'long'][index]);
      };
      assert.deepEqual(await left('LettersKeys', { keys: ['B', 'c', 'untracked'] }), ['a', 'A', 'untracked', 'long']);
      assert.deepEqual(await left('LettersSince', { since: NEW }), ['b', 'A', 'untracked', 'long']);
      assert.deepEqual(await left('LettersBoth', { keys: ['a', 'b'], since: NEW }), ['b', 'A', 'untracked', 'long']);
      assert.deepEqual(await left('LettersAll', {}), ['A', 'untracked', 'long']);
      assert.deepEqual(await left('LettersNone', { keys: ['untracked'] }), ['a', 'b', 'A', 'untracked', 'long']);
    });

    itOnStandIn('looks for many rows once, and deletes them by their ids', async () => {
      const entity = await entityWith(
        'Listed1',
        numbered(4500).map((key) => ['Listed1', key, NEW]),
      );
      const lists = server.faults.add({ match: /SyncTimestamp >= @since/, action: { delayMs: 0 } });
      const deletes = server.faults.add({ match: /DELETE t FROM/, action: { delayMs: 0 } });
      assert.equal(await change(entity, (changes) => changes.forget({ since: NEW })), 4500);
      lists.remove();
      deletes.remove();
      assert.deepEqual([lists.hits, deletes.hits], [1, 3]);
    });

    itOnStandIn('is made again after a deadlock where faults may be met, transaction by transaction', async () => {
      const told: string[] = [];
      const patient = openLedgerStore((await pool()).settings, {
        abort: new AbortController().signal,
        onRepeat: (message) => told.push(message),
      });
      const entity = await entityWith('Deadlock', []);
      const rows = numbered(10).map(rowOf);
      const after = async <T>(match: RegExp, on: number, work: (changes: LedgerChanges) => Promise<T>) => {
        const fault = server.faults.add({ match, on, action: { error: 1205 } });
        const result = await patient.change(entity, work);
        assert.equal(fault.hits, 1);
        fault.remove();
        return result;
      };
      const add = /INSERT INTO dbo\.TB_R_SYNC_TRACKING/;
      assert.deepEqual(
        await after(add, 2, (changes) => changes.adopt(rows.slice(0, 5)).then(() => changes.adopt(rows))),
        {
          added: 5,
          rehashed: 0,
        },
      );
      await insert(rows.slice(0, 7).map(({ key }): Tracked => ['DeadlockOld', key]));
      assert.equal(await after(/DELETE t FROM/, 1, (changes) => changes.removeDuplicates()), 7);
      assert.equal(await after(/SET WatermarkKind/, 1, (changes) => changes.forget({})), 10);
      assert.equal(await patient.countEntries(entity, {}), 0);
      assert.ok(told.length > 0 && told.every((message) => /error 1205/.test(message)));
      const fault = server.faults.add({ match: add, action: { error: 1205 } });
      await assert.rejects(
        store.change(entity, (changes) => changes.adopt(rows)),
        { code: 'LOG_DATABASE_REFUSED' },
      );
      assert.equal(fault.hits, 1, 'without faults nothing is tried again');
      fault.remove();
      const lost = server.faults.add({ match: add, action: { drop: 'before' } });
      await assert.rejects(
        patient.change(entity, (changes) => changes.adopt(rows)),
        { code: 'LOG_DATABASE_UNAVAILABLE' },
      );
      assert.equal(lost.hits, 1, 'the lock is lost with the connection');
      lost.remove();
      const read = server.faults.add({ match: /SELECT COUNT_BIG/, on: 1, action: { drop: 'before' } });
      assert.equal(await patient.countEntries(entity, {}), 0);
      assert.equal(read.hits, 1);
      read.remove();
      await patient.close();
    });

    itOnStandIn('keeps rows and watermark together where it fails in the middle', async () => {
      const entity = await entityWith('Torn', [['Torn', 'a']]);
      const fault = server.faults.add({
        match: /UPDATE dbo\.TB_R_SYNC_ENTITY SET WatermarkKind/,
        action: { error: 1105 },
      });
      await assert.rejects(
        change(entity, (changes) => changes.forget({})),
        { code: 'LOG_DATABASE_REFUSED' },
      );
      fault.remove();
      assert.equal(await store.countEntries(entity, {}), 1);
      assert.equal(await hasWatermark(entity), true);
    });

    it('removes of each key all rows but the one that was sent last', async () => {
      const entity = await entityWith('Twice', [
        ['Twice', 'a', OLD],
        ['TwiceOld', 'a', NEW],
        ['Twice', 'x', OLD],
        ['TwiceOld', 'X', NEW],
        ['Twice', 'b', NEW],
        ['TwiceOld', 'b', OLD],
        ['Twice', 'c', OLD],
        ['TwiceOld', 'd', OLD],
        ['TwiceOld', 'e', OLD],
        ['Twice', 'e', OLD],
      ]);
      assert.equal(await change(entity, (changes) => changes.removeDuplicates()), 3);
      assert.deepEqual((await entriesOf(entity)).map(shown), [
        'Twice b',
        'Twice c',
        'Twice e',
        'Twice x',
        'TwiceOld a',
        'TwiceOld d',
        'TwiceOld X',
      ]);
      assert.equal(await change(entity, (changes) => changes.removeDuplicates()), 0);
      const many = await entityWith(
        'TwiceMany',
        numbered(4500).flatMap((key): Tracked[] => [
          ['TwiceMany', key, NEW],
          ['TwiceManyOld', key, OLD],
        ]),
      );
      assert.equal(await change(many, (changes) => changes.removeDuplicates()), 4500);
      assert.equal(await store.countDuplicates(many), 0);
      assert.equal(await store.countEntries(entityNamed('TwiceMany'), {}), 4500);
    });

    it('removes the watermark alone, and remembers a map alone', async () => {
      const entity = await entityWith('Marked', []);
      await change(entity, (changes) => changes.rememberMap(hashOf('other')));
      assert.deepEqual(await store.readOnly(entity).comparison(), { ...comparison, mapHash: hashOf('other') });
      await change(entity, (changes) => changes.removeWatermark());
      const { watermark: _, ...rest } = comparison;
      assert.deepEqual(await store.readOnly(entity).comparison(), { ...rest, mapHash: hashOf('other') });
    });

    it('remembers the map of an entity that no run came to', async () => {
      const entity = labelled('Never');
      await change(entity, (changes) => changes.removeWatermark());
      assert.deepEqual(await store.readOnly(entity).comparison(), {});
      await change(entity, (changes) => changes.rememberMap(hashOf('map')));
      assert.deepEqual(await store.readOnly(entity).comparison(), { mapHash: hashOf('map') });
    });
  });
});

describe('pruning the history', () => {
  let store: LedgerStore;
  after(() => store.close());
  const { server, pool } = useServerAndPool('log');
  const BEFORE = new Date('2026-06-01T00:00:00Z');
  const owner = randomUUID();

  const insertRun = (id: string, startedAt: string, finishedAt: string | null, state: string, exitCode = '1') =>
    server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_RUN (RunId, StartedAt, FinishedAt, State, ExitCode, Host, ProcessId, Version, Arguments)
       VALUES (@id, @startedAt, @finishedAt, @state, ${exitCode}, N'h', 1, N'1', N'run')`,
      { id, startedAt, finishedAt, state },
    );
  /** As many as stay whatever their age. */
  const RUNS_KEPT = 100;
  const insertBatches = (count: number, state: string, settledAt: string | null) =>
    server.bulkInsert(
      'log',
      'dbo.TB_R_SYNC_BATCH',
      [
        { name: 'BatchId', type: TYPES.UniqueIdentifier, nullable: false },
        { name: 'RunId', type: TYPES.UniqueIdentifier, nullable: false },
        { name: 'EntityType', type: TYPES.NVarChar, length: 100, nullable: false },
        { name: 'Operation', type: TYPES.NVarChar, length: 20, nullable: false },
        { name: 'State', type: TYPES.NVarChar, length: 20, nullable: false },
        { name: 'RowsInBatch', type: TYPES.Int, nullable: false },
        { name: 'BodyHash', type: TYPES.Binary, length: 32, nullable: false },
        { name: 'Attempts', type: TYPES.Int, nullable: false },
        { name: 'RunsTried', type: TYPES.Int, nullable: false },
        { name: 'CreatedAt', type: TYPES.DateTime2, nullable: false },
        { name: 'SettledAt', type: TYPES.DateTime2, nullable: true },
      ],
      Array.from({ length: count }, () => [
        randomUUID(),
        owner,
        'Pruned',
        'upsert',
        state,
        1,
        Buffer.alloc(32),
        1,
        1,
        OLD,
        settledAt === null ? null : new Date(settledAt),
      ]),
    );
  const insertLog = (application: string, category: string, createdOn: string) =>
    server.execute(
      'log',
      `INSERT INTO dbo.TB_R_Log (ID, ApplicationName, LogID, LogCategory, Activity, ApplicationModule, IPHostName, Status,
         CreatedBy, CreatedOn, RowStatus)
       VALUES (NEWID(), @application, N'1', @category, N'x', N'x', N'h', N'Success', N'System', @createdOn, 1)`,
      { application, category, createdOn },
    );
  const countOf = async (table: string) =>
    Number((await server.query('log', `SELECT COUNT(*) AS Total FROM dbo.${table}`))[0]?.Total);

  before(async () => {
    const settings = await settingsOf(server.connectionString('log'));
    store = openLedgerStore(settings);
    await assert.rejects(store.prune({ before: BEFORE, dryRun: true }), { code: 'LOG_DATABASE_NOT_MIGRATED' });
    await migrate(settings, { check: false });
  });

  it('removes what ended before, and nothing of others, of the ledger, or in doubt', async () => {
    await insertRun(randomUUID(), '2026-01-01T00:00:00', '2026-01-01T01:00:00', 'finished');
    await insertRun(randomUUID(), '2026-01-02T00:00:00', null, 'aborted');
    await insertRun(randomUUID(), '2026-05-31T23:00:00', '2026-06-01T00:00:00', 'finished');
    await insertRun(randomUUID(), '2026-05-31T12:00:00', null, 'running');
    await insertRun(owner, '2026-01-03T00:00:00', '2026-01-03T01:00:00', 'finished');
    for (let run = 0; run < RUNS_KEPT; run++) {
      await insertRun(randomUUID(), '2026-06-10T00:00:00', '2026-06-10T01:00:00', 'finished');
    }
    await ownedLedger(server, await pool(), entityNamed('Pruned'));
    await server.execute('log', "UPDATE dbo.TB_R_SYNC_ENTITY SET OwnerRunId = @owner WHERE EntityType = N'Pruned'", {
      owner,
    });
    await insertBatches(4500, 'accepted', '2026-05-01T00:00:00Z');
    await insertBatches(1, 'split', '2026-05-01T00:00:00Z');
    await insertBatches(2, 'accepted', '2026-06-01T00:00:00Z');
    await insertBatches(3, 'sending', null);
    await insertLog('tamhr-sync', 'DataSync', '2026-01-01T00:00:00');
    await insertLog('tamhr-sync', 'DataSync', '2026-06-02T00:00:00');
    await insertLog('tamhr-sync', 'Other', '2026-01-01T00:00:00');
    await insertLog('Scheduler', 'DataSync', '2026-01-01T00:00:00');
    await server.execute('log', "INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId) VALUES (N'Pruned', N'a')");
    const expected = { runs: 2, batches: 4501, logEntries: 1 };
    assert.deepEqual(await store.prune({ before: BEFORE, dryRun: true }), expected);
    assert.deepEqual(
      [await countOf('TB_R_SYNC_RUN'), await countOf('TB_R_SYNC_BATCH'), await countOf('TB_R_Log')],
      [5 + RUNS_KEPT, 4506, 4],
    );
    assert.deepEqual(await store.prune({ before: BEFORE, dryRun: false }), expected);
    assert.deepEqual(
      [await countOf('TB_R_SYNC_RUN'), await countOf('TB_R_SYNC_BATCH'), await countOf('TB_R_Log')],
      [3 + RUNS_KEPT, 5, 3],
    );
    assert.equal(await countOf('TB_R_SYNC_TRACKING'), 1);
    assert.deepEqual(await store.prune({ before: BEFORE, dryRun: false }), { runs: 0, batches: 0, logEntries: 0 });
  });

  it('keeps the newest runs and the last good one, whatever their age', async () => {
    const [good, older] = [randomUUID(), randomUUID()];
    await insertRun(good, '2026-01-05T00:00:00', '2026-01-05T01:00:00', 'finished', '0');
    await insertRun(older, '2026-01-04T00:00:00', '2026-01-04T01:00:00', 'finished', '0');
    const expected = (await countOf('TB_R_SYNC_RUN')) - RUNS_KEPT - 2;
    const late = new Date('2027-01-01T00:00:00Z');
    assert.equal((await store.prune({ before: late, dryRun: true })).runs, expected);
    assert.equal((await store.prune({ before: late, dryRun: false })).runs, expected);
    const left = await server.query(
      'log',
      "SELECT RunId FROM dbo.TB_R_SYNC_RUN WHERE StartedAt < '2026-06-10' ORDER BY StartedAt",
    );
    assert.deepEqual(
      left.map(({ RunId }) => String(RunId).toLowerCase()),
      [owner, good],
    );
    assert.equal(await countOf('TB_R_SYNC_RUN'), RUNS_KEPT + 2);
  });

  itOnStandIn('looks for many rows once, and deletes them by their ids', async () => {
    await insertBatches(4500, 'accepted', '2026-05-01T00:00:00Z');
    const lists = server.faults.add({ match: /SettledAt < @before/, action: { delayMs: 0 } });
    const deletes = server.faults.add({ match: /DELETE t FROM/, action: { delayMs: 0 } });
    assert.equal((await store.prune({ before: BEFORE, dryRun: false })).batches, 4500);
    lists.remove();
    deletes.remove();
    assert.deepEqual([lists.hits, deletes.hits], [1, 3]);
  });

  itOnStandIn('names the table and the right that the login lacks', async () => {
    await insertLog('tamhr-sync', 'DataSync', '2026-01-01T00:00:00');
    await insertBatches(1, 'accepted', '2026-05-01T00:00:00Z');
    const left = await countOf('TB_R_SYNC_BATCH');
    const fault = server.faults.add({ match: /DELETE t FROM .* JOIN dbo\.TB_R_Log/s, action: { error: 229 } });
    await assert.rejects(store.prune({ before: BEFORE, dryRun: false }), {
      code: 'LOG_DATABASE_REFUSED',
      message: /may not delete rows of dbo\.TB_R_Log/,
      hint: /^Have DELETE on dbo\.TB_R_Log granted/,
    });
    fault.remove();
    assert.equal(await countOf('TB_R_SYNC_BATCH'), left);
  });
});

describe("pruning beside another application's TB_R_Log", () => {
  const { server } = useServerAndPool('log');

  it('removes no row where they cannot be told apart', async (t) => {
    await server.execute(
      'log',
      `CREATE TABLE dbo.TB_R_Log (ID uniqueidentifier NOT NULL, ApplicationName varchar(5) NOT NULL, LogID nvarchar(10) NOT NULL,
         Activity nvarchar(15) NOT NULL, Status nvarchar(20) NOT NULL, CreatedOn datetime NOT NULL)`,
    );
    const settings = await settingsOf(server.connectionString('log'));
    await migrate(settings, { check: false });
    await server.execute(
      'log',
      "INSERT INTO dbo.TB_R_Log VALUES (NEWID(), 'tamhr', N'1', N'x', N'Success', '2020-01-01')",
    );
    const store = openLedgerStore(settings);
    t.after(() => store.close());
    assert.equal((await store.prune({ before: NEW, dryRun: true })).logEntries, 0);
    await server.execute('log', "ALTER TABLE dbo.TB_R_Log ADD LogCategory nvarchar(20) NOT NULL DEFAULT N'DataSync'");
    assert.equal((await store.prune({ before: NEW, dryRun: false })).logEntries, 0);
    assert.equal((await server.query('log', 'SELECT ID FROM dbo.TB_R_Log')).length, 1);
  });
});

describe('the ledger store before `migrate`', () => {
  const { server } = useServerAndPool('log', { seed: { rows: 0, oldJob: { rows: 10, labels: ['User', 'Users'] } } });

  it('reads what the old job left as a run does, and else says what is missing', async (t) => {
    const store = openLedgerStore(await settingsOf(server.connectionString('log')));
    t.after(() => store.close());
    assert.equal(await store.readOnly(USERS).count(), 10);
    const missing = { code: 'LOG_DATABASE_NOT_MIGRATED' };
    await assert.rejects(store.countEntries(USERS, {}), missing);
    await assert.rejects(store.entries(USERS, {})[Symbol.asyncIterator]().next(), missing);
    await assert.rejects(store.holder(USERS), missing);
    await assert.rejects(
      store.change(USERS, async () => {}),
      missing,
    );
  });
});
