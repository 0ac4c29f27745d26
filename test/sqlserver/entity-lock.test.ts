import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it, type TestContext } from 'node:test';
import { withEntityLock } from '../../src/sqlserver/entity-lock.ts';
import { createLogDatabase } from '../../src/sqlserver/log-database.ts';
import { migrate } from '../../src/sqlserver/migrate.ts';
import { createPool } from '../../src/sqlserver/pool.ts';
import type { LogDatabase } from '../../src/sync/ports.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { entityNamed, settingsOf, useServerAndPool } from './fixture.ts';

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

  itOnStandIn('leaves no lock behind where it cannot be given up', async () => {
    const entity = entityNamed('Stuck');
    const fault = server.faults.add({ match: /sp_releaseapplock/, on: 1, action: { error: 1223 } });
    await withEntityLock(await pool(), entity, async () => {});
    assert.equal(fault.hits, 1);
    fault.remove();
    await withEntityLock(await pool(), entity, async () => {});
  });
});
