/** Finds the configuration file and reads it as a JSON tree. */
import { existsSync } from 'node:fs';
import { extname, isAbsolute, join, relative, sep } from 'node:path';
import { cosmiconfig, defaultLoaders } from 'cosmiconfig';
import { SyncError } from '../sync/errors.ts';
import { JsonSyntaxError, parseJson } from './json.ts';
import { readFailure, readText } from './text-file.ts';

/** Where a configuration is looked for, in the working directory alone, the first one found counts. */
const SEARCH_PLACES = ['sync.config.json', 'sync.config.yaml', 'sync.config.yml'];

/** The configuration file that a directory holds. */
export interface FoundFile {
  /** Absolute. */
  readonly path: string;
  /** Names of further ones in the directory, which are not read. */
  readonly ignored: readonly string[];
}

/** Looks for the configuration file. Throws SyncError CONFIG_NOT_FOUND. */
export async function findConfigFile(cwd: string): Promise<FoundFile> {
  const path = await search(cwd);
  const places = configFilesIn(cwd);
  if (path !== undefined) return { path, ignored: places.filter((name) => join(cwd, name) !== path) };
  throw new SyncError(
    'CONFIG_NOT_FOUND',
    places.length > 0
      ? `${places.join(', ')} in ${cwd} cannot be read.`
      : `There is no ${SEARCH_PLACES.slice(0, -1).join(', ')} or ${SEARCH_PLACES.at(-1)} in ${cwd}.`,
    'Start the program in the directory of its configuration, or name the file with --config; `tamhr-sync init` makes a new one.',
  );
}

/** Names of the files in a folder that findConfigFile looks for, the one that counts first. */
export function configFilesIn(folder: string): string[] {
  return SEARCH_PLACES.filter((name) => existsSync(join(folder, name)));
}

async function search(cwd: string): Promise<string | undefined> {
  // Only the search: what cosmiconfig's own loaders say of a broken file quotes from it.
  const found = () => ({});
  try {
    const explorer = cosmiconfig('tamhr-sync', {
      searchPlaces: SEARCH_PLACES,
      searchStrategy: 'none',
      ignoreEmptySearchPlaces: false,
      cache: false,
      loaders: { '.json': found, '.yaml': found, '.yml': found },
    });
    return (await explorer.search(cwd))?.filepath;
  } catch {
    // https://github.com/cosmiconfig/cosmiconfig#usage-for-end-users
    throw new SyncError(
      'CONFIG_NOT_FOUND',
      `The search for a configuration in ${cwd} failed: cosmiconfig's own settings there (package.json or .config/config.*) cannot be read.`,
      'Correct them, or name the configuration file with --config.',
    );
  }
}

/** A path as a person reads it: relative where it lies below the working directory. */
export function displayPath(path: string, cwd: string): string {
  const shown = relative(cwd, path);
  return shown === '..' || shown.startsWith(`..${sep}`) || isAbsolute(shown) ? path : shown;
}

/**
 * A JSON or YAML file as a JSON tree. Throws SyncError CONFIG_NOT_FOUND where it cannot be read, CONFIG_INVALID where it
 * is none; the message names line and column and quotes nothing from the file but keys.
 */
export async function readConfigFile(path: string, cwd: string): Promise<unknown> {
  const name = displayPath(path, cwd);
  const parse = PARSERS[extname(path).toLowerCase()];
  if (parse === undefined) {
    throw new SyncError(
      'CONFIG_NOT_FOUND',
      `${name} is no configuration file: its name ends in none of .json, .yaml and .yml.`,
      'Name a JSON or YAML file with --config.',
    );
  }
  const text = await readText(path).catch((error: unknown) => {
    throw new SyncError(
      'CONFIG_NOT_FOUND',
      `${name} cannot be read: ${readFailure(error)}.`,
      'Check the path and who may read the file.',
    );
  });
  return parse(text, name);
}

const PARSERS: Readonly<Record<string, (text: string, name: string) => unknown>> = {
  '.json': jsonTree,
  '.yaml': yamlTree,
  '.yml': yamlTree,
};

function jsonTree(text: string, name: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw syntaxError('JSON', `${name}, line ${error.line}, column ${error.column}: ${error.message}`);
  }
}

function yamlTree(text: string, name: string): unknown {
  try {
    // YAML has more than JSON (dates, infinities, references to itself).
    return JSON.parse(JSON.stringify(defaultLoaders['.yaml'](name, text) ?? null));
  } catch (error) {
    const { reason, mark } = error as { reason?: string; mark?: { line: number; column: number } };
    const place = mark === undefined ? name : `${name}, line ${mark.line + 1}, column ${mark.column + 1}`;
    // From a quote or tag on, the reason is text from the file.
    const said = reason?.replace(/\s*["'`!].*$/s, '') ?? 'found an alias inside its own anchor';
    throw syntaxError('YAML', `${place}: ${said}`);
  }
}

function syntaxError(language: string, message: string): SyncError {
  return new SyncError('CONFIG_INVALID', `${message}.`, `Correct the file; it is no ${language}.`);
}
