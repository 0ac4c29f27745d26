import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SqlServerError } from '../../../../dev/sqlserver/engine.ts';
import { tokenize } from '../../../../dev/sqlserver/tsql/lexer.ts';
import { parseBatch, parseExpression } from '../../../../dev/sqlserver/tsql/parser/statement.ts';

/** The error of a text that must not parse, as `number text`. */
function refusal(sql: string): string {
  try {
    parseBatch(sql);
  } catch (error) {
    assert.ok(error instanceof SqlServerError);
    return `${error.info.number} ${error.info.message}`;
  }
  return 'parsed';
}

/** An expression's tree in brackets, operators in front. */
function tree(sql: string): string {
  const show = (node: unknown): string => {
    const item = node as Record<string, unknown>;
    switch (item.kind) {
      case 'binary':
      case 'compare':
        return `(${item.operator} ${show(item.left)} ${show(item.right)})`;
      case 'unary':
        return `(${item.operator} ${show(item.operand)})`;
      case 'literal':
        return String(item.value);
      case 'column':
        return (item.parts as string[]).join('.');
      default:
        return String(item.kind);
    }
  };
  return show(parseExpression(sql));
}

describe('the lexer', () => {
  it('keeps what quotes and brackets enclose, doubled closers undone', () => {
    const texts = tokenize(`[a]]b] "c""d" N'it''s' 'x'`).map((token) => token.text);
    assert.deepEqual(texts, ['a]b', 'c"d', "it's", 'x', '']);
  });

  it('skips nested comments and counts lines through them', () => {
    const [, second] = tokenize('one /* a /* b */\n c */ -- rest\ntwo');
    assert.equal(second?.text, 'two');
    assert.equal(second?.line, 3);
  });

  it('refuses an unclosed string with 105 and an unclosed comment with 113', () => {
    assert.match(refusal("SELECT 'abc"), /^105 Unclosed quotation mark after the character string 'abc'/);
    assert.match(refusal('SELECT 1 /* abc'), /^113 /);
  });
});

describe('the parser', () => {
  it('binds operators by precedence, left to right', () => {
    assert.equal(tree('1 + 2 * 3 - 4'), '(- (+ 1 (* 2 3)) 4)');
    assert.equal(tree('-(a.b) % ~c'), '(% (- a.b) (~ c))');
  });

  it('gives every statement its line', () => {
    assert.deepEqual(
      parseBatch('SELECT 1\n\nSELECT 2; DECLARE @a int\nSET @a = 1').map((statement) => statement.line),
      [1, 3, 3, 4],
    );
  });

  it('runs statements together without semicolons', () => {
    const kinds = parseBatch('DECLARE @a int = 1 SET @a = 2 IF @a = 2 SELECT 1 ELSE BEGIN PRINT 1 END DELETE t').map(
      (statement) => statement.kind,
    );
    assert.deepEqual(kinds, ['declare', 'setVariable', 'if', 'delete']);
  });

  it('names the place of a syntax error: 156 at a keyword, 102 elsewhere', () => {
    assert.equal(refusal('SELECT 1 FROM WHERE'), "156 Incorrect syntax near the keyword 'WHERE'.");
    assert.equal(refusal('SELECT (1'), "102 Incorrect syntax near '1'.");
    assert.equal(refusal('SELECT 1 FROM t x y'), "102 Incorrect syntax near 'y'.");
    assert.equal(
      refusal('SELECT a FROM t WHERE a'),
      "4145 An expression of non-boolean type specified in a context where a condition is expected, near ';'.",
    );
  });

  for (const [what, sql] of [
    ['FOR JSON', 'SELECT a FROM t FOR JSON PATH'],
    ['FOR XML', 'SELECT a FROM t FOR XML AUTO'],
    ['TOP … PERCENT', 'SELECT TOP (10) PERCENT a FROM t'],
    ['WITH TIES', 'SELECT TOP (10) WITH TIES a FROM t ORDER BY a'],
    ['MERGE', 'MERGE t USING s ON t.a = s.a WHEN MATCHED THEN DELETE;'],
    ['PIVOT', 'SELECT * FROM t PIVOT (SUM(a) FOR b IN ([x])) p'],
    ['GROUPING SETS', 'SELECT a FROM t GROUP BY GROUPING SETS ((a), ())'],
    ['an unknown table hint', 'SELECT a FROM t WITH (READPAST)'],
    ['an index hint', 'SELECT a FROM t WITH (INDEX(ix))'],
    ['an unknown query hint', 'SELECT a FROM t OPTION (MAXRECURSION 5)'],
    ['an unknown SET option', 'SET PARSEONLY ON'],
    ['CREATE PROCEDURE', 'CREATE PROCEDURE p AS SELECT 1'],
    ['a cursor', 'DECLARE c CURSOR FOR SELECT 1'],
    ['ON DELETE CASCADE', 'CREATE TABLE t (a int REFERENCES b (c) ON DELETE CASCADE)'],
    ['an unknown index option', 'CREATE INDEX i ON t (a) WITH (RESUMABLE = ON)'],
    ['quantified comparison', 'SELECT 1 WHERE 1 = ANY (SELECT 1)'],
    ['AT TIME ZONE', "SELECT a AT TIME ZONE 'UTC' FROM t"],
  ] as const) {
    it(`refuses ${what} instead of passing over it`, () =>
      assert.match(refusal(sql), /^(102|156) Incorrect syntax near/));
  }

  it('refuses more than 1,000 rows of VALUES with 10738', () => {
    const values = Array.from({ length: 1001 }, () => '(1)').join(',');
    assert.match(refusal(`INSERT t VALUES ${values}`), /^10738 /);
    assert.equal(refusal(`INSERT t VALUES ${values.slice(4)}`), 'parsed');
  });
});
