/** Entities of the configuration: what a schema cannot say of them, and the entities themselves. */
import { DATE_FORMAT_TOKENS, isDateFormat } from '../sync/date-format.ts';
import type { Auth, DestinationConfig, DestinationTls, Entity, FieldMap, PayloadMap } from '../sync/entity.ts';
import { columnsOf } from '../sync/map.ts';
import type { Draft } from './draft.ts';
import { didYouMean, type Path } from './problem.ts';
import { isLoopback, parseProxy, proxyFromEnvironment, proxyOf, type Variable } from './proxy.ts';
import { DEFAULTS, type RawDestination, type RawEntity, type RawTls } from './schema.ts';

/** What entities have in common besides the top-level destination. */
export interface EntityScope {
  readonly timeZone: string;
  readonly variable: Variable;
  readonly tls: ReadonlyMap<RawTls, DestinationTls>;
}

/**
 * The entity that a sound configuration describes: what is absent comes from the top-level destination `shared`, then
 * from the defaults.
 */
export function readEntity(raw: RawEntity, shared: RawDestination, scope: EntityScope): Entity {
  const { key } = raw.source;
  return {
    name: raw.name,
    trackingLabels: raw.trackingLabels ?? [raw.name],
    source: { ...raw.source, key: typeof key === 'string' ? [key] : key },
    destination: readDestination(raw.destination, shared, scope),
    changes: raw.changes ?? DEFAULTS.changes,
    // The schema has made sure that each field is of one of FieldMap's forms.
    ...(raw.map !== undefined && { map: raw.map as PayloadMap }),
    timeZone: scope.timeZone,
  };
}

function readDestination(
  own: RawDestination & { readonly url: string },
  shared: RawDestination,
  scope: EntityScope,
): DestinationConfig {
  const { baseUrl, auth, headers, tls, proxy, noProxy, ...rest } = {
    ...DEFAULTS.destination,
    ...shared,
    ...own,
    headers: mergeHeaders(shared.headers, own.headers),
  };
  const url = joinUrl(rest.url, baseUrl);
  const readTls = tls && scope.tls.get(tls);
  const usedProxy = proxyOf(new URL(url), { proxy, noProxy }, scope.variable);
  return {
    ...rest,
    url,
    auth: auth ?? { type: 'none' },
    headers,
    ...(readTls !== undefined && { tls: readTls }),
    ...(usedProxy !== undefined && { proxy: usedProxy }),
  };
}

/** Header names compare without case: an entity's `x-source` replaces a shared `X-Source`. */
function mergeHeaders(
  shared: Readonly<Record<string, string>> = {},
  own: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const replaced = new Set(Object.keys(own).map((name) => name.toLowerCase()));
  const kept = Object.entries(shared).filter(([name]) => !replaced.has(name.toLowerCase()));
  return Object.fromEntries([...kept, ...Object.entries(own)]);
}

const ABSOLUTE = /^[a-z][a-z0-9+.-]*:/i;

function joinUrl(url: string, baseUrl = ''): string {
  return ABSOLUTE.test(url) ? url : `${baseUrl.replace(/\/+$/, '')}/${url.replace(/^\/+/, '')}`;
}

/** Reports what is wrong with the top-level destination and the entities beyond their form. */
export function checkEntities(draft: Draft, variable: Variable): void {
  checkCredentials(draft, ['destination']);
  checkIdempotencyHeader(draft, ['destination', 'idempotencyHeader']);
  checkConfiguredProxy(draft, ['destination', 'proxy']);
  checkRetryDelays(draft, ['destination']);
  const entities = draft.children(['entities']);
  for (const path of entities) {
    checkConnectionName(draft, [...path, 'source', 'connection']);
    checkCredentials(draft, [...path, 'destination']);
    checkIdempotencyHeader(draft, [...path, 'destination', 'idempotencyHeader']);
    checkHeadersOnce(draft, [...path, 'destination']);
    checkConfiguredProxy(draft, [...path, 'destination', 'proxy']);
    checkRetryDelays(draft, [...path, 'destination']);
    checkUrl(draft, [...path, 'destination'], variable);
    for (const field of draft.children([...path, 'map'])) checkField(draft, field);
    checkColumns(draft, path);
  }
  checkNames(draft, entities);
  checkTrackingLabels(draft, entities);
}

/** Reports a connection's name, standing at `path`, that connections does not have. */
export function checkConnectionName(draft: Draft, path: Path): void {
  const name = draft.get<string>(path);
  const names = draft.children(['connections']).map((connection) => String(connection.at(-1)));
  if (name === undefined || names.includes(name)) return;
  draft.report(path, `found ${draft.show(path)}, expected a name in connections${didYouMean(name, names)}`);
}

/** Set by the tool, or not a client's to set. */
const RESERVED_HEADERS = [
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'idempotency-key',
  'keep-alive',
  'proxy-authorization',
  'transfer-encoding',
  'upgrade',
];

