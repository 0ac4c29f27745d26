/** Statements and batches. Use parseBatch(). */
import type {
  Argument,
  Assignment,
  Expression,
  ObjectName,
  Output,
  Statement,
  StatementBody,
  TransactionName,
} from '../ast.ts';
import { message, sqlError } from '../errors.ts';
import { DefinitionParser } from './definition.ts';

/**
 * Parses a whole batch. Throws SqlServerError (102, 156 …) with its line; nothing of a batch with an error runs.
 * `quotedIdentifier`: does "x" name an object (the default) or is it a string.
 */
export function parseBatch(sql: string, quotedIdentifier = true): readonly Statement[] {
  return new StatementParser(sql, quotedIdentifier).batch();
}

/** Parses one scalar expression, such as a stored default. */
export function parseExpression(sql: string): Expression {
  return new StatementParser(sql, true).wholeExpression();
}

/** Parses one search condition, such as a stored CHECK. */
export function parseCondition(sql: string): Expression {
  return new StatementParser(sql, true).wholeCondition();
}

const setSwitches = new Set([
  'ANSI_NULLS',
  'ANSI_NULL_DFLT_ON',
  'ANSI_NULL_DFLT_OFF',
  'ANSI_PADDING',
  'ANSI_WARNINGS',
  'ANSI_DEFAULTS',
  'ARITHABORT',
  'ARITHIGNORE',
  'CONCAT_NULL_YIELDS_NULL',
  'CURSOR_CLOSE_ON_COMMIT',
  'FMTONLY',
  'IMPLICIT_TRANSACTIONS',
  'NOCOUNT',
  'NOEXEC',
  'NUMERIC_ROUNDABORT',
  'QUOTED_IDENTIFIER',
  'XACT_ABORT',
  'NO_BROWSETABLE',
  'FORCEPLAN',
]);

class StatementParser extends DefinitionParser {
  batch(): readonly Statement[] {
    const statements: Statement[] = [];
    while (this.accept(';'));
    while (this.token.kind !== 'end') {
      // A procedure may be called without EXECUTE as a batch's first statement.
      const isCall = statements.length === 0 && this.isIdentifier() && this.token.key !== 'THROW' && !this.isLabel();
      const line = this.token.line;
      statements.push(isCall ? { ...this.procedureCall(undefined), line } : this.statement());
      while (this.accept(';'));
    }
    const only = statements.find((statement) => statement.kind === 'createView' || statement.kind === 'createSchema');
    if (only !== undefined && statements[0] !== only) {
      throw message(
        111,
        15,
        1,
        `'${only.kind === 'createView' ? 'CREATE VIEW' : 'CREATE SCHEMA'}' must be the first statement in a query batch.`,
        only.line,
      );
    }
    return statements;
  }

  wholeExpression(): Expression {
    const expression = this.expression();
    if (this.token.kind !== 'end') this.fail();
    return expression;
  }

  wholeCondition(): Expression {
    const condition = this.condition();
    if (this.token.kind !== 'end') this.fail();
    return condition;
  }

  private isLabel(): boolean {
    return this.peek().key === ':';
  }

  private statement(): Statement {
    const line = this.token.line;
    const body = this.body();
    while (this.accept(';'));
    return { ...body, line };
  }

