/**
 * Takes people's data out of texts that come from outside, before they are stored or logged: receivers echo what they
 * refuse, SQL errors quote the values they stumble over.
 */

/** Length of a masked text, at most. */
const MAX_LENGTH = 500;

const MASK = '***';

/**
 * Strings shorter than this say nothing of a person, and masking them would leave no word whole. A value's first
 * and last characters, as many as this, decide quickly whether it can be in the text at all.
 */
const MIN_STRING = 3;

/** Numbers with fewer digits are counts and codes. */
const MIN_DIGITS = 5;

/** Words of a value that are shorter stand in any text: and, the, for. */
const MIN_WORD = 4;

/** A string or a number in compact JSON; a colon follows a string that is a field's name. */
const JSON_VALUE = /"([^"\\]*(?:\\.[^"\\]*)*)"(:?)|-?(\d[\d.eE+-]*)/g;

// Both sides are bounded, or a long run of letters would take quadratic time.
const EMAIL = /[\p{L}\p{N}._%+'&/=~-]{1,64}(?:@|%40)[\p{L}\p{N}](?:[\p{L}\p{N}.-]{0,252}[\p{L}\p{N}])?/giu;

/** Words of a value that errors are made of: without them nobody would understand one. */
const PLAIN_WORDS: ReadonlySet<string> = new Set(
  `already character characters code column data date duplicate email empty error errors exist exists field fields format found from
  have http https invalid length longer missing must name null number path request required shorter string system table that than this
  truncated type unique unknown user users validation value values with`.split(/\s+/),
);

/** What SQL Server and others quote of a value that was too long for its column: a piece of it, which is no word. */
const TRUNCATED = /(?<=truncated value:?\s*)['"](?:[^'"]|['"](?=[\p{L}\p{M}\p{N}]))*/giu;

const NOT_WORD = /[^\p{L}\p{M}\p{N}]+/u;
const WORD_CHARACTER = /[\p{L}\p{M}\p{N}]/u;

/** Values whose words say nothing of a person: GUIDs, dates and times, addresses of the web. */
const OF_NO_WORDS = /^(?:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$|\d{4}-\d\d-\d\d(?:[t ][\d:.z+-]*)?$|https?:)/i;

/**
 * A text from outside without the values of the rows it is about, as something to be stored: every string of three or
 * more characters and every number of five or more digits in `payloads` (JSON of rows, compact), and every e-mail
 * address, becomes `***`, whatever its case and though it be escaped as JSON in JSON; line breaks and other control
 * characters become spaces, and what is then longer than 500 characters is cut.
 *
 * So does what receivers make of a string, where it stands as a word of its own: its words of four or more characters
 * (five where there is a digit, and none that errors are made of), what stands before an address's @, digits without the
 * zeros before them. Initials, abbreviations and the like are not recognised.
 *
 * Pass the whole text: half a value is not recognised. Time is linear in payloads and text.
 */
export function maskValues(text: string, payloads: readonly string[]): string {
  return maskValuesInEach([text], payloads)[0] as string;
}

/** As maskValues for each of the texts, in the time of one look through the payloads. */
export function maskValuesInEach(texts: readonly string[], payloads: readonly string[]): string[] {
  const readings = texts.map(readingsOf);
  const pieces = new Set<string>();
  for (const { text } of readings.flat()) {
    for (let at = 0; at + MIN_STRING <= text.length; at++) pieces.add(text.slice(at, at + MIN_STRING));
  }
  const values = valuesMadeOf(pieces, payloads);
  return texts.map((text, index) => maskedText(text, readings[index] as Reading[], values));
}

function maskedText(text: string, readings: readonly Reading[], values: Values): string {
  const hidden = new Uint8Array(text.length);
  for (const reading of readings) hideValues(reading, values, hidden);
  for (const reading of readings) {
    for (const { index, 0: address } of reading.text.matchAll(EMAIL))
      hide(reading, index, index + address.length, hidden);
    for (const { index, 0: quoted } of reading.text.matchAll(TRUNCATED))
      hide(reading, index + 1, index + quoted.length, hidden);
  }
  return tidy(withMasks(text, hidden));
}

/** A text as it may be meant, with the place in the original at which each of its characters begins, and the end. */
interface Reading {
  readonly text: string;
  readonly origins: readonly number[];
}

/** The text itself, with its JSON escapes resolved, and with theirs, all in one case. */
function readingsOf(text: string): Reading[] {
  const raw = { text: foldCase(text), origins: Array.from({ length: text.length + 1 }, (_, at) => at) };
  const once = resolveEscapes(text, raw.origins);
  if (once === undefined) return [raw];
  const twice = resolveEscapes(once.text, once.origins);
  return [raw, once, ...(twice === undefined ? [] : [twice])].map((reading) => ({
    ...reading,
    text: foldCase(reading.text),
  }));
}

const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))/g;
const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** Undefined where there is no escape. */
function resolveEscapes(text: string, origins: readonly number[]): Reading | undefined {
  if (!text.includes('\\')) return undefined;
  let read = '';
  const places: number[] = [];
  let from = 0;
  const copyTo = (end: number) => {
    read += text.slice(from, end);
    for (let at = from; at < end; at++) places.push(origins[at] as number);
  };
  for (const { index, 0: escaped, 1: code, 2: character = '' } of text.matchAll(ESCAPE)) {
    copyTo(index);
    read += code === undefined ? (ESCAPED[character] ?? character) : String.fromCharCode(Number.parseInt(code, 16));
    places.push(origins[index] as number);
    from = index + escaped.length;
  }
  copyTo(text.length);
  places.push(origins[text.length] as number);
  return { text: read, origins: places };
}

