/** The chart of the report: rows a second and peak memory over the rows, as an SVG that follows the reader's colour scheme. */
import { type BenchReport, type Measured, rowsPerSecond, type WorkName } from './figures.ts';
import { MOST_MEMORY_MB } from './ratios.ts';

/** What is drawn, each with a colour, a dash and a mark of its own, so that no colour needs to be seen. */
const SERIES: readonly { readonly name: WorkName; readonly title: string; readonly mark: Mark }[] = [
  { name: 'first-run', title: 'first run', mark: 'circle' },
  { name: 'nothing-new', title: 'nothing new', mark: 'square' },
  { name: 'mssql-script', title: 'script on the package mssql', mark: 'triangle' },
];

/** The works that it shows. */
export const DRAWN: readonly WorkName[] = SERIES.map(({ name }) => name);

type Mark = 'circle' | 'square' | 'triangle';

interface Panel {
  readonly title: string;
  readonly left: number;
  readonly amountOf: (one: Measured) => number;
  readonly format: (value: number) => string;
  readonly limit?: { readonly value: number; readonly label: string };
}

const WIDTH = 900;
const HEIGHT = 380;
const PLOT = { top: 84, width: 350, height: 220 } as const;
const MOST_STEPS = 5;

const PANELS: readonly Panel[] = [
  { title: 'rows per second', left: 74, amountOf: rowsPerSecond, format: short },
  {
    title: 'peak memory (MB)',
    left: 524,
    amountOf: ({ median }) => median.peakMb,
    format: short,
    limit: { value: MOST_MEMORY_MB, label: `target: ${MOST_MEMORY_MB} MB at most` },
  },
];

const STYLE = `
  svg { --ink: #1f2328; --faint: #d1d9e0; --a: #0969da; --b: #1a7f37; --c: #bc4c00; font: 13px system-ui, sans-serif }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6edf3; --faint: #3d444d; --a: #58a6ff; --b: #3fb950; --c: #f0883e }
  }
  text { fill: var(--ink) }
  .title { font-weight: 600 }
  .grid { stroke: var(--faint) }
  .axis { stroke: var(--ink) }
  .limit { stroke: var(--ink); stroke-dasharray: 2 4 }
  .line { fill: none; stroke-width: 2 }
  .first-run { stroke: var(--a) } .nothing-new { stroke: var(--b); stroke-dasharray: 8 4 } .mssql-script { stroke: var(--c); stroke-dasharray: 2 3 }
  .mark { stroke: none }
  .mark.first-run { fill: var(--a) } .mark.nothing-new { fill: var(--b) } .mark.mssql-script { fill: var(--c) }
`;

/** An SVG document. Works that were not measured are left out. */
export function chart({
  measured,
  server,
  measuredAt,
}: Pick<BenchReport, 'measured' | 'server' | 'measuredAt'>): string {
  const shown = SERIES.map((series) => ({
    ...series,
    points: measured.filter(({ name }) => name === series.name).toSorted((a, b) => a.rows - b.rows),
  })).filter(({ points }) => points.length > 0);
  const words = shown.map(({ title, points }) => {
    const each = points.map(
      (one) => `${one.rows} rows: ${Math.round(rowsPerSecond(one))} rows/s, ${Math.round(one.median.peakMb)} MB`,
    );
    return `${title}: ${each.join('; ')}.`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title words">
<title id="title">Rows per second and peak memory over rows</title>
<desc id="words">${escaped(words.join(' '))}</desc>
<style>${STYLE}</style>
${shown.map(legend).join('\n')}
${PANELS.map((panel) => drawnPanel(panel, shown)).join('\n')}
<text x="${WIDTH - 26}" y="${HEIGHT - 8}" text-anchor="end">${escaped(`${server}, ${measuredAt.slice(0, 10)}`)}</text>
</svg>
`;
}

type Shown = (typeof SERIES)[number] & { readonly points: readonly Measured[] };

function legend({ name, title, mark }: Shown, index: number): string {
  const x = 74 + index * 190;
  return `<path class="line ${name}" d="M${x} 22h36"/>${drawnMark(mark, name, x + 18, 22)}<text x="${x + 44}" y="26">${escaped(title)}</text>`;
}

function drawnPanel({ title, left, amountOf, format, limit }: Panel, shown: readonly Shown[]): string {
  const points = shown.flatMap((series) => series.points);
  const across = steps(Math.max(0, ...points.map(({ rows }) => rows)));
  const up = steps(Math.max(limit?.value ?? 0, ...points.map(amountOf)));
  const bottom = PLOT.top + PLOT.height;
  const right = left + PLOT.width;
  const x = (rows: number): number => round(left + (rows / last(across)) * PLOT.width);
  const y = (value: number): number => round(bottom - (value / last(up)) * PLOT.height);
  const lines = [
    `<text class="title" x="${left}" y="${PLOT.top - 20}">${escaped(title)}</text>`,
    ...up.map(
      (value) =>
        `<path class="grid" d="M${left} ${y(value)}H${right}"/><text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${format(value)}</text>`,
    ),
    ...across.map(
      (rows) =>
        `<path class="axis" d="M${x(rows)} ${bottom}v5"/><text x="${x(rows)}" y="${bottom + 20}" text-anchor="middle">${short(rows)}</text>`,
    ),
    `<path class="axis" d="M${left} ${PLOT.top}V${bottom}H${right}" fill="none"/>`,
    `<text x="${left + PLOT.width / 2}" y="${bottom + 42}" text-anchor="middle">rows in the source</text>`,
  ];
  if (limit !== undefined)
    lines.push(
      `<path class="limit" d="M${left} ${y(limit.value)}H${right}"/><text x="${right}" y="${y(limit.value) - 6}" text-anchor="end">${escaped(limit.label)}</text>`,
    );
  for (const { name, mark, points: own } of shown) {
    const corners = own.map((one) => [x(one.rows), y(amountOf(one))] as const);
    lines.push(`<path class="line ${name}" d="M${corners.map((corner) => corner.join(' ')).join('L')}"/>`);
    lines.push(...corners.map(([atX, atY]) => drawnMark(mark, name, atX, atY)));
  }
  return `<g>\n${lines.join('\n')}\n</g>`;
}

function drawnMark(mark: Mark, name: string, x: number, y: number): string {
  const shapes: Readonly<Record<Mark, string>> = {
    circle: `M${x - 5} ${y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z`,
    square: `M${x - 4.5} ${y - 4.5}h9v9h-9z`,
    triangle: `M${x} ${y - 6}l6 10.5h-12z`,
  };
  return `<path class="mark ${name}" d="${shapes[mark]}"/>`;
}

/** The marks of an axis from zero to at least `most`: few, evenly apart, round. */
export function steps(most: number): number[] {
  const least = Math.max(most, 1) / MOST_STEPS;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= least * (1 - 1e-9)) ?? least;
  const count = Math.max(1, Math.ceil(most / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** 250000 as 250k, 1500000 as 1.5M. */
function short(value: number): string {
  if (value >= 1e6) return `${round(value / 1e6)}M`;
  return value >= 1000 ? `${round(value / 1000)}k` : String(round(value));
}

function last(values: readonly number[]): number {
  return values.at(-1) as number;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
