import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it, type TestContext } from 'node:test';
import { withEntityLock } from '../../src/sqlserver/entity-lock.ts';
import { createLogDatabase } from '../../src/sqlserver/log-database.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createPool } from '../../src/sqlserver/pool.ts';
import type { LogDatabase, Outcome } from '../../src/sync/ports.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { batchOf, entityNamed, ownedLedger, settingsOf, useServerAndPool } from './fixture.ts';

const ACCEPTED: Outcome = { state: 'accepted', attempts: [{ startedAt: new Date(), durationMs: 1, status: 201 }] };

describe('work under the lock of an entity', () => {
  const { server, pool } = useServerAndPool('log');
  before(async () => {
    await migrate(await settingsOf(server.connectionString('log')), { check: false });
  });

  async function openRun(t: TestContext): Promise<LogDatabase> {
    const database = createLogDatabase(createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 2));
    t.after(() => database.close());
    return database;
  }

  it('keeps runs out until it has ended, however it ends', async (t) => {
    const run = await openRun(t);
    const entity = entityNamed('Worked');
    const given = await withEntityLock(await pool(), entity, async (session) => {
      assert.ok('heldBy' in (await run.lock(entity, randomUUID())));
      return (await session.query('SELECT 7')).rows;
    });
    assert.deepEqual(given, [[7]]);
    const failure = new RangeError('mine');
    await assert.rejects(
      withEntityLock(await pool(), entity, () => Promise.reject(failure)),
      failure,
    );
    assert.ok(!('heldBy' in (await run.lock(entity, randomUUID()))));
  });

  it('is refused while a run has the lock, and says which', async (t) => {
    const run = await openRun(t);
    const entity = entityNamed('Running');
    const runId = randomUUID();
    await run.startRun({ runId, host: 'worker-7', processId: 4711, version: '0.1.0', arguments: 'run' });
    assert.ok(!('heldBy' in (await run.lock(entity, runId))));
    const refused = withEntityLock(await pool(), entity, async () => assert.fail('it worked without the lock'));
    await assert.rejects(refused, {
      code: 'LOCK_HELD',
      message: new RegExp(`^Running: run ${runId} on worker-7 \\(process 4711\\) has been syncing it since `),
    });
  });

  it('ends a run that has lost the lock: it writes nothing more, and counts as aborted', async (t) => {
    const entity = entityNamed('Fenced');
    const { ledger, runId } = await ownedLedger(server, await pool(), entity);
    const run = await openRun(t);
    await run.startRun({ runId, host: 'worker-7', processId: 4711, version: '0.1.0', arguments: 'run' });
    const batch = batchOf(['a']);
    await ledger.reserve(batch);
    await withEntityLock(await pool(), entity, async () => {
      await assert.rejects(ledger.settle(batch, ACCEPTED, []), { code: 'LOCK_LOST' });
    });
    await assert.rejects(ledger.rememberComparison({}), { code: 'LOCK_LOST', message: /another run or command/ });
    const [row] = await server.query('log', 'SELECT State FROM dbo.TB_R_SYNC_RUN WHERE RunId = @runId', { runId });
    assert.equal(row?.State, 'aborted');
  });

  itOnStandIn('ends a run that waits to take its lock again', async () => {
    const run = createLogDatabase(createPool(await settingsOf(server.connectionString('log')), 'LOG_DATABASE', 2));
    const entity = entityNamed('Retaking');
    const lock = await run.lock(entity, randomUUID());
    assert.ok('lost' in lock);
    const lost = new Promise((resolve) => lock.lost.addEventListener('abort', resolve));
    const retaking = server.faults.add({ match: /sp_getapplock/, on: 1, action: { hold: true } });
    await server.standIn.dropConnections();
    await retaking.struck;
    await withEntityLock(await pool(), entity, async () => {});
    retaking.remove();
    await assert.rejects(lock.ledger.reserve(batchOf(['a'])), { code: 'LOCK_LOST' });
    await lost;
    assert.equal((lock.lost.reason as { code?: string }).code, 'LOCK_LOST');
    await lock.release();
    await run.close();
  });

  it('is refused before `migrate`, and then leaves no lock behind', async (t) => {
    const unready = createPool(await settingsOf(server.connectionString('ess')), 'LOG_DATABASE', 2);
    t.after(() => unready.close());
    for (const _ of [1, 2]) {
      const refused = withEntityLock(unready, entityNamed('Early'), async () => assert.fail('it worked'));
      await assert.rejects(refused, { code: 'LOG_DATABASE_NOT_MIGRATED' });
    }
  });

  itOnStandIn('leaves no lock behind where it cannot be given up', async () => {
    const entity = entityNamed('Stuck');
    const fault = server.faults.add({ match: /sp_releaseapplock/, on: 1, action: { error: 1223 } });
    await withEntityLock(await pool(), entity, async () => {});
    assert.equal(fault.hits, 1);
    fault.remove();
    await withEntityLock(await pool(), entity, async () => {});
  });
});
