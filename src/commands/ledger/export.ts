/** `tamhr-sync ledger export`: the ledger's rows as NDJSON or CSV, which `ledger adopt --keys` reads again. */
import { open, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { entityOption } from '../entities.ts';
import { isUnread, outputFailed, type Write, writeOut } from '../output.ts';
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

/** Lets `work` write what `--output` names: into a pipe or device as it is, a file beside it to be renamed. */
async function toOutput({ io }: CommandContext, path: string, work: (write: Write) => Promise<void>): Promise<void> {
  if (STDOUT.includes(path)) return work((text) => writeOut(io.stdout, text));
  const target = await targetOf(path);
  const isThere = await stat(target).catch(() => undefined);
  // Renamed over, a pipe or device would be a file from then on. That a folder is none is said where the file is renamed.
  const isInto = isThere !== undefined && !isThere.isFile() && !isThere.isDirectory();
  await (isInto ? intoDevice(path, work) : toFile(target, work));
}

const STDOUT: readonly string[] = ['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'];

/** What a symbolic link leads to, so that it stays one; also where nothing is there yet. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const link = await readlink(path).catch(() => undefined);
    return link === undefined ? path : resolve(dirname(path), link);
  }
}

/** A pipe whose reader goes away ends it quietly, as stdout does. */
async function intoDevice(path: string, work: (write: Write) => Promise<void>): Promise<void> {
  const failed = (error: unknown) => {
    throw outputFailed(path, error);
  };
  const device = await open(path, 'w').catch(failed);
  try {
    await work(async (text) => {
      try {
        await device.writeFile(text);
        return true;
      } catch (error) {
        return isUnread(error) ? false : failed(error);
      }
    });
  } finally {
    await device.close();
  }
}

async function toFile(path: string, work: (write: Write) => Promise<void>): Promise<void> {
  await writeWholeFile(path, 0o600, (write) =>
    work(async (text) => {
      await write(text);
      return true;
    }),
  );
}
