/**
 * Reads the program's log file: its last lines, older files included, and what is appended from then on, also when the file
 * rotates meanwhile. Nothing is held open in between, as the writer (rotating-file.ts) expects it.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type RotatingFile, rotatedPath } from './rotating-file.ts';

/** Bytes that are read at once. */
const CHUNK_BYTES = 64 * 1024;

/** How long a follower waits before it looks again. */
const POLL_MS = 250;

const LINE_BREAK = 0x0a;

/** Where a follower stands: in which file, whatever its name is by now, and how many of its bytes it has seen. */
interface Position {
  readonly inode: bigint;
  readonly offset: number;
}

/** The last lines of a log, and where the next one will stand. */
export interface LogEnd {
  /** Oldest first, without line breaks. */
  readonly lines: readonly string[];
  /** Absent where there is no log file yet. */
  readonly position?: Position;
}

/**
 * The last `limit` lines for which `wanted` holds, from the current file back to the oldest one. A last line without a line
 * break is still being written: it counts only where `unfinished` is true. Throws what node:fs throws, but for a file that
 * is missing.
 */
export async function readEnd(
  { path, maxFiles }: RotatingFile,
  limit: number,
  wanted: (line: string) => boolean,
  unfinished: boolean,
): Promise<LogEnd> {
  const lines: string[] = [];
  let position: Position | undefined;
  const seen = new Set<bigint>();
  for (let age = 0; age < maxFiles && lines.length < limit; age += 1) {
    await onFile(rotatedPath(path, age), async (file) => {
      const { ino, size } = await file.stat({ bigint: true });
      // A file that has become older since the last one was read.
      if (seen.has(ino)) return;
      seen.add(ino);
      const isCurrent = position === undefined;
      const end = isCurrent && !unfinished ? await lastLineEnd(file, Number(size)) : Number(size);
      if (isCurrent) position = { inode: ino, offset: end };
      for await (const line of linesFromEnd(file, end)) {
        if (wanted(line)) lines.push(line);
        if (lines.length === limit) break;
      }
    });
  }
  return { lines: lines.reverse(), ...(position && { position }) };
}

/** The number of bytes up to the last line break. */
async function lastLineEnd(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0; end -= Math.min(CHUNK_BYTES, end)) {
    const chunk = await readBytes(file, Math.max(0, end - CHUNK_BYTES), end);
    const at = chunk.lastIndexOf(LINE_BREAK);
    if (at >= 0) return end - chunk.length + at + 1;
  }
  return 0;
}

/** The lines of the first `size` bytes, the last one first. */
async function* linesFromEnd(file: FileHandle, size: number): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let isLast = true;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    let data: Buffer = Buffer.concat([await readBytes(file, start, end), rest]);
    end = start;
    for (let at = data.lastIndexOf(LINE_BREAK); at >= 0; at = data.lastIndexOf(LINE_BREAK)) {
      const line = data.subarray(at + 1);
      // What follows the last line break is a line only where there is something.
      if (!isLast || line.length > 0) yield textOf(line);
      isLast = false;
      data = data.subarray(0, at);
    }
    rest = data;
  }
  if (rest.length > 0 || !isLast) yield textOf(rest);
}

/**
 * The lines that are appended after `position` (all of the current file's where it is absent), oldest first, each list as
 * soon as it is there; goes on in the next file where the log rotates, and ends when `signal` aborts. Where more files have
 * come and gone than `maxFiles` between two looks, it goes on at the current one's beginning.
 */
export async function* followLines(
  { path, maxFiles }: RotatingFile,
  position: Position | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  let at = position;
  while (!signal.aborted) {
    const step = await nextLines(path, maxFiles, at);
    if (step !== undefined) {
      at = step.position;
      if (step.lines.length > 0) yield step.lines;
      if (step.goesOn) continue;
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

interface Step {
  readonly lines: readonly string[];
  readonly position: Position;
  /** Whether there may be more at once. */
  readonly goesOn: boolean;
}

/** One piece of one file; undefined where there is no current file, as in the middle of a rotation. */
async function nextLines(path: string, maxFiles: number, at: Position | undefined): Promise<Step | undefined> {
  const age = at === undefined ? undefined : await ageOf(path, maxFiles, at.inode);
  return onFile(rotatedPath(path, age ?? 0), async (file): Promise<Step | undefined> => {
    const { ino, size } = await file.stat({ bigint: true });
    if (age !== undefined && ino !== at?.inode) return undefined;
    // A file that was cut off (maxFiles 1), or another one in its place, begins anew.
    const offset = at !== undefined && ino === at.inode && at.offset <= Number(size) ? at.offset : 0;
    const chunk = await readBytes(file, offset, Math.min(offset + CHUNK_BYTES, Number(size)));
    // A file that was rotated gets no more: its last line is complete.
    const isComplete = (age ?? 0) > 0 || chunk.length === CHUNK_BYTES;
    const end = chunk.lastIndexOf(LINE_BREAK) + 1 || (isComplete ? chunk.length : 0);
    const lines = end === 0 ? [] : textOf(chunk.subarray(0, end)).replace(/\n$/, '').split('\n');
    if (end > 0) return { lines, position: { inode: ino, offset: offset + end }, goesOn: true };
    if (age === undefined || age === 0) return { lines, position: { inode: ino, offset }, goesOn: false };
    const newer = await inodeAt(rotatedPath(path, age - 1));
    // Where the log has rotated since, that was not the next file.
    if (newer === undefined || (await inodeAt(rotatedPath(path, age))) !== ino) return undefined;
    return { lines, position: { inode: newer, offset: 0 }, goesOn: true };
  });
}

/** How old the file has become; undefined where it is gone. */
async function ageOf(path: string, maxFiles: number, inode: bigint): Promise<number | undefined> {
  for (let age = 0; age < maxFiles; age += 1) {
    if ((await inodeAt(rotatedPath(path, age))) === inode) return age;
  }
  return undefined;
}

async function inodeAt(path: string): Promise<bigint | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.ino;
}

/** Undefined where the file is not there. */
async function onFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function readBytes(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const buffer = Buffer.alloc(end - start);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  return buffer.subarray(0, bytesRead);
}

function textOf(bytes: Buffer): string {
  return bytes.toString('utf8').replaceAll('\r\n', '\n').replace(/\r$/, '');
}
