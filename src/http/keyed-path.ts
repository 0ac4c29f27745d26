/** URLs that stand for one row: with its key in the path or the query. */
import { randomUUID } from 'node:crypto';

const KEY_PLACE = '{key}';

/** Whether this URL has a place for a key. */
export function hasKeyPlace(url: string): boolean {
  return url.includes(KEY_PLACE);
}

/**
 * What makes of the keys of a batch the path and query of its request: `url`, with its one key, percent-encoded, in its place.
 * Whoever parses the result as a URL must leave it as it is.
 *
 * Undefined where that is not possible: there is not exactly one key; it is empty, or `.` or `..`, which a parser takes for a
 * step in the path, encoded or not (https://url.spec.whatwg.org/#double-dot-path-segment); or it has half of a surrogate
 * pair, which is no text in UTF-8.
 */
export function keyedPath(url: string): (keys: readonly string[]) => string | undefined {
  // A parser would encode the braces.
  const place = randomUUID();
  const { pathname, search } = new URL(url.replace(KEY_PLACE, place));
  const [before, after] = (pathname + search).split(place);
  return ([key = '', ...others]) => {
    if (others.length > 0 || ['', '.', '..'].includes(key) || !key.isWellFormed()) return undefined;
    return `${before}${encodeURIComponent(key)}${after}`;
  };
}
