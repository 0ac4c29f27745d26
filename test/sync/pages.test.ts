import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { readPages } from '../../src/sync/pages.ts';
import type { Column, Row, Source } from '../../src/sync/ports.ts';
import { ID_AND_NAME, memorySource, numberedRows } from '../support/fakes.ts';

const TEXT_KEY: readonly Column[] = [{ name: 'Code', kind: 'text', sqlType: 'nvarchar(20)' }];

async function readAll(source: Source, pageRows: number, columns = ID_AND_NAME, keyIndexes = [0]): Promise<Row[][]> {
  const pages: Row[][] = [];
  const signal = new AbortController().signal;
  for await (const page of readPages(source, {
    entity: 'Users',
    columns,
    keyIndexes,
    next: () => ({ shape: 'row', pageRows }),
    signal,
  })) {
    pages.push(page.rows.map(({ row }) => row));
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
  const options = {
    entity: 'Users',
    columns: ID_AND_NAME,
    keyIndexes: [0],
    next: () => ({ shape: 'row', pageRows: 4 }) as const,
  };
  const pages = readPages(source, { ...options, signal: new AbortController().signal });
  await pages.next();
  assert.equal(source.reads, 2);
  await pages.return(undefined);
});

test('no row is lost or read twice where pages break off, with texts that the server holds equal too', async () => {
  const texts = ['a', 'A', 'b', 'c', 'C', 'C ', 'd', 'e', 'f', 'F'].map((key): Row => [key]);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 4, max: 20 }),
      fc.integer({ min: 1, max: 7 }),
      fc.infiniteStream(fc.nat(9)),
      fc.infiniteStream(fc.nat(2)),
      fc.boolean(),
      async (pageRows, partRows, after, turns, isText) => {
        const rows = isText ? texts : numberedRows(40);
        const columns = isText ? TEXT_KEY : ID_AND_NAME;
        const whole = memorySource(rows, columns);
        const fold = (row: Row | undefined) => String(row?.[0]).trimEnd().toLowerCase();
        // Of equal texts all come along once more, in another order.
        whole.page = async (from, limit) => {
          const first = from === undefined ? 0 : rows.findIndex((row) => fold(row) === fold(from));
          const groups = Map.groupBy(rows.slice(first), fold).values();
          const turned = (group: Row[], by: number) => [...group.slice(by), ...group.slice(0, by)];
          return [...groups].flatMap((group) => turned(group, turns.next().value % group.length)).slice(0, limit);
        };
        const source: Source = {
          ...whole,
          async eachRow(from, limit, signal, filter, take) {
            const page = await whole.page(from, limit, signal, filter);
            const rowsUntilThen = after.next().value + 1;
            for (const row of page.slice(0, rowsUntilThen)) take(row);
            return rowsUntilThen >= page.length;
          },
        };
        const next = () => ({ shape: 'row', pageRows, partRows }) as const;
        const options = { entity: 'Users', columns, keyIndexes: [0], next, signal: new AbortController().signal };
        const read: Row[] = [];
        for await (const part of readPages(source, options)) {
          assert.ok(part.rows.length <= partRows);
          read.push(...part.rows.map(({ row }) => row));
        }
        assert.deepEqual(isText ? read.toSorted() : read, isText ? rows.toSorted() : rows);
      },
    ),
  );
});

test('a page that breaks off twice in a row fails as the source does', async () => {
  const good = memorySource(numberedRows(9));
  const source: Source = {
    ...good,
    async eachRow(from, limit, signal, filter, take) {
      for (const row of (await good.page(from, limit, signal, filter)).slice(0, 3)) take(row);
      return false;
    },
    page: () => Promise.reject(new Error('gone')),
  };
  await assert.rejects(readAll(source, 5), /gone/);
});

test('rows are passed on while the rest of their page is still to come, and no further page before they are taken', async () => {
  const good = memorySource(numberedRows(100));
  const rest = Promise.withResolvers<void>();
  let reads = 0;
  const source: Source = {
    ...good,
    async eachRow(from, limit, signal, filter, take) {
      reads += 1;
      const page = await good.page(from, limit, signal, filter);
      for (const row of page.slice(0, 7)) take(row);
      await rest.promise;
      for (const row of page.slice(7)) take(row);
      return true;
    },
  };
  const next = () => ({ shape: 'row', pageRows: 20, partRows: 5 }) as const;
  const options = { entity: 'Users', columns: ID_AND_NAME, keyIndexes: [0], next };
  const parts = readPages(source, { ...options, signal: new AbortController().signal });
  const keysOfNext = async () => (await parts.next()).value?.rows.map(({ key }: { key: string }) => Number(key));
  assert.deepEqual(await keysOfNext(), [1, 2, 3, 4, 5]);
  rest.resolve();
  assert.deepEqual(await keysOfNext(), [6, 7, 8, 9, 10]);
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  assert.equal(reads, 1, 'two parts wait');
  await parts.next();
  await parts.next();
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  assert.equal(reads, 2, 'all is taken');
  await parts.return(undefined);
});

