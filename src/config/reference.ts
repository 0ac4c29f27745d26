/** The configuration's keys as people read them, made from the schema: the README's table and `help configuration`. */
import { CONFIG_SCHEMA } from './schema.ts';

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

/** One key. `value` and `fallback` have what stands in the file between backticks, as Markdown has it. */
export interface ConfigKey {
  /** Such as `entities[].source.table`, or `connections.NAME.server`. */
  readonly key: string;
  /** What it may hold. */
  readonly value: string;
  /** What holds where it is absent, or that it is required; empty where that is nothing. */
  readonly fallback: string;
  readonly meaning: string;
}

/** All keys, each followed by those below it. */
export function configReference(): readonly ConfigKey[] {
  return keysOf(CONFIG_SCHEMA as Schema, '', false);
}

/** A schema's keys, each with what stands below it. */
function keysOf(schema: Schema, path: string, isEntity: boolean): ConfigKey[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const childPath = path === '' ? name : `${path}.${name}`;
    const required = schema.required?.includes(name) ? 'required' : '';
    const fallback = child.default === undefined ? required : code(child.default);
    const inherited = isEntity && name !== 'url' ? 'the top-level one' : fallback;
    const key: ConfigKey = {
      key: childPath,
      value: kindOf(child),
      fallback: inherited,
      meaning: child.description ?? '',
    };
    // Below an entity's destination stands what stands below the top-level one, and below the map of deletions what stands
    // below the entity's.
    return isEntity || childPath === 'entities[].deleted.map'
      ? [key]
      : [key, ...keysOf(child, childPath, childPath === 'entities[].destination')];
  });
  const variants = (schema.oneOf ?? []).flatMap((variant) => {
    const type = variant.properties?.type?.const;
    return type === undefined ? [] : variantKeys(variant, path, String(type));
  });
  // What several variants have alike stands with the first of them.
  const told = new Set<string>();
  const once = variants.filter((key) => !told.has(JSON.stringify(key)) && told.add(JSON.stringify(key)));
  const items = schema.items?.properties || schema.items?.oneOf ? keysOf(schema.items, `${path}[]`, false) : [];
  const further = typeof schema.additionalProperties === 'object' && schema.additionalProperties.properties;
  const named = further ? keysOf(schema.additionalProperties as Schema, `${path}.NAME`, false) : [];
  return [...own, ...once, ...items, ...named];
}

/** The keys of one way to authenticate, or of one kind of notification, `type` first. */
function variantKeys(variant: Schema, path: string, type: string): ConfigKey[] {
  return Object.entries(variant.properties ?? {}).map(([name, child]) => ({
    key: `${path}.${name}`,
    value: name === 'type' ? code(type) : kindOf(child),
    fallback: name === 'type' ? '' : fallbackOf(variant, name, child, type),
    meaning: child.description ?? '',
  }));
}

function fallbackOf({ required }: Schema, name: string, child: Schema, type: string): string {
  if (required?.includes(name)) return `required for ${code(type)}`;
  return child.default === undefined ? '' : code(child.default);
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
