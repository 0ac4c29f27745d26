/** The time zone of this machine's clock, by which its scheduler goes; that of this process may be another one (TZ). */
import { readFile, readlink } from 'node:fs/promises';

/** Where systems keep it: a link into the zone database, and Debian's file of its name, for where the first is a copy. */
export interface ZoneFiles {
  readonly localtime: string;
  readonly timezone: string;
}

const ZONE_FILES: ZoneFiles = { localtime: '/etc/localtime', timezone: '/etc/timezone' };

/**
 * The zone's IANA name. On Windows that of this process; elsewhere what the files say, and UTC where there is no
 * /etc/localtime, as the C library has it (https://man7.org/linux/man-pages/man5/localtime.5.html). Undefined where they
 * name no zone that is known.
 */
export async function machineZone(
  platform: NodeJS.Platform,
  files: ZoneFiles = ZONE_FILES,
): Promise<string | undefined> {
  if (platform === 'win32') return Intl.DateTimeFormat().resolvedOptions().timeZone;
  const link = await readlink(files.localtime).catch(({ code }: NodeJS.ErrnoException) =>
    code === 'ENOENT' ? undefined : '',
  );
  if (link === undefined) return 'UTC';
  const [, linked] = /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(link) ?? [];
  const named = linked ?? (await readFile(files.timezone, 'utf8').catch(() => '')).trim();
  return isZone(named) ? named : undefined;
}

/** Whether this is a time zone's name. */
export function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
