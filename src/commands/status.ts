/** `tamhr-sync status`: reads the history from the log database and prints it, or writes it as HTML. */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { StatusDocument } from '../report/status-json.ts';
import { parseAge } from '../sync/ledger-time.ts';
import type { CommandContext } from './context.ts';
import { entityOption, selectEntities } from './entities.ts';

/** Runs that are listed. */
const RUNS_SHOWN = 10;

interface StatusCommandOptions {
  readonly entity?: readonly string[];
  readonly json?: true;
  /** In milliseconds. */
  readonly maxAge?: number;
  readonly html?: string;
}

/**
 * Adds the command to the program. It ends with 0 when it could report, warnings included, with 1 when --max-age was given and
 * the last good run of an entity is older, and with 69 when the log database could not be reached.
 */
export function register(program: Command, context: CommandContext): void {
  program
    .command('status')
    .description('show what happened: the last run of each entity, what is overdue, when the next run is due')
    .addOption(entityOption('show only this entity (repeat for several)'))
    .option('--json', 'print one JSON document')
    .option('--max-age <age>', 'exit 1 when the last good run of an entity is older than this: 26h, 2d', age)
    .addOption(
      new Option('--html <file>', 'write one HTML file that needs nothing else instead; - is stdout').conflicts([
        'json',
        'maxAge',
      ]),
    )
    .action(async (options: StatusCommandOptions) => {
      const config = await context.loadConfig();
      const entities = selectEntities(config, options.entity);
      const { readStatus, statusPage, writeStatusPage } = await import('./status-file.ts');
      const { stdout, env, cwd } = context.io;
      if (options.html !== undefined) {
        const page = await statusPage(context, config, entities);
        if (options.html === '-') stdout.write(page);
        else await writeStatusPage(resolve(cwd, options.html), page);
        return;
      }
      const document = await readStatus(context, config, entities, RUNS_SHOWN);
      if (options.json) {
        stdout.write(`${JSON.stringify(document, null, 2)}\n`);
      } else {
        const { statusText } = await import('../report/status-text.ts');
        const { wantsColour } = await import('../report/colour.ts');
        const { showsUtf8 } = await import('../report/sparkline.ts');
        const columns = stdout.columns === undefined ? {} : { columns: stdout.columns };
        const terminal = { colour: wantsColour(stdout, env), utf8: showsUtf8(stdout, env) };
        stdout.write(statusText(document, { ...columns, ...terminal }));
      }
      if (options.maxAge !== undefined) await checkAge(context, document, options.maxAge, config.schedule?.timeZone);
    });
}

/** Says on stderr which entities have had no good run for too long. */
async function checkAge(
  { io, exit }: CommandContext,
  document: StatusDocument,
  maxAgeMs: number,
  timeZone = 'UTC',
): Promise<void> {
  const { tooOldLine } = await import('../report/max-age.ts');
  const line = tooOldLine(document, maxAgeMs, timeZone);
  if (line === undefined) return;
  io.stderr.write(`error: ${line}\n`);
  exit(1);
}

function age(text: string): number {
  const parsed = parseAge(text);
  if (parsed !== undefined) return parsed;
  throw new InvalidArgumentError('Expected an age such as 26h or 2d.');
}
