/** `config validate | print | schema`: checks the configuration, shows what it comes to, prints its JSON Schema. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { CommandContext } from './context.ts';

/** Adds the command and its three subcommands. */
export function register(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = program.command('config').description('check and show the configuration');

  command
    .command('validate')
    .description('check the configuration and tell all its problems; exit code 78 where it has any')
    .action(async () => {
      const config = await context.loadConfig();
      const entities = count(config.entities.length + config.disabled.length, 'entity', 'entities');
      const disabled = config.disabled.length === 0 ? '' : ` (${config.disabled.length} disabled)`;
      const connections = count(Object.keys(config.connections).length, 'connection', 'connections');
      io.stdout.write(`${basename(config.file)} is valid: ${entities}${disabled}, ${connections}\n`);
    });

  command
    .command('print')
    .description('print the effective configuration as JSON: defaults filled in, secrets masked')
    .action(async () => {
      const config = await context.loadConfig();
      const { effectiveConfig } = await import('../config/print.ts');
      io.stdout.write(`${JSON.stringify(effectiveConfig(config), undefined, 2)}\n`);
    });

  command
    .command('schema')
    .description('print the JSON Schema of the configuration file (sync.config.schema.json)')
    .action(async () => {
      const { schemaText } = await import('../config/schema.ts');
      io.stdout.write(schemaText());
    });
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
