/** Expressions and search conditions, by precedence climbing. */
import type { Call, Expression, OrderItem, Query, Window } from '../ast.ts';
import { sqlError } from '../errors.ts';
import { numeric, nvarchar, types, varbinary, varchar } from '../types.ts';
import { decimalParse } from '../values/decimal.ts';
import { decimalTo } from '../values/stored.ts';
import { Cursor } from './cursor.ts';
import { reserved } from './keywords.ts';

const predicates = new Set(['compare', 'logical', 'not', 'isNull', 'like', 'between', 'in', 'exists']);

/** Is this node a condition (T-SQL has no boolean values)? */
const isPredicate = (node: Expression): boolean => predicates.has(node.kind);

/** Functions that are written without parentheses. */
const niladic = new Set(['CURRENT_TIMESTAMP', 'CURRENT_USER', 'SESSION_USER', 'SYSTEM_USER', 'USER']);

/** Reserved words that are functions when a parenthesis follows. */
const functionWords = new Set(['LEFT', 'RIGHT', 'COALESCE', 'NULLIF', 'CONVERT', 'TRY_CONVERT', 'USER']);

/** Adds expressions to the cursor. */
export abstract class ExpressionParser extends Cursor {
  /** A query expression, at SELECT, WITH or VALUES; the query half of the parser provides it. */
  protected abstract query(): Query;

  /** A scalar expression. */
  protected expression(): Expression {
    const start = this.token;
    const node = this.disjunction();
    if (isPredicate(node)) this.fail(start);
    return node;
  }

  /** A search condition. */
  protected condition(): Expression {
    const node = this.disjunction();
    if (!isPredicate(node)) throw sqlError(4145, this.token.text === '' ? ';' : this.token.text);
    return node;
  }

  private disjunction(): Expression {
    return this.chain('OR', () => this.chain('AND', () => this.negation()));
  }

  private chain(operator: 'AND' | 'OR', operand: () => Expression): Expression {
    const first = operand();
    if (!this.is(operator)) return first;
    const operands = [first];
    while (this.accept(operator)) operands.push(operand());
    for (const node of operands) if (!isPredicate(node)) throw sqlError(4145, operator);
    return { kind: 'logical', operator, operands };
  }

  private negation(): Expression {
    if (!this.accept('NOT')) return this.comparison();
    const operand = this.negation();
    if (!isPredicate(operand)) throw sqlError(4145, this.token.text);
    return { kind: 'not', operand };
  }

  private comparison(): Expression {
    const left = this.additive();
    if (isPredicate(left)) return left;
    if (this.is('=', '<>', '!=', '<', '>', '<=', '>=', '!<', '!>')) {
      const written = this.advance().text;
      const operator = { '!=': '<>', '!<': '>=', '!>': '<=' }[written] ?? written;
      if (this.is('ALL', 'ANY', 'SOME')) this.refuse();
      return { kind: 'compare', operator, left, right: this.scalar() };
    }
    if (this.accept('IS')) {
      const negated = this.accept('NOT');
      if (this.is('DISTINCT')) this.refuse();
      this.expect('NULL');
      return { kind: 'isNull', operand: left, negated };
    }
    const negated = this.is('NOT') && ['IN', 'LIKE', 'BETWEEN'].includes(this.peek().key) && this.accept('NOT');
    if (this.accept('LIKE')) {
      const pattern = this.scalar();
      return {
        kind: 'like',
        operand: left,
        pattern,
        escape: this.accept('ESCAPE') ? this.scalar() : undefined,
        negated,
      };
    }
    if (this.accept('BETWEEN')) {
      const low = this.scalar();
      this.expect('AND');
      return { kind: 'between', operand: left, low, high: this.scalar(), negated };
    }
    if (this.accept('IN')) {
      if (this.isQueryAfterParenthesis()) {
        this.expect('(');
        const list = this.query();
        this.expect(')');
        return { kind: 'in', operand: left, list, negated };
      }
      return { kind: 'in', operand: left, list: this.parenthesized(() => this.expression()), negated };
    }
    return left;
  }

  /** An operand of a comparison: no condition. */
  private scalar(): Expression {
    const start = this.token;
    const node = this.additive();
    if (isPredicate(node)) this.fail(start);
    return node;
  }

  private isQueryAfterParenthesis(): boolean {
    for (let ahead = 0; ; ahead++) {
      const key = this.peek(ahead).key;
      if (key !== '(') return ahead > 0 && (key === 'SELECT' || key === 'WITH');
    }
  }

