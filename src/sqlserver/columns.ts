/**
 * Columns of a source: what the driver tells of each becomes its kind and declared type, how it is selected so that nothing
 * of its value is lost, and, for a key, the parameter that a page begins at.
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
  /** The parameter for a value of this column; absent where it can be no key. */
  readonly parameter?: (value: Cell) => Parameter;
  /** Of char and varchar alone, where the driver knows it. */
  readonly codePage?: string;
}

interface TypeFacts {
  readonly kind: ColumnKind;
  readonly sqlType: string;
  readonly select?: (quoted: string) => string;
  readonly cell?: (value: Cell) => Cell;
  readonly key?: { readonly type: ParameterType; readonly length?: number };
}

/** Undefined for a type that cannot be read, such as sql_variant. */
export function sourceColumn(description: ColumnDescription): SourceColumn | undefined {
  const facts = typeFacts(description);
  if (facts === undefined) return undefined;
  const name = description.colName;
  const quoted = quoteName(name);
  const { kind, sqlType, select, cell, key } = facts;
  const codePage = /^(Var)?Char$/.test(description.type.name) ? description.collation?.codepage : undefined;
  return {
    name,
    kind,
    sqlType,
    expression: select === undefined ? quoted : `${select(quoted)} AS ${quoted}`,
    ...(cell && { cell }),
    ...(key && { parameter: (value) => ({ ...key, value }) }),
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
      return { kind: 'date', sqlType: 'date', key: { type: 'Date' } };
    case 'Time':
      return { kind: 'time', sqlType: `time(${scale})` };
    case 'DateTime':
      return { kind: 'datetime', sqlType: 'datetime' };
    case 'SmallDateTime':
      return { kind: 'datetime', sqlType: 'smalldatetime' };
    case 'DateTimeN':
      return { kind: 'datetime', sqlType: dataLength === 4 ? 'smalldatetime' : 'datetime' };
    case 'DateTime2':
      return { kind: 'datetime', sqlType: `datetime2(${scale})` };
    case 'DateTimeOffset':
      return { kind: 'datetimeoffset', sqlType: `datetimeoffset(${scale})` };
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

function text(name: string, type: ParameterType, length: number): TypeFacts {
  if (length === MAX_LENGTH) return { kind: 'text', sqlType: `${name}(max)` };
  return { kind: 'text', sqlType: `${name}(${length})`, key: { type, length } };
}
