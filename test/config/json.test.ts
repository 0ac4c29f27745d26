import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { JsonSyntaxError, parseJson } from '../../src/config/json.ts';

function mistake(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    assert.ok(error instanceof JsonSyntaxError, String(error));
    return `${error.line}:${error.column} ${error.message}`;
  }
  throw new Error('found no mistake');
}

function accepts(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('parseJson', () => {
  test('gives what JSON.parse gives', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4, stringUnit: 'binary' }), fc.constantFrom(0, 2, '\t'), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), undefined, indent);
        assert.deepEqual(parseJson(text), JSON.parse(text));
      }),
    );
  });

  test('takes and refuses what JSON.parse takes and refuses, but for keys that stand twice and comments', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '"b"',
      '\\',
      '\\n',
      '\\u00e9',
      '\\x',
      '1',
      '-',
      '01',
      '1.',
      '.5',
      '2e3',
      'true',
      'nul',
      ' ',
      '\n',
      '\u0001',
      '\u007f',
      '\ud83d',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
        const text = parts.join('');
        const isTwice = /twice/.test(accepts(parseJson, text) ? '' : mistake(text));
        if (!isTwice) assert.equal(accepts(parseJson, text), accepts(JSON.parse, text), text);
      }),
      { numRuns: 3000 },
    );
  });

  test('says where and what was expected', () => {
    assert.equal(mistake('{\n  "a": 1\n  "b": 2\n}'), '3:3 expected "," or "}"');
    assert.equal(mistake('{"a": 1,}'), '1:9 expected a key in double quotes');
    assert.equal(mistake('{"a" 1}'), '1:6 expected ":" after the key');
    assert.equal(mistake('{a: 1}'), '1:2 expected a key in double quotes');
    assert.equal(mistake('[1 2]'), '1:4 expected "," or "]"');
    assert.equal(
      mistake('[1,\n'),
      '2:1 expected a value (text in double quotes, a number, true, false, null, { or [), found the end of the file',
    );
    assert.equal(mistake('{"a": "b\n"}'), '1:9 expected a closing double quote');
    assert.equal(mistake('{"a": "C:\\data"}'), '1:10 expected an escape such as \\\\, \\" or \\n');
    assert.equal(mistake('{} {}'), '1:4 expected the end of the file');
    assert.equal(mistake('{ // why\n}'), '1:3 JSON has no comments');
    assert.equal(
      mistake(''),
      '1:1 expected a value (text in double quotes, a number, true, false, null, { or [), found the end of the file',
    );
  });

  test('refuses a key that stands twice in an object, since the first would be lost in silence', () => {
    assert.equal(mistake('{"map": {"Code": "Id",\n "Code": "NoReg"}}'), '2:2 the key "Code" stands here twice');
  });

  test('keeps a key named __proto__ as a key', () => {
    assert.deepEqual(Object.keys(parseJson('{"__proto__": 1}') as object), ['__proto__']);
  });

  test('refuses nesting that would exhaust the stack', () => {
    assert.match(mistake('['.repeat(100_000)), /expected less than 100 levels/);
  });

  test('quotes no value in its messages', () => {
    for (const text of ['{"password": "hunter2" x}', '{"password": hunter2}', '{"password": "hunter2']) {
      assert.doesNotMatch(mistake(text), /hunter2/);
    }
  });
});

describe('parseJson, lenient', () => {
  const lenient = (text: string) => parseJson(text, { lenient: true });

  test('passes over comments and commas after the last member', () => {
    assert.deepEqual(lenient('// a\n{"a": [1, 2, /* two */], // b\n "u": "http://x/*y*/",}/**/'), {
      a: [1, 2],
      u: 'http://x/*y*/',
    });
    assert.deepEqual(lenient('{}//'), {});
  });

  test('takes everything that JSON.parse takes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (json) => {
        assert.deepEqual(lenient(json), JSON.parse(json));
      }),
    );
  });

  test('still refuses what is neither', () => {
    for (const text of ['{,}', '[,]', '[1,,]', '{"a":1,,}', '/* open', '{"a": /}', '1,', '{"a": 1, "a": 2,}']) {
      assert.throws(() => lenient(text), JsonSyntaxError, text);
    }
  });
});
