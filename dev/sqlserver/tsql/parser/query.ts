/** Queries: SELECT, set operations, FROM with its joins, common table expressions. */
import type {
  Cte,
  Expression,
  JsonColumn,
  OrderItem,
  Query,
  QueryBody,
  Select,
  SelectItem,
  TableSource,
} from '../ast.ts';
import { ExpressionParser } from './expression.ts';

/** Table hints that the stand-in knows; how each acts is decided in bind/. */
const hints = new Set([
  'NOLOCK',
  'READUNCOMMITTED',
  'READCOMMITTED',
  'READCOMMITTEDLOCK',
  'REPEATABLEREAD',
  'SERIALIZABLE',
  'HOLDLOCK',
  'UPDLOCK',
  'XLOCK',
  'ROWLOCK',
  'PAGLOCK',
  'TABLOCK',
  'TABLOCKX',
]);

/** Adds queries to the parser. */
export class QueryParser extends ExpressionParser {
  protected query(): Query {
    const ctes = this.ctes();
    return this.queryAfter(ctes);
  }

  /** WITH name (columns) AS (query), … or nothing. */
  protected ctes(): readonly Cte[] {
    if (!this.accept('WITH')) return [];
    return this.list(() => {
      const name = this.identifier();
      const columns = this.is('(') ? this.identifierList() : undefined;
      this.expect('AS');
      this.expect('(');
      const query = this.query();
      this.expect(')');
      return { name, columns, query };
    });
  }

  protected queryAfter(ctes: readonly Cte[]): Query {
    const body = this.unions();
    let orderBy: OrderItem[] = [];
    let offset: Expression | undefined;
    let fetch: Expression | undefined;
    if (this.accept('ORDER')) {
      this.expect('BY');
      orderBy = this.list(() => this.orderItem());
      if (this.accept('OFFSET')) {
        offset = this.expression();
        this.expect('ROW', 'ROWS');
        if (this.accept('FETCH')) {
          this.expect('FIRST', 'NEXT');
          fetch = this.expression();
          this.expect('ROW', 'ROWS');
          this.expect('ONLY');
        }
      }
    }
    if (this.is('FOR')) this.refuse();
    if (this.is('OPTION')) this.options();
    return { kind: 'query', ctes, body, orderBy, offset, fetch };
  }

  /** OPTION (…): only what leaves the result as it is. */
  protected options(): void {
    this.expect('OPTION');
    this.parenthesized(() => {
      if (
        this.acceptSequence('LOOP', 'JOIN') ||
        this.acceptSequence('HASH', 'JOIN') ||
        this.acceptSequence('MERGE', 'JOIN')
      )
        return;
      if (this.acceptSequence('FORCE', 'ORDER') || this.accept('RECOMPILE')) return;
      if (this.accept('MAXDOP')) {
        this.integer();
        return;
      }
      if (this.acceptSequence('OPTIMIZE', 'FOR', 'UNKNOWN')) return;
      if (this.is('MAXRECURSION') || this.isIdentifier()) this.refuse();
      this.fail();
    });
  }

  private unions(): QueryBody {
    let left = this.intersections();
    while (this.is('UNION', 'EXCEPT')) {
      const word = this.advance().key;
      const operator = word === 'EXCEPT' ? 'EXCEPT' : this.accept('ALL') ? 'UNION ALL' : 'UNION';
      left = { kind: 'set', operator, left, right: this.intersections() };
    }
    return left;
  }

  private intersections(): QueryBody {
    let left = this.queryTerm();
    while (this.accept('INTERSECT')) left = { kind: 'set', operator: 'INTERSECT', left, right: this.queryTerm() };
    return left;
  }

  private queryTerm(): QueryBody {
    if (this.accept('(')) {
      const body = this.unions();
      this.expect(')');
      return body;
    }
    return this.select();
  }

  private select(): Select {
    this.expect('SELECT');
    const distinct = this.accept('DISTINCT');
    if (!distinct) this.accept('ALL');
    const top = this.top();
    const items = this.list(() => this.selectItem());
    const into = this.accept('INTO') ? this.objectName() : undefined;
    const from = this.accept('FROM') ? this.from() : undefined;
    const where = this.accept('WHERE') ? this.condition() : undefined;
    let groupBy: Expression[] = [];
    if (this.accept('GROUP')) {
      this.expect('BY');
      if (this.is('ROLLUP', 'CUBE', 'GROUPING') && this.peek().key !== ',') this.refuse();
      groupBy = this.list(() => this.expression());
      if (this.is('WITH')) this.refuse(this.peek());
    }
    const having = this.accept('HAVING') ? this.condition() : undefined;
    return { kind: 'select', distinct, top, items, into, from, where, groupBy, having };
  }