  private body(): StatementBody {
    switch (this.token.key) {
      case 'SELECT':
      case '(':
        return { kind: 'select', query: this.query() };
      case 'WITH': {
        const ctes = this.ctes();
        if (this.is('INSERT')) return this.insert(ctes);
        if (this.is('UPDATE')) return this.update(ctes);
        if (this.is('DELETE')) return this.delete(ctes);
        return { kind: 'select', query: this.queryAfter(ctes) };
      }
      case 'INSERT':
        return this.insert([]);
      case 'UPDATE':
        return this.update([]);
      case 'DELETE':
        return this.delete([]);
      case 'DECLARE':
        return this.declaration();
      case 'SET':
        return this.set();
      case 'IF': {
        this.advance();
        const condition = this.condition();
        const body = this.statement();
        const otherwise = this.accept('ELSE') ? this.statement() : undefined;
        return { kind: 'if', condition, body, otherwise };
      }
      case 'WHILE': {
        this.advance();
        const condition = this.condition();
        return { kind: 'while', condition, body: this.statement() };
      }
      case 'BEGIN':
        return this.begin();
      case 'BREAK':
      case 'CONTINUE':
        return { kind: this.advance().key === 'BREAK' ? 'break' : 'continue' };
      case 'RETURN':
        this.advance();
        return { kind: 'return', value: this.startsExpression() ? this.expression() : undefined };
      case 'PRINT':
        this.advance();
        return { kind: 'print', expression: this.expression() };
      case 'RAISERROR':
        return this.raiserror();
      case 'THROW':
        this.advance();
        return { kind: 'throw', args: this.startsExpression() ? this.list(() => this.expression()) : [] };
      case 'WAITFOR':
        this.advance();
        if (!this.is('DELAY')) this.refuse();
        this.advance();
        return { kind: 'waitfor', delay: this.expression() };
      case 'EXEC':
      case 'EXECUTE':
        return this.execute();
      case 'COMMIT': {
        this.advance();
        if (!this.accept('WORK') && (this.accept('TRANSACTION') || this.accept('TRAN'))) this.transactionName();
        return { kind: 'commit' };
      }
      case 'ROLLBACK': {
        this.advance();
        const named = !this.accept('WORK') && (this.accept('TRANSACTION') || this.accept('TRAN'));
        return { kind: 'rollback', name: named ? this.transactionName() : undefined };
      }
      case 'SAVE': {
        this.advance();
        this.expect('TRANSACTION', 'TRAN');
        const name = this.transactionName();
        if (name === undefined) this.fail();
        return { kind: 'save', name };
      }
      case 'USE':
        this.advance();
        return { kind: 'use', database: this.identifier() };
      case 'CREATE':
        return this.create();
      case 'ALTER':
        return this.alter();
      case 'DROP':
        return this.drop();
      case 'TRUNCATE': {
        this.advance();
        this.expect('TABLE');
        return { kind: 'truncate', table: this.objectName() };
      }
      case 'GRANT':
        return this.grant();
      case 'MERGE':
      case 'GOTO':
      case 'DENY':
      case 'REVOKE':
      case 'DBCC':
      case 'BACKUP':
      case 'RESTORE':
      case 'OPEN':
      case 'CLOSE':
      case 'FETCH':
      case 'DEALLOCATE':
      case 'KILL':
      case 'CHECKPOINT':
        this.refuse();
        break;
      default:
        this.fail();
    }
  }

  private startsExpression(): boolean {
    return (
      ['variable', 'system', 'number', 'string', 'binary'].includes(this.token.kind) ||
      this.is('(', '-', 'CASE', 'NULL')
    );
  }

  private begin(): StatementBody {
    this.advance();
    if (this.is('DISTRIBUTED', 'CONVERSATION', 'DIALOG', 'ATOMIC')) this.refuse();
    if (this.accept('TRANSACTION') || this.accept('TRAN')) {
      const name = this.transactionName();
      if (this.isSequence('WITH', 'MARK')) this.refuse();
      return { kind: 'begin', name: name !== undefined && 'name' in name ? name.name : undefined };
    }
    if (this.accept('TRY')) {
      const body = this.untilEnd();
      this.expect('TRY');
      while (this.accept(';'));
      this.expect('BEGIN');
      this.expect('CATCH');
      const handler = this.untilEnd();
      this.expect('CATCH');
      return { kind: 'try', body, handler };
    }
    const body = this.untilEnd();
    return { kind: 'block', body };
  }

  private untilEnd(): Statement[] {
    const statements: Statement[] = [];
    while (this.accept(';'));
    while (!this.is('END')) statements.push(this.statement());
    this.advance();
    return statements;
  }

  private transactionName(): TransactionName | undefined {
    if (this.token.kind === 'variable') return { variable: this.variable() };
    return this.isIdentifier() && this.token.key !== 'THROW' ? { name: this.identifier() } : undefined;
  }

