import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import type { StatusDocument } from '../../src/report/status-json.ts';
import type { EntitySummary, RunSummary } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';
import { runInProcess } from '../fault/in-process.ts';
import { assertMeetsSchema } from '../report/schema.ts';
import { type Job, useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const ENTITIES = ['Users', 'ActualOrg', 'ActualEntity', 'OrgObject', 'EventsCalendar'];

/** `status --json`; it must end with 0 and meet its schema. */
async function documentOf(job: Job, ...args: string[]): Promise<StatusDocument> {
  const { code, stdout, stderr } = await job.run(['status', '--json', ...args]);
  assert.equal(code, 0, stderr);
  const document: StatusDocument = JSON.parse(stdout);
  assertMeetsSchema('status', document);
  return document;
}

/** What a command says on stderr besides warnings of the configuration. */
const errorsIn = (stderr: string) => stderr.split('\n').filter((line) => line !== '' && !line.startsWith('warning: '));

const codesOf = (document: StatusDocument, entity: string | null) =>
  document.warnings.filter((warning) => warning.entity === entity).map(({ code }) => code);

describe('status on what the old job left', () => {
  const server = useSqlServer({ seed: { rows: 5, oldJob: { rows: 200 } } });
  const job = useJob(server);

  it('shows its ledger, and says loudly that nothing is migrated', async () => {
    const document = await documentOf(job);
    assert.deepEqual(
      document.entities.map(({ entity }) => entity),
      ENTITIES,
    );
    assert.deepEqual([document.migrated, document.entities[0]?.trackedRows, document.runs], [false, 200, []]);
    assert.deepEqual(codesOf(document, null), ['NOT_MIGRATED']);
    const { code, stdout, stderr } = await job.run(['status']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^ALARM {2}The log database is not migrated/m);
    assert.match(stdout, /200 in all/);
    assert.match(stdout, /^Next run due .* \+07:00 \(cron 0 3 \* \* \*\)$/m);
  });

  it('after migrate: no run has ever happened', async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
    const document = await documentOf(job);
    assert.deepEqual([document.migrated, document.entities[0]?.trackedRows], [true, 200]);
    assert.deepEqual(codesOf(document, null), ['NEVER_RUN']);
    assert.equal(codesOf(document, 'Users').length, 0);
  });
});

describe('status without any table', () => {
  const job = useJob(useSqlServer());

  it('reports all the same', async () => {
    const document = await documentOf(job, '--entity', 'Users', 'OrgObject');
    assert.deepEqual(
      document.entities.map(({ entity, trackedRows, lastSuccessAt }) => [entity, trackedRows, lastSuccessAt]),
      [
        ['Users', 0, null],
        ['OrgObject', 0, null],
      ],
    );
    assert.match((await job.run(['status'])).stdout, /last run +never/);
  });

  it('--max-age ends with 1 and one line that names who had no good run, beside --json, too', async () => {
    const args = ['status', '--max-age', '26h', '--entity', 'Users', 'OrgObject'];
    const { code, stdout, stderr } = await job.run(args);
    const line = 'error: no good run within 1 d 2 h: Users (no good run is known), OrgObject (no good run is known)';
    assert.deepEqual([code, errorsIn(stderr)], [1, [line]]);
    assert.match(stdout, /last run +never/);
    const json = await job.run([...args, '--json']);
    assert.deepEqual([json.code, errorsIn(json.stderr)], [1, [line]]);
    assertMeetsSchema('status', JSON.parse(json.stdout));
    assert.equal((await job.run(['status', '--max-age', 'yesterday'])).code, 64);
  });

  it('an unknown entity is wrong usage, and the known ones are listed', async () => {
    const { code, stdout, stderr } = await job.run(['status', '--entity', 'User']);
    assert.deepEqual([code, stdout], [64, '']);
    assert.match(stderr, /User\b.*\n.*Users, ActualOrg, ActualEntity, OrgObject, EventsCalendar/);
  });

  it('a log database that cannot be reached ends with 69 and no stack trace', async () => {
    const env = { ...job.env, TAMHR_LOG_CONNECTION: 'Server=tcp:127.0.0.1,1;Database=X;User Id=u;Password=p4ssw0rd;' };
    const { code, stdout, stderr } = await job.run(['status'], { env });
    assert.deepEqual([code, stdout], [69, '']);
    assert.match(stderr, /127\.0\.0\.1/);
    assert.doesNotMatch(stderr, /\n\s+at |p4ssw0rd/);
  });
});

