/** `tamhr-sync ledger adopt | forget | rehash | verify | show | export | prune`: the ledger of rows that were sent. */
import type { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { register as registerAdopt } from './ledger/adopt.ts';
import { register as registerExport } from './ledger/export.ts';
import { register as registerForget } from './ledger/forget.ts';
import { register as registerPrune } from './ledger/prune.ts';
import { register as registerRehash } from './ledger/rehash.ts';
import { register as registerShow } from './ledger/show.ts';
import { register as registerVerify } from './ledger/verify.ts';

/** Adds the command and its subcommands. */
export function register(program: Command, context: CommandContext): void {
  const command = program.command('ledger').description('look into and correct the ledger: which rows count as sent');
  const subcommands = [
    registerShow,
    registerVerify,
    registerAdopt,
    registerForget,
    registerRehash,
    registerExport,
    registerPrune,
  ];
  for (const registerSubcommand of subcommands) registerSubcommand(command, context);
}
