import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportText } from '../../../dev/bench/table.ts';
import { REPORT } from './figures-fixture.ts';

test('the report shows ratios with targets, and what each work took', () => {
  const lines = reportText(REPORT).split('\n');
  const row = (start: string) => lines.find((line) => line.startsWith(`| ${start}`))?.replaceAll(/ +/g, ' ');
  assert.equal(lines[0], 'tamhr-sync 0.1.0, Node 24.0.0, tedious 20.0.0, undici 8.0.0; stand-in');
  assert.equal(lines[2], 'F2: temp is the fastest of direct 11.00 s, temp 10.00 s');
  assert.equal(
    row('first run, wall time'),
    '| first run, wall time, against the slower of F1 and F2 | 1.20 | ≤ 1.25 | pass |',
  );
  assert.equal(row('first run, peak memory '), '| first run, peak memory | 190 MB | ≤ 200 MB | pass |');
  assert.equal(
    row('receiver takes'),
    '| receiver takes 500 ms a batch, rows/s, concurrency 4 against 1 | 3.00 | ≥ 3.6 | FAIL |',
  );
  assert.equal(
    row('the work first-run'),
    '| the work first-run | 1,000,000 | 1,000,000 | 12.000 | 10.00 | 9.00 | 83,333 | 190 |',
  );
  assert.equal(row('the work node'), '| the work node | | | 0.060 | | | | |');
});

test('the columns of each table stand below each other', () => {
  const tables = reportText(REPORT).split('\n\n').slice(1);
  assert.equal(tables.length, 2);
  for (const table of tables)
    assert.equal(
      new Set(
        table
          .trim()
          .split('\n')
          .map((line) => line.length),
      ).size,
      1,
    );
});
