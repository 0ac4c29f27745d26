import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { followLines, readEnd } from '../../src/log/log-reader.ts';
import { appendRotating, type RotatingFile, rotatedPath } from '../../src/log/rotating-file.ts';

let folder: string;
let file: RotatingFile;
let logs = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-log-reader-'));
});
after(() => rm(folder, { recursive: true }));
beforeEach(() => {
  file = { path: join(folder, `${logs++}`, 'tamhr-sync.log'), maxFileBytes: 100, maxFiles: 4 };
});

const any = () => true;
const linesOf = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `line ${from + index}`);
const append = (lines: readonly string[], to = file) => {
  for (const line of lines) appendRotating(to, `${line}\n`);
};

describe('the end of a log', () => {
  it('goes back through the rotated files', async () => {
    append(linesOf(0, 40));
    assert.deepEqual((await readEnd(file, 30, any, true)).lines, linesOf(10, 40));
    assert.deepEqual((await readEnd(file, 1000, any, true)).lines.at(-1), 'line 39');
  });

  it('counts only the lines that are wanted', async () => {
    append(linesOf(0, 40));
    const even = (line: string) => /[02468]$/.test(line);
    assert.deepEqual((await readEnd(file, 3, even, true)).lines, ['line 34', 'line 36', 'line 38']);
  });

  it('of a file that is missing there is nothing, and no position', async () => {
    assert.deepEqual(await readEnd(file, 10, any, true), { lines: [] });
  });

  it('a line that is still being written is shown, or left to who follows', async () => {
    append(['whole']);
    await appendFile(file.path, 'half');
    assert.deepEqual((await readEnd(file, 10, any, true)).lines, ['whole', 'half']);
    assert.deepEqual((await readEnd(file, 10, any, false)).lines, ['whole']);
  });

  it('whatever lines there are, in whatever pieces they are read, they are the last ones', async () => {
    const line = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', 'ß'.repeat(70_000), 'x'.repeat(65_535)));
    const text = line.map((value) => value.replaceAll(/[\r\n]/g, ' '));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 8 }), fc.integer({ min: 1, max: 10 }), async (lines, limit) => {
        const one = { path: join(folder, 'property.log'), maxFileBytes: 1e9, maxFiles: 1 };
        await writeFile(one.path, lines.map((each) => `${each}\n`).join(''));
        assert.deepEqual((await readEnd(one, limit, any, true)).lines, lines.slice(-limit));
      }),
      { numRuns: 100 },
    );
  });
});

describe('following a log', () => {
  /** Follows from the end on, until so many lines have come. */
  async function follow(count: number, write: (seen: readonly string[]) => Promise<void> | void): Promise<string[]> {
    const { position } = await readEnd(file, 1, any, false);
    const stop = new AbortController();
    const seen: string[] = [];
    await write(seen);
    for await (const lines of followLines(file, position, stop.signal)) {
      seen.push(...lines);
      if (seen.length >= count) stop.abort();
      else await write(seen);
    }
    return seen;
  }

  it('shows what is appended, also where the log rotated several times between two looks', async () => {
    append(linesOf(0, 5));
    assert.deepEqual(
      await follow(20, (seen) => (seen.length === 0 ? append(linesOf(5, 25)) : undefined)),
      linesOf(5, 25),
    );
  });

  it('waits for a file that does not exist yet', async () => {
    assert.deepEqual(await follow(3, (seen) => (seen.length === 0 ? append(linesOf(0, 3)) : undefined)), linesOf(0, 3));
  });

  it('shows a line once it is complete', async () => {
    append(['first']);
    await appendFile(file.path, 'ha');
    const seen = await follow(2, async (lines) => {
      if (lines.length === 0) await appendFile(file.path, 'lf\n');
      else await appendFile(file.path, 'next\n');
    });
    assert.deepEqual(seen, ['half', 'next']);
  });

  it('begins anew in a file that was cut off, as with maxFiles 1', async () => {
    append(linesOf(0, 5));
    const seen = await follow(1, async () => {
      await truncate(file.path);
      await appendFile(file.path, 'new\n');
    });
    assert.deepEqual(seen, ['new']);
  });

  it('goes on at the current file where its own has gone', async () => {
    append(linesOf(0, 5));
    const seen = await follow(1, async () => {
      await rename(file.path, rotatedPath(file.path, 99));
      await appendFile(file.path, 'new\n');
    });
    assert.deepEqual(seen, ['new']);
  });
});
