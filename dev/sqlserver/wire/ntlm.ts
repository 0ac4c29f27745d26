/**
 * NTLMv2 on the server's side, as LOGIN7 with integrated security uses it: a challenge, and the check of its answer.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp/5e550938-91d4-459f-b67d-75d70009e3f3
 */
import { createHmac, randomBytes } from 'node:crypto';
import { ByteWriter, ProtocolError } from './bytes.ts';

/** A Windows account that may log in. */
export interface WindowsLogin {
  readonly domain: string;
  readonly userName: string;
  readonly password: string;
}

const SIGNATURE = Buffer.from('NTLMSSP\0', 'latin1');
const Message = { challenge: 2, authenticate: 3 } as const;
/** Unicode, request target, NTLM, target type domain, extended security, target info, 128 and 56 bit. */
const FLAGS = 0xa0890205;
const HEADER_LENGTH = 56;
const TARGET_DOMAIN = 2;

/** A challenge message for one login attempt, and the nonce that its answer has to prove. */
export function makeChallenge(domain: string): { message: Buffer; nonce: Buffer } {
  const nonce = randomBytes(8);
  const name = Buffer.from(domain, 'utf16le');
  const target = new ByteWriter();
  target.uint16(TARGET_DOMAIN);
  target.uint16(name.length);
  target.raw(name);
  target.uint32(0);
  const out = new ByteWriter();
  out.raw(SIGNATURE);
  out.uint32(Message.challenge);
  writeSpan(out, name.length, HEADER_LENGTH);
  out.uint32(FLAGS);
  out.raw(nonce);
  out.uint64(0n);
  writeSpan(out, target.length, HEADER_LENGTH + name.length);
  out.uint64(0n);
  out.raw(name);
  out.raw(target.toBuffer());
  return { message: out.toBuffer(), nonce };
}

function writeSpan(out: ByteWriter, length: number, offset: number): void {
  out.uint16(length);
  out.uint16(length);
  out.uint32(offset);
}

/**
 * Whether the authenticate message proves that the client knows the account's password. Throws ProtocolError where it is
 * no such message.
 */
export function provesPassword(message: Buffer, nonce: Buffer, account: WindowsLogin): boolean {
  if (
    message.length < 52 ||
    !message.subarray(0, 8).equals(SIGNATURE) ||
    message.readUInt32LE(8) !== Message.authenticate
  ) {
    throw new ProtocolError('an answer to the NTLM challenge that is none');
  }
  const field = (at: number): Buffer => {
    const length = message.readUInt16LE(at);
    const offset = message.readUInt32LE(at + 4);
    if (offset + length > message.length) throw new ProtocolError('an NTLM field outside of the message');
    return message.subarray(offset, offset + length);
  };
  const domain = field(28).toString('utf16le');
  const userName = field(36).toString('utf16le');
  const same = (a: string, b: string): boolean => a.toUpperCase() === b.toUpperCase();
  if (!same(domain, account.domain) || !same(userName, account.userName)) return false;
  const identity = Buffer.from(userName.toUpperCase() + domain.toUpperCase(), 'utf16le');
  const key = hmacMd5(md4(Buffer.from(account.password, 'utf16le')), identity);
  const proof = (response: Buffer): boolean =>
    response.length > 16 &&
    hmacMd5(key, Buffer.concat([nonce, response.subarray(16)])).equals(response.subarray(0, 16));
  // The LMv2 response and the NTv2 one have the same form; some drivers send only one that is complete.
  return proof(field(12)) || proof(field(20));
}

function hmacMd5(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('md5', key).update(data).digest();
}

/** MD4 (RFC 1320), which OpenSSL 3 no longer offers. */
function md4(message: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  padded.writeUInt32LE(message.length * 8, padded.length - 8);
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  const rotate = (x: number, n: number): number => (x << n) | (x >>> (32 - n));
  const rounds = [
    {
      mix: (x: number, y: number, z: number) => (x & y) | (~x & z),
      constant: 0,
      order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
      shifts: [3, 7, 11, 19],
    },
    {
      mix: (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z),
      constant: 0x5a827999,
      order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
      shifts: [3, 5, 9, 13],
    },
    {
      mix: (x: number, y: number, z: number) => x ^ y ^ z,
      constant: 0x6ed9eba1,
      order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
      shifts: [3, 9, 11, 15],
    },
  ];
  for (let block = 0; block < padded.length; block += 64) {
    let [a = 0, b = 0, c = 0, d = 0] = state;
    for (const { mix, constant, order, shifts } of rounds) {
      for (const [step, word] of order.entries()) {
        const sum = (a + mix(b, c, d) + padded.readUInt32LE(block + word * 4) + constant) | 0;
        [a, b, c, d] = [d, rotate(sum, shifts[step % 4] as number), b, c];
      }
    }
    for (const [i, value] of [a, b, c, d].entries()) state[i] = (state[i] as number) + value;
  }
  return Buffer.from(state.buffer);
}
