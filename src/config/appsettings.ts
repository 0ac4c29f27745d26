/** The old job's appsettings.json: what of it the new configuration takes over, and by name what not and why. */
import { nextDue } from '../schedule/due.ts';
import type { Auth } from '../sync/entity.ts';
import { SyncError } from '../sync/errors.ts';
import { JsonSyntaxError, parseJson } from './json.ts';

/** What was found. Values are as they stand in the file; what is absent or empty there is absent here. */
export interface OldSettings {
  /** Connection strings by the new connection's name. */
  readonly connections: Readonly<Partial<Record<'default' | 'ess' | 'log', string>>>;
  /** Five fields. */
  readonly cron?: string;
  readonly batchSize?: number;
  readonly timeoutMs?: number;
  /** Endpoint by the entity's name. */
  readonly endpoints: ReadonlyMap<string, string>;
  readonly auth?: Auth;
  /** The settings that were taken over, by name. */
  readonly taken: readonly string[];
  /** One sentence for each setting that was not, without its value. */
  readonly notTaken: readonly string[];
}

/** A value that is neither object nor array, under the names of the objects that it stands in. */
interface Leaf {
  readonly path: readonly string[];
  readonly text: string;
}

const CONNECTIONS = { DefaultConnection: 'default', EssConnection: 'ess', LogConnection: 'log' } as const;

/** Sections of which single keys are known; of any other the section's name says enough. */
const KNOWN_SECTIONS = /^(connectionstrings|crontime|syncconfiguration(:apiendpoints)?)$/;

/**
 * Reads the text of an appsettings.json as .NET does: comments and trailing commas allowed, names without case, `A:B` the
 * same as B inside A. `name` is the file's, for messages. `entities`: the names of those that have an endpoint. Throws
 * SyncError CONFIG_INVALID where it is no such file; the message quotes nothing from it but keys.
 */
export function readAppSettings(text: string, name: string, entities: readonly string[]): OldSettings {
  const settings = new Settings(leavesOf(parse(text, name), name));
  const connections: Partial<Record<'default' | 'ess' | 'log', string>> = {};
  for (const [key, connection] of Object.entries(CONNECTIONS)) {
    const value = settings.take(`ConnectionStrings:${key}`);
    if (value !== undefined) connections[connection] = value;
  }
  settings.pass('ConnectionStrings:HangfireConnection', "is not needed: Hangfire's own database has no part in it");
  const cron = settings.take('CronTime:DataSyncJob', readCron, 'is no schedule of five fields');
  const batchSize = settings.take('SyncConfiguration:BatchSize', readCount, 'is no whole number above 0');
  const timeout = settings.take('SyncConfiguration:ApiTimeout', readCount, 'is no whole number of seconds above 0');
  const endpoints = new Map<string, string>();
  for (const entity of entities) {
    const url = settings.take(`SyncConfiguration:ApiEndpoints:${entity}`, readUrl, 'is no http or https URL');
    if (url !== undefined) endpoints.set(entity, url);
  }
  const auth = readAuth(settings);
  return {
    connections,
    ...(cron !== undefined && { cron }),
    ...(batchSize !== undefined && { batchSize }),
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
    endpoints,
    ...(auth !== undefined && { auth }),
    taken: settings.taken,
    notTaken: [
      ...settings.notTaken,
      ...settings.unknown().map((key) => `${key} is not known, and nothing was made of it`),
    ],
  };
}

