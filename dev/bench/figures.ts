/**
 * What the bench finds out, as `--json` writes it. Terminology:
 *
 *   work      a thing that is measured, a process of its own: a floor, the product in some state of the ledger, a script
 *   round     each work once, in turn
 *   measured  a work on a table of some size, with what it took in each round
 *   ratio     a row of the table of targets
 */
import type { Figures } from './measure.ts';

/** The works, in the order in which a round does them. */
export const WORK_NAMES = [
  'f1',
  'f2',
  'f3',
  'first-run',
  'nothing-new',
  'strewn',
  'mssql-script',
  'slow-1',
  'slow-4',
  'half-tracked',
  'old-job',
  'version',
  'node',
] as const;

export type WorkName = (typeof WORK_NAMES)[number];

/** A work's figures at one size. */
export interface Measured {
  readonly name: WorkName;
  readonly title: string;
  /** Rows of the source that it looked at; 0 where it looks at none. */
  readonly rows: number;
  /** Rows that it sent in each round. */
  readonly sent: number;
  /** What the receiver got in a round. */
  readonly calls: number;
  readonly bytes: number;
  readonly runs: readonly Figures[];
  readonly median: Figures;
}

/** How fast the variants of a floor were, each the faster of two tries before the rounds. */
export interface Trial {
  readonly name: WorkName;
  readonly taken: string;
  readonly wallS: Readonly<Record<string, number>>;
}

/** A measured ratio (or amount of memory) beside its target. */
export interface Ratio {
  readonly work: string;
  readonly value: number;
  readonly unit: '×' | 'MB';
  readonly target: { readonly atMost: number } | { readonly atLeast: number };
  readonly holds: boolean;
}

/** All of it. Nothing in it names a host, a folder or a login. */
export interface BenchReport {
  readonly measuredAt: string;
  readonly version: string;
  readonly node: string;
  readonly tedious: string;
  readonly undici: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryMb: number;
    readonly system: string;
  };
  /** `stand-in`, or `SQL Server` and its version. */
  readonly server: string;
  readonly rows: number;
  readonly repeats: number;
  readonly batchSize: number;
  readonly trials: readonly Trial[];
  readonly ratios: readonly Ratio[];
  readonly measured: readonly Measured[];
}

/** Rows a second, of those that were looked at. */
export function rowsPerSecond({ rows, median }: Pick<Measured, 'rows' | 'median'>): number {
  return rows / median.wallS;
}
