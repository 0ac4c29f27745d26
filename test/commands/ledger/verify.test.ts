import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { beforeEach, describe, it } from 'node:test';
import { sampleRow } from '../../../dev/sqlserver/sample-rows.ts';
import { holdLock, useLedger } from './fixture.ts';

const idOf = (index: number) => String(sampleRow('Users', index).Id);

describe('ledger verify', () => {
  const { server, job, ledger, document, sync, tracked } = useLedger({ rows: { Users: 12, OrgObject: 2 } });
  const track = (label: string, key: string, hash = 'NULL') =>
    server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_TRACKING (EntityType, EntityId, RowHash) VALUES (@label, @key, ${hash})`,
      { label, key },
    );

  beforeEach(async () => {
    await job.configure();
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    for (const entity of ['Users', 'OrgObject']) assert.equal((await ledger(['adopt', '--entity', entity])).code, 0);
  });

  it('source and ledger agree: exit code 0', async () => {
    const { code, stdout, stderr } = await ledger(['verify', '--entity', 'Users']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(stdout, 'Users: source and ledger agree\n  source        12 rows\n  ledger        12 rows\n');
    const { document: verified } = await document('verify', '--entity', 'Users', 'OrgObject');
    assert.equal(verified.agrees, true);
  });

  /** A difference of each kind that GUID keys can have. */
  async function disturb(): Promise<void> {
    await server.execute('log', `DELETE FROM dbo.TB_R_SYNC_TRACKING WHERE EntityId IN ('${idOf(0)}', '${idOf(1)}')`);
    await server.execute('log', `UPDATE dbo.TB_R_SYNC_TRACKING SET RowHash = 0x00 WHERE EntityId = '${idOf(2)}'`);
    await server.execute('log', `UPDATE dbo.TB_R_SYNC_TRACKING SET RowHash = NULL WHERE EntityId = '${idOf(3)}'`);
    await track('Users', idOf(4));
    await track('User', '00000000-0000-4000-8000-00000000dead', '0x01');
    await track('User', '4711');
  }

  it('tells each kind of difference with keys, and ends with 1', async () => {
    await disturb();
    const { code, document: verified } = await document('verify', '--entity', 'Users');
    assert.equal(code, 1);
    const [users] = verified.entities;
    assert.deepEqual([users.agrees, users.sourceRows, users.trackedRows], [false, 12, 13]);
    assert.equal(users.missing.count, 2);
    assert.deepEqual(users.missing.keys.toSorted(), [idOf(0), idOf(1)].sort());
    assert.deepEqual(users.stale.keys, [idOf(2)]);
    assert.deepEqual(users.withoutHash.keys, [idOf(3)]);
    assert.deepEqual(users.duplicate, { count: 1, keys: [idOf(4)], reason: null });
    assert.deepEqual(users.orphaned.keys, ['00000000-0000-4000-8000-00000000dead']);
    assert.deepEqual(users.unreadable.keys, ['4711']);
    assert.deepEqual([users.colliding.count, users.unmappable.count, users.duplicatesRemoved], [0, 0, null]);
  });

  it('--repair removes duplicate labels and nothing else; the next run compares all rows', async () => {
    await track('Users', idOf(4));
    await server.execute('log', `UPDATE dbo.TB_R_SYNC_ENTITY SET WatermarkKind = 'rowversion', Watermark = 0x01`);
    const { code, document: verified } = await document('verify', '--entity', 'Users', '--repair');
    assert.equal(code, 0, 'a repaired duplicate no longer counts');
    assert.deepEqual([verified.agrees, verified.entities[0].duplicatesRemoved], [true, 1]);
    assert.equal((await tracked()).length, 14);
    const [left] = await server.query(
      'log',
      `SELECT COUNT(Watermark) AS Watermarks FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = 'User'`,
    );
    assert.equal(left?.Watermarks, 0);
    const { stdout } = await ledger(['verify', '--entity', 'Users', '--repair']);
    assert.match(stdout, /repaired +0 rows under further labels removed/);
  });

  it('a repaired ledger that differs otherwise still ends with 1; nothing was sent or forgotten', async () => {
    await disturb();
    job.receiver.clear();
    const before = (await tracked()).length;
    assert.equal((await ledger(['verify', '--entity', 'Users', '--repair'])).code, 1);
    assert.equal((await tracked()).length, before - 1);
    assert.equal(job.receiver.calls().length, 0);
  });

  it('tells dead letters among the missing ones, and rows in doubt apart', async () => {
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    await job.configure((config) => {
      const [users] = config.entities;
      config.destination.maxAttempts = 1;
      config.entities = [{ ...users, destination: { ...users.destination, batchSize: 5 } }];
    });
    // The batch, and its second try at the run's end.
    job.receiver.failNext(2, { send: 'reset' });
    assert.equal((await sync('--limit', '5')).code, 2);
    const missing = async () => {
      const [users] = (await document('verify', '--entity', 'Users')).document.entities;
      return [users.missing.count, users.inDoubt.count, users.deadLetters];
    };
    assert.deepEqual(await missing(), [7, 5, 0]);
    assert.equal((await ledger(['adopt', '--entity', 'Users'])).code, 0);
    const adopted = await document('verify', '--entity', 'Users');
    assert.deepEqual([adopted.code, adopted.document.agrees], [1, false], 'what is in doubt is not agreed on');
    assert.deepEqual(await missing(), [0, 5, 0]);
    assert.equal((await sync()).code, 0);
    assert.deepEqual(await missing(), [0, 0, 0]);
    await job.configure((config) => {
      const [users] = config.entities;
      config.entities = [{ ...users, map: { Name: { column: 'Name', as: 'number' } } }];
    });
    await server.execute('log', `DELETE FROM dbo.TB_R_SYNC_TRACKING WHERE EntityId = '${idOf(0)}'`);
    await sync();
    assert.deepEqual(await missing(), [1, 0, 1]);
  });

  it('reads while a run is at work, and says so; only --repair needs the lock', async () => {
    const release = await holdLock(server, 'User');
    const { code, stdout } = await ledger(['verify', '--entity', 'Users']);
    assert.equal(code, 0);
    assert.match(stdout, /note +a run is at work on it/);
    const repair = await ledger(['verify', '--entity', 'Users', '--repair']);
    assert.equal(repair.code, 75);
    assert.match(repair.stderr, /^error: Users: another run/);
    assert.equal((await ledger(['verify', '--entity', 'Users', 'OrgObject', '--repair'])).code, 1);
    await release();
  });

  it('wrong usage is 64, a source that is not there 69', async () => {
    assert.equal((await ledger(['verify', '--key', 'x'])).code, 64);
    await job.configure((config) => {
      config.entities[0].source.table = 'dbo.NOWHERE';
    });
    const { code, stdout, stderr } = await ledger(['verify', '--entity', 'Users']);
    assert.deepEqual([code, stdout], [69, '']);
    assert.match(stderr, /^error: Users: dbo\.NOWHERE is not there/);
  });

  it('a source that cannot be read is told of, the others are compared all the same: 1', async () => {
    await job.configure((config) => {
      config.entities[0].source.table = 'dbo.NOWHERE';
    });
    const { code, stdout, stderr } = await ledger(['verify']);
    assert.equal(code, 1);
    assert.match(stderr, /^error: Users: dbo\.NOWHERE is not there/);
    assert.match(stdout, /^OrgObject: source and ledger agree\n/m);
    const { document: verified } = await document('verify', '--entity', 'Users', 'OrgObject', '--repair');
    assert.deepEqual([verified.agrees, verified.unread], [false, ['Users']]);
    assert.deepEqual(
      verified.entities.map(({ entity }: { entity: string }) => entity),
      ['OrgObject'],
    );
    const alone = await document('verify', '--entity', 'Users');
    assert.deepEqual([alone.code, alone.document.entities, alone.document.unread], [69, [], ['Users']]);
    const release = await holdLock(server, 'OrgObject');
    assert.equal((await ledger(['verify', '--entity', 'Users', 'OrgObject', '--repair'])).code, 1);
    await release();
  });

  it('a map that fits no column keeps others from nothing: 1', async () => {
    await job.configure((config) => {
      config.entities[0].map = { Number: { column: 'Id', as: 'number' } };
    });
    const { code, stderr, document: verified } = await document('verify', '--entity', 'Users', 'OrgObject');
    assert.deepEqual([code, verified.unread, verified.entities.length], [1, ['Users'], 1]);
    assert.match(stderr, /^error: Users: /);
    assert.equal((await ledger(['verify', '--entity', 'Users'])).code, 1);
  });

  /** The sources of the first connection are on a server that is not there. */
  async function loseServer(retryForMs: number): Promise<{ env: Record<string, string> }> {
    await job.configure((config) => {
      config.connections.default = { connectionString: '${env:TAMHR_DEFAULT_CONNECTION}', retryForMs };
    });
    const away = job.env.TAMHR_DEFAULT_CONNECTION?.replace(/Server=[^;]*/i, 'Server=tcp:127.0.0.1,1') ?? '';
    return { env: { ...job.env, TAMHR_DEFAULT_CONNECTION: away } };
  }

  it('a server that cannot be reached is waited for once, and each of its entities is named', async () => {
    const { env } = await loseServer(300);
    const names = ['Users', 'ActualOrg', 'OrgObject'];
    const { code, stdout, stderr } = await ledger(['verify', '--entity', ...names], { env });
    assert.deepEqual([code, stdout], [69, '']);
    for (const name of names) assert.match(stderr, new RegExp(`^error: ${name}: Connection default`, 'm'));
    assert.match(stderr, /trying again/);
    assert.ok(stderr.lastIndexOf('trying again') < stderr.indexOf('error: '), stderr);
  });

  it('a signal while it waits for a source ends it with 130, and no verdict', async () => {
    const { env } = await loseServer(60_000);
    for (const args of [
      ['verify', '--entity', 'Users', '--json'],
      ['show', '--entity', 'Users', '--key', idOf(0)],
    ]) {
      const signals = new EventEmitter();
      const onStderr = (text: string) => text.includes('trying again') && signals.emit('SIGINT', 'SIGINT');
      const { code, stdout, stderr } = await ledger(args, { env, signals, onStderr });
      assert.deepEqual([code, stdout], [130, ''], stderr);
      assert.match(stderr, /^SIGINT: stopped\./m);
      assert.doesNotMatch(stderr, /^error: /m);
    }
  });
});
