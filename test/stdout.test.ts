import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { wholeStdout } from '../src/stdout.ts';

describe('the stdout of the process', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-stdout-'));
  after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'out');
  const streamOf = (fd: number) => ({ fd }) as unknown as typeof process.stdout;
  const written = (stdout: ReturnType<typeof wholeStdout>, text: string) =>
    new Promise<Error | null | undefined>((resolve) => stdout.write(text, resolve));

  it('takes all of a text where it is a file, and tells why where it cannot', async () => {
    const fd = openSync(path, 'w');
    const stdout = wholeStdout(streamOf(fd));
    assert.equal(await written(stdout, 'é'.repeat(100_000)), undefined);
    stdout.write('!\n');
    closeSync(fd);
    assert.equal(readFileSync(path, 'utf8'), `${'é'.repeat(100_000)}!\n`);
    const readOnly = openSync(path, 'r');
    const failure = await written(wholeStdout(streamOf(readOnly)), 'more');
    closeSync(readOnly);
    assert.match(String((failure as NodeJS.ErrnoException).code), /^E(BADF|PERM)$/);
  });

  it('is the stream itself where it is none', () => {
    assert.equal(wholeStdout(process.stdout).columns, process.stdout.columns);
    const closed = streamOf(9999);
    assert.equal(wholeStdout(closed), closed);
  });
});
