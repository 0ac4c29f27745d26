/** How an entity's rows are looked for, in words. */
import type { ComparisonReport } from '../sync/ports.ts';

/** How rows are compared, without the reason, as the rest of a sentence that begins with "compares". */
export function methodText({ method, fullBecause }: Pick<ComparisonReport, 'method' | 'fullBecause'>): string {
  if (method === 'keys') return 'keys alone';
  if (method === 'hash') return 'all rows by hash';
  return fullBecause === undefined ? `by ${method}, changed rows only` : `by ${method}, all rows this time`;
}

/** The whole of it in a sentence without the entity's name: `compares by rowversion, changed rows only (…)`. */
export function comparisonText(report: ComparisonReport): string {
  const { why, fullBecause, mapChanged } = report;
  const reasons = [fullBecause, why].filter((reason) => reason !== undefined && reason !== '');
  const because = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  return `compares ${methodText(report)}${because}${mapChanged ? '; rows whose payload the changed mapping changes are sent again' : ''}`;
}
