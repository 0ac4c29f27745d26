/** Makes a first configuration of the shipped one: answers put in, secrets taken out into variables of a secrets file. */
import { readFile } from 'node:fs/promises';
import type { Auth } from '../sync/entity.ts';
import { SyncError } from '../sync/errors.ts';
import { parseJson } from './json.ts';
import type { RawConfig, RawEntity } from './schema.ts';

/** The shipped configuration's connections, with the variables that hold their connection strings. */
export const CONNECTION_VARIABLES = {
  default: 'TAMHR_DEFAULT_CONNECTION',
  ess: 'TAMHR_ESS_CONNECTION',
  log: 'TAMHR_LOG_CONNECTION',
} as const;

/** Name of one of them. */
export type ConnectionName = keyof typeof CONNECTION_VARIABLES;

/** The other variables of the secrets file. */
export const VARIABLES = {
  apiUrl: 'TAMHR_API_URL',
  apiKey: 'TAMHR_API_KEY',
  apiUser: 'TAMHR_API_USER',
  apiPassword: 'TAMHR_API_PASSWORD',
  apiToken: 'TAMHR_API_TOKEN',
} as const;

/** What a first configuration needs to know. */
export interface Answers {
  readonly connections: Readonly<Record<ConnectionName, string>>;
  /** What stands before the entities' paths. */
  readonly apiUrl: string;
  /** Endpoints, absolute, by the entity's name. Where there are any, entities without one are not enabled. */
  readonly endpoints: ReadonlyMap<string, string>;
  /** What `apiUrl` stands for at the beginning of endpoints. */
  readonly endpointBase?: string;
  readonly auth: Auth;
  readonly batchSize?: number;
  readonly timeoutMs?: number;
  readonly schedule: { readonly cron: string; readonly timeZone: string };
}

/** A configuration without secrets, and the secrets that its references name. */
export interface NewConfig {
  readonly config: RawConfig;
  readonly secrets: ReadonlyMap<string, string>;
}

/** Puts the answers into the shipped configuration. */
export function newConfig(shipped: RawConfig, answers: Answers): NewConfig {
  const secrets = new Map<string, string>();
  const moved = (variable: string, value: string): string => {
    secrets.set(variable, value);
    return `\${env:${variable}}`;
  };
  const connections = Object.entries(CONNECTION_VARIABLES).map(([name, variable]) => [
    name,
    moved(variable, answers.connections[name as ConnectionName]),
  ]);
  const baseUrl = moved(VARIABLES.apiUrl, answers.apiUrl);
  const { baseUrl: _, auth: __, ...destination } = shipped.destination ?? {};
  const auth = referencingAuth(answers.auth, moved);
  const config: RawConfig = {
    ...shipped,
    connections: Object.fromEntries(connections),
    schedule: answers.schedule,
    destination: {
      baseUrl,
      ...(auth !== undefined && { auth }),
      ...destination,
      ...(answers.batchSize !== undefined && { batchSize: answers.batchSize }),
      ...(answers.timeoutMs !== undefined && { timeoutMs: answers.timeoutMs }),
    },
    entities: shipped.entities.map((entity) => {
      const endpoint = answers.endpoints.get(entity.name);
      if (endpoint === undefined) return answers.endpoints.size === 0 ? entity : disabled(entity);
      const url = entityUrl(endpoint, answers.endpointBase) ?? moved(urlVariable(entity.name), endpoint);
      return { ...entity, destination: { ...entity.destination, url } };
    }),
  };
  return { config, secrets };
}

function disabled({ name, ...rest }: RawEntity): RawEntity {
  return { name, enabled: false, ...rest };
}

function urlVariable(entity: string): string {
  return `TAMHR_${entity.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}_URL`;
}

/** The endpoint as it may stand in the configuration; undefined where its query or user may be a secret. */
function entityUrl(endpoint: string, apiUrl: string | undefined): string | undefined {
  const { search, username, password, hash } = new URL(endpoint);
  if (`${search}${username}${password}${hash}` !== '') return undefined;
  const base = apiUrl?.replace(/\/+$/, '');
  const url = base !== undefined && endpoint.startsWith(`${base}/`) ? endpoint.slice(base.length) : endpoint;
  return url.replaceAll('${', '$${');
}

