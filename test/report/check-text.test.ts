import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { checkDocument } from '../../src/report/check-json.ts';
import { checkText, wantsAscii } from '../../src/report/check-text.ts';
import { CHECK_TITLES, type CheckResult } from '../../src/sync/check.ts';
import { assertGolden } from './golden.ts';
import { assertMeetsSchema } from './schema.ts';

const result = (kind: CheckResult['kind'], subject: string, rest: Pick<CheckResult, 'state' | 'found' | 'remedy'>) => ({
  id: `${kind} ${subject}`,
  kind,
  subject,
  durationMs: 3,
  ...rest,
});

const RESULTS: readonly CheckResult[] = [
  result('node', '', { state: 'ok', found: '24.21.0' }),
  result('config', '', {
    state: 'warning',
    found: "connection default, ess: the server's certificate is not verified (trustServerCertificate)",
  }),
  result('schedule', '', {
    state: 'ok',
    found:
      '0 3 * * * in Asia/Jakarta, next 2026-11-26 03:00 +07:00, 2026-11-27 03:00 +07:00, 2026-11-28 03:00 +07:00, 2026-11-29 03:00 +07:00, 2026-11-30 03:00 +07:00',
  }),
  result('connection', 'default', {
    state: 'failed',
    found: '10.1.2.3:1433 refused the login of tamhr_sync (error 18456).',
    remedy:
      'Check user and password, and that the server allows this kind of login; it is not tried again, so as not to lock the account.',
  }),
  result('source', 'Users', { state: 'skipped', found: 'not checked, since connection default failed' }),
  result('key', 'イベントカレンダー', {
    state: 'warning',
    found: 'unique, but no index\u001b[2J begins with Id',
    remedy: 'Have one.',
  }),
  result('endpoint', 'a-very-long-name-of-a-host.in.a.very.long.domain.example:8443', {
    state: 'ok',
    found: '10.0.0.1:8443, TLSv1.3, certificate of api by CA expires in 80 days (2027-02-13); for Users',
  }),
];

const document = checkDocument(RESULTS, 1, new Date('2026-11-25T12:00:00Z'));

describe('the screen that check prints', () => {
  for (const columns of [60, 80, 200]) {
    it(`in ${columns} columns`, () => {
      const text = checkText(document, { columns, colour: false, ascii: false });
      assertGolden(`check-${columns}`, text);
      for (const line of text.split('\n')) assert.ok(stringWidth(line) <= columns, line);
    });
  }

  it('with marks of ASCII', () => {
    assertGolden('check-ascii-80', checkText(document, { columns: 80, colour: false, ascii: true }));
  });

  it('colour changes nothing but the colour', () => {
    const coloured = checkText(document, { columns: 80, colour: true, ascii: false });
    const plain = checkText(document, { columns: 80, colour: false, ascii: false });
    assert.notEqual(coloured, plain);
    assert.equal(stripVTControlCharacters(coloured), plain);
  });
});

it('the document meets its schema, and no text in it can steer a terminal', () => {
  assertMeetsSchema('check', document);
  assert.deepEqual(document.counts, { ok: 3, warning: 2, failed: 1, skipped: 1 });
  assert.ok(document.checks.every(({ found }) => !found.includes('\u001b')));
});

it('the schema knows every kind of check', () => {
  const schema = JSON.parse(readFileSync(new URL('../../docs/json/check.schema.json', import.meta.url), 'utf8'));
  assert.deepEqual(schema.definitions.check.properties.check.enum, Object.keys(CHECK_TITLES));
});

it('ASCII is for dumb terminals and for locales without UTF-8, the first variable that is set deciding', () => {
  const cases: readonly (readonly [Record<string, string>, boolean])[] = [
    [{ LANG: 'en_US.UTF-8' }, false],
    [{ LANG: 'C.utf8' }, false],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, true],
    [{ LANG: 'C', LC_CTYPE: 'de_DE.UTF-8' }, false],
    [{ LANG: 'en_US.UTF-8', TERM: 'dumb' }, true],
    [{}, true],
  ];
  for (const [env, expected] of cases) assert.equal(wantsAscii(env, 'linux'), expected, JSON.stringify(env));
  assert.deepEqual([wantsAscii({}, 'win32'), wantsAscii({ TERM: 'dumb' }, 'win32')], [false, true]);
});
