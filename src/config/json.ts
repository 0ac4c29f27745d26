/**
 * JSON text to a value. Not JSON.parse: its messages quote the text, which may be a secret, give no position for some
 * mistakes, and it takes the last of two equal keys in silence, which in a map would be a field that is never sent.
 */

/** Where JSON text goes wrong. `message` quotes nothing but keys. */
export class JsonSyntaxError extends Error {
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;

  constructor(text: string, position: number, message: string) {
    super(message);
    this.name = 'JsonSyntaxError';
    const before = text.slice(0, position).split('\n');
    this.line = before.length;
    this.column = (before.at(-1) ?? '').length + 1;
  }
}

const WHITESPACE = /[ \t\r\n]*/y;
/** A string up to its closing quote; `[ !#-[\]-\u{10ffff}]` is RFC 8259's "unescaped". */
const STRING = /"[ !#-[\]-\u{10ffff}]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[ !#-[\]-\u{10ffff}]*)*/uy;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y;
const WORD = /true|false|null/y;
const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };
const COMMENT = /\/\/[^\r\n]*|\/\*.*?\*\//sy;
const MAX_DEPTH = 100;

/**
 * Parses JSON (RFC 8259) in which no object has a key twice. Throws JsonSyntaxError. With `lenient`, comments and a comma
 * after the last member are allowed, as in the appsettings.json of .NET
 * (https://learn.microsoft.com/dotnet/core/extensions/configuration-providers#json-configuration-provider).
 */
export function parseJson(text: string, { lenient = false }: { readonly lenient?: boolean } = {}): unknown {
  let position = 0;

  const result = value(0);
  if (position < text.length) fail('expected the end of the file');
  return result;

  function value(depth: number): unknown {
    if (depth > MAX_DEPTH) fail(`expected less than ${MAX_DEPTH} levels`);
    skipWhitespace();
    const parsed = valueHere(depth);
    skipWhitespace();
    return parsed;
  }

  function valueHere(depth: number): unknown {
    const first = text[position];
    if (first === '{') return object(depth);
    if (first === '[') return array(depth);
    if (first === '"') return string();
    const word = match(WORD);
    if (word !== undefined) return WORDS[word];
    return Number(
      match(NUMBER) ?? fail('expected a value (text in double quotes, a number, true, false, null, { or [)'),
    );
  }

  function object(depth: number): Record<string, unknown> {
    const members = new Map<string, unknown>();
    position += 1;
    skipWhitespace();
    if (take('}')) return {};
    do {
      skipWhitespace();
      if (lenient && text[position] === '}') break;
      const start = position;
      if (text[position] !== '"') fail('expected a key in double quotes');
      const key = string();
      if (members.has(key)) fail(`the key ${JSON.stringify(key)} stands here twice`, start);
      skipWhitespace();
      if (!take(':')) fail('expected ":" after the key');
      members.set(key, value(depth + 1));
    } while (take(','));
    if (!take('}')) fail('expected "," or "}"');
    return Object.fromEntries(members);
  }

  function array(depth: number): unknown[] {
    const items: unknown[] = [];
    position += 1;
    skipWhitespace();
    if (take(']')) return items;
    do {
      skipWhitespace();
      if (lenient && text[position] === ']') break;
      items.push(value(depth + 1));
    } while (take(','));
    if (!take(']')) fail('expected "," or "]"');
    return items;
  }

  function string(): string {
    const token = match(STRING) ?? '';
    if (take('"')) return JSON.parse(`${token}"`);
    return fail(
      text[position] === '\\' ? 'expected an escape such as \\\\, \\" or \\n' : 'expected a closing double quote',
    );
  }

  function skipWhitespace(): void {
    match(WHITESPACE);
    while (lenient && match(COMMENT) !== undefined) match(WHITESPACE);
    if (text.startsWith('//', position) || text.startsWith('/*', position)) {
      fail(lenient ? 'expected the end of the comment' : 'JSON has no comments');
    }
  }

  function take(character: string): boolean {
    if (text[position] !== character) return false;
    position += 1;
    return true;
  }

  function match(pattern: RegExp): string | undefined {
    pattern.lastIndex = position;
    const found = pattern.exec(text)?.[0];
    position += found?.length ?? 0;
    return found;
  }

  function fail(message: string, at = position): never {
    throw new JsonSyntaxError(text, at, at >= text.length ? `${message}, found the end of the file` : message);
  }
}
