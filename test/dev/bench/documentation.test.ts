import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { WORK_NAMES } from '../../../dev/bench/figures.ts';
import { REPORT } from './figures-fixture.ts';

const page = await readFile(new URL('../../../docs/performance.md', import.meta.url), 'utf8');

test('docs/performance.md describes each work that is measured', () => {
  const [before = ''] = page.split('\n## How\n');
  const names = [...before.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) =>
    cell.replaceAll('`', '').split(', '),
  );
  assert.deepEqual(names.toSorted(), [...WORK_NAMES].toSorted());
});

test('docs/performance.md has each ratio with its target', () => {
  const rows = [...page.replaceAll('`', '').matchAll(/^\| (.+?) +\|[^|]*\| +([≤≥] .+?) +\|/gm)];
  const targets = REPORT.ratios.map(({ work, target, unit }) => {
    const limit = 'atMost' in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
    return `${work} ${limit}${unit === 'MB' ? ' MB' : ''}`;
  });
  assert.deepEqual(
    rows.map(([, work, target]) => `${work} ${target}`),
    targets,
  );
});
