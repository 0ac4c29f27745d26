/** Files of keys, CSV or NDJSON, as they come from Excel, from a query tool or from `ledger export`. The only home of csv-parse. */
import { createReadStream } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { encodingOf, readFailure } from '../../config/text-file.ts';
import { cut, printable } from '../../report/terminal-text.ts';
import { SyncError } from '../../sync/errors.ts';
import { joinKey } from '../../sync/key.ts';
import type { Io } from '../context.ts';

/** A key of a file. */
export interface FileKey {
  /** As the ledger would have it, as far as the file says. */
  readonly key: string;
  /** The entity's name, where the file is an export: lines of other entities are none of this one's. */
  readonly entity?: string;
}

/** What the reader needs to know of the keys. */
export interface KeyFileOptions {
  /** The key's columns, in its order; empty where `key` or the first column must do. */
  readonly keyNames: readonly string[];
  /** Whether a text can be a key: a first line whose key cannot be one is a header. Any can where absent. */
  readonly isKey?: (text: string) => boolean | Promise<boolean>;
  /** Is told, as a sentence, which first line was taken for a header although it names no key. */
  readonly note?: (message: string) => void;
}

/** As much of a line as a note shows, in columns. */
const NOTED_WIDTH = 60;

/** A line beyond this is none. */
const MAX_LINE = 1024 * 1024;

const DELIMITERS = [',', ';', '\t'] as const;

/**
 * The keys of a file (`-`: standard input), one after the other; nothing but the line at hand is held in memory.
 *
 *   CSV     the columns named like the key's, else the column `key`, else the first ones; with or without a header line; the
 *           delimiter is a comma, semicolon or tab
 *   NDJSON  a line a key: a string, a number, or an object with members named likewise
 *
 * UTF-8, or UTF-16 with a byte order mark. Throws SyncError USAGE, with the line's number and nothing of its text, where the
 * file cannot be read, is neither, or holds no key.
 */
export async function* readKeyFile(
  file: string,
  { stdin, cwd }: Pick<Io, 'stdin' | 'cwd'>,
  options: KeyFileOptions,
): AsyncGenerator<FileKey> {
  const name = file === '-' ? 'standard input' : file;
  const input = file === '-' ? stdin?.() : createReadStream(resolve(cwd, file));
  if (input === undefined) throw new SyncError('USAGE', 'There is no standard input.', 'Name a file.');
  try {
    const { start, rest } = await beginning(decoded(input));
    if (isJsonArray(file, start)) {
      throw new SyncError('USAGE', `${name}: a JSON array is not read.`, 'Write a key a line.');
    }
    const keys = isNdjson(file, start) ? ndjsonKeys(name, rest, options) : csvKeys(name, start, rest, options);
    let isEmpty = true;
    for await (const key of keys) {
      isEmpty = false;
      yield key;
    }
    if (isEmpty) throw new SyncError('USAGE', `${name} holds no key.`, 'It is to be a CSV or NDJSON file of keys.');
  } catch (error) {
    if (error instanceof SyncError) throw error;
    throw new SyncError(
      'USAGE',
      `${name} cannot be read: ${readFailure(error)}.`,
      'It is to be a CSV or NDJSON file of keys.',
      { cause: error },
    );
  } finally {
    input.destroy();
  }
}

async function* decoded(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  for await (const chunk of chunks) {
    decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
    yield decoder.decode(chunk, { stream: true });
  }
  yield decoder?.decode() ?? '';
}

/** The first line (or all that there is), and the whole text from its beginning. */
async function beginning(chunks: AsyncGenerator<string>): Promise<{ start: string; rest: AsyncGenerator<string> }> {
  let text = '';
  while (!text.trimStart().includes('\n') && text.length < MAX_LINE) {
    const { value, done } = await chunks.next();
    if (done) break;
    text += value;
  }
  async function* rest() {
    yield text;
    yield* chunks;
  }
  return { start: text.trimStart().split('\n', 1)[0] as string, rest: rest() };
}

function isNdjson(file: string, firstLine: string): boolean {
  const extension = extname(file).toLowerCase();
  if (extension === '.csv' || extension === '.tsv' || extension === '.txt') return false;
  if (extension === '.ndjson' || extension === '.jsonl') return true;
  // A line with one quoted cell is a JSON string, and one key in both.
  return firstLine.startsWith('{') || (firstLine.startsWith('"') && isJson(firstLine));
}

