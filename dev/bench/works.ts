/** What is measured: how each work is started, the ledger it needs and leaves, and what it must have done. */
import type { Built, ScriptName } from './build.ts';
import type { WorkName } from './figures.ts';
import type { Command } from './measure.ts';
import { halfRows, type LedgerState, strewnRows, type UsersTable } from './tables.ts';
import { BATCH_SIZE } from './work/environment.ts';

/** The receiver of the works `slow-…` takes so long for a batch. */
const SLOW_MS = 500;

/** The old job is measured on a table of at most so many rows: its statements grow with the rows tracked. */
const MOST_OLD_JOB_ROWS = 100_000;

/** One work on one table. */
export interface Work {
  readonly name: WorkName;
  readonly title: string;
  readonly table: UsersTable;
  /** Rows that it looks at. */
  readonly rows: number;
  readonly command: Command;
  /** undefined: whatever it is. */
  readonly needs: Exclude<LedgerState, 'unknown'> | undefined;
  /** undefined: as it was. */
  readonly leaves: LedgerState | undefined;
  readonly delayMs: number;
  /** Rows that it must have sent, POSTs in which, and rows that must be tracked after it; undefined where it may differ. */
  readonly sends: number;
  readonly calls: number | undefined;
  readonly tracks: number | undefined;
  /** What it must say that it did, see work/environment.ts. */
  readonly reports?: Readonly<Record<string, number>>;
}

/** Sizes of the tables for so many rows, and where the old job is measured. */
export function sizes(rows: number): { full: number; third: number; tenth: number; oldJob: number } {
  const tenth = Math.ceil(rows / 10);
  return { full: rows, third: Math.ceil(rows / 3), tenth, oldJob: Math.min(tenth, MOST_OLD_JOB_ROWS) };
}

/** The sizes on which a work is measured; none for a work that needs no table. */
export function sizesOf(name: WorkName, rows: number): readonly number[] {
  const { full, third, tenth, oldJob } = sizes(rows);
  switch (name) {
    case 'first-run':
    case 'nothing-new':
    case 'mssql-script':
      return [full, third, tenth];
    case 'old-job':
    case 'half-tracked':
      return [oldJob];
    case 'version':
    case 'node':
      return [];
    default:
      return [full];
  }
}

/** What the works have in common. */
export interface Setting {
  readonly built: Built;
  readonly receiverUrl: string;
  /** Working directories of the product by its concurrency. */
  readonly jobs: { readonly 1: string; readonly 4: string };
  readonly slowRows: number;
  /** The variants of the floors that were the fastest. */
  readonly variants: { readonly f2: string; readonly f3: string };
}

/** A work on a table. Throws for the works that need none. */
export function workOn(name: WorkName, table: UsersTable, setting: Setting): Work {
  const { built, receiverUrl, jobs, variants } = setting;
  const env = { ...table.env, TAMHR_API_URL: receiverUrl, TAMHR_API_KEY: 'bench', BENCH_KEYS_FILE: table.keysFile };
  const script = (script: ScriptName, ...more: string[]): Command => ({
    args: [built.script(script), ...more],
    cwd: jobs[1],
    env,
  });
  const product = (cwd: string, ...more: string[]): Command => ({
    args: [built.product, 'run', '--entity', 'Users', '--json', ...more],
    cwd,
    env,
  });
  const { rows } = table;
  const nothing = { name, table, rows, needs: undefined, leaves: undefined, delayMs: 0, sends: 0, calls: 0 };
  const sending = (sends: number, batchSize = BATCH_SIZE) => ({
    ...nothing,
    sends,
    calls: Math.ceil(sends / batchSize),
  });
  const slow = (concurrency: 1 | 4): Work => {
    const sends = Math.min(rows, setting.slowRows);
    return {
      ...sending(sends),
      title: `first run, receiver takes ${SLOW_MS} ms a batch, concurrency ${concurrency}`,
      rows: sends,
      command: product(jobs[concurrency], '--limit', String(sends)),
      needs: 'empty',
      leaves: sends === rows ? 'full' : 'unknown',
      delayMs: SLOW_MS,
      tracks: sends,
    };
  };
  switch (name) {
    case 'f1':
      return {
        ...sending(rows),
        title: 'F1: read and send',
        command: script('f1'),
        tracks: undefined,
        reports: { rows },
      };
    case 'f2':
      return {
        ...nothing,
        title: `F2: write the ledger (${variants.f2})`,
        command: script('f2', variants.f2),
        needs: 'empty',
        leaves: 'full',
        tracks: rows,
        reports: { rows },
      };
    case 'f3':
      return {
        ...nothing,
        title: `F3: read the keys of source and ledger (${variants.f3})`,
        command: script('f3', variants.f3),
        needs: 'full',
        tracks: rows,
        reports: { rows, tracked: rows },
      };
    case 'first-run':
      return {
        ...sending(rows),
        title: 'first run',
        command: product(jobs[1]),
        needs: 'empty',
        leaves: 'full',
        tracks: rows,
      };
    case 'nothing-new':
      return { ...nothing, title: 'nothing new', command: product(jobs[1]), needs: 'full', tracks: rows };
    case 'strewn': {
      const pending = strewnRows(rows);
      return {
        ...sending(pending),
        title: `${pending.toLocaleString('en-US')} new rows strewn among the tracked ones`,
        command: product(jobs[1]),
        needs: 'strewn',
        leaves: 'full',
        tracks: rows,
      };
    }
    case 'mssql-script':
      return {
        ...sending(rows),
        title: 'script on the package mssql',
        command: script('mssql-script'),
        needs: 'empty',
        leaves: 'unknown',
        tracks: rows,
        reports: { rows },
      };
    case 'slow-1':
      return slow(1);
    case 'slow-4':
      return slow(4);
    case 'half-tracked':
      return {
        ...sending(rows - halfRows(rows)),
        title: 'every second row tracked',
        command: product(jobs[1]),
        needs: 'half',
        leaves: 'full',
        tracks: rows,
      };
    case 'old-job': {
      const sends = sentByOldJob(rows - halfRows(rows));
      return {
        ...sending(sends, OLD_JOB_PAGE),
        title: "the old job's way, every second row tracked",
        command: script('old-job'),
        needs: 'half',
        leaves: 'unknown',
        tracks: halfRows(rows) + sends,
        reports: { rows: sends },
      };
    }
    default:
      throw new Error(`${name} needs no table`);
  }
}

const OLD_JOB_PAGE = 1000;

/**
 * Rows that the old job sends of so many pending: it leaves out what it has sent and advances by a page as well, so that it
 * passes over a page after each.
 */
export function sentByOldJob(pending: number): number {
  let sent = 0;
  for (let offset = 0; offset < pending - sent; offset += OLD_JOB_PAGE)
    sent += Math.min(OLD_JOB_PAGE, pending - sent - offset);
  return sent;
}
