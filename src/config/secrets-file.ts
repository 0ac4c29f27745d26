/** The file that --secrets names: NAME=value lines. */

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

function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/s.exec(value);
  return quoted?.[2] ?? value;
}
