import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ratios } from '../../../dev/bench/ratios.ts';
import { MEASURED } from './figures-fixture.ts';

test('each ratio compares what the table of targets names, and says whether its target holds', () => {
  const found = ratios(MEASURED, 1_000_000).map(({ work, value, holds }) => [work, Number(value.toFixed(3)), holds]);
  assert.deepEqual(found, [
    ['first run, wall time, against the slower of F1 and F2', 1.2, true],
    ['first run, CPU time, against F1 + F2', 1.25, true],
    ['nothing new, whole process, against F3', 2, false],
    ['1,000 new rows strewn among the tracked ones, against nothing new', 1.25, true],
    ['first run, time for 10 × the rows', 8, true],
    ['first run, peak memory', 190, true],
    ['first run, peak memory, against a tenth of the rows', 1.188, false],
    ['nothing new, time for 10 × the rows', 13.333, false],
    ['nothing new, peak memory', 180, true],
    ['nothing new, peak memory, against a tenth of the rows', 1.125, true],
    ['receiver takes 500 ms a batch, rows/s, concurrency 4 against 1', 3, false],
    ['first run, rows/s, against the script on mssql', 2, true],
    ['first run, peak memory, against the script on mssql', 0.475, true],
    ["every second row tracked, total time, the old job's way against the product", 8, false],
    ["every second row tracked, time per row sent, the old job's way against the product", 16, true],
    ['--version, against node -e 0', 1.5, true],
  ]);
});

test('a ratio for which something was not measured is left out', () => {
  const without = MEASURED.filter(({ name }) => ['f1', 'first-run', 'version'].includes(name));
  assert.deepEqual(
    ratios(without, 1_000_000).map(({ work }) => work),
    [
      'first run, time for 10 × the rows',
      'first run, peak memory',
      'first run, peak memory, against a tenth of the rows',
    ],
  );
  assert.deepEqual(ratios([], 100), []);
});
