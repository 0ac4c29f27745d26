import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Engine, Session, SqlValue } from '../../../../dev/sqlserver/engine.ts';
import { errorNumbers, login, startEngine, value } from './client.ts';

let engine: Engine;
let session: Session;

before(() => {
  engine = startEngine();
  session = engine.login(login);
});
after(() => engine.close());

/** One test per line: an expression and what it must give. */
function gives(title: string, cases: readonly (readonly [string, SqlValue])[]): void {
  it(title, async () => {
    for (const [expression, wanted] of cases)
      assert.deepEqual(await value(session, `SELECT ${expression}`), wanted, expression);
  });
}

/** One test per line: an expression and the number of its error. */
function fails(title: string, cases: readonly (readonly [string, number])[]): void {
  it(title, async () => {
    for (const [expression, number] of cases)
      assert.deepEqual(await errorNumbers(session, `SELECT ${expression}`), [number], expression);
  });
}

describe('arithmetic', () => {
  gives('is exact for decimals and cut for integers', [
    ['0.1 + 0.2', 3n],
    ['7 / 2', 3],
    ['-7 / 2', -3],
    ['-7 % 3', -1],
    ['2 / 3.0', 666666n],
    ['CAST(12345678901234567890.12 AS decimal(22,2)) + 0.01', 1234567890123456789013n],
    ['CAST(1 AS money) / 3', 3333n],
    ['CAST(2 AS money) * 1.5', 300000n],
    ["'3' + 4", 7],
    ['5 & 3', 1],
    ['5 | 3', 7],
    ['5 ^ 3', 6],
    ['~5', -6],
    ["CAST('2026-01-31' AS datetime) + 1 - CAST('2026-02-01' AS datetime)", 599266080000000000n],
  ]);

  fails('overflows and divides by zero as SQL Server does', [
    ['2147483647 + 1', 8115],
    ['CAST(9223372036854775807 AS bigint) + 1', 8115],
    ['CAST(300 AS tinyint)', 220],
    ['CAST(99999 AS smallint)', 220],
    ['CAST(1000 AS decimal(3,0))', 8115],
    ['1 / 0', 8134],
    ['1.0 / 0', 8134],
    ['1e0 / 0', 8134],
    ["CAST('2026-01-01' AS date) + 1", 206],
  ]);
});

describe('conversion', () => {
  gives('shows dates in the styles of CONVERT', [
    ["CONVERT(varchar(40), CAST('2026-01-02 15:04:05.123' AS datetime))", 'Jan  2 2026  3:04PM'],
    ...(
      [
        [1, '01/02/26'],
        [3, '02/01/26'],
        [4, '02.01.26'],
        [20, '2026-01-02 15:04:05'],
        [21, '2026-01-02 15:04:05.123'],
        [23, '2026-01-02'],
        [101, '01/02/2026'],
        [103, '02/01/2026'],
        [112, '20260102'],
        [120, '2026-01-02 15:04:05'],
        [121, '2026-01-02 15:04:05.123'],
        [126, '2026-01-02T15:04:05.123'],
        [127, '2026-01-02T15:04:05.123'],
      ] as const
    ).map(
      ([style, text]) => [`CONVERT(varchar(40), CAST('2026-01-02 15:04:05.123' AS datetime), ${style})`, text] as const,
    ),
    ["CONVERT(varchar(40), CAST('2026-01-02' AS date))", '2026-01-02'],
    ["CONVERT(varchar(40), CAST('2026-01-02 03:04:05.5' AS datetime2(3)))", '2026-01-02 03:04:05.500'],
    ["FORMAT(CAST('2026-01-02 15:04:05' AS datetime), 'dd MMM yyyy HH:mm')", '02 Jan 2026 15:04'],
  ]);

  gives('shows numbers, bytes and identifiers as text', [
    ['CONVERT(varchar(20), CAST(1.50 AS decimal(9,2)))', '1.50'],
    ['CONVERT(varchar(20), CAST(-0.05 AS decimal(9,2)))', '-0.05'],
    ['CONVERT(varchar(20), CAST(1234567.891 AS money))', '1234567.89'],
    ['CONVERT(varchar(20), CAST(1234567.891 AS money), 1)', '1,234,567.89'],
    ['CONVERT(varchar(20), CAST(1234567.891 AS money), 2)', '1234567.8910'],
    ['CONVERT(varchar(20), CAST(3.14159265 AS float))', '3.14159'],
    ['CONVERT(varchar(20), 1e20)', '1e+020'],
    ['CONVERT(varchar(20), 0x0aff, 1)', '0x0AFF'],
    ['CONVERT(varchar(20), 0x0aff, 2)', '0AFF'],
    [
      "CONVERT(varchar(40), CAST('6f9619ff-8b86-d011-b42d-00c04fc964ff' AS uniqueidentifier))",
      '6F9619FF-8B86-D011-B42D-00C04FC964FF',
    ],
    ['CAST(123456 AS varchar(3))', '*'],
    ["CAST('abcdef' AS varchar(3))", 'abc'],
    ["CAST(N'日本' AS varchar(10))", '??'],
    ["CAST(N'€' AS varchar(1))", '€'],
  ]);

  gives('gives NULL from TRY_ where the plain form fails', [
    ["TRY_CAST('x' AS int)", null],
    ["TRY_CONVERT(date, '2026-02-30')", null],
    ["TRY_CONVERT(uniqueidentifier, 'x')", null],
    ["TRY_CAST('12' AS int)", 12],
  ]);

  fails('fails with the number that belongs to the types', [
    ["CAST('abc' AS int)", 245],
    ["CAST('99999999999' AS int)", 248],
    ["CAST('abc' AS bigint)", 8114],
    ["CAST('abc' AS decimal(5,2))", 8114],
    ["CAST('abc' AS float)", 8114],
    ["CAST('abc' AS datetime)", 241],
    ["CAST('2026-02-30' AS datetime)", 242],
    ["CAST('1600-01-01' AS datetime)", 242],
    ["CAST('abc' AS uniqueidentifier)", 8169],
    ["CAST('abc' AS money)", 235],
    ['CAST(1 AS uniqueidentifier)', 529],
    ["ISNULL(CAST(1 AS varbinary(2)), N'x')", 257],
    ['DATEADD(day, CAST(GETDATE() AS date), GETDATE())', 206],
    ['CAST(NEWID() AS varchar(10))', 8170],
  ]);
});

