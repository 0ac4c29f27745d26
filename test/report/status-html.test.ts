import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { statusHtml } from '../../src/report/status-html.ts';
import { statusDocument } from '../../src/report/status-json.ts';
import type { History } from '../../src/sync/history.ts';
import { anyHistory } from './any-history.ts';
import { assertGolden } from './golden.ts';
import { EVENTFUL, NEVER_RUN, NOW, OLD_JOB, QUIET, SCHEDULE } from './status-fixture.ts';

const pageOf = (history: History) => statusHtml(statusDocument(history, SCHEDULE, NOW), { version: '0.1.0' });

/** Every tag with its attributes' names, read as a browser would: a tag ends where no quoted value is open. */
function tagsOf(page: string): string[] {
  const tags = page.matchAll(/<(?:[^>"']|"[^"]*"|'[^']*')*>/g);
  return [...tags].map(([tag]) => tag.replaceAll(/"[^"]*"|'[^']*'/g, '""'));
}

/** The history with every text from outside replaced by `x`. */
function plain<T>(value: T, name = ''): T {
  const isText = ['entity', 'host', 'version', 'arguments', 'text', 'hint', 'error', 'reason', 'exampleKey'].includes(
    name,
  );
  if (typeof value === 'string') return (isText ? 'x' : value) as T;
  if (Array.isArray(value)) return value.map((item) => plain(item)) as T;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item, key)])) as T;
}

describe('the page that status --html writes', () => {
  for (const [name, history] of Object.entries({
    eventful: EVENTFUL,
    quiet: QUIET,
    'never-run': NEVER_RUN,
    'old-job': OLD_JOB,
  })) {
    it(`is as it was looked at: ${name}`, () => assertGolden(`status-${name}.html`, pageOf(history)));
  }

  it('needs nothing from elsewhere and forbids scripts', () => {
    const page = pageOf(EVENTFUL);
    assert.match(
      page,
      /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">/,
    );
    assert.doesNotMatch(page, /https?:|<script|<link|<img|url\(|@import|\bon\w+=/i);
  });

  it('has a header for each column and row, a caption for each table, and each id once', () => {
    const page = pageOf(EVENTFUL);
    const count = (pattern: RegExp) => [...page.matchAll(pattern)].length;
    assert.ok(count(/<table/g) >= 6);
    assert.equal(count(/<caption>[^<]+<\/caption>/g), count(/<table/g));
    assert.equal(count(/<th /g), count(/<th role="(columnheader" scope="col|rowheader" scope="row)"/g));
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    assert.deepEqual(ids, [...new Set(ids)]);
    for (const [, named = ''] of page.matchAll(/aria-(?:labelledby|describedby)="([^"]*)"/g))
      assert.ok(ids.includes(named), named);
  });

  it('tells what each error asks for, and why rows are dead letters', () => {
    const page = pageOf(EVENTFUL);
    assert.match(page, /Check source\.table of ActualOrg, and the permissions of the login\./);
    assert.match(page, /HTTP 429 Too Many Requests.*destination\.requestsPerSecond/);
    assert.match(page, />14<.*HTTP 422: EventDate must not be in the past: \*\*\*.*2026-11-01\|Libur nasional/);
  });

  it('planted markup stays text', () => {
    const planted = '<script>alert(1)</script>" onload="alert(2)\u0000\u001b[2J\u202e';
    const [first, ...others] = EVENTFUL.entities;
    assert.ok(first);
    const page = pageOf({ ...EVENTFUL, entities: [{ ...first, entity: planted }, ...others] });
    assert.deepEqual(tagsOf(page), tagsOf(pageOf(EVENTFUL)));
    assert.ok(
      page.includes('&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&quot;alert(2)\\u0000\\u001b[2J\\u202e'),
    );
  });
});

it('whatever texts the history holds, the elements and attributes of the page are the same, and nothing steers its text', () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      const page = pageOf(history);
      assert.deepEqual(tagsOf(page), tagsOf(pageOf(plain(history))));
      assert.doesNotMatch(page, /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u);
      assert.doesNotMatch(page, / (?:x|y|width|height)="(?!\d+(?:\.\d+)?")/);
    }),
    { numRuns: 300 },
  );
});
