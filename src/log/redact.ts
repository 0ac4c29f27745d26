/** The one place of redaction: what is secret never reaches a log, a stream or the log database in readable form. */

/** Knows the secrets of one start of the program. */
export interface Redactor {
  /** From now on these are replaced. Secrets shorter than 4 characters are not: that would garble every text. */
  add(secrets: readonly string[]): void;
  /** The text with every known secret, in each form of `formsOf`, replaced by `***`. */
  redact(text: string): string;
}

const SHORTEST_SECRET = 4;

/** A longer secret is looked for piece by piece: an expression of its length would be too large for the engine. */
const LONGEST_PIECE = 512;

/** The length of one expression, for the same reason. */
const LONGEST_MATCHER = 16 * 1024;

/** A redactor that knows no secret yet. */
export function createRedactor(): Redactor {
  const patterns = new Set<string>();
  let matchers: readonly RegExp[] = [];
  return {
    add(secrets) {
      for (const secret of secrets.flatMap((text) => [text, text.trim()])) {
        for (const piece of piecesOf(secret)) for (const pattern of patternsOf(piece)) patterns.add(pattern);
      }
      // The longest first: where one secret begins with another, no rest of it may stay.
      matchers = matchersOf([...patterns].sort((a, b) => b.length - a.length));
    },
    redact: (text) => matchers.reduce((rest, matcher) => rest.replace(matcher, '***'), text),
  };
}

/** The secret, in pieces where it is long; none where it is too short. */
function piecesOf(secret: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < secret.length; at += LONGEST_PIECE) pieces.push(secret.slice(at, at + LONGEST_PIECE));
  return pieces.filter((piece) => piece.length >= SHORTEST_SECRET);
}

function matchersOf(patterns: readonly string[]): RegExp[] {
  const sources: string[] = [];
  for (const pattern of patterns) {
    const last = sources.at(-1);
    if (last !== undefined && last.length + pattern.length < LONGEST_MATCHER)
      sources.push(`${sources.pop()}|${pattern}`);
    else sources.push(pattern);
  }
  return sources.map((source) => new RegExp(source, 'g'));
}

function patternsOf(secret: string): string[] {
  return [...formsOf(secret).map(literalPattern), ...base64Patterns(secret)];
}

function literalPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** The secret as it is, as JSON text (once and twice encoded), and as the common URL encodings write it. */
function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const wellFormed = secret.toWellFormed();
  const component = encodeURIComponent(wellFormed);
  const urlEncoded = [
    component,
    component.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
    encodeURI(wellFormed),
    new URLSearchParams([['', wellFormed]]).toString().slice(1),
  ];
  const lowerCaseHex = urlEncoded.map((text) => text.replace(/%../g, (byte) => byte.toLowerCase()));
  return [secret, json, JSON.stringify(json).slice(1, -1), ...urlEncoded, ...lowerCaseHex];
}

/**
 * What Base64 makes of the secret wherever it stands in the encoded bytes, such as after `user:` in a Basic header: a
 * pattern for each of the three ways to fall on Base64's groups of three bytes. The characters that only these bytes
 * determine are matched exactly; one on each side holds bits of a neighbour too and may be any.
 */
function base64Patterns(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const from = Math.ceil((offset * 8) / 6);
    const to = Math.floor(((offset + bytes.length) * 8) / 6);
    const exact = [...encoded.slice(from, to)].map((character) => {
      if (character === '+') return '[-+]';
      return character === '/' ? '[_/]' : character;
    });
    return `[\\w+/-]?${exact.join('')}[\\w+/-]?={0,2}`;
  });
}
