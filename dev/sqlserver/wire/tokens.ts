/**
 * The tokens of an answer: COLMETADATA, ROW, DONE, ERROR, ENVCHANGE and the others, written into a buffer.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/67b6113c-d722-42d1-902c-3f6e8de09173
 */
import type { ResultColumn, ServerMessage, SqlType, SqlValue } from '../engine.ts';
import type { ByteWriter } from './bytes.ts';
import { COLLATION } from './collation.ts';
import { SERVER_VERSION } from './prelogin.ts';
import { writeTypeInfo } from './type-info.ts';
import { type Encoder, encoderFor } from './values.ts';

/** The first byte of each token. */
export const Token = {
  returnStatus: 0x79,
  colMetadata: 0x81,
  error: 0xaa,
  info: 0xab,
  returnValue: 0xac,
  loginAck: 0xad,
  row: 0xd1,
  nbcRow: 0xd2,
  envChange: 0xe3,
  sspi: 0xed,
  done: 0xfd,
  doneProc: 0xfe,
  doneInProc: 0xff,
} as const;

/** Bits of DONE's status. */
const DoneStatus = { more: 0x01, error: 0x02, inTransaction: 0x04, count: 0x10, attention: 0x20 } as const;

const SELECT = 0xc1;
const COLUMN_NULLABLE = 0x0001;
const COLUMN_UPDATEABLE = 0x0008;
const COLUMN_IDENTITY = 0x0010;
const USER_TYPE_ROWVERSION = 80;
const SERVER_NAME = 'STANDIN';

/** Which of the three DONE tokens: of a batch's statement, of a procedure, of a statement inside a procedure. */
export type DoneKind = 'done' | 'doneProc' | 'doneInProc';

/** Writes COLMETADATA and gives back what encodes the rows that follow it. */
export function writeColumns(out: ByteWriter, columns: readonly ResultColumn[]): readonly Encoder[] {
  out.uint8(Token.colMetadata);
  out.uint16(columns.length);
  for (const { name, type, nullable, identity, utf8 } of columns) {
    out.uint32(type.name === 'rowversion' ? USER_TYPE_ROWVERSION : 0);
    out.uint16(identity ? COLUMN_IDENTITY : (nullable ? COLUMN_NULLABLE : 0) | COLUMN_UPDATEABLE);
    writeTypeInfo(out, type, nullable, utf8);
    // The text types name their table, here in no parts.
    if (type.name === 'text' || type.name === 'ntext' || type.name === 'image') out.uint8(0);
    out.byteText(name);
  }
  return columns.map(({ type, nullable, utf8 }) => encoderFor(type, nullable, utf8));
}

/** Writes ROW. Where a value doesn't fit its column it throws and leaves nothing behind. */
export function writeRow(out: ByteWriter, encoders: readonly Encoder[], values: readonly SqlValue[]): void {
  const start = out.length;
  try {
    if (values.length !== encoders.length) {
      throw new RangeError(`a row of ${values.length} values for ${encoders.length} columns`);
    }
    out.uint8(Token.row);
    for (let i = 0; i < encoders.length; i++) (encoders[i] as Encoder)(out, values[i] as SqlValue);
  } catch (error) {
    out.truncate(start);
    throw error;
  }
}

/** What a DONE token says. `rowCount` is absent where the statement counts no rows. */
export interface Done {
  readonly rowCount?: number | undefined;
  readonly failed?: boolean | undefined;
  readonly more?: boolean;
  readonly attention?: boolean;
  readonly inTransaction?: boolean;
}

export function writeDone(out: ByteWriter, kind: DoneKind, done: Done): void {
  out.uint8(Token[kind]);
  out.uint16(
    (done.more ? DoneStatus.more : 0) |
      (done.failed ? DoneStatus.error : 0) |
      (done.inTransaction ? DoneStatus.inTransaction : 0) |
      (done.rowCount === undefined ? 0 : DoneStatus.count) |
      (done.attention ? DoneStatus.attention : 0),
  );
  out.uint16(done.rowCount === undefined ? 0 : SELECT);
  out.uint64(BigInt(done.rowCount ?? 0));
}

