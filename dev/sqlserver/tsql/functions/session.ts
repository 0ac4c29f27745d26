/** Functions and @@variables that ask the session, the server or the catalogue. */
import type { SqlType } from '../../engine.ts';
import type { Runtime } from '../bind/runtime.ts';
import { findColumn, findDatabase, findObjectById, sameName, type Table, type View } from '../catalogue/objects.ts';
import type { Permission } from '../catalogue/permissions.ts';
import { unsupported } from '../errors.ts';
import { displayLength, isText, nvarchar, storageLength, types, varbinary } from '../types.ts';
import { defaultCollation } from '../values/collation.ts';
import type { Stored } from '../values/stored.ts';
import { type Entry, ofSession } from './builtin.ts';

/** What SERVERPROPERTY('ProductVersion') and @@VERSION say. */
const productVersion = '15.0.4298.1';

const versionText = `Microsoft SQL Server 2019 (stand-in for development and tests, not Microsoft's) - ${productVersion} (X64)`;

/** The @@variables by name. */
export const systemVariables: ReadonlyMap<
  string,
  { readonly type: SqlType; readonly nullable?: boolean; readonly read: (runtime: Runtime) => Stored }
> = new Map([
  ['@@ROWCOUNT', { type: types.int, read: (runtime: Runtime) => runtime.rowCount }],
  ['@@ERROR', { type: types.int, read: (runtime: Runtime) => BigInt(runtime.lastError) }],
  ['@@TRANCOUNT', { type: types.int, read: (runtime: Runtime) => BigInt(runtime.transactionCount) }],
  ['@@SPID', { type: types.smallint, read: (runtime: Runtime) => BigInt(runtime.sessionId) }],
  [
    '@@IDENTITY',
    {
      type: { name: 'numeric', precision: 38, scale: 0 },
      nullable: true,
      read: (runtime: Runtime) => numericIdentity(runtime.lastIdentity),
    },
  ],
  ['@@VERSION', { type: nvarchar(300), read: () => versionText }],
  ['@@SERVERNAME', { type: nvarchar(128), read: () => 'STAND-IN' }],
  ['@@SERVICENAME', { type: nvarchar(128), read: () => 'MSSQLSERVER' }],
  ['@@LANGUAGE', { type: nvarchar(128), read: () => 'us_english' }],
  ['@@DATEFIRST', { type: types.tinyint, read: (runtime: Runtime) => BigInt(runtime.dateFirst) }],
  ['@@LOCK_TIMEOUT', { type: types.int, read: (runtime: Runtime) => BigInt(runtime.lockTimeout) }],
  ['@@TEXTSIZE', { type: types.int, read: (runtime: Runtime) => BigInt(runtime.textSize) }],
  ['@@NESTLEVEL', { type: types.int, read: (runtime: Runtime) => BigInt(runtime.nestingLevel) }],
  ['@@MAX_PRECISION', { type: types.tinyint, read: () => 38n }],
  ['@@MICROSOFTVERSION', { type: types.int, read: () => 0x0f0010can }],
  ['@@OPTIONS', { type: types.int, read: () => 5496n }],
  ['@@DBTS', { type: varbinary(8), read: (runtime: Runtime) => rowversionBytes(runtime.lastRowversion()) }],
]);

/** A rowversion as its eight bytes. */
export function rowversionBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

function numericIdentity(value: bigint | null): Stored {
  if (value === null) return null;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  const biased = value + (1n << 127n);
  view.setBigUint64(0, biased >> 64n);
  view.setBigUint64(8, BigInt.asUintN(64, biased));
  return bytes;
}

const name = types.sysname;
const number = { name: 'numeric', precision: 38, scale: 0 } as const;

/** Parts of a name as OBJECT_ID and its relatives take it: with brackets or without. */
function nameParts(text: string): string[] {
  const parts: string[] = [];
  const pattern = /\s*(?:\[((?:[^\]]|\]\])*)\]|"([^"]*)"|([^.[\]"]*))\s*(\.|$)/gy;
  for (;;) {
    const match = pattern.exec(text);
    if (match === null) return [];
    parts.push(match[1]?.replaceAll(']]', ']') ?? match[2] ?? (match[3] as string).trim());
    if (match[4] === '') return parts;
  }
}

