/** The tree that the parser makes of a batch. It says what was written; names and types are resolved in bind/. */

import type { SqlType } from '../engine.ts';
import type { Permission } from './catalogue/permissions.ts';
import type { Stored } from './values/stored.ts';

/** [database.][schema.]name as written; an omitted part in the middle (db..t) is ''. */
export interface ObjectName {
  readonly parts: readonly string[];
}

/** A scalar expression, or a condition where one is asked for. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: Stored; readonly type: SqlType }
  | { readonly kind: 'null' }
  | { readonly kind: 'default' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'system'; readonly name: string }
  | { readonly kind: 'column'; readonly parts: readonly string[] }
  | Call
  | { readonly kind: 'unary'; readonly operator: '-' | '+' | '~'; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'case';
      readonly operand: Expression | undefined;
      readonly branches: readonly { readonly when: Expression; readonly result: Expression }[];
      readonly otherwise: Expression | undefined;
    }
  | {
      readonly kind: 'cast';
      readonly operand: Expression;
      readonly type: SqlType;
      readonly style: Expression | undefined;
      readonly attempt: boolean;
    }
  | { readonly kind: 'subquery'; readonly query: Query }
  | { readonly kind: 'collate'; readonly operand: Expression; readonly collation: string }
  | Predicate;

type Predicate =
  | { readonly kind: 'compare'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'logical'; readonly operator: 'AND' | 'OR'; readonly operands: readonly Expression[] }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'isNull'; readonly operand: Expression; readonly negated: boolean }
  | {
      readonly kind: 'like';
      readonly operand: Expression;
      readonly pattern: Expression;
      readonly escape: Expression | undefined;
      readonly negated: boolean;
    }
  | {
      readonly kind: 'between';
      readonly operand: Expression;
      readonly low: Expression;
      readonly high: Expression;
      readonly negated: boolean;
    }
  | {
      readonly kind: 'in';
      readonly operand: Expression;
      readonly list: readonly Expression[] | Query;
      readonly negated: boolean;
    }
  | { readonly kind: 'exists'; readonly query: Query };

/** A function call; `name` in upper case, with its schema where one was written. */
export interface Call {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Expression[];
  readonly distinct: boolean;
  /** COUNT(*) */
  readonly star: boolean;
  readonly over: Window | undefined;
  readonly withinGroup: readonly OrderItem[] | undefined;
}

/** What OVER (…) says. */
export interface Window {
  readonly partitionBy: readonly Expression[];
  readonly orderBy: readonly OrderItem[];
  /** ROWS or RANGE …, in upper case as SQLite takes it too. */
  readonly frame: string | undefined;
}

/** One item of an ORDER BY. */
export interface OrderItem {
  readonly expression: Expression;
  readonly descending: boolean;
}

/** A query expression: its common table expressions, its body, its order. */
export interface Query {
  readonly kind: 'query';
  readonly ctes: readonly Cte[];
  readonly body: QueryBody;
  readonly orderBy: readonly OrderItem[];
  readonly offset: Expression | undefined;
  readonly fetch: Expression | undefined;
}

/** name (columns) AS (query) */
export interface Cte {
  readonly name: string;
  readonly columns: readonly string[] | undefined;
  readonly query: Query;
}

/** What stands between WITH and ORDER BY. */
export type QueryBody =
  | Select
  | {
      readonly kind: 'set';
      readonly operator: 'UNION' | 'UNION ALL' | 'EXCEPT' | 'INTERSECT';
      readonly left: QueryBody;
      readonly right: QueryBody;
    }
  /** A parenthesized query with an ORDER BY of its own can't occur in T-SQL; parentheses only group. */
  | { readonly kind: 'values'; readonly rows: readonly (readonly Expression[])[] };

/** SELECT … FROM … WHERE … GROUP BY … HAVING. */
export interface Select {
  readonly kind: 'select';
  readonly distinct: boolean;
  readonly top: Expression | undefined;
  readonly items: readonly SelectItem[];
  readonly into: ObjectName | undefined;
  readonly from: TableSource | undefined;
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[];
  readonly having: Expression | undefined;
}

/** One item of a select list or of OUTPUT. */
export type SelectItem =
  | { readonly kind: 'star'; readonly qualifier: readonly string[] }
  | { readonly kind: 'expression'; readonly expression: Expression; readonly alias: string | undefined }
  | { readonly kind: 'assign'; readonly variable: string; readonly expression: Expression };

