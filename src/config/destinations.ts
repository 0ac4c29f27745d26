/** Destinations of the configuration, and every URL that rows go to: what a schema cannot say of them, and how they are read. */
import type { Auth, DestinationConfig, DestinationTls, HarmlessRequest } from '../sync/entity.ts';
import type { Draft } from './draft.ts';
import type { Path } from './problem.ts';
import { isLoopback, parseProxy, proxyFromEnvironment, proxyOf, type Variable } from './proxy.ts';
import { DEFAULTS, type RawDestination, type RawTls } from './schema.ts';

/** What stands for a row's key in the URL of deletions. */
export const KEY_PLACE = '{key}';

/** What destinations need of the outside. */
export interface DestinationScope {
  readonly variable: Variable;
  readonly tls: ReadonlyMap<RawTls, DestinationTls>;
}

/**
 * The destination that a sound configuration describes: what `own` does not say comes from the top-level one, `shared`, then
 * from the defaults.
 */
export function readDestination(
  own: RawDestination & { readonly url: string },
  shared: RawDestination,
  scope: DestinationScope,
): DestinationConfig {
  const { baseUrl, auth, headers, tls, proxy, noProxy, check, ...rest } = {
    ...DEFAULTS.destination,
    ...shared,
    ...own,
    headers: mergeHeaders(shared.headers, own.headers),
  };
  const url = joinUrl(rest.url, baseUrl);
  const readTls = tls && scope.tls.get(tls);
  const readCheck = check && readHarmlessRequest(check, url, baseUrl);
  const usedProxy = proxyOf(new URL(url), { proxy, noProxy }, scope.variable);
  return {
    ...rest,
    url,
    auth: auth ?? { type: 'none' },
    headers,
    ...(readTls !== undefined && { tls: readTls }),
    ...(usedProxy !== undefined && { proxy: usedProxy }),
    ...(readCheck !== undefined && { check: readCheck }),
  };
}

/** Undefined where the shared request leads to another server than this destination: its credentials are not for that one. */
function readHarmlessRequest(
  { url, method, status }: NonNullable<RawDestination['check']>,
  destinationUrl: string,
  baseUrl: string | undefined,
): HarmlessRequest | undefined {
  const absolute = joinUrl(url, baseUrl);
  if (!isSameOrigin(absolute, destinationUrl)) return undefined;
  return { url: absolute, method: method ?? 'GET', ...(status !== undefined && { status }) };
}

