/** Which values of a loaded configuration are secret, and which secrets stand in the file itself. */
import type { ConnectionSettings } from '../sync/connection.ts';
import type { Auth, Entity } from '../sync/entity.ts';
import type { Notification } from '../sync/notification.ts';
import { hasClearPassword } from './connection.ts';
import { KEY_PLACE } from './destinations.ts';
import { openValuesOf, secretsOfNotifications } from './notifications.ts';
import { isPem } from './pem.ts';
import { formatPath, type Path } from './problem.ts';
import { hasReference, type ResolvedReference } from './references.ts';
import type { RawConfig, RawDestination } from './schema.ts';

/** Whether the value of a header or query parameter is taken for a secret, by its name. */
export function isSecretName(name: string): boolean {
  return /key|token|secret|passw|pwd|auth|cookie|credential|signature|^sig$|^code$/i.test(name);
}

/** Where a reference may bring in a secret; elsewhere (a table's name, a schedule) it brings in a name. */
const SECRET_PLACES: readonly (string | number)[] = [
  'connections',
  'destination',
  'map',
  'where',
  'query',
  'notifications',
];

/** Whether a value that stands at this path in the file itself may stand in a message. */
export function mayShow(path: Path): boolean {
  return !path.some((key) =>
    ['connections', 'auth', 'headers', 'url', 'baseUrl', 'tls', 'proxy', 'password'].includes(String(key)),
  );
}

/**
 * Every secret: passwords, keys and tokens, and what references brought in, but for servers, databases, users and URLs
 * as a whole, without which no message would be of use.
 */
export function secretsOf(
  connections: readonly ConnectionSettings[],
  entities: readonly Entity[],
  notifications: readonly Notification[],
  references: readonly ResolvedReference[],
): string[] {
  const urls = entities.flatMap(urlsOf);
  const proxies = entities.flatMap(({ destination: { proxy } }) => (proxy === undefined ? [] : [new URL(proxy.url)]));
  const open = new Set([
    ...connections.flatMap(({ server, instance, database, login, appName }) => [
      server,
      instance,
      database,
      login.user,
      login.type === 'ntlm' ? login.domain : undefined,
      appName,
    ]),
    ...[...urls, ...proxies].flatMap((url) => [url.host, url.hostname, url.username]),
    ...openValuesOf(notifications),
  ]);
  const openUrls = [...urls, ...proxies.filter(({ password }) => password === '')];
  const isOpen = ({ path, value }: ResolvedReference) =>
    open.has(value) ||
    // Of a notification the whole URL is the secret.
    (path[0] !== 'notifications' && openUrls.some(({ href }) => URL.canParse(value) && href.startsWith(value)));
  const secrets = [
    ...references
      .filter((reference) => reference.path.some((key) => SECRET_PLACES.includes(key)) && !isOpen(reference))
      .map(({ value }) => value),
    ...connections.map(({ login }) => login.password),
    ...entities.flatMap(({ destination }) => [
      ...credentialsOf(destination.auth),
      ...secretValues(Object.entries(destination.headers)),
    ]),
    ...entities.flatMap(({ destination: { tls } }) => [tls?.key ?? '', tls?.passphrase ?? '']),
    // What stands around the place of a key is the same in every call.
    ...urls.flatMap((url) => secretValues([...url.searchParams])).flatMap((value) => value.split(KEY_PLACE)),
    ...proxies.flatMap(({ password }) => [password, decodeURIComponent(password)]),
    ...secretsOfNotifications(notifications),
  ];
  return [...new Set(secrets)].filter((secret) => secret !== '');
}

/** Where an entity's rows and deletions go, and the request that checks the way. */
export function urlsOf({ destination, deleted }: Entity): URL[] {
  return [destination, deleted, destination.check].flatMap((place) =>
    place === undefined ? [] : [new URL(place.url)],
  );
}

function secretValues(pairs: readonly (readonly [name: string, value: string])[]): string[] {
  return pairs.filter(([name]) => isSecretName(name)).map(([, value]) => value);
}

function credentialsOf(auth: Auth): string[] {
  if (auth.type === 'apiKey') return [auth.value];
  if (auth.type === 'basic') return [auth.password];
  return auth.type === 'bearer' ? [auth.token] : [];
}

/** The paths at which a password, key or token stands in the file itself. `raw` has its references unresolved. */
export function clearSecretPaths(raw: RawConfig): string[] {
  const connections = Object.entries(raw.connections)
    .filter(([, connection]) => hasClearPassword(connection))
    .map(([name]) => ['connections', name]);
  const destinations = [
    { path: ['destination'] as Path, destination: raw.destination ?? {} },
    ...raw.entities.map(({ destination }, index) => ({ path: ['entities', index, 'destination'], destination })),
    ...(raw.notifications ?? []).map((notification, index) => ({
      path: ['notifications', index] as Path,
      destination: notification as RawDestination,
    })),
  ];
  const inNotifications = (raw.notifications ?? []).flatMap((notification, index) => {
    const key = notification.type === 'email' ? 'password' : 'url';
    const secret = notification.type === 'email' ? notification.password : notification.url;
    return isClear(secret ?? '') ? [['notifications', index, key] as Path] : [];
  });
  const inDestinations = destinations.flatMap(({ path, destination: { auth, headers = {}, tls = {}, proxy } }) => {
    const secrets: Readonly<Record<string, readonly string[]>> = {
      auth: credentialsOf(auth ?? { type: 'none' }),
      headers: secretValues(Object.entries(headers)),
      tls: [tls.passphrase ?? '', tls.key !== undefined && isPem(tls.key) ? tls.key : ''],
      // No URL yet: what stands in it may be a reference.
      proxy: [/^(?:[^/@]*:\/\/)?[^:@]*:(.*)@/s.exec(proxy ?? '')?.[1] ?? ''],
    };
    return Object.keys(secrets)
      .filter((key) => secrets[key]?.some(isClear))
      .map((key) => [...path, key]);
  });
  return [...connections, ...inDestinations, ...inNotifications].map(formatPath);
}

function isClear(text: string): boolean {
  return text !== '' && !hasReference(text);
}
