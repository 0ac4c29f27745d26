/** Names in T-SQL: quoting them, and reading `schema.table` as people write it. */

/** `a]b` as `[a]]b]`. */
export function quoteName(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}

/**
 * A table's name, of one to three parts, in brackets, double quotes or neither, as quoted parts. An empty part in the
 * middle is the default schema (`db..table`). Undefined where it is no such name.
 */
export function quoteTableName(text: string): string | undefined {
  const parts: string[] = [];
  const part = /\s*(?:\[((?:[^\]]|\]\])+)\]|"((?:[^"]|"")+)"|([^\s."[\]]*))\s*(\.|$)/y;
  for (;;) {
    const match = part.exec(text);
    if (match === null) return undefined;
    const [, bracketed, quoted, bare, end] = match;
    parts.push(bracketed?.replaceAll(']]', ']') ?? quoted?.replaceAll('""', '"') ?? bare ?? '');
    if (end === '') break;
  }
  if (parts.length > 3) return undefined;
  if (parts.some((name, index) => name === '' && !(parts.length === 3 && index === 1))) return undefined;
  return parts.map((name) => (name === '' ? '' : quoteName(name))).join('.');
}
