/**
 * Date formats of the map: their grammar, and dates as text in them. Only UTC fields of a Date are ever read, so the
 * machine's time zone cannot matter; a zone's wall clock is first made into a Date that has it in its UTC fields.
 */

/** Each token as the range of characters it takes from `yyyy-MM-ddTHH:mm:ss.fffZ`, which is what toISOString() gives. */
const TOKENS: ReadonlyMap<string, readonly [start: number, end: number]> = new Map([
  ['yyyy', [0, 4]],
  ['yy', [2, 4]],
  ['MM', [5, 7]],
  ['dd', [8, 10]],
  ['HH', [11, 13]],
  ['mm', [14, 16]],
  ['ss', [17, 19]],
  ['fff', [20, 23]],
]);

/** The tokens of a date format, for messages. */
export const DATE_FORMAT_TOKENS: readonly string[] = [...TOKENS.keys()];

/** Quoted text, a run of one letter, or a character that is no letter. */
const PIECE = /'((?:[^']|'')*)'|(\p{L})\2*|[^\p{L}']/uy;

/** A format, ready for use. */
export interface DateFormat {
  /** Literal text, or a range of toISOString(). */
  readonly parts: readonly (string | readonly [start: number, end: number])[];
  /** Whether it shows anything of the day, month or year. */
  readonly showsDate: boolean;
}

/**
 * Parses a date format; undefined where it is none.
 *
 *   yyyy yy   year, four digits or the last two
 *   MM dd     month, day, two digits
 *   HH mm ss  hour (00–23), minute, second, two digits
 *   fff       milliseconds, three digits
 *   T Z       themselves (Z says nothing of the zone, it is only written)
 *   'text'    text, in which '' is one quote; '' alone is one quote too
 *
 * Digits, spaces and punctuation stand for themselves. Any other letter, or another count of one (`M`, `MMM`, `hh`), is
 * refused, since other tools mean something by it that this one does not do. At least one token is needed.
 */
export function parseDateFormat(text: string): DateFormat | undefined {
  const parts: (string | readonly [number, number])[] = [];
  let showsDate = false;
  let tokens = 0;
  PIECE.lastIndex = 0;
  for (let at = 0; at < text.length; at = PIECE.lastIndex) {
    const piece = PIECE.exec(text);
    if (piece === null) return undefined;
    const [all, quoted, letter] = piece;
    const token = TOKENS.get(all);
    if (token !== undefined) {
      parts.push(token);
      tokens += 1;
      showsDate ||= token[0] < 10;
    } else if (quoted !== undefined) {
      parts.push(quoted === '' ? "'" : quoted.replaceAll("''", "'"));
    } else if (letter !== undefined && all !== 'T' && all !== 'Z') {
      return undefined;
    } else {
      parts.push(all);
    }
  }
  return tokens === 0 ? undefined : { parts, showsDate };
}

/** Whether `parseDateFormat` takes the text. */
export function isDateFormat(text: string): boolean {
  return parseDateFormat(text) !== undefined;
}

/** The UTC fields of a date (years 0–9999) in a format. */
export function formatDate(format: DateFormat, date: Date): string {
  const iso = date.toISOString();
  let text = '';
  for (const part of format.parts) text += typeof part === 'string' ? part : iso.slice(part[0], part[1]);
  return text;
}

/**
 * Makes the function that turns an instant into the wall clock of an IANA zone, as a Date whose UTC fields are that
 * clock. Throws RangeError where the zone is unknown.
 */
export function wallClock(timeZone: string): (instant: Date) => Date {
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    // With hour12: false midnight would be 24:00 (https://github.com/tc39/ecma402/issues/402).
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (instant) => {
    const part: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of clock.formatToParts(instant)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return new Date(Date.UTC(year, month - 1, day, hour, minute, second, instant.getUTCMilliseconds()));
  };
}
