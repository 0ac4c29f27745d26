/** Entities of the configuration: what a schema cannot say of them, and the entities themselves. */
import type { Entity, PayloadMap } from '../sync/entity.ts';
import { checkChanges, readChanges } from './changes.ts';
import { checkDestination, checkSharedDestination, type DestinationScope, readDestination } from './destinations.ts';
import type { Draft } from './draft.ts';
import { checkColumnsAmong, checkFields } from './fields.ts';
import { didYouMean, type Path } from './problem.ts';
import type { Variable } from './proxy.ts';
import type { RawDestination, RawEntity } from './schema.ts';

/** What entities have in common besides the top-level destination. */
export interface EntityScope extends DestinationScope {
  readonly timeZone: string;
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
    ...readChanges(raw, raw.destination.baseUrl ?? shared.baseUrl),
    // The schema has made sure that each field is of one of FieldMap's forms.
    ...(raw.map !== undefined && { map: raw.map as PayloadMap }),
    timeZone: scope.timeZone,
  };
}

/** Reports what is wrong with the top-level destination and the entities beyond their form. */
export function checkEntities(draft: Draft, variable: Variable): void {
  checkSharedDestination(draft, variable);
  const entities = draft.children(['entities']);
  for (const path of entities) {
    checkConnectionName(draft, [...path, 'source', 'connection']);
    const url = checkDestination(draft, [...path, 'destination'], variable);
    checkFields(draft, [...path, 'map']);
    checkColumns(draft, path);
    checkChanges(draft, path, { url, key: keyOf(draft, path), variable });
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

/** Where columns are listed, the map reads no others. */
function checkColumns(draft: Draft, entity: Path): void {
  const listed = draft.get<readonly string[]>([...entity, 'source', 'columns']);
  const key = keyOf(draft, entity);
  if (listed === undefined || key === undefined) return;
  checkColumnsAmong(draft, [...entity, 'map'], [...listed, ...key], 'source.columns does not list');
}

/** The key's columns, where nothing is wrong with them. */
function keyOf(draft: Draft, entity: Path): readonly string[] | undefined {
  const key = draft.get<string | readonly string[]>([...entity, 'source', 'key']);
  return key === undefined ? undefined : [key].flat();
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
