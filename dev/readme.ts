/**
 * Writes the README's tables that are made from the code: the configuration's keys from its schema, the exit codes from
 * their table, and the number of dependencies from package-lock.json. `node dev/readme.ts` rewrites them in place; a test fails where they lag.
 */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { configReference } from '../src/config/reference.ts';
import { EXIT_CODES } from '../src/sync/exit-codes.ts';

const README = new URL('../README.md', import.meta.url);

/** The README's text with its generated tables made anew. Throws Error where a pair of markers is missing. */
export function withGeneratedTables(readme: string): string {
  const tables = { 'config-reference': configTable(), 'exit-codes': exitCodes(), dependencies: dependencies() };
  return Object.entries(tables).reduce((text, [name, table]) => {
    const [begin, end] = [`<!-- ${name}: written by dev/readme.ts -->`, `<!-- /${name} -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`);
    return `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`;
  }, readme);
}

/** One entry of package-lock.json: https://docs.npmjs.com/cli/configuring-npm/package-lock-json#packages */
interface LockedPackage {
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function dependencies(): string {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
  const { '': own = {}, ...others } = lock.packages as Record<string, LockedPackage>;
  const installed = Object.entries(others).filter(([, { dev }]) => !dev);
  const scripts = installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path);
  if (scripts.length > 0) throw new Error(`these run scripts when they are installed: ${scripts.join(', ')}`);
  const direct = Object.keys(own.dependencies ?? {}).length;
  return `It has ${direct} direct dependencies, ${installed.length} with theirs; none runs a script when it is installed.`;
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
