/** `tamhr-sync check`: looks at everything that a run needs, changes nothing, and says what to do. */
import type { Command } from 'commander';
import type { CheckDocument } from '../report/check-json.ts';
import { SyncError } from '../sync/errors.ts';
import { exitCodeOfError } from '../sync/exit-codes.ts';
import { brokenConfigChecks, configChecks } from './check/config-checks.ts';
import type { CommandContext } from './context.ts';
import { entityOption, selectEntities } from './entities.ts';
import { positiveInteger } from './positive-integer.ts';

/** How long a check may take, in seconds, unless --timeout says otherwise. */
const TIMEOUT_S = 10;

/** The longest that a timer takes. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Databases and receivers are asked this many things at the same time. */
const AT_ONCE = 8;

interface CheckCommandOptions {
  readonly entity?: readonly string[];
  readonly timeout?: number;
  readonly json?: true;
}

/**
 * Adds the command to the program. It ends with 0 where nothing failed (warnings or not), with 1 where something did, and with
 * 78 where the configuration cannot be loaded; what could be checked is printed all the same.
 */
export function register(program: Command, context: CommandContext): void {
  program
    .command('check')
    .description('check configuration, databases, sources and endpoints, and say what to do; changes nothing')
    .addOption(entityOption('check only what this entity needs (repeat for several)'))
    .option('--timeout <seconds>', `longest time of each check (default: ${TIMEOUT_S})`, positiveInteger)
    .option('--json', 'print one JSON document')
    .action(async (options: CheckCommandOptions) => {
      const document = await checked(context, program.opts(), options);
      await print(context, options, document);
      context.exit(document.exitCode);
    });
}

async function checked(
  context: CommandContext,
  global: { readonly config?: string; readonly secrets?: string },
  { entity, timeout = TIMEOUT_S }: CheckCommandOptions,
): Promise<CheckDocument> {
  const { runChecks, exitCodeOfChecks } = await import('../sync/check.ts');
  const { checkDocument } = await import('../report/check-json.ts');
  const limits = { timeoutMs: Math.min(timeout * 1000, MAX_TIMEOUT_MS), atOnce: AT_ONCE };
  const config = await context.loadConfig(false).catch((error) => {
    if (error instanceof SyncError) return error;
    throw error;
  });
  if (config instanceof SyncError) {
    const results = await runChecks(await brokenConfigChecks(config, context.io, global), limits);
    return checkDocument(results, exitCodeOfError(config.code), new Date());
  }
  const entities = selectEntities(config, entity);
  const { openCheckServer } = await import('../sqlserver/check-server.ts');
  const { databaseChecks } = await import('./check/database-checks.ts');
  const { endpointChecks } = await import('./check/endpoint-checks.ts');
  const server = openCheckServer(config.connections, config.logConnection, limits.timeoutMs);
  try {
    const results = await runChecks(
      [
        ...(await configChecks(config)),
        ...(await databaseChecks(config, entity === undefined ? undefined : entities, server)),
        ...(await endpointChecks(entities, { timeoutMs: limits.timeoutMs, redact: context.redactor.redact })),
      ],
      limits,
    );
    return checkDocument(results, exitCodeOfChecks(results), new Date());
  } finally {
    await server.close();
  }
}

async function print({ io }: CommandContext, { json }: CheckCommandOptions, document: CheckDocument): Promise<void> {
  const { stdout, env } = io;
  if (json) {
    stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    return;
  }
  const { checkText, wantsAscii } = await import('../report/check-text.ts');
  const { wantsColour } = await import('../report/colour.ts');
  const columns = stdout.columns === undefined ? {} : { columns: stdout.columns };
  stdout.write(
    checkText(document, { ...columns, colour: wantsColour(stdout, env), ascii: wantsAscii(env, process.platform) }),
  );
}