/**
 * What all endpoints have before the entities' shipped paths, so that these stay as they are; else their common origin;
 * else the first one's. Undefined where there is none.
 */
export function commonBase(endpoints: ReadonlyMap<string, string>, shipped: RawConfig): string | undefined {
  const paths = new Map(shipped.entities.map(({ name, destination }) => [name, destination.url]));
  const bases = Array.from(endpoints, ([name, endpoint]) => {
    const path = paths.get(name) ?? '';
    return endpoint.endsWith(path) ? endpoint.slice(0, endpoint.length - path.length) : undefined;
  });
  const [first] = bases;
  if (first !== undefined && URL.canParse(first) && bases.every((base) => base === first)) return first;
  const [origin] = Array.from(endpoints.values(), (endpoint) => new URL(endpoint).origin);
  return origin;
}

function referencingAuth(auth: Auth, moved: (variable: string, value: string) => string): Auth | undefined {
  switch (auth.type) {
    case 'apiKey':
      return { ...auth, value: moved(VARIABLES.apiKey, auth.value) };
    case 'basic':
      return {
        ...auth,
        user: moved(VARIABLES.apiUser, auth.user),
        password: moved(VARIABLES.apiPassword, auth.password),
      };
    case 'bearer':
      return { ...auth, token: moved(VARIABLES.apiToken, auth.token) };
    case 'none':
      return undefined;
  }
}

const LINE_WIDTH = 120;

/** A JSON tree as people write one: an object or array stands on one line where it has room there. */
export function configText(tree: unknown): string {
  return `${jsonText(tree, '', 0)}\n`;
}

/** `before`: columns that are taken on the line where it begins. */
function jsonText(node: unknown, indent: string, before: number): string {
  if (typeof node !== 'object' || node === null) return JSON.stringify(node);
  const line = oneLine(node);
  const isTop = indent === '' && before === 0;
  const isList = Array.isArray(node) && node.some((item) => typeof item === 'object');
  // One column is for a comma.
  if (!isTop && !isList && before + line.length < LINE_WIDTH) return line;
  const inner = `${indent}  `;
  const items = Array.isArray(node)
    ? node.map((item) => `${inner}${jsonText(item, inner, inner.length)}`)
    : Object.entries(node)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => {
          const name = `${inner}${JSON.stringify(key)}: `;
          return `${name}${jsonText(value, inner, name.length)}`;
        });
  const [open, close] = Array.isArray(node) ? '[]' : '{}';
  return `${open}\n${items.join(',\n')}\n${indent}${close}`;
}

function oneLine(node: unknown): string {
  if (typeof node !== 'object' || node === null) return JSON.stringify(node);
  if (Array.isArray(node)) return `[${node.map(oneLine).join(', ')}]`;
  const members = Object.entries(node).filter(([, value]) => value !== undefined);
  if (members.length === 0) return '{}';
  return `{ ${members.map(([key, value]) => `${JSON.stringify(key)}: ${oneLine(value)}`).join(', ')} }`;
}

/** Beside src/ as beside dist/. */
const PACKAGE = new URL('../../', import.meta.url);

/** A file of the installed package. Throws SyncError CONFIG_NOT_FOUND where it is missing (a broken installation). */
export async function shippedFile(name: 'sync.config.json' | 'sync.config.schema.json'): Promise<string> {
  try {
    return await readFile(new URL(name, PACKAGE), 'utf8');
  } catch (error) {
    throw new SyncError('CONFIG_NOT_FOUND', `The installed package has no ${name}.`, 'Install tamhr-sync again.', {
      cause: error,
    });
  }
}

/** The shipped configuration. Throws as shippedFile does. */
export async function shippedConfig(): Promise<RawConfig> {
  return parseJson(await shippedFile('sync.config.json')) as RawConfig;
}
