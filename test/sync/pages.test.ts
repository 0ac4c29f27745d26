import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readPages } from '../../src/sync/pages.ts';
import type { Column, Row, Source } from '../../src/sync/ports.ts';
import { ID_AND_NAME, memorySource, numberedRows } from '../support/fakes.ts';

const TEXT_KEY: readonly Column[] = [{ name: 'Code', kind: 'text', sqlType: 'nvarchar(20)' }];

async function readAll(source: Source, pageRows: number, columns = ID_AND_NAME, keyIndexes = [0]): Promise<Row[][]> {
  const pages: Row[][] = [];
  const signal = new AbortController().signal;
  for await (const page of readPages(source, { entity: 'Users', columns, keyIndexes, pageRows, signal })) {
    pages.push(page.map(({ row }) => row));
  }
  return pages;
}

test('every row is read once and in order, whatever the page size', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 20 }), async (count, pageRows) => {
      const rows = numberedRows(count);
      const pages = await readAll(memorySource(rows), pageRows);
      assert.deepEqual(pages.flat(), rows);
      for (const page of pages.slice(0, -1)) assert.equal(page.length, pageRows);
    }),
  );
});

test('the next page is read while the caller works on the last', async () => {
  const source = memorySource(numberedRows(10));
  const options = { entity: 'Users', columns: ID_AND_NAME, keyIndexes: [0], pageRows: 4 };
  const pages = readPages(source, { ...options, signal: new AbortController().signal });
  await pages.next();
  assert.equal(source.reads, 2);
  await pages.return(undefined);
});

test('a NULL key stops the entity', async () => {
  await assert.rejects(readAll(memorySource([[null, 'a']]), 5), {
    code: 'SOURCE_KEY_INVALID',
    message: /Id\) is NULL/,
  });
});

test('a repeated key stops the entity, inside a page and at its border', async () => {
  const rows = [...numberedRows(4), [4, 'again'], [5, 'five']];
  for (const pageRows of [3, 4, 5, 100]) {
    await assert.rejects(readAll(memorySource(rows), pageRows), {
      code: 'SOURCE_KEY_INVALID',
      message: /repeats after 4/,
    });
  }
});

test('falling integers stop the entity', async () => {
  await assert.rejects(
    readAll(
      memorySource([
        [2, 'a'],
        [1, 'b'],
      ]),
      5,
    ),
    { code: 'SOURCE_KEY_INVALID', message: /falls/ },
  );
});

test('keys that differ only in case stay in one page, so that no server can pass over the second', async () => {
  const rows = [['a'], ['b'], ['B'], ['b '], ['c']];
  const pages = await readAll(memorySource(rows, TEXT_KEY), 2, TEXT_KEY);
  assert.deepEqual(pages.flat(), rows);
  assert.ok(pages.some((page) => ['b', 'B', 'b '].every((key) => page.some(([cell]) => cell === key))));
});

test('several key columns are compared in order', async () => {
  const columns: readonly Column[] = [
    { name: 'Org', kind: 'text', sqlType: 'varchar(5)' },
    { name: 'Line', kind: 'integer', sqlType: 'int' },
  ];
  const rows = [
    ['A', 1],
    ['A', 2],
    ['B', 1],
    ['B', 7],
  ];
  assert.deepEqual((await readAll(memorySource(rows, columns, [0, 1]), 2, columns, [0, 1])).flat(), rows);
  await assert.rejects(
    readAll(
      memorySource(
        [
          ['A', 2],
          ['A', 1],
        ],
        columns,
        [0, 1],
      ),
      2,
      columns,
      [0, 1],
    ),
    {
      message: /\(Org, Line\) falls after A\|2/,
    },
  );
});

test('an error of the source reaches the caller, of the page read ahead too', async () => {
  const rows = numberedRows(4);
  const good = memorySource(rows);
  const source: Source = {
    ...good,
    page: async (after, limit, signal) => {
      if (after !== undefined) throw new Error('gone');
      return good.page(after, limit, signal);
    },
  };
  await assert.rejects(readAll(source, 2), /gone/);
});