/** The old job had an API key or, at one installation, a user and a password. */
function readAuth(settings: Settings): Auth | undefined {
  const first = (...keys: string[]) => {
    for (const key of keys) {
      const value = settings.take(`SyncConfiguration:${key}`);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const key = first('ApiKey');
  const header = first('ApiKeyHeader', 'ApiKeyHeaderName');
  if (key !== undefined) return { type: 'apiKey', header: header ?? 'X-Api-Key', value: key };
  const user = first('ApiUsername', 'ApiUser', 'Username', 'User');
  const password = first('ApiPassword', 'Password');
  return user === undefined || password === undefined ? undefined : { type: 'basic', user, password };
}

/** The leaves, each of which is taken, passed over, or unknown in the end. */
class Settings {
  readonly taken: string[] = [];
  readonly notTaken: string[] = [];
  readonly #leaves: Map<string, Leaf>;

  constructor(leaves: Map<string, Leaf>) {
    this.#leaves = leaves;
  }

  take(path: string): string | undefined;
  /** `read` gives undefined for a value that `wrong` then says of why it was not taken. */
  take<T>(path: string, read: (text: string) => T | undefined, wrong: string): T | undefined;
  take(path: string, read: (text: string) => unknown = (text) => text, wrong = ''): unknown {
    const leaf = this.#leaves.get(path.toLowerCase());
    if (leaf === undefined) return undefined;
    this.#leaves.delete(path.toLowerCase());
    const name = leaf.path.join('.');
    if (leaf.text.trim() === '') {
      this.notTaken.push(`${name} is empty`);
      return undefined;
    }
    const value = read(leaf.text);
    if (value === undefined) this.notTaken.push(`${name} ${wrong}`);
    else this.taken.push(name);
    return value;
  }

  pass(path: string, why: string): void {
    const leaf = this.#leaves.get(path.toLowerCase());
    if (!this.#leaves.delete(path.toLowerCase()) || leaf === undefined) return;
    this.notTaken.push(`${leaf.path.join('.')} ${why}`);
  }

  /** The names of what is left, or of the outermost section that holds it and that nothing is known of. */
  unknown(): string[] {
    const names = Array.from(this.#leaves.values(), ({ path }) => {
      let length = 1;
      while (length < path.length && KNOWN_SECTIONS.test(path.slice(0, length).join(':').toLowerCase())) length++;
      return path.slice(0, length).join('.');
    });
    return [...new Set(names)];
  }
}

function parse(text: string, name: string): unknown {
  try {
    return parseJson(text, { lenient: true });
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new SyncError(
      'CONFIG_INVALID',
      `${name}, line ${error.line}, column ${error.column}: ${error.message}.`,
      'Correct the file, or name another one with --from.',
    );
  }
}

function leavesOf(tree: unknown, name: string): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  const refuse = (message: string): never => {
    throw new SyncError('CONFIG_INVALID', `${name} ${message}.`, 'Name an appsettings.json with --from.');
  };
  const walk = (node: unknown, path: readonly string[]): void => {
    if (typeof node === 'object' && node !== null) {
      for (const [key, child] of Object.entries(node)) walk(child, [...path, ...key.split(':')]);
      return;
    }
    const key = path.join(':').toLowerCase();
    if (leaves.has(key)) refuse(`has the key ${path.join('.')} twice`);
    leaves.set(key, { path, text: String(node ?? '') });
  };
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) refuse('is no JSON object');
  walk(tree, []);
  return leaves;
}

/**
 * A schedule as five fields; undefined where it is none, or is never due. Hangfire also takes a field of seconds before the
 * five; 0 there says nothing more.
 */
export function readCron(text: string): string | undefined {
  const fields = text.trim().split(/\s+/);
  const cron = (fields.length === 6 && /^0+$/.test(fields[0] ?? '') ? fields.slice(1) : fields).join(' ');
  try {
    return nextDue({ cron, timeZone: 'UTC' }, new Date()) === undefined ? undefined : cron;
  } catch {
    return undefined;
  }
}

function readCount(text: string): number | undefined {
  const count = Number(text);
  return /^\d+$/.test(text.trim()) && count > 0 && Number.isSafeInteger(count * 1000) ? count : undefined;
}

function readUrl(text: string): string | undefined {
  return /^https?:$/.test(URL.parse(text.trim())?.protocol ?? '') ? text.trim() : undefined;
}
