import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { CliResult } from './support/cli.ts';
import { useJob } from './support/job.ts';
import { useSqlServer } from './support/sqlserver.ts';

const PASSWORD = 'p;w"d-S3cret-db';
const API_KEY = 'S3cret-api/key+1';
const HEADER = 'S3cret-header-value';
const EMAIL = 'rahasia.person@contoh.co.id';
const NAME = 'Rahasia Person';

describe('secrets and personal data', () => {
  const server = useSqlServer({ seed: { rows: { Users: 3 } } });
  const job = useJob(server, { auth: { header: 'X-Api-Key', value: API_KEY } });
  const outputs: string[] = [];
  const run = async (args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> => {
    const result = await job.run(args, { env: { ...job.env, TAMHR_API_KEY: API_KEY, SECRET_HEADER: HEADER, ...env } });
    outputs.push(result.stdout, result.stderr);
    return result;
  };

  before(async () => {
    await job.configure((config) => {
      config.destination.headers = { 'X-Extra': '${env:SECRET_HEADER}' };
      config.logging = { file: 'run.log', level: 'debug' };
      config.entities = config.entities.slice(0, 1);
    });
    await run(['migrate']);
    await server.execute(
      'mdm',
      `INSERT INTO dbo.MDM_USER (Id, NoReg, Username, Name, Gender, Email, IsActive) VALUES (NEWID(), N'777', N'rahasia7', @name, N'x', @email, 1)`,
      { name: NAME, email: EMAIL },
    );
  });

  it('reach no output, log file or table, whatever goes wrong', async () => {
    // The receiver echoes all that it was sent; the server refuses a password that is quoted in an error.
    job.receiver.respond((call) => ({
      status: 422,
      body: JSON.stringify({ detail: `bad: ${JSON.stringify(call.headers)} ${call.body}` }),
    }));
    assert.equal((await run(['run', '--verbose'])).code, 2);
    outputs.push(JSON.stringify(await server.query('log', 'SELECT * FROM dbo.TB_R_SYNC_FAILURE')));
    await run(['failures', 'list']);
    await run(['failures', 'list', '--json']);
    const [letter] = await server.query('log', 'SELECT EntityId FROM dbo.TB_R_SYNC_FAILURE');
    assert.equal((await run(['failures', 'show', '--key', String(letter?.EntityId)])).code, 0);
    assert.equal((await run(['failures', 'retry'])).code, 0);
    // Two rows in a batch: one is rejected, and the reason quotes the other.
    job.receiver.respond((call) => {
      const rows: { Name: string }[] = JSON.parse(call.body ?? '[]');
      return {
        status: 207,
        body: JSON.stringify(rows.map(() => ({ status: 409, detail: `same as ${rows[0]?.Name}` }))),
      };
    });
    assert.equal((await run(['run'])).code, 0);
    assert.equal((await run(['failures', 'retry'])).code, 0);
    job.receiver.respond(() => ({ status: 500, body: `oops ${EMAIL.toUpperCase()} ${NAME} ${API_KEY}` }));
    assert.equal((await run(['run', '--json'])).code, 2);
    job.receiver.respond(() => undefined);
    const wrong = server.connectionString('mdm', { Password: `'${PASSWORD}'` });
    assert.equal((await run(['run'], { TAMHR_DEFAULT_CONNECTION: wrong })).code, 69);
    const log = server.connectionString('log', { Password: `'${PASSWORD}'` });
    assert.equal((await run(['status'], { TAMHR_LOG_CONNECTION: log })).code, 69);
    await run(['config', 'print'], { TAMHR_DEFAULT_CONNECTION: wrong });
    await run(['config', 'validate'], { TAMHR_API_URL: `not a url ${API_KEY}` });
    await writeFile(join(job.folder, 'broken.json'), `{"connections": {"default": "${PASSWORD.replace('"', '')}`);
    await run(['run', '--config', 'broken.json']);
    assert.equal((await run(['run'])).code, 0);
    await run(['status']);
    await run(['status', '--json']);

    for (const file of await readdir(job.folder)) {
      if (file.endsWith('.log')) outputs.push(await readFile(join(job.folder, file), 'utf8'));
    }
    for (const table of ['TB_R_Log', 'TB_R_SYNC_RUN', 'TB_R_SYNC_BATCH', 'TB_R_SYNC_FAILURE', 'TB_R_SYNC_ENTITY']) {
      outputs.push(JSON.stringify(await server.query('log', `SELECT * FROM dbo.${table}`)));
    }
    const all = outputs.join('\n');
    assert.match(all, /HTTP 422/);
    assert.match(all, /same as \*\*\*/);
    assert.match(all, /run\.log|batch 1 /);
    for (const secret of [PASSWORD, PASSWORD.replace('"', ''), API_KEY, HEADER, EMAIL, NAME, 'rahasia7']) {
      for (const form of [
        secret,
        secret.toUpperCase(),
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64'),
      ]) {
        const at = all.indexOf(form);
        assert.equal(at, -1, `${form} stands in: …${all.slice(Math.max(0, at - 200), at + 100)}…`);
      }
    }
  });
});
