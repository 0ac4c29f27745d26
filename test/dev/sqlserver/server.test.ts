import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SqlClient } from '../../../dev/sqlserver/client.ts';
import { sampleRow, sampleRows } from '../../../dev/sqlserver/sample-rows.ts';
import { SAMPLE_TABLES, type SampleEntity } from '../../../dev/sqlserver/sample-schema.ts';
import { startSqlServer } from '../../../dev/sqlserver/server.ts';
import { itOnStandIn, useSqlServer } from '../../support/sqlserver.ts';

describe('the stand-in', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stand-in-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('goes on with its storage on the same port after it was killed', async (test) => {
    const first = await startSqlServer({ storage: folder });
    test.after(() => first.close());
    const client = await SqlClient.connect(first.connectionString('TAMHR_LOG'));
    await client.batch('CREATE TABLE dbo.Kept (n int NOT NULL)');
    await client.execute('INSERT INTO dbo.Kept (n) VALUES (1)');
    await client.batch('BEGIN TRANSACTION; INSERT INTO dbo.Kept (n) VALUES (2)');
    const ended = once(client.connection, 'end');
    await first.kill();
    await ended;
    await assert.rejects(SqlClient.connect(first.connectionString('TAMHR_LOG')), /Could not connect/);
    const second = await startSqlServer({ storage: folder, port: first.port });
    test.after(() => second.close());
    assert.deepEqual(await second.query('TAMHR_LOG', 'SELECT n FROM dbo.Kept'), [{ n: 1 }]);
  });

  it('says that its port is taken', async (test) => {
    const server = await startSqlServer();
    test.after(() => server.close());
    await assert.rejects(startSqlServer({ port: server.port }), { code: 'EADDRINUSE' });
  });

  it('records statements where it is asked to', async (test) => {
    const server = await startSqlServer({ record: true });
    test.after(() => server.close());
    const client = await SqlClient.connect(server.connectionString('TAMHR_LOG'));
    server.clearStatements();
    await client.query('SELECT @n AS n', { n: 1 });
    assert.deepEqual(server.statements(), ['SELECT @n AS n']);
    await client.close();
  });

  it('quotes a password in its connection strings where it must', async (test) => {
    const password = 'a;b"c=d ';
    const server = await startSqlServer({ logins: { tamhr: password } });
    test.after(() => server.close());
    const client = await SqlClient.connect(server.connectionString('TAMHR_LOG'));
    assert.deepEqual(await client.query('SELECT 1 AS One'), [{ One: 1 }]);
    await client.close();
  });

  it('tells values as text that a test can compare', async (test) => {
    const server = await startSqlServer();
    test.after(() => server.close());
    assert.deepEqual(
      await server.query(
        'TAMHR_LOG',
        `SELECT CAST('0A1B2C3D-4E5F-6789-ABCD-EF0123456789' AS uniqueidentifier) AS g, CAST(-0.05 AS decimal(9,2)) AS d,
  CAST('2026-11-23T23:59:59.997' AS datetime) AS w, CAST('20261123' AS date) AS day, CAST(5 AS bigint) AS b, NULL AS nothing`,
      ),
      [
        {
          g: '0a1b2c3d-4e5f-6789-abcd-ef0123456789',
          d: '-0.05',
          w: '2026-11-23T23:59:59.997',
          day: '2026-11-23',
          b: '5',
          nothing: null,
        },
      ],
    );
    await assert.rejects(server.query('TAMHR_LOG', 'SELECT * FROM dbo.Nothing'), /dbo\.Nothing/);
  });

  it('started by hand prints connection strings, serves sample rows and stops on SIGTERM', async () => {
    const child = spawn(process.execPath, ['dev/sqlserver/main.ts', '--port', '0', '--rows', '20', '--ledger', '10'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8');
    for await (const text of child.stdout) {
      output += text;
      if (output.includes('TAMHR_LOG_CONNECTION') && output.endsWith('\n')) break;
    }
    const strings = new Map(
      [...output.matchAll(/^export (TAMHR_\w+)='(.+)'$/gm)].map(([, name = '', value = '']) => [name, value]),
    );
    assert.deepEqual([...strings.keys()], ['TAMHR_DEFAULT_CONNECTION', 'TAMHR_ESS_CONNECTION', 'TAMHR_LOG_CONNECTION']);
    for (const [name, statement, expected] of [
      ['TAMHR_DEFAULT_CONNECTION', 'SELECT COUNT(*) AS N FROM dbo.MDM_USER', 20],
      ['TAMHR_ESS_CONNECTION', 'SELECT COUNT(*) AS N FROM dbo.TB_M_EVENTS_CALENDAR', 20],
      ['TAMHR_LOG_CONNECTION', 'SELECT COUNT(*) AS N FROM dbo.TB_R_SYNC_TRACKING', 10],
    ] as const) {
      const client = await SqlClient.connect(strings.get(name) ?? '');
      assert.deepEqual(await client.query(statement), [{ N: expected }], name);
      await client.close();
    }
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });
});

describe('seeding', () => {
  const sql = useSqlServer({
    seed: {
      rows: { Users: 300, ActualOrg: 200, ActualEntity: 50, OrgObject: 200, EventsCalendar: 200 },
      oldJob: { rows: 40 },
    },
  });

  for (const [entity, count] of [
    ['Users', 300],
    ['ActualOrg', 200],
    ['ActualEntity', 50],
    ['OrgObject', 200],
    ['EventsCalendar', 200],
  ] as readonly (readonly [SampleEntity, number])[]) {
    it(`fills the source of ${entity} with the sample rows, value by value`, async () => {
      const { name, database, columns } = SAMPLE_TABLES[entity];
      const list = columns.map(({ name: column, type }) =>
        type.startsWith('decimal') ? `CONVERT(nvarchar(64), [${column}]) AS [${column}]` : `[${column}]`,
      );
      const rows = await sql.query(database, `SELECT ${list.join(', ')} FROM dbo.${name}`);
      assert.equal(rows.length, count);
      const byId = new Map(rows.map((row) => [row.Id, row]));
      for (const expected of sampleRows(entity, count)) {
        const row = byId.get(String(expected.Id)) ?? {};
        const actual = Object.entries(row).map(([column, value]) => [
          column,
          value instanceof Date ? value.toISOString().slice(0, -1) : value,
        ]);
        assert.deepEqual(Object.fromEntries(actual), expected);
      }
    });
  }

  it('leaves the ledger of the old job, half under each label, keys in lower case', async () => {
    const rows = await sql.query('log', 'SELECT EntityType, EntityId FROM dbo.TB_R_SYNC_TRACKING ORDER BY Id');
    assert.deepEqual(
      rows.map(({ EntityType, EntityId }) => [EntityType, EntityId]),
      Array.from({ length: 40 }, (_, i) => [i % 2 === 0 ? 'User' : 'Users', sampleRow('Users', i).Id]),
    );
  });

  it('leaves old log rows', async () => {
    const [row] = await sql.query(
      'log',
      "SELECT COUNT(*) AS N FROM dbo.TB_R_Log WHERE Activity = N'Sync Batch: Users' AND Status = N'Success'",
    );
    assert.equal(row?.N, 1);
  });

  itOnStandIn('can be made to fail', async () => {
    const fault = sql.faults.add({ match: /FROM dbo\.MDM_USER/, on: 1, action: { error: 1205 } });
    await assert.rejects(sql.query('mdm', 'SELECT Id FROM dbo.MDM_USER'), { number: 1205 });
    assert.equal(fault.hits, 1);
    sql.faults.clear();
  });
});
