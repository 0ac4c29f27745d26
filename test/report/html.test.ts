import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { html, type Markup } from '../../src/report/html.ts';

describe('html', () => {
  it('escapes texts and numbers in contents and attributes', () => {
    const text = `<b title="a" lang='b'>&amp;`;
    assert.equal(
      html`<i title="${text}">${text}${7}</i>`.markup,
      '<i title="&lt;b title=&quot;a&quot; lang=&#39;b&#39;&gt;&amp;amp;">&lt;b title=&quot;a&quot; lang=&#39;b&#39;&gt;&amp;amp;7</i>',
    );
  });

  it('takes markup as it is, lists item by item, and nothing for null', () => {
    assert.equal(html`<ul>${['<', html`<li>`, [1, null]]}${undefined}</ul>`.markup, '<ul>&lt;<li>1</ul>');
  });

  it('writes control characters and lone surrogates out', () => {
    assert.equal(html`${'a\u0000\u001b\u202e\ud800\n b'}`.markup, 'a\\u0000\\u001b\\u202e\ufffd b');
  });

  it('refuses markup that somebody else made', () => {
    const forged: Markup = { markup: '<script>' };
    assert.throws(() => html`${forged}`, /only html/);
  });
});
