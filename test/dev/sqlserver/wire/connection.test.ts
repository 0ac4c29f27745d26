import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Connection, Request, TYPES } from 'tedious';
import type { EngineEvent, ResultColumn, SqlValue } from '../../../../dev/sqlserver/engine.ts';
import { Faults } from '../../../../dev/sqlserver/faults.ts';
import { type Listener, listen } from '../../../../dev/sqlserver/wire/listener.ts';
import { connect, disconnect, type Outcome, request } from './client.ts';
import { FakeEngine } from './fake-engine.ts';

const int: ResultColumn = { name: 'n', type: { name: 'int' }, nullable: false };
const text: ResultColumn = { name: 't', type: { name: 'nvarchar', length: 4000 }, nullable: true };

function result(columns: readonly ResultColumn[], rows: readonly (readonly SqlValue[])[]): EngineEvent[] {
  return [
    { kind: 'columns', columns },
    ...rows.map((values): EngineEvent => ({ kind: 'row', values })),
    { kind: 'done', rowCount: rows.length },
  ];
}

function failure(number: number, message: string): EngineEvent[] {
  return [
    { kind: 'message', message: { number, severity: 16, state: 1, message, line: 3 } },
    { kind: 'done', failed: true },
  ];
}

describe('a connection of the stand-in', () => {
  let engine: FakeEngine;
  let faults: Faults;
  let listener: Listener;
  let connection: Connection;
  const statements: string[] = [];

  before(async () => {
    engine = new FakeEngine();
    faults = new Faults();
    listener = await listen({ engine, faults, record: (statement) => statements.push(statement) });
  });
  after(() => listener.close());
  beforeEach(async () => {
    engine.log.length = 0;
    engine.bulkRows.length = 0;
    connection = await connect(listener.port);
    // The driver's own SET statements after the login are of no interest.
    statements.length = 0;
    engine.log.length = 1;
  });
  afterEach(async () => {
    faults.clear();
    await disconnect(connection);
  });

  const alive = async (): Promise<void> => {
    engine.on('alive', () => result([int], [[1]]));
    const { rows, error } = await request(connection, 'alive', { how: 'execSqlBatch' });
    assert.deepEqual({ rows, error }, { rows: [[1]], error: undefined });
  };

  it('passes on what LOGIN7 says, and ends the session with the connection', async () => {
    assert.deepEqual(engine.log, ['login sa TAMHR_LOG wire test']);
    await disconnect(connection);
    await listenerIsIdle(engine);
    assert.deepEqual(engine.log, ['login sa TAMHR_LOG wire test', 'close session']);
  });

  it('refuses a wrong password with 18456', async () => {
    const { numbers } = await refusedLogin(listener.port, { password: 'wrong' });
    assert.deepEqual(numbers, [18_456]);
  });

  it('refuses a database that is not there with 4060 and then 18456, as SQL Server does', async () => {
    const { numbers } = await refusedLogin(listener.port, { database: 'missing' });
    assert.deepEqual(numbers, [4060, 18_456]);
  });

  it('answers a batch with columns, rows and a count for each statement', async () => {
    engine.on('two', () => [
      ...result(
        [int, text],
        [
          [1, 'Jakarta 東京 🚀'],
          [2, null],
        ],
      ),
      ...result([text], [['']]),
    ]);
    const outcome = await request(connection, 'two', { how: 'execSqlBatch' });
    assert.deepEqual(outcome.columns, [
      [
        { name: 'n', type: 'Int' },
        { name: 't', type: 'NVarChar' },
      ],
      [{ name: 't', type: 'NVarChar' }],
    ]);
    assert.deepEqual(outcome.rows, [[1, 'Jakarta 東京 🚀'], [2, null], ['']]);
    assert.equal(outcome.rowCount, 3);
  });

  it('leaves the count out where the statement counts nothing', async () => {
    engine.on('quiet', () => [{ kind: 'done' }]);
    assert.equal((await request(connection, 'quiet', { how: 'execSqlBatch' })).rowCount, 0);
  });

  it('sends an error with its number and goes on', async () => {
    engine.on('bad', () => [
      ...result([int], [[1]]),
      ...failure(208, "Invalid object name 'x'."),
      ...result([int], [[2]]),
    ]);
    const outcome = await request(connection, 'bad', { how: 'execSqlBatch' });
    assert.equal(outcome.error?.number, 208);
    assert.deepEqual(outcome.rows, [[1], [2]]);
    await alive();
  });

  it('takes back a row that can not be encoded and reports it', async () => {
    engine.on('broken row', () =>
      result(
        [int, text],
        [
          [1, 'good'],
          [2, 5 as never],
        ],
      ),
    );
    const outcome = await request(connection, 'broken row', { how: 'execSqlBatch' });
    assert.deepEqual(outcome.rows, [[1, 'good']]);
    assert.match(outcome.error?.message ?? '', /the value is no string/);
    await alive();
  });

  it('streams an answer of many packets without holding it in memory', async () => {
    let given = 0;
    let most = 0;
    engine.on('many', function* (): Iterable<EngineEvent> {
      yield { kind: 'columns', columns: [int, text] };
      for (let i = 0; i < 20_000; i++) {
        given = i;
        yield { kind: 'row', values: [i, 'x'.repeat(500)] };
      }
      yield { kind: 'done', rowCount: 20_000 };
    });
    let seen = 0;
    const outcome = await request(connection, 'many', {
      how: 'execSqlBatch',
      onRow: (made) => {
        seen += 1;
        most = Math.max(most, given - seen);
        if (seen === 10) {
          made.pause();
          setImmediate(() => setImmediate(() => made.resume()));
        }
      },
    });
    assert.equal(outcome.rowCount, 20_000);
    assert.ok(most < 15_000, `the server was ${most} rows ahead`);
  });

  it('gives sp_executesql its declared parameters and returns output values', async () => {
    let given: unknown;
    engine.on('select @a, @b', (parameters) => {
      given = parameters;
      return [
        ...result([int], [[1]]),
        { kind: 'output', name: '@b', type: { name: 'nvarchar', length: 20 }, value: 'back' },
      ];
    });
    const outcome = await request(connection, 'select @a, @b', {
      prepare: (made) => {
        made.addParameter('a', TYPES.Int, 5);
        made.addOutputParameter('b', TYPES.NVarChar, 'there', { length: 20 });
      },
    });
    assert.deepEqual(given, [
      { name: '@a', type: { name: 'int' }, value: 5, output: false },
      { name: '@b', type: { name: 'nvarchar', length: 20 }, value: 'there', output: true },
    ]);
    assert.deepEqual(outcome.outputs, { b: 'back' });
    assert.deepEqual(outcome.rows, [[1]]);
    assert.deepEqual(statements, ['select @a, @b']);
  });

  it('prepares, executes and unprepares a statement', async () => {
    engine.on('prepared @a', (parameters) => result([int], [[Number(parameters?.[0]?.value) + 1]]));
    const rows: unknown[] = [];
    let finished: () => void = () => {};
    const made = new Request('prepared @a', (error) => {
      assert.equal(error ?? undefined, undefined);
      finished();
    });
    made.addParameter('a', TYPES.Int);
    made.on('row', (row: readonly { value: unknown }[]) => rows.push(row[0]?.value));
    const step = (start: () => void): Promise<void> =>
      new Promise((resolve) => {
        finished = resolve;
        start();
      });
    made.once('prepared', () => finished());
    await step(() => connection.prepare(made));
    await step(() => connection.execute(made, { a: 1 }));
    await step(() => connection.execute(made, { a: 41 }));
    await step(() => connection.unprepare(made));
    assert.deepEqual(rows, [2, 42]);
    await alive();
  });

  it('calls a procedure by name with output values and its return status', async () => {
    engine.on('call sp_getapplock', (parameters) => [
      { kind: 'output', name: '@out', type: { name: 'int' }, value: parameters?.length ?? 0 },
      { kind: 'returnStatus', value: -1 },
    ]);
    let status: number | undefined;
    const outcome = await request(connection, 'sp_getapplock', {
      how: 'callProcedure',
      prepare: (made) => {
        made.addParameter('Resource', TYPES.NVarChar, 'r');
        made.addOutputParameter('out', TYPES.Int);
        made.on('doneProc', (_count, _more, returnStatus) => {
          status = returnStatus;
        });
      },
    });
    assert.equal(outcome.error, undefined);
    assert.equal(status, -1);
    assert.deepEqual(outcome.outputs, { out: 2 });
  });

  it('keeps the driver informed about transactions', async () => {
    const step = (run: (done: (error?: Error | null) => void) => void): Promise<void> =>
      new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));
    await step((done) => connection.beginTransaction(done));
    await step((done) => connection.saveTransaction(done, 'here'));
    await step((done) => connection.rollbackTransaction(done, 'here'));
    await step((done) => connection.commitTransaction(done));
    await step((done) => connection.beginTransaction(done));
    await step((done) => connection.rollbackTransaction(done));
    assert.deepEqual(statements, [
      'BEGIN TRANSACTION',
      'SAVE TRANSACTION here',
      'ROLLBACK TRANSACTION here',
      'COMMIT TRANSACTION',
      'BEGIN TRANSACTION',
      'ROLLBACK TRANSACTION',
    ]);
    assert.deepEqual(engine.log.slice(1), ['begin 2', 'save here', 'rollback here', 'begin 2', 'rollback ']);
  });

  it('resets the session when the driver asks for it with its next request', async () => {
    await new Promise<void>((resolve, reject) => connection.reset((error) => (error ? reject(error) : resolve())));
    assert.equal(engine.log.filter((line) => line === 'reset').length, 1);
    await alive();
  });

  it('stops in mid-stream when the client cancels, and the connection lives on', async () => {
    let finished = false;
    engine.on('endless', function* (): Iterable<EngineEvent> {
      try {
        yield { kind: 'columns', columns: [int] };
        for (let i = 0; ; i++) yield { kind: 'row', values: [i] };
      } finally {
        finished = true;
      }
    });
    const outcome = await request(connection, 'endless', {
      how: 'execSqlBatch',
      onRow: (made) => made.cancel(),
    });
    assert.equal(outcome.error?.code, 'ECANCEL');
    assert.ok(finished, 'the engine was told to stop');
    await alive();
  });

  it('stops a statement that waits when the client cancels', async () => {
    let cancel: () => void = () => {};
    engine.on('wait', async function* (_parameters, signal): AsyncIterable<EngineEvent> {
      setImmediate(cancel);
      await once(signal, 'abort');
      yield { kind: 'done' };
    });
    const outcome = await request(connection, 'wait', {
      prepare: (made) => {
        cancel = () => made.cancel();
      },
    });
    assert.equal(outcome.error?.code, 'ECANCEL');
    await alive();
  });

  it('ends the statement and the session when the client vanishes', async () => {
    engine.on('wait for client', async function* (_parameters, signal): AsyncIterable<EngineEvent> {
      setImmediate(() => connection.close());
      await once(signal, 'abort');
      engine.log.push('aborted');
      yield { kind: 'done' };
    });
    await request(connection, 'wait for client');
    await listenerIsIdle(engine);
    assert.deepEqual(engine.log.slice(-2), ['aborted', 'close session']);
  });

  describe('a bulk load', () => {
    const load = (rows: Iterable<unknown[]>, prepare?: (made: ReturnType<Connection['newBulkLoad']>) => void) =>
      new Promise<{ error: Outcome['error']; rowCount: number | undefined }>((resolve) => {
        const bulk = connection.newBulkLoad('#keys', (error, rowCount) =>
          resolve({ error: error ?? undefined, rowCount }),
        );
        bulk.addColumn('n', TYPES.Int, { nullable: false });
        bulk.addColumn('t', TYPES.NVarChar, { length: 255, nullable: true });
        prepare?.(bulk);
        connection.execBulkLoad(bulk, rows as never);
      });

    it('hands the rows to the engine and counts them', async () => {
      const { error, rowCount } = await load([
        [1, 'satu'],
        [2, null],
        [3, '三'],
      ]);
      assert.equal(error, undefined);
      assert.equal(rowCount, 3);
      assert.deepEqual(engine.bulkRows, [
        [1, 'satu'],
        [2, null],
        [3, '三'],
      ]);
      assert.deepEqual(engine.bulkColumns, [
        { name: 'n', type: { name: 'int' }, nullable: false },
        { name: 't', type: { name: 'nvarchar', length: 255 }, nullable: true },
      ]);
      assert.deepEqual(statements.length, 1, 'one statement, though two messages');
      assert.match(statements[0] ?? '', /^insert bulk #keys/i);
    });

    it('takes many packets', async () => {
      const rows = Array.from({ length: 20_000 }, (_, i) => [i, `row ${i}`]);
      const { rowCount } = await load(rows);
      assert.equal(rowCount, 20_000);
      assert.deepEqual(engine.bulkRows, rows);
    });

    it('takes (max) values that span packets', async () => {
      const long = '長い'.repeat(30_000);
      const outcome = await new Promise((resolve) => {
        const bulk = connection.newBulkLoad('#long', (error, rowCount) =>
          resolve({ error: error ?? undefined, rowCount }),
        );
        bulk.addColumn('t', TYPES.NVarChar, { length: Number.POSITIVE_INFINITY, nullable: true });
        bulk.addColumn('b', TYPES.VarBinary, { length: 100, nullable: true });
        connection.execBulkLoad(bulk, [
          [long, Buffer.from([1, 2])],
          [null, null],
        ] as never);
      });
      assert.deepEqual(outcome, { error: undefined, rowCount: 2 });
      assert.deepEqual(engine.bulkRows, [
        [long, Uint8Array.of(1, 2)],
        [null, null],
      ]);
    });

    it('reports the engine’s error after it has read all rows', async () => {
      const rows = Array.from({ length: 5000 }, (_, i) => [i === 3 ? -1 : i, 'x']);
      const { error } = await load(rows);
      assert.equal(error?.number, 2627);
      await alive();
    });

    it('is given up whole where the client gives it up', async () => {
      function* rows(): Iterable<unknown[]> {
        for (let i = 0; i < 20_000; i++) {
          if (i === 10_000) throw new Error('the source failed');
          yield [i, 'x'];
        }
      }
      const { error } = await load(rows());
      assert.match(String(error?.message), /the source failed/);
      await alive();
    });
  });

  describe('with a planted fault', () => {
    it('fails the n-th matching statement with its number', async () => {
      const fault = faults.add({ match: /alive/, on: 2, action: { error: 1205 } });
      await alive();
      assert.equal((await request(connection, 'alive')).error?.number, 1205);
      await alive();
      assert.equal(fault.hits, 1);
    });

    it('loses the connection before the statement runs', async () => {
      faults.add({ match: /alive/, action: { drop: 'before' } });
      const { error } = await request(connection, 'alive');
      assert.equal(error?.code, 'ECONNRESET');
      assert.ok(!engine.log.includes('alive'));
    });

    it('loses the connection after the statement has run', async () => {
      faults.add({ match: /^COMMIT/, action: { drop: 'after' } });
      engine.on('ran', () => result([int], [[1]]));
      faults.add({ match: /^ran$/, action: { drop: 'after' } });
      const { error, rows } = await request(connection, 'ran');
      assert.equal(error?.code, 'ECONNRESET');
      assert.deepEqual(rows, []);
      assert.ok(engine.log.includes('ran'));
    });

    it('cuts an answer in the middle of a row', async () => {
      engine.on('rows', () =>
        result(
          [int, text],
          [
            [1, 'a'],
            [2, 'b'],
            [3, 'c'.repeat(100)],
          ],
        ),
      );
      faults.add({ match: /^rows$/, action: { truncateAfterRows: 2 } });
      const { error, rows } = await request(connection, 'rows');
      assert.equal(error?.code, 'ECONNRESET');
      assert.deepEqual(rows, [
        [1, 'a'],
        [2, 'b'],
      ]);
    });

    it('stalls an answer until the client cancels', async () => {
      const many = Array.from({ length: 5000 }, (_, i) => [i, 'x'.repeat(100)]);
      engine.on('stalling', () => result([int, text], many));
      faults.add({ match: /^stalling$/, action: { stallAfterRows: 3000 } });
      let seen = 0;
      const outcome = await request(connection, 'stalling', {
        onRow: (made) => {
          seen += 1;
          if (seen === 2500) setTimeout(() => made.cancel(), 20);
        },
      });
      assert.equal(outcome.error?.code, 'ECANCEL');
      assert.ok(seen <= 3000);
      await alive();
    });

    it('holds a statement until it is released', async () => {
      const fault = faults.add({ match: /alive/, action: { hold: true } });
      const pending = alive();
      await fault.struck;
      assert.ok(!engine.log.includes('alive'));
      fault.release();
      await pending;
    });

    it('lets a statement hang though the client cancels it', async () => {
      const fault = faults.add({ match: /hanging/, action: { hang: true } });
      let answered = false;
      const pending = request(connection, 'hanging').finally(() => {
        answered = true;
      });
      await fault.struck;
      connection.cancel();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(answered, false);
      fault.release();
      assert.equal((await pending).error?.code, 'ECANCEL');
      await alive();
    });

    it('refuses a login with its number', async () => {
      faults.add({ match: /^LOGIN TAMHR_LOG$/, action: { error: 40_613 } });
      const { numbers } = await refusedLogin(listener.port, {});
      assert.equal(numbers[0], 40_613);
    });

    it('meets a bulk load’s rows', async () => {
      faults.add({ match: /insert bulk/i, action: { error: 40_501 } });
      const error = await new Promise<Outcome['error']>((resolve) => {
        const bulk = connection.newBulkLoad('#keys', (failed) => resolve(failed ?? undefined));
        bulk.addColumn('n', TYPES.Int, { nullable: false });
        connection.execBulkLoad(bulk, [[1], [2]]);
      });
      assert.equal(error?.number, 40_501);
      assert.deepEqual(engine.bulkRows, []);
      await alive();
    });
  });

  it('closes the connection on bytes that are no TDS, and serves the others', async () => {
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      Buffer.from([0x12, 1, 0, 4, 0, 0, 0, 0]),
      Buffer.from([0x12, 1, 0, 12, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff]),
      Buffer.from([0x10, 1, 0, 10, 0, 0, 0, 0, 1, 2]),
      Buffer.alloc(5000, 0xff),
      Buffer.alloc(5000),
    ];
    for (const bytes of garbage) {
      const socket = createConnection(listener.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes);
      await once(socket, 'close');
    }
    await alive();
  });

  it('listens on 127.0.0.1 only', async () => {
    const socket = createConnection({ port: listener.port, host: '127.0.0.2', timeout: 1000 });
    const [outcome] = await Promise.race([
      once(socket, 'connect').then(() => ['connected']),
      once(socket, 'timeout'),
    ]).catch((error) => [error.code]);
    socket.destroy();
    assert.notEqual(outcome, 'connected');
  });

  it('cuts all connections when told to, and takes new ones', async () => {
    const ended = once(connection, 'end');
    await listener.dropConnections();
    await ended;
    connection = await connect(listener.port);
    await alive();
  });
});

async function refusedLogin(
  port: number,
  { password = 'Secret-1', database = 'TAMHR_LOG' },
): Promise<{ numbers: number[] }> {
  const numbers: number[] = [];
  const connection = new Connection({
    server: 'localhost',
    authentication: { type: 'default', options: { userName: 'sa', password } },
    options: { port, encrypt: false, database, maxRetriesOnTransientErrors: 0 },
  });
  connection.on('errorMessage', ({ number }) => numbers.push(number));
  const error = await new Promise((resolve) => connection.connect(resolve));
  assert.ok(error instanceof Error);
  return { numbers };
}

/** Waits until the last session has been closed. */
async function listenerIsIdle(engine: FakeEngine): Promise<void> {
  while (engine.log.at(-1) !== 'close session') await new Promise((resolve) => setImmediate(resolve));
}
