import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('V8 knows the flags that keep the heap small, and the space of the youngest stays below 40 MB', () => {
  const heap = fileURLToPath(new URL('../src/heap.ts', import.meta.url));
  const program = `
    import v8 from 'node:v8';
    const { growYoungSpace, keepHeapSmall } = await import(${JSON.stringify(heap)});
    keepHeapSmall();
    growYoungSpace();
    const young = () => v8.getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size;
    let most = 0;
    let alive = [];
    for (let turn = 0; turn < 400; turn++) {
      alive = Array.from({ length: 5000 }, (_, index) => ({ index, turn }));
      await new Promise(setImmediate);
      most = Math.max(most, young());
    }
    console.log(most, alive.length);
  `;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [0, '']);
  const [most] = stdout.split(' ').map(Number);
  assert.ok(most !== undefined && most < 40e6, `${most} bytes`);
});
