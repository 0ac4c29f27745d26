import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import type { Connection, Request } from 'tedious';
import { connect } from '../../src/sqlserver/connect.ts';
import { loadDriver } from '../../src/sqlserver/driver.ts';
import { int, nvarchar } from '../../src/sqlserver/parameters.ts';
import { createSession, type Session } from '../../src/sqlserver/session.ts';
import type { ConnectionSettings } from '../../src/sync/connection.ts';
import { itOnStandIn, useSqlServer } from '../support/sqlserver.ts';
import { settingsOf } from './fixture.ts';

describe('a session', () => {
  const server = useSqlServer();

  async function open(t: TestContext | undefined, changes: Partial<ConnectionSettings> = {}): Promise<Session> {
    const session = await connect(
      { ...(await settingsOf(server.connectionString('log'))), ...changes },
      'LOG_DATABASE',
    );
    t?.after(() => session.close());
    return session;
  }

  it('gives rows as arrays of cells beside their columns', async (t) => {
    const session = await open(t);
    const { rows, columns } = await session.query('SELECT @a AS a, @b AS b, NULL AS c', {
      a: int(7),
      b: nvarchar('三 😀', 10),
    });
    assert.deepEqual(rows, [[7, '三 😀', null]]);
    assert.deepEqual(
      columns.map(({ colName }) => colName),
      ['a', 'b', 'c'],
    );
  });

  it('counts the rows that a statement changed', async (t) => {
    const session = await open(t);
    await session.batch('CREATE TABLE #t (a int)');
    assert.equal((await session.query('INSERT INTO #t (a) VALUES (1), (2), (3)')).rowCount, 3);
    assert.equal((await session.query('UPDATE #t SET a = 0 WHERE a > 1')).rowCount, 2);
    assert.equal((await session.query('DELETE FROM #t WHERE a = 9')).rowCount, 0);
  });

  it('bulk loads rows into a temporary table', async (t) => {
    const session = await open(t);
    await session.batch('CREATE TABLE #t (n int NOT NULL, s nvarchar(20) NULL, b binary(4) NULL)');
    const rows = [
      [1, 'Siti 😀', Buffer.from([0, 1, 254, 255])],
      [2, '', null],
      [3, null, Buffer.from([9, 9, 9, 9])],
    ];
    await session.bulkInsert(
      '#t',
      [
        { name: 'n', type: 'Int', nullable: false },
        { name: 's', type: 'NVarChar', length: 20, nullable: true },
        { name: 'b', type: 'Binary', length: 4, nullable: true },
      ],
      rows,
    );
    assert.deepEqual((await session.query('SELECT n, s, b FROM #t ORDER BY n')).rows, rows);
  });

  it('rejects with the error of the server, and goes on', async (t) => {
    const session = await open(t);
    await assert.rejects(session.query('SELECT * FROM dbo.NoSuchTable'), { number: 208 });
    assert.deepEqual((await session.query('SELECT 1')).rows, [[1]]);
  });

  it('commits what a transaction did, and rolls it back when it throws', async (t) => {
    const session = await open(t);
    await session.batch('CREATE TABLE dbo.SessionTest (a int)');
    await session.transaction(() => session.query('INSERT INTO dbo.SessionTest (a) VALUES (1)'));
    const failure = new Error('stop');
    await assert.rejects(
      session.transaction(async () => {
        await session.query('INSERT INTO dbo.SessionTest (a) VALUES (2)');
        throw failure;
      }),
      failure,
    );
    assert.deepEqual((await session.query('SELECT a FROM dbo.SessionTest')).rows, [[1]]);
    assert.ok(session.usable);
  });

  it('is usable after an error that made the server roll back by itself', async (t) => {
    const session = await open(t);
    await session.batch('CREATE TABLE dbo.RolledBack (a int NOT NULL PRIMARY KEY)');
    await assert.rejects(
      session.transaction(async () => {
        await session.query('INSERT INTO dbo.RolledBack (a) VALUES (1)');
        await session.query('INSERT INTO dbo.RolledBack (a) VALUES (1)');
      }),
      { number: 2627 },
    );
    assert.ok(session.usable);
    await session.transaction(() => session.query('INSERT INTO dbo.RolledBack (a) VALUES (3)'));
    assert.deepEqual((await session.query('SELECT a FROM dbo.RolledBack')).rows, [[3]]);
  });

  it('does statements together or not at all, whatever kind of error ends them', async (t) => {
    const session = await open(t);
    await session.batch('CREATE TABLE dbo.Together (a int NOT NULL PRIMARY KEY CHECK (a < 100))');
    const insert = (a: string) => `INSERT INTO dbo.Together (a) VALUES (${a})`;
    const { rows } = await session.atomic(`${insert('@a')};\nSELECT @@ROWCOUNT, @@TRANCOUNT`, { a: int(1) });
    assert.deepEqual(rows, [[1, 1]]);
    for (const [sql, number] of [
      [insert('1'), 2627],
      [insert('100'), 547],
      // XACT_ABORT does not heed it.
      [`RAISERROR(N'a trigger says so', 16, 1);\n${insert('3')}`, 50_000],
      ['SELECT * FROM dbo.NoSuchTable', 208],
    ] as const) {
      await assert.rejects(session.atomic(`${insert('2')};\n${sql}`, {}), { number });
      assert.ok(session.usable);
      assert.deepEqual((await session.query('SELECT a, @@TRANCOUNT FROM dbo.Together')).rows, [[1, 0]], `${number}`);
    }
  });

  it('gives no row of a statement that has failed', async () => {
    const driver = await loadDriver();
    // As the driver does where rows and the connection's end arrive together.
    const connection = Object.assign(new EventEmitter(), {
      execSql(request: Request) {
        request.emit('row', [{ value: 1 }]);
        request.callback(new Error('gone'));
        request.emit('row', [{ value: 2 }]);
      },
    });
    const session = createSession(driver, connection as unknown as Connection, 0);
    const taken: unknown[] = [];
    const query = session.query('SELECT a', {}, undefined, ([cell]) => void taken.push(cell));
    await assert.rejects(query, /gone/);
    assert.deepEqual(taken, [1]);
  });

  it('ends once, and says so', async () => {
    const session = await open(undefined);
    assert.equal(session.ended.aborted, false);
    await session.close();
    await session.close();
    assert.equal(session.ended.aborted, true);
    assert.equal(session.usable, false);
  });

  itOnStandIn('cancels a statement when its signal aborts, and goes on', async () => {
    const session = await open(undefined);
    const fault = server.faults.add({ match: /SELECT 41/, action: { hold: true } });
    const controller = new AbortController();
    const query = session.query('SELECT 41', {}, controller.signal);
    await fault.struck;
    controller.abort('SIGINT');
    await assert.rejects(query, { name: 'AbortError' });
    fault.remove();
    assert.deepEqual((await session.query('SELECT 42')).rows, [[42]]);
    await session.close();
  });

  itOnStandIn('sends nothing where the signal has aborted before', async () => {
    const session = await open(undefined);
    const fault = server.faults.add({ match: /SELECT 43/, action: { error: 50000 } });
    await assert.rejects(session.query('SELECT 43', {}, AbortSignal.abort()), { name: 'AbortError' });
    assert.equal(fault.hits, 0);
    fault.remove();
    await session.close();
  });

  itOnStandIn('gives up a statement that is not answered in time', async () => {
    const session = await open(undefined, { requestTimeoutMs: 100 });
    const fault = server.faults.add({ match: /SELECT 44/, action: { hold: true } });
    await assert.rejects(session.query('SELECT 44'), { code: 'ETIMEOUT' });
    fault.remove();
    await session.close();
  });

  itOnStandIn('gives up an answer that stalls in the middle', async () => {
    const session = await open(undefined, { requestTimeoutMs: 100 });
    await session.batch('CREATE TABLE #t (a int)');
    await session.query('INSERT INTO #t (a) VALUES (1), (2), (3)');
    const fault = server.faults.add({ match: /SELECT a FROM #t/, action: { stallAfterRows: 2 } });
    await assert.rejects(session.query('SELECT a FROM #t'), { code: 'ETIMEOUT' });
    fault.remove();
    assert.equal((await session.query('SELECT a FROM #t')).rows.length, 3);
    await session.close();
  });

  itOnStandIn('is unusable where a server does not even confirm that a statement is cancelled', async () => {
    const session = await open(undefined, { requestTimeoutMs: 100 });
    const fault = server.faults.add({ match: /SELECT 47/, action: { hang: true } });
    await assert.rejects(session.query('SELECT 47'), { code: 'ETIMEOUT' });
    assert.equal(session.usable, false);
    fault.remove();
    await session.close();
  });

  itOnStandIn('gives up a bulk load that is not answered in time', async () => {
    const session = await open(undefined, { requestTimeoutMs: 100 });
    await session.batch('CREATE TABLE #t (n int NOT NULL)');
    const fault = server.faults.add({ match: /INSERT BULK/i, action: { hold: true } });
    await assert.rejects(session.bulkInsert('#t', [{ name: 'n', type: 'Int', nullable: false }], [[1]]), {
      code: 'ETIMEOUT',
    });
    fault.remove();
    await session.close();
  });

  itOnStandIn('is unusable where a commit or a bulk load is never answered', async () => {
    for (const match of [/COMMIT/, /INSERT BULK/i]) {
      const session = await open(undefined, { requestTimeoutMs: 100 });
      const fault = server.faults.add({ match, action: { hang: true } });
      const work = session.transaction(async () => {
        await session.batch('CREATE TABLE #t (n int NOT NULL)');
        await session.bulkInsert('#t', [{ name: 'n', type: 'Int', nullable: false }], [[1]]);
      });
      await assert.rejects(work, { code: 'ETIMEOUT' });
      assert.equal(session.usable, false);
      fault.remove();
      await session.close();
    }
  });

  itOnStandIn('rejects what was under way when the connection is lost, and is unusable', async () => {
    const session = await open(undefined);
    const fault = server.faults.add({ match: /SELECT 45/, action: { drop: 'before' } });
    await assert.rejects(session.query('SELECT 45'));
    fault.remove();
    assert.equal(session.usable, false);
    await assert.rejects(session.query('SELECT 46'));
    await session.close();
  });

  itOnStandIn('is unusable where nobody knows whether a transaction was committed', async () => {
    const session = await open(undefined);
    const fault = server.faults.add({ match: /COMMIT/, action: { drop: 'after' } });
    await assert.rejects(session.transaction(() => session.query('SELECT 1')));
    fault.remove();
    assert.equal(session.usable, false);
    await session.close();
  });

  itOnStandIn('is unusable where nobody knows whether a transaction was begun', async () => {
    const session = await open(undefined, { requestTimeoutMs: 100 });
    const fault = server.faults.add({ match: /BEGIN TRANSACTION/, action: { hold: true } });
    await assert.rejects(
      session.transaction(() => session.query('SELECT 1')),
      { code: 'ETIMEOUT' },
    );
    fault.remove();
    assert.equal(session.usable, false);
    await session.close();
  });
});
