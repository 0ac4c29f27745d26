/** The secrets file (.env beside the configuration, or the one that --secrets names): NAME=value lines, read and written. */
import { SyncError } from '../sync/errors.ts';

/** Name of the secrets file that is read where --secrets names none, in the configuration's folder. */
export const DEFAULT_SECRETS_FILE = '.env';

/** A secrets file's variables, and the numbers (from 1) of lines that are none. */
export interface SecretsFile {
  readonly variables: ReadonlyMap<string, string>;
  readonly badLines: readonly number[];
}

const LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)$/;

/**
 * Parses NAME=value lines, with `export` before them or not. Empty lines and lines that begin with # do not count. White space around name and value is
 * dropped; quotes, double or single, around a value keep what is between them as it is. Nothing else is special: a # in
 * a value is part of it, and there are no escapes. Of two lines with one name the last holds.
 */
export function parseSecretsFile(text: string): SecretsFile {
  const variables = new Map<string, string>();
  const badLines: number[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, value = ''] = LINE.exec(line) ?? [];
    if (name === undefined) badLines.push(index + 1);
    else variables.set(name, unquote(value.trim()));
  }
  return { variables, badLines };
}

/**
 * The text of a secrets file that parseSecretsFile reads back as these variables. A value cannot have a line break: throws
 * SyncError CONFIG_INVALID, which names the variable.
 */
export function secretsFileText(variables: ReadonlyMap<string, string>): string {
  return Array.from(variables, ([name, value]) => {
    if (/[\r\n]/.test(value)) {
      throw new SyncError(
        'CONFIG_INVALID',
        `The value of ${name} has a line break, which a line of a secrets file cannot hold.`,
        'Write the value on one line.',
      );
    }
    return `${name}=${value !== value.trim() || /^(["']).*\1$/.test(value) ? `"${value}"` : value}\n`;
  }).join('');
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/s.exec(value);
  return quoted?.[2] ?? value;
}
