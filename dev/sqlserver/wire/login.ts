/**
 * LOGIN7: what a client says when it logs in.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/773a62b6-ee89-4c02-9e5e-344882630aac
 */
import type { LoginRequest } from '../engine.ts';
import { ByteReader, ProtocolError } from './bytes.ts';

/** LOGIN7 as far as the stand-in reads it. */
export interface Login {
  readonly request: LoginRequest;
  /** TDS version, 0x74000004 for 7.4. */
  readonly tdsVersion: number;
  /** The packet size asked for, in bytes. */
  readonly packetSize: number;
  readonly language: string;
  /** The client wants to log in with Windows credentials (SSPI) rather than with a password. */
  readonly integratedSecurity: boolean;
}

const FIXED_LENGTH = 94;
const INTEGRATED_SECURITY = 0x80;
/** 7.1 and earlier have other headers and tokens. */
const OLDEST_VERSION = 0x72090002;

/**
 * Feature extensions (UTF-8, session recovery, column encryption …) are offers that a server takes up by acknowledging
 * them; the stand-in takes up none, so it leaves them unread.
 *
 * @throws {ProtocolError} for a message that is no LOGIN7 of TDS 7.2 or later
 */
export function readLogin(payload: Buffer): Login {
  if (payload.length < FIXED_LENGTH) throw new ProtocolError('a LOGIN7 that is too short');
  const from = new ByteReader(payload);
  from.skip(4);
  const tdsVersion = from.uint32();
  if (tdsVersion < OLDEST_VERSION) throw new ProtocolError(`TDS version 0x${tdsVersion.toString(16)}`);
  const packetSize = from.uint32();
  from.skip(13);
  const optionFlags2 = from.uint8();
  from.position = 36;

  const field = (): Buffer => {
    const offset = from.uint16();
    const length = from.uint16() * 2;
    if (offset + length > payload.length) throw new ProtocolError('a LOGIN7 field outside of the message');
    return payload.subarray(offset, offset + length);
  };
  const text = (): string => field().toString('utf16le');

  const hostName = text();
  const userName = text();
  const password = unscramble(field());
  const appName = text();
  text(); // server name
  from.skip(4); // extension
  text(); // library name
  const language = text();
  const database = text();
  return {
    request: { userName, password, database, hostName, appName },
    tdsVersion,
    packetSize,
    language,
    integratedSecurity: (optionFlags2 & INTEGRATED_SECURITY) !== 0,
  };
}

/** Each byte was XORed with 0xA5 after its nibbles had been swapped. */
function unscramble(bytes: Buffer): string {
  const clear = Buffer.from(bytes);
  for (let i = 0; i < clear.length; i++) {
    const byte = (clear[i] as number) ^ 0xa5;
    clear[i] = ((byte & 0x0f) << 4) | (byte >>> 4);
  }
  return clear.toString('utf16le');
}
