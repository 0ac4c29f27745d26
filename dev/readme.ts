/**
 * Writes the README's tables that are made from the code: the configuration's keys from its schema, the exit codes from
 * their table, and the number of dependencies from package-lock.json. `node dev/readme.ts` rewrites them in place; a test fails where they lag.
 */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { CONFIG_SCHEMA } from '../src/config/schema.ts';
import { EXIT_CODES } from '../src/sync/exit-codes.ts';

/** As much of JSON Schema as the configuration's uses. */
interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly required?: readonly string[];
}

const README = new URL('../README.md', import.meta.url);

/** The README's text with its generated tables made anew. Throws Error where a pair of markers is missing. */
export function withGeneratedTables(readme: string): string {
  const tables = { 'config-reference': configReference(), 'exit-codes': exitCodes(), dependencies: dependencies() };
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

function configReference(): string {
  const rows = rowsOf(CONFIG_SCHEMA as Schema, '', false);
  return table(['key', 'value', 'default', 'meaning'], rows);
}

/** A schema's keys, each with what stands below it. */
function rowsOf(schema: Schema, path: string, isEntity: boolean): string[][] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const childPath = path === '' ? name : `${path}.${name}`;
    const required = schema.required?.includes(name) ? 'required' : '';
    const fallback = child.default === undefined ? required : code(child.default);
    const inherited = isEntity && name !== 'url' ? 'the top-level one' : fallback;
    const row = [`\`${childPath}\``, kindOf(child), inherited, child.description ?? ''];
    // Below an entity's destination stands what stands below the top-level one, and below the map of deletions what stands
    // below the entity's.
    return isEntity || childPath === 'entities[].deleted.map'
      ? [row]
      : [row, ...rowsOf(child, childPath, childPath === 'entities[].destination')];
  });
  const variants = (schema.oneOf ?? []).flatMap((variant) => {
    const type = variant.properties?.type?.const;
    return type === undefined ? [] : variantRows(variant, path, String(type));
  });
  const items = schema.items?.properties ? rowsOf(schema.items, `${path}[]`, false) : [];
  const further = typeof schema.additionalProperties === 'object' && schema.additionalProperties.properties;
  const named = further ? rowsOf(schema.additionalProperties as Schema, `${path}.NAME`, false) : [];
  return [...own, ...variants, ...items, ...named];
}

/** The keys of one way to authenticate, `type` first. */
function variantRows(variant: Schema, path: string, type: string): string[][] {
  return Object.entries(variant.properties ?? {}).map(([name, child]) => [
    `\`${path}.${name}\``,
    name === 'type' ? code(type) : kindOf(child),
    name === 'type' ? '' : `required for ${code(type)}`,
    child.description ?? '',
  ]);
}

function kindOf({ type, enum: values, items, properties, additionalProperties }: Schema): string {
  if (values) return values.map(code).join(', ');
  if (type === undefined) return properties || additionalProperties ? 'object' : 'any JSON';
  const types = [type].flat().map((name) => (name === 'array' && items ? `array of ${items.type}s` : name));
  return types.join(' or ').replace('integer', 'whole number');
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

if (import.meta.main) await writeFile(README, withGeneratedTables(await readFile(README, 'utf8')));