  /** TOP (n) or TOP n. */
  protected top(): Expression | undefined {
    if (!this.accept('TOP')) return undefined;
    let top: Expression;
    if (this.accept('(')) {
      top = this.expression();
      this.expect(')');
    } else {
      if (this.token.kind !== 'number') this.fail();
      top = { kind: 'literal', value: BigInt(this.integer()), type: { name: 'bigint' } };
    }
    if (this.is('PERCENT') || this.isSequence('WITH', 'TIES')) this.refuse();
    return top;
  }

  protected selectItem(): SelectItem {
    if (this.accept('*')) return { kind: 'star', qualifier: [] };
    const star = this.qualifiedStar();
    if (star !== undefined) return { kind: 'star', qualifier: star };
    if (this.token.kind === 'variable' && ['=', '+=', '-=', '*=', '/=', '%='].includes(this.peek().key)) {
      const variable = this.variable();
      return { kind: 'assign', variable, expression: this.assigned({ kind: 'variable', name: variable }) };
    }
    // alias = expression
    if (this.isIdentifier() && this.peek().key === '=') {
      const alias = this.identifier();
      this.advance();
      return { kind: 'expression', expression: this.expression(), alias };
    }
    const expression = this.expression();
    return { kind: 'expression', expression, alias: this.alias() };
  }

  /** `= expression` or `+= expression`, whose left side is `target`. */
  protected assigned(target: Expression): Expression {
    const operator = this.expect('=', '+=', '-=', '*=', '/=', '%=');
    const right = this.expression();
    return operator === '=' ? right : { kind: 'binary', operator: operator.charAt(0), left: target, right };
  }

  private qualifiedStar(): string[] | undefined {
    for (let ahead = 0; this.isIdentifier(this.peek(ahead)) && this.peek(ahead + 1).key === '.'; ahead += 2) {
      if (this.peek(ahead + 2).key === '*') {
        const parts: string[] = [];
        for (let i = 0; i <= ahead; i += 2) {
          parts.push(this.identifier());
          this.expect('.');
        }
        this.expect('*');
        return parts;
      }
    }
    return undefined;
  }

  /** [AS] alias, for a select item: an identifier or a string. */
  private alias(): string | undefined {
    if (this.accept('AS')) return this.token.kind === 'string' ? this.string() : this.identifier();
    if (this.token.kind === 'string') return this.string();
    return this.isIdentifier() ? this.identifier() : undefined;
  }

  protected from(): TableSource {
    let left = this.joined();
    while (this.accept(',')) left = { kind: 'join', type: 'CROSS', left, right: this.joined(), on: undefined };
    return left;
  }

  private joined(): TableSource {
    let left = this.tableSource();
    for (;;) {
      if (this.isSequence('CROSS', 'APPLY') || this.isSequence('OUTER', 'APPLY')) {
        const outer = this.advance().key === 'OUTER';
        this.advance();
        left = { kind: 'apply', outer, left, right: this.tableSource() };
        continue;
      }
      if (this.acceptSequence('CROSS', 'JOIN')) {
        left = { kind: 'join', type: 'CROSS', left, right: this.tableSource(), on: undefined };
        continue;
      }
      const type = this.joinType();
      if (type === undefined) return left;
      const right = this.joinedRight();
      this.expect('ON');
      left = { kind: 'join', type, left, right, on: this.condition() };
    }
  }

  /** The right side of a join may be a join itself: a JOIN b JOIN c ON … ON …. */
  private joinedRight(): TableSource {
    let right = this.tableSource();
    while (!this.is('ON')) {
      const type = this.joinType();
      if (type === undefined) this.fail();
      const inner = this.joinedRight();
      this.expect('ON');
      right = { kind: 'join', type, left: right, right: inner, on: this.condition() };
    }
    return right;
  }

  private joinType(): 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | undefined {
    if (this.accept('JOIN')) return 'INNER';
    if (!this.is('INNER', 'LEFT', 'RIGHT', 'FULL')) return undefined;
    const type = this.advance().key as 'INNER' | 'LEFT' | 'RIGHT' | 'FULL';
    if (type !== 'INNER') this.accept('OUTER');
    if (this.is('LOOP', 'HASH', 'MERGE', 'REMOTE')) this.advance();
    this.expect('JOIN');
    return type;
  }

