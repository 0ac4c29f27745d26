/** CREATE, ALTER and DROP of databases, schemas and views. Each only within a write. */
import type { ObjectName, Statement } from '../ast.ts';
import { QueryBinder } from '../bind/query.ts';
import { Compilation } from '../bind/scope.ts';
import {
  type Database,
  emptyDatabase,
  findDatabase,
  findObject,
  sameName,
  storageName,
  type View,
  withDatabase,
  withObject,
  withoutDatabase,
  withoutObject,
} from '../catalogue/objects.ts';
import { message, sqlError, unsupported } from '../errors.ts';
import { creationTime } from '../values/datetime.ts';
import type { SessionCore } from './core.ts';

const systemDatabases = ['master', 'tempdb'];

/** CREATE DATABASE. Throws 226 within a transaction, 1801. */
export function createDatabase(core: SessionCore, name: string): void {
  if (core.transactionCount > 0)
    throw message(226, 16, 6, 'CREATE DATABASE statement not allowed within multi-statement transaction.');
  if (findDatabase(core.catalogue, name) !== undefined) throw sqlError(1801, name);
  const database = emptyDatabase(core.server.nextDatabaseId(), name, creationTime());
  core.changeCatalogue(withDatabase(core.catalogue, database), [name]);
}

/** DROP DATABASE. Throws 226 within a transaction, 3701, 3702 while a session uses it. */
export function dropDatabase(core: SessionCore, name: string, ifExists: boolean): void {
  if (core.transactionCount > 0)
    throw message(226, 16, 6, 'DROP DATABASE statement not allowed within multi-statement transaction.');
  const database = findDatabase(core.catalogue, name);
  if (database === undefined) {
    if (ifExists) return;
    throw sqlError(3701, 'drop', 'database', name);
  }
  if (systemDatabases.some((system) => sameName(system, name)))
    throw message(3708, 16, 1, `Cannot drop the database '${name}' because it is a system database.`);
  const isUsed = [...core.server.sessions].some((session) => sameName(session.database, name));
  if (isUsed) throw sqlError(3702, name);
  for (const object of database.objects.values())
    if (object.kind === 'table') core.connection.exec(`DROP TABLE ${storageName(object)}`);
  core.changeCatalogue(withoutDatabase(core.catalogue, name), [name]);
}

/**
 * SINGLE_USER, READ_ONLY and READ_WRITE WITH ROLLBACK IMMEDIATE move other sessions out; the options that are not known here
 * are kept or change nothing.
 */
export function alterDatabase(core: SessionCore, name: string | undefined, option: string): void {
  const database = core.databaseOf(name ?? core.database);
  const exclusive = /^(SINGLE_USER|READ_ONLY|READ_WRITE)\b/.exec(option)?.[1];
  if (exclusive !== undefined) {
    moveOthersOut(core, database, option.endsWith('ROLLBACK'));
    if (exclusive !== 'SINGLE_USER') core.replaceDatabase({ ...database, readOnly: exclusive === 'READ_ONLY' });
    return;
  }
  const level = /^COMPATIBILITY_LEVEL (\d+)/.exec(option)?.[1];
  if (level !== undefined) core.replaceDatabase({ ...database, compatibilityLevel: Number(level) });
  if (option.startsWith('READ_COMMITTED_SNAPSHOT')) {
    // Reads are by row versions in any case; OFF would promise what the stand-in can't keep.
    if (option.includes('OFF')) throw unsupported('READ_COMMITTED_SNAPSHOT OFF');
    core.replaceDatabase({ ...database, readCommittedSnapshot: true });
  }
}

/** Throws 5061 where other sessions are in the database and must not be closed. */
function moveOthersOut(core: SessionCore, database: Database, closeThem: boolean): void {
  for (const session of [...core.server.sessions]) {
    if (session.id === core.sessionId || !sameName(session.database, database.name)) continue;
    if (!closeThem)
      throw message(
        5061,
        16,
        1,
        `ALTER DATABASE failed because a lock could not be placed on database '${database.name}'. Try again later.`,
      );
    session.close();
  }
}

/** CREATE SCHEMA. Throws 2714. */
export function createSchema(core: SessionCore, name: string): void {
  const database = core.databaseOf(core.database);
  if (database.schemas.some((schema) => sameName(schema.name, name))) throw sqlError(2714, name);
  const id = Math.max(4, ...database.schemas.map((schema) => schema.id)) + 1;
  core.replaceDatabase({ ...database, schemas: [...database.schemas, { id, name }] });
}

/** DROP SCHEMA. Throws 15151, 3729. */
export function dropSchema(core: SessionCore, name: string, ifExists: boolean): void {
  const database = core.databaseOf(core.database);
  const schema = database.schemas.find((candidate) => sameName(candidate.name, name));
  if (schema === undefined) {
    if (ifExists) return;
    throw sqlError(15151, 'schema', name);
  }
  const inside = [...database.objects.values()].find((object) => sameName(object.schema, name));
  if (inside !== undefined) throw sqlError(3729, name, inside.name);
  core.replaceDatabase({ ...database, schemas: database.schemas.filter((candidate) => candidate !== schema) });
}

/** CREATE VIEW, ALTER VIEW, CREATE OR ALTER VIEW. The query is bound once, so that an invalid one is refused. */
export function createView(core: SessionCore, statement: Extract<Statement, { kind: 'createView' }>): void {
  const database = viewDatabase(core, statement.name);
  const [name, schemaName = 'dbo'] = [...statement.name.parts].reverse() as [string, string | undefined];
  const schema = database.schemas.find((candidate) => sameName(candidate.name, schemaName === '' ? 'dbo' : schemaName));
  if (schema === undefined) throw sqlError(2760, schemaName);
  const existing = findObject(database, schema.name, name);
  if (existing !== undefined && (!statement.alter || existing.kind !== 'view')) throw sqlError(2714, name);
  const bound = new QueryBinder(new Compilation(core)).subquery(statement.query, undefined, false);
  if (statement.columns !== undefined && statement.columns.length !== bound.columns.length) throw sqlError(8158, name);
  if (statement.columns === undefined) {
    bound.columns.forEach((column, index) => {
      if (column.name === '')
        throw message(
          4511,
          16,
          1,
          `Create View or Function failed because no column name was specified for column ${index + 1}.`,
        );
    });
  }
  const view: View = {
    kind: 'view',
    id: existing?.id ?? core.server.nextObjectId(),
    database: database.name,
    schema: schema.name,
    name,
    columns: statement.columns,
    text: statement.text,
    createdAt: creationTime(),
  };
  core.changeCatalogue(withObject(core.catalogue, view), [database.name]);
}

function viewDatabase(core: SessionCore, name: ObjectName): Database {
  if (name.parts.length > 2)
    throw message(
      166,
      15,
      1,
      "'CREATE/ALTER VIEW' does not allow specifying the database name as a prefix to the object name.",
    );
  return core.databaseOf(core.database);
}

/** DROP VIEW. Throws 3701. */
export function dropView(core: SessionCore, name: ObjectName, ifExists: boolean): void {
  const view = core.object(name.parts);
  if (view?.kind !== 'view') {
    if (ifExists && view === undefined) return;
    throw sqlError(3701, 'drop', 'view', name.parts.join('.'));
  }
  core.changeCatalogue(withoutObject(core.catalogue, view), [view.database]);
}
