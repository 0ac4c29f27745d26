import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chart, steps } from '../../../dev/bench/chart.ts';
import { REPORT } from './figures-fixture.ts';

const marks = (svg: string, name: string) => svg.match(new RegExp(`class="mark ${name}"`, 'g'))?.length ?? 0;

test('the chart draws each work at each size in both panels, and says the same in words', () => {
  const svg = chart(REPORT);
  // Three sizes in two panels, and one in the legend.
  for (const name of ['first-run', 'nothing-new', 'mssql-script']) assert.equal(marks(svg, name), 3 * 2 + 1);
  assert.match(svg, /<title id="title">Rows per second and peak memory over rows<\/title>/);
  assert.match(
    svg,
    /<desc id="words">.*100000 rows: 66667 rows\/s, 160 MB; 333334 rows: .* 1000000 rows: 83333 rows\/s, 190 MB/,
  );
  for (const text of ['rows per second', 'peak memory (MB)', 'rows in the source', 'target: 200 MB at most', '0', '1M'])
    assert.ok(svg.includes(`>${text}</text>`), text);
});

test('the chart follows the colour scheme, and needs nothing from elsewhere', () => {
  const svg = chart({ ...REPORT, server: 'a <server> & more' });
  assert.match(svg, /prefers-color-scheme: dark/);
  assert.match(svg, /a &lt;server&gt; &amp; more/);
  assert.deepEqual(svg.match(/https?:[^"]*/g), ['http://www.w3.org/2000/svg']);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
});

test('what was not measured is left out', () => {
  const svg = chart({ ...REPORT, measured: REPORT.measured.filter(({ name }) => name === 'first-run') });
  assert.equal(marks(svg, 'nothing-new'), 0);
  assert.equal(marks(svg, 'first-run'), 7);
  assert.doesNotMatch(chart({ ...REPORT, measured: [] }), /NaN|Infinity|undefined/);
});

test('an axis begins at zero, ends not far above its highest value, and has few marks', () => {
  assert.deepEqual(steps(1_000_000), [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]);
  assert.deepEqual(steps(230), [0, 50, 100, 150, 200, 250]);
  fc.assert(
    fc.property(fc.double({ min: 1, max: 1e9, noNaN: true }), (most) => {
      const marksOf = steps(most);
      const top = marksOf.at(-1) ?? 0;
      assert.equal(marksOf[0], 0);
      assert.ok(marksOf.length >= 2 && marksOf.length <= 6, `${marksOf}`);
      assert.ok(top >= most * (1 - 1e-6) && top <= most * 2.1, `${most} below ${top}`);
    }),
  );
});
