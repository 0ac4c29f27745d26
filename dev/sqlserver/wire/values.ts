/**
 * Values on the wire: an encoder per column of an answer, and the decoding of what clients send. The types' own
 * description is in type-info.ts.
 */
import type { SqlType, SqlValue } from '../engine.ts';
import { type ByteReader, type ByteWriter, ProtocolError } from './bytes.ts';
import { decodeChars, encodeChars } from './collation.ts';
import {
  fromDateTime,
  fromSmallDateTime,
  fromTimeUnits,
  joinTicks,
  splitTicks,
  timeLength,
  toDateTime,
  toSmallDateTime,
  toTimeUnits,
} from './temporal.ts';
import { decimalLength, type WireType } from './type-info.ts';

/** Appends one value in the form that {@link writeTypeInfo} announced. Throws RangeError or TypeError for one that doesn't fit. */
export type Encoder = (out: ByteWriter, value: SqlValue) => void;

const SHORT_NULL = 0xffff;
const PLP_NULL = 0xffff_ffff_ffff_ffffn;
const PLP_UNKNOWN_LENGTH = 0xffff_ffff_ffff_fffen;
const LONG_NULL = 0xffff_ffff;

/** The encoder for values of `type`; `nullable` and `utf8` as given to {@link writeTypeInfo}. */
export function encoderFor(type: SqlType, nullable: boolean, utf8 = false): Encoder {
  switch (type.name) {
    case 'bit':
      return fixed(1, nullable, (out, value) => out.uint8(asNumber(value) === 0 ? 0 : 1));
    case 'tinyint':
      return fixed(1, nullable, (out, value) => out.uint8(inRange(asNumber(value), 0, 255)));
    case 'smallint':
      return fixed(2, nullable, (out, value) => out.uint16(inRange(asNumber(value), -32_768, 32_767)));
    case 'int':
      return fixed(4, nullable, (out, value) => out.int32(asNumber(value)));
    case 'bigint':
      return fixed(8, nullable, (out, value) => out.int64(asBigInt(value)));
    case 'real':
      return fixed(4, nullable, (out, value) => out.float32(asNumber(value)));
    case 'float':
      return fixed(8, nullable, (out, value) => out.float64(asNumber(value)));
    case 'smallmoney':
      return fixed(4, nullable, (out, value) => out.int32(Number(asBigInt(value))));
    case 'money':
      return fixed(8, nullable, (out, value) => {
        const amount = asBigInt(value);
        out.int32(Number(amount >> 32n));
        out.uint32(Number(amount & 0xffff_ffffn));
      });
    case 'smalldatetime':
      return fixed(4, nullable, (out, value) => {
        const { days, minutes } = toSmallDateTime(asBigInt(value));
        out.uint16(days);
        out.uint16(minutes);
      });
    case 'datetime':
      return fixed(8, nullable, (out, value) => {
        const { days, units } = toDateTime(asBigInt(value));
        out.int32(days);
        out.uint32(units);
      });
    case 'decimal':
    case 'numeric':
      return decimal(decimalLength(type.precision ?? 18));
    case 'date':
      return byteLength(3, (out, value) => out.uint(splitTicks(asBigInt(value)).days, 3));
    case 'time': {
      const scale = type.scale ?? 7;
      const length = timeLength(scale);
      return byteLength(length, (out, value) => out.uint(toTimeUnits(asBigInt(value), scale), length));
    }
    case 'datetime2': {
      const scale = type.scale ?? 7;
      return byteLength(timeLength(scale) + 3, (out, value) => writeDateTime2(out, asBigInt(value), scale));
    }
    case 'datetimeoffset': {
      const scale = type.scale ?? 7;
      return byteLength(timeLength(scale) + 5, (out, value) => {
        if (value === null || typeof value !== 'object' || !('ticks' in value)) throw wrongValue('datetimeoffset');
        writeDateTime2(out, value.ticks, scale);
        out.uint16(value.offsetMinutes);
      });
    }
    case 'uniqueidentifier':
      return byteLength(16, (out, value) => {
        const bytes = asBytes(value);
        if (bytes.length !== 16) throw wrongValue('uniqueidentifier');
        out.raw(bytes);
      });
    case 'nchar':
    case 'nvarchar':
      return type.length === 'max' ? chunks(asUcs2) : writeShortText;
    case 'char':
    case 'varchar': {
      const asBytesOfText = utf8 ? asUtf8 : asChars;
      return type.length === 'max' ? chunks(asBytesOfText) : shortLength(asBytesOfText);
    }
    case 'binary':
    case 'rowversion':
      return shortLength(asBytes);
    case 'varbinary':
      return type.length === 'max' ? chunks(asBytes) : shortLength(asBytes);
    case 'xml':
      return chunks(asUcs2);
    case 'text':
      return behindTextPointer(asChars);
    case 'ntext':
      return behindTextPointer(asUcs2);
    case 'image':
      return behindTextPointer(asBytes);
  }
}

