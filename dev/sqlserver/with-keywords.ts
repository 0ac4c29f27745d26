/** The same connection string for another database or login. */

const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  server: ['server', 'data source', 'address', 'addr', 'network address'],
  database: ['database', 'initial catalog'],
  'user id': ['user id', 'uid', 'user'],
  password: ['password', 'pwd'],
};

/** An ADO.NET connection string with keywords replaced, added or (undefined) taken away. No value may hold a semicolon. */
export function withKeywords(connectionString: string, keywords: Readonly<Record<string, string | undefined>>): string {
  const replaced = new Set(
    Object.keys(keywords).flatMap((keyword) => SYNONYMS[keyword.toLowerCase()] ?? [keyword.toLowerCase()]),
  );
  const kept = connectionString
    .split(';')
    .filter((pair) => pair.trim() !== '' && !replaced.has(pair.split('=')[0]?.trim().toLowerCase() ?? ''));
  const added = Object.entries(keywords).flatMap(([keyword, value]) =>
    value === undefined ? [] : [`${keyword}=${value}`],
  );
  return `${[...kept, ...added].join(';')};`;
}
