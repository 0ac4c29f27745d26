import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atPointer } from '../../src/http/json-pointer.ts';

describe('atPointer', () => {
  // https://www.rfc-editor.org/rfc/rfc6901#section-5
  const document = JSON.parse(
    '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8,"__proto__":9,"none":null}',
  );
  const found: [pointer: string, value: unknown][] = [
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
    ['/__proto__', 9],
    ['/none', null],
  ];
  for (const [pointer, value] of found) {
    it(`finds ${JSON.stringify(pointer)}`, () => assert.deepEqual(atPointer(document, pointer), value));
  }

  for (const pointer of ['/bar', '/foo/2', '/foo/-', '/foo/00', '/foo/length', '/foo/0/0', '/constructor', '/none/x']) {
    it(`finds nothing at ${pointer}`, () => assert.equal(atPointer(document, pointer), undefined));
  }

  it('unescapes ~01 to ~1', () => assert.equal(atPointer({ '~1': 1 }, '/~01'), 1));
});