  private additive(): Expression {
    let left = this.multiplicative();
    while (this.is('+', '-', '&', '|', '^')) {
      const operator = this.advance().text;
      left = this.binary(operator, left, this.multiplicative());
    }
    return left;
  }

  private multiplicative(): Expression {
    let left = this.unary();
    while (this.is('*', '/', '%')) {
      const operator = this.advance().text;
      left = this.binary(operator, left, this.unary());
    }
    return left;
  }

  private binary(operator: string, left: Expression, right: Expression): Expression {
    if (isPredicate(left) || isPredicate(right)) this.fail();
    return { kind: 'binary', operator, left, right };
  }

  private unary(): Expression {
    if (this.is('-', '+', '~')) {
      const operator = this.advance().text as '-' | '+' | '~';
      if (operator === '-' && this.token.kind === 'number') return this.collated(this.number(true));
      const operand = this.unary();
      if (isPredicate(operand)) this.fail();
      return { kind: 'unary', operator, operand };
    }
    return this.collated(this.primary());
  }

  private collated(node: Expression): Expression {
    let operand = node;
    while (this.accept('COLLATE')) operand = { kind: 'collate', operand, collation: this.identifier() };
    if (this.is('AT') && this.peek().key === 'TIME') this.refuse();
    return operand;
  }