function objectType(object: Table | View): string {
  return object.kind === 'table' ? 'U' : 'V';
}

function find(runtime: Runtime, text: string): Table | View | undefined {
  const parts = nameParts(text);
  if (parts.length === 0 || parts.length > 3) return undefined;
  try {
    const object = runtime.object(parts);
    // What one has no permission on is not there: https://learn.microsoft.com/sql/relational-databases/security/metadata-visibility-configuration
    return object !== undefined && runtime.isAllowed(object) ? object : undefined;
  } catch {
    return undefined;
  }
}

/** OBJECT_ID also finds constraints. */
function objectId(runtime: Runtime, text: string | null, kind: string | null): Stored {
  if (text === null) return null;
  const wanted = kind?.trim().toUpperCase();
  const object = find(runtime, text);
  if (object !== undefined) return wanted === undefined || wanted === objectType(object) ? BigInt(object.id) : null;
  const last = nameParts(text).at(-1);
  const database = findDatabase(runtime.catalogue, runtime.database);
  for (const candidate of database?.objects.values() ?? []) {
    if (candidate.kind !== 'table' || last === undefined) continue;
    for (const constraint of constraintsOf(candidate)) {
      if (sameName(constraint.name, last) && (wanted === undefined || wanted === constraint.type))
        return BigInt(constraint.id);
    }
  }
  return null;
}

/** The constraints of a table with the type that sys.objects gives them. */
export function constraintsOf(table: Table): { id: number; name: string; type: string; description: string }[] {
  const keys = table.indexes.flatMap((index) =>
    index.constraintId === undefined
      ? []
      : [
          {
            id: index.constraintId,
            name: index.name,
            ...(index.kind === 'primary'
              ? { type: 'PK', description: 'PRIMARY_KEY_CONSTRAINT' }
              : { type: 'UQ', description: 'UNIQUE_CONSTRAINT' }),
          },
        ],
  );
  const checks = table.checks.map(({ id, name: checkName }) => ({
    id,
    name: checkName,
    type: 'C',
    description: 'CHECK_CONSTRAINT',
  }));
  const foreign = table.foreignKeys.map(({ id, name: keyName }) => ({
    id,
    name: keyName,
    type: 'F',
    description: 'FOREIGN_KEY_CONSTRAINT',
  }));
  const defaults = table.columns.flatMap((column) =>
    column.default === undefined
      ? []
      : [{ id: column.default.id, name: column.default.name, type: 'D', description: 'DEFAULT_CONSTRAINT' }],
  );
  return [...keys, ...checks, ...foreign, ...defaults];
}

const serverProperties: Readonly<Record<string, string | bigint>> = {
  productversion: productVersion,
  productlevel: 'RTM',
  edition: 'Developer Edition (64-bit)',
  engineedition: 3n,
  servername: 'STAND-IN',
  machinename: 'STAND-IN',
  instancename: '',
  collation: defaultCollation,
  isclustered: 0n,
  isintegratedsecurityonly: 0n,
  productmajorversion: '15',
  productminorversion: '0',
  productbuild: '4298',
  ishadrenabled: 0n,
  resourceversion: productVersion,
  productupdatelevel: 'CU22',
};

function databaseProperty(runtime: Runtime, databaseName: string | null, property: string | null): Stored {
  const database = databaseName === null ? undefined : findDatabase(runtime.catalogue, databaseName);
  if (database === undefined || property === null) return null;
  const values: Record<string, string> = {
    collation: defaultCollation,
    status: 'ONLINE',
    updateability: database.readOnly ? 'READ_ONLY' : 'READ_WRITE',
    useraccess: 'MULTI_USER',
    recovery: 'SIMPLE',
  };
  return values[property.toLowerCase()] ?? null;
}

function columnProperty(
  runtime: Runtime,
  id: bigint | null,
  columnName: string | null,
  property: string | null,
): Stored {
  const object = id === null ? undefined : findObjectById(runtime.catalogue, Number(id));
  if (object?.kind !== 'table' || columnName === null || property === null) return null;
  const column = findColumn(object, columnName);
  if (column === undefined) return null;
  switch (property.toLowerCase()) {
    case 'allowsnull':
      return column.nullable ? 1n : 0n;
    case 'isidentity':
      return column.identity === undefined ? 0n : 1n;
    case 'iscomputed':
      return column.computed === undefined ? 0n : 1n;
    case 'columnid':
      return BigInt(column.id);
    case 'precision': {
      const { type } = column;
      const shown = type.precision ?? (isText(type) ? (type.length === 'max' ? -1 : type.length) : displayLength(type));
      return BigInt(shown === 'max' || shown === undefined ? -1 : shown);
    }
    case 'scale':
      return column.type.scale === undefined ? null : BigInt(column.type.scale);
    default:
      return null;
  }
}

