import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { RunDetailDocument, RunsDocument } from '../../src/report/runs-json.ts';
import { runInProcess } from '../fault/in-process.ts';
import { assertMeetsSchema } from '../report/schema.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

describe('runs', () => {
  const server = useSqlServer({ seed: { rows: 5 } });
  const job = useJob(server);
  const runs = async (args: readonly string[], options: { readonly columns?: number } = {}) => {
    const { stderr, ...result } = await runInProcess(['runs', ...args], { cwd: job.folder, env: job.env, ...options });
    return { ...result, stderr: stderr.replaceAll(/^warning: .*\n/gm, '') };
  };

  it('where the log database is not migrated, it says what to do', async () => {
    const { code, stdout, stderr } = await runs([]);
    assert.deepEqual([code, stdout], [69, '']);
    assert.match(stderr, /tamhr-sync migrate/);
  });

  describe('in a migrated log database', () => {
    before(async () => {
      assert.equal((await job.run(['migrate'])).code, 0);
    });

    it('before the first run the list is empty, and last is none', async () => {
      assert.deepEqual(await runs([]), { code: 0, stdout: 'No run yet.\n', stderr: '' });
      const { code, stdout, stderr } = await runs(['last']);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^error: No run is named last\.\nNo run has been recorded yet\.\n/);
    });
  });

  describe('after runs of every kind', () => {
    /** The run that went well, the one whose batches were refused, and one that died. */
    let good: string;
    let refused: string;
    const DEAD = 'dddddddd-0000-4000-8000-000000000001';
    const UNKNOWN_BATCH = 'bbbbbbbb-0000-4000-8000-000000000001';

    before(async () => {
      const first = await job.sync();
      assert.equal(first.code, 0, first.stderr);
      good = first.summary.runId;
      await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
      await job.configure((config) => {
        config.destination.auth.value = 'wrong-key-of-the-test';
      });
      const second = await job.sync('--entity', 'Users', '--limit', '4');
      assert.equal(second.code, 2, second.stderr);
      refused = second.summary.runId;
      // What a run that was killed in the middle of a batch leaves.
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_RUN (RunId, StartedAt, State, Host, ProcessId, Version, Arguments)
         VALUES (@id, '2020-01-02T03:04:05', N'running', N'evil' + NCHAR(27) + N'[2J host', 7, N'0.1.0', N'run --full')`,
        { id: DEAD },
      );
      await server.execute(
        'log',
        `UPDATE dbo.TB_R_SYNC_ENTITY SET OwnerRunId = @id, LockedAt = '2020-01-02T03:04:05' WHERE EntityType = N'OrgObject'`,
        { id: DEAD },
      );
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_BATCH (BatchId, RunId, LastRunId, EntityType, Operation, State, RowsInBatch, BodyHash, Attempts,
           RunsTried, HttpStatus, DurationMs, Error, CreatedAt)
         VALUES (@batch, @id, @last, N'OrgObject', N'delete', N'sending', 3000, @hash, 4, 2, 503, 1234,
           N'HTTP 503 Service Unavailable', '2020-01-02T03:04:06')`,
        { batch: UNKNOWN_BATCH, id: DEAD, last: refused, hash: Buffer.alloc(32) },
      );
    });

    const listed = async (...args: string[]): Promise<RunsDocument> => {
      const { code, stdout, stderr } = await runs(['--json', ...args]);
      assert.equal(code, 0, stderr);
      const document = JSON.parse(stdout);
      assertMeetsSchema('runs', document);
      return document;
    };
    const detailOf = async (...args: string[]): Promise<RunDetailDocument> => {
      const { code, stdout, stderr } = await runs(['--json', ...args]);
      assert.equal(code, 0, stderr);
      const document = JSON.parse(stdout);
      assertMeetsSchema('runs-detail', document);
      return document;
    };

    it('lists them newest first, and knows a dead one by its lock', async () => {
      const { total, runs: found } = await listed();
      assert.equal(total, 3);
      assert.deepEqual(
        found.map(({ runId, state, exitCode, counts }) => [runId, state, exitCode, counts?.rowsAccepted]),
        [
          [refused, 'finished', 2, 0],
          [good, 'finished', 0, 25],
          [DEAD, 'aborted', null, undefined],
        ],
      );
      assert.equal(found[0]?.arguments, 'run --entity Users --limit 4');
    });

    it('--limit lists the newest, and the text says how many more there are', async () => {
      assert.equal((await listed('--limit', '1')).runs[0]?.runId, refused);
      const { stdout } = await runs(['--limit', '1']);
      assert.match(stdout, /^2 more; --limit 3 shows them all\.$/m);
    });

    it('texts from the database cannot steer the terminal', async () => {
      const { stdout } = await runs([], { columns: 200 });
      assert.match(stdout, /evil\\u001b\[2J host/);
      assert.equal(stripVTControlCharacters(stdout).includes('\u001b'), false);
    });

    it('finds a run by its beginning, in either case, and by last', async () => {
      for (const name of [good, good.slice(0, 8), good.toUpperCase(), good.replaceAll('-', '')]) {
        assert.equal((await detailOf(name)).run.runId, good);
      }
      assert.equal((await detailOf('last')).run.runId, refused);
    });

    it('shows its entities as the run printed them, and its batches', async () => {
      const { entities, batches } = await detailOf(good);
      assert.deepEqual(
        entities?.map(({ entity, accepted }) => [entity, accepted]),
        ['Users', 'ActualOrg', 'ActualEntity', 'OrgObject', 'EventsCalendar'].map((entity) => [entity, 5]),
      );
      assert.equal(batches.total, 5);
      assert.deepEqual(
        batches.listed.map(({ entity, label, state, rows, attempts, httpStatus }) => [
          entity,
          label,
          state,
          rows,
          attempts,
          httpStatus,
        ])[0],
        ['Users', 'User', 'accepted', 5, 1, 200],
      );
    });

    it('unresolved batches come first, also those of an earlier run that it tried last', async () => {
      const { run, batches } = await detailOf(refused);
      assert.deepEqual(
        batches.listed.map(({ batchId, runId, state }) => [batchId === UNKNOWN_BATCH, runId === run.runId, state]),
        [
          [true, false, 'sending'],
          [false, true, 'refused'],
        ],
      );
      const { stdout } = await runs([refused], { columns: 100 });
      assert.match(stdout, /^Exit code 2: something was pending and nothing was accepted$/m);
      assert.match(stdout, /HTTP 401 [\s\S]*\n {2}Check destination\.auth/);
      assert.match(stripVTControlCharacters(stdout), new RegExp(`${UNKNOWN_BATCH} +OrgObject +unknown, delete`));
      assert.match(stdout, new RegExp(`^ {4}reserved by run ${DEAD}$`, 'm'));
      assert.equal((await detailOf(refused, '--limit', '1')).batches.listed[0]?.batchId, UNKNOWN_BATCH);
    });

    it('of a run that was killed it says that there is no summary', async () => {
      const document = await detailOf('dddd');
      assert.deepEqual([document.run.state, document.entities], ['aborted', null]);
      assert.match((await runs(['dddd'])).stdout, /It wrote no summary: it was killed/);
    });

    it('an unknown run ends with 1 and names the nearest', async () => {
      const { code, stdout, stderr } = await runs(['dddd9']);
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(
        stderr,
        `error: No run is named dddd9.\nThe nearest are:\n  ${DEAD}  2020-01-02 10:04 +07:00\ntamhr-sync runs lists them.\n`,
      );
    });

    it('a beginning that several runs share ends with 1 and names them', async () => {
      const twin = `${good.slice(0, -4)}${good.endsWith('0000') ? '1111' : '0000'}`;
      await server.execute(
        'log',
        `INSERT INTO dbo.TB_R_SYNC_RUN (RunId, StartedAt, State, Host, ProcessId, Version, Arguments)
         VALUES (@id, '2020-01-01T00:00:00', N'aborted', N'h', 7, N'0.1.0', N'run')`,
        { id: twin },
      );
      const { code, stderr } = await runs([good.slice(0, 12)]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`^error: Several runs begin with ${good.slice(0, 12)}:\n  ${good}  .*\n  ${twin}  `),
      );
      const { stdout } = await runs([], { columns: 200 });
      assert.ok(stdout.includes(good) && stdout.includes(twin), 'the list shortens ids only where they stay different');
    });
  });
});
