import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseSecretsFile, secretsFileText } from '../../src/config/secrets-file.ts';

function variablesOf(text: string): Record<string, string> {
  const { variables, badLines } = parseSecretsFile(text);
  assert.deepEqual(badLines, []);
  return Object.fromEntries(variables);
}

describe('parseSecretsFile', () => {
  test('reads NAME=value lines with either line break, comments and empty lines', () => {
    assert.deepEqual(variablesOf('# first\r\nA=1\r\n\r\n  B = two words \n#C=3\nD=x=y#z'), {
      A: '1',
      B: 'two words',
      D: 'x=y#z',
    });
  });

  test('takes lines of a shell script too, with export before them', () => {
    assert.deepEqual(
      [...parseSecretsFile("export A='x;y'\n export  B=1").variables],
      [
        ['A', 'x;y'],
        ['B', '1'],
      ],
    );
  });

  test('keeps what stands in quotes as it is', () => {
    assert.deepEqual(variablesOf(`A=" x "\nB='y"z'\nC="\nD=""\nE="a"b"`), {
      A: ' x ',
      B: 'y"z',
      C: '"',
      D: '',
      E: 'a"b',
    });
  });

  test('gives back every value of one line that stands in quotes', () => {
    const value = fc.string({ unit: 'binary' }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(value, fc.constantFrom('"', "'"), (text, quote) => {
        assert.deepEqual(variablesOf(`NAME=${quote}${text}${quote}`), { NAME: text });
      }),
    );
  });

  test('lets the last of two lines with one name hold', () => {
    assert.deepEqual(variablesOf('A=1\nA=2'), { A: '2' });
  });

  test('tells the numbers of the lines that are none', () => {
    assert.deepEqual(parseSecretsFile('A=1\nhunter2\nexport\n=3').badLines, [2, 3, 4]);
  });
});

describe('secretsFileText', () => {
  test('is read back as it was, whatever the values', () => {
    const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,9}$/);
    const value = fc.string({ unit: 'binary' }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (variables) => {
        assert.deepEqual(variablesOf(secretsFileText(new Map(Object.entries(variables)))), variables);
      }),
    );
  });

  test('cannot hold a line break, and names the variable without its value', () => {
    assert.throws(
      () => secretsFileText(new Map([['A', 'hush\nhush']])),
      (error: Error) => /value of A has a line break/.test(error.message) && !/hush/.test(error.message),
    );
  });
});