function columnLength(runtime: Runtime, table: string | null, columnName: string | null): Stored {
  const object = table === null ? undefined : find(runtime, table);
  if (object?.kind !== 'table' || columnName === null) return null;
  const column = findColumn(object, columnName);
  return column === undefined ? null : BigInt(storageLength(column.type));
}

function schemaOf(runtime: Runtime, id: bigint | null): Stored {
  if (id === null) return 'dbo';
  const database = findDatabase(runtime.catalogue, runtime.database);
  return database?.schemas.find((schema) => schema.id === Number(id))?.name ?? null;
}

function permission(
  runtime: Runtime,
  securable: string | null,
  securableClass: string | null,
  wanted: string | null,
): Stored {
  if (securable === null || securableClass === null) return 1n;
  if (/^database$/i.test(securableClass))
    return findDatabase(runtime.catalogue, nameParts(securable)[0] ?? '') === undefined ? null : 1n;
  if (/^object$/i.test(securableClass)) {
    const object = find(runtime, securable);
    if (object === undefined) return null;
    const named = PERMISSIONS.find((known) => known === wanted?.toUpperCase());
    return (named === undefined ? runtime.isAdministrator : runtime.isAllowed(object, named)) ? 1n : 0n;
  }
  if (/^schema$/i.test(securableClass)) {
    const database = findDatabase(runtime.catalogue, runtime.database);
    return database?.schemas.some((schema) => sameName(schema.name, nameParts(securable)[0] ?? '')) ? 1n : null;
  }
  throw unsupported(`HAS_PERMS_BY_NAME class ${securableClass}`);
}

function identity(runtime: Runtime, table: string | null): Stored {
  const object = table === null ? undefined : find(runtime, table);
  if (object?.kind !== 'table') return null;
  const column = object.columns.find((candidate) => candidate.identity !== undefined);
  return column === undefined ? null : numericIdentity(runtime.identityOf(object) ?? column.identity?.seed ?? null);
}

