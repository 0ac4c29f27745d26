import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkSame } from '../../../dev/bench/bench.ts';
import { type BenchReport, WORK_NAMES } from '../../../dev/bench/figures.ts';
import type { UsersTable } from '../../../dev/bench/tables.ts';
import { sendingTime, USER_COLUMNS, type UserCells, userPayload } from '../../../dev/bench/work/payload.ts';
import { sizesOf, type Work } from '../../../dev/bench/works.ts';
import { SqlClient } from '../../../dev/sqlserver/client.ts';
import { sampleRows } from '../../../dev/sqlserver/sample-rows.ts';
import { startSqlServer } from '../../../dev/sqlserver/server.ts';

const PROGRAM = fileURLToPath(new URL('../../../dev/bench/main.ts', import.meta.url));
const ROWS = 3300;

/** Bytes of the bodies in which the first users leave, in batches of 3,000. */
function bytesOf(rows: number): number {
  const sentAt = sendingTime(new Date());
  const payloads = [...sampleRows('Users', rows)].map((row) =>
    userPayload(USER_COLUMNS.split(', ').map((column) => row[column]) as unknown as UserCells, sentAt),
  );
  const bodies = [payloads.slice(0, 3000), payloads.slice(3000)].filter((batch) => batch.length > 0);
  return bodies.reduce((bytes, batch) => bytes + Buffer.byteLength(JSON.stringify(batch)), 0);
}

describe('npm run bench', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bench-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** Starts the bench with temporary files in the test's folder; `onLine` gets what it tells on the way. */
  async function run(args: readonly string[], onLine?: (line: string, stop: () => void) => void) {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    const told: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      told.push(line);
      onLine?.(line, () => child.kill('SIGTERM'));
    });
    const [code] = await once(child, 'close');
    return { code, stdout, told: told.join('\n') };
  }

  it('measures everything, and each thing does all of its work', async () => {
    const json = join(folder, 'bench.json');
    const chart = join(folder, 'chart.svg');
    const args = ['--rows', String(ROWS), '--repeats', '1', '--json', json, '--chart', chart];
    const { code, stdout, told } = await run(args);
    assert.equal(code, 0, told);
    const text = await readFile(json, 'utf8');
    const report: BenchReport = JSON.parse(text);
    const wanted = WORK_NAMES.flatMap((name) => sizesOf(name, ROWS).map((rows) => `${name} ${rows}`));
    assert.deepEqual(
      report.measured.map(({ name, rows }) => `${name} ${rows}`).toSorted(),
      [...wanted, 'version 0', 'node 0'].toSorted(),
    );
    for (const { name, rows, sent, calls, bytes, runs, median } of report.measured) {
      assert.ok(median.wallS > 0, name);
      assert.equal(runs.length, rows === 0 ? 3 : 1, name);
      assert.equal(calls, Math.ceil(sent / 3000), `calls of ${name}`);
      if (sent === rows) assert.equal(bytes, rows === 0 ? 0 : bytesOf(rows), `bytes of ${name}`);
    }
    assert.equal(report.ratios.length, 16);
    assert.deepEqual(
      report.trials.map(({ name, wallS }) => [name, Object.keys(wallS)]),
      [
        ['f2', ['direct', 'temp', 'packed']],
        ['f3', ['inTurn', 'atOnce']],
      ],
    );
    for (const { work } of report.ratios) assert.ok(stdout.includes(work), work);
    assert.match(await readFile(chart, 'utf8'), /^<svg .*<\/svg>\n$/s);
    for (const secret of [hostname(), folder, '127.0.0.1', 'Password']) assert.ok(!text.includes(secret), secret);
    assert.deepEqual((await readdir(folder)).toSorted(), ['bench.json', 'chart.svg']);
  });

  /** Runs it on a server, and does something when the first work is measured; the databases that there were then, and are now. */
  async function runOnServer(test: TestContext, meanwhile: (database: string, stop: () => void) => Promise<void>) {
    const server = await startSqlServer({ databases: [] });
    test.after(() => server.close());
    const databases = async () => {
      const rows = await server.query('master', "SELECT name FROM sys.databases WHERE name LIKE 'tamhr[_]bench%'");
      return rows.map(({ name }) => String(name));
    };
    let there: Promise<readonly string[]> | undefined;
    const args = ['--rows', '300', '--only', 'first-run', '--repeats', '1'];
    const ended = await run([...args, '--server', server.connectionString('master')], async (line, stop) => {
      if (!line.startsWith('round 1') || there !== undefined) return;
      there = databases();
      await meanwhile(server.connectionString(String((await there)[0])), stop);
    });
    return { ...ended, there: (await there) ?? [], left: await databases() };
  }

  it('drops its databases on a server when it is interrupted', async (test) => {
    const { code, stdout, told, there, left } = await runOnServer(test, async (_, stop) => stop());
    assert.equal(code, 130, told);
    assert.deepEqual([stdout, there.length, left], ['', 6, []]);
  });

  it('drops all but one that is in use, names that, and ends with 2', async (test) => {
    let user: SqlClient | undefined;
    const { code, stdout, told, there, left } = await runOnServer(test, async (connectionString) => {
      user = await SqlClient.connect(connectionString);
    });
    await user?.close();
    assert.equal(code, 2, told);
    assert.match(stdout, /first run/);
    assert.deepEqual(left, there.slice(0, 1));
    assert.match(told, new RegExp(`could be tidied up: databases .* by hand: ${there[0]} \\(`));
  });

  it('compares the bytes of those alone who sent the same rows', () => {
    const [table, other] = [{ rows: 4000 }, { rows: 100 }] as UsersTable[];
    const work = (of: UsersTable | undefined, sends: number, calls = 2) =>
      ({ title: 'it', table: of, sends, calls }) as Work;
    const sent =
      (...all: [Work, number][]) =>
      () =>
        checkSame(new Map(all));
    assert.throws(sent([work(table, 4000), 7], [work(table, 4000), 8]), /bytes sent by it: 8, not 7/);
    sent([work(table, 4000), 7], [work(other, 100, 1), 8], [work(table, 100, 1), 9], [work(table, 4000, 4), 10])();
  });

  it('says before it begins that a file cannot be written, and ends with 2', async () => {
    const { code, told } = await run(['--rows', '300', '--json', join(folder, 'missing', 'bench.json')]);
    assert.equal(code, 2);
    assert.match(told, /^error: ENOENT/);
    assert.doesNotMatch(told, /building/);
  });
});
