/** HTML that cannot be broken out of: a template tag that escapes whatever is put into it, unless it is such HTML itself. */
import { printable } from './terminal-text.ts';

/** HTML that `html` has made. Only it can make one. */
export interface Markup {
  readonly markup: string;
}

/** What a template takes: text and numbers are escaped, markup stands as it is, null and undefined leave nothing. */
export type HtmlValue = string | number | Markup | readonly HtmlValue[] | null | undefined;

const made = new WeakSet<Markup>();

/**
 * A piece of HTML. Values may stand in elements' contents and in quoted attributes, but not in a tag's or attribute's name,
 * nor inside `style` or `script`. White space around a value is left out, control characters and what turns the direction of text are written out as `\u001b`.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  const markup = parts.reduce((text, part, index) => `${text}${htmlOf(values[index - 1])}${part}`);
  const result: Markup = { markup };
  made.add(result);
  return result;
}

function htmlOf(value: HtmlValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value));
  if ('markup' in value) {
    if (!made.has(value)) throw new Error('only html`…` makes markup');
    return value.markup;
  }
  return value.map(htmlOf).join('');
}

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** https://html.spec.whatwg.org/multipage/syntax.html#attributes-2 and #elements-2 say where these matter. */
function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => REFERENCES[character] ?? '');
}