const PERMISSIONS: readonly Permission[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

function principalId(runtime: Runtime, userName: string | null): Stored {
  const users = findDatabase(runtime.catalogue, runtime.database)?.users;
  const user = users?.find((candidate) => userName !== null && sameName(candidate.name, userName));
  return user === undefined ? null : BigInt(user.id);
}

const login = (runtime: Runtime): Stored => runtime.loginName;

/** The functions that ask the session. */
export const sessionFunctions: readonly Entry[] = [
  ofSession('OBJECT_ID', [nvarchar(4000), nvarchar(10)], types.int, objectId, 1),
  ofSession(
    'OBJECT_NAME',
    [types.int, types.int],
    name,
    (runtime, id: bigint | null) =>
      id === null ? null : (findObjectById(runtime.catalogue, Number(id))?.name ?? null),
    1,
  ),
  ofSession(
    'OBJECT_SCHEMA_NAME',
    [types.int, types.int],
    name,
    (runtime, id: bigint | null) =>
      id === null ? null : (findObjectById(runtime.catalogue, Number(id))?.schema ?? null),
    1,
  ),
  ofSession('SCHEMA_NAME', [types.int], name, (runtime, id?: bigint | null) => schemaOf(runtime, id ?? null), 0),
  ofSession(
    'SCHEMA_ID',
    [name],
    types.int,
    (runtime, schema?: string | null) => {
      const database = findDatabase(runtime.catalogue, runtime.database);
      const found = database?.schemas.find((candidate) => sameName(candidate.name, schema ?? 'dbo'));
      return found === undefined ? null : BigInt(found.id);
    },
    0,
  ),
  ofSession(
    'DB_ID',
    [name],
    types.smallint,
    (runtime, database?: string | null) => {
      const found = findDatabase(runtime.catalogue, database ?? runtime.database);
      return found === undefined || database === null ? null : BigInt(found.id);
    },
    0,
  ),
  ofSession(
    'DB_NAME',
    [types.int],
    name,
    (runtime, id?: bigint | null) => {
      if (id === undefined || id === 0n) return runtime.database;
      return [...runtime.catalogue.values()].find((database) => BigInt(database.id) === id)?.name ?? null;
    },
    0,
  ),
  ofSession('ORIGINAL_DB_NAME', [], name, (runtime) => runtime.database),
  ofSession(
    'HAS_PERMS_BY_NAME',
    [nvarchar(4000), nvarchar(60), nvarchar(128), nvarchar(128), nvarchar(60)],
    types.int,
    permission,
    3,
  ),
  ofSession('HAS_DBACCESS', [name], types.int, (runtime, database: string | null) =>
    database !== null && findDatabase(runtime.catalogue, database) !== undefined ? 1n : null,
  ),
  ofSession('IS_SRVROLEMEMBER', [name, name], types.int, (runtime) => (runtime.isAdministrator ? 1n : 0n), 1),
  ofSession('IS_MEMBER', [name], types.int, (runtime) => (runtime.isAdministrator ? 1n : 0n)),
  ofSession('SERVERPROPERTY', [nvarchar(128)], nvarchar(128), (_, property: string | null) => {
    const value = property === null ? undefined : serverProperties[property.toLowerCase()];
    return value === undefined ? null : String(value);
  }),
  ofSession('DATABASEPROPERTYEX', [name, nvarchar(128)], nvarchar(128), databaseProperty),
  ofSession('FILEPROPERTY', [name, nvarchar(128)], types.int, (_, file: string | null, property: string | null) =>
    file !== null && property?.toLowerCase() === 'spaceused' ? 256n : null,
  ),
  ofSession('COLUMNPROPERTY', [types.int, name, nvarchar(128)], types.int, columnProperty),
  ofSession('COL_LENGTH', [nvarchar(4000), name], types.smallint, columnLength),
  ofSession('COL_NAME', [types.int, types.int], name, (runtime, id: bigint | null, column: bigint | null) => {
    const object = id === null ? undefined : findObjectById(runtime.catalogue, Number(id));
    return object?.kind === 'table'
      ? (object.columns.find((candidate) => BigInt(candidate.id) === column)?.name ?? null)
      : null;
  }),
  ofSession(
    'OBJECTPROPERTY',
    [types.int, nvarchar(128)],
    types.int,
    (runtime, id: bigint | null, property: string | null) => {
      const object = id === null ? undefined : findObjectById(runtime.catalogue, Number(id));
      if (object === undefined || property === null) return null;
      const values: Record<string, boolean> = {
        istable: object.kind === 'table',
        isusertable: object.kind === 'table',
        isview: object.kind === 'view',
        ismsshipped: false,
        tablehasidentity: object.kind === 'table' && object.columns.some((column) => column.identity !== undefined),
        tablehasprimarykey: object.kind === 'table' && object.indexes.some((index) => index.kind === 'primary'),
      };
      const value = values[property.toLowerCase()];
      return value === undefined ? null : value ? 1n : 0n;
    },
  ),
  ofSession('TYPE_NAME', [types.int], name, (_, id: bigint | null) =>
    id === null ? null : (systemTypes.find((type) => BigInt(type.id) === id)?.name ?? null),
  ),
  ofSession('IDENT_CURRENT', [nvarchar(4000)], number, identity),
  ofSession('SCOPE_IDENTITY', [], number, (runtime) => numericIdentity(runtime.scopeIdentity)),
  ofSession('SUSER_SNAME', [varbinary(85)], name, login, 0),
  ofSession('DATABASE_PRINCIPAL_ID', [name], types.int, principalId),
  ofSession('SUSER_NAME', [types.int], name, login, 0),
  ofSession('ORIGINAL_LOGIN', [], name, login),
  ofSession('SYSTEM_USER', [], name, login),
  ofSession('USER_NAME', [types.int], name, () => 'dbo', 0),
  ofSession('USER', [], name, () => 'dbo'),
  ofSession('CURRENT_USER', [], name, () => 'dbo'),
  ofSession('SESSION_USER', [], name, () => 'dbo'),
  ofSession('HOST_NAME', [], name, (runtime) => runtime.hostName),
  ofSession('APP_NAME', [], name, (runtime) => runtime.appName),
  ofSession('ERROR_NUMBER', [], types.int, (runtime) =>
    runtime.caught === undefined ? null : BigInt(runtime.caught.number),
  ),
  ofSession('ERROR_MESSAGE', [], nvarchar(4000), (runtime) => runtime.caught?.message ?? null),
  ofSession('ERROR_SEVERITY', [], types.int, (runtime) =>
    runtime.caught === undefined ? null : BigInt(runtime.caught.severity),
  ),
  ofSession('ERROR_STATE', [], types.int, (runtime) =>
    runtime.caught === undefined ? null : BigInt(runtime.caught.state),
  ),
  ofSession('ERROR_LINE', [], types.int, (runtime) =>
    runtime.caught === undefined ? null : BigInt(runtime.caught.line),
  ),
  ofSession('ERROR_PROCEDURE', [], name, (runtime) => runtime.caught?.procedure ?? null),
  ofSession('XACT_STATE', [], types.smallint, (runtime) => BigInt(runtime.transactionState)),
  ofSession('ROWCOUNT_BIG', [], types.bigint, (runtime) => runtime.rowCount),
  ofSession('MIN_ACTIVE_ROWVERSION', [], varbinary(8), (runtime) => rowversionBytes(runtime.minActiveRowversion())),
  ofSession(
    'APPLOCK_MODE',
    [name, nvarchar(255), nvarchar(32)],
    nvarchar(32),
    (runtime, _: string | null, resource: string | null, owner: string | null) =>
      runtime.appLockMode(resource ?? '', owner ?? ''),
  ),
  ofSession(
    'APPLOCK_TEST',
    [name, nvarchar(255), nvarchar(32), nvarchar(32)],
    types.smallint,
    (runtime, _: string | null, resource: string | null, mode: string | null, owner: string | null) =>
      runtime.appLockTest(resource ?? '', mode ?? '', owner ?? '') ? 1n : 0n,
  ),
  ofSession('PARSENAME', [nvarchar(4000), types.int], name, (_, text: string | null, piece: bigint | null) => {
    if (text === null || piece === null) return null;
    return nameParts(text).reverse()[Number(piece) - 1] || null;
  }),
];

/** The rows of sys.types: user_type_id, name, max_length, precision, scale. */
export const systemTypes: readonly {
  readonly id: number;
  readonly systemId: number;
  readonly name: string;
  readonly length: number;
  readonly precision: number;
  readonly scale: number;
}[] = [
  ['image', 34, 16, 0, 0],
  ['text', 35, 16, 0, 0],
  ['uniqueidentifier', 36, 16, 0, 0],
  ['date', 40, 3, 10, 0],
  ['time', 41, 5, 16, 7],
  ['datetime2', 42, 8, 27, 7],
  ['datetimeoffset', 43, 10, 34, 7],
  ['tinyint', 48, 1, 3, 0],
  ['smallint', 52, 2, 5, 0],
  ['int', 56, 4, 10, 0],
  ['smalldatetime', 58, 4, 16, 0],
  ['real', 59, 4, 24, 0],
  ['money', 60, 8, 19, 4],
  ['datetime', 61, 8, 23, 3],
  ['float', 62, 8, 53, 0],
  ['ntext', 99, 16, 0, 0],
  ['bit', 104, 1, 1, 0],
  ['decimal', 106, 17, 38, 38],
  ['numeric', 108, 17, 38, 38],
  ['smallmoney', 122, 4, 10, 4],
  ['bigint', 127, 8, 19, 0],
  ['varbinary', 165, 8000, 0, 0],
  ['varchar', 167, 8000, 0, 0],
  ['binary', 173, 8000, 0, 0],
  ['char', 175, 8000, 0, 0],
  ['timestamp', 189, 8, 0, 0],
  ['nvarchar', 231, 8000, 0, 0],
  ['nchar', 239, 8000, 0, 0],
  ['xml', 241, -1, 0, 0],
].map(([typeName, id, length, precision, scale]) => ({
  name: typeName as string,
  id: id as number,
  systemId: id as number,
  length: length as number,
  precision: precision as number,
  scale: scale as number,
}));
