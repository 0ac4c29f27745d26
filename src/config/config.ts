/** Loads the configuration: file, references, form, meaning. All problems are told at once. */
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { nextDue } from '../schedule/due.ts';
import type { ConnectionSettings } from '../sync/connection.ts';
import type { Entity } from '../sync/entity.ts';
import { SyncError } from '../sync/errors.ts';
import type { Notification } from '../sync/notification.ts';
import { readConnection } from './connection.ts';
import { Draft } from './draft.ts';
import { checkConnectionName, checkEntities, readEntity } from './entities.ts';
import { checkTimeZone } from './fields.ts';
import { displayPath, findConfigFile, readConfigFile } from './file.ts';
import { checkNotifications, insecureNotificationWarnings, readNotification } from './notifications.ts';
import { formatPath, type Path, type Problem } from './problem.ts';
import { isLoopback } from './proxy.ts';
import { type Resolved, resolveReferences } from './references.ts';
import { DEFAULTS, type RawConfig, type RawConnection } from './schema.ts';
import { clearSecretPaths, mayShow, secretsOf, urlsOf } from './secrets.ts';
import { DEFAULT_SECRETS_FILE, parseSecretsFile } from './secrets-file.ts';
import { othersCanRead, readFailure, readText } from './text-file.ts';
import { readTls } from './tls.ts';
import { validate } from './validate.ts';

/** A loaded configuration: defaults filled in, references resolved, paths absolute. */
export interface Config {
  /** The file, absolute. */
  readonly file: string;
  readonly connections: Readonly<Record<string, ConnectionSettings>>;
  /** Name of the log database's connection. */
  readonly logConnection: string;
  /** The enabled entities, in order. */
  readonly entities: readonly Entity[];
  /** Names of the others. */
  readonly disabled: readonly string[];
  readonly schedule?: { readonly cron: string; readonly timeZone: string };
  /** `html` is absolute. */
  readonly report?: { readonly html: string };
  /** `maxRetries`: further attempts of all batches together. */
  readonly run: { readonly maxDurationMinutes?: number; readonly maxRetries: number };
  readonly logging: {
    readonly level: 'error' | 'warn' | 'info' | 'debug';
    readonly format: 'text' | 'json';
    /** `path` is absolute; `maxFiles` counts the current one too. */
    readonly file?: { readonly path: string; readonly maxFileBytes: number; readonly maxFiles: number };
  };
  /** Who is told of runs, in order. */
  readonly notifications: readonly Notification[];
  /** Where figures of the last run go: `file` is absolute. */
  readonly metrics?: { readonly file: string };
  /** One sentence each, without secrets. */
  readonly warnings: readonly string[];
  /** Those of `warnings` that are about files which others can read. */
  readonly fileWarnings: readonly string[];
  /** The references that were resolved, such as `${env:NAME}`, each once. */
  readonly references: readonly string[];
  /** Files with certificates and keys that it names, absolute, each once. */
  readonly files: readonly string[];
  /** The file of --secrets, absolute. */
  readonly secretsFile?: string;
  /** Every secret value, for redaction. */
  readonly secrets: readonly string[];
}

/** Where a configuration comes from. */
export interface ConfigOrigin {
  /** --config; absent: sync.config.json, .yaml or .yml in `cwd`. */
  readonly file?: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * --secrets: its variables come before the environment's. Absent: `.env` beside the file, where there is one that can be read;
   * the environment comes before it.
   */
  readonly secretsFile?: string;
}

/**
 * Loads the configuration.
 *
 * Throws SyncError: CONFIG_NOT_FOUND; SECRET_UNRESOLVED where nothing but references is wrong; else CONFIG_INVALID. The
 * message lists every problem on a line of its own.
 */
