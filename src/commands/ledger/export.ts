/** `tamhr-sync ledger export`: the ledger's rows as NDJSON or CSV, which `ledger adopt --keys` reads again. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { outputFailed, toStdout, type Write } from '../output.ts';
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
    if (output === undefined) await writeRows(access, options, toStdout(context.io));
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

/** Whoever reads the file finds all of it, or what was there before. */
async function toFile(path: string, work: (write: Write) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.tamhr-sync-${randomUUID()}.tmp`);
  const onFile = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step();
    } catch (error) {
      throw outputFailed(path, error);
    }
  };
  const file: FileHandle = await onFile(() => open(temporary, 'wx', 0o600));
  try {
    await work((text) =>
      onFile(async () => {
        await file.writeFile(text);
        return true;
      }),
    );
    await onFile(async () => {
      await file.sync();
      await file.close();
      await rename(temporary, path);
    });
  } catch (error) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}
