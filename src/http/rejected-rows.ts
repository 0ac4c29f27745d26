/** Reads which rows an answer of 2xx says were not taken. */
import type { RejectedRowsConfig } from '../sync/entity.ts';
import type { RejectedRow } from '../sync/ports.ts';
import { explanationOf } from './answer-text.ts';
import { atPointer } from './json-pointer.ts';

/** The answer says something of rows, and nobody knows what. The message is a phrase, without a value of a row. */
export class UnclearReportError extends Error {}

/** Where a 207 may hold a status for each row. */
const STATUS_LISTS = ['', '/results', '/responses', '/items', '/value'];

/** A longer reason is not told: masking takes time. */
const MAX_REASON_LENGTH = 64 * 1024;

const TOO_LONG = 'the reason that the destination gives is too long';

const NO_REASON = 'the destination gives no reason';

/**
 * The rows that the answer's body, a JSON text, reports as not taken, each once, in the order of their first mention;
 * `reason` is neither masked nor cut. `keys`: those of the batch, in its order.
 *
 * With `config`, the rows in its list. Without, those with a status of 400 or more in a multi-status body (207): a list with
 * a status for each row of the batch, or whose items say their row's `index`.
 *
 * Throws UnclearReportError where this is no JSON, a 207 without such a list, or a row in it is none of the batch.
 */
export function rejectedRows(
  body: string,
  keys: readonly string[],
  config: RejectedRowsConfig | undefined,
): RejectedRow[] {
  const json = parse(body);
  return merged(config === undefined ? rowsByStatus(json, keys.length) : rowsInList(json, keys, config));
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new UnclearReportError('it is no JSON');
  }
}

function rowsInList(json: unknown, keys: readonly string[], { pointer, ...paths }: RejectedRowsConfig): RejectedRow[] {
  const list = atPointer(json, pointer) ?? [];
  if (!Array.isArray(list)) throw new UnclearReportError(`what stands at ${JSON.stringify(pointer)} is no array`);
  const { index: toIndex, key: toKey } = paths;
  const findKey = toIndex === undefined ? keyFinder(keys) : undefined;
  return list.map((item: unknown) => ({
    index: findKey ? findKey(atPointer(item, toKey ?? '')) : indexOf(atPointer(item, toIndex ?? ''), keys.length),
    reason: reasonOf(item, paths.reason),
  }));
}

function rowsByStatus(json: unknown, rows: number): RejectedRow[] {
  const list = STATUS_LISTS.map((pointer) => atPointer(json, pointer)).find(isStatusList);
  // To take it for a success could lose rows without a word.
  if (list === undefined)
    throw new UnclearReportError('it has no status for each row; rejectedRows can say how it is read');
  const areIndexed = list.some(({ index }) => readNumber(index) !== undefined);
  const told = list.map((item, place) => ({
    index: areIndexed ? indexOf(item.index, rows) : place,
    reason: reasonOf(item, undefined),
    httpStatus: readNumber(item.status) as number,
  }));
  const rejected = told.filter(({ httpStatus }) => httpStatus >= 400);
  if (rejected.length > 0 && !areIndexed && list.length !== rows) {
    throw new UnclearReportError(`it has a status for ${list.length} rows, and the batch has ${rows}`);
  }
  return rejected;
}

interface StatusItem {
  readonly status: unknown;
  readonly index?: unknown;
}

function isStatusList(json: unknown): json is StatusItem[] {
  const hasStatus = (item: unknown) =>
    typeof item === 'object' && item !== null && 'status' in item && readNumber(item.status) !== undefined;
  return Array.isArray(json) && json.length > 0 && json.every(hasStatus);
}

function indexOf(told: unknown, rows: number): number {
  const index = readNumber(told);
  if (index === undefined) throw new UnclearReportError('it does not say by number which row it means');
  if (index >= rows) throw new UnclearReportError(`it names row ${index}, counted from 0, and the batch has ${rows}`);
  return index;
}

/** A whole number of 0 or more, or its digits. */
function readNumber(json: unknown): number | undefined {
  const number = typeof json === 'string' && /^\d{1,9}$/.test(json) ? Number(json) : json;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** Finds a row's index by its key as an answer tells it: exactly, else without regard to case where that is one row. */
function keyFinder(keys: readonly string[]): (told: unknown) => number {
  const exact = new Map(keys.map((key, index) => [key, index]));
  const folded = Map.groupBy(keys.keys(), (index) => keys[index]?.toLowerCase());
  return (told) => {
    // A number that lost digits in JSON.parse would be another row's.
    const key = typeof told === 'string' || Number.isSafeInteger(told) ? String(told) : undefined;
    if (key === undefined) throw new UnclearReportError('it does not say by key which row it means');
    const alike = folded.get(key.toLowerCase()) ?? [];
    const index = exact.get(key) ?? (alike.length === 1 ? alike[0] : undefined);
    if (index === undefined) throw new UnclearReportError('it names a key that is not in the batch');
    return index;
  };
}

function reasonOf(item: unknown, pointer: string | undefined): string {
  const told = pointer === undefined ? '' : explanationOf(atPointer(item, pointer));
  // A bare number or text only says which row it is.
  const reason = told === '' && typeof item === 'object' ? explanationOf(item) : told;
  return reason === '' ? NO_REASON : reason;
}

/** Each row once, with all its reasons. */
function merged(rows: readonly RejectedRow[]): RejectedRow[] {
  return Map.groupBy(rows, ({ index }) => index)
    .values()
    .map((told) => {
      const reason = [...new Set(told.map(({ reason }) => reason))].join('; ');
      return { ...(told[0] as RejectedRow), reason: reason.length > MAX_REASON_LENGTH ? TOO_LONG : reason };
    })
    .toArray();
}
