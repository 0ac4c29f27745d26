import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { cut, fit, printable, table, widthOf, wrap } from '../../src/report/terminal-text.ts';

const plain = (_style: unknown, text: string) => text;

describe('text on a terminal', () => {
  it('is cut by columns, not by characters, and never inside a grapheme', () => {
    assert.equal(cut('組織構造', 8), '組織構造');
    assert.equal(cut('組織構造', 7), '組織構…');
    assert.equal(cut('組織構造', 6), '組織…');
    assert.equal(cut('a👩‍👩‍👧‍👦b', 3), 'a…');
    assert.equal(cut('abc', 1), '…');
  });

  it('is filled on either side', () => {
    assert.equal(fit('組', 4), '組  ');
    assert.equal(fit('12', 4, 'right'), '  12');
  });

  it('from outside becomes one line that steers nothing', () => {
    assert.equal(printable(' a\r\n\tb\u001b[31m\u009b2J\u202ec\u0000 '), 'a b\\u001b[31m\\u009b2J\\u202ec\\u0000');
    assert.equal(printable('\ud800x'), '\ufffdx');
  });

  it('wraps at spaces, indents what follows, and breaks a word that is too long', () => {
    assert.deepEqual(wrap('one two three', 10, '- '), ['- one two', '  three']);
    assert.deepEqual(wrap('abcdefghijkl', 5), ['abcde', 'fghij', 'kl']);
    assert.deepEqual(wrap('', 5, '- '), ['- ']);
  });

  it('wrapped loses nothing and keeps within the width', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.integer({ min: 10, max: 40 }), (text, width) => {
        const lines = wrap(printable(text), width, '* ');
        for (const line of lines) assert.ok(stringWidth(line) <= width, line);
        const kept = lines.map((line) => line.slice(2)).join('');
        assert.equal(kept.replaceAll(' ', ''), printable(text).replaceAll(' ', ''));
      }),
    );
  });

  it('has 80 columns where the stream does not know, and never fewer than 40', () => {
    assert.deepEqual([undefined, 0, 5, 60, 200].map(widthOf), [80, 80, 40, 60, 200]);
  });
});

describe('a table', () => {
  const columns = [
    { title: 'Name', min: 4 },
    { title: 'Count', align: 'right', drop: 2 },
    { title: 'Note', drop: 1 },
  ] as const;
  const rows = [
    ['Alexandra', '1', 'first'],
    ['Bo', '22', ''],
  ];

  it('aligns its columns', () => {
    assert.deepEqual(table(columns, rows, 80, plain), [
      'Name       Count  Note',
      'Alexandra      1  first',
      'Bo            22',
    ]);
  });

  it('first cuts what may be cut', () => {
    assert.deepEqual(table(columns, rows, 20, plain), ['Name    Count  Note', 'Alexa…      1  first', 'Bo         22']);
  });

  it('then leaves columns out, and gives their place back', () => {
    assert.deepEqual(table(columns, rows, 16, plain), ['Name       Count', 'Alexandra      1', 'Bo            22']);
    assert.deepEqual(table(columns, rows, 9, plain), ['Name', 'Alexandra', 'Bo']);
  });

  it('at last cuts the widest', () => {
    assert.deepEqual(table([{ title: 'A' }, { title: 'B' }], [['123456', '12']], 7, plain), ['A    B', '12…  12']);
  });

  it('paints cells with their fill, so that colour does not move columns', () => {
    const marked = (_style: unknown, text: string) => `<${text}>`;
    assert.deepEqual(table([{ title: 'A' }, { title: 'B' }], [[{ text: 'x', style: 'red' }, 'y']], 40, marked), [
      '<A>  <B>',
      '<x>  y',
    ]);
  });
});
