/**
 * Writes the README's tables that are made from the code: the configuration's keys from its schema, the exit codes from
 * their table. `node dev/readme.ts` rewrites them in place; a test fails where they lag.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { configReference } from '../src/config/reference.ts';
import { EXIT_CODES } from '../src/sync/exit-codes.ts';

const README = new URL('../README.md', import.meta.url);

/** The README's text with its generated tables made anew. Throws Error where a pair of markers is missing. */
export function withGeneratedTables(readme: string): string {
  const tables = { 'config-reference': configTable(), 'exit-codes': exitCodes() };
  return Object.entries(tables).reduce((text, [name, table]) => {
    const [begin, end] = [`<!-- ${name}: written by dev/readme.ts -->`, `<!-- /${name} -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`);
    return `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`;
  }, readme);
}

function exitCodes(): string {
  return table(['code', 'meaning'], Object.entries(EXIT_CODES));
}

function configTable(): string {
  const rows = configReference().map(({ key, value, fallback, meaning }) => [`\`${key}\``, value, fallback, meaning]);
  return table(['key', 'value', 'default', 'meaning'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

if (import.meta.main) await writeFile(README, withGeneratedTables(await readFile(README, 'utf8')));