/** The values to look for, and how long those are that begin alike. */
interface Values {
  readonly whole: Needles;
  /** Of values, to be found as words only. */
  readonly parts: Needles;
}

interface Needles {
  readonly texts: Set<string>;
  /** Their start → lengths of those with that start. */
  readonly lengths: Map<string, Set<number>>;
}

/** The values of the payloads that can be in the text: those whose start and end are among its pieces. */
function valuesMadeOf(pieces: ReadonlySet<string>, payloads: readonly string[]): Values {
  const values = { whole: noNeedles(), parts: noNeedles() };
  const add = (value: string, { texts, lengths } = values.whole) => {
    const start = foldCase(value.slice(0, MIN_STRING));
    if (!pieces.has(start) || !pieces.has(foldCase(value.slice(-MIN_STRING)))) return;
    const folded = foldCase(value);
    texts.add(folded);
    const known = lengths.get(start);
    if (known === undefined) lengths.set(start, new Set([folded.length]));
    else known.add(folded.length);
  };
  for (const payload of payloads) {
    for (const { 0: json, 1: string, 2: colon, 3: number } of payload.matchAll(JSON_VALUE)) {
      if (number !== undefined) {
        // Receivers print 1234567.00 as 1234567.
        for (const text of [number, String(Number(number))])
          if (text.replace(/\D/g, '').length >= MIN_DIGITS) add(text);
      } else if (string !== undefined && colon === '') {
        const value = string.includes('\\') ? (JSON.parse(json) as string) : string;
        if (value.length < MIN_STRING) continue;
        add(value);
        for (const part of partsOf(value)) add(part, values.parts);
      }
    }
  }
  return values;
}

const noNeedles = (): Needles => ({ texts: new Set(), lengths: new Map() });

function partsOf(value: string): string[] {
  const digits = /^0+([1-9]\d*)$/.exec(value)?.[1];
  if (digits !== undefined) return digits.length >= MIN_DIGITS ? [digits] : [];
  const words = OF_NO_WORDS.test(value) ? [] : value.split(NOT_WORD);
  if (words.length < 2) return [];
  const parts = words.filter(
    (word) => word.length >= (/\d/.test(word) ? MIN_DIGITS : MIN_WORD) && !PLAIN_WORDS.has(word.toLowerCase()),
  );
  const at = value.lastIndexOf('@');
  return at >= MIN_STRING ? [...parts, value.slice(0, at)] : parts;
}

function hideValues(reading: Reading, { whole, parts }: Values, hidden: Uint8Array): void {
  const { text } = reading;
  for (let at = 0; at + MIN_STRING <= text.length; at++) {
    const start = text.slice(at, at + MIN_STRING);
    const longest = longestAt(text, at, start, whole);
    if (longest > 0) hide(reading, at, at + longest, hidden);
    if (!parts.lengths.has(start) || isWordAt(text, at - 1)) continue;
    const part = longestAt(text, at, start, parts, (end) => !isWordAt(text, end));
    if (part > longest) hide(reading, at, at + part, hidden);
  }
}

