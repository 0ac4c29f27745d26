/** Reading what a logged-in client asks for: SQL batches, procedure calls and transaction manager requests. */
import type { SqlType, SqlValue } from '../engine.ts';
import { ByteReader, ProtocolError } from './bytes.ts';
import { readTypeInfo } from './type-info.ts';
import { readValue } from './values.ts';

/** Moves past ALL_HEADERS, which hold the transaction descriptor; the session knows its own. */
function skipHeaders(from: ByteReader): void {
  const length = from.uint32();
  if (length < 4) throw new ProtocolError('ALL_HEADERS that are too short');
  from.skip(length - 4);
}

/** The text of a SQL batch message. */
export function readBatch(payload: Buffer): string {
  const from = new ByteReader(payload);
  skipHeaders(from);
  return from.ucs2(from.remaining >>> 1);
}

/** A parameter as it stands in a call; `name` begins with @ or is empty. */
export interface RpcParameter {
  readonly name: string;
  readonly output: boolean;
  readonly type: SqlType;
  readonly value: SqlValue;
}

/** One call in an RPC message. */
export interface RpcCall {
  /** Name as the client wrote it, or the well-known name of a numbered procedure. */
  readonly procedure: string;
  readonly parameters: readonly RpcParameter[];
}

/** Numbered procedures (ProcID). https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/619c43b6-9495-4a58-9e49-a4950db245b3 */
const PROCEDURES: readonly (string | undefined)[] = [
  undefined,
  'sp_cursor',
  'sp_cursoropen',
  'sp_cursorprepare',
  'sp_cursorexecute',
  'sp_cursorprepexec',
  'sp_cursorunprepare',
  'sp_cursorfetch',
  'sp_cursoroption',
  'sp_cursorclose',
  'sp_executesql',
  'sp_prepare',
  'sp_execute',
  'sp_prepexec',
  'sp_prepexecrpc',
  'sp_unprepare',
];

const BY_NUMBER = 0xffff;
const OUTPUT = 0x01;
/** Bytes that separate calls; a parameter's name is never that long. */
const FIRST_SEPARATOR = 0x80;

/** The calls of an RPC message, in order. Throws ProtocolError or OutOfBytes for a malformed one. */
export function readRpc(payload: Buffer): readonly RpcCall[] {
  const from = new ByteReader(payload);
  skipHeaders(from);
  const calls: RpcCall[] = [];
  while (from.remaining > 0) {
    const procedure = readProcedure(from);
    from.skip(2);
    const parameters: RpcParameter[] = [];
    while (from.remaining > 0 && (from.bytes[from.position] as number) < FIRST_SEPARATOR) {
      const name = from.byteText();
      const status = from.uint8();
      const wire = readTypeInfo(from);
      parameters.push({ name, output: (status & OUTPUT) !== 0, type: wire.type, value: readValue(from, wire, false) });
    }
    if (from.remaining > 0) from.skip(1);
    calls.push({ procedure, parameters });
  }
  if (calls.length === 0) throw new ProtocolError('an RPC message without a call');
  return calls;
}

function readProcedure(from: ByteReader): string {
  const length = from.uint16();
  if (length !== BY_NUMBER) return from.ucs2(length);
  const number = from.uint16();
  const name = PROCEDURES[number];
  if (name === undefined) throw new ProtocolError(`procedure number ${number}`);
  return name;
}

/** What a transaction manager request asks for. `beginsNext`: a new transaction starts where the old one ends. */
export type TransactionRequest =
  | { readonly kind: 'begin'; readonly isolation: number }
  | { readonly kind: 'commit'; readonly beginsNext?: number }
  | { readonly kind: 'rollback'; readonly savepoint?: string; readonly beginsNext?: number }
  | { readonly kind: 'save'; readonly savepoint: string };

const TransactionType = { begin: 5, commit: 7, rollback: 8, save: 9 } as const;

/** Reads a transaction manager request. Distributed transactions are refused with a ProtocolError. */
export function readTransactionRequest(payload: Buffer): TransactionRequest {
  const from = new ByteReader(payload);
  skipHeaders(from);
  const name = (): string => from.ucs2(from.uint8() >>> 1);
  const beginsNext = (): { beginsNext?: number } =>
    from.remaining > 0 && (from.uint8() & 1) !== 0 ? { beginsNext: from.uint8() } : {};
  const type = from.uint16();
  switch (type) {
    case TransactionType.begin:
      return { kind: 'begin', isolation: from.uint8() };
    case TransactionType.commit:
      name();
      return { kind: 'commit', ...beginsNext() };
    case TransactionType.rollback: {
      const savepoint = name();
      return { kind: 'rollback', ...(savepoint === '' ? {} : { savepoint }), ...beginsNext() };
    }
    case TransactionType.save:
      return { kind: 'save', savepoint: name() };
    default:
      throw new ProtocolError(`transaction manager request ${type}`);
  }
}

/** The request as T-SQL says it; faults and the record of statements go by this text. */
export function transactionText(request: TransactionRequest): string {
  switch (request.kind) {
    case 'begin':
      return 'BEGIN TRANSACTION';
    case 'commit':
      return 'COMMIT TRANSACTION';
    case 'rollback':
      return request.savepoint === undefined ? 'ROLLBACK TRANSACTION' : `ROLLBACK TRANSACTION ${request.savepoint}`;
    case 'save':
      return `SAVE TRANSACTION ${request.savepoint}`;
  }
}