export async function loadConfig({ file, cwd, env, secretsFile }: ConfigOrigin): Promise<Config> {
  const { path, ignored } = file === undefined ? await findConfigFile(cwd) : { path: resolve(cwd, file), ignored: [] };
  const name = displayPath(path, cwd);
  const raw = await readConfigFile(path, cwd);
  const directory = dirname(path);
  const secrets = await readSecrets(directory, secretsFile, cwd);
  const variable = (variable: string) =>
    secretsFile === undefined
      ? (env[variable] ?? secrets?.variables.get(variable))
      : (secrets?.variables.get(variable) ?? env[variable]);
  const resolved = await resolveReferences(raw, { variable, directory });
  const canShow = (at: Path) => mayShow(at) && !resolved.references.some(({ path }) => isSame(path, at));
  const draft = new Draft(resolved.tree, formProblems(resolved, canShow), canShow);
  const connections = await readConnections(draft, directory);
  checkConnectionName(draft, ['log', 'connection']);
  checkSchedule(draft);
  checkEntities(draft, variable);
  checkNotifications(draft, variable);
  checkMetrics(draft);
  const tls = await readTls(draft, tlsPaths(draft), directory);
  if (draft.problems.length > 0) throw invalid(name, draft.problems, resolved);

  const sound = resolved.tree as RawConfig;
  const timeZone = sound.schedule?.timeZone ?? DEFAULTS.timeZone;
  const entities = sound.entities.map((entity) =>
    readEntity(entity, sound.destination ?? {}, { timeZone, variable, tls: tls.settings }),
  );
  const notifications = (sound.notifications ?? []).map((notification) =>
    readNotification(notification, { variable, tls: tls.settings }),
  );
  const isEnabled = (name: string) => sound.entities.find((entity) => entity.name === name)?.enabled ?? true;
  const fileWarnings = [
    ...(await clearSecretWarnings(path, name, raw as RawConfig)),
    ...(secrets?.warnings ?? []),
    ...tls.warnings,
  ];
  return {
    file: path,
    connections: Object.fromEntries(connections.map(({ settings }) => [settings.name, settings])),
    logConnection: sound.log.connection,
    entities: entities.filter((entity) => isEnabled(entity.name)),
    disabled: entities.map((entity) => entity.name).filter((entity) => !isEnabled(entity)),
    ...(sound.schedule !== undefined && { schedule: { ...sound.schedule, timeZone } }),
    ...(sound.report?.html !== undefined && { report: { html: resolve(directory, sound.report.html) } }),
    run: { ...DEFAULTS.run, ...sound.run },
    logging: readLogging(sound, directory),
    notifications,
    ...(sound.metrics !== undefined && { metrics: { file: resolve(directory, sound.metrics.file) } }),
    warnings: [
      ...ignored.map((other) => `${other} is not read, since ${name} is`),
      ...fileWarnings,
      ...insecureWarnings(entities.filter((entity) => isEnabled(entity.name))),
      ...insecureNotificationWarnings(notifications),
      ...tlsWarnings(connections.map(({ settings }) => settings)),
      ...connections.flatMap(({ settings, warnings }) =>
        warnings.map((text) => `connection ${settings.name}: ${text}`),
      ),
    ],
    fileWarnings,
    references: [...new Set(resolved.references.map(({ source }) => source))],
    files: [...new Set([...connections.flatMap(({ file = [] }) => file), ...tls.files])],
    ...(secrets?.path !== undefined && { secretsFile: secrets.path }),
    secrets: secretsOf(
      connections.map(({ settings }) => settings),
      entities,
      notifications,
      resolved.references,
    ),
  };
}

/** What the schema says, without what follows from an unresolved reference. */
function formProblems({ tree, problems }: Resolved, canShow: (path: Path) => boolean): Problem[] {
  const isUnresolved = (at: Path) => problems.some(({ path }) => isSame(path, at));
  return [...problems, ...validate(tree, canShow).filter(({ path }) => !isUnresolved(path))];
}

function isSame(one: Path, other: Path): boolean {
  return formatPath(one) === formatPath(other);
}

/** Where TLS of a destination or notification may stand. */
function tlsPaths(draft: Draft): Path[] {
  return [
    ['destination', 'tls'],
    ...draft.children(['entities']).map((entity) => [...entity, 'destination', 'tls']),
    ...draft.children(['notifications']).map((notification) => [...notification, 'tls']),
  ];
}

/** The connections that are sound; reports what is wrong with the others. */
async function readConnections(draft: Draft, directory: string) {
  const connections: { settings: ConnectionSettings; warnings: readonly string[]; file: string | undefined }[] = [];
  for (const path of draft.children(['connections'])) {
    const raw = draft.get<string | RawConnection>(path);
    if (raw === undefined) continue;
    const { settings, problems, warnings, file } = await readConnection(String(path.at(-1)), raw, directory);
    for (const text of problems) draft.report(path, text);
    if (settings !== undefined) connections.push({ settings, warnings, file });
  }
  return connections;
}

function checkSchedule(draft: Draft): void {
  checkTimeZone(draft, ['schedule', 'timeZone']);
  const path = ['schedule', 'cron'];
  const cron = draft.get<string>(path);
  if (cron === undefined) return;
  try {
    if (nextDue({ cron, timeZone: 'UTC' }, new Date()) !== undefined) return;
    draft.report(path, `found ${draft.show(path)}, which is never due`);
  } catch {
    draft.report(
      path,
      `found ${draft.show(path)}, expected five fields such as "0 3 * * *" (minute hour day month weekday)`,
    );
  }
}

/** node_exporter and windows_exporter read no other names. */
function checkMetrics(draft: Draft): void {
  const path = ['metrics', 'file'];
  const file = draft.get<string>(path);
  if (file === undefined || file.endsWith('.prom')) return;
  draft.report(path, `found ${draft.show(path)}, expected a file name that ends with .prom`);
}

