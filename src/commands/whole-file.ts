/** Writes a file so that whoever reads it finds all of it, or what was there before. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isUnread, outputFailed, type Write } from './output.ts';

/**
 * Gives `work` a function that writes, and puts the file into its place once `work` is done. `mode`: its permissions, less
 * the process's umask unless `exactly`. A symbolic link stays one; a pipe or device is written into as it is. Throws SyncError OUTPUT_FAILED,
 * and what `work` does; then nothing is left behind.
 */
export async function writeWholeFile(
  path: string,
  mode: number,
  work: (write: Write) => Promise<unknown>,
  exactly?: 'exactly',
): Promise<void> {
  const target = await targetOf(path);
  const isThere = await stat(target).catch(() => undefined);
  // Renamed over, a pipe or device would be a file from then on. That a folder is none is said where the file is renamed.
  if (isThere !== undefined && !isThere.isFile() && !isThere.isDirectory()) return intoDevice(path, work);
  const temporary = join(dirname(target), `.tamhr-sync-${randomUUID()}.tmp`);
  const onFile = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step();
    } catch (error) {
      throw outputFailed(path, error);
    }
  };
  const file: FileHandle = await onFile(() => open(temporary, 'wx', mode));
  try {
    if (exactly) await onFile(() => file.chmod(mode));
    await work((text) =>
      onFile(async () => {
        await file.writeFile(text);
        return true;
      }),
    );
    await onFile(async () => {
      await file.sync();
      await file.close();
      await rename(temporary, target);
    });
  } catch (error) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}

/** What a symbolic link leads to; also where nothing is there yet. */
export async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const link = await readlink(path).catch(() => undefined);
    return link === undefined ? path : resolve(dirname(path), link);
  }
}

/** A pipe whose reader goes away ends it quietly, as stdout does. */
async function intoDevice(path: string, work: (write: Write) => Promise<unknown>): Promise<void> {
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
