/**
 * The schema: databases, schemas, tables, views. Objects are immutable; a change makes a new Catalogue, so that a transaction's
 * changes vanish with it by taking the old one back.
 */
import type { SqlType } from '../../engine.ts';
import { fold } from '../values/collation.ts';
import type { Grant, User } from './permissions.ts';

/** A column as sys.columns knows it. */
export interface Column {
  /** column_id; the SQLite column is c<id>. */
  readonly id: number;
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
  /** Name of the collation, for text. */
  readonly collation: string | undefined;
  readonly identity: { readonly seed: bigint; readonly increment: bigint } | undefined;
  readonly default: { readonly id: number; readonly name: string; readonly text: string } | undefined;
  /** Expression of a computed column; it is put in wherever the column is read. */
  readonly computed: string | undefined;
}

/** An index, or the one behind a key constraint. */
export interface Index {
  /** index_id: 1 is clustered. */
  readonly id: number;
  readonly name: string;
  readonly kind: 'primary' | 'unique' | 'index';
  /** object_id of the constraint, for a key. */
  readonly constraintId: number | undefined;
  readonly unique: boolean;
  readonly clustered: boolean;
  readonly columns: readonly { readonly column: number; readonly descending: boolean }[];
  readonly include: readonly number[];
  readonly filter: string | undefined;
}

interface Check {
  readonly id: number;
  readonly name: string;
  readonly text: string;
}

/** A FOREIGN KEY: column ids here, and those of the table it refers to. */
export interface ForeignKey {
  readonly id: number;
  readonly name: string;
  readonly columns: readonly number[];
  readonly table: number;
  readonly references: readonly number[];
}

/** A table, permanent or temporary. */
export interface Table {
  readonly kind: 'table';
  /** object_id; the SQLite table is o<id>, in `temp` for a temporary one. */
  readonly id: number;
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  readonly temporary: boolean;
  readonly columns: readonly Column[];
  readonly indexes: readonly Index[];
  readonly checks: readonly Check[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Ticks of its creation. */
  readonly createdAt: string;
}

/** A view. */
export interface View {
  readonly kind: 'view';
  readonly id: number;
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[] | undefined;
  /** Its query. */
  readonly text: string;
  readonly createdAt: string;
}

/** A database; `objects` by schema and name. */
export interface Database {
  readonly id: number;
  readonly name: string;
  readonly schemas: readonly { readonly id: number; readonly name: string }[];
  readonly objects: ReadonlyMap<string, Table | View>;
  readonly readCommittedSnapshot: boolean;
  /** Since ALTER DATABASE … SET READ_ONLY. */
  readonly readOnly: boolean;
  readonly compatibilityLevel: number;
  readonly users: readonly User[];
  readonly grants: readonly Grant[];
  readonly createdAt: string;
}

/** All databases, by folded name. */
export type Catalogue = ReadonlyMap<string, Database>;

/** Are two identifiers the same, in the catalogue's collation? */
export const sameName = (a: string, b: string): boolean => a === b || fold(a) === fold(b);

const objectKey = (schema: string, name: string): string => `${fold(schema)}\u0000${fold(name)}`;

/** A database without objects. */
export function emptyDatabase(id: number, name: string, createdAt: string): Database {
  return {
    id,
    name,
    schemas: [
      { id: 1, name: 'dbo' },
      { id: 2, name: 'guest' },
      { id: 3, name: 'INFORMATION_SCHEMA' },
      { id: 4, name: 'sys' },
    ],
    objects: new Map(),
    readCommittedSnapshot: true,
    readOnly: false,
    compatibilityLevel: 150,
    users: [],
    grants: [],
    createdAt,
  };
}

/** The database of that name. */
export function findDatabase(catalogue: Catalogue, name: string): Database | undefined {
  return catalogue.get(fold(name));
}

/** The table or view of that schema and name. */
export function findObject(database: Database, schema: string, name: string): Table | View | undefined {
  return database.objects.get(objectKey(schema, name));
}

/** The table or view with that object_id, in whichever database. */
export function findObjectById(catalogue: Catalogue, id: number): Table | View | undefined {
  for (const database of catalogue.values()) {
    for (const object of database.objects.values()) if (object.id === id) return object;
  }
  return undefined;
}

/** The column of that name. */
export function findColumn(table: Table, name: string): Column | undefined {
  return table.columns.find((column) => sameName(column.name, name));
}

/** The column with that id, which must exist. */
export function columnById(table: Table, id: number): Column {
  const column = table.columns.find((candidate) => candidate.id === id);
  if (column === undefined) throw new Error(`column ${id} of ${table.name}`);
  return column;
}

/** The catalogue with that database added or replaced. */
export function withDatabase(catalogue: Catalogue, database: Database): Catalogue {
  return new Map(catalogue).set(fold(database.name), database);
}

/** The catalogue without that database. */
export function withoutDatabase(catalogue: Catalogue, name: string): Catalogue {
  const copy = new Map(catalogue);
  copy.delete(fold(name));
  return copy;
}

/** The catalogue with that object added or replaced in its database. */
export function withObject(catalogue: Catalogue, object: Table | View): Catalogue {
  const database = findDatabase(catalogue, object.database) as Database;
  const objects = new Map(database.objects).set(objectKey(object.schema, object.name), object);
  return withDatabase(catalogue, { ...database, objects });
}

/** The catalogue without that object. */
export function withoutObject(catalogue: Catalogue, object: Table | View): Catalogue {
  const database = findDatabase(catalogue, object.database) as Database;
  const objects = new Map(database.objects);
  objects.delete(objectKey(object.schema, object.name));
  return withDatabase(catalogue, { ...database, objects });
}

/** The SQLite name of a table, with its schema. */
export const storageName = (table: Table): string => `${table.temporary ? 'temp' : 'main'}.o${table.id}`;

/** The columns that lie in SQLite: all but the computed ones. */
export const storedColumns = (table: Table): readonly Column[] =>
  table.columns.filter((column) => column.computed === undefined);

/** How error messages name a table: schema.name. */
export const shownName = (table: Table): string => `${table.schema}.${table.name}`;

/** A database as text for storage, and back. */
export function serializeDatabase(database: Database): string {
  return JSON.stringify({ ...database, objects: [...database.objects.values()] }, (_, value: unknown) =>
    typeof value === 'bigint' ? { bigint: String(value) } : value,
  );
}

/** A database from its stored text. */
export function deserializeDatabase(text: string): Database {
  const parsed = JSON.parse(text, (_, value: unknown) =>
    typeof value === 'object' && value !== null && 'bigint' in value ? BigInt(value.bigint as string) : value,
  ) as Omit<Database, 'objects'> & { objects: (Table | View)[] };
  return {
    // Storage of before has neither.
    ...{ users: [], grants: [] },
    ...parsed,
    objects: new Map(parsed.objects.map((object) => [objectKey(object.schema, object.name), object])),
  };
}
