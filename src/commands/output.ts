/** What a command prints on stdout, until it has left the process. */
import { SyncError } from '../sync/errors.ts';
import type { TextStream } from './context.ts';

/** Takes text, and resolves when more may come; false: nobody reads any more. Rejects with SyncError OUTPUT_FAILED. */
export type Write = (text: string) => Promise<boolean>;

/** Resolves once `text` is written; false: nobody reads any more. Throws SyncError OUTPUT_FAILED, as where a disk is full. */
export function writeOut(stdout: TextStream, text: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  stdout.write(text, (error) => {
    if (!error) resolve(true);
    else if (isUnread(error)) resolve(false);
    else reject(outputFailed('stdout', error));
  });
  return promise;
}

/** Whether a write failed since nobody reads any more; EOF is what Windows says of a pipe. */
export function isUnread(error: unknown): boolean {
  return ['EPIPE', 'EOF', 'ERR_STREAM_DESTROYED'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** The SyncError OUTPUT_FAILED of this file or stream. */
export function outputFailed(where: string, error: unknown): SyncError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return new SyncError(
    'OUTPUT_FAILED',
    `${where} cannot be written: ${code}.`,
    'See whether its folder is there, may be written to, and has space.',
    { cause: error },
  );
}