function checkCredentials(draft: Draft, destination: Path): void {
  for (const path of draft.children([...destination, 'headers'])) {
    checkHeaderName(draft, path, String(path.at(-1)));
    checkHeaderValue(draft, path, draft.get(path));
  }
  const path = [...destination, 'auth'];
  const auth = draft.get<Auth>(path);
  if (auth?.type === 'apiKey') {
    checkHeaderName(draft, [...path, 'header'], auth.header);
    checkHeaderValue(draft, [...path, 'value'], auth.value);
  }
  if (auth?.type === 'bearer') checkHeaderValue(draft, [...path, 'token'], auth.token);
  if (auth?.type === 'basic' && auth.user.includes(':')) {
    // https://www.rfc-editor.org/rfc/rfc7617#section-2
    draft.report([...path, 'user'], 'found a colon, which a user name of HTTP Basic cannot have');
  }
}

function checkHeaderName(draft: Draft, path: Path, name: string): void {
  // https://www.rfc-editor.org/rfc/rfc9110#name-tokens
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
    draft.report(path, 'expected a header name (letters, digits and hyphens)');
  } else if (RESERVED_HEADERS.includes(name.toLowerCase())) {
    draft.report(path, `found ${name}, which is not the configuration's to set`);
  }
}

function checkHeaderValue(draft: Draft, path: Path, value = ''): void {
  if (!/^[\t -~\u0080-\u00ff]*$/.test(value)) {
    draft.report(path, 'found a character that a header cannot have (a line break, or one outside Latin-1)');
  }
}

function checkIdempotencyHeader(draft: Draft, path: Path): void {
  const name = draft.get<string | null>(path);
  if (name && name.toLowerCase() !== 'idempotency-key') checkHeaderName(draft, path, name);
}

/** Reports headers that auth or the batch's id uses too. */
function checkHeadersOnce(draft: Draft, own: Path): void {
  const auth = inherited<Auth>(draft, own, 'auth') ?? { type: 'none' };
  const authHeader = auth.type === 'apiKey' ? auth.header : auth.type === 'none' ? undefined : 'Authorization';
  const idHeader = inherited<string | null>(draft, own, 'idempotencyHeader') ?? undefined;
  for (const path of [...draft.children([...own, 'headers']), ...draft.children(['destination', 'headers'])]) {
    if (isSameHeader(String(path.at(-1)), authHeader)) {
      draft.report(path, `found ${authHeader}, which auth sets already`);
    } else if (isSameHeader(String(path.at(-1)), idHeader)) {
      draft.report(path, `found ${idHeader}, which idempotencyHeader sets already`);
    }
  }
  if (idHeader !== undefined && isSameHeader(idHeader, authHeader)) {
    const path = [...own, 'idempotencyHeader'];
    draft.report(
      draft.get(path) === undefined ? ['destination', 'idempotencyHeader'] : path,
      `found ${authHeader}, which auth sets already`,
    );
  }
}

function isSameHeader(name: string, other: string | undefined): boolean {
  return name.toLowerCase() === other?.toLowerCase();
}

function checkUrl(draft: Draft, destination: Path, variable: Variable): void {
  const path = [...destination, 'url'];
  const url = draft.get<string>(path);
  const bases = [
    [...destination, 'baseUrl'],
    ['destination', 'baseUrl'],
  ];
  if (url === undefined) return;
  const isAbsolute = ABSOLUTE.test(url);
  if (!isAbsolute && !bases.every((base) => draft.isIntact(base))) return;
  const basePath = bases.find((base) => draft.get(base) !== undefined);
  if (!isAbsolute && basePath === undefined) {
    draft.report(path, 'found a path, expected an absolute URL, or destination.baseUrl as well');
    return;
  }
  const baseUrl = basePath === undefined || isAbsolute ? undefined : draft.get<string>(basePath);
  const wrongPath = baseUrl === undefined ? path : (basePath as Path);
  if (/[?#]/.test(baseUrl ?? '')) {
    draft.report(wrongPath, 'found a query or fragment, which no path can follow');
    return;
  }
  const parsed = URL.parse(joinUrl(url, baseUrl));
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    draft.report(wrongPath, 'found no URL, expected http://… or https://…');
  } else if (parsed.username !== '' || parsed.password !== '') {
    draft.report(wrongPath, 'found credentials in the URL, expected them in destination.auth');
  } else {
    checkEncryption(draft, destination, parsed, wrongPath);
    checkEnvironmentProxy(draft, destination, parsed, variable);
  }
}

function checkEncryption(draft: Draft, destination: Path, url: URL, path: Path): void {
  if (url.protocol === 'https:' || isLoopback(url) || inherited(draft, destination, 'allowInsecure') === true) return;
  draft.report(
    path,
    'found http:// to another machine, where everyone on the way reads the rows and the credentials, ' +
      'expected https:// (or "allowInsecure": true beside it)',
  );
}

const PROXY_FORM =
  'expected http://host:port or https://host:port, with user:password@ before the host where it asks for them';