/** What stands in a FROM clause. */
export type TableSource =
  | {
      readonly kind: 'table';
      readonly name: ObjectName;
      readonly alias: string | undefined;
      readonly hints: readonly string[];
    }
  | {
      readonly kind: 'derived';
      readonly query: Query;
      readonly alias: string;
      readonly columns: readonly string[] | undefined;
    }
  | {
      readonly kind: 'openjson';
      readonly document: Expression;
      readonly path: Expression | undefined;
      readonly columns: readonly JsonColumn[] | undefined;
      readonly alias: string | undefined;
    }
  | {
      readonly kind: 'function';
      readonly name: ObjectName;
      readonly args: readonly Expression[];
      readonly alias: string | undefined;
    }
  | {
      readonly kind: 'join';
      readonly type: 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | 'CROSS';
      readonly left: TableSource;
      readonly right: TableSource;
      readonly on: Expression | undefined;
    }
  | { readonly kind: 'apply'; readonly outer: boolean; readonly left: TableSource; readonly right: TableSource };

/** One column of OPENJSON … WITH (name type 'path' AS JSON). */
export interface JsonColumn {
  readonly name: string;
  readonly type: SqlType;
  readonly path: string | undefined;
  readonly asJson: boolean;
}

/** OUTPUT … [INTO table]. */
export interface Output {
  readonly items: readonly SelectItem[];
  readonly into: { readonly name: ObjectName; readonly columns: readonly string[] | undefined } | undefined;
}

/** One item of the SET of an UPDATE. */
export interface Assignment {
  /** Column to set, or undefined for `@v = expression`. */
  readonly column: readonly string[] | undefined;
  readonly variable: string | undefined;
  readonly expression: Expression;
}

/** A column of CREATE TABLE or ALTER TABLE ADD, with the constraints that stand at it. */
export interface ColumnDefinition {
  readonly name: string;
  readonly type: SqlType | undefined;
  readonly collation: string | undefined;
  readonly nullable: boolean | undefined;
  readonly identity: { readonly seed: bigint; readonly increment: bigint } | undefined;
  readonly default:
    | { readonly name: string | undefined; readonly expression: Expression; readonly text: string }
    | undefined;
  readonly computed: { readonly expression: Expression; readonly text: string } | undefined;
  readonly constraints: readonly ConstraintDefinition[];
}

/** A constraint of a table; `text` is the expression as written, which the catalogue keeps. */
export type ConstraintDefinition =
  | {
      readonly kind: 'key';
      readonly primary: boolean;
      readonly clustered: boolean | undefined;
      readonly name: string | undefined;
      readonly columns: readonly IndexColumn[];
    }
  | { readonly kind: 'check'; readonly name: string | undefined; readonly condition: Expression; readonly text: string }
  | {
      readonly kind: 'foreign';
      readonly name: string | undefined;
      readonly columns: readonly string[];
      readonly table: ObjectName;
      readonly references: readonly string[];
    }
  | {
      readonly kind: 'default';
      readonly name: string | undefined;
      readonly column: string;
      readonly expression: Expression;
      readonly text: string;
    };

/** A key column of an index. */
export interface IndexColumn {
  readonly name: string;
  readonly descending: boolean;
}

/** CREATE INDEX, or INDEX within CREATE TABLE. */
export interface IndexDefinition {
  readonly name: string;
  readonly unique: boolean;
  readonly clustered: boolean;
  readonly columns: readonly IndexColumn[];
  readonly include: readonly string[];
  readonly filter: { readonly condition: Expression; readonly text: string } | undefined;
}

/** An argument of EXECUTE. */
export interface Argument {
  readonly name: string | undefined;
  readonly expression: Expression;
  readonly output: boolean;
}

/** What stands in the parentheses of CREATE TABLE. */
export interface TableDefinition {
  readonly columns: readonly ColumnDefinition[];
  readonly constraints: readonly ConstraintDefinition[];
  readonly indexes: readonly IndexDefinition[];
}

/** What ALTER TABLE does. */
export type TableChange =
  | { readonly kind: 'add'; readonly definition: TableDefinition }
  | { readonly kind: 'dropColumn'; readonly names: readonly string[]; readonly ifExists: boolean }
  | { readonly kind: 'dropConstraint'; readonly names: readonly string[]; readonly ifExists: boolean }
  | {
      readonly kind: 'alterColumn';
      readonly name: string;
      readonly type: SqlType;
      readonly nullable: boolean | undefined;
      readonly collation: string | undefined;
    };

/** A statement and the line on which it begins. */
export type Statement = StatementBody & { readonly line: number };

