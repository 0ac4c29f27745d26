/** Writes files that may not be there yet: each appears whole or not at all, with its mode from the first moment on. */
import { randomBytes } from 'node:crypto';
import { chmod, link, lstat, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SyncError } from '../sync/errors.ts';
import { readFailure } from './text-file.ts';

/** A file to write. */
export interface NewFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  /** Such as 0o600; of no effect on Windows. */
  readonly mode: number;
}

/** Whether there is anything of that name, a broken link included. */
export async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Where a link to a file leads; any other path, and a link to something else, as it is. */
export async function linkedFile(path: string): Promise<string> {
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? realpath(path) : path;
}

/**
 * Writes the file in the place of what is there, which is called NAME.bak from then on, in the place of an older one. Returns
 * the path of that; undefined where nothing was there or the same text. Throws SyncError OUTPUT_FAILED.
 */
export async function replaceKeeping(file: NewFile): Promise<string | undefined> {
  const kept = await keep(file).catch((error: unknown) => {
    throw cannotWrite(file.path, error);
  });
  await writeNewFile(file, true);
  return kept;
}

async function keep({ path, text, mode }: NewFile): Promise<string | undefined> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  // In a folder's place no file can be written.
  if (found === undefined || found.isDirectory()) return undefined;
  const backup = `${path}.bak`;
  if (!found.isFile()) {
    await rename(path, backup);
    return backup;
  }
  if ((await readFile(path).catch(() => undefined))?.equals(Buffer.from(text))) return undefined;
  await rm(backup, { force: true });
  // A second name, so that there is a file under the first one at any time; not all file systems have that.
  await link(path, backup).catch(() => rename(path, backup));
  // What was not for others to read in the new file is not in the old one. Only its owner can see to that.
  await chmod(backup, found.mode & mode).catch(() => {});
  return backup;
}

/**
 * Writes the file. Throws SyncError USAGE where there is one of that name and `replace` is false, also one that came up
 * since; OUTPUT_FAILED where it cannot be written.
 */
export async function writeNewFile({ path, text, mode }: NewFile, replace: boolean): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    // `wx` follows no link that someone put there.
    const file = await open(temporary, 'wx', mode);
    try {
      // The umask takes bits away, and may leave too few.
      await file.chmod(mode);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (replace) await rename(temporary, path);
    else await claim(temporary, path);
  } catch (error) {
    if (error instanceof SyncError) throw error;
    throw cannotWrite(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Makes the folder and those above it where they are missing. Throws SyncError OUTPUT_FAILED. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw cannotWrite(path, error);
  });
}

function cannotWrite(path: string, error: unknown): SyncError {
  return new SyncError(
    'OUTPUT_FAILED',
    `${path} cannot be written: ${readFailure(error)}.`,
    'Check the folder and who may write there.',
    { cause: error },
  );
}

/** Gives the temporary file its name, but never in the place of another one: rename would. */
async function claim(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw alreadyThere([path]);
    // File systems without hard links.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP', 'EINVAL'].includes(code)) throw error;
    if (await isThere(path)) throw alreadyThere([path]);
    await rename(temporary, path);
  }
}

/** The SyncError USAGE for files that must not be replaced. */
export function alreadyThere(paths: readonly string[]): SyncError {
  return new SyncError(
    'USAGE',
    `${paths.join(' and ')} ${paths.length === 1 ? 'is' : 'are'} there already, and nothing was written.`,
    'Add --force to replace what is there, or name another folder with --directory.',
  );
}
