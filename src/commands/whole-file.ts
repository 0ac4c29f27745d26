/** Writes a file so that whoever reads it finds all of it, or what was there before. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { outputFailed } from './output.ts';

/**
 * Gives `work` a function that writes, and puts the file into its place once `work` is done. `mode`: its permissions, less
 * the process's umask. Throws SyncError OUTPUT_FAILED, and what `work` does; then nothing is left behind.
 */
export async function writeWholeFile(
  path: string,
  mode: number,
  work: (write: (text: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.tamhr-sync-${randomUUID()}.tmp`);
  const onFile = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step();
    } catch (error) {
      throw outputFailed(path, error);
    }
  };
  const file: FileHandle = await onFile(() => open(temporary, 'wx', mode));
  try {
    await work((text) => onFile(() => file.writeFile(text)));
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
