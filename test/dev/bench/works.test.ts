import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WORK_NAMES } from '../../../dev/bench/figures.ts';
import { sentByOldJob, sizesOf } from '../../../dev/bench/works.ts';

test('the old job passes over a page after each page that it sends', () => {
  assert.equal(sentByOldJob(0), 0);
  assert.equal(sentByOldJob(1000), 1000);
  assert.equal(sentByOldJob(1001), 1000);
  // 1,000 of 2,500; of the 1,500 left those beyond the first 1,000; of the 1,000 left none beyond the first 2,000.
  assert.equal(sentByOldJob(2500), 1500);
  assert.equal(sentByOldJob(50_000), 25_000);
});

test('works that grow with the rows are measured at three sizes, the old job at 100,000 rows at most', () => {
  assert.deepEqual(sizesOf('first-run', 1_000_000), [1_000_000, 333_334, 100_000]);
  assert.deepEqual(sizesOf('f1', 1_000_000), [1_000_000]);
  assert.deepEqual(sizesOf('old-job', 1_000_000), [100_000]);
  assert.deepEqual(sizesOf('old-job', 5_000_000), [100_000]);
  assert.deepEqual(sizesOf('half-tracked', 3000), [300]);
  for (const name of WORK_NAMES)
    assert.equal(sizesOf(name, 3000).length === 0, ['version', 'node'].includes(name), name);
});
