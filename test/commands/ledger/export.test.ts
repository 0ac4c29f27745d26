import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertMeetsSchema } from '../../report/schema.ts';
import { useLedger } from './fixture.ts';

const BIN = fileURLToPath(new URL('../../../bin/tamhr-sync.js', import.meta.url));

const NO_WINDOWS = { skip: process.platform === 'win32' && 'Windows has no such paths, and links need a privilege' };

describe('ledger export', () => {
  const { server, job, ledger, sync } = useLedger({ rows: { Users: 6, OrgObject: 2 }, oldJob: { rows: 4 } });

  it('writes a line for each row of the ledger, whoever wrote it', async () => {
    assert.deepEqual(await sync('--entity', 'Users', 'OrgObject'), { code: 0, accepted: 4 });
    const { code, stdout, stderr } = await ledger(['export']);
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 8);
    for (const line of lines) assertMeetsSchema('ledger-export', JSON.parse(line));
    const old = lines.filter((line) => JSON.parse(line).batchId === null);
    assert.equal(old.length, 4);
    const users = await ledger(['export', '--entity', 'Users', '--format', 'csv']);
    const [header, ...rows] = users.stdout.split('\r\n');
    assert.equal(header, 'entity,label,key,hash,syncedAt,batchId');
    assert.equal(rows.filter((row) => /^Users,Users?,[\da-f-]{36},/.test(row)).length, 6);
  });

  it('--output writes a file that only its owner reads, whole or not at all', async () => {
    const { code, stdout } = await ledger(['export', '--output', 'ledger.ndjson']);
    assert.deepEqual([code, stdout], [0, '']);
    const path = join(job.folder, 'ledger.ndjson');
    assert.equal(await readFile(path, 'utf8'), (await ledger(['export'])).stdout);
    if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);
    await mkdir(join(job.folder, 'taken'));
    for (const output of ['missing/ledger.ndjson', 'taken']) {
      const failed = await ledger(['export', '--output', output]);
      assert.equal(failed.code, 1);
      assert.match(failed.stderr, /^error: .*(missing.ledger\.ndjson|taken) cannot be written: E[A-Z]+\.\nSee/);
    }
    assert.deepEqual(
      (await readdir(job.folder)).filter((name) => name.includes('tmp')),
      [],
    );
  });

  it('--output onto a symbolic link writes what it leads to, and the link stays', NO_WINDOWS, async () => {
    await mkdir(join(job.folder, 'elsewhere'));
    for (const target of ['elsewhere/there.ndjson', 'elsewhere/new.ndjson']) {
      if (target.includes('there')) await writeFile(join(job.folder, target), 'old');
      const link = join(job.folder, 'link.ndjson');
      await symlink(target, link);
      const { code, stderr } = await ledger(['export', '--output', 'link.ndjson']);
      assert.deepEqual([code, stderr], [0, '']);
      assert.ok((await lstat(link)).isSymbolicLink());
      assert.equal(await readFile(join(job.folder, target), 'utf8'), (await ledger(['export'])).stdout);
      await rm(link);
    }
    assert.deepEqual((await readdir(join(job.folder, 'elsewhere'))).sort(), ['new.ndjson', 'there.ndjson']);
  });

  it('--output onto a pipe writes into it, and leaves it a pipe', NO_WINDOWS, async () => {
    const path = join(job.folder, 'pipe');
    execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd: job.folder });
    const [{ code, stderr }, read] = await Promise.all([
      ledger(['export', '--output', 'pipe']),
      readFile(path, 'utf8'),
    ]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(read, (await ledger(['export'])).stdout);
    assert.ok((await lstat(path)).isFIFO());
    await rm(path);
  });

  it('--output /dev/stdout is stdout', NO_WINDOWS, async () => {
    const { code, stdout } = await ledger(['export', '--output', '/dev/stdout']);
    assert.deepEqual([code, stdout], [0, (await ledger(['export'])).stdout]);
  });

  it('a reader that goes away ends it quietly', async () => {
    const columns = (await server.query('log', 'SELECT EntityId FROM dbo.TB_R_SYNC_TRACKING')).length;
    assert.ok(columns > 0);
    const child = spawn(process.execPath, [BIN, 'ledger', 'export'], {
      cwd: job.folder,
      env: { ...process.env, ...job.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.destroy();
    const { promise, resolve } = Promise.withResolvers<number | null>();
    child.on('close', resolve);
    assert.equal(await promise, 0);
    assert.doesNotMatch(stderr, /error/);
  });

  it('wrong usage is 64', async () => {
    for (const args of [['--format', 'xml'], ['--output'], ['--entity', 'Nobody'], ['Users']]) {
      const { code, stdout, stderr } = await ledger(['export', ...args]);
      assert.deepEqual([code, stdout], [64, ''], args.join(' '));
      assert.notEqual(stderr, '');
    }
  });
});
