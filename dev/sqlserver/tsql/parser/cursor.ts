/** Reads tokens one after the other: what every part of the parser shares. */
import type { SqlType } from '../../engine.ts';
import type { ObjectName } from '../ast.ts';
import { message, unsupported } from '../errors.ts';
import { type Token, tokenize } from '../lexer.ts';
import { makeType } from '../types.ts';
import { reserved } from './keywords.ts';

/** A place in the tokens of a batch, with what all parts of the grammar do there. */
export class Cursor {
  readonly sql: string;
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(sql: string, quotedIdentifier = true) {
    this.sql = sql;
    this.tokens = tokenize(sql, quotedIdentifier);
  }

  protected get token(): Token {
    return this.tokens[this.at] as Token;
  }

  protected peek(ahead = 1): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token;
  }

  protected advance(): Token {
    const token = this.token;
    if (token.kind !== 'end') this.at++;
    return token;
  }

  /** Is the next token this word or symbol (upper case)? A quoted identifier never is. */
  protected is(...keys: readonly string[]): boolean {
    return this.token.key !== '' && keys.includes(this.token.key);
  }

  /** Are the next tokens these, one after the other? */
  protected isSequence(...keys: readonly string[]): boolean {
    return keys.every((key, index) => this.peek(index).key === key);
  }

  /** Takes the next token if it is this one. */
  protected accept(key: string): boolean {
    if (!this.is(key)) return false;
    this.advance();
    return true;
  }

  protected acceptSequence(...keys: readonly string[]): boolean {
    if (!this.isSequence(...keys)) return false;
    for (const _ of keys) this.advance();
    return true;
  }

  /** Takes one of these words or fails. */
  protected expect(...keys: readonly string[]): string {
    if (!this.is(...keys)) this.fail();
    return this.advance().key;
  }

  /** Throws 102 or 156 for the next token: it can't stand here. */
  protected fail(token: Token = this.token): never {
    if (token.kind === 'end') {
      const last = this.tokens[this.tokens.length - 2];
      throw this.error(last?.text ?? '', last?.line ?? token.line, last?.kind === 'word' && reserved.has(last.key));
    }
    throw this.error(token.text, token.line, token.kind === 'word' && reserved.has(token.key));
  }

  private error(near: string, line: number, keyword: boolean) {
    return keyword
      ? message(156, 15, 1, `Incorrect syntax near the keyword '${near}'.`, line)
      : message(102, 15, 1, `Incorrect syntax near '${near}'.`, line);
  }

  /** Throws 102 for valid T-SQL that the stand-in does not implement. */
  protected refuse(token: Token = this.token): never {
    throw unsupported(token.text, token.line);
  }

  protected isIdentifier(token: Token = this.token): boolean {
    return token.kind === 'quoted' || (token.kind === 'word' && !reserved.has(token.key));
  }

  protected identifier(): string {
    if (!this.isIdentifier()) this.fail();
    return this.advance().text;
  }

  protected variable(): string {
    if (this.token.kind !== 'variable' || this.token.text === '@') this.fail();
    return this.advance().text;
  }

  protected string(): string {
    if (this.token.kind !== 'string') this.fail();
    return this.advance().text;
  }

  protected integer(): number {
    if (this.token.kind !== 'number' || !/^\d+$/.test(this.token.text)) this.fail();
    return Number(this.advance().text);
  }

  protected signedInteger(): bigint {
    const negative = this.accept('-');
    if (!negative) this.accept('+');
    if (this.token.kind !== 'number' || !/^\d+$/.test(this.token.text)) this.fail();
    const value = BigInt(this.advance().text);
    return negative ? -value : value;
  }

  /** [database.][schema.]name; `db..name` has an empty part. A #temporary table and a @table variable have one part. */
  protected objectName(): ObjectName {
    if (this.token.kind === 'variable') return { parts: [this.variable()] };
    const parts = [this.identifier()];
    while (this.is('.')) {
      this.advance();
      parts.push(this.is('.') ? '' : this.identifier());
    }
    if (parts.length > 4) this.fail();
    return { parts };
  }

  /** `item, item …` */
  protected list<T>(item: () => T): T[] {
    const items = [item()];
    while (this.accept(',')) items.push(item());
    return items;
  }

  /** `(item, item …)` */
  protected parenthesized<T>(item: () => T): T[] {
    this.expect('(');
    const items = this.list(item);
    this.expect(')');
    return items;
  }

  protected identifierList(): string[] {
    return this.parenthesized(() => this.identifier());
  }

  /** A data type. `defaultLength`: see makeType. */
  protected dataType(defaultLength: number): SqlType {
    const token = this.token;
    let name: string;
    if (this.accept('DOUBLE')) {
      this.expect('PRECISION');
      name = 'float';
    } else {
      name = this.identifier();
      if (this.is('.') && /^sys$/i.test(name)) {
        this.advance();
        name = this.identifier();
      }
    }
    if (/^(national|character|char)$/i.test(name) && this.is('VARYING')) this.refuse();
    const args: (number | 'max')[] = [];
    if (this.is('(')) args.push(...this.parenthesized(() => (this.accept('MAX') ? 'max' : this.integer())));
    const type = makeType(name, args, defaultLength);
    if (type === undefined) throw message(243, 16, 1, `Type ${name} is not a defined system type.`, token.line);
    return type;
  }

  /** The text from a token's start to the end of the token before the current one. */
  protected textFrom(start: number): string {
    const previous = this.tokens[this.at - 1] as Token;
    return this.sql.slice(start, Math.max(start, previous.end));
  }
}
