/** The one place of redaction: what is secret never reaches a log, a stream or the log database in readable form. */

/** Knows the secrets of one start of the program. */
export interface Redactor {
  /** From now on these are replaced. Secrets shorter than 4 characters are not: that would garble every text. */
  add(secrets: readonly string[]): void;
  /** The text with every known secret, in each form of `formsOf`, replaced by `***`. */
  redact(text: string): string;
}

const SHORTEST_SECRET = 4;

/** A redactor that knows no secret yet. */
export function createRedactor(): Redactor {
  const patterns = new Set<string>();
  let matcher: RegExp | undefined;
  return {
    add(secrets) {
      for (const secret of secrets.flatMap((text) => [text, text.trim()])) {
        if (secret.length >= SHORTEST_SECRET) for (const pattern of patternsOf(secret)) patterns.add(pattern);
      }
      // The longest first: where one secret begins with another, no rest of it may stay.
      const longestFirst = [...patterns].sort((a, b) => b.length - a.length);
      matcher = longestFirst.length === 0 ? undefined : new RegExp(longestFirst.join('|'), 'g');
    },
    redact: (text) => (matcher === undefined ? text : text.replace(matcher, '***')),
  };
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