function longestAt(
  text: string,
  at: number,
  start: string,
  { texts, lengths }: Needles,
  endsAt: (end: number) => boolean = () => true,
): number {
  let longest = 0;
  for (const length of lengths.get(start) ?? []) {
    if (length > longest && texts.has(text.slice(at, at + length)) && endsAt(at + length)) longest = length;
  }
  return longest;
}

function isWordAt(text: string, at: number): boolean {
  return at >= 0 && at < text.length && WORD_CHARACTER.test(text[at] as string);
}

function hide({ origins }: Reading, from: number, to: number, hidden: Uint8Array): void {
  hidden.fill(1, origins[from], origins[to]);
}

function withMasks(text: string, hidden: Uint8Array): string {
  let masked = '';
  for (let at = 0; at < text.length; ) {
    const from = at;
    const isHidden = hidden[at];
    while (at < text.length && hidden[at] === isHidden) at++;
    masked += isHidden ? MASK : text.slice(from, at);
  }
  return masked;
}

/** One case, and spaces for control characters, with as many characters as before, so that places stay. */
function foldCase(text: string): string {
  return /^[ -~]*$/.test(text) ? text.toLowerCase() : text.replace(/[^ -@a-z]/g, foldCharacter);
}

const folds = new Map<string, string>();

function foldCharacter(character: string): string {
  let folded = folds.get(character);
  if (folded === undefined) {
    // By way of capitals, since σ and ς have the same one.
    folded = /\p{Cc}/u.test(character) ? ' ' : character.toUpperCase().toLowerCase();
    if (folded.length !== 1) folded = character;
    folds.set(character, folded);
  }
  return folded;
}

/** What SQL Server writes before the quoted name of an object or a login, or before a piece of T-SQL. */
const OBJECT_NAME =
  /\b(?:(?:column|constraint|database|function|identifier|index|object|parameter|principal|procedure|schema|server|table|trigger|variable|view)(?: name)?|login failed for user|syntax near|keyword)\s+(?:'[^']*'|"[^"]*")/giu;

/** A quote, but no apostrophe within a word. */
const QUOTE = /(?<![\p{L}\p{N}])['"“”«»]|['"“”«»](?![\p{L}\p{N}])/gu;

/**
 * A SQL error's text without the values it quotes, where the rows it is about are not known: what stands in parentheses
 * (2601, 2627: "The duplicate key value is (…)."), what stands in quotes (245, 248: "the varchar value '…'", 2628: "Truncated
 * value: '…'") and after `value =` (220) becomes `***`. Quotes stay only around what a noun says is the name of an object
 * (table 'dbo.T', constraint "FK"). Values hold quotes and parentheses themselves, unescaped, so from the first of them to the
 * last everything goes; in a language whose nouns are not known, names go too. E-mail addresses, control characters and
 * length as in maskValues.
 *
 * Texts: https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
 */
export function maskQuoted(text: string): string {
  // A parenthesis right after a word belongs to a type, such as nvarchar(50).
  const masked = text
    .replace(/(?<![\w\]])\((?:.*\)|.*)/s, `(${MASK})`)
    .replace(/\b(value\s*=\s*)[^\s'"]+?(?=[,.;]?(?:\s|$))/giu, `$1${MASK}`);
  return tidy(maskQuotes(masked).replace(EMAIL, MASK));
}

function maskQuotes(text: string): string {
  const names = [...text.matchAll(OBJECT_NAME)].map(({ index, 0: name }) => ({ from: index, to: index + name.length }));
  const quotes = [...text.matchAll(QUOTE)].map(({ index }) => index);
  const first = quotes.find((quote) => !names.some(({ from, to }) => quote >= from && quote < to));
  if (first === undefined) return text;
  const last = quotes.at(-1) as number;
  // An opening quote alone: the text was cut, and the value goes on to its end.
  const rest = last > first ? text.slice(last) : '';
  return text.slice(0, first + 1) + MASK + rest;
}

function tidy(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return (line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 1)}…` : line).toWellFormed();
}
