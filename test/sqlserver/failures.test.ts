import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { openDeadLetters } from '../../src/sqlserver/failures.ts';
import { createLogDatabase } from '../../src/sqlserver/log-database.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createPool } from '../../src/sqlserver/pool.ts';
import type { DeadLetterStore } from '../../src/sync/dead-letters.ts';
import { SyncError } from '../../src/sync/errors.ts';
import { useSqlServer } from '../support/sqlserver.ts';
import { entityNamed, hashOf, settingsOf, USERS } from './fixture.ts';

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof SyncError ? error.code : error),
  );

describe('the dead letters in the log database', () => {
  let store: DeadLetterStore;
  after(() => store.close());
  const server = useSqlServer();
  before(async () => {
    const settings = await settingsOf(server.connectionString('log'));
    store = openDeadLetters(settings);
    assert.equal(await codeOf(store.list({ entities: [USERS] }, 1)), 'LOG_DATABASE_NOT_MIGRATED');
    await migrate(settings, { check: false });
  });

  /** Dead letters of an entity, the last one the newest. */
  async function insert(label: string, keys: readonly string[], columns: Record<string, string> = {}): Promise<void> {
    for (const [index, key] of keys.entries()) {
      const cells: Record<string, string> = {
        EntityType: `N'${label}'`,
        KeyHash: `0x${hashOf(key).toString('hex')}`,
        EntityId: `N'${key}'`,
        Reason: "N'HTTP 422: no such post'",
        Attempts: '2',
        FirstFailedAt: "'2026-11-20T20:00:00'",
        LastFailedAt: `'2026-11-23T20:00:${String(index).padStart(2, '0')}'`,
        State: "N'waiting'",
        ...columns,
      };
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_FAILURE (${Object.keys(cells).join(', ')}) VALUES (${Object.values(cells).join(', ')})`,
      );
    }
  }

  const statesOf = async (entity = USERS) =>
    (await store.list({ entities: [entity] }, 100)).letters
      .map(({ key, state, nextTryAt }) => `${key} ${state} ${nextTryAt === undefined ? 'due' : 'later'}`)
      .sort();

  it('are listed with all that is known, newest first, as many as were asked for', async () => {
    const entities = [entityNamed('ListA'), { ...USERS, trackingLabels: ['ListB', 'ListOld'] as const }];
    await insert('ListA', ['a0', 'a1']);
    await insert('listb', ['b0'], {
      HttpStatus: '422',
      LastFailedAt: "'2026-11-24T20:00:00'",
      NextTryAt: "'2026-11-27T20:00:00'",
      State: "N'discarded'",
    });
    await insert('ListOld', ['c0']);
    const { letters, counts } = await store.list({ entities }, 2);
    assert.deepEqual(counts, [2, 1]);
    assert.deepEqual(
      letters.map(({ entity, key }) => `${entity} ${key}`),
      ['Users b0', 'ListA a1'],
    );
    assert.deepEqual(letters[0], {
      entity: 'Users',
      key: 'b0',
      reason: 'HTTP 422: no such post',
      httpStatus: 422,
      attempts: 2,
      firstFailedAt: new Date('2026-11-20T20:00:00Z'),
      lastFailedAt: new Date('2026-11-24T20:00:00Z'),
      nextTryAt: new Date('2026-11-27T20:00:00Z'),
      state: 'discarded',
    });
    assert.deepEqual(await store.list({ entities: [] }, 2), { letters: [], counts: [] });
  });

  it('are found by their keys, and a GUID in either case', async () => {
    const guid = randomUUID();
    const entities = [entityNamed('ByKey'), entityNamed('ByKey2')];
    await insert('ByKey', [guid, 'x', 'X']);
    await insert('ByKey2', ['x']);
    const found = async (...keys: string[]) =>
      (await store.list({ entities, keys }, 100)).letters.map(({ entity, key }) => `${entity} ${key}`).sort();
    assert.deepEqual(await found(guid.toUpperCase()), [`ByKey ${guid}`]);
    assert.deepEqual(await found('x'), ['ByKey x', 'ByKey2 x']);
    assert.deepEqual(await found('x', 'X', 'none'), ['ByKey X', 'ByKey x', 'ByKey2 x']);
    assert.deepEqual(await found('none'), []);
  });

  it('become due by retry, discarded ones too, and those of other keys and entities stay as they are', async () => {
    const entity = entityNamed('Retry');
    await insert('Retry', ['a', 'b'], { State: "N'discarded'" });
    await insert('Retry', ['c'], { NextTryAt: "'2099-01-01'" });
    await insert('Other', ['a'], { State: "N'discarded'" });
    assert.equal(await store.retry(entity, ['a', 'none']), 1);
    assert.deepEqual(await statesOf(entity), ['a waiting due', 'b discarded due', 'c waiting later']);
    assert.equal(await store.retry(entity, undefined), 3);
    assert.deepEqual(await statesOf(entity), ['a waiting due', 'b waiting due', 'c waiting due']);
    assert.deepEqual(await statesOf(entityNamed('Other')), ['a discarded due']);
  });

  it('are given up by discard', async () => {
    const entity = entityNamed('Discard');
    await insert('Discard', ['a', 'b'], { NextTryAt: "'2099-01-01'" });
    assert.equal(await store.discard(entity, ['b']), 1);
    assert.deepEqual(await statesOf(entity), ['a waiting later', 'b discarded due']);
  });

  it('can be changed only while no run is at work on the entity', async () => {
    const entity = entityNamed('Held');
    await insert('Held', ['a']);
    const settings = await settingsOf(server.connectionString('log'));
    const database = createLogDatabase(createPool(settings, 'LOG_DATABASE', 2));
    const runId = randomUUID();
    await database.startRun({ runId, host: 'worker-1', processId: 1, version: '0.1.0', arguments: 'run' });
    const lock = await database.lock(entity, runId);
    assert.ok('release' in lock);
    assert.equal(await codeOf(store.discard(entity, undefined)), 'LOCK_HELD');
    assert.equal(await codeOf(store.retry(entity, ['a'])), 'LOCK_HELD');
    assert.deepEqual(await statesOf(entity), ['a waiting due']);
    await lock.release();
    assert.equal(await store.discard(entity, undefined), 1);
    const again = await database.lock(entity, runId);
    assert.ok('release' in again, 'the command has given the lock back');
    await again.release();
    await database.close();
  });
});