function wrongValue(expected: string): TypeError {
  return new TypeError(`the value is no ${expected}`);
}

function asNumber(value: SqlValue): number {
  if (typeof value !== 'number') throw wrongValue('number');
  return value;
}

function asBigInt(value: SqlValue): bigint {
  if (typeof value !== 'bigint') throw wrongValue('bigint');
  return value;
}

function asText(value: SqlValue): string {
  if (typeof value !== 'string') throw wrongValue('string');
  return value;
}

function asBytes(value: SqlValue): Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrongValue('Uint8Array');
  return value;
}

function asUcs2(value: SqlValue): Uint8Array {
  return Buffer.from(asText(value), 'utf16le');
}

function asChars(value: SqlValue): Uint8Array {
  return encodeChars(asText(value));
}

function asUtf8(value: SqlValue): Uint8Array {
  return Buffer.from(asText(value), 'utf8');
}

function inRange(value: number, least: number, most: number): number {
  if (!(value >= least && value <= most)) throw new RangeError(`${value} is not between ${least} and ${most}`);
  return value;
}

function fixed(length: number, nullable: boolean, write: Encoder): Encoder {
  if (nullable) return byteLength(length, write);
  return (out, value) => {
    if (value === null) throw new TypeError('NULL in a column that is declared NOT NULL');
    write(out, value);
  };
}

function byteLength(length: number, write: Encoder): Encoder {
  return (out, value) => {
    if (value === null) return out.uint8(0);
    out.uint8(length);
    write(out, value);
  };
}

function decimal(length: number): Encoder {
  return byteLength(length, (out, value) => {
    const unscaled = asBigInt(value);
    out.uint8(unscaled < 0n ? 0 : 1);
    let rest = unscaled < 0n ? -unscaled : unscaled;
    for (let i = 1; i < length; i += 4) {
      out.uint32(Number(rest & 0xffff_ffffn));
      rest >>= 32n;
    }
    if (rest !== 0n) throw new RangeError('the decimal is larger than its precision');
  });
}

function writeDateTime2(out: ByteWriter, ticks: bigint, scale: number): void {
  const { days, time } = splitTicks(ticks);
  out.uint(toTimeUnits(time, scale), timeLength(scale));
  out.uint(days, 3);
}

function writeShortText(out: ByteWriter, value: SqlValue): void {
  if (value === null) {
    out.uint16(SHORT_NULL);
    return;
  }
  const text = asText(value);
  if (text.length > 4000) throw new RangeError('the text is longer than 4,000 characters');
  out.uint16(text.length * 2);
  out.ucs2(text);
}

function shortLength(bytesOf: (value: SqlValue) => Uint8Array): Encoder {
  return (out, value) => {
    if (value === null) return out.uint16(SHORT_NULL);
    const bytes = bytesOf(value);
    if (bytes.length > 8000) throw new RangeError('the value is longer than 8,000 bytes');
    out.uint16(bytes.length);
    out.raw(bytes);
  };
}

function chunks(bytesOf: (value: SqlValue) => Uint8Array): Encoder {
  return (out, value) => {
    if (value === null) return out.uint64(PLP_NULL);
    const bytes = bytesOf(value);
    out.uint64(BigInt(bytes.length));
    if (bytes.length > 0) {
      out.uint32(bytes.length);
      out.raw(bytes);
    }
    out.uint32(0);
  };
}

const TEXT_POINTER = new Uint8Array(16).fill(0x64);
const TEXT_TIMESTAMP = new Uint8Array(8);

function behindTextPointer(bytesOf: (value: SqlValue) => Uint8Array): Encoder {
  return (out, value) => {
    if (value === null) return out.uint8(0);
    const bytes = bytesOf(value);
    out.uint8(TEXT_POINTER.length);
    out.raw(TEXT_POINTER);
    out.raw(TEXT_TIMESTAMP);
    out.uint32(bytes.length);
    out.raw(bytes);
  };
}

/**
 * Reads one value. `inRow` says that it stands in a row of a bulk load, where text, ntext and image follow a text pointer.
 * Throws OutOfBytes where the value is longer than what has arrived, ProtocolError where it isn't one.
 */
