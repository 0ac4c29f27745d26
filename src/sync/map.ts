/**
 * Rows to payloads. A map is compiled once per entity against the source's real columns, into one function per field;
 * millions of rows go through these, so JSON is written straight into bytes and never built as an object or a text.
 */
import { bareJsonOf, conversion, textOf, type Value } from './cell-json.ts';
import { DATE_FORMAT_TOKENS, type DateFormat, formatDate, parseDateFormat, wallClock } from './date-format.ts';
import type { Entity, FieldMap, Json, PayloadMap } from './entity.ts';
import { SyncError } from './errors.ts';
import { hash16 } from './hash.ts';
import { createJsonBytes, type JsonBytes } from './json-bytes.ts';
import type { Column, ColumnKind, Row } from './ports.ts';

/** A row's payload, or why it has none. */
export type Mapped =
  | {
      /** Compact JSON, fields in the map's order; only until the next row is mapped. */
      readonly json: Uint8Array;
      /** The first 16 bytes of SHA-256 over that JSON without the `sentAt` fields. */
      readonly hash: Uint8Array;
    }
  | {
      /** Names field, column and rule, never the value. */
      readonly reason: string;
    };

/** An entity's compiled map. */
export interface PayloadMapper {
  /** `row` has its cells in the order of the columns that the map was compiled against. */
  map(row: Row, sentAt: Date): Mapped;
}

/** What the compiler needs to know of an entity. */
export type MappedEntity = Pick<Entity, 'name' | 'map' | 'timeZone'>;

interface Unmappable {
  readonly reason: string;
}

/** Writes a value's JSON in one row, or says why the row has none. */
type WriteValue = (row: Row, sentAt: Date, out: JsonBytes) => Unmappable | undefined;

interface Field {
  readonly name: string;
  /** A string: the same JSON in every row. */
  readonly value: string | WriteValue;
  readonly hashed: boolean;
}

/** Pieces of a payload one after the other, all of which the hash sees, or none. */
interface Section {
  readonly hashed: boolean;
  readonly pieces: (Uint8Array | WriteValue)[];
}

/**
 * The columns that a map reads, each once, in the map's order; undefined where there is no map and all are read. Names
 * compare without case.
 */
export function columnsOf(map: PayloadMap | undefined): readonly string[] | undefined {
  if (map === undefined) return undefined;
  const names = new Map<string, string>();
  for (const field of Object.values(map)) {
    const name = columnOf(field);
    if (name !== undefined && !names.has(name.toLowerCase())) names.set(name.toLowerCase(), name);
  }
  return [...names.values()];
}

/**
 * Compiles an entity's map. Column names compare without case, where none is spelt the same.
 *
 * Throws SyncError SOURCE_COLUMN_MISSING where the map reads columns that the source does not have (names them all), and
 * MAP_INVALID where a field asks of its column what no value of it can give, or where, without a map, columns have no
 * name or come to the same one.
 */
export function compileMap(entity: MappedEntity, columns: readonly Column[]): PayloadMapper {
  const { map } = entity;
  const fields = map === undefined ? allColumns(entity.name, columns) : mappedFields(entity, map, columns);
  const sections = sectionsOf(fields);
  const payload = createJsonBytes();
  const hashed = createJsonBytes();
  return {
    map(row, sentAt) {
      payload.clear();
      hashed.clear();
      for (const section of sections) {
        const start = payload.length;
        for (const piece of section.pieces) {
          if (typeof piece !== 'function') {
            payload.bytes(piece);
            continue;
          }
          const unmappable = piece(row, sentAt, payload);
          if (unmappable !== undefined) return unmappable;
        }
        if (section.hashed && sections.length > 1) hashed.copy(payload, start);
      }
      return { json: payload.view(), hash: hash16((sections.length > 1 ? hashed : payload).view()) };
    },
  };
}

/** A change in how values become JSON that changes payloads counts this up: then maps count as changed. */
const PAYLOAD_FORMAT = 1;

/**
 * Tells maps apart whose payloads differ for one row: 16 bytes over the fields but for `sentAt` ones, and over the kinds of
 * the columns that they read. `columns` are those of compileMap.
 */
export function mapHash({ map }: Pick<Entity, 'map'>, columns: readonly Column[]): Uint8Array {
  const read = columnsOf(map)?.map((name) => name.toLowerCase());
  const kinds = columns
    .filter(({ name }) => read?.includes(name.toLowerCase()) ?? true)
    .map(({ name, kind, sqlType }) => [
      read === undefined ? name : name.toLowerCase(),
      // Its scale is in the text: 12.5, 12.50.
      kind === 'decimal' ? sqlType : kind,
    ]);
  const hashed = map && Object.entries(map).filter(([, field]) => typeof field === 'string' || !('sentAt' in field));
  // The order of columns is that of the map where there is one, and else the payload's.
  if (read !== undefined) kinds.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  return hash16(JSON.stringify([PAYLOAD_FORMAT, hashed ?? null, kinds]));
}

