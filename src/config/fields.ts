/** Fields of a map and time zones: what a schema cannot say of them. */
import { DATE_FORMAT_TOKENS, isDateFormat } from '../sync/date-format.ts';
import type { FieldMap } from '../sync/entity.ts';
import { columnsOf } from '../sync/map.ts';
import type { Draft } from './draft.ts';
import { didYouMean, type Path } from './problem.ts';

/** Reports date formats and time zones of a map's fields that are none. */
export function checkFields(draft: Draft, map: Path): void {
  for (const field of draft.children(map)) checkField(draft, field);
}

/**
 * Reports columns that the map at `path` reads and that are none of `columns`, which are compared without case. `what` ends
 * the sentence "found "Name", which …".
 */
export function checkColumnsAmong(draft: Draft, path: Path, columns: readonly string[], what: string): void {
  const folded = new Set(columns.map((column) => column.toLowerCase()));
  for (const field of draft.children(path)) {
    const map = draft.get<FieldMap>(field);
    const [column] = map === undefined ? [] : (columnsOf({ field: map }) ?? []);
    if (column === undefined || folded.has(column.toLowerCase())) continue;
    const columnPath = typeof map === 'string' ? field : [...field, 'column'];
    draft.report(columnPath, `found ${draft.show(columnPath)}, which ${what}${didYouMean(column, columns)}`);
  }
}

function checkField(draft: Draft, path: Path): void {
  for (const key of ['format', 'sentAt']) {
    const format = draft.get<string>([...path, key]);
    if (format === undefined || isDateFormat(format)) continue;
    const expected = `a date format of ${DATE_FORMAT_TOKENS.join(', ')}, other letters in '…'`;
    draft.report([...path, key], `found ${draft.show([...path, key])}, expected ${expected}`);
  }
  checkTimeZone(draft, [...path, 'timeZone']);
}

/** Reports an unknown time zone that stands at `path`. */
export function checkTimeZone(draft: Draft, path: Path): void {
  const zone = draft.get<string>(path);
  if (zone === undefined || isTimeZone(zone)) return;
  const near = didYouMean(zone, Intl.supportedValuesOf('timeZone'));
  draft.report(path, `found ${draft.show(path)}, expected an IANA time zone${near}`);
}

/** Whether it is an IANA time zone that this Node.js knows. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