  private insert(ctes: Extract<StatementBody, { kind: 'insert' }>['ctes']): StatementBody {
    this.expect('INSERT');
    if (this.accept('BULK')) return this.insertBulk();
    if (this.is('TOP')) this.refuse();
    this.accept('INTO');
    const target = this.objectName();
    this.tableHints();
    const columns = this.is('(') && this.peek().key !== 'SELECT' ? this.columnNames() : undefined;
    const output = this.output();
    if (this.acceptSequence('DEFAULT', 'VALUES'))
      return { kind: 'insert', ctes, target, columns, output, source: 'default' };
    if (this.is('EXEC', 'EXECUTE', 'MERGE')) this.refuse();
    if (this.is('VALUES')) {
      const rows = this.values();
      if (rows.length > 1000) throw sqlError(10738);
      const body = { kind: 'values', rows } as const;
      return {
        kind: 'insert',
        ctes,
        target,
        columns,
        output,
        source: { kind: 'query', ctes: [], body, orderBy: [], offset: undefined, fetch: undefined },
      };
    }
    return { kind: 'insert', ctes, target, columns, output, source: this.query() };
  }

  /** (column, …) of an INSERT; a column may carry the table's name. */
  private columnNames(): string[] {
    return this.parenthesized(() => this.objectName().parts.at(-1) as string);
  }

  private insertBulk(): StatementBody {
    const target = this.objectName();
    const columns = this.parenthesized(() => {
      const name = this.identifier();
      const type = this.dataType(1);
      if (this.accept('COLLATE')) this.identifier();
      if (!this.acceptSequence('NOT', 'NULL')) this.accept('NULL');
      return { name, type };
    });
    const options: string[] = [];
    if (this.accept('WITH')) {
      this.parenthesized(() => {
        if (
          !this.is(
            'CHECK_CONSTRAINTS',
            'FIRE_TRIGGERS',
            'KEEP_NULLS',
            'TABLOCK',
            'KEEP_IDENTITY',
            'ROWS_PER_BATCH',
            'KILOBYTES_PER_BATCH',
          )
        ) {
          this.refuse();
        }
        options.push(this.advance().key);
        if (this.accept('=')) this.integer();
      });
    }
    return { kind: 'insertBulk', target, columns, options };
  }

  private output(): Output | undefined {
    if (!this.accept('OUTPUT')) return undefined;
    const items = this.list(() => this.selectItem());
    if (!this.accept('INTO')) return { items, into: undefined };
    const name = this.objectName();
    const columns = this.is('(') ? this.identifierList() : undefined;
    return { items, into: { name, columns } };
  }

  private update(ctes: Extract<StatementBody, { kind: 'update' }>['ctes']): StatementBody {
    this.expect('UPDATE');
    if (this.is('STATISTICS')) this.refuse();
    const top = this.top();
    const target = this.objectName();
    const hints = this.tableHints();
    this.expect('SET');
    const set = this.list(() => this.assignment());
    const output = this.output();
    const from = this.accept('FROM') ? this.from() : undefined;
    const where = this.where();
    return { kind: 'update', ctes, top, target, hints, set, output, from, where };
  }

  private where(): Expression | undefined {
    if (this.is('WHERE') && this.peek().key === 'CURRENT') this.refuse(this.peek());
    const where = this.accept('WHERE') ? this.condition() : undefined;
    if (this.is('OPTION')) this.options();
    return where;
  }

  private assignment(): Assignment {
    if (this.token.kind === 'variable') {
      const variable = this.variable();
      if (this.is('=') && this.isIdentifier(this.peek()) && this.peek(2).key === '=') this.refuse();
      return { column: undefined, variable, expression: this.assigned({ kind: 'variable', name: variable }) };
    }
    const { parts } = this.objectName();
    return { column: parts, variable: undefined, expression: this.assigned({ kind: 'column', parts }) };
  }

  private delete(ctes: Extract<StatementBody, { kind: 'delete' }>['ctes']): StatementBody {
    this.expect('DELETE');
    const top = this.top();
    this.accept('FROM');
    const target = this.objectName();
    const hints = this.tableHints();
    const output = this.output();
    const from = this.accept('FROM') ? this.from() : undefined;
    const where = this.where();
    return { kind: 'delete', ctes, top, target, hints, output, from, where };
  }

