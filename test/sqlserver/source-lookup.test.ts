import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { TYPES } from 'tedious';
import { createPool } from '../../src/sqlserver/pool.ts';
import { createSource } from '../../src/sqlserver/source.ts';
import { isDuplicateKey } from '../../src/sqlserver/statement-error.ts';
import type { SourceConfig } from '../../src/sync/entity.ts';
import type { Cell, PageFilter, Row, RowShape, Source } from '../../src/sync/ports.ts';
import { itOnStandIn } from '../support/sqlserver.ts';
import { settingsOf, useServerAndPool } from './fixture.ts';

describe('a source, by keys', () => {
  const { server, pool } = useServerAndPool('mdm');
  const never = new AbortController().signal;
  const run = (sql: string) => server.execute('mdm', sql);

  async function sourceOf(config: Partial<SourceConfig>, columns?: readonly string[]): Promise<Source> {
    const source: SourceConfig = { connection: 'mdm', key: ['Id'], ...config };
    return createSource(
      await pool(),
      { name: 'Users', source, detection: { method: 'hash', overlapMinutes: 0 } },
      columns,
    );
  }

  async function lookup(source: Source, keys: readonly Row[], shape: RowShape = 'row'): Promise<[number, ...Cell[]][]> {
    const found = await source.lookup(keys, shape, never);
    return found
      .map(({ index, row }): [number, ...Cell[]] => [index, ...row])
      .sort(([a, ...first], [b, ...second]) => a - b || (String(first) < String(second) ? -1 : 1));
  }

  const date = (text: string) => new Date(`${text}T00:00:00Z`);

  for (const [type, literals, present, absent] of [
    ['int', ['-5', '2147483647'], [-5, 2147483647], [0, -2147483648]],
    ['tinyint', ['0', '255'], [0, 255], [1]],
    ['smallint', ['-32768', '7'], [-32768, 7], [32767]],
    [
      'bigint',
      ['-9223372036854775808', '9007199254740993'],
      ['-9223372036854775808', '9007199254740993'],
      ['9007199254740992'],
    ],
    ['date', ["'0002-01-01'", "'2026-11-25'"], [date('0002-01-01'), date('2026-11-25')], [date('9999-12-31')]],
    [
      'uniqueidentifier',
      ["'3F2504E0-4F89-41D3-9A0C-0305E82C3301'", "'00000000-0000-0000-0000-000000000001'"],
      ['3f2504e0-4f89-41d3-9a0c-0305e82c3301', '00000000-0000-0000-0000-000000000001'],
      ['3f2504e0-4f89-41d3-9a0c-0305e82c3302'],
    ],
    ['varchar(10)', ["'é'", "'b b'"], ['é', 'b b'], ['bb']],
    ['char(4)', ["'a'", "'ab'"], ['a   ', 'ab  '], ['b   ']],
    ['nvarchar(20)', ["N'三'", "N'ok; DROP TABLE x --'"], ['三', 'ok; DROP TABLE x --'], ['四']],
    ['nchar(4)', ["N'三'"], ['三   '], ['四   ']],
  ] as const) {
    it(`finds the rows whose key of the type ${type} is asked for`, async () => {
      const table = `dbo.Lookup_${type.replace(/\W/g, '_')}`;
      await run(`CREATE TABLE ${table} (Name nvarchar(5) NOT NULL, Id ${type} NOT NULL PRIMARY KEY)`);
      for (const literal of literals) await run(`INSERT INTO ${table} (Name, Id) VALUES (N'x', ${literal})`);
      const source = await sourceOf({ table });
      const keys = [...absent, ...present].map((key): Row => [key]);
      const expected = present.map((key, index) => [absent.length + index, key]);
      assert.deepEqual(await lookup(source, keys, 'key'), expected);
      assert.deepEqual(
        await lookup(source, keys),
        expected.map(([index, key]) => [index, 'x', key]),
      );
    });
  }

  describe('of several columns, in a table, a view or a query', () => {
    before(async () => {
      await run(`CREATE TABLE dbo.Composite (Total decimal(9,2) NULL, Part nvarchar(10) NOT NULL, Id int IDENTITY(5, 5) NOT NULL,
        At date NOT NULL, wanted real NULL, Ord int NULL, PRIMARY KEY (Id, Part, At))`);
      await run(`INSERT INTO dbo.Composite (Total, Part, At, wanted, Ord) VALUES (1.10, N'a|b', '2026-11-25', 0.1, 7),
        (2, N'c', '2026-11-25', 2, 8), (3, N'a|b', '2026-11-26', 3, 9)`);
      await run('CREATE VIEW dbo.CompositeView AS SELECT Id, Part, At, Total, wanted, Ord FROM dbo.Composite');
    });

    const key = ['Id', 'Part', 'At'] as const;
    const keys: Row[] = [
      [15, 'a|b', date('2026-11-26')],
      [5, 'A|B', date('2026-11-25')],
      [5, 'a|b', date('2026-11-26')],
      [10, 'c', date('2026-11-25')],
    ];

    for (const [what, config] of [
      ['a table with an identity', { table: 'dbo.Composite' }],
      ['a view', { table: 'dbo.CompositeView' }],
      ['a query', { query: 'SELECT Part, At, Total, Id, wanted, Ord FROM dbo.Composite -- all' }],
    ] as const) {
      it(`gives the columns of ${what} that were asked for, converted as in a page`, async () => {
        const source = await sourceOf({ ...config, key }, ['Total', 'wanted', 'Ord']);
        assert.deepEqual(
          (await source.describe()).map(({ name }) => name),
          ['Total', 'wanted', 'Ord', 'Id', 'Part', 'At'],
        );
        assert.deepEqual(await lookup(source, keys), [
          [0, '3.00', 3, 9, 15, 'a|b', date('2026-11-26')],
          [1, '1.10', 0.1, 7, 5, 'a|b', date('2026-11-25')],
          [3, '2.00', 2, 8, 10, 'c', date('2026-11-25')],
        ]);
        assert.deepEqual(await lookup(source, keys, 'key'), [
          [0, 15, 'a|b', date('2026-11-26')],
          [1, 5, 'a|b', date('2026-11-25')],
          [3, 10, 'c', date('2026-11-25')],
        ]);
      });

      it(`leaves out what is outside the predicate on ${what}`, async () => {
        const source = await sourceOf({ ...config, key, where: 'Ord = 9 OR Id = 10 -- both' }, []);
        assert.deepEqual(await lookup(source, keys, 'key'), [
          [0, 15, 'a|b', date('2026-11-26')],
          [3, 10, 'c', date('2026-11-25')],
        ]);
      });
    }

    it('gives the key alone in its own order in a page too', async () => {
      const source = await sourceOf({ table: 'dbo.Composite', key: ['At', 'Id', 'Part'] }, ['Total']);
      const filter: PageFilter = { shape: 'key' };
      assert.deepEqual(await source.page(undefined, 2, never, filter), [
        [date('2026-11-25'), 5, 'a|b'],
        [date('2026-11-25'), 10, 'c'],
      ]);
      assert.deepEqual(await source.page([date('2026-11-25'), 10, 'c'], 2, never, filter), [
        [date('2026-11-25'), 10, 'c'],
        [date('2026-11-26'), 15, 'a|b'],
      ]);
    });
  });

  it('compares as the column does, not as its database', async () => {
    await run('CREATE TABLE dbo.Sensitive (Id nvarchar(10) COLLATE Latin1_General_100_CS_AS NOT NULL PRIMARY KEY)');
    await run("INSERT INTO dbo.Sensitive VALUES (N'a'), (N'A'), (N'b')");
    assert.deepEqual(await lookup(await sourceOf({ table: 'dbo.Sensitive' }), [['A'], ['B']]), [[0, 'A']]);
  });

  it('gives all rows that the server holds equal to a key, and a row for each key that it is equal to', async () => {
    await run('CREATE TABLE dbo.Equal1 (Id nvarchar(10) NOT NULL)');
    await run("INSERT INTO dbo.Equal1 VALUES (N'a'), (N'A'), (N'b'), (N'a  ')");
    assert.deepEqual(await lookup(await sourceOf({ table: 'dbo.Equal1' }), [['A '], ['c'], ['B'], ['b']]), [
      [0, 'A'],
      [0, 'a'],
      [0, 'a  '],
      [2, 'b'],
      [3, 'b'],
    ]);
  });

  it('asks for each list anew, on sessions that others use for keys of other types', async () => {
    await run('CREATE TABLE dbo.Numbers (Id int NOT NULL PRIMARY KEY)');
    await run('INSERT INTO dbo.Numbers VALUES (1), (2), (3)');
    await run('CREATE TABLE dbo.Words (Id nvarchar(10) NOT NULL PRIMARY KEY)');
    await run("INSERT INTO dbo.Words VALUES (N'one'), (N'two')");
    const numbers = await sourceOf({ table: 'dbo.Numbers' });
    const words = await sourceOf({ table: 'dbo.Words' });
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await lookup(numbers, [[3], [4], [1]]), [
        [0, 3],
        [2, 1],
      ]);
      assert.deepEqual(await lookup(words, [['two']]), [[0, 'two']]);
      assert.deepEqual(await lookup(numbers, [[2]]), [[0, 2]]);
      assert.deepEqual(await lookup(numbers, []), []);
    }
  });

  it('finds a page of thousands of keys', async () => {
    await run('CREATE TABLE dbo.Many (Id int NOT NULL PRIMARY KEY)');
    const ids = Array.from({ length: 20_000 }, (_, index) => [index * 2]);
    await server.bulkInsert('mdm', 'dbo.Many', [{ name: 'Id', type: TYPES.Int, nullable: false }], ids);
    const found = await lookup(
      await sourceOf({ table: 'dbo.Many' }),
      Array.from({ length: 10_000 }, (_, index) => [39_990 - index]),
    );
    assert.equal(found.length, 5000);
    for (const [index, id] of found) assert.equal(id, 39_990 - index);
  });

  describe('that are any', () => {
    const letters = fc.constantFrom('a', 'A', 'b', 'é', 'e', 'ß', ' ', '三', '😀', '|', '\\', "'", 'ı', 'I');
    const text = fc.string({ unit: letters, maxLength: 4 });

    before(async () => {
      await run('CREATE TABLE dbo.AnyText (Id nvarchar(12) NOT NULL, Number int NOT NULL)');
      await run('CREATE TABLE dbo.AnyPair (Id nvarchar(12) NOT NULL, Number int NOT NULL, PRIMARY KEY (Number, Id))');
    });

    /** For each key the rows that the server holds equal to it, by one comparison at a time. */
    async function expected(table: string, keys: readonly (readonly [string, number])[], withNumber: boolean) {
      const pairs: [number, ...Cell[]][] = [];
      for (const [index, [id, number]] of keys.entries()) {
        const rows = await server.query(
          'mdm',
          `SELECT Id, Number FROM ${table} WHERE Id = @id${withNumber ? ' AND Number = @number' : ''}`,
          { id: { type: TYPES.NVarChar, value: id, length: 12 }, number },
        );
        for (const row of rows) pairs.push([index, row.Id as string, row.Number as number]);
      }
      return pairs;
    }

    const inOrder = (pairs: readonly (readonly Cell[])[]) => pairs.map((pair) => JSON.stringify(pair)).sort();

    it('gives exactly the rows that the server holds equal to a text', async () => {
      const source = await sourceOf({ table: 'dbo.AnyText' });
      const pairs = fc.array(fc.tuple(text, fc.nat(3)), { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(pairs, pairs, async (rows, keys) => {
          await run('DELETE FROM dbo.AnyText');
          await insert('dbo.AnyText', rows);
          const found = await lookup(
            source,
            keys.map(([id]) => [id]),
          );
          assert.deepEqual(inOrder(found), inOrder(await expected('dbo.AnyText', keys, false)));
        }),
        { numRuns: 40 },
      );
    });

    it('gives exactly the rows that the server holds equal to a key of two columns', async () => {
      const source = await sourceOf({ table: 'dbo.AnyPair', key: ['Number', 'Id'] });
      const pairs = fc.array(fc.tuple(text, fc.nat(2)), { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(pairs, pairs, async (rows, keys) => {
          await run('DELETE FROM dbo.AnyPair');
          for (const row of rows) {
            // Those that the server holds equal to one that is there are no rows of this table.
            await insert('dbo.AnyPair', [row]).catch((error: unknown) =>
              assert.ok(isDuplicateKey(error), String(error)),
            );
          }
          const found = await lookup(
            source,
            keys.map(([id, number]) => [number, id]),
          );
          assert.deepEqual(inOrder(found), inOrder(await expected('dbo.AnyPair', keys, true)));
        }),
        { numRuns: 40 },
      );
    });

    async function insert(table: string, rows: readonly (readonly [string, number])[]): Promise<void> {
      for (const [id, number] of rows) {
        await server.execute('mdm', `INSERT INTO ${table} (Id, Number) VALUES (@id, @number)`, { id, number });
      }
    }
  });

  describe('and faults', () => {
    before(async () => {
      await run('CREATE TABLE dbo.Faulty (Id int NOT NULL PRIMARY KEY)');
      await run('INSERT INTO dbo.Faulty VALUES (1), (2), (3)');
    });

    it('tells an error of the server in terms of the entity', async () => {
      const source = await sourceOf({ table: 'dbo.Faulty', where: 'NoSuchColumn = 1' });
      await assert.rejects(source.lookup([[1]], 'row', never), { code: 'SOURCE_REFUSED', message: /NoSuchColumn/ });
    });

    for (const [what, match] of [
      ['the table is made', /INTO #tamhr_/],
      ['the keys are sent', /INSERT BULK/i],
      ['the rows are read', /INNER JOIN/],
    ] as const) {
      itOnStandIn(`looks again on another connection where one is lost while ${what}`, async () => {
        const settings = await settingsOf(server.connectionString('mdm'), 'mdm');
        const repeating = createPool(settings, 'SOURCE', 1, { abort: never, onRepeat: () => undefined });
        const source = createSource(repeating, {
          name: 'Users',
          source: { connection: 'mdm', key: ['Id'], table: 'dbo.Faulty' },
          detection: { method: 'hash', overlapMinutes: 0 },
        });
        await source.describe();
        const fault = server.faults.add({ match, on: 1, action: { drop: 'before' } });
        assert.deepEqual(await lookup(source, [[2], [9]]), [[0, 2]]);
        fault.remove();
        assert.equal(fault.hits, 1);
        await repeating.close();
      });
    }

    itOnStandIn('gives up when it is cancelled', async () => {
      const source = await sourceOf({ table: 'dbo.Faulty' });
      await source.describe();
      const fault = server.faults.add({ match: /INNER JOIN/, action: { hold: true } });
      const controller = new AbortController();
      const found = source.lookup([[1]], 'row', controller.signal);
      await fault.struck;
      controller.abort();
      await assert.rejects(found, { name: 'AbortError' });
      fault.remove();
    });
  });
});