function checkConfiguredProxy(draft: Draft, path: Path): void {
  const proxy = draft.get<string>(path);
  if (proxy && parseProxy(proxy) === undefined) draft.report(path, `found no URL of a proxy, ${PROXY_FORM}`);
}

function checkEnvironmentProxy(draft: Draft, destination: Path, url: URL, variable: Variable): void {
  if (inherited(draft, destination, 'proxy') !== undefined) return;
  const found = proxyFromEnvironment(url, variable);
  if (found === undefined || parseProxy(found.value) !== undefined) return;
  draft.report(
    ['destination', 'proxy'],
    `${found.name} of the environment is no URL of a proxy, ${PROXY_FORM}; "proxy": "" uses none`,
  );
}

/** Reports a first wait above the longest one, where the destination itself sets one of the two. */
function checkRetryDelays(draft: Draft, destination: Path): void {
  const path = [...destination, 'retryDelayMs'];
  const other = [...destination, 'maxRetryDelayMs'];
  const isOwn = draft.get(path) !== undefined || draft.get(other) !== undefined;
  if (!isOwn || ![path, other].every((path) => draft.isIntact(path))) return;
  const first = inherited<number>(draft, destination, 'retryDelayMs') ?? DEFAULTS.destination.retryDelayMs;
  const longest = inherited<number>(draft, destination, 'maxRetryDelayMs') ?? DEFAULTS.destination.maxRetryDelayMs;
  if (first <= longest) return;
  if (draft.get(path) !== undefined) {
    draft.report(path, `found ${first}, expected at most maxRetryDelayMs, which is ${longest}`);
  } else {
    draft.report(other, `found ${longest}, expected at least retryDelayMs, which is ${first}`);
  }
}

/** What an entity's destination says of a key, else the top-level one. */
function inherited<T>(draft: Draft, destination: Path, key: string): T | undefined {
  const own = draft.get<T>([...destination, key]);
  return own === undefined ? draft.get<T>(['destination', key]) : own;
}

function checkField(draft: Draft, path: Path): void {
  for (const key of ['format', 'sentAt']) {
    const format = draft.get<string>([...path, key]);
    if (format === undefined || isDateFormat(format)) continue;
    const expected = `a date format of ${DATE_FORMAT_TOKENS.join(', ')}, other letters in '…'`;
    draft.report([...path, key], `found ${draft.show([...path, key])}, expected ${expected}`);
  }
  checkTimeZone(draft, [...path, 'timeZone']);
}

/** Reports an unknown time zone that stands at `path`. */
export function checkTimeZone(draft: Draft, path: Path): void {
  const zone = draft.get<string>(path);
  if (zone === undefined || isTimeZone(zone)) return;
  const near = didYouMean(zone, Intl.supportedValuesOf('timeZone'));
  draft.report(path, `found ${draft.show(path)}, expected an IANA time zone${near}`);
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Where columns are listed, the map reads no others. */
function checkColumns(draft: Draft, entity: Path): void {
  const path = [...entity, 'source', 'columns'];
  const listed = draft.get<readonly string[]>(path);
  const key = draft.get<string | readonly string[]>([...entity, 'source', 'key']);
  if (listed === undefined || key === undefined) return;
  const read = [...listed, key].flat();
  const folded = new Set(read.map((column) => column.toLowerCase()));
  for (const field of draft.children([...entity, 'map'])) {
    const map = draft.get<FieldMap>(field);
    const [column] = map === undefined ? [] : (columnsOf({ field: map }) ?? []);
    if (column === undefined || folded.has(column.toLowerCase())) continue;
    const columnPath = typeof map === 'string' ? field : [...field, 'column'];
    const near = didYouMean(column, read);
    draft.report(columnPath, `found ${draft.show(columnPath)}, which source.columns does not list${near}`);
  }
}

function checkNames(draft: Draft, entities: readonly Path[]): void {
  const names = new Set<string>();
  for (const path of entities) {
    const name = draft.get<string>([...path, 'name']);
    if (name === undefined) continue;
    if (names.has(fold(name)))
      draft.report(
        [...path, 'name'],
        `found ${draft.show([...path, 'name'])}, which is the name of another entity too`,
      );
    names.add(fold(name));
  }
}

function checkTrackingLabels(draft: Draft, entities: readonly Path[]): void {
  const owners = new Map<string, Path>();
  for (const entity of entities) {
    const labels = draft.children([...entity, 'trackingLabels']);
    for (const path of labels.length > 0 ? labels : [[...entity, 'name']]) {
      const label = draft.get<string>(path);
      if (typeof label !== 'string') continue;
      const owner = owners.get(fold(label));
      if (owner === undefined) owners.set(fold(label), entity);
      else if (owner !== entity) {
        draft.report(path, `found ${draft.show(path)}, which is a tracking label of another entity too`);
      }
    }
  }
}

/** As SQL Server compares: without case, and without spaces at the end. */
function fold(text: string): string {
  return text.trimEnd().toLowerCase();
}
