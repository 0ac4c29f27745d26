import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createJsonBytes } from '../../src/sync/json-bytes.ts';

/** Texts of which each ends the short way at another place, lone surrogates among them. */
const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom('a', '"', '\\', '\n', '\u007f', 'é', '世', '😀', '\ud800')).map((parts) => parts.join('')),
);

test('texts, JSON and bytes stand one after the other, as JSON.stringify and UTF-8 have them', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('text', 'json', 'bytes', 'copy'), anyText)), (pieces) => {
      const out = createJsonBytes();
      const other = createJsonBytes();
      let expected = '';
      for (const [how, text] of pieces) {
        const json = JSON.stringify(text);
        if (how === 'text') out.text(text);
        else if (how === 'json') out.json(json);
        else if (how === 'bytes') out.bytes(Buffer.from(json));
        else {
          const start = other.length;
          other.text(text);
          out.copy(other, start);
        }
        expected += json;
      }
      assert.equal(out.view().toString(), expected);
      assert.equal(out.length, Buffer.byteLength(expected));
    }),
  );
});

test('gives back what a very large text has taken', () => {
  const out = createJsonBytes();
  out.text('x'.repeat(5_000_000));
  out.clear();
  out.json('{}');
  assert.ok(out.view().buffer.byteLength < 100_000, `${out.view().buffer.byteLength} bytes`);
});

test('grows with what is written, and begins anew after clear', () => {
  for (const text of ['x'.repeat(100_000), 'é'.repeat(100_000), '"'.repeat(100_000)]) {
    const out = createJsonBytes();
    out.text('before');
    out.text(text);
    assert.equal(out.view().toString(), `"before"${JSON.stringify(text)}`);
    assert.equal(out.view(8).toString(), JSON.stringify(text));
    out.clear();
    out.json('{}');
    assert.equal(out.view().toString(), '{}');
  }
});
