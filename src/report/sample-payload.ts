/** Payloads as samples: read out of a batch's stored bytes, exact or masked. */
import type { Batch } from '../sync/ports.ts';

/** What stands for a value: the same for each, so that nothing of it can be guessed, not even its length. */
const MASK = '***';

/**
 * The payload at `index` of a batch, as a value that JSON.stringify writes as it would be sent: numbers keep all their
 * digits.
 */
export function payloadAt({ offsets, body }: Pick<Batch, 'offsets' | 'body'>, index: number): unknown {
  // A comma stands before the next row's JSON, the closing bracket after the last one's.
  const end = (offsets[index + 1] ?? body.length) - 1;
  const json = new TextDecoder().decode(body.subarray(offsets[index], end));
  return exactJson.parse(json, (_name, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exactJson.rawJSON(source) : value,
  );
}

/**
 * The payload with `***` for each value but null. Names of fields stay; of an array one element does, since
 * their number says something, too.
 */
export function masked(payload: unknown): unknown {
  if (payload === null) return null;
  if (Array.isArray(payload)) return payload.slice(0, 1).map(masked);
  if (typeof payload !== 'object' || exactJson.isRawJSON(payload)) return MASK;
  return Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, masked(value)]));
}

/** Node.js 22 has it, TypeScript's types do not yet: https://github.com/tc39/proposal-json-parse-with-source */
const exactJson = JSON as unknown as {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
};
