import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Call } from '../../dev/receiver.ts';
import { sampleRows } from '../../dev/sqlserver/sample-rows.ts';
import type { SampleEntity } from '../../dev/sqlserver/sample-schema.ts';
import { expectedPayload } from '../support/expected-payloads.ts';
import { useJob } from '../support/job.ts';
import { itOnStandIn, useSqlServer } from '../support/sqlserver.ts';

const ENDPOINTS: Readonly<Record<SampleEntity, string>> = {
  Users: '/users',
  ActualOrg: '/actualorg',
  ActualEntity: '/actualentity',
  OrgObject: '/orgobject',
  EventsCalendar: '/eventscalendar',
};
const ENTITIES = Object.keys(ENDPOINTS) as SampleEntity[];
const BATCHES = [3000, 3000, 3000, 1000];

const rowsOf = (calls: readonly { rows: number }[]) => calls.map((call) => call.rows);

describe('the nightly job over 10,000 rows per entity', () => {
  const server = useSqlServer({ seed: { rows: 10_000 } });
  const job = useJob(server);
  before(() => job.run(['migrate']));

  it('makes 4 calls per entity, each payload as the contract says, and ends with 0', async () => {
    const { code, stderr, summary } = await job.sync();
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      summary.entities.map(({ entity, state, accepted, batches }) => [entity, state, accepted, batches.accepted]),
      ENTITIES.map((entity) => [entity, 'done', 10_000, 4]),
    );
    for (const entity of ENTITIES) {
      const calls = job.receiver.calls(ENDPOINTS[entity]);
      assert.deepEqual(rowsOf(calls), BATCHES);
      assert.ok(calls.every((call) => call.method === 'POST' && call.headers['content-type'] === 'application/json'));
      const accepted = job.receiver.accepted(ENDPOINTS[entity]);
      assert.equal(accepted.size, 10_000);
      for (const row of sampleRows(entity, 10_000)) {
        const taken = accepted.get(String(row.Id));
        assert.equal(taken?.times, 1);
        const sentAt = String(taken.row.created_at_system);
        assert.match(sentAt, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d$/);
        assert.deepEqual(taken.row, expectedPayload(entity, row, sentAt));
      }
    }
  });

  it('writes the ledger in lower case under the first label, with hashes, and TB_R_Log a row per batch', async () => {
    const ledger = await server.query(
      'log',
      `SELECT EntityType, COUNT(*) AS Tracked, COUNT(RowHash) AS Hashed, COUNT(BatchId) AS Batched
       FROM dbo.TB_R_SYNC_TRACKING GROUP BY EntityType ORDER BY EntityType`,
    );
    const labels = ['ActualEntity', 'ActualOrg', 'EventsCalendar', 'OrgObject', 'User'];
    assert.deepEqual(
      ledger.map((row) => [row.EntityType, row.Tracked, row.Hashed, row.Batched]),
      labels.map((label) => [label, 10_000, 10_000, 10_000]),
    );
    const [first] = sampleRows('Users', 1);
    const [tracked] = await server.query('log', 'SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING WHERE EntityId = @id', {
      id: String(first?.Id),
    });
    assert.equal(tracked?.EntityId, first?.Id);
    const log = await server.query(
      'log',
      `SELECT LogCategory, Status, AdditionalInformation, ExceptionMessage, IPHostName, CreatedBy, RowStatus, ModifiedBy
       FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Users' AND ApplicationName = N'tamhr-sync' ORDER BY CreatedOn`,
    );
    assert.equal(log.length, 4);
    for (const row of log) {
      assert.deepEqual(
        [row.LogCategory, row.Status, row.CreatedBy, row.RowStatus],
        ['DataSync', 'Success', 'System', true],
      );
      const information = JSON.parse(String(row.AdditionalInformation));
      assert.equal(information.EndpointUrl, `${job.receiver.url}/users`);
      assert.deepEqual([information.BatchSize, information.HttpResponseCode], [3000, 200]);
      assert.ok(Number.isInteger(information.DurationMs));
    }
  });

  it('keeps no body and no keys of a settled batch', async () => {
    const [left] = await server.query(
      'log',
      'SELECT COUNT(*) AS Batches, COUNT(Body) AS Bodies, COUNT(RowKeys) AS RowKeys FROM dbo.TB_R_SYNC_BATCH',
    );
    assert.deepEqual({ ...left }, { Batches: 20, Bodies: 0, RowKeys: 0 });
  });

  it('makes no call the second time, and one call of 1 after 1 new row', async () => {
    job.receiver.clear();
    const second = await job.sync();
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual([job.receiver.calls().length, second.summary.entities[0]?.tracked], [0, 10_000]);
    await server.execute(
      'mdm',
      `INSERT INTO dbo.MDM_USER (Id, NoReg, Username, Name, Gender, Email, IsActive)
       VALUES (NEWID(), N'1', N'baru', N'Baru', N'Perempuan', NULL, 1)`,
    );
    assert.equal((await job.sync()).code, 0);
    assert.deepEqual(
      job.receiver.calls().map((call) => [call.path, call.rows]),
      [['/users', 1]],
    );
  });
});

