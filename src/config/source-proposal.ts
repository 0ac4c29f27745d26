/** What to change in an entity of the shipped configuration so that it fits the tables that a database really has. */
import { closestMatch } from 'leven';
import type { PayloadMap } from '../sync/entity.ts';
import { columnsOf } from '../sync/map.ts';
import type { TableFacts } from '../sync/table-facts.ts';
import type { RawConfig, RawEntity } from './schema.ts';

/** Changes to one entity's source, none of them made yet. */
export interface SourceProposal {
  readonly entity: string;
  /** The connection whose database was looked at. */
  readonly connection: string;
  /** The table or view to read instead. */
  readonly table?: string;
  /** The key to use instead. */
  readonly key?: readonly string[];
  /** Columns of the map to read under other names. */
  readonly columns: readonly { readonly from: string; readonly to: string }[];
  /** What does not fit and is for a person to decide: a sentence each. */
  readonly open: readonly string[];
}

/** Another table must have at least this part of the columns that the entity reads. */
const LIKENESS = 0.8;

/** Compares an entity's source with the tables of its database. */
export function proposeSource(entity: RawEntity, tables: readonly TableFacts[]): SourceProposal {
  const { name, source } = entity;
  const nothing = { entity: name, connection: source.connection, columns: [], open: [] };
  const configured = tables.find((table) => isSameTable(table.name, source.table ?? ''));
  if (source.table === undefined || configured?.kind === 'synonym') return nothing;
  const key = [source.key].flat();
  const read = columnsOf(entity.map as PayloadMap | undefined) ?? [];
  if (configured !== undefined) return { ...nothing, ...differences(configured, key, read) };
  const best = bestOf(tables, entity, [...new Set([...key, ...read])]);
  const [table, ...others] = best;
  if (table === undefined) {
    return { ...nothing, open: [`${source.table} is not there, and no other table or view has its columns`] };
  }
  if (others.length > 0) {
    const names = best.map((other) => other.name).join(', ');
    return { ...nothing, open: [`${source.table} is not there; these have its columns: ${names}`] };
  }
  return { ...nothing, table: table.name, ...differences(table, key, read) };
}

/** Whether the proposal would change anything. */
export function hasChanges({ table, key, columns }: SourceProposal): boolean {
  return table !== undefined || key !== undefined || columns.length > 0;
}

/** The configuration with these proposals put in. */
export function withProposals(config: RawConfig, proposals: readonly SourceProposal[]): RawConfig {
  return {
    ...config,
    entities: config.entities.map((entity) => {
      const proposal = proposals.find((one) => one.entity === entity.name);
      return proposal === undefined ? entity : withProposal(entity, proposal);
    }),
  };
}

function withProposal(entity: RawEntity, { table, key, columns }: SourceProposal): RawEntity {
  const renamed = new Map(columns.map(({ from, to }) => [fold(from), to]));
  const [first, ...rest] = key ?? [];
  const oneOrMore = first === undefined ? entity.source.key : rest.length === 0 ? first : ([first, ...rest] as const);
  return {
    ...entity,
    source: { ...entity.source, ...(table !== undefined && { table }), key: oneOrMore },
    ...(entity.map !== undefined && {
      map: Object.fromEntries(
        Object.entries(entity.map).map(([field, value]) => {
          if (typeof value === 'string') return [field, renamed.get(fold(value)) ?? value];
          if (value.column === undefined) return [field, value];
          return [field, { ...value, column: renamed.get(fold(value.column)) ?? value.column }];
        }),
      ),
    }),
  };
}

function differences(
  table: TableFacts,
  key: readonly string[],
  read: readonly string[],
): Pick<SourceProposal, 'key' | 'columns' | 'open'> {
  const present = new Set(table.columns.map(fold));
  const hasKey = key.every((column) => present.has(fold(column)));
  const open: string[] = [];
  const [uniqueKey] = table.uniqueKeys;
  if (!hasKey && uniqueKey === undefined) {
    open.push(`${table.name} has no column ${key.join(', ')} and no unique key; set source.key`);
  }
  const isUnique = table.uniqueKeys.some((columns) => columns.every((column) => key.map(fold).includes(fold(column))));
  if (hasKey && !isUnique && table.kind === 'table') {
    open.push(`no unique index of ${table.name} says that ${key.join(', ')} is unique and never NULL; a run will see`);
  }
  const columns: { from: string; to: string }[] = [];
  for (const column of read) {
    if (present.has(fold(column)) || (!hasKey && key.map(fold).includes(fold(column)))) continue;
    const taken = new Set([...read, ...columns.map(({ to }) => to)].map(fold));
    const to = alike(
      column,
      table.columns.filter((candidate) => !taken.has(fold(candidate))),
    );
    if (to === undefined) open.push(`${table.name} has no column ${column}, which the map reads`);
    else columns.push({ from: column, to });
  }
  if (hasKey || uniqueKey === undefined) return { columns, open };
  // The map sends the key, too.
  const [from, to] = [key[0], uniqueKey[0]];
  const sendsKey = from !== undefined && to !== undefined && read.map(fold).includes(fold(from));
  return { key: uniqueKey, columns: sendsKey ? [...columns, { from, to }] : columns, open };
}

/** The column that is named most like it: but for underscores the same, or a letter or two apart. */
function alike(column: string, candidates: readonly string[]): string | undefined {
  const byWord = new Map(candidates.map((candidate) => [word(candidate), candidate]));
  const maxDistance = Math.max(1, Math.floor(column.length / 5));
  const closest = byWord.has(word(column))
    ? word(column)
    : closestMatch(word(column), [...byWord.keys()], { maxDistance });
  return closest === undefined ? undefined : byWord.get(closest);
}

/** The tables with the most of these columns; of several the one whose name tells of the entity. */
function bestOf(tables: readonly TableFacts[], entity: RawEntity, needed: readonly string[]): readonly TableFacts[] {
  const scored = tables.map((table) => {
    const present = new Set(table.columns.map(word));
    return { table, score: needed.filter((column) => present.has(word(column))).length / needed.length };
  });
  const top = Math.max(LIKENESS, ...scored.map(({ score }) => score));
  const best = scored.filter(({ score }) => score === top).map(({ table }) => table);
  const names = [entity.name, entity.source.table?.split('.').at(-1) ?? ''].map(stem);
  const named = best.filter((table) => names.includes(stem(table.name.split('.').at(-1) ?? '')));
  return named.length === 1 ? named : best;
}

function isSameTable(name: string, configured: string): boolean {
  const parts = (text: string) =>
    text.split('.').map((part) => fold(part.replace(/^\[(.*)\]$/, '$1').replace(/^"(.*)"$/, '$1')));
  const [table, schema] = parts(configured).reverse();
  const [otherTable, otherSchema] = parts(name).reverse();
  return table === otherTable && (schema || 'dbo') === otherSchema;
}

const fold = (name: string): string => name.toLowerCase();
const word = (name: string): string => fold(name).replace(/[^\p{L}\p{N}]/gu, '');

/** A table's name without what installations put before and after it. */
const stem = (name: string): string => word(fold(name).replace(/^\[?(mdm|tb_[mr]|vw|v)_/, '')).replace(/s$/, '');