function isSameOrigin(one: string, other: string): boolean {
  return new URL(one).origin === new URL(other).origin;
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

/** An URL as the configuration has it, absolute: a path follows `baseUrl`. Nothing of it is encoded or resolved. */
export function joinUrl(url: string, baseUrl = ''): string {
  return ABSOLUTE.test(url) ? url : `${baseUrl.replace(/\/+$/, '')}/${url.replace(/^\/+/, '')}`;
}

/** Reports what is wrong with the top-level destination by itself. */
export function checkSharedDestination(draft: Draft, variable: Variable): void {
  checkOwnKeys(draft, ['destination']);
  checkHarmlessRequest(draft, ['destination'], variable);
}

/** Reports what is wrong with an entity's destination, and returns its URL, absolute, where that is sound. */
export function checkDestination(draft: Draft, destination: Path, variable: Variable): string | undefined {
  checkOwnKeys(draft, destination);
  checkHeadersOnce(draft, destination);
  const path = [...destination, 'url'];
  const url = checkUrl(draft, destination, path, variable);
  checkHarmlessRequest(draft, destination, variable, url);
  if (!url?.includes(KEY_PLACE)) return url;
  draft.report(path, `found ${KEY_PLACE}, which only the url of deleted can have`);
  return undefined;
}

/** `destinationUrl`: where the destination's rows go, where that is sound. */
function checkHarmlessRequest(draft: Draft, destination: Path, variable: Variable, destinationUrl?: string): void {
  const path = [...destination, 'check', 'url'];
  const url = checkUrl(draft, destination, path, variable);
  if (url?.includes(KEY_PLACE)) draft.report(path, `found ${KEY_PLACE}, which only the url of deleted can have`);
  else if (url !== undefined && destinationUrl !== undefined && !isSameOrigin(url, destinationUrl)) {
    draft.report(path, 'found another server than that of the destination, whose credentials it would get');
  }
}

function checkOwnKeys(draft: Draft, destination: Path): void {
  checkCredentials(draft, destination);
  checkIdempotencyHeader(draft, [...destination, 'idempotencyHeader']);
  checkConfiguredProxy(draft, [...destination, 'proxy']);
  checkRetryDelays(draft, destination);
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

/**
 * Reports what is wrong with the URL at `path`, to which rows go as `destination` says, and returns it, absolute, where it is
 * sound.
 */
export function checkUrl(draft: Draft, destination: Path, path: Path, variable: Variable): string | undefined {
  const url = draft.get<string>(path);
  const bases = [
    [...destination, 'baseUrl'],
    ['destination', 'baseUrl'],
  ];
  if (url === undefined) return undefined;
  const isAbsolute = ABSOLUTE.test(url);
  if (!isAbsolute && !bases.every((base) => draft.isIntact(base))) return undefined;
  const basePath = bases.find((base) => draft.get(base) !== undefined);
  if (!isAbsolute && basePath === undefined) {
    draft.report(path, 'found a path, expected an absolute URL, or destination.baseUrl as well');
    return undefined;
  }
  const baseUrl = basePath === undefined || isAbsolute ? undefined : draft.get<string>(basePath);
  const wrongPath = baseUrl === undefined ? path : (basePath as Path);
  const joined = joinUrl(url, baseUrl);
  const parsed = parseWithKey(joined);
  if (/[?#]/.test(baseUrl ?? '')) {
    draft.report(wrongPath, 'found a query or fragment, which no path can follow');
  } else if (baseUrl?.includes(KEY_PLACE)) {
    draft.report(wrongPath, `found ${KEY_PLACE}, which only the url of deleted can have`);
  } else if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    draft.report(wrongPath, 'found no URL, expected http://… or https://…');
  } else if (parsed.username !== '' || parsed.password !== '') {
    draft.report(wrongPath, 'found credentials in the URL, expected them in destination.auth');
  } else {
    const isBeside = wrongPath.at(-2) === 'destination';
    checkEncryption(draft, destination, parsed, { path: wrongPath, where: isBeside ? 'beside it' : 'in destination' });
    checkEnvironmentProxy(draft, destination, parsed, variable);
    return joined;
  }
  return undefined;
}

/** Whether the key stands where it is a part of the path or the query, and nowhere else. */
export function isKeyInPathOrQuery(url: string): boolean {
  const probe = probeFor(url);
  const { pathname, search } = new URL(url.replaceAll(KEY_PLACE, probe));
  return (pathname + search).split(probe).length === url.split(KEY_PLACE).length;
}

function parseWithKey(url: string): URL | null {
  return URL.parse(url.replaceAll(KEY_PLACE, probeFor(url)));
}

/** A key for which an URL is parsed; longer than any run of its letter there. */
function probeFor(url: string): string {
  return `x${'k'.repeat(url.length)}x`;
}

function checkEncryption(
  draft: Draft,
  destination: Path,
  url: URL,
  { path, where }: { readonly path: Path; readonly where: string },
): void {
  if (url.protocol === 'https:' || isLoopback(url) || inherited(draft, destination, 'allowInsecure') === true) return;
  draft.report(
    path,
    'found http:// to another machine, where everyone on the way reads the rows and the credentials, ' +
      `expected https:// (or "allowInsecure": true ${where})`,
  );
}

const PROXY_FORM =
  'expected http://host:port or https://host:port, with user:password@ before the host where it asks for them';

/** Reports a proxy, standing at `path`, that is none. */
export function checkConfiguredProxy(draft: Draft, path: Path): void {
  const proxy = draft.get<string>(path);
  if (proxy && parseProxy(proxy) === undefined) draft.report(path, `found no URL of a proxy, ${PROXY_FORM}`);
}

function checkEnvironmentProxy(draft: Draft, destination: Path, url: URL, variable: Variable): void {
  if (inherited(draft, destination, 'proxy') !== undefined) return;
  const problem = environmentProxyProblem(url, variable);
  if (problem !== undefined) draft.report(['destination', 'proxy'], problem);
}

/** What is wrong with the proxy that the environment names for `url`; undefined where nothing is. */
export function environmentProxyProblem(url: URL, variable: Variable): string | undefined {
  const found = proxyFromEnvironment(url, variable);
  if (found === undefined || parseProxy(found.value) !== undefined) return undefined;
  return `${found.name} of the environment is no URL of a proxy, ${PROXY_FORM}; "proxy": "" uses none`;
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
export function inherited<T>(draft: Draft, destination: Path, key: string): T | undefined {
  const own = draft.get<T>([...destination, key]);
  return own === undefined ? draft.get<T>(['destination', key]) : own;
}
