/** `tamhr-sync status`: reads the history from the log database and prints it. */
import { type Command, InvalidArgumentError } from 'commander';
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
    .action(async (options: StatusCommandOptions) => {
      const config = await context.loadConfig();
      const entities = selectEntities(config, options.entity);
      const { openSqlServer } = await import('../sqlserver/open.ts');
      const { statusDocument } = await import('../report/status-json.ts');
      const server = openSqlServer(config.connections, config.logConnection);
      try {
        const history = await server.history(entities, RUNS_SHOWN);
        const document = statusDocument(history, config.schedule, new Date());
        const { stdout, env } = context.io;
        if (options.json) stdout.write(`${JSON.stringify(document, null, 2)}\n`);
        else {
          const { statusText } = await import('../report/status-text.ts');
          const { wantsColour } = await import('../report/colour.ts');
          const columns = stdout.columns === undefined ? {} : { columns: stdout.columns };
          stdout.write(statusText(document, { ...columns, colour: wantsColour(stdout, env) }));
        }
        if (options.maxAge !== undefined) await checkAge(context, document, options.maxAge, config.schedule?.timeZone);
      } finally {
        await server.close();
      }
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
