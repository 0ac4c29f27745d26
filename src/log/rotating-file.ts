/**
 * A log file that rotates by size: name.log, then name.1.log (the newest) and so on.
 *
 * winston's own File transport is not used: when its disk is full or its file cannot be opened it swallows the error
 * and stops taking entries, which also stalls every other transport of the logger and keeps it from ever finishing.
 */
import { appendFileSync, existsSync, mkdirSync, renameSync, statSync, truncateSync } from 'node:fs';
import { dirname, extname } from 'node:path';

/** Where the file is and when it rotates. `maxFiles` counts the current one too. */
export interface RotatingFile {
  readonly path: string;
  readonly maxFileBytes: number;
  readonly maxFiles: number;
}

/**
 * Appends text, after rotating where the file would grow past `maxFileBytes`; creates the directory where it is
 * missing. Nothing is held open in between, so several processes may share the file and it may be moved at any time.
 *
 * Synchronous, so that the text is in the file when this returns. Throws what node:fs throws; where only rotating
 * failed, the text is written all the same.
 */
export function appendRotating({ path, maxFileBytes, maxFiles }: RotatingFile, text: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) mkdirSync(dirname(path), { recursive: true });
  try {
    if (size && size + Buffer.byteLength(text) > maxFileBytes) rotate(path, maxFiles);
  } finally {
    appendFileSync(path, text);
  }
}

/** Where the log of that age stands; 0 is the current one. */
export function rotatedPath(path: string, age: number): string {
  const extension = extname(path);
  return age === 0 ? path : `${path.slice(0, path.length - extension.length)}.${age}${extension}`;
}

/** Every file becomes one older; the oldest is overwritten. */
function rotate(path: string, maxFiles: number): void {
  const nameOf = (age: number) => rotatedPath(path, age);
  if (maxFiles === 1) truncateSync(path);
  for (let age = maxFiles - 2; age >= 0; age -= 1) {
    if (existsSync(nameOf(age))) renameSync(nameOf(age), nameOf(age + 1));
  }
}
