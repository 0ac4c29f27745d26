/**
 * PRELOGIN: the server's version and the agreement on encryption.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/60f56408-0188-4cd5-8b90-25c6f2423868
 */
import { ByteWriter, ProtocolError } from './bytes.ts';

/** What a server offers: no TLS at all; TLS as far as the client wants it; or nothing without TLS. */
export type TlsMode = 'off' | 'on' | 'required';

/** What both sides agreed on: plain text, TLS for LOGIN7 alone, TLS for the whole connection, or that they can't talk. */
export type Encryption = 'none' | 'login' | 'all' | 'refused';

const Option = { version: 0, encryption: 1, instance: 2, thread: 3, mars: 4, terminator: 0xff } as const;
const Encrypt = { off: 0, on: 1, notSupported: 2, required: 3 } as const;

/** SQL Server 2019 (15.0.4000.0), major.minor.build, as PRELOGIN and LOGINACK report it. */
export const SERVER_VERSION = { major: 15, minor: 0, build: 4000 } as const;

/** The ENCRYPTION byte of a client's PRELOGIN. Throws ProtocolError where the message is malformed. */
export function readPrelogin(payload: Buffer): number {
  for (let at = 0; at + 5 <= payload.length && payload[at] !== Option.terminator; at += 5) {
    const offset = payload.readUInt16BE(at + 1);
    const length = payload.readUInt16BE(at + 3);
    if (offset + length > payload.length) throw new ProtocolError('a PRELOGIN option outside of the message');
    if (payload[at] === Option.encryption && length === 1) return payload.readUInt8(offset);
  }
  throw new ProtocolError('a PRELOGIN without the ENCRYPTION option');
}

/** What comes of the client's wish and the server's mode, and the byte that says so in the answer. */
export function agreeOnEncryption(client: number, mode: TlsMode): { encryption: Encryption; answer: number } {
  if (mode === 'off') {
    const insists = client === Encrypt.on || client === Encrypt.required;
    return { encryption: insists ? 'refused' : 'none', answer: Encrypt.notSupported };
  }
  switch (client) {
    case Encrypt.on:
    case Encrypt.required:
      return { encryption: 'all', answer: Encrypt.on };
    case Encrypt.off:
      return mode === 'required'
        ? { encryption: 'all', answer: Encrypt.required }
        : { encryption: 'login', answer: Encrypt.off };
    case Encrypt.notSupported:
      return mode === 'required'
        ? { encryption: 'refused', answer: Encrypt.required }
        : { encryption: 'none', answer: Encrypt.notSupported };
    default:
      throw new ProtocolError(`ENCRYPTION ${client}`);
  }
}

/** The server's PRELOGIN. */
export function writePrelogin(encryption: number): Buffer {
  const version = Buffer.from([SERVER_VERSION.major, SERVER_VERSION.minor, 0, 0, 0, 0]);
  version.writeUInt16BE(SERVER_VERSION.build, 2);
  const options: readonly (readonly [number, Uint8Array])[] = [
    [Option.version, version],
    [Option.encryption, Uint8Array.of(encryption)],
    [Option.instance, Uint8Array.of(0)],
    [Option.thread, new Uint8Array(0)],
    [Option.mars, Uint8Array.of(0)],
  ];
  const out = new ByteWriter(64);
  let offset = options.length * 5 + 1;
  for (const [token, data] of options) {
    out.raw(Uint8Array.of(token, offset >>> 8, offset & 0xff, data.length >>> 8, data.length & 0xff));
    offset += data.length;
  }
  out.uint8(Option.terminator);
  for (const [, data] of options) out.raw(data);
  return out.toBuffer();
}