/** Text keys may begin with a bracket, too: only what else could hardly be meant. */
function isJsonArray(file: string, firstLine: string): boolean {
  const extension = extname(file).toLowerCase();
  if (extension === '.json') return firstLine.startsWith('[');
  return extension === '' && /^\[\s*($|["{\d])/.test(firstLine);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function* ndjsonKeys(
  name: string,
  chunks: AsyncIterable<string>,
  { keyNames }: KeyFileOptions,
): AsyncGenerator<FileKey> {
  let line = 0;
  for await (const text of linesOf(name, chunks)) {
    line += 1;
    if (text.trim() === '') continue;
    const value = parsedLine(text);
    const fields = typeof value === 'object' && value !== null ? fieldsOf(value) : undefined;
    const picked = fields && keyFields([...fields.keys()], keyNames);
    const texts = picked === undefined ? [value] : picked.map((field) => fields?.get(field));
    if (texts.some((one) => typeof one !== 'string')) {
      const members = ['"key"', ...(keyNames.length > 0 ? [keyNames.map((key) => `"${key}"`).join(' and ')] : [])];
      throw badLine(
        name,
        line,
        `it is no key`,
        `Each line is to be a string, or an object with ${members.join(', or ')}.`,
      );
    }
    const entity = fields && isExport([...fields.keys()]) ? fields.get('entity') : undefined;
    yield { key: joinKey(texts as string[]), ...(typeof entity === 'string' && { entity }) };
  }
}

/** Names in lower case; numbers as they stand there: a bigint has more digits than a double. */
function fieldsOf(value: object): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]));
}

/** Undefined where it is no JSON. */
function parsedLine(text: string): unknown {
  const digits = (_name: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' ? context?.source : value;
  try {
    return JSON.parse(text, digits);
  } catch {
    return undefined;
  }
}

async function* linesOf(name: string, chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  let line = 0;
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() as string;
    line += lines.length;
    if (rest.length > MAX_LINE) throw badLine(name, line + 1, 'it is too long', 'Each line is to be one key.');
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function* csvKeys(
  name: string,
  firstLine: string,
  chunks: AsyncGenerator<string>,
  { keyNames, isKey = () => true, note }: KeyFileOptions,
): AsyncGenerator<FileKey> {
  const parser = parse({ delimiter: delimiterOf(firstLine), skip_empty_lines: true, max_record_size: MAX_LINE });
  // What fails is met where the parser is read.
  pipeline(Readable.from(chunks), parser, () => {});
  let pick: ((cells: readonly string[]) => FileKey) | undefined;
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      if (pick === undefined) {
        const named = byName(cells, keyNames);
        pick = named ?? ((record) => ({ key: firstCells(record, keyNames) }));
        if (named !== undefined) continue;
        if (!(await isKey(pick(cells).key))) {
          const line = cut(printable(firstLine), NOTED_WIDTH);
          note?.(`${name}: line 1 is taken for a header, since it begins with no key: ${line}`);
          continue;
        }
      }
      yield pick(cells);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw badLine(name, Number(error.lines), CSV_PROBLEMS[error.code] ?? `it is no CSV (${error.code})`, CSV_HINT);
  }
}

const CSV_HINT = 'Write cells that hold delimiters, quotes or line breaks in quotes, and each quote in them twice.';

const CSV_PROBLEMS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is not closed',
  CSV_INVALID_CLOSING_QUOTE: 'text follows a closing quote',
  INVALID_OPENING_QUOTE: 'a quote stands within a cell that does not begin with one',
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH: 'it has another number of cells than the first line',
  CSV_MAX_RECORD_SIZE: 'it is too long',
};

/** The delimiter that the first line has most of, outside of quotes: Excel's depends on its language. */
function delimiterOf(line: string): string {
  const bare = line.replace(/"[^"]*"/g, '');
  const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] as string;
}

/** How the key is taken from a record below this header; undefined where it is none. */
function byName(
  header: readonly string[],
  keyNames: readonly string[],
): ((cells: readonly string[]) => FileKey) | undefined {
  const names = header.map((cell) => cell.trim().toLowerCase());
  const places = keyFields(names, keyNames)?.map((field) => names.indexOf(field));
  if (places === undefined) return undefined;
  const entity = isExport(names) ? names.indexOf('entity') : -1;
  return (cells) => ({
    key: joinKey(places.map((place) => cells[place] as string)),
    ...(entity >= 0 && { entity: cells[entity] as string }),
  });
}

/** Whether these names (in lower case) are those of what `ledger export` writes. */
function isExport(names: readonly string[]): boolean {
  return EXPORT_COLUMNS.every((name) => names.includes(name));
}

const EXPORT_COLUMNS = ['entity', 'label', 'key'];

/** Which of these names (in lower case) hold the key. What `ledger export` writes has it in `key`, whatever else. */
function keyFields(names: readonly string[], keyNames: readonly string[]): readonly string[] | undefined {
  const wanted = keyNames.map((name) => name.toLowerCase());
  if (!isExport(names) && wanted.length > 0 && wanted.every((name) => names.includes(name))) return wanted;
  return names.includes('key') ? ['key'] : undefined;
}

/** A key of several columns stands in as many cells, or in one as the ledger's text. */
function firstCells(cells: readonly string[], keyNames: readonly string[]): string {
  const isApart = keyNames.length > 1 && cells.length >= keyNames.length;
  return joinKey(cells.slice(0, isApart ? keyNames.length : 1));
}

function badLine(name: string, line: number, problem: string, hint: string): SyncError {
  return new SyncError('USAGE', `${name}, line ${line}: ${problem}.`, hint);
}
