/** The process's stdout as a TextStream that tells of what could not be written. */
import { fstatSync, writeSync } from 'node:fs';
import type { TextStream } from './commands/context.ts';

/**
 * The stream itself, or the file behind it: Node writes to a file once and takes that for all of it, although a disk that is
 * almost full takes only a part (SyncWriteStream, https://github.com/nodejs/node/blob/v24.x/lib/internal/fs/sync_write_stream.js).
 */
export function wholeStdout(stream: typeof process.stdout): TextStream {
  return isFile(stream.fd) ? { isTTY: false, write: (text, written) => writeFile(stream.fd, text, written) } : stream;
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    // It is closed.
    return false;
  }
}

function writeFile(fd: number, text: string, written: Parameters<TextStream['write']>[1]): void {
  const bytes = Buffer.from(text);
  let error: Error | undefined;
  try {
    for (let length = 0; length < bytes.length; ) {
      const taken = writeSync(fd, bytes, length);
      if (taken === 0) throw Object.assign(new Error('the file takes no more'), { code: 'ENOSPC' });
      length += taken;
    }
  } catch (failure) {
    error = failure as Error;
  }
  if (written !== undefined) process.nextTick(written, error);
}
