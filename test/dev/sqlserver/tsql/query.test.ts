import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Engine, Session } from '../../../../dev/sqlserver/engine.ts';
import { errorNumbers, login, parameter, rows, run, shape, startEngine, value } from './client.ts';

let engine: Engine;
let session: Session;

before(async () => {
  engine = startEngine();
  session = engine.login(login);
  await run(
    session,
    `CREATE TABLE dbo.Person (Id int NOT NULL PRIMARY KEY, Name nvarchar(50) NULL, Team varchar(10) NOT NULL, Pay decimal(9,2) NULL, Born datetime NULL);
     INSERT Person VALUES (1, N'Ani', 'red', 10.50, '1990-01-02'), (2, N'Budi', 'RED ', 20.25, NULL), (3, N'Citra', 'blue', NULL, '2000-12-31T23:59:59.997'), (4, NULL, 'blue', 1.00, '1980-06-07')`,
  );
});
after(() => engine.close());

const ids = async (where: string): Promise<unknown[]> =>
  (await rows(session, `SELECT Id FROM Person WHERE ${where} ORDER BY Id`)).map(([id]) => id);

describe('a query', () => {
  it('filters with every kind of predicate', async () => {
    assert.deepEqual(await ids("Team = 'Red'"), [1, 2]);
    assert.deepEqual(await ids("Name LIKE N'%I'"), [1, 2]);
    assert.deepEqual(await ids('Name IS NULL OR Pay BETWEEN 20 AND 30'), [2, 4]);
    assert.deepEqual(await ids("Team NOT IN ('red', 'green')"), [3, 4]);
    assert.deepEqual(
      await ids('EXISTS (SELECT 1 FROM Person AS other WHERE other.Team = Person.Team AND other.Id < Person.Id)'),
      [2, 4],
    );
    assert.deepEqual(await ids('Pay IN (SELECT MAX(Pay) FROM Person)'), [2]);
    assert.deepEqual(await ids("NOT (Pay > 5 AND Born < '1995-01-01')"), [3, 4]);
    assert.deepEqual(await ids("Born >= '2000-12-31 23:59:59.997'"), [3]);
  });

  it('treats a comparison with NULL as unknown, also under NOT IN', async () => {
    assert.deepEqual(await ids('Pay = NULL'), []);
    assert.deepEqual(await ids('Pay NOT IN (1.00, NULL)'), []);
  });

  it('groups by the collation, not by the bytes', async () => {
    const found = await rows(
      session,
      'SELECT COUNT(*), MIN(Name), SUM(Pay) FROM Person GROUP BY Team ORDER BY MIN(Id)',
    );
    assert.deepEqual(found, [
      [2, 'Ani', 3075n],
      [2, 'Citra', 100n],
    ]);
  });

  it('drops doubles by the collation in DISTINCT, UNION, EXCEPT and INTERSECT', async () => {
    assert.equal((await rows(session, 'SELECT DISTINCT Team FROM Person')).length, 2);
    assert.deepEqual(
      await rows(
        session,
        "SELECT Team FROM Person WHERE Id = 3 UNION SELECT 'BLUE' UNION ALL SELECT 'x' ORDER BY Team DESC",
      ),
      [['x'], ['blue']],
    );
    assert.deepEqual(await rows(session, "SELECT Team FROM Person EXCEPT SELECT 'Red'"), [['blue']]);
    assert.deepEqual(await rows(session, "SELECT Team FROM Person INTERSECT SELECT 'BLUE'"), [['blue']]);
  });

  it('pages with TOP, OFFSET and a key of several columns', async () => {
    const sql = `SELECT TOP (@n) s.[Team], s.[Id] FROM [dbo].[Person] AS s WHERE (s.Id > 0) AND (s.[Team] >= @k0 AND (s.[Team] > @k0 OR (s.[Team] = @k0 AND s.[Id] > @k1))) ORDER BY s.[Team], s.[Id]`;
    const page = (team: string, id: number) =>
      rows(session, sql, [
        parameter('@n', { name: 'int' }, 2),
        parameter('@k0', { name: 'varchar', length: 10 }, team),
        parameter('@k1', { name: 'int' }, id),
      ]);
    assert.deepEqual(
      (await page('', 0)).map(([, id]) => id),
      [3, 4],
    );
    assert.deepEqual(
      (await page('blue', 4)).map(([, id]) => id),
      [1, 2],
    );
    assert.deepEqual(await page('red', 2), []);
    assert.deepEqual(
      await rows(session, 'SELECT Id FROM Person ORDER BY Id DESC OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY'),
      [[3], [2]],
    );
    assert.equal(
      await value(session, 'SELECT COUNT_BIG(*) FROM (SELECT TOP (@n) 1 AS one FROM Person) AS x', [
        parameter('@n', { name: 'int' }, 3),
      ]),
      3n,
    );
  });

  it('joins, and pads what an outer join finds nothing for', async () => {
    const pairs = await rows(
      session,
      'SELECT a.Id, b.Id FROM Person a LEFT JOIN Person b ON b.Team = a.Team AND b.Id > a.Id ORDER BY a.Id',
    );
    assert.deepEqual(pairs, [
      [1, 2],
      [2, null],
      [3, 4],
      [4, null],
    ]);
    assert.equal((await rows(session, 'SELECT 1 FROM Person a CROSS JOIN Person b')).length, 16);
    assert.deepEqual(
      await rows(
        session,
        'SELECT a.Id, v.x FROM Person a FULL JOIN (VALUES (4), (9)) v(x) ON v.x = a.Id WHERE a.Id > 3 OR v.x > 5 ORDER BY v.x',
      ),
      [
        [4, 4],
        [null, 9],
      ],
    );
  });

  it('applies a correlated derived table to each row', async () => {
    const sql =
      'SELECT a.Id, x.Id, x.Pay, x.Born FROM Person a CROSS APPLY (SELECT TOP (1) b.Id, b.Pay, b.Born FROM Person b WHERE b.Team = a.Team AND b.Id <> a.Id ORDER BY b.Id) x WHERE a.Id IN (1, 4) ORDER BY 1';
    const found = await rows(session, sql);
    assert.deepEqual(
      found.map((row) => row.slice(0, 3)),
      [
        [1, 2, 2025n],
        [4, 3, null],
      ],
    );
    assert.deepEqual(
      await rows(
        session,
        'SELECT a.Id, x.n FROM Person a OUTER APPLY (SELECT b.Id n FROM Person b WHERE b.Id = a.Id + 2) x ORDER BY 1',
      ),
      [
        [1, 3],
        [2, 4],
        [3, null],
        [4, null],
      ],
    );
  });

  it('knows common table expressions, recursive ones too', async () => {
    assert.deepEqual(
      await rows(
        session,
        'WITH a AS (SELECT Id, Team FROM Person), b (n) AS (SELECT COUNT(*) FROM a) SELECT n, (SELECT MAX(Id) FROM a) FROM b',
      ),
      [[4, 4]],
    );
    assert.equal(
      await value(session, 'WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT SUM(n) FROM r'),
      55,
    );
  });

  it('numbers and sums over windows', async () => {
    const found = await rows(
      session,
      'SELECT Id, ROW_NUMBER() OVER (PARTITION BY Team ORDER BY Id DESC), SUM(Pay) OVER (PARTITION BY Team), LAG(Id) OVER (ORDER BY Id) FROM Person ORDER BY Id',
    );
    assert.deepEqual(found, [
      [1, 2n, 3075n, null],
      [2, 1n, 3075n, 1],
      [3, 2n, 100n, 2],
      [4, 1n, 100n, 3],
    ]);
  });

  it('says which name it can not resolve', async () => {
    for (const [sql, number] of [
      ['SELECT Nothing FROM Person', 207],
      ['SELECT x.Id FROM Person p', 4104],
      ['SELECT Id FROM Person a, Person b', 209],
      ['SELECT * FROM Nowhere', 208],
      ['SELECT * FROM Nowhere.dbo.Person', 911],
      ['SELECT nosuch(1)', 195],
      ['SELECT @missing', 137],
      ['SELECT Name FROM Person GROUP BY Team', 8120],
      ['SELECT Id FROM Person WHERE COUNT(*) > 1', 147],
      ['SELECT * FROM (SELECT Id, Id FROM Person) x', 8156],
      ['SELECT * FROM (SELECT Id + 1 FROM Person) x', 8155],
      ['SELECT * FROM (SELECT Id FROM Person ORDER BY Id) x', 1033],
      ['SELECT 1 UNION SELECT 1, 2', 205],
      ['SELECT (SELECT Id FROM Person)', 512],
      ['SELECT (SELECT Id, Name FROM Person WHERE Id = 1)', 116],
      ['SELECT DISTINCT Name FROM Person ORDER BY Id', 145],
      ['SELECT TOP (-1) Id FROM Person', 1014],
      ['SELECT 1 FROM Person a JOIN Person a ON 1 = 1', 1011],
    ] as const) {
      assert.deepEqual(await errorNumbers(session, sql), [number], sql);
    }
  });

  it('fails in the middle of its rows with the rows before sent', async () => {
    const answer = await run(session, 'SELECT 1 / (3 - Id) FROM Person ORDER BY Id');
    assert.deepEqual(answer.results, [[[0], [1]]]);
    assert.deepEqual(
      answer.errors.map((error) => error.number),
      [8134],
    );
  });

  it('stops between rows when its caller gives up, and leaves the session usable', async () => {
    const abort = new AbortController();
    let seen = 0;
    for await (const event of session.execute(
      'SELECT a.Id FROM Person a, Person b, Person c',
      undefined,
      abort.signal,
    )) {
      if (event.kind === 'row') seen++;
      if (seen === 3) abort.abort();
    }
    assert.equal(seen, 3);
    assert.equal(await value(session, 'SELECT 1'), 1);
  });

  it('is stopped in an endless loop', async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    await run(session, 'DECLARE @i int = 0 WHILE 1 = 1 SET @i = @i + 0', undefined, abort.signal);
    assert.equal(await value(session, 'SELECT 1'), 1);
  });
});

