/** Looks at what tables a database has: their columns and unique keys, as far as the login may see them. */
import type { ConnectionSettings } from '../sync/connection.ts';
import type { TableFacts } from '../sync/table-facts.ts';
import { connect } from './connect.ts';
import { quoteName } from './names.ts';
import { statementError } from './statement-error.ts';

/** https://learn.microsoft.com/sql/relational-databases/system-catalog-views/sys-objects-transact-sql */
const KINDS: Readonly<Record<string, TableFacts['kind']>> = { U: 'table', V: 'view', SN: 'synonym' };

const COLUMNS = `SELECT objects.object_id, schemas.name, objects.name, objects.type, columns.name, columns.is_nullable
FROM sys.objects AS objects
JOIN sys.schemas AS schemas ON schemas.schema_id = objects.schema_id
LEFT JOIN sys.columns AS columns ON columns.object_id = objects.object_id
WHERE objects.type IN ('U', 'V', 'SN') AND objects.is_ms_shipped = 0
ORDER BY schemas.name, objects.name, columns.column_id`;

const KEYS = `SELECT indexes.object_id, indexes.index_id, columns.name
FROM sys.indexes AS indexes
JOIN sys.index_columns AS members ON members.object_id = indexes.object_id AND members.index_id = indexes.index_id
JOIN sys.columns AS columns ON columns.object_id = members.object_id AND columns.column_id = members.column_id
WHERE indexes.is_unique = 1 AND indexes.has_filter = 0 AND members.is_included_column = 0
ORDER BY indexes.object_id, CASE indexes.is_primary_key WHEN 1 THEN 0 ELSE 1 END, indexes.index_id, members.key_ordinal`;

interface Found {
  readonly name: string;
  readonly kind: TableFacts['kind'];
  readonly columns: string[];
  readonly nullable: Set<string>;
  /** By index_id. */
  readonly keys: Map<number, string[]>;
}

/**
 * The database's tables, views and synonyms by name. Throws SyncError SOURCE_UNAVAILABLE or SOURCE_REFUSED. Tries once.
 */
export async function inspectDatabase(settings: ConnectionSettings): Promise<readonly TableFacts[]> {
  const session = await connect(settings, 'SOURCE');
  try {
    const found = new Map<number, Found>();
    for (const row of (await session.query(COLUMNS)).rows) {
      const [id, schema, name, type, column, isNullable] = row as [number, string, string, string, string?, boolean?];
      const table = found.get(id) ?? {
        name: `${shownPart(schema)}.${shownPart(name)}`,
        kind: KINDS[type.trim()] ?? 'table',
        columns: [],
        nullable: new Set<string>(),
        keys: new Map<number, string[]>(),
      };
      found.set(id, table);
      if (column != null) table.columns.push(column);
      if (column != null && isNullable) table.nullable.add(column);
    }
    for (const row of (await session.query(KEYS)).rows) {
      const [id, index, column] = row as [number, number, string];
      const keys = found.get(id)?.keys;
      if (keys !== undefined) keys.set(index, [...(keys.get(index) ?? []), column]);
    }
    return Array.from(found.values(), ({ nullable, keys, ...table }) => ({
      ...table,
      uniqueKeys: [...keys.values()].filter((columns) => !columns.some((column) => nullable.has(column))),
    }));
  } catch (error) {
    throw statementError(error, 'SOURCE', settings.name);
  } finally {
    await session.close();
  }
}

function shownPart(name: string): string {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : quoteName(name);
}
