import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type FileKey, type KeyFileOptions, readKeyFile } from '../../../src/commands/ledger/key-file.ts';
import { csvLine, EXPORT_HEADER, exportLine } from '../../../src/report/ledger-json.ts';
import { joinKey } from '../../../src/sync/key.ts';

const BY_ID: KeyFileOptions = { keyNames: ['Id'] };

/** What is read from standard input, in chunks of a few bytes. */
async function read(content: string | Uint8Array, options = BY_ID, chunkBytes = 1000): Promise<FileKey[]> {
  const bytes = Buffer.from(content as string);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  const keys: FileKey[] = [];
  for await (const key of readKeyFile('-', { stdin: () => Readable.from(chunks), cwd: '/' }, options)) keys.push(key);
  return keys;
}
const keysOf = async (...args: Parameters<typeof read>) => (await read(...args)).map(({ key }) => key);

describe('a CSV file of keys', () => {
  it('has the key in the column of its name, in `key`, or in the first one', async () => {
    assert.deepEqual(await keysOf('Name,ID\na,1\nb,2\n'), ['1', '2']);
    assert.deepEqual(await keysOf('Name,Key\na,1\nb,2\n'), ['1', '2']);
    assert.deepEqual(await keysOf('1,a\n2,b\n'), ['1', '2']);
    assert.deepEqual(await keysOf('1\r\n\r\n2'), ['1', '2']);
  });

  it('may have a header of another name, which is told from a key by what a key can be', async () => {
    const options = { ...BY_ID, isKey: (text: string) => /^\d+$/.test(text) };
    const notes: string[] = [];
    const noted = { ...options, note: (message: string) => notes.push(message) };
    assert.deepEqual(await keysOf('Person,Name\n1,a\n2,b\n', noted), ['1', '2']);
    assert.deepEqual(await keysOf('1,a\nx,b\n', noted), ['1', 'x']);
    assert.deepEqual(await keysOf('Id,Name\n1,a\n', noted), ['1']);
    assert.deepEqual(notes, ['standard input: line 1 is taken for a header, since it begins with no key: Person,Name']);
    await keysOf(`\u001b[2J${'x'.repeat(200)}\n1\n`, noted);
    assert.match(notes.at(-1) ?? '', /: \\u001b\[2Jx{40,60}…$/, 'it cannot steer the terminal, and is cut');
  });

  it('has its delimiter from the first line, quotes, a byte order mark, UTF-16', async () => {
    assert.deepEqual(await keysOf('\ufeffId;Name\r\n"1;2";"a,b\nc"\r\n3;d'), ['1;2', '3']);
    assert.deepEqual(await keysOf('Name\tId\na,b\t1\n'), ['1']);
    assert.deepEqual(await keysOf('"a ""b"""\n'), ['a "b"']);
    assert.deepEqual(await keysOf(Buffer.from('\ufeffId,Name\r\n札幌,x\r\n', 'utf16le')), ['札幌']);
  });

  it('has a key of several columns in as many, in any order where they are named, or in one', async () => {
    const options = { keyNames: ['Year', 'Code'] };
    assert.deepEqual(await keysOf('Code,Year\na|b,2026\n', options), ['2026|a\\|b']);
    assert.deepEqual(await keysOf('2026,a|b\n', options), ['2026|a\\|b']);
    assert.deepEqual(await keysOf('key\n2026|a\\|b\n', options), ['2026|a\\|b']);
    assert.deepEqual(await keysOf('2026|a\n', options), ['2026|a']);
  });
});

describe('an NDJSON file of keys', () => {
  it('has a key a line: a string, or an object with members by name in either case', async () => {
    assert.deepEqual(await keysOf('{"id":"1"}\n\n{"Key":"2","x":null}\r\n"3"\n'), ['1', '2', '3']);
    assert.deepEqual(await keysOf('{"Code":"a|b","Year":"2026"}\n', { keyNames: ['Year', 'Code'] }), ['2026|a\\|b']);
    assert.deepEqual(await keysOf('"a"\n"b,c"\n'), ['a', 'b,c']);
  });

  it('keeps all digits of a number', async () => {
    assert.deepEqual(await keysOf('{"Id":9007199254740993}\n{"Id":-1}\n'), ['9007199254740993', '-1']);
  });

  it('says which line is no key, without its text', async () => {
    for (const content of [
      '{"Id":"1"}\n{"Id":"secret"\n',
      '{"Id":"1"}\n{"Other":"secret"}',
      '{"key":"1"}\n{"Id":null}',
    ]) {
      await assert.rejects(read(content), (error: Error) => {
        assert.match(error.message, /^standard input, line 2: it is no key\.$/);
        return true;
      });
    }
  });
});

describe('a column named entity', () => {
  it('says whose a key is in an export, and nothing in another file', async () => {
    assert.deepEqual(await read('Id,Entity\n1,PT TAM\n'), [{ key: '1' }]);
    assert.deepEqual(await read('{"Id":"1","Entity":"PT TAM"}\n'), [{ key: '1' }]);
    assert.deepEqual(await read('entity,label,key\nUsers,User,1\n'), [{ key: '1', entity: 'Users' }]);
    assert.deepEqual(await read('{"entity":"Users","label":"User","key":"1"}\n'), [{ key: '1', entity: 'Users' }]);
  });
});

describe('a file without a key', () => {
  it('is wrong usage', async () => {
    for (const content of ['', '\n\n', 'Id,Name\n', '\ufeff']) {
      await assert.rejects(read(content), { code: 'USAGE', message: 'standard input holds no key.' }, content);
    }
  });

  it('that is a JSON array is told apart', async () => {
    const hint = 'Write a key a line.';
    for (const content of ['["1","2"]', '[\n  "1"\n]\n', ' [{"Id":1}]']) {
      await assert.rejects(read(content), {
        code: 'USAGE',
        message: 'standard input: a JSON array is not read.',
        hint,
      });
    }
    assert.deepEqual(await keysOf('[dbo].[x]\n'), ['[dbo].[x]']);
  });
});

describe('what ledger export writes', () => {
  it('is read as it was, whatever the keys and wherever the chunks end', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 12 });
    const keys = fc.array(fc.oneof(text, fc.tuple(text, text).map(joinKey)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(keys, fc.integer({ min: 4, max: 40 }), async (keys, chunkBytes) => {
        const lines = keys.map((key) => exportLine('Key, label', { key, label: 'Key', syncedAt: new Date(0) }));
        const wanted = keys.map((key) => ({ key, entity: 'Key, label' }));
        const csv = EXPORT_HEADER + lines.map(csvLine).join('');
        assert.deepEqual(await read(csv, { keyNames: ['label'] }, chunkBytes), wanted);
        const ndjson = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
        assert.deepEqual(await read(ndjson, { keyNames: ['label'] }, chunkBytes), wanted);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a file of keys', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-keys-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function fromFile(name: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of readKeyFile(name, { cwd: folder }, BY_ID)) keys.push(key);
    return keys;
  }

  it('is what its name ends with', async () => {
    await writeFile(join(folder, 'keys.txt'), '"a"\n"b"\n');
    await writeFile(join(folder, 'keys.jsonl'), '\n  "a"\n');
    assert.deepEqual(await fromFile('keys.txt'), ['a', 'b']);
    assert.deepEqual(await fromFile('keys.jsonl'), ['a']);
  });

  it('that is a folder, or standard input where there is none, is wrong usage', async () => {
    await assert.rejects(fromFile('.'), { code: 'USAGE', message: '. cannot be read: it is a directory.' });
    await assert.rejects(fromFile('-'), { code: 'USAGE' });
  });

  it('with a line that has no end is refused, and not read to its end', async () => {
    let produced = 0;
    async function* endless() {
      for (;;) {
        produced += 1;
        yield Buffer.from(`${produced === 1 ? '{"key":"' : ''}${'x'.repeat(65_536)}`);
      }
    }
    for (const begin of ['{"key":"', '"']) {
      const stdin = () => Readable.from(endless());
      const reading = async () => {
        for await (const _ of readKeyFile('-', { stdin, cwd: '/' }, BY_ID)) assert.fail(`a key after ${begin}`);
      };
      await assert.rejects(reading(), { code: 'USAGE', message: /too long/ });
    }
    assert.ok(produced < 100, `${produced} chunks`);
  });
});
