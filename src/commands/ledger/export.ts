/** `tamhr-sync ledger export`: the ledger's rows as NDJSON or CSV, which `ledger adopt --keys` reads again. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { type Write, writeOut } from '../output.ts';
import { writeWholeFile } from '../whole-file.ts';
import { type LedgerAccess, type LedgerOptions, withLedger } from './access.ts';

interface ExportCommandOptions extends Pick<LedgerOptions, 'entity'> {
  readonly format: 'ndjson' | 'csv';
  readonly output?: string;
}

/** Adds the command. It ends with 0, also where the reader goes away, and with 1 where the output cannot be written. */
export function register(ledger: Command, context: CommandContext): void {
  ledger
    .command('export')
    .description('write all rows of the ledger to stdout or a file: entity, label, key, hash, time and batch')
    .addOption(entityOption('only rows of this entity (repeat for several)'))
    .addOption(new Option('--format <format>', 'how rows are written').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--output <file>', 'write to this file, which only its owner may read, instead of stdout')
    .action((options: ExportCommandOptions) => exportLedger(context, options));
}

async function exportLedger(context: CommandContext, options: ExportCommandOptions): Promise<void> {
  await withLedger(context, options, async (access) => {
    const { output } = options;
    if (output === undefined) return writeRows(access, options, (text) => writeOut(context.io.stdout, text));
    await toOutput(context, resolve(context.io.cwd, output), (write) => writeRows(access, options, write));
  });
}

async function writeRows({ entities, store, signal }: LedgerAccess, { format }: ExportCommandOptions, write: Write) {
  const { csvLine, EXPORT_HEADER, exportLine } = await import('../../report/ledger-json.ts');
  const lineOf = format === 'csv' ? csvLine : (line: object) => `${JSON.stringify(line)}\n`;
  if (format === 'csv' && !(await write(EXPORT_HEADER))) return;
  for (const entity of entities) {
    for await (const page of store.entries(entity, {})) {
      const isRead = await write(page.map((entry) => lineOf(exportLine(entity.name, entry))).join(''));
      if (!isRead) return;
      signal.throwIfAborted();
    }
  }
}

/** Lets `work` write what `--output` names. */
async function toOutput({ io }: CommandContext, path: string, work: (write: Write) => Promise<void>): Promise<void> {
  if (STDOUT.includes(path)) return work((text) => writeOut(io.stdout, text));
  await writeWholeFile(path, 0o600, work);
}

const STDOUT: readonly string[] = ['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'];
