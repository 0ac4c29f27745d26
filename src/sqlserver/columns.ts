/**
 * Columns of a source: what the driver tells of each becomes its kind and declared type, how it is selected so that nothing
 * of its value is lost, for a key the type that its values are sent as, and for a time the parameter that rows since then
 * are found with.
 */
import type { Cell, Column, ColumnKind } from '../sync/ports.ts';
import { quoteName } from './names.ts';
import type { Parameter, ParameterType } from './parameters.ts';
import { type ColumnDescription, MAX_LENGTH } from './session.ts';

/** A column that can be read. */
export interface SourceColumn extends Column {
  /** What stands for it in the SELECT list. */
  readonly expression: string;
  /** A cell of the driver's as ports.ts has it; absent where they are the same. */
  readonly cell?: (value: Cell) => Cell;
  /** What values of this column are sent as; absent where it can be no key. */
  readonly key?: KeyType;
  /**
   * The parameter that no value stored at `time` (its UTC fields are the wall clock in the column; of datetimeoffset the
   * instant) or later is below: rounded down to what the column can hold. Undefined where hardly any value that the column
   * can hold is below. Absent where the column holds no date.
   */
  readonly since?: (time: Date) => Parameter | undefined;
  /** Of char and varchar alone, where the driver knows it. */
  readonly codePage?: string;
}

