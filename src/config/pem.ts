/** PEM text: in the configuration itself, or in a file that it names. */
import { resolve } from 'node:path';
import { readFailure, readText } from './text-file.ts';

/** PEM text read, with the absolute path where it stands in a file; or what is wrong, as the rest of a sentence. */
export type ReadPem =
  | { readonly pem: string; readonly path?: string; readonly problem?: never }
  | { readonly problem: string };

/** Reads what holds a certificate or a private key at least. Paths are relative to `directory`. */
export async function readPem(
  value: string,
  directory: string,
  content: 'certificate' | 'private key',
): Promise<ReadPem> {
  const path = isPem(value) ? undefined : resolve(directory, value);
  let pem = value;
  try {
    if (path !== undefined) pem = await readText(path);
  } catch (error) {
    return { problem: `names a file that cannot be read: ${readFailure(error)}` };
  }
  // As https://www.rfc-editor.org/rfc/rfc7468 writes them; keys have the algorithm or ENCRYPTED before their label too.
  const label = content.toUpperCase();
  if (!new RegExp(`-----BEGIN ([A-Z0-9]+ )*${label}-----`).test(pem)) {
    return { problem: `holds no ${content}, expected PEM text (-----BEGIN ${label}-----) or a file of it` };
  }
  return { pem, ...(path !== undefined && { path }) };
}

/** Whether a value is PEM text, not a file's name. */
export function isPem(value: string): boolean {
  return value.includes('-----BEGIN');
}