describe('status after runs', () => {
  const server = useSqlServer({ seed: { rows: 5 } });
  const job = useJob(server);
  before(async () => {
    assert.equal((await job.run(['migrate'])).code, 0);
  });

  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000);

  async function insertRun(id: number, startedAt: Date, changes: Record<string, string | number | null> = {}) {
    const run: Record<string, string | number | null> = {
      RunId: `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`,
      StartedAt: sqlTime(startedAt),
      FinishedAt: sqlTime(new Date(startedAt.getTime() + 60_000)),
      State: 'finished',
      ExitCode: 0,
      Host: 'hr-batch-01',
      ProcessId: 4711,
      Version: '0.1.0',
      Arguments: 'run',
      Summary: null,
      ...changes,
    };
    const names = Object.keys(run);
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_RUN (${names.join(', ')}) VALUES (${names.map((name) => `@${name}`).join(', ')})`,
      run,
    );
  }

  const sqlTime = (time: Date) => time.toISOString().replace('Z', '');
  const summaryOf = (...entities: Partial<EntitySummary>[]): string => {
    const summary: RunSummary = {
      runId: '00000000-0000-4000-8000-000000000000',
      dryRun: false,
      startedAt: hoursAgo(1).toISOString(),
      durationMs: 60_000,
      exitCode: 0,
      entities: entities.map((changes) => ({
        entity: 'Users',
        state: 'done',
        startedAt: hoursAgo(1).toISOString(),
        durationMs: 1234,
        ...emptyTally(),
        ...changes,
      })),
    };
    return JSON.stringify(summary);
  };

  it('shows the last run of each entity, the runs newest first, and what is overdue', async () => {
    const batches = { pending: 3, accepted: 2, refused: 1, unresolved: 0, split: 0 };
    await insertRun(1, hoursAgo(80), { Summary: summaryOf({ accepted: 7 }, { entity: 'OrgObject', accepted: 9 }) });
    await insertRun(2, hoursAgo(1), { Summary: summaryOf({ accepted: 6000, refused: 3000, batches }), ExitCode: 1 });
    await insertRun(3, hoursAgo(0.5), { State: 'running', FinishedAt: null, ExitCode: null });
    const document = await documentOf(job);
    const [users, , , orgObject] = document.entities;
    assert.deepEqual(
      document.runs.map(({ state, exitCode }) => [state, exitCode]),
      [
        ['running', null],
        ['finished', 1],
        ['finished', 0],
      ],
    );
    assert.deepEqual(
      [users?.lastRun?.counts.rowsAccepted, users?.lastRun?.counts.batchesRefused, users?.lastRun?.durationMs],
      [6000, 1, 1234],
    );
    assert.deepEqual(codesOf(document, 'Users'), ['OVERDUE', 'LAST_RUN']);
    assert.deepEqual([orgObject?.lastRun?.counts.rowsAccepted, orgObject?.overdue], [9, true]);
    assert.deepEqual(codesOf(document, 'EventsCalendar'), ['NEVER_RUN']);
  });

  it('more than ten runs are cut to the last ten', async () => {
    for (let id = 10; id < 20; id += 1) await insertRun(id, hoursAgo(100 + id));
    assert.equal((await documentOf(job)).runs.length, 10);
  });

  it('texts from the database cannot steer the terminal', async () => {
    await insertRun(30, new Date(Date.now() + 3_600_000), {
      Host: 'evil\u001b[2J\nhost',
      State: 'aborted',
      ExitCode: 130,
    });
    const { code, stdout } = await job.run(['status']);
    assert.equal(code, 0);
    assert.equal(stdout.includes('\u001b'), false);
    assert.match(stdout, /exit 130/);
  });

  it('a pipe gets colour where FORCE_COLOR asks for it', async () => {
    const { stdout } = await job.run(['status'], { env: { ...job.env, FORCE_COLOR: '1' } });
    assert.ok(stdout.includes('\u001b[31m'), stdout);
  });

  it('a terminal gets colour at its width, but none where NO_COLOR or TERM=dumb asks for none', async () => {
    for (const [env, isColoured] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
      [{ TERM: 'dumb' }, false],
    ] as const) {
      for (const columns of [60, 80, 200]) {
        const { stdout } = await runInProcess(['status'], {
          cwd: job.folder,
          env: { ...job.env, ...env },
          columns,
        });
        assert.equal(stdout.includes('\u001b['), isColoured);
        for (const line of stripVTControlCharacters(stdout).split('\n')) assert.ok(stringWidth(line) <= columns, line);
      }
    }
  });

  it('a real run that went well leaves no warning for its entity', async () => {
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_RUN');
    const { code, stderr } = await job.sync();
    assert.equal(code, 0, stderr);
    const document = await documentOf(job);
    assert.deepEqual(document.warnings, []);
    assert.deepEqual(
      document.entities.map(({ lastRun, trackedRows, overdue }) => [lastRun?.outcome, trackedRows, overdue]),
      ENTITIES.map(() => ['done', 5, false]),
    );
    const young = await job.run(['status', '--max-age', '26h']);
    assert.deepEqual([young.code, errorsIn(young.stderr)], [0, []]);
    const endedAt = (ended: Date) =>
      server.execute('log', 'UPDATE dbo.TB_R_SYNC_RUN SET FinishedAt = @ended', { ended: sqlTime(ended) });
    await endedAt(hoursAgo(30));
    const old = await job.run(['status', '--max-age', '26h']);
    await endedAt(new Date());
    assert.equal(old.code, 1);
    const [line, ...others] = errorsIn(old.stderr);
    assert.deepEqual(others, []);
    assert.match(line ?? '', /^error: no good run within 1 d 2 h: Users \(.* \+07:00, 1 d 6 h ago\), ActualOrg /);
  });

  it('a batch that the receiver refuses is there as the last error', async () => {
    await server.execute('log', 'DELETE FROM dbo.TB_R_SYNC_TRACKING');
    await job.configure((config) => {
      config.destination.auth.value = 'wrong-key-of-the-test';
    });
    assert.equal((await job.run(['run', '--entity', 'Users'])).code, 2);
    const document = await documentOf(job, '--entity', 'Users');
    assert.equal(document.entities[0]?.lastError?.httpStatus, 401);
    assert.deepEqual(codesOf(document, 'Users'), ['LAST_RUN']);
    assert.match((await job.run(['status', '--entity', 'Users'])).stdout, /last error .*HTTP 401/);
  });
});