/** An object with these fields; its hashed sections together are one without the other fields. */
function sectionsOf(fields: readonly Field[]): readonly Section[] {
  const sections: Section[] = [];
  let literal = '';
  const section = (hashed: boolean): Section => {
    const last = sections.at(-1);
    if (last?.hashed === hashed) return last;
    endLiteral();
    const next = { hashed, pieces: [] };
    sections.push(next);
    return next;
  };
  const endLiteral = (): void => {
    if (literal !== '') sections.at(-1)?.pieces.push(Buffer.from(literal));
    literal = '';
  };
  const add = (hashed: boolean, value: string | WriteValue): void => {
    const { pieces } = section(hashed);
    if (typeof value === 'string') {
      literal += value;
      return;
    }
    endLiteral();
    pieces.push(value);
  };

  const firstHashed = fields.findIndex(({ hashed }) => hashed);
  add(true, '{');
  for (const [index, { name, value, hashed }] of fields.entries()) {
    if (index > 0) add(hashed && index > firstHashed, ',');
    add(hashed, `${JSON.stringify(name)}:`);
    add(hashed, value);
  }
  add(true, '}');
  endLiteral();
  return sections;
}

/**
 * A column's name in camelCase. The name is split at what is neither letter nor digit. In the first word the leading
 * capitals become small, but for one that a small letter follows (NoReg → noReg, URLValue → urlValue, ID → id). Each
 * further word begins with a capital, and one of capitals only keeps none but that (ROW_STATUS → rowStatus). Everything
 * else stays (ObjectID → objectID).
 */
export function camelCase(name: string): string {
  const [first = '', ...rest] = name.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
  const start = first.replace(/^\p{Lu}(?:\p{Lu}+(?!\p{Ll}))?/u, (capitals) => capitals.toLowerCase());
  return start + rest.map(capitalise).join('');
}

function capitalise(word: string): string {
  const [initial = ''] = word;
  const tail = word.slice(initial.length);
  return initial.toUpperCase() + (/\p{Ll}/u.test(word) ? tail : tail.toLowerCase());
}

function allColumns(entity: string, columns: readonly Column[]): Field[] {
  const sources = new Map<string, string>();
  return columns.map(({ name, kind }, index) => {
    const field = camelCase(name) || name;
    const other = sources.get(field);
    if (field === '' || other !== undefined) {
      throw invalid(
        entity,
        other === undefined
          ? 'a column has no name'
          : `the columns ${other} and ${name} would both be the field ${field}`,
        'Write a map for the entity, or give the columns names of their own in source.query.',
      );
    }
    sources.set(field, name);
    return { name: field, hashed: true, value: writeCell(index, 'null', plainValue(kind)) };
  });
}

function mappedFields(entity: MappedEntity, map: PayloadMap, columns: readonly Column[]): Field[] {
  const fields = Object.entries(map);
  const missing = fields.filter(([, field]) => {
    const name = columnOf(field);
    return name !== undefined && findColumn(columns, name) < 0;
  });
  if (missing.length > 0) {
    const names = missing.map(([name, field]) => `${columnOf(field)} (for the field ${name})`);
    throw new SyncError(
      'SOURCE_COLUMN_MISSING',
      `${entity.name}: the source has no column ${list(names, 'and')}; it has ${list(
        columns.map(({ name }) => name),
        'and',
      )}.`,
      `Correct the map of ${entity.name}, or take the field out of it.`,
    );
  }
  return fields.map(([name, field]) => {
    if (typeof field === 'string') field = { column: field };
    if ('const' in field) return { name, hashed: true, value: JSON.stringify(field.const) };
    if ('sentAt' in field) return { name, hashed: false, value: writeSentAt(entity, name, field) };
    return { name, hashed: true, value: writeColumn(entity.name, name, field, columns) };
  });
}

function writeColumn(
  entity: string,
  name: string,
  field: Extract<FieldMap, { readonly column: string }>,
  columns: readonly Column[],
): WriteValue {
  const index = findColumn(columns, field.column);
  const column = columns[index] as Column;
  return writeCell(index, JSON.stringify(field.default ?? null), columnValue(entity, name, field, column));
}

/** What becomes of a cell that is not NULL: a text of this JSON, or the text itself, to be put in quotes. */
type CellValue = { readonly json: (value: Value) => string | Unmappable } | { readonly text: (value: Value) => string };

function writeCell(index: number, nullJson: string, value: CellValue): WriteValue {
  const ofNull = Buffer.from(nullJson);
  if ('text' in value) {
    const { text } = value;
    return (row, _sentAt, out) => {
      const cell = row[index] ?? null;
      if (cell === null) out.bytes(ofNull);
      else out.text(text(cell));
      return undefined;
    };
  }
  const { json } = value;
  return (row, _sentAt, out) => {
    const cell = row[index] ?? null;
    if (cell === null) {
      out.bytes(ofNull);
      return undefined;
    }
    const written = json(cell);
    if (typeof written !== 'string') return written;
    out.json(written);
    return undefined;
  };
}