/** The driver's name for a type. `length` is in characters or bytes. */
export interface KeyType {
  readonly type: ParameterType;
  readonly length?: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Of date, datetime2 and datetimeoffset: 0001-01-01. */
const FIRST_DAY_MS = Date.parse('0001-01-01T00:00:00Z');

interface TypeFacts {
  readonly kind: ColumnKind;
  readonly sqlType: string;
  readonly select?: (quoted: string) => string;
  readonly cell?: (value: Cell) => Cell;
  readonly key?: KeyType;
  readonly since?: (time: Date) => Parameter | undefined;
}

/** Undefined for a type that cannot be read, such as sql_variant. */
export function sourceColumn(description: ColumnDescription): SourceColumn | undefined {
  const facts = typeFacts(description);
  if (facts === undefined) return undefined;
  const name = description.colName;
  const quoted = quoteName(name);
  const { kind, sqlType, select, cell, key, since } = facts;
  const codePage = /^(Var)?Char$/.test(description.type.name) ? description.collation?.codepage : undefined;
  return {
    name,
    kind,
    sqlType,
    expression: select === undefined ? quoted : `${select(quoted)} AS ${quoted}`,
    ...(cell && { cell }),
    ...(key && { key }),
    ...(since && { since }),
    ...(codePage !== undefined && { codePage }),
  };
}

/** The type's name in T-SQL, for a message about one that cannot be read. */
export function typeName(description: ColumnDescription): string {
  const { name } = description.type;
  return name === 'Variant' ? 'sql_variant' : name.toLowerCase();
}

/**
 * decimal and money are selected as text, since the driver would make doubles of them. Style 2 of money has its four
 * digits and no commas (https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql).
 */
function typeFacts({ type, dataLength, precision, scale }: ColumnDescription): TypeFacts | undefined {
  switch (type.name) {
    case 'Bit':
    case 'BitN':
      return { kind: 'boolean', sqlType: 'bit' };
    case 'TinyInt':
      return integer(1);
    case 'SmallInt':
      return integer(2);
    case 'Int':
      return integer(4);
    case 'BigInt':
      return integer(8);
    case 'IntN':
      return integer(dataLength ?? 4);
    case 'Decimal':
    case 'DecimalN':
      return { kind: 'decimal', sqlType: `decimal(${precision},${scale})`, select: asText };
    case 'Numeric':
    case 'NumericN':
      return { kind: 'decimal', sqlType: `numeric(${precision},${scale})`, select: asText };
    case 'SmallMoney':
      return money(4);
    case 'Money':
      return money(8);
    case 'MoneyN':
      return money(dataLength ?? 8);
    case 'Real':
      return float(4);
    case 'Float':
      return float(8);
    case 'FloatN':
      return float(dataLength ?? 8);
    case 'UniqueIdentifier':
      return { kind: 'guid', sqlType: 'uniqueidentifier', key: { type: 'UniqueIdentifier' } };
    case 'VarChar':
      return text('varchar', 'VarChar', dataLength ?? MAX_LENGTH);
    case 'Char':
      return text('char', 'Char', dataLength ?? MAX_LENGTH);
    case 'NVarChar':
      return text('nvarchar', 'NVarChar', dataLength === MAX_LENGTH ? MAX_LENGTH : (dataLength ?? 0) / 2);
    case 'NChar':
      return text('nchar', 'NChar', (dataLength ?? 0) / 2);
    case 'Text':
      return { kind: 'text', sqlType: 'text' };
    case 'NText':
      return { kind: 'text', sqlType: 'ntext' };
    case 'Xml':
      return { kind: 'text', sqlType: 'xml' };
    case 'VarBinary':
      return { kind: 'binary', sqlType: `varbinary(${dataLength === MAX_LENGTH ? 'max' : dataLength})` };
    case 'Binary':
      return { kind: 'binary', sqlType: `binary(${dataLength})` };
    case 'Image':
      return { kind: 'binary', sqlType: 'image' };
    case 'Date':
      return { kind: 'date', sqlType: 'date', key: { type: 'Date' }, since: sinceOf('Date', DAY_MS) };
    case 'Time':
      return { kind: 'time', sqlType: `time(${scale})` };
    case 'DateTime':
      return datetime(8);
    case 'SmallDateTime':
      return datetime(4);
    case 'DateTimeN':
      return datetime(dataLength ?? 8);
    case 'DateTime2':
      return { kind: 'datetime', sqlType: `datetime2(${scale})`, since: sinceScaled('DateTime2', scale) };
    case 'DateTimeOffset':
      return {
        kind: 'datetimeoffset',
        sqlType: `datetimeoffset(${scale})`,
        since: sinceScaled('DateTimeOffset', scale),
      };
    default:
      return undefined;
  }
}

const integers: Readonly<Record<number, TypeFacts>> = {
  1: { kind: 'integer', sqlType: 'tinyint', key: { type: 'TinyInt' } },
  2: { kind: 'integer', sqlType: 'smallint', key: { type: 'SmallInt' } },
  4: { kind: 'integer', sqlType: 'int', key: { type: 'Int' } },
  8: { kind: 'bigint', sqlType: 'bigint', key: { type: 'BigInt' } },
};

function integer(bytes: number): TypeFacts | undefined {
  return integers[bytes];
}

function money(bytes: number): TypeFacts {
  return {
    kind: 'decimal',
    sqlType: bytes === 4 ? 'smallmoney' : 'money',
    select: (quoted) => `CONVERT(varchar(50), ${quoted}, 2)`,
  };
}

function asText(quoted: string): string {
  return `CONVERT(varchar(50), ${quoted})`;
}

function float(bytes: number): TypeFacts {
  return bytes === 4
    ? { kind: 'float', sqlType: 'real', cell: (value) => (typeof value === 'number' ? shortestReal(value) : value) }
    : { kind: 'float', sqlType: 'float' };
}

/** The number of fewest digits that is the same real: the driver gives 0.1 as 0.10000000149011612. */
function shortestReal(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return Number(value.toPrecision(9));
}

/**
 * datetime holds 300ths of a second, so that hundredths are exact; smalldatetime whole minutes. Their first days: https://learn.microsoft.com/sql/t-sql/data-types/datetime-transact-sql and
 * https://learn.microsoft.com/sql/t-sql/data-types/smalldatetime-transact-sql
 */
function datetime(bytes: number): TypeFacts {
  return bytes === 4
    ? { kind: 'datetime', sqlType: 'smalldatetime', since: sinceOf('SmallDateTime', MINUTE_MS, Date.UTC(1900, 0, 1)) }
    : { kind: 'datetime', sqlType: 'datetime', since: sinceOf('DateTime', 10, Date.UTC(1753, 0, 1)) };
}

function sinceScaled(type: ParameterType, scale = 7): (time: Date) => Parameter | undefined {
  return sinceOf(type, 10 ** Math.max(3 - scale, 0), FIRST_DAY_MS, scale);
}

/**
 * The server rounds what it stores, down as well as up: to the nearest of `unitMs`. `firstMs` is the first time that the type
 * has. What is within a day of it the driver refuses in some zones of this machine, since it looks at the local year
 * (https://github.com/tediousjs/tedious/blob/master/src/request.ts, validateParameters).
 */
function sinceOf(
  type: ParameterType,
  unitMs: number,
  firstMs = FIRST_DAY_MS,
  scale?: number,
): (time: Date) => Parameter | undefined {
  return (time) => {
    const since = Math.floor(time.getTime() / unitMs) * unitMs;
    if (since < firstMs + DAY_MS) return undefined;
    return { type, value: new Date(since), ...(scale !== undefined && { scale }) };
  };
}

function text(name: string, type: ParameterType, length: number): TypeFacts {
  if (length === MAX_LENGTH) return { kind: 'text', sqlType: `${name}(max)` };
  return { kind: 'text', sqlType: `${name}(${length})`, key: { type, length } };
}