export function readValue(from: ByteReader, wire: WireType, inRow: boolean): SqlValue {
  switch (wire.layout) {
    case 'nothing':
      return null;
    case 'fixed':
      return decode(wire, from, fixedLength(wire.type));
    case 'byteLength': {
      const length = from.uint8();
      return length === 0 ? null : decode(wire, from, length);
    }
    case 'shortLength': {
      const length = from.uint16();
      return length === SHORT_NULL ? null : decode(wire, from, length);
    }
    case 'longLength': {
      if (inRow) {
        const pointerLength = from.uint8();
        if (pointerLength === 0) return null;
        from.skip(pointerLength + TEXT_TIMESTAMP.length);
      }
      const length = from.uint32();
      return length === LONG_NULL ? null : decode(wire, from, length);
    }
    case 'chunks': {
      const bytes = readChunks(from);
      return bytes === null ? null : decodeBytes(wire, bytes);
    }
  }
}

function fixedLength(type: SqlType): number {
  switch (type.name) {
    case 'bit':
    case 'tinyint':
      return 1;
    case 'smallint':
      return 2;
    case 'int':
    case 'real':
    case 'smallmoney':
    case 'smalldatetime':
      return 4;
    default:
      return 8;
  }
}

function readChunks(from: ByteReader): Buffer | null {
  const total = from.uint64();
  if (total === PLP_NULL) return null;
  if (total !== PLP_UNKNOWN_LENGTH && total > 0x7fff_ffffn) throw new ProtocolError(`a value of ${total} bytes`);
  const pieces: Buffer[] = [];
  for (let length = from.uint32(); length !== 0; length = from.uint32()) pieces.push(from.raw(length));
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}

function decode(wire: WireType, from: ByteReader, length: number): SqlValue {
  const { type } = wire;
  switch (type.name) {
    case 'bit':
      return expect(from, length, 1).uint8() === 0 ? 0 : 1;
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint':
      return decodeInteger(type, from, length);
    case 'real':
    case 'float':
      return length === 4 ? from.float32() : expect(from, length, 8).float64();
    case 'smallmoney':
    case 'money': {
      if (length === 4) return BigInt(from.int32());
      const high = BigInt(expect(from, length, 8).int32());
      return (high << 32n) | BigInt(from.uint32());
    }
    case 'smalldatetime':
    case 'datetime': {
      if (length === 4) return fromSmallDateTime(from.uint16(), from.uint16());
      const days = expect(from, length, 8).int32();
      return fromDateTime(days, from.uint32());
    }
    case 'decimal':
    case 'numeric': {
      const positive = from.uint8() !== 0;
      let magnitude = 0n;
      const bytes = from.raw(length - 1);
      for (let i = bytes.length - 1; i >= 0; i--) magnitude = (magnitude << 8n) | BigInt(bytes[i] as number);
      return positive ? magnitude : -magnitude;
    }
    case 'date':
      return joinTicks(expect(from, length, 3).uint(3), 0n);
    case 'time': {
      const scale = type.scale ?? 7;
      return fromTimeUnits(expect(from, length, timeLength(scale)).uint(length), scale);
    }
    case 'datetime2':
      return readDateTime2(expect(from, length, timeLength(type.scale ?? 7) + 3), type.scale ?? 7);
    case 'datetimeoffset': {
      const ticks = readDateTime2(expect(from, length, timeLength(type.scale ?? 7) + 5), type.scale ?? 7);
      return { ticks, offsetMinutes: from.int16() };
    }
    case 'uniqueidentifier':
      return Uint8Array.from(expect(from, length, 16).raw(16));
    default:
      return decodeBytes(wire, from.raw(length));
  }
}

/** INTN carries its own length; a shorter one than the type's is as good. */
function decodeInteger(type: SqlType, from: ByteReader, length: number): SqlValue {
  const wide = type.name === 'bigint';
  switch (length) {
    case 1:
      return wide ? BigInt(from.uint8()) : from.uint8();
    case 2:
      return wide ? BigInt(from.int16()) : from.int16();
    case 4:
      return wide ? BigInt(from.int32()) : from.int32();
    default:
      return wide ? expect(from, length, 8).int64() : Number(expect(from, length, 8).int64());
  }
}

function expect(from: ByteReader, length: number, expected: number): ByteReader {
  if (length !== expected) throw new ProtocolError(`a value of ${length} bytes where ${expected} belong`);
  return from;
}

function readDateTime2(from: ByteReader, scale: number): bigint {
  const time = fromTimeUnits(from.uint(timeLength(scale)), scale);
  return joinTicks(from.uint(3), time);
}

function decodeBytes(wire: WireType, bytes: Buffer): SqlValue {
  switch (wire.type.name) {
    case 'char':
    case 'varchar':
    case 'text':
      return decodeChars(bytes, wire.collation);
    case 'nchar':
    case 'nvarchar':
    case 'ntext':
    case 'xml':
      return bytes.toString('utf16le');
    default:
      return Uint8Array.from(bytes);
  }
}