  private tableSource(): TableSource {
    if (this.is('(')) return this.parenthesizedSource();
    if (this.is('OPENJSON') && this.peek().key === '(') return this.openJson();
    if (this.is('OPENROWSET', 'OPENQUERY', 'OPENXML', 'CONTAINSTABLE', 'FREETEXTTABLE')) this.refuse();
    const name = this.objectName();
    if (this.is('(')) {
      if (name.parts.length === 1 && this.peek().kind === 'word' && hints.has(this.peek().key)) {
        return { kind: 'table', name, alias: undefined, hints: this.hintList() };
      }
      this.expect('(');
      const args = this.is(')') ? [] : this.list(() => this.expression());
      this.expect(')');
      return { kind: 'function', name, args, alias: this.sourceAlias() };
    }
    if (this.is('FOR') || this.is('TABLESAMPLE')) this.refuse();
    const alias = this.sourceAlias();
    const tableHints = this.tableHints();
    if (this.is('PIVOT', 'UNPIVOT', 'TABLESAMPLE')) this.refuse();
    return { kind: 'table', name, alias, hints: tableHints };
  }

  /** WITH (hint, …) after a table, or the old form without WITH. */
  protected tableHints(): readonly string[] {
    if (this.is('WITH') && this.peek().key === '(') {
      this.advance();
      return this.hintList();
    }
    if (this.is('(') && hints.has(this.peek().key)) return this.hintList();
    return [];
  }

  private hintList(): string[] {
    this.expect('(');
    const found: string[] = [];
    do {
      if (this.is('INDEX')) {
        this.refuse();
      }
      if (!hints.has(this.token.key)) this.refuse();
      found.push(this.advance().key);
    } while (this.accept(',') || (this.token.kind === 'word' && hints.has(this.token.key)));
    this.expect(')');
    return found;
  }

  protected sourceAlias(): string | undefined {
    if (this.accept('AS')) return this.identifier();
    return this.isIdentifier() && !this.isStatementWord() ? this.identifier() : undefined;
  }

  /** THROW, OUTPUT … are no reserved words but can't be an alias where a statement goes on or begins. */
  private isStatementWord(): boolean {
    return this.token.kind === 'word' && ['THROW', 'OUTPUT', 'OFFSET', 'APPLY'].includes(this.token.key);
  }

  private parenthesizedSource(): TableSource {
    let ahead = 0;
    while (this.peek(ahead).key === '(') ahead++;
    const first = this.peek(ahead).key;
    if (first === 'VALUES' && ahead === 1) {
      this.expect('(');
      const rows = this.values();
      this.expect(')');
      return this.derived({
        kind: 'query',
        ctes: [],
        body: { kind: 'values', rows },
        orderBy: [],
        offset: undefined,
        fetch: undefined,
      });
    }
    if (first === 'SELECT' || first === 'WITH') {
      this.expect('(');
      const query = this.query();
      this.expect(')');
      return this.derived(query);
    }
    this.expect('(');
    const source = this.from();
    this.expect(')');
    return source;
  }

  private derived(query: Query): TableSource {
    this.accept('AS');
    const alias = this.identifier();
    return { kind: 'derived', query, alias, columns: this.is('(') ? this.identifierList() : undefined };
  }

  /** VALUES (…), (…) */
  protected values(): Expression[][] {
    this.expect('VALUES');
    return this.list(() => this.parenthesized(() => this.expression()));
  }

  private openJson(): TableSource {
    this.advance();
    this.expect('(');
    const document = this.expression();
    const path = this.accept(',') ? this.expression() : undefined;
    this.expect(')');
    let columns: JsonColumn[] | undefined;
    if (this.is('WITH') && this.peek().key === '(') {
      this.advance();
      columns = this.parenthesized(() => this.jsonColumn());
    }
    return { kind: 'openjson', document, path, columns, alias: this.sourceAlias() };
  }

  private jsonColumn(): JsonColumn {
    const name = this.identifier();
    const type = this.dataType(1);
    if (this.accept('COLLATE')) this.identifier();
    const path = this.token.kind === 'string' ? this.string() : undefined;
    const asJson = this.isSequence('AS', 'JSON') && this.acceptSequence('AS', 'JSON');
    return { name, type, path, asJson };
  }
}