  private primary(): Expression {
    const token = this.token;
    switch (token.kind) {
      case 'number':
        return this.number(false);
      case 'string':
        this.advance();
        return {
          kind: 'literal',
          value: token.text,
          type: token.unicode ? nvarchar(token.text.length) : varchar(token.text.length),
        };
      case 'binary': {
        this.advance();
        const digits = token.text.slice(2);
        const bytes = new Uint8Array(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex'));
        return { kind: 'literal', value: bytes, type: varbinary(bytes.length) };
      }
      case 'variable':
        return { kind: 'variable', name: this.variable() };
      case 'system':
        this.advance();
        return { kind: 'system', name: token.text.toUpperCase() };
      case 'symbol':
        return this.parenthesis();
      default:
        return this.word();
    }
  }

  private parenthesis(): Expression {
    if (!this.is('(')) this.fail();
    if (this.isQueryAfterParenthesis() && (this.peek().key === 'SELECT' || this.peek().key === 'WITH')) {
      this.advance();
      const query = this.query();
      this.expect(')');
      return { kind: 'subquery', query };
    }
    this.advance();
    const inner = this.disjunction();
    this.expect(')');
    return inner;
  }

  private number(negative: boolean): Expression {
    const token = this.advance();
    const text = negative ? `-${token.text}` : token.text;
    if (/e/i.test(text)) {
      const value = Number(text);
      if (!Number.isFinite(value)) throw sqlError(168, token.text);
      return { kind: 'literal', value, type: types.float };
    }
    const parsed = decimalParse(text) as { unscaled: bigint; scale: number };
    if (!token.text.includes('.') && parsed.unscaled >= -2147483648n && parsed.unscaled <= 2147483647n) {
      return { kind: 'literal', value: parsed.unscaled, type: types.int };
    }
    const digits = String(parsed.unscaled < 0n ? -parsed.unscaled : parsed.unscaled).length;
    const precision = Math.max(digits, parsed.scale, 1);
    if (precision > 38) throw sqlError(1007, token.text);
    return { kind: 'literal', value: decimalTo(parsed.unscaled, precision), type: numeric(precision, parsed.scale) };
  }

  private word(): Expression {
    const token = this.token;
    const called = this.peek().key === '(';
    if (token.kind === 'word') {
      switch (token.key) {
        case 'NULL':
          this.advance();
          return { kind: 'null' };
        case 'DEFAULT':
          this.advance();
          return { kind: 'default' };
        case 'CASE':
          return this.case();
        case 'EXISTS': {
          this.advance();
          this.expect('(');
          const query = this.query();
          this.expect(')');
          return { kind: 'exists', query };
        }
        case 'CAST':
        case 'TRY_CAST':
          if (called) return this.cast();
          break;
        case 'CONVERT':
        case 'TRY_CONVERT':
          return this.convert();
        case 'IIF':
          if (called) return this.iif();
          break;
      }
      if (niladic.has(token.key) && !called) {
        this.advance();
        return call(token.key, []);
      }
      if (called && functionWords.has(token.key)) {
        this.advance();
        return this.call(token.key);
      }
      if (reserved.has(token.key)) this.fail();
    }
    const parts = [this.identifier()];
    while (this.is('.') && this.peek().key !== '*') {
      this.advance();
      parts.push(this.is('.') ? '' : this.identifier());
    }
    if (this.is('(') && (token.kind === 'word' || parts.length > 1)) return this.call(parts.join('.').toUpperCase());
    if (this.is('::')) this.refuse();
    return { kind: 'column', parts };
  }

  private call(name: string): Expression {
    this.expect('(');
    if (name === 'COUNT' || name === 'COUNT_BIG') {
      if (this.is('*')) {
        this.advance();
        this.expect(')');
        return { ...call(name, []), star: true, over: this.over() };
      }
    }
    const distinct = this.accept('DISTINCT');
    if (!distinct) this.accept('ALL');
    const args: Expression[] = [];
    if (!this.is(')')) args.push(...this.list(() => this.expression()));
    // TRIM(characters FROM text)
    if (name === 'TRIM' && args.length === 1 && this.accept('FROM')) args.unshift(this.expression());
    this.expect(')');
    let withinGroup: readonly OrderItem[] | undefined;
    if (this.is('WITHIN') && this.peek().key === 'GROUP') {
      this.advance();
      this.advance();
      this.expect('(');
      this.expect('ORDER');
      this.expect('BY');
      withinGroup = this.list(() => this.orderItem());
      this.expect(')');
    }
    if (this.is('IGNORE', 'RESPECT')) this.refuse();
    return { kind: 'call', name, args, distinct, star: false, over: this.over(), withinGroup };
  }

  private over(): Window | undefined {
    if (!this.is('OVER')) return undefined;
    this.advance();
    this.expect('(');
    let partitionBy: Expression[] = [];
    if (this.accept('PARTITION')) {
      this.expect('BY');
      partitionBy = this.list(() => this.expression());
    }
    let orderBy: OrderItem[] = [];
    if (this.accept('ORDER')) {
      this.expect('BY');
      orderBy = this.list(() => this.orderItem());
    }
    const frame = this.is('ROWS', 'RANGE') ? this.frame() : undefined;
    this.expect(')');
    return { partitionBy, orderBy, frame };
  }

  private frame(): string {
    const unit = this.advance().key;
    const bound = (): string => {
      if (this.accept('CURRENT')) return `CURRENT ${this.expect('ROW')}`;
      const amount = this.accept('UNBOUNDED') ? 'UNBOUNDED' : String(this.integer());
      return `${amount} ${this.expect('PRECEDING', 'FOLLOWING')}`;
    };
    if (!this.accept('BETWEEN')) return `${unit} ${bound()}`;
    const low = bound();
    this.expect('AND');
    return `${unit} BETWEEN ${low} AND ${bound()}`;
  }

  protected orderItem(): OrderItem {
    const expression = this.expression();
    const descending = this.accept('DESC');
    if (!descending) this.accept('ASC');
    return { expression, descending };
  }

  private case(): Expression {
    this.advance();
    const operand = this.is('WHEN') ? undefined : this.expression();
    const branches: { when: Expression; result: Expression }[] = [];
    while (this.accept('WHEN')) {
      const when = operand === undefined ? this.condition() : this.expression();
      this.expect('THEN');
      branches.push({ when, result: this.expression() });
    }
    if (branches.length === 0) this.fail();
    const otherwise = this.accept('ELSE') ? this.expression() : undefined;
    this.expect('END');
    return { kind: 'case', operand, branches, otherwise };
  }

  private iif(): Expression {
    this.advance();
    this.expect('(');
    const when = this.condition();
    this.expect(',');
    const result = this.expression();
    this.expect(',');
    const otherwise = this.expression();
    this.expect(')');
    return { kind: 'case', operand: undefined, branches: [{ when, result }], otherwise };
  }

  private cast(): Expression {
    const attempt = this.advance().key === 'TRY_CAST';
    this.expect('(');
    const operand = this.expression();
    if (!this.is('AS')) throw sqlError(1035, attempt ? 'try_cast' : 'CAST');
    this.advance();
    const type = this.dataType(30);
    this.expect(')');
    return { kind: 'cast', operand, type, style: undefined, attempt };
  }

  private convert(): Expression {
    const attempt = this.advance().key === 'TRY_CONVERT';
    this.expect('(');
    const type = this.dataType(30);
    this.expect(',');
    const operand = this.expression();
    const style = this.accept(',') ? this.expression() : undefined;
    this.expect(')');
    return { kind: 'cast', operand, type, style, attempt };
  }
}

function call(name: string, args: readonly Expression[]): Call {
  return { kind: 'call', name, args, distinct: false, star: false, over: undefined, withinGroup: undefined };
}
