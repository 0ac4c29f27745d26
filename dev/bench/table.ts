/** The report as text: the ratios with their targets, and what each work took. Both are tables that Markdown understands. */
import { type BenchReport, type Measured, type Ratio, rowsPerSecond } from './figures.ts';

/** Both tables, and on what they were measured; ends with a line break. */
export function reportText(report: BenchReport): string {
  const { machine, server, repeats, trials } = report;
  const lines = [
    `tamhr-sync ${report.version}, Node ${report.node}, tedious ${report.tedious}, undici ${report.undici}; ${server}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMb} MB, ${machine.system}; medians of ${repeats}`,
    ...trials.map(({ name, taken, wallS }) => {
      const tried = Object.entries(wallS).map(([variant, seconds]) => `${variant} ${seconds.toFixed(2)} s`);
      return `${name.toUpperCase()}: ${taken} is the fastest of ${tried.join(', ')}`;
    }),
    '',
    ...ratioTable(report.ratios),
    '',
    ...figureTable(report.measured),
  ];
  return `${lines.join('\n')}\n`;
}

function ratioTable(ratios: readonly Ratio[]): string[] {
  return table(
    ['work', 'measured', 'target', ''],
    ratios.map(({ work, value, unit, target, holds }) => [
      work,
      amount(value, unit),
      'atMost' in target ? `≤ ${limit(target.atMost, unit)}` : `≥ ${limit(target.atLeast, unit)}`,
      holds ? 'pass' : 'FAIL',
    ]),
  );
}

function figureTable(measured: readonly Measured[]): string[] {
  return table(
    ['work', 'rows', 'sent', 'wall s', 'CPU s', 'server CPU s', 'rows/s', 'peak MB'],
    measured.map((one) => {
      const { title, rows, sent, median } = one;
      const hasRows = rows > 0;
      return [
        title,
        hasRows ? grouped(rows) : '',
        hasRows ? grouped(sent) : '',
        median.wallS.toFixed(3),
        median.cpuS > 0 ? median.cpuS.toFixed(2) : '',
        median.serverCpuS?.toFixed(2) ?? '',
        hasRows ? grouped(rowsPerSecond(one)) : '',
        median.peakMb > 0 ? median.peakMb.toFixed(0) : '',
      ];
    }),
  );
}

function amount(value: number, unit: Ratio['unit']): string {
  return unit === 'MB' ? `${value.toFixed(0)} MB` : value.toFixed(2);
}

function limit(value: number, unit: Ratio['unit']): string {
  return unit === 'MB' ? `${value} MB` : String(value);
}

/** 1,234,567 */
function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** The first column to the left, the others to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...rows.map(line)];
}