function readLogging({ logging = {} }: RawConfig, directory: string): Config['logging'] {
  const { level, format, file, maxFileBytes, maxFiles } = { ...DEFAULTS.logging, file: undefined, ...logging };
  return {
    level,
    format,
    ...(file !== undefined && { file: { path: resolve(directory, file), maxFileBytes, maxFiles } }),
  };
}

/** What a secrets file gave. */
interface Secrets {
  /** Absolute; absent where it was not read. */
  readonly path?: string;
  readonly variables: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

/** The file that --secrets names, else the default one: that may be of something else, and is no reason to fail. */
async function readSecrets(directory: string, named: string | undefined, cwd: string): Promise<Secrets | undefined> {
  if (named !== undefined) return readSecretsFile(resolve(cwd, named), cwd);
  const path = join(directory, DEFAULT_SECRETS_FILE);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  return readSecretsFile(path, cwd).catch((error) => {
    if (!(error instanceof SyncError)) throw error;
    return { variables: new Map(), warnings: [error.message.replace(/\.$/, '; it is not used')] };
  });
}

async function readSecretsFile(path: string, cwd: string): Promise<Secrets> {
  const name = displayPath(path, cwd);
  const hint = 'Check who may read it, or name another file of NAME=value lines with --secrets.';
  const text = await readText(path).catch((error: unknown) => {
    throw new SyncError('SECRET_UNRESOLVED', `The secrets file ${name} cannot be read: ${readFailure(error)}.`, hint);
  });
  const { variables, badLines } = parseSecretsFile(text);
  if (badLines.length > 0) {
    throw new SyncError(
      'CONFIG_INVALID',
      `The secrets file ${name} has lines that are no NAME=value: ${badLines.join(', ')}.`,
      'Write one NAME=value on each line; comments begin with #.',
    );
  }
  const warning = `${name} holds secrets and others can read it; let only its owner read it (chmod 600)`;
  return { path, variables, warnings: (await othersCanRead(path)) ? [warning] : [] };
}

async function clearSecretWarnings(path: string, name: string, raw: RawConfig): Promise<string[]> {
  const places = clearSecretPaths(raw);
  if (places.length === 0 || !(await othersCanRead(path))) return [];
  return [
    `${name} holds secrets in clear (${places.join(', ')}) and others can read it; ` +
      'use ${env:NAME} or ${file:path} for them, or let only its owner read it (chmod 600)',
  ];
}

/** What weakens TLS, each said once for all its connections. */
function tlsWarnings(connections: readonly ConnectionSettings[]): string[] {
  const weaknesses: [text: string, isWeak: (connection: ConnectionSettings) => boolean][] = [
    ['not encrypted', ({ encrypt }) => encrypt === false],
    [
      "the server's certificate is not verified (trustServerCertificate)",
      ({ encrypt, trustServerCertificate }) => encrypt !== false && trustServerCertificate,
    ],
    ['TLS older than 1.2 is accepted (minTlsVersion)', ({ minTlsVersion = '' }) => /^TLSv1(\.1)?$/.test(minTlsVersion)],
  ];
  return weaknesses.flatMap(([text, isWeak]) => {
    const names = connections.filter(isWeak).map(({ name }) => name);
    return names.length === 0 ? [] : [`connection ${names.join(', ')}: ${text}`];
  });
}

function insecureWarnings(entities: readonly Entity[]): string[] {
  const isInsecure = (url: URL) => url.protocol === 'http:' && !isLoopback(url);
  const names = entities.filter((entity) => urlsOf(entity).some(isInsecure)).map(({ name }) => name);
  return names.length === 0 ? [] : [`entity ${names.join(', ')}: sent without TLS (allowInsecure)`];
}

function invalid(name: string, problems: readonly Problem[], resolved: Resolved): SyncError {
  const onlyUnresolved = problems.every((problem) =>
    resolved.problems.some((other) => other === problem && other.unresolved),
  );
  const lines = new Set(
    problems.map(({ path, text }) => {
      const origins = resolved.references
        .filter((reference) => isSame(reference.path, path))
        .map(({ source }) => source);
      return `\n  ${formatPath(path)}: ${text}${origins.length > 0 ? ` (with ${origins.join(', ')})` : ''}`;
    }),
  );
  return new SyncError(
    onlyUnresolved ? 'SECRET_UNRESOLVED' : 'CONFIG_INVALID',
    `${name} is invalid (${lines.size} ${lines.size === 1 ? 'problem' : 'problems'}):${[...lines].join('')}`,
    onlyUnresolved
      ? 'Set the variables in the environment or in the secrets file (.env beside the configuration, or the one that --secrets names), and create the files.'
      : 'Correct them, then try tamhr-sync config validate.',
  );
}
