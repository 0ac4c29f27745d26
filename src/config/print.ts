/** The effective configuration as a configuration file would hold it, secrets masked. */
import type { ConnectionSettings } from '../sync/connection.ts';
import type { Auth, DestinationTls, DetectionConfig, Entity } from '../sync/entity.ts';
import type { Notification } from '../sync/notification.ts';
import type { Config } from './config.ts';
import { isSecretName } from './secrets.ts';

/** What stands in the place of a secret. */
const MASK = '***';

/**
 * The configuration with every default filled in, what entities inherit written out at each, and passwords, keys, tokens
 * and headers that may be one masked. It meets CONFIG_SCHEMA. Disabled entities are left out. Secrets inside other
 * strings are the output stream's to mask (redact.ts).
 */
export function effectiveConfig(config: Config): unknown {
  const { file, ...logging } = config.logging;
  return {
    connections: Object.fromEntries(
      Object.entries(config.connections).map(([name, settings]) => [name, maskedConnection(settings)]),
    ),
    log: { connection: config.logConnection },
    logging: {
      ...logging,
      ...(file !== undefined && { file: file.path, maxFileBytes: file.maxFileBytes, maxFiles: file.maxFiles }),
    },
    ...(config.schedule !== undefined && { schedule: config.schedule }),
    ...(config.report !== undefined && { report: config.report }),
    run: config.run,
    ...(config.notifications.length > 0 && { notifications: config.notifications.map(maskedNotification) }),
    ...(config.metrics !== undefined && { metrics: config.metrics }),
    entities: config.entities.map(maskedEntity),
  };
}

/** Of a URL all but the host is secret. */
function maskedNotification(notification: Notification) {
  const { tls, ...rest } = notification;
  const maskedTlsOrNone = tls === undefined ? {} : { tls: maskedTls(tls) };
  if (rest.type === 'email') {
    const { login, ...email } = rest;
    return { ...email, ...(login !== undefined && { user: login.user, password: MASK }), ...maskedTlsOrNone };
  }
  const { proxy, url, ...http } = rest;
  const usedProxy = proxy === undefined ? { proxy: '' } : { proxy: maskedUrl(proxy.url), noProxy: proxy.noProxy };
  return { ...http, url: `${new URL(url).origin}/${MASK}`, ...usedProxy, ...maskedTlsOrNone };
}

function maskedConnection({ name: _, login, ...settings }: ConnectionSettings) {
  const { server, port, instance, database, ...rest } = settings;
  return {
    server,
    ...(port !== undefined && { port }),
    ...(instance !== undefined && { instance }),
    database,
    ...(login.type === 'ntlm' && { domain: login.domain }),
    user: login.user,
    password: MASK,
    ...rest,
  };
}

function maskedEntity(entity: Entity) {
  const { name, trackingLabels, source, destination, changes, deleted, map, timeZone } = entity;
  const { auth, headers, tls, proxy, ...rest } = destination;
  const maskedHeaders = Object.entries(headers).map(([header, value]) => [header, isSecretName(header) ? MASK : value]);
  return {
    name,
    trackingLabels,
    source,
    destination: {
      ...rest,
      auth: maskedAuth(auth),
      headers: Object.fromEntries(maskedHeaders),
      ...(tls !== undefined && { tls: maskedTls(tls) }),
      ...(proxy === undefined ? { proxy: '' } : { proxy: maskedUrl(proxy.url), noProxy: proxy.noProxy }),
    },
    changes,
    detection: effectiveDetection(entity.detection),
    reconcileEvery: entity.reconcileEvery,
    ...(deleted !== undefined && {
      deleted: { ...deleted, ...(deleted.map !== undefined && { map: withTimeZones(deleted.map, timeZone) }) },
    }),
    maxDeletePercent: entity.maxDeletePercent,
    ...(map !== undefined && { map: withTimeZones(map, timeZone) }),
  };
}

/** The overlap stands only where it has an effect, as the schema's checks ask for. */
function effectiveDetection({ overlapMinutes, ...detection }: DetectionConfig): Partial<DetectionConfig> {
  return detection.method === 'modifiedAt' ? { ...detection, overlapMinutes } : detection;
}

/** Fields with the time of sending name their zone, since that is where the entity's zone has its effect. */
function withTimeZones(map: NonNullable<Entity['map']>, timeZone: string) {
  const fields = Object.entries(map).map(([name, field]) => [
    name,
    typeof field === 'object' && 'sentAt' in field ? { timeZone, ...field } : field,
  ]);
  return Object.fromEntries(fields);
}

function maskedTls({ key, passphrase, ...rest }: DestinationTls): DestinationTls {
  return { ...rest, ...(key !== undefined && { key: MASK }), ...(passphrase !== undefined && { passphrase: MASK }) };
}

function maskedUrl(text: string): string {
  const url = new URL(text);
  if (url.password !== '') url.password = MASK;
  return url.href;
}

function maskedAuth(auth: Auth): Auth {
  if (auth.type === 'apiKey') return { ...auth, value: MASK };
  if (auth.type === 'basic') return { ...auth, password: MASK };
  return auth.type === 'bearer' ? { ...auth, token: MASK } : auth;
}
