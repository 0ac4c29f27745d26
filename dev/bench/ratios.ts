/** The table of targets: from what was measured to ratios, each with its target and whether it holds. */
import { type Measured, type Ratio, rowsPerSecond, type WorkName } from './figures.ts';
import { sizes } from './works.ts';

type Target = Ratio['target'];
type Figure = 'wallS' | 'cpuS' | 'peakMb';

/** Memory that a run may take, however many rows there are. */
export const MOST_MEMORY_MB = 200;

/** The rows of the table for which all was measured, in its order; `rows` of the largest table. */
export function ratios(measured: readonly Measured[], rows: number): Ratio[] {
  const { tenth } = sizes(rows);
  const find = (name: WorkName, size?: number): Measured | undefined =>
    measured.find((one) => one.name === name && (size === undefined || one.rows === size));
  const figure = (figureName: Figure, name: WorkName, size?: number): number | undefined =>
    find(name, size)?.median[figureName];
  const wall = (name: WorkName, size?: number) => figure('wallS', name, size);
  const speed = (name: WorkName, size?: number) => over(find(name, size), rowsPerSecond);
  const sentPerSecond = (name: WorkName) => over(find(name), ({ sent, median }) => sent / median.wallS);
  const strewn = find('strewn')?.sent;

  const found: (Ratio | undefined)[] = [
    ratio(
      'first run, wall time, against the slower of F1 and F2',
      divided(wall('first-run', rows), combined(Math.max, wall('f1'), wall('f2'))),
      { atMost: 1.25 },
    ),
    ratio(
      'first run, CPU time, against F1 + F2',
      divided(figure('cpuS', 'first-run', rows), combined(sum, figure('cpuS', 'f1'), figure('cpuS', 'f2'))),
      { atMost: 1.3 },
    ),
    ratio('nothing new, whole process, against F3', divided(wall('nothing-new', rows), wall('f3')), { atMost: 1.5 }),
    ratio(
      `${strewn?.toLocaleString('en-US')} new rows strewn among the tracked ones, against nothing new`,
      divided(wall('strewn'), wall('nothing-new', rows)),
      { atMost: 1.3 },
    ),
  ];
  for (const [name, title] of [
    ['first-run', 'first run'],
    ['nothing-new', 'nothing new'],
  ] as const) {
    found.push(
      ratio(`${title}, time for 10 × the rows`, divided(wall(name, rows), wall(name, tenth)), { atMost: 10.5 }),
      ratio(`${title}, peak memory`, figure('peakMb', name, rows), { atMost: MOST_MEMORY_MB }, 'MB'),
      ratio(
        `${title}, peak memory, against a tenth of the rows`,
        divided(figure('peakMb', name, rows), figure('peakMb', name, tenth)),
        { atMost: 1.15 },
      ),
    );
  }
  found.push(
    ratio('receiver takes 500 ms a batch, rows/s, concurrency 4 against 1', divided(speed('slow-4'), speed('slow-1')), {
      atLeast: 3.6,
    }),
    ratio(
      'first run, rows/s, against the script on mssql',
      divided(speed('first-run', rows), speed('mssql-script', rows)),
      { atLeast: 1.5 },
    ),
    ratio(
      'first run, peak memory, against the script on mssql',
      divided(figure('peakMb', 'first-run', rows), figure('peakMb', 'mssql-script', rows)),
      { atMost: 0.5 },
    ),
    ratio(
      "every second row tracked, total time, the old job's way against the product",
      divided(wall('old-job'), wall('half-tracked')),
      { atLeast: 10 },
    ),
    ratio(
      "every second row tracked, time per row sent, the old job's way against the product",
      divided(sentPerSecond('half-tracked'), sentPerSecond('old-job')),
      { atLeast: 10 },
    ),
    ratio('--version, against node -e 0', divided(wall('version'), wall('node')), { atMost: 1.6 }),
  );
  return found.filter((one) => one !== undefined);
}

function ratio(work: string, value: number | undefined, target: Target, unit: Ratio['unit'] = '×'): Ratio | undefined {
  if (value === undefined) return undefined;
  const holds = 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
  return { work, value, unit, target, holds };
}

function divided(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}

function combined(
  how: (a: number, b: number) => number,
  a: number | undefined,
  b: number | undefined,
): number | undefined {
  return a === undefined || b === undefined ? undefined : how(a, b);
}

function sum(a: number, b: number): number {
  return a + b;
}

function over(one: Measured | undefined, amount: (one: Measured) => number): number | undefined {
  return one === undefined ? undefined : amount(one);
}
