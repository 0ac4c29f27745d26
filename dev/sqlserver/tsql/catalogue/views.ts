/**
 * The catalogue views sys.… and INFORMATION_SCHEMA.…: what their columns are, and their rows for one database. A query gets the
 * rows as a JSON parameter, so that they join and filter like any table.
 */
import type { SqlType } from '../../engine.ts';
import type { Runtime } from '../bind/runtime.ts';
import { constraintsOf, systemTypes } from '../functions/session.ts';
import {
  asDecimal,
  isBinary,
  isNumber,
  isTemporal,
  isText,
  isUnicode,
  nvarchar,
  storageLength,
  types,
  varchar,
} from '../types.ts';
import { defaultCollation } from '../values/collation.ts';
import { type Column, type Database, findDatabase, type Table, type View } from './objects.ts';

type Row = readonly (string | number | null)[];

/** A view's columns, and its rows for a database. */
export interface CatalogueView {
  readonly columns: readonly (readonly [string, SqlType])[];
  readonly rows: (database: Database, runtime: Runtime) => readonly Row[];
}

const { int, bit, tinyint, smallint, bigint, sysname, datetime } = types;
const bitOf = (value: boolean): number => (value ? 1 : 0);
const tablesOf = (database: Database): Table[] =>
  [...database.objects.values()].filter((object) => object.kind === 'table');
const schemaId = (database: Database, object: Table | View): number =>
  database.schemas.find((schema) => schema.name === object.schema)?.id ?? 1;
// Ticks pass JSON as numbers only up to 2^53, so they go as text and are read as integers again.
const ticks = (value: string): string => `#${value}`;

const typeRow = (type: SqlType) =>
  systemTypes.find((row) => row.name === (type.name === 'rowversion' ? 'timestamp' : type.name)) ?? systemTypes[0];

function precisionOf(type: SqlType): number {
  if (type.precision !== undefined) return type.precision;
  return isText(type) || isBinary(type) ? 0 : (typeRow(type)?.precision ?? 0);
}

const scaleOf = (type: SqlType): number =>
  type.scale ?? (isText(type) || isBinary(type) ? 0 : (typeRow(type)?.scale ?? 0));

const objectColumns: readonly (readonly [string, SqlType])[] = [
  ['name', sysname],
  ['object_id', int],
  ['schema_id', int],
  ['parent_object_id', int],
  ['type', { name: 'char', length: 2 }],
  ['type_desc', nvarchar(60)],
  ['create_date', datetime],
  ['modify_date', datetime],
  ['is_ms_shipped', bit],
];

function objectRow(database: Database, object: Table | View): Row {
  const kind = object.kind === 'table' ? ['U ', 'USER_TABLE'] : ['V ', 'VIEW'];
  return [
    object.name,
    object.id,
    schemaId(database, object),
    0,
    ...(kind as [string, string]),
    ticks(object.createdAt),
    ticks(object.createdAt),
    0,
  ];
}

function columnRow(object: Table, column: Column): Row {
  const type = typeRow(column.type);
  return [
    object.id,
    column.name,
    column.id,
    type?.systemId ?? 0,
    type?.id ?? 0,
    storageLength(column.type),
    precisionOf(column.type),
    scaleOf(column.type),
    isText(column.type) ? (column.collation ?? defaultCollation) : null,
    bitOf(column.nullable),
    bitOf(column.identity !== undefined),
    bitOf(column.computed !== undefined),
    column.default?.id ?? 0,
  ];
}

function indexRows(table: Table): Row[] {
  const rows: Row[] = table.indexes.map((index) => [
    table.id,
    index.name,
    index.id,
    index.clustered ? 1 : 2,
    index.clustered ? 'CLUSTERED' : 'NONCLUSTERED',
    bitOf(index.unique),
    bitOf(index.kind === 'primary'),
    bitOf(index.kind === 'unique'),
    0,
    bitOf(index.filter !== undefined),
    index.filter ?? null,
  ]);
  if (!table.indexes.some((index) => index.clustered))
    rows.unshift([table.id, null, 0, 0, 'HEAP', 0, 0, 0, 0, 0, null]);
  return rows;
}

function indexColumnRows(table: Table): Row[] {
  return table.indexes.flatMap((index) => [
    ...index.columns.map(
      (column, at): Row => [table.id, index.id, at + 1, column.column, at + 1, bitOf(column.descending), 0],
    ),
    ...index.include.map((column, at): Row => [table.id, index.id, index.columns.length + at + 1, column, 0, 0, 1]),
  ]);
}