test('nothing more is read once nobody takes it, though the source does not heed its signal', async () => {
  const source = memorySource(numberedRows(100));
  const next = () => ({ shape: 'row', pageRows: 5 }) as const;
  const options = { entity: 'Users', columns: ID_AND_NAME, keyIndexes: [0], next };
  const pages = readPages(source, { ...options, signal: new AbortController().signal });
  await pages.next();
  await pages.return(undefined);
  assert.ok(source.reads <= 2, `${source.reads} reads`);
});

test('what was read before an error reaches the caller first', async () => {
  const rows = [...numberedRows(4), [4, 'again']];
  const next = () => ({ shape: 'row', pageRows: 100, partRows: 2 }) as const;
  const options = { entity: 'Users', columns: ID_AND_NAME, keyIndexes: [0], next };
  const read: string[] = [];
  await assert.rejects(
    async () => {
      for await (const part of readPages(memorySource(rows), { ...options, signal: new AbortController().signal })) {
        read.push(...part.rows.map(({ key }) => key));
      }
    },
    { code: 'SOURCE_KEY_INVALID' },
  );
  assert.deepEqual(read, ['1', '2', '3', '4']);
});

test('a NULL key stops the entity', async () => {
  await assert.rejects(readAll(memorySource([[null, 'a']]), 5), {
    code: 'SOURCE_KEY_INVALID',
    message: /Id\) is NULL/,
  });
});

test('a repeated key stops the entity, inside a page and at its border', async () => {
  const rows = [...numberedRows(4), [4, 'again'], [5, 'five']];
  for (const pageRows of [1, 2, 3, 4, 5, 100]) {
    await assert.rejects(readAll(memorySource(rows), pageRows), {
      code: 'SOURCE_KEY_INVALID',
      message: /repeats after 4/,
    });
  }
});

test('falling numbers stop the entity', async () => {
  const bigints: readonly Column[] = [{ name: 'Id', kind: 'bigint', sqlType: 'bigint' }];
  await assert.rejects(readAll(memorySource([['10'], ['9']], bigints), 5, bigints), { message: /falls after 10/ });
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

test('of keys that the server holds equal none is lost where a page ends between them, in whichever order they come', async () => {
  // A collation that ignores case, accents and trailing spaces; equal keys come in another order each time.
  const fold = (key: string) => key.normalize('NFD').replace(/\p{M}/gu, '').trimEnd().toLowerCase();
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.stringMatching(/^[aAáÁéEe] ?$/), { maxLength: 14 }),
      fc.integer({ min: 9, max: 12 }),
      fc.infiniteStream(fc.boolean()),
      async (keys, pageRows, coins) => {
        const compare = (a: string, b: string) =>
          fold(a) < fold(b) ? -1 : fold(a) > fold(b) ? 1 : coins.next().value ? -1 : 1;
        const source: Source = {
          ...memorySource([]),
          describe: async () => TEXT_KEY,
          count: async () => keys.length,
          page: async (from, limit) =>
            keys
              .filter((key) => from === undefined || fold(key) >= fold(from[0] as string))
              .sort(compare)
              .slice(0, limit)
              .map((key) => [key]),
        };
        const read = (await readAll(source, pageRows, TEXT_KEY)).flat(2);
        assert.deepEqual(read.sort(), [...keys].sort());
      },
    ),
  );
});

test('a page full of keys that the server holds equal stops the entity', async () => {
  const source: Source = {
    ...memorySource([]),
    describe: async () => TEXT_KEY,
    count: async () => 3,
    page: async (_from, limit) => [['a'], ['A'], ['a ']].slice(0, limit),
  };
  await assert.rejects(readAll(source, 2, TEXT_KEY), { message: /more than 2 values that the server holds equal/ });
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
    page: async (after, limit, signal, filter) => {
      if (after !== undefined) throw new Error('gone');
      return good.page(after, limit, signal, filter);
    },
  };
  await assert.rejects(readAll(source, 2), /gone/);
});

test('the texts of earlier pages are let go of', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  const keyOf = (index: number) => `key ${String(index).padStart(60, '0')}`;
  // Each text is made when it is read, so that whoever holds it is all that does.
  const sourceOf = (count: number): Source => ({
    ...memorySource([]),
    async page(from, limit) {
      const first = from === undefined ? 0 : Number(String(from[0]).slice(4));
      return Array.from({ length: Math.min(limit, count - first) }, (_, index) => [keyOf(first + index)]);
    },
  });
  const used = async (count: number) => {
    const next = () => ({ shape: 'row', pageRows: 1000 }) as const;
    const options = { entity: 'Users', columns: TEXT_KEY, keyIndexes: [0], next, signal: new AbortController().signal };
    let read = 0;
    for await (const { rows } of readPages(sourceOf(count), options)) {
      read += rows.length;
      if (read < count) continue;
      collectGarbage();
      return process.memoryUsage().heapUsed;
    }
    throw new Error(`${read} rows were read`);
  };
  const few = await used(5000);
  const many = await used(60_000);
  assert.ok(many - few < 2_000_000, `${many - few} bytes more`);
});