/** Writes ERROR, or INFO for a severity up to 10. */
export function writeMessage(out: ByteWriter, message: ServerMessage): void {
  out.uint8(message.severity > 10 ? Token.error : Token.info);
  withLength(out, () => {
    out.int32(message.number);
    out.uint8(message.state);
    out.uint8(message.severity);
    out.shortText(message.message.slice(0, 4000));
    out.byteText(SERVER_NAME);
    out.byteText(message.procedure ?? '');
    out.int32(message.line);
  });
}

export function writeReturnStatus(out: ByteWriter, status: number): void {
  out.uint8(Token.returnStatus);
  out.int32(status);
}

/** Writes RETURNVALUE, the value of an output parameter; `ordinal` counts the call's parameters from 0. */
export function writeReturnValue(out: ByteWriter, ordinal: number, name: string, type: SqlType, value: SqlValue): void {
  out.uint8(Token.returnValue);
  out.uint16(ordinal);
  out.byteText(name);
  out.uint8(0x01);
  out.uint32(0);
  out.uint16(COLUMN_NULLABLE);
  writeTypeInfo(out, type, true);
  encoderFor(type, true)(out, value);
}

export function writeLoginAck(out: ByteWriter, tdsVersion: number): void {
  out.uint8(Token.loginAck);
  withLength(out, () => {
    out.uint8(1);
    out.uint32be(tdsVersion);
    out.byteText('Microsoft SQL Server');
    out.raw(
      Uint8Array.of(
        SERVER_VERSION.major,
        SERVER_VERSION.minor,
        SERVER_VERSION.build >>> 8,
        SERVER_VERSION.build & 0xff,
      ),
    );
  });
}

/** SSPI: a message of the authentication inside the login. */
export function writeSspi(out: ByteWriter, message: Uint8Array): void {
  out.uint8(Token.sspi);
  withLength(out, () => out.raw(message));
}

/** ENVCHANGE of a text: the database, the language, or the packet size. */
export function writeTextChange(
  out: ByteWriter,
  change: 'database' | 'language' | 'packetSize',
  to: string,
  from: string,
): void {
  out.uint8(Token.envChange);
  withLength(out, () => {
    out.uint8({ database: 1, language: 2, packetSize: 4 }[change]);
    out.byteText(to);
    out.byteText(from);
  });
}

export function writeCollationChange(out: ByteWriter): void {
  writeBinaryChange(out, 7, COLLATION, new Uint8Array(0));
}

/** ENVCHANGE 8, 9 or 10: a transaction began (its descriptor is the new value) or ended (it is the old one). */
export function writeTransactionChange(
  out: ByteWriter,
  change: 'begin' | 'commit' | 'rollback',
  descriptor: bigint,
): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(descriptor);
  const nothing = new Uint8Array(0);
  if (change === 'begin') writeBinaryChange(out, 8, bytes, nothing);
  else writeBinaryChange(out, change === 'commit' ? 9 : 10, nothing, bytes);
}

/** ENVCHANGE 18: the connection has been reset. */
export function writeResetChange(out: ByteWriter): void {
  writeBinaryChange(out, 18, new Uint8Array(0), new Uint8Array(0));
}

function writeBinaryChange(out: ByteWriter, type: number, to: Uint8Array, from: Uint8Array): void {
  out.uint8(Token.envChange);
  withLength(out, () => {
    out.uint8(type);
    out.uint8(to.length);
    out.raw(to);
    out.uint8(from.length);
    out.raw(from);
  });
}

/** Writes what `body` writes behind its length in two bytes. */
function withLength(out: ByteWriter, body: () => void): void {
  const at = out.advance(2);
  body();
  out.bytes.writeUInt16LE(out.length - at - 2, at);
}
