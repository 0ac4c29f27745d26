import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { openRunNotices } from '../../src/commands/run-notices.ts';
import { runInProcess } from '../fault/in-process.ts';
import { type HttpInbox, type SmtpInbox, startHttpInbox, startSmtpInbox } from '../support/inbox.ts';
import { useJob } from '../support/job.ts';
import { useSqlServer } from '../support/sqlserver.ts';

const WEBHOOK_TOKEN = 'W3bhookToken-of-the-test';
const CHECK_ID = '0b8f6f5c-5d0e-4d1c-8b9a-5a1f2c3d4e5f';
const MAIL_PASSWORD = 'M4il-password-of-the-test';
const NAME = 'Rahasia Person';
const UNREACHABLE = 'Server=tcp:127.0.0.1,1;Database=X;User Id=u;Password=p4ssw0rd;';

describe('those who are told of a run', () => {
  const server = useSqlServer({ seed: { rows: 3 } });
  const job = useJob(server);
  let http: HttpInbox;
  let smtp: SmtpInbox;
  let env: Record<string, string> = {};

  const run = (args: readonly string[], more: Record<string, string> = {}) =>
    runInProcess(args, { cwd: job.folder, env: { ...env, ...more } });
  const pings = () => http.received.filter(({ url }) => url.startsWith('/ping/')).map(({ url }) => url);
  const messages = () => http.received.filter(({ url }) => url.startsWith('/hook/'));
  const metrics = () => readFile(join(job.folder, 'tamhr_sync.prom'), 'utf8');
  const exitCodeIn = async () => /^tamhr_sync_last_run_exit_code (\d+)$/m.exec(await metrics())?.[1];

  before(async () => {
    http = await startHttpInbox();
    smtp = await startSmtpInbox();
    env = {
      ...job.env,
      TAMHR_WEBHOOK: `${http.url}/hook/${WEBHOOK_TOKEN}`,
      TAMHR_PING: `${http.url}/ping/${CHECK_ID}/`,
      TAMHR_MAIL_PASSWORD: MAIL_PASSWORD,
    };
    await job.configure((config) => {
      config.entities = config.entities.slice(0, 2);
      config.notifications = [
        { type: 'webhook', url: '${env:TAMHR_WEBHOOK}' },
        { type: 'ping', url: '${env:TAMHR_PING}' },
        {
          type: 'email',
          on: 'always',
          host: '127.0.0.1',
          port: smtp.port,
          encryption: 'none',
          user: 'sync',
          password: '${env:TAMHR_MAIL_PASSWORD}',
          from: 'sync@example.com',
          to: 'it@example.com',
        },
      ];
      config.metrics = { file: 'tamhr_sync.prom' };
    });
    assert.equal((await run(['migrate'])).code, 0);
  });
  after(async () => {
    await http.close();
    await smtp.close();
  });
  beforeEach(() => {
    http.received.length = 0;
    smtp.received.length = 0;
    http.answer(() => ({ status: 200 }));
    job.receiver.respond(() => undefined);
  });

  it('are not told of a run that only resolves, and its figures do not hide those of the night', async () => {
    job.receiver.respond(() => ({ status: 401 }));
    assert.equal((await run(['run'])).code, 2);
    const night = await metrics();
    http.received.length = 0;
    smtp.received.length = 0;
    assert.equal((await run(['run', '--resolve-only'])).code, 0);
    assert.deepEqual([http.received, smtp.received, await metrics()], [[], [], night]);
    await rm(join(job.folder, 'tamhr_sync.prom'));
  });

  it('are not told of a dry run, a plan or wrong usage', async () => {
    assert.equal((await run(['run', '--dry-run'])).code, 0);
    assert.equal((await run(['plan'])).code, 0);
    assert.equal((await run(['run', '--entity', 'Nobody'])).code, 64);
    assert.deepEqual([http.received, smtp.received], [[], []]);
    await assert.rejects(metrics(), { code: 'ENOENT' });
  });

  it('learn of a run that fails: what failed, why, and what to do; nothing of rows or secrets', async () => {
    await server.execute('mdm', 'UPDATE dbo.MDM_USER SET Name = @name', { name: NAME });
    job.receiver.respond(({ path, body }) =>
      path === '/users'
        ? { status: 401, body: JSON.stringify({ detail: `who is ${body} ${env.TAMHR_API_KEY}?` }) }
        : undefined,
    );
    const { code, stdout, stderr } = await run(['run', '--json']);
    assert.equal(code, 1, stderr);
    const { runId } = JSON.parse(stdout);

    const base = `/ping/${CHECK_ID}`;
    assert.deepEqual(pings(), [`${base}/start?rid=${runId}`, `${base}/1?rid=${runId}`]);
    const [message, ...others] = messages();
    assert.equal(others.length, 0);
    assert.equal(message?.url, `/hook/${WEBHOOK_TOKEN}`);
    const { text } = JSON.parse(message?.body ?? '');
    assert.match(text, /^tamhr-sync on \S+: exit code 1\nsome batches or entities failed/);
    assert.match(text, /^Users: failed, 3 read, 0 sent/m);
    assert.match(text, /^ActualOrg: done, 3 read, 3 sent/m);
    assert.match(text, /HTTP 401/);
    assert.ok(text.includes(`Run ${runId}`));
    const [mail] = smtp.received;
    assert.equal(mail?.login, `sync:${MAIL_PASSWORD}`);
    assert.match(mail?.data ?? '', /^Subject: tamhr-sync on .*: exit code 1$/m);

    const told = [...http.received.map(({ body }) => body), mail?.data ?? '', stdout, stderr, await metrics()].join(
      '\n',
    );
    for (const secret of [NAME, 'Rahasia', job.env.TAMHR_API_KEY ?? '?', WEBHOOK_TOKEN, CHECK_ID, MAIL_PASSWORD]) {
      assert.ok(!told.includes(secret), secret);
    }
    assert.equal(await exitCodeIn(), '1');
    assert.match(await metrics(), /^tamhr_sync_last_run_rows_accepted\{entity="ActualOrg"\} 3$/m);
  });

  it('of a good run only pings and what is sent always, and the time of the last success is there', async () => {
    const { code, stderr } = await run(['run']);
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      pings().map((url) => url.split('/').at(-1)?.split('?')[0]),
      ['start', '0'],
    );
    assert.deepEqual(messages(), []);
    assert.match(smtp.received[0]?.data ?? '', /^Subject: tamhr-sync on .*: done$/m);
    assert.equal(await exitCodeIn(), '0');
    assert.match(await metrics(), /^tamhr_sync_last_success_timestamp_seconds \d+(\.\d+)?$/m);
  });

  it('learn that a run could not start, and the time of the last success stays', async () => {
    const lastSuccess = /^tamhr_sync_last_success_timestamp_seconds .*$/m.exec(await metrics())?.[0];
    const { code, stderr } = await run(['run'], { TAMHR_LOG_CONNECTION: UNREACHABLE });
    assert.equal(code, 69, stderr);
    assert.deepEqual(
      pings().map((url) => url.split('/').at(-1)?.split('?')[0]),
      ['start', '69'],
    );
    const { text } = JSON.parse(messages()[0]?.body ?? '');
    assert.match(text, /: exit code 69\nthe log database, .*\n\n.*127\.0\.0\.1.*\n {2}\S/);
    assert.doesNotMatch(text, /p4ssw0rd/);
    assert.equal(await exitCodeIn(), '69');
    assert.ok(lastSuccess !== undefined && (await metrics()).includes(lastSuccess));
  });

  it('cost a warning and no exit code where they cannot be reached, and the warning holds no URL', async () => {
    http.answer(({ url }) => ({ status: 404, text: `no such thing: ${url}` }));
    const { code, stderr } = await run(['run'], { TAMHR_MAIL_PASSWORD: 'x', TAMHR_LOG_CONNECTION: UNREACHABLE });
    assert.equal(code, 69);
    const { host } = new URL(http.url);
    assert.match(
      stderr,
      new RegExp(`warn .*\\(webhook\\) was not sent: ${host} answered HTTP 404 Not Found: no such thing`),
    );
    assert.equal(stderr.match(/\(ping\) was not sent/g)?.length, 2);
    assert.ok(!stderr.includes(WEBHOOK_TOKEN) && !stderr.includes(CHECK_ID), stderr);
  });

  it('learn of a bug no more than that there was one', async () => {
    const warnings: string[] = [];
    const url = env.TAMHR_WEBHOOK ?? '';
    const webhook = {
      type: 'webhook',
      on: 'failure',
      format: 'slack',
      timeoutMs: 5000,
      url,
      allowInsecure: false,
    } as const;
    const notices = openRunNotices(
      { notifications: [webhook], entities: [] },
      {
        runId: CHECK_ID,
        log: { warn: (message) => warnings.push(message) },
        redact: (text) => text,
        signal: new AbortController().signal,
      },
    );
    await notices.failed(new TypeError(`cannot read ${NAME}`));
    assert.deepEqual(warnings, []);
    const { text } = JSON.parse(messages()[0]?.body ?? '');
    assert.match(text, /: exit code 70\n.*\n\nThe run ended by an unexpected error\.\n/);
    assert.ok(!text.includes(NAME));
  });

  it('can read the metrics whatever the umask, the old ones or the new ones', async (t) => {
    const umask = process.umask(0o077);
    t.after(() => process.umask(umask));
    assert.equal((await run(['run'])).code, 0);
    assert.equal((await stat(join(job.folder, 'tamhr_sync.prom'))).mode & 0o777, 0o644);
    assert.deepEqual(
      (await readdir(job.folder)).filter((name) => name.includes('.tmp')),
      [],
    );
  });

  it('lack metrics that cannot be written, which costs a warning', async () => {
    await job.configure((config) => {
      config.metrics = { file: 'missing-folder/tamhr_sync.prom' };
    });
    const { code, stderr } = await run(['run']);
    assert.equal(code, 0);
    assert.match(stderr, /warn .*metrics file .*missing-folder.* could not be written: ENOENT/);
  });
});
