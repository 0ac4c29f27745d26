/**
 * TYPE_INFO: how a SQL Server type is described on the wire, in both directions.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/cbe9c510-eae6-4b1f-9893-a098944d430a
 */
import type { SqlType } from '../engine.ts';
import { type ByteReader, type ByteWriter, ProtocolError } from './bytes.ts';
import { COLLATION, UTF8_COLLATION } from './collation.ts';

/** The one-byte type tokens that the stand-in sends or accepts. */
const TypeToken = {
  null: 0x1f,
  tinyint: 0x30,
  bit: 0x32,
  smallint: 0x34,
  int: 0x38,
  smalldatetime: 0x3a,
  real: 0x3b,
  money: 0x3c,
  datetime: 0x3d,
  float: 0x3e,
  smallmoney: 0x7a,
  bigint: 0x7f,
  uniqueidentifier: 0x24,
  intN: 0x26,
  date: 0x28,
  time: 0x29,
  datetime2: 0x2a,
  datetimeoffset: 0x2b,
  bitN: 0x68,
  decimal: 0x6a,
  numeric: 0x6c,
  floatN: 0x6d,
  moneyN: 0x6e,
  datetimeN: 0x6f,
  varbinary: 0xa5,
  varchar: 0xa7,
  binary: 0xad,
  char: 0xaf,
  nvarchar: 0xe7,
  nchar: 0xef,
  image: 0x22,
  text: 0x23,
  ntext: 0x63,
  xml: 0xf1,
} as const;

const MAX_LENGTH = 0xffff;
const NO_COLLATION = new Uint8Array(5);

/** How a value follows its type: bare, behind a length of 1, 2 or 4 bytes, in chunks (PLP), or behind a text pointer. */
type Layout = 'fixed' | 'byteLength' | 'shortLength' | 'longLength' | 'chunks' | 'nothing';

/** A type as a client described it. */
export interface WireType {
  readonly type: SqlType;
  readonly layout: Layout;
  /** Of text types, else five zeros. */
  readonly collation: Uint8Array;
}

/** Bytes of a decimal's value on the wire, its sign included. */
export function decimalLength(precision: number): number {
  return precision <= 9 ? 5 : precision <= 19 ? 9 : precision <= 28 ? 13 : 17;
}

/** Writes TYPE_INFO. A column that can't be NULL gets the fixed form of its type, where there is one, as SQL Server does. */
export function writeTypeInfo(out: ByteWriter, type: SqlType, nullable: boolean, utf8 = false): void {
  const fixedOrN = (fixed: number, variable: number, length: number): void => {
    out.uint8(nullable ? variable : fixed);
    if (nullable) out.uint8(length);
  };
  const sized = (token: number, unit: number, longest: number): void => {
    out.uint8(token);
    out.uint16(type.length === 'max' ? MAX_LENGTH : (type.length ?? longest) * unit);
  };
  switch (type.name) {
    case 'bit':
      fixedOrN(TypeToken.bit, TypeToken.bitN, 1);
      break;
    case 'tinyint':
      fixedOrN(TypeToken.tinyint, TypeToken.intN, 1);
      break;
    case 'smallint':
      fixedOrN(TypeToken.smallint, TypeToken.intN, 2);
      break;
    case 'int':
      fixedOrN(TypeToken.int, TypeToken.intN, 4);
      break;
    case 'bigint':
      fixedOrN(TypeToken.bigint, TypeToken.intN, 8);
      break;
    case 'real':
      fixedOrN(TypeToken.real, TypeToken.floatN, 4);
      break;
    case 'float':
      fixedOrN(TypeToken.float, TypeToken.floatN, 8);
      break;
    case 'smallmoney':
      fixedOrN(TypeToken.smallmoney, TypeToken.moneyN, 4);
      break;
    case 'money':
      fixedOrN(TypeToken.money, TypeToken.moneyN, 8);
      break;
    case 'smalldatetime':
      fixedOrN(TypeToken.smalldatetime, TypeToken.datetimeN, 4);
      break;
    case 'datetime':
      fixedOrN(TypeToken.datetime, TypeToken.datetimeN, 8);
      break;
    case 'decimal':
    case 'numeric':
      out.uint8(TypeToken[type.name]);
      out.uint8(decimalLength(type.precision ?? 18));
      out.uint8(type.precision ?? 18);
      out.uint8(type.scale ?? 0);
      break;
    case 'date':
      out.uint8(TypeToken.date);
      break;
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      out.uint8(TypeToken[type.name]);
      out.uint8(type.scale ?? 7);
      break;
    case 'uniqueidentifier':
      out.uint8(TypeToken.uniqueidentifier);
      out.uint8(16);
      break;
    case 'char':
    case 'varchar':
      sized(TypeToken[type.name], 1, 8000);
      out.raw(utf8 ? UTF8_COLLATION : COLLATION);
      break;
    case 'nchar':
    case 'nvarchar':
      sized(TypeToken[type.name], 2, 4000);
      out.raw(COLLATION);
      break;
    case 'binary':
    case 'varbinary':
      sized(TypeToken[type.name], 1, 8000);
      break;
    case 'rowversion':
      out.uint8(TypeToken.binary);
      out.uint16(8);
      break;
    case 'text':
    case 'ntext':
      out.uint8(TypeToken[type.name]);
      out.uint32(0x7fffffff);
      out.raw(COLLATION);
      break;
    case 'image':
      out.uint8(TypeToken.image);
      out.uint32(0x7fffffff);
      break;
    case 'xml':
      out.uint8(TypeToken.xml);
      out.uint8(0);
      break;
  }
}

