/** `notifications` of the configuration: what a schema cannot say of them, and how they are read. */
import type { DestinationTls } from '../sync/entity.ts';
import type { EmailNotification, Notification } from '../sync/notification.ts';
import { checkConfiguredProxy, type DestinationScope, environmentProxyProblem } from './destinations.ts';
import type { Draft } from './draft.ts';
import type { Path } from './problem.ts';
import { isLoopback, proxyOf, type Variable } from './proxy.ts';
import { DEFAULTS, type RawNotification } from './schema.ts';

/** https://www.rfc-editor.org/rfc/rfc8314#section-3.3, https://www.rfc-editor.org/rfc/rfc6409#section-3.1; 25: between servers. */
const PORTS: Readonly<Record<EmailNotification['encryption'], number>> = { starttls: 587, tls: 465, none: 25 };

/** Reports what is wrong with notifications beyond their form. */
export function checkNotifications(draft: Draft, variable: Variable): void {
  for (const path of draft.children(['notifications'])) {
    const raw = draft.get<RawNotification>(path);
    if (raw?.type === 'email') checkEmail(draft, path, raw);
    else if (raw !== undefined) checkHttp(draft, path, raw, variable);
  }
}

/** The notification that a sound configuration describes. */
export function readNotification(raw: RawNotification, scope: DestinationScope): Notification {
  const { timeoutMs } = DEFAULTS.notifications;
  const on = raw.on ?? (raw.type === 'ping' ? 'always' : DEFAULTS.notifications.on);
  const tls = raw.tls && scope.tls.get(raw.tls);
  const shared = { on, timeoutMs: raw.timeoutMs ?? timeoutMs, ...(tls !== undefined && { tls }) };
  if (raw.type === 'email') return { ...shared, ...readEmail(raw) };
  const { url, allowInsecure = false, proxy, noProxy } = raw;
  const usedProxy = proxyOf(new URL(url), { proxy, noProxy }, scope.variable);
  const http = { ...shared, url, allowInsecure, ...(usedProxy !== undefined && { proxy: usedProxy }) };
  if (raw.type === 'ping') return { type: 'ping', ...http };
  return { type: 'webhook', ...http, format: raw.format ?? DEFAULTS.notifications.format };
}

function readEmail(raw: Extract<RawNotification, { type: 'email' }>): Omit<EmailNotification, 'on' | 'timeoutMs'> {
  const { host, encryption = DEFAULTS.notifications.encryption, port = PORTS[encryption], user, password, from } = raw;
  const login = user === undefined ? {} : { login: { user, password: password ?? '' } };
  return { type: 'email', host, port, encryption, ...login, from, to: [raw.to].flat() };
}

function checkHttp(
  draft: Draft,
  path: Path,
  raw: Exclude<RawNotification, { type: 'email' }>,
  variable: Variable,
): void {
  checkConfiguredProxy(draft, [...path, 'proxy']);
  const urlPath = [...path, 'url'];
  const url = URL.parse(raw.url);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    draft.report(urlPath, 'found no URL, expected http://… or https://…');
  } else if (url.username !== '' || url.password !== '') {
    draft.report(urlPath, 'found credentials in the URL, which are not sent');
  } else if (url.protocol === 'http:' && !isLoopback(url) && raw.allowInsecure !== true) {
    draft.report(
      urlPath,
      'found http:// to another machine, where everyone on the way reads the message, ' +
        'expected https:// (or "allowInsecure": true beside it)',
    );
  } else if (raw.proxy === undefined) {
    const problem = environmentProxyProblem(url, variable);
    if (problem !== undefined) draft.report([...path, 'proxy'], problem);
  }
}

function checkEmail(draft: Draft, path: Path, raw: Extract<RawNotification, { type: 'email' }>): void {
  const addresses = [
    { at: [...path, 'from'], address: raw.from },
    ...[raw.to].flat().map((address, index) => ({
      at: typeof raw.to === 'string' ? [...path, 'to'] : [...path, 'to', index],
      address,
    })),
  ];
  for (const { at, address } of addresses) {
    if (!/^[^\r\n,@]*[^\s,@]@[^\s,@]+$/.test(address)) {
      draft.report(at, 'found no e-mail address, expected name@example.com or Name <name@example.com>');
    }
  }
  if (raw.encryption === 'none' && raw.user !== undefined && !isLoopback({ hostname: raw.host })) {
    draft.report(
      [...path, 'encryption'],
      'found "none" with a login, where everyone on the way reads the password, expected "starttls" or "tls"',
    );
  }
}

/** A warning for each notification that everyone on the way can read. */
export function insecureNotificationWarnings(notifications: readonly Notification[]): string[] {
  return notifications.flatMap((notification, index) => {
    const url = notification.type === 'email' ? { hostname: notification.host } : new URL(notification.url);
    const isOpen =
      notification.type === 'email' ? notification.encryption === 'none' : !/^https:/i.test(notification.url);
    return isOpen && !isLoopback(url) ? [`notifications[${index}] (${notification.type}): sent without TLS`] : [];
  });
}

/** Every secret of notifications: URLs and the tokens in them, passwords, private keys and their passphrases. */
export function secretsOfNotifications(notifications: readonly Notification[]): string[] {
  return notifications.flatMap((notification) => [
    ...secretsOfTls(notification.tls),
    ...(notification.type === 'email' ? [notification.login?.password ?? ''] : secretsOfUrl(notification.url)),
    ...(notification.type !== 'email' && notification.proxy ? secretsOfProxy(notification.proxy.url) : []),
  ]);
}

/** What may stand in messages, although a reference brought it in. */
export function openValuesOf(notifications: readonly Notification[]): string[] {
  return notifications.flatMap((notification) => {
    if (notification.type === 'email') {
      return [notification.host, notification.from, ...notification.to, notification.login?.user ?? ''];
    }
    const urls = [new URL(notification.url), ...(notification.proxy ? [new URL(notification.proxy.url)] : [])];
    return urls.flatMap(({ host, hostname, origin }) => [host, hostname, origin]);
  });
}

function secretsOfTls(tls: DestinationTls | undefined): string[] {
  return [tls?.key ?? '', tls?.passphrase ?? ''];
}

/** Shorter parts of a path are words such as `services`. */
const SHORTEST_TOKEN = 16;

/** The whole URL, what follows its host, and each part that is long enough to be a token. */
function secretsOfUrl(text: string): string[] {
  const { href, pathname, search, searchParams } = new URL(text);
  const afterHost = pathname + search;
  const parts = [...pathname.split('/'), ...searchParams.values()];
  return [text, href, ...[afterHost, ...parts].filter((part) => part.length >= SHORTEST_TOKEN)];
}

function secretsOfProxy(url: string): string[] {
  const { password } = new URL(url);
  return [password, decodeURIComponent(password)];
}
