/** `tamhr-sync ledger export`: the ledger's rows as NDJSON or CSV, which `ledger adopt --keys` reads again. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { outputFailed, writeWholeFile } from '../whole-file.ts';
import { type LedgerAccess, type LedgerOptions, withLedger } from './access.ts';

interface ExportCommandOptions extends Pick<LedgerOptions, 'entity'> {
  readonly format: 'ndjson' | 'csv';
  readonly output?: string;
}

/** Takes text, and resolves when more may come; false: nobody reads any more. */
type Write = (text: string) => Promise<boolean>;

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
    if (output === undefined) await writeRows(access, options, toStream(context));
    else await toFile(resolve(context.io.cwd, output), (write) => writeRows(access, options, write));
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

function toStream({ io }: CommandContext): Write {
  return (text) => {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    io.stdout.write(text, (error) => {
      if (!error) resolve(true);
      else if (['EPIPE', 'ERR_STREAM_DESTROYED'].includes((error as NodeJS.ErrnoException).code ?? '')) resolve(false);
      else reject(outputFailed('stdout', error));
    });
    return promise;
  };
}

async function toFile(path: string, work: (write: Write) => Promise<void>): Promise<void> {
  await writeWholeFile(path, 0o600, (write) =>
    work(async (text) => {
      await write(text);
      return true;
    }),
  );
}