describe('functions', () => {
  gives('on text', [
    ["LEN(N'ab  ')", 2],
    ["DATALENGTH(N'ab  ')", 8],
    ["LEFT('hello', 2) + RIGHT('hello', 2)", 'helo'],
    ["SUBSTRING('hello', 0, 3)", 'he'],
    ["UPPER(N'straße') + LOWER(N'ÄÖ')", 'STRAßEäö'],
    ["LTRIM(RTRIM('  a '))", 'a'],
    ["TRIM('xy' FROM 'xyaxy')", 'a'],
    ["REPLACE('aXbx', 'x', '-')", 'a-b-'],
    ["CHARINDEX(N'Ä', N'--ä')", 3],
    ["CHARINDEX('a', 'banana', 3)", 4],
    ["CONCAT('a', NULL, 1, CAST(1.50 AS decimal(3,2)))", 'a11.50'],
    ["CONCAT_WS('-', 'a', NULL, 'b')", 'a-b'],
    ["'a' + NULL", null],
    ["STUFF('abcdef', 2, 3, 'X')", 'aXef'],
    ["REPLICATE('ab', 3)", 'ababab'],
    ["'[' + SPACE(2) + ']'", '[  ]'],
    ['STR(123.456, 8, 2)', '  123.46'],
    ["REVERSE('abc')", 'cba'],
    ["QUOTENAME('a]b')", '[a]]b]'],
    ["ISNUMERIC('1e5') + ISNUMERIC('x')", 1],
    ["ISDATE('2026-01-01') + ISDATE('x')", 1],
  ]);

  gives('on numbers and NULLs', [
    ['ABS(-5.5)', 55n],
    ['ROUND(2.345, 2)', 2350n],
    ['ROUND(-2.345, 2)', -2350n],
    ['ROUND(1250, -2)', 1300],
    ['FLOOR(-1.5)', -2n],
    ['CEILING(-1.5)', -1n],
    ['POWER(2, 10)', 1024],
    ["ISNULL(NULL, 'x')", 'x'],
    ['COALESCE(NULL, NULL, 3)', 3],
    ['NULLIF(1, 1)', null],
    ["IIF(1 > 2, 'a', 'b')", 'b'],
    ["CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", 'b'],
    ["CHOOSE(2, 'a', 'b')", 'b'],
    ['JSON_VALUE(\'{"a":[1,{"b":"c"}]}\', \'$.a[1].b\')', 'c'],
  ]);

  gives('on dates', [
    ["CONVERT(varchar(30), DATEADD(month, 1, '2026-01-31'), 23)", '2026-02-28'],
    ["CONVERT(varchar(30), DATEADD(millisecond, 3, CAST('2026-01-01' AS datetime)), 121)", '2026-01-01 00:00:00.003'],
    ["DATEDIFF(day, '2026-01-01 23:59', '2026-01-02 00:01')", 1],
    ["DATEDIFF(month, '2026-01-31', '2026-02-01')", 1],
    ["DATEDIFF(year, '2025-12-31', '2026-01-01')", 1],
    ["DATEDIFF(second, '2026-01-01', '2026-01-02')", 86400],
    ["YEAR('2026-11-23') * 10000 + MONTH('2026-11-23') * 100 + DAY('2026-11-23')", 20261123],
    ["DATEPART(weekday, '2026-11-23')", 2],
    ["DATEPART(week, '2026-01-04')", 2],
    ["DATEPART(iso_week, '2027-01-01')", 53],
    ["DATENAME(month, '2026-11-23')", 'November'],
    ["CONVERT(varchar(10), EOMONTH('2028-02-01'), 23)", '2028-02-29'],
  ]);

  fails('refuse wrong arguments', [
    ['LEN()', 174],
    ["SUBSTRING('a', 1)", 174],
    ["LEFT('a', -1)", 536],
    ["DATEADD(fortnight, 1, '2026-01-01')", 155],
    ["DATEDIFF(second, '1900-01-01', '2026-01-01')", 535],
    ['SUM(CAST(1 AS bit))', 8117],
    ['SUM(a) FROM (VALUES (2147483647), (1)) v(a)', 8115],
    ['dbo.nothing(1)', 4121],
  ]);

  it('hash text as the bytes of its type', async () => {
    const hash = async (text: string): Promise<string> =>
      Buffer.from((await value(session, `SELECT HASHBYTES('SHA2_256', ${text})`)) as Uint8Array).toString('hex');
    assert.equal(await hash("'a'"), 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb');
    assert.equal(await hash("N'a'"), 'ffe9aaeaa2a2d5048174df0b80599ef0197ec024c4b051bc9860cff58ef7f9f3');
  });
});