/** A statement by kind. */
export type StatementBody =
  | { readonly kind: 'select'; readonly query: Query }
  | {
      readonly kind: 'insert';
      readonly ctes: readonly Cte[];
      readonly target: ObjectName;
      readonly columns: readonly string[] | undefined;
      readonly output: Output | undefined;
      readonly source: Query | 'default';
    }
  | {
      readonly kind: 'update';
      readonly ctes: readonly Cte[];
      readonly top: Expression | undefined;
      readonly target: ObjectName;
      readonly hints: readonly string[];
      readonly set: readonly Assignment[];
      readonly output: Output | undefined;
      readonly from: TableSource | undefined;
      readonly where: Expression | undefined;
    }
  | {
      readonly kind: 'delete';
      readonly ctes: readonly Cte[];
      readonly top: Expression | undefined;
      readonly target: ObjectName;
      readonly hints: readonly string[];
      readonly output: Output | undefined;
      readonly from: TableSource | undefined;
      readonly where: Expression | undefined;
    }
  | {
      readonly kind: 'insertBulk';
      readonly target: ObjectName;
      readonly columns: readonly { readonly name: string; readonly type: SqlType }[];
      readonly options: readonly string[];
    }
  | {
      readonly kind: 'declare';
      readonly variables: readonly {
        readonly name: string;
        readonly type: SqlType;
        readonly value: Expression | undefined;
      }[];
    }
  | { readonly kind: 'declareTable'; readonly name: string; readonly definition: TableDefinition }
  | { readonly kind: 'setVariable'; readonly name: string; readonly expression: Expression }
  | { readonly kind: 'setOption'; readonly options: readonly string[]; readonly value: string }
  | { readonly kind: 'setIdentityInsert'; readonly table: ObjectName; readonly on: boolean }
  | {
      readonly kind: 'if';
      readonly condition: Expression;
      readonly body: Statement;
      readonly otherwise: Statement | undefined;
    }
  | { readonly kind: 'while'; readonly condition: Expression; readonly body: Statement }
  | { readonly kind: 'block'; readonly body: readonly Statement[] }
  | { readonly kind: 'try'; readonly body: readonly Statement[]; readonly handler: readonly Statement[] }
  | { readonly kind: 'break' | 'continue' }
  | { readonly kind: 'return'; readonly value: Expression | undefined }
  | { readonly kind: 'print'; readonly expression: Expression }
  | { readonly kind: 'raiserror'; readonly args: readonly Expression[]; readonly options: readonly string[] }
  | { readonly kind: 'throw'; readonly args: readonly Expression[] }
  | { readonly kind: 'waitfor'; readonly delay: Expression }
  | {
      readonly kind: 'execute';
      readonly procedure: ObjectName;
      readonly args: readonly Argument[];
      readonly result: string | undefined;
    }
  | { readonly kind: 'executeText'; readonly text: Expression }
  | { readonly kind: 'begin'; readonly name: string | undefined }
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback'; readonly name: TransactionName | undefined }
  | { readonly kind: 'save'; readonly name: TransactionName }
  | { readonly kind: 'use'; readonly database: string }
  | { readonly kind: 'createTable'; readonly name: ObjectName; readonly definition: TableDefinition }
  | { readonly kind: 'alterTable'; readonly name: ObjectName; readonly change: TableChange }
  | { readonly kind: 'createIndex'; readonly table: ObjectName; readonly index: IndexDefinition }
  | {
      readonly kind: 'createView';
      readonly name: ObjectName;
      readonly columns: readonly string[] | undefined;
      readonly query: Query;
      readonly text: string;
      readonly alter: boolean;
    }
  | { readonly kind: 'createSchema'; readonly name: string }
  | { readonly kind: 'createDatabase'; readonly name: string }
  | { readonly kind: 'createLogin'; readonly name: string; readonly password: string }
  | { readonly kind: 'dropLogin'; readonly name: string }
  | { readonly kind: 'createUser'; readonly name: string; readonly login: string }
  | {
      readonly kind: 'grant';
      readonly permissions: readonly Permission[];
      readonly object: ObjectName;
      readonly user: string;
    }
  | { readonly kind: 'alterDatabase'; readonly name: string | undefined; readonly option: string }
  | {
      readonly kind: 'drop';
      readonly what: 'TABLE' | 'VIEW' | 'SCHEMA' | 'DATABASE';
      readonly names: readonly ObjectName[];
      readonly ifExists: boolean;
    }
  | { readonly kind: 'dropIndex'; readonly index: string; readonly table: ObjectName; readonly ifExists: boolean }
  | { readonly kind: 'truncate'; readonly table: ObjectName };

/** A savepoint or transaction name: written out, or held by a variable. */
export type TransactionName = { readonly name: string } | { readonly variable: string };
