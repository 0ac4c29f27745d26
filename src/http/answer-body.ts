/** Reads an answer's body whole, within limits. */
import { promisify } from 'node:util';
import { brotliDecompress, unzip } from 'node:zlib';
import type { Dispatcher } from 'undici';

/** `code` is one of those that network-error.ts knows how to tell. */
class AnswerError extends Error {
  readonly code: string;

  constructor(code: 'ANSWER_TOO_LARGE' | 'ANSWER_NOT_DECODED', options?: ErrorOptions) {
    super(code, options);
    this.code = code;
  }
}

type Decode = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

/** By Content-Encoding, which we never ask for: https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1 */
const DECODERS: Readonly<Record<string, Decode>> = {
  gzip: promisify(unzip),
  'x-gzip': promisify(unzip),
  deflate: promisify(unzip),
  br: promisify(brotliDecompress),
  identity: async (body) => body,
};

/**
 * The body as text, without its Content-Encoding; in UTF-8, as JSON is. Throws what undici throws where it breaks off, and
 * an error with `code` ANSWER_TOO_LARGE (more than `maxBytes`, before or after decoding) or ANSWER_NOT_DECODED.
 */
export async function readBody({ headers, body }: Dispatcher.ResponseData, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw new AnswerError('ANSWER_TOO_LARGE');
    chunks.push(chunk);
  }
  const encoding = String(headers['content-encoding'] ?? 'identity')
    .trim()
    .toLowerCase();
  return new TextDecoder().decode(await decoded(Buffer.concat(chunks, length), encoding, maxBytes));
}

async function decoded(body: Buffer, encoding: string, maxBytes: number): Promise<Buffer> {
  // A 204 may tell an encoding, too.
  if (body.length === 0) return body;
  const decode = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (decode === undefined) throw new AnswerError('ANSWER_NOT_DECODED');
  try {
    return await decode(body, { maxOutputLength: maxBytes });
  } catch (cause) {
    const isTooLarge = cause instanceof RangeError;
    throw new AnswerError(isTooLarge ? 'ANSWER_TOO_LARGE' : 'ANSWER_NOT_DECODED', { cause });
  }
}
