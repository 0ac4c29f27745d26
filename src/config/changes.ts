/** Changed and deleted rows in the configuration: what a schema cannot say of them, and how they are read. */
import type { DeletedConfig, DetectionConfig, Entity, PayloadMap } from '../sync/entity.ts';
import { checkUrl, inherited, isKeyInPathOrQuery, joinUrl, KEY_PLACE } from './destinations.ts';
import type { Draft } from './draft.ts';
import { checkColumnsAmong, checkFields } from './fields.ts';
import type { Path } from './problem.ts';
import { proxyFromEnvironment, type Variable } from './proxy.ts';
import { DEFAULTS, type RawDeleted, type RawEntity } from './schema.ts';

/**
 * What a sound configuration says of an entity's changed and deleted rows, with the defaults. `baseUrl`: what stands before
 * an url that is not absolute.
 */
export function readChanges(
  { changes, detection, reconcileEvery, deleted, maxDeletePercent }: RawEntity,
  baseUrl: string | undefined,
): Pick<Entity, 'changes' | 'detection' | 'reconcileEvery' | 'deleted' | 'maxDeletePercent'> {
  return {
    changes: changes ?? DEFAULTS.changes,
    detection: { ...DEFAULTS.detection, ...detection },
    reconcileEvery: reconcileEvery ?? DEFAULTS.reconcileEvery,
    ...(deleted !== undefined && { deleted: readDeleted(deleted, baseUrl) }),
    maxDeletePercent: maxDeletePercent ?? DEFAULTS.maxDeletePercent,
  };
}

function readDeleted({ url, method, map }: RawDeleted, baseUrl: string | undefined): DeletedConfig {
  return {
    url: joinUrl(url, baseUrl),
    method: method ?? (map === undefined ? 'DELETE' : 'POST'),
    // The schema has made sure that each field is of one of FieldMap's forms.
    ...(map !== undefined && { map: map as PayloadMap }),
  };
}

/** What is sound of an entity, for the checks of its changed and deleted rows. */
interface Surroundings {
  /** Of its destination, absolute. */
  readonly url: string | undefined;
  /** The key's columns. */
  readonly key: readonly string[] | undefined;
  readonly variable: Variable;
}

/**
 * Reports what is wrong with the changed and deleted rows of the entity at `entity` beyond their form, whatever its `changes`
 * are: people try one and go back.
 */
export function checkChanges(draft: Draft, entity: Path, surroundings: Surroundings): void {
  checkDetection(draft, [...entity, 'detection']);
  const deleted = [...entity, 'deleted'];
  if (draft.get([...entity, 'changes']) === 'mirror' && draft.isIntact(deleted) && draft.get(deleted) === undefined) {
    draft.report(
      deleted,
      'missing, expected where deletions go, such as { "url": "/users/{key}" }, since changes is "mirror"',
    );
  }
  checkDeleted(draft, entity, surroundings);
}

function checkDetection(draft: Draft, path: Path): void {
  const columnPath = [...path, 'column'];
  const overlapPath = [...path, 'overlapMinutes'];
  if (!draft.isIntact([...path, 'method'])) return;
  const method = draft.get<DetectionConfig['method']>([...path, 'method']) ?? DEFAULTS.detection.method;
  const column = draft.get(columnPath);
  if (method === 'modifiedAt' && column === undefined && draft.isIntact(columnPath)) {
    draft.report(
      columnPath,
      'missing, expected the column that holds when a row was last changed, since method is "modifiedAt"',
    );
  }
  if (['auto', 'hash'].includes(method) && column !== undefined) {
    draft.report(
      columnPath,
      `found ${draft.show(columnPath)}, expected none, since method is "${method}" ("rowversion" and "modifiedAt" read a column)`,
    );
  }
  if (method !== 'modifiedAt' && draft.get(overlapPath) !== undefined) {
    draft.report(
      overlapPath,
      `found ${draft.show(overlapPath)}, expected none, since method is "${method}" (only "modifiedAt" has an overlap)`,
    );
  }
}

function checkDeleted(draft: Draft, entity: Path, { url: destinationUrl, key, variable }: Surroundings): void {
  const path = [...entity, 'deleted'];
  const urlPath = [...path, 'url'];
  const mapPath = [...path, 'map'];
  const destination = [...entity, 'destination'];
  checkFields(draft, mapPath);
  if (key !== undefined) {
    checkColumnsAmong(draft, mapPath, key, 'source.key does not have: of a row that is gone only its key is known');
  }
  const configured = draft.get<string>(urlPath);
  if (configured === undefined) return;
  const places = configured.split(KEY_PLACE).length - 1;
  const hasMap = draft.children(mapPath).length > 0;
  if (places > 0 === hasMap && (hasMap || draft.isIntact(mapPath))) {
    const found = hasMap ? `"map" and ${KEY_PLACE} in url` : `neither "map" nor ${KEY_PLACE} in url`;
    draft.report(path, `found ${found}, expected exactly one of them`);
    return;
  }
  if (places > 1) {
    draft.report(urlPath, `found ${KEY_PLACE} ${places} times, expected it once`);
    return;
  }
  const url = checkUrl(draft, destination, urlPath, variable);
  if (url === undefined) return;
  if (!isKeyInPathOrQuery(url)) {
    draft.report(urlPath, `found ${KEY_PLACE} in another place than the path or the query of the URL`);
  } else if (destinationUrl !== undefined && inherited(draft, destination, 'proxy') === undefined) {
    const [one, other] = [url, destinationUrl].map((text) => proxyFromEnvironment(new URL(text), variable)?.value);
    if (one === other) return;
    draft.report(
      urlPath,
      'found an URL that the environment has another proxy for than for destination.url, expected "proxy" in destination',
    );
  }
}
