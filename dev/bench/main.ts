/** `npm run bench`: how fast the product is and what memory it takes, as ratios to floors that are measured with it. */
import { open, writeFile } from 'node:fs/promises';
import { bench } from './bench.ts';
import { chart } from './chart.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { reportText } from './table.ts';

const MISSED = 1;
const FAILED = 2;
const USAGE_ERROR = 64;
const INTERRUPTED = 130;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`${textOf(error)}\n\n${USAGE}`);
    return USAGE_ERROR;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const interruption = new AbortController();
  const interrupt = () => {
    tell('tidying up; once more ends it as it is');
    interruption.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupt);
  let isTidy = true;
  const left = (problem: unknown) => {
    isTidy = false;
    tell(`not all could be tidied up: ${textOf(problem)}`);
  };
  try {
    // Before an hour's work, not after it.
    for (const file of [options.json, options.chart]) if (file !== undefined) await (await open(file, 'a')).close();
    const report = await bench(options, tell, interruption.signal, left);
    process.stdout.write(reportText(report));
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    if (options.chart !== undefined) await writeFile(options.chart, chart(report));
    if (!isTidy) return FAILED;
    return options.strict && report.ratios.some(({ holds }) => !holds) ? MISSED : 0;
  } catch (error) {
    if (interruption.signal.aborted) return INTERRUPTED;
    tell(`error: ${textOf(error)}`);
    return FAILED;
  }
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
