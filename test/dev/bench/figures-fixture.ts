/** Figures of a bench that was never run, for the tests of what becomes of them. */
import type { BenchReport, Measured, WorkName } from '../../../dev/bench/figures.ts';
import { ratios } from '../../../dev/bench/ratios.ts';

/** A work that looked at `rows` and sent them all, unless told otherwise. */
export function aWork(
  name: WorkName,
  rows: number,
  [wallS, cpuS, peakMb]: readonly [number, number, number],
  sent = rows,
): Measured {
  const median = { wallS, cpuS, peakMb, ...(rows > 0 && { serverCpuS: 9 }) };
  return { name, title: `the work ${name}`, rows, sent, calls: 0, bytes: 0, runs: [median], median };
}

/** All that a bench measures, at the sizes 1,000,000, 333,334 and 100,000. */
export const MEASURED: readonly Measured[] = [
  aWork('f1', 1_000_000, [6, 5, 150]),
  aWork('f2', 1_000_000, [10, 3, 100], 0),
  aWork('f3', 1_000_000, [2, 2, 100], 0),
  aWork('first-run', 1_000_000, [12, 10, 190]),
  aWork('nothing-new', 1_000_000, [4, 4, 180], 0),
  aWork('strewn', 1_000_000, [5, 4, 185], 1000),
  aWork('mssql-script', 1_000_000, [24, 20, 400]),
  aWork('slow-1', 120_000, [21, 2, 180]),
  aWork('slow-4', 120_000, [7, 2, 190]),
  aWork('first-run', 333_334, [4, 3.5, 180]),
  aWork('nothing-new', 333_334, [1.5, 1.5, 170], 0),
  aWork('mssql-script', 333_334, [8, 7, 250]),
  aWork('first-run', 100_000, [1.5, 1.5, 160]),
  aWork('nothing-new', 100_000, [0.3, 0.3, 160], 0),
  aWork('mssql-script', 100_000, [2.5, 2, 160]),
  aWork('half-tracked', 100_000, [1, 1, 170], 50_000),
  aWork('old-job', 100_000, [8, 4, 170], 25_000),
  aWork('version', 0, [0.09, 0, 0]),
  aWork('node', 0, [0.06, 0, 0]),
];

/** A report of it. */
export const REPORT: BenchReport = {
  measuredAt: '2026-11-25T03:00:00.000Z',
  version: '0.1.0',
  node: '24.0.0',
  tedious: '20.0.0',
  undici: '8.0.0',
  machine: { cpu: 'A & B <processor>', cores: 2, memoryMb: 8192, system: 'linux 6.1' },
  server: 'stand-in',
  rows: 1_000_000,
  repeats: 5,
  batchSize: 3000,
  trials: [{ name: 'f2', taken: 'temp', wallS: { direct: 11, temp: 10 } }],
  ratios: ratios(MEASURED, 1_000_000),
  measured: MEASURED,
};
