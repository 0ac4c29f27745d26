import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { measured, median, medians, timed } from '../../../dev/bench/measure.ts';

const USAGE = fileURLToPath(new URL('../../../dev/bench/usage.ts', import.meta.url));
const program = (text: string) => ({ args: ['-e', text], cwd: tmpdir(), env: {} });
const { signal } = new AbortController();

test('a process is measured by itself: the memory of the one that starts it does not count', async () => {
  const large = Buffer.alloc(300 * 2 ** 20, 1);
  const small = await measured(program('process.stdout.write("done")'), USAGE, signal);
  assert.equal(small.stdout, 'done');
  const { figures } = await measured(program('Buffer.alloc(100 * 2 ** 20, 1)'), USAGE, signal);
  assert.ok(small.figures.peakMb < 200, `${small.figures.peakMb} MB beside ${large.length} bytes`);
  assert.ok(figures.peakMb > small.figures.peakMb + 80, `${figures.peakMb} MB, after ${small.figures.peakMb} MB`);
  assert.ok(figures.wallS > 0 && figures.cpuS > 0);
});

test('a process that fails is no measurement, and its last words are told', async () => {
  await assert.rejects(timed(program('console.error("no luck"); process.exit(3)'), signal), /ended with 3\n.*no luck/s);
});

test('a process is ended with the bench', async () => {
  const controller = new AbortController();
  const running = timed(program('setInterval(() => {}, 1000)'), controller.signal);
  controller.abort();
  await assert.rejects(running, { name: 'AbortError' });
});

test('the median is the middle value, or the mean of the two in the middle', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.throws(() => median([]), /no values/);
  const runs = [1, 2, 9].map((wallS) => ({ wallS, cpuS: 10 - wallS, peakMb: 100 }));
  assert.deepEqual(medians(runs), { wallS: 2, cpuS: 8, peakMb: 100 });
  const onStandIn = runs.map((run) => ({ ...run, serverCpuS: run.wallS }));
  assert.equal(medians(onStandIn).serverCpuS, 2);
});