/** format, then cases, then as. */
function columnValue(
  entity: string,
  name: string,
  field: Extract<FieldMap, { readonly column: string }>,
  column: Column,
): CellValue {
  const format = field.format === undefined ? undefined : dateFormat(entity, name, field.format, column);
  // A date in a format of its own is text from there on.
  const kind = format === undefined ? column.kind : 'text';
  const text = format === undefined ? textOf(kind) : (value: Value) => formatDate(format, value as Date);
  const value = convert(entity, name, field.as, column, kind, text);
  if (field.cases === undefined && field.otherwise === undefined) return value;

  const cases = caseTexts(field.cases ?? {}, kind);
  const otherwise = field.otherwise === undefined ? undefined : JSON.stringify(field.otherwise);
  const json = 'text' in value ? (cell: Value) => JSON.stringify(value.text(cell)) : value.json;
  return { json: (cell) => cases.get(text(cell)) ?? otherwise ?? json(cell) };
}

function convert(
  entity: string,
  name: string,
  as: 'string' | 'number' | 'boolean' | undefined,
  column: Column,
  kind: ColumnKind,
  text: (value: Value) => string,
): CellValue {
  if (as === undefined) return kind === column.kind ? plainValue(kind) : { text };
  if (as === 'string') return { text };
  const converted = conversion(as, kind);
  if (converted === undefined) {
    throw invalid(
      entity,
      `the field ${name} wants the column ${column.name} (${column.sqlType}) as ${as}, which none of its values can be`,
      `Take "as" out of the field, or make it "string".`,
    );
  }
  const expected = as === 'number' ? 'a number' : '0, 1, true or false';
  const unmappable = { reason: `field ${name}: column ${column.name} is not ${expected} (as: ${as})` };
  return { json: (value) => converted(text(value)) ?? unmappable };
}

/** A value where the map asks for nothing else. */
function plainValue(kind: ColumnKind): CellValue {
  const json = bareJsonOf(kind);
  return json === undefined ? { text: textOf(kind) } : { json };
}

function caseTexts(cases: Readonly<Record<string, Json>>, kind: ColumnKind): ReadonlyMap<string, string> {
  const texts = new Map(Object.entries(cases).map(([key, result]) => [key, JSON.stringify(result)]));
  if (kind === 'boolean') {
    // A bit is 1 or 0 to whoever writes SQL, true or false to whoever writes JSON.
    for (const [bit, word] of [
      ['1', 'true'],
      ['0', 'false'],
    ] as const) {
      const result = texts.get(word) ?? texts.get(bit);
      if (result !== undefined) texts.set(word, result);
    }
  }
  return texts;
}

const DATE_KINDS: ReadonlySet<ColumnKind> = new Set<ColumnKind>(['date', 'time', 'datetime', 'datetimeoffset']);

function dateFormat(entity: string, name: string, format: string, column: Column): DateFormat {
  const parsed = parsedFormat(entity, name, format);
  if (!DATE_KINDS.has(column.kind)) {
    throw invalid(
      entity,
      `the field ${name} has a date format, but the column ${column.name} (${column.sqlType}) holds no dates`,
      'Take "format" out of the field.',
    );
  }
  if (column.kind === 'time' && parsed.showsDate) {
    throw invalid(
      entity,
      `the field ${name} has a format with a date, but the column ${column.name} (${column.sqlType}) holds times of day`,
      'Use HH, mm, ss and fff only.',
    );
  }
  return parsed;
}

function parsedFormat(entity: string, name: string, format: string): DateFormat {
  const parsed = parseDateFormat(format);
  if (parsed !== undefined) return parsed;
  throw invalid(
    entity,
    `the field ${name} has a date format that cannot be read, ${JSON.stringify(format)}`,
    `Use ${list(DATE_FORMAT_TOKENS, 'and')}, and put other letters in '…'.`,
  );
}

function writeSentAt(
  entity: MappedEntity,
  name: string,
  field: Extract<FieldMap, { readonly sentAt: string }>,
): WriteValue {
  const format = parsedFormat(entity.name, name, field.sentAt);
  const timeZone = field.timeZone ?? entity.timeZone;
  let clock: (instant: Date) => Date;
  try {
    clock = wallClock(timeZone);
  } catch {
    throw invalid(
      entity.name,
      `the field ${name} names an unknown time zone, ${timeZone}`,
      'Use an IANA name such as Asia/Jakarta.',
    );
  }
  // All rows of a batch share one time.
  let last = Number.NaN;
  let json = Buffer.alloc(0);
  return (_row, sentAt, out) => {
    if (sentAt.getTime() !== last) {
      json = Buffer.from(JSON.stringify(formatDate(format, clock(sentAt))));
      last = sentAt.getTime();
    }
    out.bytes(json);
    return undefined;
  };
}

function columnOf(field: FieldMap): string | undefined {
  if (typeof field === 'string') return field;
  return 'column' in field ? field.column : undefined;
}

function findColumn(columns: readonly Column[], name: string): number {
  const exact = columns.findIndex((column) => column.name === name);
  if (exact >= 0) return exact;
  const folded = name.toLowerCase();
  return columns.findIndex((column) => column.name.toLowerCase() === folded);
}

function list(names: readonly string[], word: string): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1)}`;
}

function invalid(entity: string, problem: string, hint: string): SyncError {
  return new SyncError('MAP_INVALID', `${entity}: ${problem}.`, hint);
}
