/** Whether a run will be able to write the files that the configuration names. It looks, and writes nothing. */
import type { Stats } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Config } from '../../config/config.ts';
import { targetOf } from '../whole-file.ts';

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
    const found = await orMissing(stat(at));
    if (found === undefined && dirname(at) !== at) continue;
    return at === path ? fileProblem(at, found) : folderProblem(at);
  }
}

/** A new file beside it takes its place; a pipe or device is written into. */
async function replaceProblem(path: string): Promise<void> {
  const target = await targetOf(path);
  const found = await orMissing(stat(target));
  if (found !== undefined && !found.isFile()) return fileProblem(target, found);
  return folderProblem(dirname(target));
}

async function fileProblem(path: string, found: Stats | undefined): Promise<void> {
  if (found?.isDirectory()) throw codeError('EISDIR');
  await access(path, constants.W_OK);
}

async function folderProblem(path: string): Promise<void> {
  if (!(await stat(path)).isDirectory()) throw codeError('ENOTDIR');
  await access(path, constants.W_OK | constants.X_OK);
}

function orMissing(found: Promise<Stats>): Promise<Stats | undefined> {
  return found.catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
}

function codeError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
