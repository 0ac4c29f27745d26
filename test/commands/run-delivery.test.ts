import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

describe('a delivery that meets a difficult receiver', () => {
  const server = useSqlServer({ seed: { rows: { Users: 300 } } });
  const refusedNoRegs = new Set<unknown>();
  const job = useJob(server, {
    idempotency: true,
    refuse: (row) => (refusedNoRegs.has(row.NoReg) ? 'this NoReg is refused' : undefined),
  });
  const usersOnly = ['--entity', 'Users'];
  before(async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
  });
  beforeEach(async () => {
    job.receiver.clear();
    await job.configure((config) => {
      config.destination.batchSize = 100;
    });
    await server.execute(
      'log',
      `DELETE FROM dbo.TB_R_SYNC_TRACKING; DELETE FROM dbo.TB_R_SYNC_BATCH; DELETE FROM dbo.TB_R_SYNC_FAILURE;
       DELETE FROM dbo.TB_R_Log; UPDATE dbo.TB_R_SYNC_ENTITY SET MaxBatchRows = NULL`,
    );
  });
  afterEach(() => job.receiver.respond(() => undefined));

  const tracked = async () => {
    const [counted] = await server.query('log', 'SELECT COUNT(*) AS Tracked FROM dbo.TB_R_SYNC_TRACKING');
    return Number(counted?.Tracked);
  };
  const letters = () =>
    server.query('log', 'SELECT EntityId, Reason, HttpStatus, Attempts, State, RowHash FROM dbo.TB_R_SYNC_FAILURE');
  /** Refuses rows of these NoRegs with 422, as a receiver does that validates. */
  const refuse = (...noRegs: readonly unknown[]) =>
    job.receiver.respond((_, rows) => {
      const bad = rows.filter((row) => noRegs.includes(row.NoReg));
      if (bad.length === 0) return undefined;
      const detail = `NoReg ${bad[0]?.NoReg} of ${bad[0]?.Name} is unknown`;
      return { status: 422, body: JSON.stringify({ title: 'Invalid rows', detail }), take: false };
    });
  const someUsers = async () =>
    (await server.query('mdm', 'SELECT Id, NoReg, Name FROM dbo.MDM_USER ORDER BY Id')).map((row) => ({
      id: String(row.Id).toLowerCase(),
      noReg: String(row.NoReg),
      name: String(row.Name),
    }));

  it('isolates one bad row: 299 go through, the row is a dead letter without its values, 1; the next run is good', async () => {
    const bad = (await someUsers())[142];
    assert.ok(bad);
    refuse(bad.noReg);
    const { code, stderr, summary } = await job.sync(...usersOnly);
    assert.equal(code, 1, stderr);
    assert.deepEqual([await tracked(), job.receiver.accepted('/users').size], [299, 299]);
    const [letter, ...others] = await letters();
    assert.equal(others.length, 0);
    assert.deepEqual([letter?.EntityId, letter?.HttpStatus, letter?.Attempts], [bad.id, 422, 1]);
    assert.match(String(letter?.Reason), /HTTP 422.*Invalid rows/);
    assert.doesNotMatch(`${stderr}${JSON.stringify(letter)}`, new RegExp(`${bad.name}|${bad.noReg}`));
    assert.equal(summary.entities[0]?.newDeadLetters, 1);
    // Each batch of 100 once, and the search in one of them.
    assert.ok(job.receiver.calls().length <= 3 + 2 * 7, `${job.receiver.calls().length} calls`);
    const log = await server.query('log', `SELECT LogID, Status FROM dbo.TB_R_Log WHERE LogCategory = N'DataSync'`);
    assert.equal(log.length, job.receiver.calls().length, 'a row for each outcome');

    job.receiver.clear();
    const next = await job.sync(...usersOnly);
    assert.deepEqual([next.code, job.receiver.calls().length], [0, 0], 'the dead letter waits');

    await server.execute('mdm', 'UPDATE dbo.MDM_USER SET Email = @email WHERE Id = @id', {
      email: 'new@example.com',
      id: bad.id,
    });
    refuse();
    const changed = await job.sync(...usersOnly);
    assert.deepEqual([changed.code, await tracked(), (await letters()).length], [0, 300, 0], changed.stderr);
  });

  it('honours a 207 that reports rows: these are dead letters, the others accepted', async () => {
    const bad = (await someUsers())[7];
    job.receiver.respond((_, rows) => {
      const results = rows.map((row) => (row.NoReg === bad?.noReg ? { status: 422, detail: 'no' } : { status: 201 }));
      return results.some(({ status }) => status === 422) ? { status: 207, body: JSON.stringify(results) } : undefined;
    });
    const { code, stderr } = await job.sync(...usersOnly);
    assert.deepEqual([code, await tracked()], [1, 299], stderr);
    assert.deepEqual(
      (await letters()).map((letter) => [letter.EntityId, letter.HttpStatus]),
      [[bad?.id, 422]],
    );
    assert.equal(job.receiver.calls().length, 3);
  });

  it('halves what is too large, and remembers the size for the next run', async () => {
    job.receiver.respond((_, rows) => (rows.length > 30 ? { status: 413 } : undefined));
    const { code, stderr } = await job.sync(...usersOnly);
    assert.deepEqual([code, await tracked()], [0, 300], stderr);
    const [entity] = await server.query(
      'log',
      `SELECT MaxBatchRows FROM dbo.TB_R_SYNC_ENTITY WHERE EntityType = N'User'`,
    );
    assert.equal(entity?.MaxBatchRows, 25);
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    job.receiver.clear();
    assert.equal((await job.sync(...usersOnly)).code, 0);
    assert.deepEqual(new Set(job.receiver.calls().map(({ rows }) => rows)), new Set([25]));
  });

  it('waits as long as Retry-After asks for', async () => {
    job.receiver.respond((call) => (call.number === 1 ? { status: 429, headers: { 'Retry-After': '1' } } : undefined));
    const start = performance.now();
    const { code, stderr } = await job.sync(...usersOnly);
    assert.equal(code, 0, stderr);
    assert.ok(performance.now() - start >= 1000);
    assert.match(stderr, /Users: batch 1, attempt 1 failed \(HTTP 429.*again in 1/);
    assert.equal(job.receiver.calls().length, 4);
  });

  it('gives the entity up when Retry-After goes beyond the deadline: 2, the rest is left, and status tells', async () => {
    await job.configure((config) => {
      config.destination.batchSize = 100;
      config.run = { maxDurationMinutes: 10 };
    });
    job.receiver.respond(() => ({ status: 503, headers: { 'Retry-After': '3600' } }));
    const { code, summary, stderr } = await job.sync(...usersOnly);
    assert.equal(code, 2, stderr);
    assert.deepEqual([summary.entities[0]?.state, summary.entities[0]?.stoppedBy], ['stopped', 'breaker']);
    assert.deepEqual([job.receiver.calls().length, summary.entities[0]?.left], [1, 200]);
  });

  it('opens the breaker when the receiver is down, and --resolve-only clears what was left in doubt', async () => {
    await job.configure((config) => {
      config.destination.batchSize = 50;
      config.destination.maxAttempts = 2;
    });
    job.receiver.respond(() => ({ send: 'reset', take: true }));
    const down = await job.sync(...usersOnly);
    assert.equal(down.code, 2, down.stderr);
    assert.deepEqual(
      [down.summary.entities[0]?.stoppedBy, down.summary.entities[0]?.unresolved, down.summary.entities[0]?.left],
      ['breaker', 150, 150],
    );
    assert.equal(job.receiver.calls().length, 6);
    job.receiver.respond(() => undefined);
    const resolved = await job.run(['run', ...usersOnly, '--resolve-only']);
    assert.equal(resolved.code, 0, resolved.stderr);
    assert.match(resolved.stdout, /Users +resolved +0 +0 +150/);
    assert.equal(await tracked(), 150);
    assert.equal((await job.sync(...usersOnly)).code, 0);
    const taken = [...job.receiver.accepted('/users').values()];
    assert.deepEqual([taken.length, taken.every(({ times }) => times === 1)], [300, true]);
  });

  it('--deadline and maxDurationMinutes start nothing new afterwards: 1, and what is left is reported', async () => {
    await job.configure((config) => {
      config.destination.batchSize = 100;
      config.run = { maxDurationMinutes: 0.05 };
    });
    job.receiver.respond((call) => (call.path === '/users' && call.number === 1 ? { delayMs: 3500 } : undefined));
    const { code, stdout, stderr } = await job.run(['run']);
    assert.equal(code, 1, stderr);
    assert.match(stdout, /deadline/);
    assert.match(stdout, /200 rows/);
    assert.equal(job.receiver.calls().length, 1);
    assert.equal((await job.run(['run', '--deadline', '25:00'])).code, 64);
    const later = await job.run(['run', ...usersOnly, '--deadline', '05:30']);
    assert.deepEqual([later.code, await tracked()], [0, 300], later.stderr);
  });

  it('stops at a schema that the receiver does not take, after few calls, and no row becomes a dead letter', async () => {
    await job.configure((config) => {
      config.destination.batchSize = 300;
    });
    job.receiver.respond(() => ({ status: 400, body: JSON.stringify({ detail: 'field UniqueCode is not known' }) }));
    const { code, summary, stderr } = await job.sync(...usersOnly);
    assert.equal(code, 2, stderr);
    assert.match(summary.entities[0]?.error?.message ?? '', /every row of a batch of 300 .*UniqueCode/);
    assert.ok(job.receiver.calls().length < 80);
    assert.deepEqual([(await letters()).length, await tracked()], [0, 0]);
  });

  it('keeps to requestsPerSecond', async () => {
    await job.configure((config) => {
      config.destination.batchSize = 50;
      config.destination.requestsPerSecond = 5;
      config.destination.concurrency = 4;
    });
    const start = performance.now();
    assert.equal((await job.sync(...usersOnly)).code, 0);
    assert.equal(job.receiver.calls().length, 6);
    assert.ok(performance.now() - start >= 1000);
  });

  it('with concurrency sends each row once, whatever is refused, reset or taken without an answer', async () => {
    await job.configure((config) => {
      config.destination.batchSize = 10;
      config.destination.concurrency = 5;
    });
    for (const { noReg } of (await someUsers()).filter((_, index) => index % 60 === 7)) refusedNoRegs.add(noReg);
    job.receiver.respond((call) => {
      if (call.number % 7 === 3) return { send: 'reset', take: true };
      return call.number % 7 === 5 ? { status: 503 } : undefined;
    });
    // A bad row in a batch that may have been taken takes nights to be found.
    let nights = 0;
    while ((await job.sync(...usersOnly)).code !== 0) {
      nights += 1;
      assert.ok(nights < 12, 'it does not come to an end');
    }
    refusedNoRegs.clear();
    const taken = [...job.receiver.accepted('/users').values()];
    assert.ok(taken.every(({ times }) => times === 1));
    assert.equal(taken.length + (await letters()).length, 300);
    assert.equal(await tracked(), taken.length);
  });
});
