/** Definitions: CREATE, ALTER, DROP of tables, indexes, views, schemas, databases. */
import type {
  ColumnDefinition,
  ConstraintDefinition,
  Expression,
  IndexColumn,
  IndexDefinition,
  ObjectName,
  StatementBody,
  TableDefinition,
} from '../ast.ts';
import type { Permission } from '../catalogue/permissions.ts';
import { QueryParser } from './query.ts';

const PERMISSIONS: readonly Permission[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** Index options that leave results as they are; their values are read and not kept. */
const indexOptions = new Set([
  'PAD_INDEX',
  'FILLFACTOR',
  'SORT_IN_TEMPDB',
  'STATISTICS_NORECOMPUTE',
  'ALLOW_ROW_LOCKS',
  'ALLOW_PAGE_LOCKS',
  'ONLINE',
  'MAXDOP',
  'DATA_COMPRESSION',
  'OPTIMIZE_FOR_SEQUENTIAL_KEY',
  'DROP_EXISTING',
  'IGNORE_DUP_KEY',
]);

/** Adds CREATE, ALTER and DROP to the parser. */
export class DefinitionParser extends QueryParser {
  protected create(): StatementBody {
    this.expect('CREATE');
    switch (this.token.key) {
      case 'TABLE': {
        this.advance();
        const name = this.objectName();
        const definition = this.tableDefinition();
        this.fileGroup();
        return { kind: 'createTable', name, definition };
      }
      case 'UNIQUE':
      case 'CLUSTERED':
      case 'NONCLUSTERED':
      case 'INDEX':
        return this.createIndex();
      case 'VIEW':
        return this.view(false);
      case 'SCHEMA': {
        this.advance();
        const name = this.identifier();
        if (this.accept('AUTHORIZATION')) this.identifier();
        return { kind: 'createSchema', name };
      }
      case 'DATABASE': {
        this.advance();
        const name = this.identifier();
        if (this.accept('COLLATE')) this.identifier();
        if (this.is('ON', 'CONTAINMENT', 'LOG', 'WITH')) this.refuse();
        return { kind: 'createDatabase', name };
      }
      case 'LOGIN':
        return this.createLogin();
      case 'USER':
        return this.createUser();
      case 'OR':
        this.advance();
        this.expect('ALTER');
        if (!this.is('VIEW')) this.refuse();
        return this.view(true);
      default:
        this.refuse();
    }
  }

  protected alter(): StatementBody {
    this.expect('ALTER');
    switch (this.token.key) {
      case 'TABLE':
        this.advance();
        return this.alterTable(this.objectName());
      case 'VIEW':
        return this.view(true);
      case 'DATABASE':
        return this.alterDatabase();
      default:
        this.refuse();
    }
  }

  protected drop(): StatementBody {
    this.expect('DROP');
    if (this.accept('LOGIN')) return { kind: 'dropLogin', name: this.identifier() };
    if (!this.is('TABLE', 'VIEW', 'SCHEMA', 'DATABASE', 'INDEX')) this.refuse();
    const what = this.advance().key as 'TABLE' | 'VIEW' | 'SCHEMA' | 'DATABASE' | 'INDEX';
    const ifExists = this.acceptSequence('IF', 'EXISTS');
    if (what === 'INDEX') {
      const name = this.objectName();
      if (this.accept('ON'))
        return { kind: 'dropIndex', index: name.parts.at(-1) as string, table: this.objectName(), ifExists };
      return {
        kind: 'dropIndex',
        index: name.parts.at(-1) as string,
        table: { parts: name.parts.slice(0, -1) },
        ifExists,
      };
    }
    return { kind: 'drop', what, names: this.list(() => this.objectName()), ifExists };
  }

  private createLogin(): StatementBody {
    this.expect('LOGIN');
    const name = this.identifier();
    if (!this.isSequence('WITH', 'PASSWORD')) this.refuse();
    this.acceptSequence('WITH', 'PASSWORD', '=');
    const password = this.string();
    // Rules for passwords, which the stand-in does not have.
    while (this.accept(',')) {
      if (!this.is('CHECK_POLICY', 'CHECK_EXPIRATION')) this.refuse();
      this.advance();
      this.expect('=');
      this.expect('ON', 'OFF');
    }
    return { kind: 'createLogin', name, password };
  }

  private createUser(): StatementBody {
    this.expect('USER');
    const name = this.identifier();
    if (!this.is('FOR', 'FROM')) return { kind: 'createUser', name, login: name };
    this.advance();
    if (!this.accept('LOGIN')) this.refuse();
    return { kind: 'createUser', name, login: this.identifier() };
  }

  protected grant(): StatementBody {
    this.expect('GRANT');
    const permissions = this.list(() => {
      if (!this.is(...PERMISSIONS)) this.refuse();
      const permission = this.advance().key as Permission;
      if (this.is('(')) this.refuse();
      return permission;
    });
    if (!this.accept('ON')) this.refuse();
    const object = this.objectName();
    this.expect('TO');
    const user = this.identifier();
    if (this.is(',', 'WITH', 'AS')) this.refuse();
    return { kind: 'grant', permissions, object, user };
  }

  /** ON [PRIMARY], TEXTIMAGE_ON [PRIMARY], WITH (index options): where a table or index lies. */
  private fileGroup(): void {
    if (this.accept('ON')) this.identifier();
    if (this.accept('TEXTIMAGE_ON')) this.identifier();
  }

  private indexOptionList(): void {
    if (!this.is('WITH')) return;
    this.advance();
    this.parenthesized(() => {
      if (!indexOptions.has(this.token.key)) this.refuse();
      const option = this.advance().key;
      this.expect('=');
      if (option === 'IGNORE_DUP_KEY' || option === 'DROP_EXISTING') this.expect('OFF');
      else if (!this.accept('ON')) this.advance();
    });
  }

  protected tableDefinition(): TableDefinition {
    const columns: ColumnDefinition[] = [];
    const constraints: ConstraintDefinition[] = [];
    const indexes: IndexDefinition[] = [];
    this.expect('(');
    do {
      if (this.is(')')) break;
      if (this.is('CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN')) constraints.push(this.constraint());
      else if (this.is('INDEX')) indexes.push(this.inlineIndex());
      else columns.push(this.column());
    } while (this.accept(','));
    this.expect(')');
    return { columns, constraints, indexes };
  }

  private inlineIndex(): IndexDefinition {
    this.expect('INDEX');
    const name = this.identifier();
    const unique = this.accept('UNIQUE');
    const clustered = this.accept('CLUSTERED');
    if (!clustered) this.accept('NONCLUSTERED');
    const columns = this.indexColumns();
    this.indexOptionList();
    return { name, unique, clustered, columns, include: [], filter: undefined };
  }

  private column(): ColumnDefinition {
    const name = this.identifier();
    if (this.accept('AS')) {
      const start = this.token.start;
      const expression = this.expression();
      const text = this.textFrom(start);
      if (this.accept('PERSISTED') && this.acceptSequence('NOT', 'NULL'))
        return this.computed(name, expression, text, false);
      return this.computed(name, expression, text, undefined);
    }
    const type = this.dataType(1);
    let collation: string | undefined;
    let nullable: boolean | undefined;
    let identity: ColumnDefinition['identity'];
    let defaultValue: ColumnDefinition['default'];
    const constraints: ConstraintDefinition[] = [];
    for (;;) {
      if (this.accept('COLLATE')) collation = this.identifier();
      else if (this.accept('NULL')) nullable = true;
      else if (this.acceptSequence('NOT', 'NULL')) nullable = false;
      else if (this.accept('ROWGUIDCOL')) continue;
      else if (this.accept('IDENTITY')) {
        let seed = 1n;
        let increment = 1n;
        if (this.accept('(')) {
          seed = this.signedInteger();
          this.expect(',');
          increment = this.signedInteger();
          this.expect(')');
        }
        if (this.isSequence('NOT', 'FOR')) this.refuse();
        identity = { seed, increment };
      } else if (this.is('DEFAULT') || (this.is('CONSTRAINT') && this.peek(2).key === 'DEFAULT')) {
        const constraintName = this.accept('CONSTRAINT') ? this.identifier() : undefined;
        this.expect('DEFAULT');
        const start = this.token.start;
        const expression = this.expression();
        defaultValue = { name: constraintName, expression, text: this.textFrom(start) };
        if (this.isSequence('WITH', 'VALUES')) break;
      } else if (this.is('CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'REFERENCES', 'FOREIGN'))
        constraints.push(this.constraint(name));
      else break;
    }
    if (this.is('SPARSE', 'GENERATED', 'FILESTREAM', 'MASKED', 'ENCRYPTED', 'HIDDEN')) this.refuse();
    return { name, type, collation, nullable, identity, default: defaultValue, computed: undefined, constraints };
  }

  private computed(
    name: string,
    expression: Expression,
    text: string,
    nullable: boolean | undefined,
  ): ColumnDefinition {
    return {
      name,
      type: undefined,
      collation: undefined,
      nullable,
      identity: undefined,
      default: undefined,
      computed: { expression, text },
      constraints: [],
    };
  }

  /** A constraint; `column` where it stands at a column. */
  private constraint(column?: string): ConstraintDefinition {
    const name = this.accept('CONSTRAINT') ? this.identifier() : undefined;
    if (this.is('PRIMARY', 'UNIQUE')) {
      const primary = this.advance().key === 'PRIMARY';
      if (primary) this.expect('KEY');
      let clustered: boolean | undefined;
      if (this.accept('CLUSTERED')) clustered = true;
      else if (this.accept('NONCLUSTERED')) clustered = false;
      const columns =
        this.is('(') || column === undefined ? this.indexColumns() : [{ name: column, descending: false }];
      this.indexOptionList();
      if (this.is('ON')) this.fileGroup();
      return { kind: 'key', primary, clustered, name, columns };
    }
    if (this.accept('CHECK')) {
      this.expect('(');
      const start = this.token.start;
      const condition = this.condition();
      const text = this.textFrom(start);
      this.expect(')');
      return { kind: 'check', name, condition, text };
    }
    if (this.accept('DEFAULT')) {
      const start = this.token.start;
      const expression = this.expression();
      const text = this.textFrom(start);
      this.expect('FOR');
      return { kind: 'default', name, column: this.identifier(), expression, text };
    }
    let columns = column === undefined ? [] : [column];
    if (this.accept('FOREIGN')) {
      this.expect('KEY');
      if (this.is('(')) columns = this.identifierList();
    }
    this.expect('REFERENCES');
    const table = this.objectName();
    const references = this.is('(') ? this.identifierList() : [];
    while (this.accept('ON')) {
      this.expect('DELETE', 'UPDATE');
      if (!this.acceptSequence('NO', 'ACTION')) this.refuse();
    }
    return { kind: 'foreign', name, columns, table, references };
  }

  private indexColumns(): IndexColumn[] {
    return this.parenthesized(() => {
      const name = this.identifier();
      const descending = this.accept('DESC');
      if (!descending) this.accept('ASC');
      return { name, descending };
    });
  }

  private createIndex(): StatementBody {
    const unique = this.accept('UNIQUE');
    const clustered = this.accept('CLUSTERED');
    if (!clustered) this.accept('NONCLUSTERED');
    if (!this.is('INDEX')) this.refuse();
    this.advance();
    const name = this.identifier();
    this.expect('ON');
    const table = this.objectName();
    const columns = this.indexColumns();
    const include = this.accept('INCLUDE') ? this.identifierList() : [];
    let filter: IndexDefinition['filter'];
    if (this.accept('WHERE')) {
      const start = this.token.start;
      const condition = this.condition();
      filter = { condition, text: this.textFrom(start) };
    }
    this.indexOptionList();
    this.fileGroup();
    return { kind: 'createIndex', table, index: { name, unique, clustered, columns, include, filter } };
  }

  private alterTable(name: ObjectName): StatementBody {
    const changed = (change: Extract<StatementBody, { kind: 'alterTable' }>['change']): StatementBody => ({
      kind: 'alterTable',
      name,
      change,
    });
    if (this.is('WITH')) {
      this.advance();
      this.expect('CHECK');
    }
    if (this.accept('ADD')) {
      const columns: ColumnDefinition[] = [];
      const constraints: ConstraintDefinition[] = [];
      do {
        if (this.is('CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN', 'DEFAULT'))
          constraints.push(this.constraint());
        else columns.push(this.column());
      } while (this.accept(','));
      if (this.acceptSequence('WITH', 'VALUES') && columns.length === 0) this.fail();
      return changed({ kind: 'add', definition: { columns, constraints, indexes: [] } });
    }
    if (this.accept('ALTER')) {
      this.expect('COLUMN');
      const column = this.identifier();
      const type = this.dataType(1);
      const collation = this.accept('COLLATE') ? this.identifier() : undefined;
      const nullable = this.acceptSequence('NOT', 'NULL') ? false : this.accept('NULL') ? true : undefined;
      return changed({ kind: 'alterColumn', name: column, type, nullable, collation });
    }
    if (this.accept('DROP')) {
      const isColumn = this.accept('COLUMN');
      if (!isColumn) this.accept('CONSTRAINT');
      const ifExists = this.acceptSequence('IF', 'EXISTS');
      const names = this.list(() => this.identifier());
      return changed(isColumn ? { kind: 'dropColumn', names, ifExists } : { kind: 'dropConstraint', names, ifExists });
    }
    this.refuse();
  }

  private view(alter: boolean): StatementBody {
    this.expect('VIEW');
    const name = this.objectName();
    const columns = this.is('(') ? this.identifierList() : undefined;
    if (this.is('WITH')) {
      this.advance();
      if (!this.is('SCHEMABINDING')) this.refuse();
      this.advance();
    }
    this.expect('AS');
    const start = this.token.start;
    const query = this.query();
    const text = this.textFrom(start);
    if (this.is('WITH')) this.refuse();
    return { kind: 'createView', name, columns, query, text, alter };
  }

  /** Only options that change nothing the stand-in models, or ending other sessions' use of the database. */
  private alterDatabase(): StatementBody {
    this.expect('DATABASE');
    const name = this.accept('CURRENT') ? undefined : this.identifier();
    if (!this.is('SET')) this.refuse();
    this.advance();
    const known = [
      'SINGLE_USER',
      'MULTI_USER',
      'READ_ONLY',
      'READ_WRITE',
      'READ_COMMITTED_SNAPSHOT',
      'ALLOW_SNAPSHOT_ISOLATION',
      'RECOVERY',
      'COMPATIBILITY_LEVEL',
    ];
    if (!known.includes(this.token.key)) this.refuse();
    let option = this.advance().key;
    if (option === 'RECOVERY') this.expect('SIMPLE', 'FULL', 'BULK_LOGGED');
    else if (option === 'COMPATIBILITY_LEVEL') {
      this.expect('=');
      option = `${option} ${this.integer()}`;
    } else if (option === 'READ_COMMITTED_SNAPSHOT') option = `${option} ${this.expect('ON', 'OFF')}`;
    else if (option === 'ALLOW_SNAPSHOT_ISOLATION') option = `${option} ${this.expect('OFF')}`;
    if (this.accept('WITH')) {
      if (this.accept('ROLLBACK')) {
        this.expect('IMMEDIATE');
        option += ' ROLLBACK';
      } else this.expect('NO_WAIT');
    }
    return { kind: 'alterDatabase', name, option };
  }
}