describe('options of run', () => {
  const server = useSqlServer({ seed: { rows: { Users: 10 } }, standIn: { record: true } });
  const job = useJob(server);
  before(() => job.run(['migrate']));

  it('--dry-run says what would be sent, and neither sends nor stores', async () => {
    const { code, summary } = await job.sync('--dry-run');
    assert.deepEqual([code, summary.entities[0]?.pending, job.receiver.calls().length], [0, 10, 0]);
    const [stored] = await server.query('log', 'SELECT COUNT(*) AS Runs FROM dbo.TB_R_SYNC_RUN');
    assert.equal(stored?.Runs, 0);
  });

  it('--limit and --batch-size hold for each entity, --entity for those named', async () => {
    const args = ['--entity', 'Users', '--entity', 'OrgObject', '--batch-size', '2', '--limit', '5'];
    const { code, summary } = await job.sync(...args);
    assert.equal(code, 0);
    assert.deepEqual(
      summary.entities.map(({ entity, state }) => [entity, state]),
      [
        ['Users', 'stopped'],
        ['OrgObject', 'done'],
      ],
    );
    assert.deepEqual(rowsOf(job.receiver.calls()), [2, 2, 1]);
  });

  itOnStandIn('reads the key and the columns that the map needs, and never by OFFSET', async () => {
    server.standIn.clearStatements();
    assert.equal((await job.sync('--entity', 'ActualOrg')).code, 0);
    const reads = server.standIn
      .statements()
      .filter((sql) => /SELECT TOP.*MDM_ACTUAL_ORGANIZATION_STRUCTURE/s.test(sql));
    const pages = reads.filter((sql) => sql.includes('ORDER BY'));
    assert.ok(pages.length > 0);
    for (const sql of pages) {
      assert.match(sql, /\[OrgCode\]/);
      assert.doesNotMatch(sql, /Staffing|OFFSET/);
    }
  });

  it('without --json stdout is a table, and a plain line per batch stands on stderr, the log', async () => {
    const { code, stdout, stderr } = await job.run(['run', '--verbose']);
    assert.equal(code, 0);
    assert.match(stdout, /^Entity .*\nUsers +done +10 +5 +5 /);
    assert.match(stderr, /info {2}Users: batch 1 accepted \(5 rows, HTTP 200, /);
    assert.match(stderr, /debug Users: 10 rows read, 5 of them already tracked/);
    const quiet = await job.run(['run', '--quiet']);
    assert.doesNotMatch(quiet.stderr, /info|debug/);
  });
});

describe('a second batch that is answered with 500 whenever it comes', () => {
  const server = useSqlServer({ seed: { rows: 10_000 } });
  const job = useJob(server);
  before(() => job.run(['migrate']));
  const missing = async () => {
    const [counted] = await server.query(
      'log',
      `SELECT COUNT(*) AS Tracked FROM dbo.TB_R_SYNC_TRACKING WHERE EntityType = N'User'`,
    );
    return 10_000 - Number(counted?.Tracked);
  };
  let second: Call | undefined;

  it('leaves its 3,000 rows out of the ledger, is a Failure in TB_R_Log, ends with 1, and all entities run', async () => {
    job.receiver.respond((call) => {
      if (call.path === '/users' && call.number === 2) second = call;
      return call.path === '/users' && call.idempotencyKey === second?.idempotencyKey ? { status: 500 } : undefined;
    });
    const { code, stderr, summary } = await job.sync();
    assert.equal(code, 1, stderr);
    assert.equal(await missing(), 3000);
    assert.deepEqual(
      summary.entities.map(({ state, accepted, unresolved }) => [state, accepted, unresolved]),
      [['done', 7000, 3000], ...Array(4).fill(['done', 10_000, 0])],
    );
    const log = await server.query(
      'log',
      `SELECT Status, AdditionalInformation, ExceptionMessage FROM dbo.TB_R_Log
       WHERE Activity = N'Sync Batch: Users' AND ApplicationName = N'tamhr-sync' ORDER BY CreatedOn`,
    );
    const informationOf = (row: (typeof log)[number] | undefined) => JSON.parse(String(row?.AdditionalInformation));
    assert.deepEqual(log.map((row) => [row.Status, informationOf(row).HttpResponseCode]).sort(), [
      ['Failure', 500],
      ...Array(3).fill(['Success', 200]),
    ]);
    const failure = log.find((row) => row.Status === 'Failure');
    assert.match(String(failure?.ExceptionMessage), /HTTP 500/);
    assert.deepEqual(
      informationOf(failure).Attempts.map(({ status }: { status: number }) => status),
      [500, 500, 500, 500, 500],
      'four in a row, and one more at the end of the run',
    );
  });

  it('is named by status', async () => {
    const { stdout } = await job.run(['status']);
    assert.match(stdout, new RegExp(String(second?.idempotencyKey)));
    assert.match(stdout, /3,000 rows/);
  });

  it('is sent again by the next run, the same bytes under the same key, and accepted', async () => {
    job.receiver.clear();
    job.receiver.respond(() => undefined);
    const { code, stderr } = await job.sync();
    assert.equal(code, 0, stderr);
    const calls = job.receiver.calls();
    assert.deepEqual(rowsOf(calls), [3000]);
    assert.deepEqual([calls[0]?.idempotencyKey, calls[0]?.body], [second?.idempotencyKey, second?.body]);
    assert.equal(await missing(), 0);
  });
});

describe('a ledger of 200,000 rows of the old job, half under User, half under Users', () => {
  const server = useSqlServer({ seed: { rows: { Users: 200_000 }, oldJob: { rows: 200_000 } } });
  const job = useJob(server);
  before(() => job.run(['migrate']));

  it('has not one of them sent again', async () => {
    const { code, stderr, summary } = await job.sync('--entity', 'Users');
    assert.equal(code, 0, stderr);
    assert.deepEqual([summary.entities[0]?.read, summary.entities[0]?.tracked], [200_000, 200_000]);
    assert.equal(job.receiver.calls().length, 0);
  });
});
