/** `tamhr-sync migrate`: creates the tool's tables in the log database, or prints the SQL for a DBA. */
import type { Command } from 'commander';
import { SyncError } from '../sync/errors.ts';
import type { CommandContext } from './context.ts';

interface MigrateCommandOptions {
  readonly print?: true;
  readonly check?: true;
}

/** Adds the command to the program. */
export function register(program: Command, context: CommandContext): void {
  program
    .command('migrate')
    .description(
      'create or update the tables of tamhr-sync in the log database; does nothing where they are up to date',
    )
    .option('--print', 'print the SQL for a DBA instead, without a database or a configuration')
    .option('--check', 'change nothing; exit 1 when something is pending')
    .action(async (options: MigrateCommandOptions) => {
      if (options.print && options.check) {
        throw new SyncError('USAGE', '--print and --check exclude each other.', 'Use one of them.');
      }
      await (options.print ? print(context) : apply(context, options.check === true));
    });
}

async function print({ io }: CommandContext): Promise<void> {
  const { loadMigrations, printableScript } = await import('../sqlserver/migrations.ts');
  io.stdout.write(printableScript(await loadMigrations()));
}

async function apply(context: CommandContext, check: boolean): Promise<void> {
  const config = await context.loadConfig();
  const settings = config.connections[config.logConnection];
  if (settings === undefined) throw new Error(`the configuration has no connection ${config.logConnection}`);
  const { migrate } = await import('../sqlserver/migrate.ts');
  const { pending, version } = await migrate(settings, { check });
  const { stdout } = context.io;
  for (const { name } of pending) stdout.write(`${check ? 'pending' : 'applied'} ${name}\n`);
  if (pending.length === 0) stdout.write(`${settings.database} is up to date (version ${version})\n`);
  else if (check) context.exit(1);
}