function wireType(type: SqlType, layout: Layout, collation: Uint8Array = NO_COLLATION): WireType {
  return { type, layout, collation };
}

function byLength<T extends SqlType['name']>(token: number, length: number, names: Record<number, T>): WireType {
  const name = names[length];
  if (name === undefined) throw new ProtocolError(`type 0x${token.toString(16)} of length ${length}`);
  return wireType({ name }, 'byteLength');
}

/** Reads TYPE_INFO. Throws ProtocolError for a type that the stand-in does not take (table types, sql_variant, CLR types). */
export function readTypeInfo(from: ByteReader): WireType {
  const token = from.uint8();
  const sized = (name: SqlType['name'], unit: number, hasCollation: boolean): WireType => {
    const length = from.uint16();
    const collation = hasCollation ? Uint8Array.from(from.raw(5)) : NO_COLLATION;
    if (length === MAX_LENGTH) return wireType({ name, length: 'max' }, 'chunks', collation);
    return wireType({ name, length: Math.max(1, length / unit) }, 'shortLength', collation);
  };
  switch (token) {
    case TypeToken.null:
      return wireType({ name: 'nvarchar', length: 4000 }, 'nothing');
    case TypeToken.tinyint:
      return wireType({ name: 'tinyint' }, 'fixed');
    case TypeToken.bit:
      return wireType({ name: 'bit' }, 'fixed');
    case TypeToken.smallint:
      return wireType({ name: 'smallint' }, 'fixed');
    case TypeToken.int:
      return wireType({ name: 'int' }, 'fixed');
    case TypeToken.bigint:
      return wireType({ name: 'bigint' }, 'fixed');
    case TypeToken.smalldatetime:
      return wireType({ name: 'smalldatetime' }, 'fixed');
    case TypeToken.datetime:
      return wireType({ name: 'datetime' }, 'fixed');
    case TypeToken.real:
      return wireType({ name: 'real' }, 'fixed');
    case TypeToken.float:
      return wireType({ name: 'float' }, 'fixed');
    case TypeToken.money:
      return wireType({ name: 'money' }, 'fixed');
    case TypeToken.smallmoney:
      return wireType({ name: 'smallmoney' }, 'fixed');
    case TypeToken.intN:
      return byLength(token, from.uint8(), { 1: 'tinyint', 2: 'smallint', 4: 'int', 8: 'bigint' });
    case TypeToken.bitN:
      return byLength(token, from.uint8(), { 1: 'bit' });
    case TypeToken.floatN:
      return byLength(token, from.uint8(), { 4: 'real', 8: 'float' });
    case TypeToken.moneyN:
      return byLength(token, from.uint8(), { 4: 'smallmoney', 8: 'money' });
    case TypeToken.datetimeN:
      return byLength(token, from.uint8(), { 4: 'smalldatetime', 8: 'datetime' });
    case TypeToken.uniqueidentifier:
      return byLength(token, from.uint8(), { 16: 'uniqueidentifier' });
    case TypeToken.date:
      return wireType({ name: 'date' }, 'byteLength');
    case TypeToken.time:
      return wireType({ name: 'time', scale: readScale(from, 7) }, 'byteLength');
    case TypeToken.datetime2:
      return wireType({ name: 'datetime2', scale: readScale(from, 7) }, 'byteLength');
    case TypeToken.datetimeoffset:
      return wireType({ name: 'datetimeoffset', scale: readScale(from, 7) }, 'byteLength');
    case TypeToken.decimal:
    case TypeToken.numeric: {
      from.skip(1);
      const precision = readScale(from, 38);
      const scale = readScale(from, precision);
      return wireType({ name: token === TypeToken.decimal ? 'decimal' : 'numeric', precision, scale }, 'byteLength');
    }
    case TypeToken.char:
      return sized('char', 1, true);
    case TypeToken.varchar:
      return sized('varchar', 1, true);
    case TypeToken.nchar:
      return sized('nchar', 2, true);
    case TypeToken.nvarchar:
      return sized('nvarchar', 2, true);
    case TypeToken.binary:
      return sized('binary', 1, false);
    case TypeToken.varbinary:
      return sized('varbinary', 1, false);
    case TypeToken.text:
    case TypeToken.ntext: {
      from.skip(4);
      return wireType(
        { name: token === TypeToken.text ? 'text' : 'ntext' },
        'longLength',
        Uint8Array.from(from.raw(5)),
      );
    }
    case TypeToken.image:
      from.skip(4);
      return wireType({ name: 'image' }, 'longLength');
    case TypeToken.xml:
      if (from.uint8() !== 0) {
        from.byteText();
        from.byteText();
        from.shortText();
      }
      return wireType({ name: 'xml' }, 'chunks');
    default:
      throw new ProtocolError(`type 0x${token.toString(16)}`);
  }
}

function readScale(from: ByteReader, most: number): number {
  const scale = from.uint8();
  if (scale > most) throw new ProtocolError(`a scale or precision of ${scale}`);
  return scale;
}
