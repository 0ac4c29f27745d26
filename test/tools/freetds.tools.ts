import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DEFAULT_LOGIN, type SqlServer, startSqlServer } from '../../dev/sqlserver/server.ts';

/** FreeTDS' tsql and bsqldb (Debian: freetds-bin), a client of another making, in C. Run by `npm run test:tools`. */
describe('FreeTDS', () => {
  let server: SqlServer;
  let folder: string;
  let environment: NodeJS.ProcessEnv;
  before(async () => {
    server = await startSqlServer({ databases: ['TAMHR_MDM'] });
    folder = await mkdtemp(join(tmpdir(), 'freetds-'));
    const section = (name: string, encryption: string): string =>
      `[${name}]\nhost = 127.0.0.1\nport = ${server.port}\ntds version = 7.4\nclient charset = UTF-8\nencryption = ${encryption}\n`;
    await writeFile(
      join(folder, 'freetds.conf'),
      ['off', 'request', 'require'].map((encryption) => section(`standin-${encryption}`, encryption)).join('\n'),
    );
    environment = { ...process.env, FREETDSCONF: join(folder, 'freetds.conf'), LC_ALL: 'C.UTF-8' };
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  /** Runs a client on a script; rejects where it cannot be started. */
  async function run(command: string, args: readonly string[], script: string) {
    const child = spawn(command, args, { env: environment });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.stdin.end(script);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    return { code, output, errors };
  }

  const login = (section: string, password: string = DEFAULT_LOGIN.password): string[] => [
    '-S',
    section,
    '-U',
    DEFAULT_LOGIN.userName,
    '-P',
    password,
    '-D',
    'TAMHR_MDM',
  ];

  for (const encryption of ['off', 'request', 'require']) {
    it(`logs in, inserts and queries with bsqldb, encryption ${encryption}`, async () => {
      const table = `dbo.People_${encryption}`;
      const { output, errors } = await run(
        'bsqldb',
        [...login(`standin-${encryption}`), '-q', '-t', '|'],
        `CREATE TABLE ${table} (Id int NOT NULL PRIMARY KEY, Name nvarchar(50) NULL, Pay decimal(9,2) NULL, Born datetime NULL, Guid uniqueidentifier NULL)
go
INSERT INTO ${table} (Id, Name, Pay, Born, Guid) VALUES (1, N'Siti 山田', 12.50, '2026-11-23T23:59:59.997', '0a1b2c3d-4e5f-6789-abcd-ef0123456789'), (2, NULL, NULL, NULL, NULL)
go
SELECT Id, Name, Pay FROM ${table} ORDER BY Id
go
`,
      );
      assert.match(output, /1\s*\|Siti 山田\s*\|\s*12\.50/, `${output}\n${errors}`);
      assert.match(output, /2\s*\|NULL/);
      assert.deepEqual(await server.query('TAMHR_MDM', `SELECT Name, Pay, Born FROM ${table} WHERE Id = 1`), [
        { Name: 'Siti 山田', Pay: '12.50', Born: '2026-11-23T23:59:59.997' },
      ]);
    });
  }

  it('logs in and queries with tsql', async () => {
    const { output, errors } = await run(
      'tsql',
      login('standin-off'),
      "SELECT 40 + 2 AS Answer, DB_NAME() AS Name, CAST('0a1b2c3d-4e5f-6789-abcd-ef0123456789' AS uniqueidentifier) AS Id\ngo\nexit\n",
    );
    assert.match(output, /42\s+TAMHR_MDM\s+0A1B2C3D-4E5F-6789-ABCD-EF0123456789/, `${output}\n${errors}`);
  });

  it('reads an answer of many packets', async () => {
    const { output } = await run(
      'bsqldb',
      [...login('standin-off'), '-q', '-h'],
      `WITH d AS (SELECT n FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS v(n))
SELECT a.n + b.n * 10 + c.n * 100 AS n, REPLICATE(N'x', 200) AS t FROM d AS a CROSS JOIN d AS b CROSS JOIN d AS c
go
`,
    );
    assert.equal(output.match(/x{200}/g)?.length, 1000);
  });

  it('shows an error with its number and severity', async () => {
    const { output, errors } = await run('tsql', login('standin-off'), 'SELECT * FROM dbo.Nobody\ngo\nexit\n');
    assert.match(output + errors, /Msg 208 \(severity 16/);
  });

  it('is refused with a wrong password', async () => {
    const { output, errors, code } = await run('tsql', login('standin-off', 'wrong'), 'exit\n');
    assert.match(output + errors, /Msg 18456 \(severity 14/);
    assert.notEqual(code, 0);
  });
});
