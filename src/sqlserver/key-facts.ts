/** What the server tells of a source's key: from the catalogue where that can tell, else from the rows. Only reads. */
import type { KeyFacts } from '../sync/check-facts.ts';
import { quoteTableName } from './names.ts';
import { nvarchar } from './parameters.ts';
import type { Session } from './session.ts';
import { type SourceEntity, sameName } from './source-entity.ts';
import { duplicateKeyStatement, nullKeyStatement } from './source-statements.ts';

/** Longest name of three parts, quoted. */
const QUOTED_NAME_LENGTH = 3 * 260;

/** An index that is in use, its key's columns in order. */
interface Index {
  readonly name: string;
  readonly keepsUnique: boolean;
  readonly isWhole: boolean;
  readonly columns: readonly string[];
}

/** Reads the facts. Rows are looked at only for what the catalogue does not promise. Rejects with the driver's error. */
export async function readKeyFacts(session: Session, entity: SourceEntity): Promise<KeyFacts> {
  const { key, table } = entity.source;
  const catalogue = table === undefined ? undefined : await readCatalogue(session, quoteTableName(table) ?? '');
  const nullable = key.filter((name) => catalogue?.nullable.some((other) => sameName(other, name)) ?? true);
  const unique = catalogue?.indexes.find(
    ({ keepsUnique, columns }) => keepsUnique && columns.every((name) => key.some((other) => sameName(name, other))),
  );
  const page = catalogue?.indexes.find(
    ({ isWhole, columns }) => isWhole && key.every((name, index) => sameName(name, columns[index] ?? '')),
  );
  const hasRow = async (sql: string) => (await session.query(sql)).rows.length > 0;
  return {
    isTable: catalogue !== undefined,
    columns: key,
    nullable,
    ...(unique !== undefined && { uniqueIndex: unique.name }),
    ...(page !== undefined && { pageIndex: page.name }),
    hasNull: nullable.length > 0 && (await hasRow(nullKeyStatement(entity))),
    hasDuplicate: unique === undefined && (await hasRow(duplicateKeyStatement(entity))),
  };
}

/** Undefined where it is no table. Names of other databases are looked up in theirs. */
async function readCatalogue(
  session: Session,
  name: string,
): Promise<{ nullable: readonly string[]; indexes: readonly Index[] } | undefined> {
  const parts = name.match(/\[(?:[^\]]|\]\])*\]|(?<=\.)(?=\.)/g) ?? [];
  const from = parts.length === 3 ? `${parts[0]}.` : '';
  const parameters = { name: nvarchar(name, QUOTED_NAME_LENGTH) };
  const { rows: columns } = await session.query(
    `SELECT c.name, c.is_nullable FROM ${from}sys.columns AS c
     INNER JOIN ${from}sys.objects AS o ON o.object_id = c.object_id
     WHERE c.object_id = OBJECT_ID(@name) AND o.type = 'U'`,
    parameters,
  );
  if (columns.length === 0) return undefined;
  const { rows } = await session.query(
    `SELECT i.index_id, i.name, i.is_unique, i.has_filter, c.name
     FROM ${from}sys.indexes AS i
     INNER JOIN ${from}sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
     INNER JOIN ${from}sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
     WHERE i.object_id = OBJECT_ID(@name) AND i.is_disabled = 0 AND ic.key_ordinal > 0
     ORDER BY i.index_id, ic.key_ordinal`,
    parameters,
  );
  const byId = Map.groupBy(rows, ([id]) => id);
  return {
    nullable: columns.filter(([, isNullable]) => isNullable === true).map(([column]) => column as string),
    indexes: [...byId.values()].map((ofIndex) => {
      const [, index, isUnique, hasFilter] = ofIndex[0] ?? [];
      return {
        name: index as string,
        keepsUnique: isUnique === true && hasFilter !== true,
        isWhole: hasFilter !== true,
        columns: ofIndex.map(([, , , , column]) => column as string),
      };
    }),
  };
}