describe('OPENJSON', () => {
  it('makes rows of an array by a schema', async () => {
    const json = `N'[{"id":1,"name":"a","tags":{"x":[1,2]},"big":12345678901234567890},{"id":"2","name":null}]'`;
    assert.deepEqual(
      await rows(
        session,
        `SELECT id, name, x, tags, big FROM OPENJSON(${json}) WITH (id int, name nvarchar(10), x int '$.tags.x[1]', tags nvarchar(max) AS JSON, big decimal(20,0)) ORDER BY id`,
      ),
      [
        [1, 'a', 2, '{"x":[1,2]}', 12345678901234567890n],
        [2, null, null, null, null],
      ],
    );
  });

  it('lists keys, values and types without one, below a path, and per row with CROSS APPLY', async () => {
    assert.deepEqual(
      await rows(session, `SELECT [key], value, type FROM OPENJSON('{"r":{"a":"x","b":[1],"c":null}}', '$.r')`),
      [
        ['a', 'x', 1],
        ['b', '[1]', 4],
        ['c', null, 0],
      ],
    );
    assert.deepEqual(
      await rows(
        session,
        `SELECT v.d, j.value FROM (VALUES ('[1,2]'), ('[3]')) v(d) CROSS APPLY OPENJSON(v.d) j ORDER BY 2`,
      ),
      [
        ['[1,2]', '1'],
        ['[1,2]', '2'],
        ['[3]', '3'],
      ],
    );
  });

  it('refuses text that is no JSON with 13609', async () => {
    assert.deepEqual(await errorNumbers(session, "SELECT * FROM OPENJSON('nonsense')"), [13609]);
  });
});

