/** Finds the configuration file and reads it as a JSON tree. */
import { dirname, extname, join, relative, resolve } from 'node:path';
import { cosmiconfig, defaultLoaders } from 'cosmiconfig';
import { SyncError } from '../sync/errors.ts';
import { JsonSyntaxError, parseJson } from './json.ts';
import { readFailure, readText } from './text-file.ts';

/** Where a configuration is looked for, in the working directory alone, the first one found counts. */
export const SEARCH_PLACES = ['sync.config.json', 'sync.config.yaml', 'sync.config.yml'];

/** The absolute path of the configuration file. Throws SyncError CONFIG_NOT_FOUND. */
export async function findConfigFile(cwd: string): Promise<string> {
  const place = (path: string | undefined) => SEARCH_PLACES.find((name) => path === join(resolve(cwd), name));
  // Only the search: what cosmiconfig's own loaders say of a broken file quotes from it.
  const found = () => ({});
  const explorer = cosmiconfig('tamhr-sync', {
    searchPlaces: SEARCH_PLACES,
    searchStrategy: 'none',
    ignoreEmptySearchPlaces: false,
    cache: false,
    loaders: { '.json': found, '.yaml': found, '.yml': found },
  });
  const path = (await explorer.search(cwd))?.filepath;
  if (path !== undefined && place(path) !== undefined) return path;
  throw new SyncError(
    'CONFIG_NOT_FOUND',
    `There is no ${SEARCH_PLACES.join(', ')} in ${cwd}, or it cannot be read.`,
    'Start the program in the directory of the configuration, or name its file with --config.',
  );
}

/** A path as a person reads it: relative where it lies below the working directory. */
export function displayPath(path: string, cwd: string): string {
  const shown = relative(cwd, path);
  return shown.startsWith('..') || dirname(shown) === shown ? path : shown;
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
    if (reason === undefined || mark === undefined)
      throw syntaxError('YAML', `${name}: found an alias inside its own anchor`);
    // From a quote or tag on, the reason is text from the file.
    const said = reason.replace(/\s*["'`!].*$/s, '');
    throw syntaxError('YAML', `${name}, line ${mark.line + 1}, column ${mark.column + 1}: ${said}`);
  }
}

function syntaxError(language: string, message: string): SyncError {
  return new SyncError('CONFIG_INVALID', `${message}.`, `Correct the file; it is no ${language}.`);
}