function informationColumn(database: Database, object: Table, column: Column): Row {
  const { type } = column;
  const isCharacter = isText(type) && type.name !== 'xml';
  const length = isCharacter || isBinary(type) ? (type.length === 'max' ? -1 : (type.length ?? 8)) : null;
  const octets = length === null || length < 0 ? length : isUnicode(type) ? length * 2 : length;
  return [
    database.name,
    object.schema,
    object.name,
    column.name,
    column.id,
    column.default?.text ?? null,
    column.nullable ? 'YES' : 'NO',
    type.name === 'rowversion' ? 'timestamp' : type.name,
    length,
    octets,
    isNumber(type) && type.name !== 'bit' ? precisionOf(type) : null,
    isNumber(type) && type.name !== 'bit' && !['float', 'real'].includes(type.name) ? asDecimal(type).scale : null,
    isTemporal(type) ? (type.scale ?? (type.name === 'datetime' ? 3 : 0)) : null,
    isCharacter ? (column.collation ?? defaultCollation) : null,
  ];
}

/** The views by schema and name, in lower case. */
export const catalogueViews: Readonly<Record<string, CatalogueView>> = {
  'sys.databases': {
    columns: [
      ['name', sysname],
      ['database_id', int],
      ['create_date', datetime],
      ['compatibility_level', tinyint],
      ['collation_name', sysname],
      ['user_access', tinyint],
      ['user_access_desc', nvarchar(60)],
      ['state', tinyint],
      ['state_desc', nvarchar(60)],
      ['is_read_only', bit],
      ['snapshot_isolation_state', tinyint],
      ['is_read_committed_snapshot_on', bit],
      ['recovery_model_desc', nvarchar(60)],
    ],
    rows: (_, runtime) =>
      [...runtime.catalogue.values()].map((database) => [
        database.name,
        database.id,
        ticks(database.createdAt),
        database.compatibilityLevel,
        defaultCollation,
        0,
        'MULTI_USER',
        0,
        'ONLINE',
        bitOf(database.readOnly),
        0,
        bitOf(database.readCommittedSnapshot),
        'SIMPLE',
      ]),
  },
  'sys.schemas': {
    columns: [
      ['name', sysname],
      ['schema_id', int],
      ['principal_id', int],
    ],
    rows: (database) => database.schemas.map((schema) => [schema.name, schema.id, 1]),
  },
  'sys.objects': {
    columns: objectColumns,
    rows: (database) =>
      [...database.objects.values()].flatMap((object) => [
        objectRow(database, object),
        ...(object.kind === 'table'
          ? constraintsOf(object).map(
              (constraint): Row => [
                constraint.name,
                constraint.id,
                schemaId(database, object),
                object.id,
                constraint.type.padEnd(2),
                constraint.description,
                ticks(object.createdAt),
                ticks(object.createdAt),
                0,
              ],
            )
          : []),
      ]),
  },
  'sys.tables': {
    columns: objectColumns,
    rows: (database) => tablesOf(database).map((table) => objectRow(database, table)),
  },
  'sys.views': {
    columns: objectColumns,
    rows: (database) =>
      [...database.objects.values()]
        .filter((object) => object.kind === 'view')
        .map((view) => objectRow(database, view)),
  },
  'sys.columns': {
    columns: [
      ['object_id', int],
      ['name', sysname],
      ['column_id', int],
      ['system_type_id', tinyint],
      ['user_type_id', int],
      ['max_length', smallint],
      ['precision', tinyint],
      ['scale', tinyint],
      ['collation_name', sysname],
      ['is_nullable', bit],
      ['is_identity', bit],
      ['is_computed', bit],
      ['default_object_id', int],
    ],
    rows: (database) => tablesOf(database).flatMap((table) => table.columns.map((column) => columnRow(table, column))),
  },
  'sys.types': {
    columns: [
      ['name', sysname],
      ['system_type_id', tinyint],
      ['user_type_id', int],
      ['schema_id', int],
      ['max_length', smallint],
      ['precision', tinyint],
      ['scale', tinyint],
      ['is_user_defined', bit],
    ],
    rows: () => [
      ...systemTypes.map(
        (type): Row => [type.name, type.systemId, type.id, 4, type.length, type.precision, type.scale, 0],
      ),
      ['sysname', 231, 256, 4, 256, 0, 0, 0],
    ],
  },
  'sys.indexes': {
    columns: [
      ['object_id', int],
      ['name', sysname],
      ['index_id', int],
      ['type', tinyint],
      ['type_desc', nvarchar(60)],
      ['is_unique', bit],
      ['is_primary_key', bit],
      ['is_unique_constraint', bit],
      ['is_disabled', bit],
      ['has_filter', bit],
      ['filter_definition', types.nvarcharMax],
    ],
    rows: (database) => tablesOf(database).flatMap(indexRows),
  },
  'sys.index_columns': {
    columns: [
      ['object_id', int],
      ['index_id', int],
      ['index_column_id', int],
      ['column_id', int],
      ['key_ordinal', tinyint],
      ['is_descending_key', bit],
      ['is_included_column', bit],
    ],
    rows: (database) => tablesOf(database).flatMap(indexColumnRows),
  },
  'sys.key_constraints': {
    columns: [
      ['name', sysname],
      ['object_id', int],
      ['schema_id', int],
      ['parent_object_id', int],
      ['type', { name: 'char', length: 2 }],
      ['type_desc', nvarchar(60)],
      ['unique_index_id', int],
    ],
    rows: (database) =>
      tablesOf(database).flatMap((table) =>
        constraintsOf(table)
          .filter((constraint) => constraint.type === 'PK' || constraint.type === 'UQ')
          .map(
            (constraint): Row => [
              constraint.name,
              constraint.id,
              schemaId(database, table),
              table.id,
              constraint.type,
              constraint.description,
              table.indexes.find((index) => index.constraintId === constraint.id)?.id ?? null,
            ],
          ),
      ),
  },
  'sys.default_constraints': {
    columns: [
      ['name', sysname],
      ['object_id', int],
      ['schema_id', int],
      ['parent_object_id', int],
      ['parent_column_id', int],
      ['definition', types.nvarcharMax],
    ],
    rows: (database) =>
      tablesOf(database).flatMap((table) =>
        table.columns.flatMap((column): Row[] =>
          column.default === undefined
            ? []
            : [
                [
                  column.default.name,
                  column.default.id,
                  schemaId(database, table),
                  table.id,
                  column.id,
                  column.default.text,
                ],
              ],
        ),
      ),
  },
  'sys.identity_columns': {
    columns: [
      ['object_id', int],
      ['name', sysname],
      ['column_id', int],
      ['seed_value', bigint],
      ['increment_value', bigint],
    ],
    rows: (database) =>
      tablesOf(database).flatMap((table) =>
        table.columns.flatMap((column): Row[] =>
          column.identity === undefined
            ? []
            : [[table.id, column.name, column.id, Number(column.identity.seed), Number(column.identity.increment)]],
        ),
      ),
  },
  'sys.database_files': {
    columns: [
      ['file_id', int],
      ['type', tinyint],
      ['type_desc', nvarchar(60)],
      ['name', sysname],
      ['size', int],
      ['max_size', int],
      ['growth', int],
    ],
    rows: (database) => [
      [1, 0, 'ROWS', database.name, 1024, -1, 8192],
      [2, 1, 'LOG', `${database.name}_log`, 1024, 268_435_456, 8192],
    ],
  },
  'sys.partitions': {
    columns: [
      ['partition_id', bigint],
      ['object_id', int],
      ['index_id', int],
      ['partition_number', int],
      ['rows', bigint],
    ],
    rows: (database, runtime) =>
      tablesOf(database).flatMap((table) =>
        indexRows(table).map(
          (index): Row => [table.id * 1000 + Number(index[2]), table.id, index[2] as number, 1, runtime.rowsIn(table)],
        ),
      ),
  },
  'information_schema.tables': {
    columns: [
      ['TABLE_CATALOG', sysname],
      ['TABLE_SCHEMA', sysname],
      ['TABLE_NAME', sysname],
      ['TABLE_TYPE', varchar(10)],
    ],
    rows: (database) =>
      [...database.objects.values()].map((object) => [
        database.name,
        object.schema,
        object.name,
        object.kind === 'table' ? 'BASE TABLE' : 'VIEW',
      ]),
  },
  'information_schema.columns': {
    columns: [
      ['TABLE_CATALOG', sysname],
      ['TABLE_SCHEMA', sysname],
      ['TABLE_NAME', sysname],
      ['COLUMN_NAME', sysname],
      ['ORDINAL_POSITION', int],
      ['COLUMN_DEFAULT', nvarchar(4000)],
      ['IS_NULLABLE', varchar(3)],
      ['DATA_TYPE', sysname],
      ['CHARACTER_MAXIMUM_LENGTH', int],
      ['CHARACTER_OCTET_LENGTH', int],
      ['NUMERIC_PRECISION', tinyint],
      ['NUMERIC_SCALE', int],
      ['DATETIME_PRECISION', smallint],
      ['COLLATION_NAME', sysname],
    ],
    rows: (database) =>
      tablesOf(database).flatMap((table) => table.columns.map((column) => informationColumn(database, table, column))),
  },
  'information_schema.schemata': {
    columns: [
      ['CATALOG_NAME', sysname],
      ['SCHEMA_NAME', sysname],
      ['SCHEMA_OWNER', sysname],
    ],
    rows: (database) => database.schemas.map((schema) => [database.name, schema.name, 'dbo']),
  },
};

/** The rows of a view as the JSON text that a query's json_each reads. */
export function catalogueRows(view: string, databaseName: string, runtime: Runtime): string {
  const database = findDatabase(runtime.catalogue, databaseName);
  if (database === undefined) return '[]';
  // Who has no permission on an object does not see it here.
  const seen = [...database.objects].filter(([, object]) => runtime.isAllowed(object));
  return JSON.stringify(catalogueViews[view]?.rows({ ...database, objects: new Map(seen) }, runtime));
}