  private declaration(): StatementBody {
    this.advance();
    if (
      this.token.kind === 'variable' &&
      (this.peek().key === 'TABLE' || (this.peek().key === 'AS' && this.peek(2).key === 'TABLE'))
    ) {
      const name = this.variable();
      this.accept('AS');
      this.expect('TABLE');
      return { kind: 'declareTable', name, definition: this.tableDefinition() };
    }
    const variables = this.list(() => {
      if (this.isIdentifier() && this.peek().key === 'CURSOR') this.refuse(this.peek());
      const name = this.variable();
      this.accept('AS');
      if (this.is('CURSOR')) this.refuse();
      const type = this.dataType(1);
      return { name, type, value: this.accept('=') ? this.expression() : undefined };
    });
    return { kind: 'declare', variables };
  }

  private set(): StatementBody {
    this.advance();
    if (this.token.kind === 'variable') {
      const name = this.variable();
      return { kind: 'setVariable', name, expression: this.assigned({ kind: 'variable', name }) };
    }
    if (this.accept('TRANSACTION')) {
      if (!this.acceptSequence('ISOLATION', 'LEVEL')) this.fail();
      const level = this.expect('READ', 'REPEATABLE', 'SNAPSHOT', 'SERIALIZABLE');
      const rest =
        level === 'READ'
          ? ` ${this.expect('COMMITTED', 'UNCOMMITTED')}`
          : level === 'REPEATABLE'
            ? ` ${this.expect('READ')}`
            : '';
      return { kind: 'setOption', options: ['ISOLATION'], value: level + rest };
    }
    if (this.accept('IDENTITY_INSERT')) {
      const table = this.objectName();
      return { kind: 'setIdentityInsert', table, on: this.expect('ON', 'OFF') === 'ON' };
    }
    if (this.is('LOCK_TIMEOUT', 'TEXTSIZE', 'ROWCOUNT', 'DATEFIRST')) {
      const option = this.advance().key;
      return { kind: 'setOption', options: [option], value: String(this.signedInteger()) };
    }
    if (this.is('LANGUAGE', 'DATEFORMAT', 'DEADLOCK_PRIORITY')) {
      const option = this.advance().key;
      const value = this.token.kind === 'string' ? this.string() : this.identifier();
      return { kind: 'setOption', options: [option], value: value.toUpperCase() };
    }
    const options = this.list(() => {
      if (!setSwitches.has(this.token.key)) this.refuse();
      return this.advance().key;
    });
    return { kind: 'setOption', options, value: this.expect('ON', 'OFF') };
  }

  private raiserror(): StatementBody {
    this.advance();
    const args = this.parenthesized(() => this.expression());
    const options: string[] = [];
    if (this.accept('WITH')) options.push(...this.list(() => this.expect('NOWAIT', 'SETERROR')));
    return { kind: 'raiserror', args, options };
  }

  private execute(): StatementBody {
    this.advance();
    if (this.is('(')) {
      this.advance();
      const text = this.expression();
      this.expect(')');
      if (this.is('AS', 'AT')) this.refuse();
      return { kind: 'executeText', text };
    }
    if (this.is('AS')) this.refuse();
    let result: string | undefined;
    if (this.token.kind === 'variable' && this.peek().key === '=') {
      result = this.variable();
      this.advance();
    }
    return this.procedureCall(result);
  }

  private procedureCall(result: string | undefined): StatementBody {
    const procedure: ObjectName = this.objectName();
    const args: Argument[] = [];
    if (this.startsArgument()) args.push(...this.list(() => this.argument()));
    if (this.is('WITH')) this.refuse();
    return { kind: 'execute', procedure, args, result };
  }

  private startsArgument(): boolean {
    if (
      ['variable', 'system', 'number', 'string', 'binary'].includes(this.token.kind) ||
      this.is('-', 'NULL', 'DEFAULT')
    )
      return true;
    return this.isIdentifier() && this.token.key !== 'THROW';
  }

  /** [@name =] value [OUTPUT]; a bare word is a string. */
  private argument(): Argument {
    const name = this.token.kind === 'variable' && this.peek().key === '=' ? this.variable() : undefined;
    if (name !== undefined) this.advance();
    let expression: Expression;
    if (this.token.kind !== 'quoted' && (this.is('-', 'NULL', 'DEFAULT') || !this.isIdentifier()))
      expression = this.expression();
    else {
      const text = this.identifier();
      expression = { kind: 'literal', value: text, type: { name: 'nvarchar', length: Math.max(1, text.length) } };
    }
    const output = this.accept('OUTPUT') || this.accept('OUT');
    return { name, expression, output };
  }
}
