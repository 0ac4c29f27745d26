import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { useSqlServer } from '../support/sqlserver.ts';
import { createFleet, FLEET_ROWS, type Fleet, type FleetReport } from './fleet.ts';
import { createRandom, freshSeed } from './random.ts';

const KILLS_EACH = 2;

describe('five processes at once, each with an entity of its own', () => {
  const server = useSqlServer({ seed: { rows: FLEET_ROWS } });
  const seed = freshSeed();
  let fleet: Fleet;
  let report: FleetReport;
  before(async () => {
    fleet = await createFleet(server);
    report = await fleet.live(KILLS_EACH, createRandom(seed));
  });
  after(() => fleet.close());

  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await fleet.ask([...args, '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };

  it(`lose no row and send none twice, kills included (seed ${seed})`, () => {
    const { lost, duplicated, problems, kills } = report;
    assert.deepEqual({ lost, duplicated, problems }, { lost: 0, duplicated: 0, problems: [] });
    assert.ok(kills >= fleet.entities.length, `kills: ${kills}`);
  });

  it('are added up by status: each entity by its own last run, nothing overdue, unknown or never run', async () => {
    const status = await json('status');
    assert.deepEqual(status.warnings, []);
    const rows = Object.fromEntries(
      status.entities.map((one: { entity: string; trackedRows: number }) => [one.entity, one.trackedRows]),
    );
    assert.deepEqual(rows, FLEET_ROWS);
    const lastRuns = new Set<string>();
    for (const { entity, lastRun, lastGoodRunAt, overdue, unresolved, lockedSince } of status.entities) {
      assert.deepEqual([entity, lastRun.outcome, overdue, unresolved, lockedSince], [entity, 'done', false, [], null]);
      assert.ok(lastGoodRunAt);
      lastRuns.add(lastRun.runId);
    }
    assert.equal(lastRuns.size, fleet.entities.length);
  });

  it('are listed with how each ended, and their rows are those of the ledger', async () => {
    const { total, runs } = await json('runs', '--limit', '1000');
    assert.equal(total, report.runs);
    const dead = runs.filter(({ state }: { state: string }) => state === 'aborted');
    assert.deepEqual([dead.length, runs.length], [report.kills, report.runs]);
    const [row] = await server.query(
      'log',
      `SELECT SUM(RowsInBatch) AS Sent FROM dbo.TB_R_SYNC_BATCH WHERE State = N'accepted'`,
    );
    assert.equal(
      row?.Sent,
      Object.values(FLEET_ROWS).reduce((sum, rows) => sum + rows),
    );
  });

  it('and a sixth with the entity of another ends with 75, while its neighbours work', async () => {
    const [users, neighbour] = fleet.entities;
    assert.ok(users && neighbour);
    await server.execute('log', `DELETE FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'${users.label}'`);
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    fleet.respond(users, () => {
      arrived.resolve();
      return { hold: released.promise };
    });
    const first = fleet.cli(['run', '--entity', users.name]);
    await Promise.race([arrived.promise, first]);
    const [second, other] = await Promise.all([
      fleet.cli(['run', '--entity', users.name]),
      fleet.cli(['run', '--entity', neighbour.name]),
    ]);
    released.resolve();
    assert.deepEqual([second.code, other.code], [75, 0], second.stderr + other.stderr);
    assert.match(second.stdout + second.stderr, /another run .*since/s);
    const ended = await first;
    assert.equal(ended.code, 0, ended.stderr);
    const { entities } = await json('status', '--entity', users.name);
    assert.deepEqual([entities[0].trackedRows, entities[0].lastRun.outcome], [FLEET_ROWS.Users, 'done']);
  });
});
