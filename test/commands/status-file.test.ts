import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { runInProcess } from '../fault/in-process.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const MARKUP = `it's <b>"bad"</b> & ${'x'.repeat(20)}`;

describe('the status report as a file', () => {
  const server = useSqlServer({ seed: { rows: 5 } });
  const job = useJob(server);
  const tamhrSync = async (args: readonly string[]) => {
    const { stderr, ...result } = await runInProcess(args, { cwd: job.folder, env: job.env });
    // The stand-in's certificate is nobody's affair here.
    return { ...result, stderr: stderr.replace(/^warning: connection .*certificate is not verified.*\n/m, '') };
  };
  const pageAt = (name: string) => readFile(join(job.folder, name), 'utf8');
  before(async () => {
    assert.equal((await tamhrSync(['migrate'])).code, 0);
  });

  it('status --html writes it and prints nothing; - prints it', async () => {
    const { code, stdout, stderr } = await tamhrSync(['status', '--html', 'status.html']);
    assert.deepEqual([code, stdout, stderr], [0, '', '']);
    const page = await pageAt('status.html');
    assert.match(page, /^<!doctype html>\n[\s\S]*No run has ever happened[\s\S]*<\/html>\n$/);
    const printed = await tamhrSync(['status', '--html', '-', '--entity', 'OrgObject']);
    assert.equal(printed.code, 0);
    assert.match(printed.stdout, /^<!doctype html>[\s\S]*OrgObject[\s\S]*<\/html>\n$/);
    assert.doesNotMatch(printed.stdout, /EventsCalendar/);
  });

  it('a file that cannot be written ends status with 1, --json beside --html with 64', async () => {
    await mkdir(join(job.folder, 'taken'));
    for (const file of ['taken', 'missing/status.html']) {
      const { code, stderr } = await tamhrSync(['status', '--html', file]);
      assert.equal(code, 1);
      assert.match(stderr, /^error: .* cannot be written: E[A-Z]+\.\n/);
    }
    assert.equal((await tamhrSync(['status', '--html', 'a.html', '--json'])).code, 64);
    assert.deepEqual(
      (await readdir(job.folder)).filter((name) => name.includes('tmp')),
      [],
    );
  });

  it('run writes report.html beside the configuration at its end, for all entities, over an older one', async () => {
    await job.configure((config) => {
      config.report = { html: 'report.html' };
    });
    await writeFile(join(job.folder, 'report.html'), 'old');
    const dry = await tamhrSync(['run', '--quiet', '--dry-run']);
    assert.deepEqual([dry.code, await pageAt('report.html')], [0, 'old']);
    const { code, stderr } = await tamhrSync(['run', '--quiet', '--entity', 'Users']);
    assert.deepEqual([code, stderr], [0, '']);
    const page = await pageAt('report.html');
    assert.match(page, /Users[\s\S]*OrgObject/);
    assert.match(page, /<code>run --entity Users<\/code>/);
    assert.match(page, /Rows sent in 1 run: 5 to 5, 5 in the last\./);
    assert.match(page, /Batch durations/);
  });

  it('a report that cannot be written is a warning, and the exit code is the same', async () => {
    await job.configure((config) => {
      config.report = { html: 'missing/report.html' };
    });
    const { code, stdout, stderr } = await tamhrSync(['run', '--quiet', '--entity', 'OrgObject']);
    assert.equal(code, 0);
    assert.match(stdout, /Exit code 0/);
    assert.match(stderr, /^warning: the status report was not written: .*report\.html cannot be written: ENOENT\.\n$/);
  });

  it('what a receiver answers stands there as text, masked, with what to do; secrets do not', async () => {
    await job.configure((config) => {
      config.destination.auth.value = MARKUP;
    });
    assert.equal((await tamhrSync(['run', '--quiet', '--entity', 'ActualOrg'])).code, 2);
    await server.execute('log', `UPDATE dbo.TB_R_SYNC_BATCH SET Error = @error WHERE State = N'refused'`, {
      error: `HTTP 401: <script>alert(1)</script> ${MARKUP}`,
    });
    await tamhrSync(['status', '--html', 'secret.html']);
    const page = await pageAt('secret.html');
    assert.match(page, /HTTP 401: &lt;script&gt;alert\(1\)&lt;\/script&gt; \*\*\*</);
    assert.match(page, /Check destination\.auth/);
    assert.doesNotMatch(page, /xxxxxxxx|<script/);
    // Wrapped over lines it would not be known for a secret any more.
    assert.match((await tamhrSync(['status'])).stdout, /HTTP 401: <script>alert\(1\)<\/script> \*\*\*$/m);
  });

  it('dead letters are there by reason, and in the text too', async () => {
    await server.execute(
      'log',
      `INSERT INTO dbo.TB_R_SYNC_FAILURE (EntityType, KeyHash, EntityId, Reason, HttpStatus, Attempts, FirstFailedAt, LastFailedAt, State)
       VALUES (N'OrgObject', 0x01, N'k1', N'too long: ***', 422, 1, SYSUTCDATETIME(), SYSUTCDATETIME(), N'waiting'),
              (N'OrgObject', 0x02, N'k2', N'too long: ***', 422, 1, SYSUTCDATETIME(), SYSUTCDATETIME(), N'waiting'),
              (N'OrgObject', 0x03, N'k3', N'other', NULL, 1, SYSUTCDATETIME(), SYSUTCDATETIME(), N'waiting'),
              (N'OrgObject', 0x04, N'k4', N'given up', NULL, 1, SYSUTCDATETIME(), SYSUTCDATETIME(), N'discarded')`,
    );
    const { stdout } = await tamhrSync(['status']);
    assert.match(stdout, /^Dead letters +Entity +Reason/m);
    assert.match(stdout, /^ +2 +OrgObject +HTTP 422: too long: \*\*\* .*\n +1 +OrgObject +other /m);
    assert.doesNotMatch(stdout, /given up/);
    await tamhrSync(['status', '--html', 'letters.html']);
    assert.match(await pageAt('letters.html'), />2<.*HTTP 422: too long: \*\*\*.*<code>k1<\/code>/);
  });
});
