/** The collations the stand-in has on the wire: SQL_Latin1_General_CP1_CI_AS with its code page for (var)char text, and UTF-8. */

/** COLLATION as it stands in TYPE_INFO and ENVCHANGE: LCID 0x0409, compare flags, sort id 52. */
export const COLLATION: Uint8Array = Uint8Array.from([0x09, 0x04, 0xd0, 0x00, 0x34]);

const UTF8_FLAG = 0x04;

/** COLLATION of a column of Latin1_General_100_CI_AS_SC_UTF8. */
export const UTF8_COLLATION: Uint8Array = Uint8Array.from([0x09, 0x04, 0xd0, 0x20 | UTF8_FLAG, 0x00]);

const QUESTION_MARK = 0x3f;
const decoder = new TextDecoder('windows-1252');

const codes: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 256 }, (_, code) => [decoder.decode(Uint8Array.of(code)), code]),
);

/** Text in code page 1252; a character it lacks becomes a question mark, as SQL Server does. */
export function encodeChars(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (const character of text) {
    const code = character.charCodeAt(0);
    bytes[length++] = code < 0x80 ? code : (codes.get(character) ?? QUESTION_MARK);
  }
  return bytes.subarray(0, length);
}

/** The text of (var)char bytes that a client sent under `collation` (its five bytes; UTF-8 where they say so). */
export function decodeChars(bytes: Uint8Array, collation: Uint8Array): string {
  if (((collation[3] ?? 0) & UTF8_FLAG) !== 0) return Buffer.from(bytes).toString('utf8');
  return decoder.decode(bytes);
}
