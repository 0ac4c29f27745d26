import type { BenchReport } from './figures.ts';
export function chart(_report: BenchReport): string {
  return '';
}
