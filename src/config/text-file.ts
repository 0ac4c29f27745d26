/** Reads the text files that people edit: configuration, secrets, certificates. */
import { readFile, stat } from 'node:fs/promises';

/**
 * A file's text. UTF-8, or UTF-16 where a byte order mark says so (Windows PowerShell writes that); the mark is not part
 * of the text. Throws what node:fs throws, and TypeError where the bytes are not text in that encoding.
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  return new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
}

/** Which encoding a text that begins with these bytes has, as TextDecoder names it. */
export function encodingOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return 'utf-8';
}

/** Why a file could not be read, without its path: `there is no such file`. */
export function readFailure(error: unknown): string {
  if (error instanceof TypeError) return 'it is not UTF-8 text';
  const code = (error as NodeJS.ErrnoException).code ?? 'an unknown error';
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    ENOTDIR: 'there is no such file',
    EISDIR: 'it is a directory',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
  };
  return reasons[code] ?? code;
}

/** Whether the file's mode lets others than its owner read it. Never on Windows, where modes do not tell. */
export async function othersCanRead(path: string): Promise<boolean> {
  if (process.platform === 'win32') return false;
  return ((await stat(path)).mode & 0o044) !== 0;
}

/** Whether the file's mode lets others than its owner write it. Never on Windows. */
export async function othersCanWrite(path: string): Promise<boolean> {
  if (process.platform === 'win32') return false;
  return ((await stat(path)).mode & 0o022) !== 0;
}
