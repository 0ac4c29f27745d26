/** `npm run bench`: how fast the product is and what memory it takes, as ratios to floors that are measured with it. */
import { writeFile } from 'node:fs/promises';
import { bench } from './bench.ts';
import { chart } from './chart.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { reportText } from './table.ts';

const USAGE_ERROR = 64;
const INTERRUPTED = 130;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return USAGE_ERROR;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const interruption = new AbortController();
  const interrupt = () => {
    process.stderr.write('tidying up\n');
    interruption.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  try {
    const report = await bench(options, (line) => process.stderr.write(`${line}\n`), interruption.signal);
    process.stdout.write(reportText(report));
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    if (options.chart !== undefined) await writeFile(options.chart, chart(report));
    return options.strict && report.ratios.some(({ holds }) => !holds) ? 1 : 0;
  } catch (error) {
    if (interruption.signal.aborted) return INTERRUPTED;
    throw error;
  }
}
