/** The configuration's form, checked with ajv against CONFIG_SCHEMA; its errors told as problems that a person can act on. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { didYouMean, oneOf, type Path, type Problem } from './problem.ts';
import { CONFIG_SCHEMA } from './schema.ts';

let check: ValidateFunction | undefined;

function compile(): ValidateFunction {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    discriminator: true,
    // Compiled at each start, and used once: half of the time would go into optimising it, and into checking the schema, which a
    // test does.
    code: { optimize: false },
    validateSchema: false,
  });
  return ajv.compile(CONFIG_SCHEMA);
}

/**
 * Every way in which a configuration (references resolved) does not meet CONFIG_SCHEMA.
 *
 * `mayShow` says of a path whether the value there may stand in a message.
 */
export function validate(config: unknown, mayShow: (path: Path) => boolean): Problem[] {
  check ??= compile();
  if (check(config)) return [];
  const errors = (check.errors ?? []).filter((error, _, all) => !isFollowOn(error, all));
  return errors.map((error) => problemOf(error, config, mayShow));
}

/**
 * Whether another error says it. Of an `oneOf` without discriminator only the `oneOf` itself is told, not each branch (which
 * has no properties of its own); and not even that where the type is wrong.
 */
function isFollowOn(error: ErrorObject, all: readonly ErrorObject[]): boolean {
  const inBranch = /\/oneOf\/\d+\/(required|type)$/;
  if (inBranch.test(error.schemaPath)) return error.parentSchema?.properties === undefined;
  if (error.keyword !== 'oneOf') return false;
  return all.some(
    ({ keyword, instancePath, schemaPath }) =>
      keyword === 'type' && instancePath === error.instancePath && !inBranch.test(schemaPath),
  );
}

function problemOf(error: ErrorObject, config: unknown, mayShow: (path: Path) => boolean): Problem {
  const path = pathOf(error.instancePath, config);
  const schema = (error.parentSchema ?? {}) as Schema;
  const { keyword, params, data } = error;
  const known = Object.keys(schema.properties ?? {});
  switch (keyword) {
    case 'additionalProperties': {
      const near = didYouMean(params.additionalProperty, known);
      return {
        path: [...path, params.additionalProperty],
        text: `unknown key${near === '' ? `, expected ${oneOf(known)}` : near}`,
      };
    }
    case 'required': {
      const expected = schema.properties?.[params.missingProperty];
      return { path: [...path, params.missingProperty], text: `missing, expected ${expectedOf(expected ?? {})}` };
    }
    case 'dependencies':
      return { path: [...path, params.property], text: `found without ${oneOf(params.deps.split(', '))} beside it` };
    case 'oneOf': {
      const keys = schema.oneOf?.flatMap(({ required = [] }) => required) ?? [];
      const found = keys.filter((key) => Object.hasOwn(data as object, key));
      return {
        path,
        text: `found ${found.length === 0 ? 'none' : found.map((key) => JSON.stringify(key)).join(' and ')}, expected exactly one of ${oneOf(keys)}`,
      };
    }
    case 'discriminator': {
      const types = schema.oneOf?.map(({ properties }) => properties?.type?.const) ?? [];
      const near = typeof params.tagValue === 'string' ? didYouMean(params.tagValue, types.map(String)) : '';
      return {
        path: [...path, 'type'],
        text:
          params.tagValue === undefined
            ? `missing, expected ${oneOf(types)}`
            : `found an unknown type, expected ${oneOf(types)}${near}`,
      };
    }
    case 'pattern':
      return {
        path,
        text: `found ${mayShow(path) ? JSON.stringify(data) : kindOf(data)}, expected ${expectedOf(schema)}`,
      };
    case 'enum': {
      const near = typeof data === 'string' ? didYouMean(data, schema.enum?.map(String) ?? []) : '';
      return {
        path,
        text: `found ${mayShow(path) ? JSON.stringify(data) : kindOf(data)}, expected ${expectedOf(schema)}${near}`,
      };
    }
    default:
      return {
        path,
        text: `found ${keyword === 'type' ? kindOf(data) : sizeOf(data)}, expected ${expectedOf(schema)}`,
      };
  }
}

/** What these messages read of a schema. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly uniqueItems?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
  readonly required?: readonly string[];
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
};

function expectedOf(schema: Schema): string {
  if (schema.enum !== undefined) return oneOf(schema.enum);
  // The one pattern that CONFIG_SCHEMA has.
  if (schema.pattern !== undefined) return 'a JSON Pointer such as /errors';
  const { minimum, exclusiveMinimum, maximum, maxLength } = schema;
  const types = [schema.type ?? []].flat().map((type) => TYPES[type] ?? type);
  let text = types.join(' or ') || 'a value';
  if (minimum !== undefined && maximum !== undefined) text += ` from ${minimum} to ${maximum}`;
  else if (minimum !== undefined) text += ` from ${minimum}`;
  else if (exclusiveMinimum !== undefined) text += ` above ${exclusiveMinimum}`;
  if (minimum === undefined && maximum !== undefined) text += ` and at most ${maximum}`;
  if (maxLength !== undefined) text += ` of at most ${maxLength} characters`;
  if (schema.uniqueItems) text += ', each item once';
  return text;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return (
    { string: 'text', number: 'a number', boolean: 'true or false', object: 'an object' }[typeof value as string] ??
    'nothing'
  );
}

/** A value of the right type and the wrong size. */
function sizeOf(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return value === '' ? 'empty text' : `${value.length} characters`;
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'an item twice';
  return 'an empty object';
}

/** A JSON pointer as a path: what indexes a list is a number. */
function pathOf(pointer: string, config: unknown): Path {
  const path: (string | number)[] = [];
  let node = config;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(node) ? Number(key) : key);
    node = (node as Record<string, unknown>)[key];
  }
  return path;
}
