/** Whether a run will be able to write the files that the configuration names. It looks, and writes nothing. */
import { access, constants, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Config } from '../../config/config.ts';

/** A sentence for each file that could not be written: its key in the configuration, and the system's error code. */
export async function unwritableFiles({ logging, report, metrics }: Config): Promise<string[]> {
  const problems = await Promise.all([
    logging.file && problemOf('logging.file', logging.file.path, logProblem),
    report && problemOf('report.html', report.html, replaceProblem),
    metrics && problemOf('metrics.file', metrics.file, replaceProblem),
  ]);
  return problems.filter((problem) => problem !== undefined);
}

async function problemOf(
  key: string,
  path: string,
  look: (path: string) => Promise<void>,
): Promise<string | undefined> {
  try {
    await look(path);
    return undefined;
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return `${basename(path)} (${key}) cannot be written: ${code}`;
  }
}

/** It is appended to; folders that are missing are made. */
async function logProblem(path: string): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    const isMissing = await stat(at).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'ENOENT' && dirname(at) !== at,
    );
    if (!isMissing) return access(at, constants.W_OK);
  }
}

/** A new file beside it takes its place. */
function replaceProblem(path: string): Promise<void> {
  return access(dirname(path), constants.W_OK);
}
