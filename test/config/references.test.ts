import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasReference, resolveReferences } from '../../src/config/references.ts';
import { directoryWith } from './fixture.ts';

const variables: Record<string, string> = { A: 'alpha', EMPTY: '', LOOP: '${env:A}' };
const scope = { variable: (name: string) => variables[name], directory: '.' };

async function resolveText(text: string): Promise<unknown> {
  const { tree, problems } = await resolveReferences(text, scope);
  assert.deepEqual(problems, []);
  return tree;
}

describe('resolveReferences', () => {
  test('resolves references anywhere in strings, at any depth', async () => {
    const { tree, references } = await resolveReferences(
      { a: ['x${env:A}y${env:A}', 1, null], b: { c: '${env:A}' } },
      scope,
    );
    assert.deepEqual(tree, { a: ['xalphayalpha', 1, null], b: { c: 'alpha' } });
    assert.deepEqual(references, [
      { path: ['a', 0], source: '${env:A}', value: 'alpha' },
      { path: ['a', 0], source: '${env:A}', value: 'alpha' },
      { path: ['b', 'c'], source: '${env:A}', value: 'alpha' },
    ]);
  });

  test('takes $${ for a plain ${', async () => {
    assert.equal(await resolveText('a$${env:A}b'), 'a${env:A}b');
    assert.equal(await resolveText('$$${env:A}'), '$${env:A}');
    assert.equal(await resolveText('100$ and {braces}'), '100$ and {braces}');
  });

  test('does not search what a reference brought in', async () => {
    assert.equal(await resolveText('${env:LOOP}'), '${env:A}');
  });

  test('takes an empty variable for empty text', async () => {
    assert.equal(await resolveText('a${env:EMPTY}b'), 'ab');
  });

  test('leaves every text without ${ as it is', async () => {
    const plain = fc.string({ unit: 'binary' }).filter((text) => !text.includes('${'));
    await fc.assert(fc.asyncProperty(plain, async (text) => assert.equal(await resolveText(text), text)));
  });

  test('brings in a file relative to the directory, without BOM and without its last line break', async (t) => {
    const directory = await directoryWith(t, {
      'lf.txt': 'one\n',
      'crlf.txt': '\ufefftwo\r\n',
      'two.txt': 'a\n\n',
      'utf16.txt': Buffer.from('\ufeffthree', 'utf16le'),
    });
    const files = { variable: () => undefined, directory };
    const { tree } = await resolveReferences(
      '${file:lf.txt},${file:crlf.txt},${file:two.txt},${file:./utf16.txt}',
      files,
    );
    assert.equal(tree, 'one,two,a\n,three');
  });

  test('names every reference that it cannot resolve, and leaves their strings as they are', async (t) => {
    const directory = await directoryWith(t, { latin1: Buffer.from([0x70, 0xe9]) });
    const { tree, problems } = await resolveReferences(
      { a: 'x${env:NONE}${env:A}', b: ['${file:none.txt}', '${file:latin1}'] },
      { ...scope, directory },
    );
    assert.deepEqual(tree, { a: 'x${env:NONE}${env:A}', b: ['${file:none.txt}', '${file:latin1}'] });
    assert.deepEqual(problems, [
      {
        path: ['a'],
        text: '${env:NONE} is not resolved: neither the secrets file nor the environment has NONE',
        unresolved: true,
      },
      { path: ['b', 0], text: '${file:none.txt} is not resolved: there is no such file', unresolved: true },
      { path: ['b', 1], text: '${file:latin1} is not resolved: it is not UTF-8 text', unresolved: true },
    ]);
  });

  test('refuses "${" that begins no reference, without showing what follows', async () => {
    for (const text of ['pa${hunter2}', '${hunter2', '${env:}', '${vault:hunter2}']) {
      const { problems } = await resolveReferences(text, scope);
      assert.equal(problems.length, 1, text);
      assert.match(problems[0]?.text ?? '', /expected \$\{env:NAME\} or \$\{file:path\}/);
      assert.doesNotMatch(problems[0]?.text ?? '', /hunter2/);
      assert.equal(problems[0]?.unresolved, false);
    }
  });

  test('refuses a reference in a key', async () => {
    const { problems } = await resolveReferences({ a: { '${env:A}': 1 } }, scope);
    assert.deepEqual(
      problems.map(({ path, text }) => [path, text]),
      [[['a'], 'found a reference in a key, expected it in a value']],
    );
  });
});

describe('hasReference', () => {
  test('tells references from escapes', () => {
    assert.ok(hasReference('a${env:X}'));
    assert.ok(hasReference('$${ ${file:x}'));
    assert.ok(!hasReference('$${env:X}'));
    assert.ok(!hasReference('plain'));
  });
});
