/** JSON documents as OPENJSON, JSON_VALUE and JSON_QUERY read them. Numbers keep the digits they were written with. */
import { sqlError, unsupported } from '../errors.ts';

/** A number with its own spelling, so that 12345678901234567890 or 1.10 stays what it was. */
class JsonNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toJSON(): unknown {
    return JSON.rawJSON(this.text);
  }
}

declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

/** A parsed document. */
export type Json = null | boolean | string | JsonNumber | Json[] | { [key: string]: Json };

/** Parses a document. Throws 13609 where it is no JSON. */
export function jsonParse(document: string): Json {
  try {
    return JSON.parse(document, function (this: unknown, _key: string, value: unknown, context?: { source?: string }) {
      return typeof value === 'number' ? new JsonNumber(context?.source ?? String(value)) : value;
    } as (this: unknown, key: string, value: unknown) => unknown) as Json;
  } catch {
    const at = document.search(/\S/);
    throw sqlError(13609, at < 0 ? '.' : document.charAt(at), Math.max(0, at));
  }
}

/** `lax $.a."b c"[0]` as its steps. */
export function jsonPath(path: string): { readonly steps: readonly (string | number)[]; readonly strict: boolean } {
  const match = /^\s*(?:(lax|strict)\s+)?\$(.*)$/s.exec(path);
  if (match === null) throw sqlError(13607, path.charAt(0), 0);
  const steps: (string | number)[] = [];
  const pattern = /\.([A-Za-z_][\w$]*)|\."((?:[^"\\]|\\.)*)"|\[(\d+)\]/gy;
  const rest = match[2] as string;
  while (pattern.lastIndex < rest.length) {
    const step = pattern.exec(rest);
    if (step === null) throw unsupported(path);
    steps.push(step[3] !== undefined ? Number(step[3]) : (step[1] ?? (step[2] as string)));
  }
  return { steps, strict: match[1] === 'strict' };
}

/** What a path leads to, or undefined. */
export function jsonWalk(value: Json | undefined, steps: readonly (string | number)[]): Json | undefined {
  let at = value;
  for (const step of steps) {
    if (at === undefined || at === null || typeof at !== 'object' || at instanceof JsonNumber) return undefined;
    if (Array.isArray(at)) at = typeof step === 'number' ? at[step] : undefined;
    else at = typeof step === 'string' && Object.hasOwn(at, step) ? at[step] : undefined;
  }
  return at;
}

/** What a path leads to in a document. */
export const jsonAt = (document: string, steps: readonly (string | number)[]): Json | undefined =>
  jsonWalk(jsonParse(document), steps);

/** A scalar as text; NULL for null. */
export function jsonScalar(value: Json): string | null {
  if (value === null) return null;
  if (value instanceof JsonNumber) return value.text;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The type column of OPENJSON: 0 null, 1 string, 2 number, 3 true/false, 4 array, 5 object. */
export function jsonKind(value: Json): number {
  if (value === null) return 0;
  if (typeof value === 'string') return 1;
  if (value instanceof JsonNumber) return 2;
  if (typeof value === 'boolean') return 3;
  return Array.isArray(value) ? 4 : 5;
}
