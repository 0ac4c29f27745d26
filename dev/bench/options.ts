/** What `npm run bench` is asked to do. */
import { parseArgs } from 'node:util';
import { DRAWN } from './chart.ts';
import { WORK_NAMES, type WorkName } from './figures.ts';

export const USAGE = `npm run bench -- [options]

Measures the product against floors that do only one part of its job, against a careful script and against the old job's way,
prints a table of ratios with their targets, and what each thing took.

  --rows <n>       users in the largest table (default 100000); others have a third and a tenth
  --server <s>     stand-in (default), or an ADO.NET connection string: databases of the bench's own are created there and dropped
  --repeats <n>    measure each thing so many times, in turn, and take medians (default 5)
  --slow-rows <n>  rows that are sent to the receiver that takes 500 ms a batch, at most (default 360000)
  --only <name>    measure only this (repeat for several): ${WORK_NAMES.join(', ')}
  --json <file>    write all figures there
  --chart <file>   write a chart (SVG) of rows/s and memory over rows there
  --strict         exit with 1 where a target is missed
  --help           this text

Ends with 0 when all was measured, 2 when it was not or something is left on the server, 64 for wrong usage, 130 when stopped.
`;

/** The options as they are meant. */
export interface BenchOptions {
  readonly rows: number;
  /** undefined: the stand-in. */
  readonly server: string | undefined;
  readonly repeats: number;
  readonly slowRows: number;
  readonly only: ReadonlySet<WorkName>;
  readonly json: string | undefined;
  readonly chart: string | undefined;
  readonly strict: boolean;
}

/** Fewer rows leave nothing in the smaller tables. */
const LEAST_ROWS = 100;

/** Reads the arguments; undefined where help is asked for. Throws Error with a sentence about what is wrong. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '100000' },
      server: { type: 'string', default: 'stand-in' },
      repeats: { type: 'string', default: '5' },
      'slow-rows': { type: 'string', default: '360000' },
      only: { type: 'string', multiple: true, default: [...WORK_NAMES] },
      json: { type: 'string' },
      chart: { type: 'string' },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.strict && values.only.length < WORK_NAMES.length) {
    throw new Error('--strict: leave --only out, so that there are figures for each target');
  }
  if (values.chart !== undefined && !DRAWN.some((name) => values.only.includes(name))) {
    throw new Error(`--chart: with --only, name ${DRAWN.slice(0, -1).join(', ')} or ${DRAWN.at(-1)}`);
  }
  return {
    rows: wholeNumber('--rows', values.rows, LEAST_ROWS),
    server: values.server === 'stand-in' ? undefined : connectionString(values.server),
    repeats: wholeNumber('--repeats', values.repeats, 1),
    slowRows: wholeNumber('--slow-rows', values['slow-rows'], 1),
    only: new Set(values.only.map(workName)),
    json: values.json,
    chart: values.chart,
    strict: values.strict,
  };
}

function wholeNumber(option: string, text: string, least: number): number {
  if (/^[1-9]\d*$/.test(text) && Number(text) >= least) return Number(text);
  throw new Error(`${option}: expected a whole number from ${least} on, found ${text}`);
}

/** Text that is none is not repeated: it may be a password. */
function connectionString(text: string): string {
  if (text.includes('=')) return text;
  throw new Error('--server: expected stand-in or an ADO.NET connection string');
}

function workName(text: string): WorkName {
  const name = WORK_NAMES.find((one) => one === text);
  if (name === undefined) throw new Error(`--only: expected one of ${WORK_NAMES.join(', ')}, found ${text}`);
  return name;
}
