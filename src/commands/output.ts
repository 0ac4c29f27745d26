/** Long output: written piece by piece, as fast as it is read, and no further than somebody reads it. */
import { SyncError } from '../sync/errors.ts';
import type { Io } from './context.ts';

/** Takes text, and resolves when more may come; false: nobody reads any more. Rejects with SyncError OUTPUT_FAILED. */
export type Write = (text: string) => Promise<boolean>;

/** Writes to standard output. */
export function toStdout({ stdout }: Pick<Io, 'stdout'>): Write {
  return (text) => {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    stdout.write(text, (error) => {
      if (!error) resolve(true);
      else if (['EPIPE', 'ERR_STREAM_DESTROYED'].includes((error as NodeJS.ErrnoException).code ?? '')) resolve(false);
      else reject(outputFailed('stdout', error));
    });
    return promise;
  };
}

/** What to tell where `where` (a path, or stdout) cannot be written. */
export function outputFailed(where: string, error: unknown): SyncError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return new SyncError(
    'OUTPUT_FAILED',
    `${where} cannot be written: ${code}.`,
    'See whether its folder is there, may be written to, and has space.',
    { cause: error },
  );
}