describe('column metadata', () => {
  it("of a table's columns is exact, without a row being read", async () => {
    assert.deepEqual(await shape(session, 'SELECT TOP (0) [Id], [Name], Team, Pay, Born FROM [dbo].[Person] AS s'), [
      'Id int',
      'Name nvarchar(50)?',
      'Team varchar(10)',
      'Pay decimal(9,2)?',
      'Born datetime?',
    ]);
    assert.deepEqual(
      await shape(
        session,
        'SELECT TOP (0) * FROM (SELECT a.Id, b.Name AS [Other Name] FROM Person a LEFT JOIN Person b ON b.Id = a.Id) AS s',
      ),
      ['Id int', 'Other Name nvarchar(50)?'],
    );
  });

  it('of literals and operators follows the precedence of types', async () => {
    assert.deepEqual(
      await shape(
        session,
        `SELECT 1 AS a, 1.50 AS b, 1e0 AS c, 'abc' AS d, N'ab' AS e, 0x0102 AS f, 3000000000 AS g, 1 + 1.5 AS h, 2 / 3.0 AS i, CAST(1 AS bigint) + 1 AS j, 'a' + N'b' AS k`,
      ),
      [
        'a int',
        'b numeric(3,2)',
        'c float',
        'd varchar(3)',
        'e nvarchar(2)',
        'f varbinary(2)',
        'g numeric(10,0)',
        'h numeric(3,1)?',
        'i numeric(8,6)?',
        'j bigint?',
        'k nvarchar(2)',
      ],
    );
  });

  it('of functions and CASE is what SQL Server says', async () => {
    assert.deepEqual(
      await shape(
        session,
        `SELECT COUNT(*) a, COUNT_BIG(*) b, SUM(Id) c, SUM(Pay) d, AVG(Pay) e, MAX(Name) f, MIN(Born) g FROM Person`,
      ),
      ['a int?', 'b bigint?', 'c int?', 'd decimal(38,2)?', 'e numeric(38,6)?', 'f nvarchar(50)?', 'g datetime?'],
    );
    assert.deepEqual(
      await shape(
        session,
        `SELECT CASE WHEN Id = 1 THEN 1 ELSE 2.5 END a, ISNULL(Team, N'longer than ten') b, COALESCE(Name, Team) c, CONVERT(nvarchar(64), Pay) d, LEN(Name) e, GETDATE() f, SYSUTCDATETIME() g, NEWID() h FROM Person`,
      ),
      [
        'a numeric(11,1)',
        'b varchar(10)',
        'c nvarchar(50)',
        'd nvarchar(64)?',
        'e int?',
        'f datetime',
        'g datetime2(7)',
        'h uniqueidentifier',
      ],
    );
  });
});

describe('a text parameter', () => {
  it('may hold quotes, question marks and zero bytes', async () => {
    const text = `it's ?1 '' \u0000 --`;
    assert.equal(
      await value(session, "SELECT @a + N'?2'", [parameter('@a', { name: 'nvarchar', length: 100 }, text)]),
      `${text}?2`,
    );
  });
});
