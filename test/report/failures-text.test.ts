import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { changeDocument, failuresDocument } from '../../src/report/failures-json.ts';
import { changeText, failureBlocks, failuresText } from '../../src/report/failures-text.ts';
import type { DeadLetterList, StoredDeadLetter } from '../../src/sync/dead-letters.ts';
import { assertGolden } from './golden.ts';
import { assertMeetsSchema } from './schema.ts';

const NOW = new Date('2026-11-24T01:00:00Z');

const LETTERS: readonly StoredDeadLetter[] = [
  {
    entity: 'Users',
    key: '10042',
    reason:
      'HTTP 422 Unprocessable Content: NoReg *** belongs to another person; ask the personnel department which of both is right',
    httpStatus: 422,
    attempts: 1,
    firstFailedAt: new Date('2026-11-23T20:00:07Z'),
    lastFailedAt: new Date('2026-11-23T20:00:07Z'),
    state: 'waiting',
  },
  {
    entity: 'Users',
    key: 'a1b2c3d4-0000-4000-8000-000000000000',
    reason: 'rejected by the receiver: no such post',
    httpStatus: 200,
    attempts: 5,
    firstFailedAt: new Date('2026-10-01T20:00:07Z'),
    lastFailedAt: new Date('2026-11-22T20:00:07Z'),
    nextTryAt: new Date('2026-11-29T20:00:07Z'),
    state: 'waiting',
  },
  {
    entity: 'イベントカレンダー',
    key: '札幌\u001b[2J|7',
    reason: 'StartDate is no date',
    attempts: 12,
    firstFailedAt: new Date('2026-10-01T20:00:07Z'),
    lastFailedAt: new Date(Number.NaN),
    nextTryAt: new Date('2026-11-20T20:00:07Z'),
    state: 'discarded',
  },
];

const LIST: DeadLetterList = { letters: LETTERS, counts: [1200, 34] };
const document = failuresDocument(LIST, NOW);
const options = (columns: number, colour = false) => ({ columns, colour, timeZone: 'Asia/Jakarta' });

describe('the screen that failures list prints', () => {
  for (const columns of [40, 80, 160]) {
    it(`in ${columns} columns`, () =>
      assertGolden(`failures-list-${columns}`, failuresText(document, options(columns))));
  }

  it('colour changes nothing but the colour', () => {
    const coloured = failuresText(document, options(160, true));
    assert.notEqual(coloured, failuresText(document, options(160)));
    const lines = (text: string) => text.split('\n').map((line) => line.trimEnd());
    assert.deepEqual(lines(stripVTControlCharacters(coloured)), lines(failuresText(document, options(160))));
  });

  it('says so where there are none, and nothing of more where all are shown', () => {
    assert.equal(failuresText(failuresDocument({ letters: [], counts: [0] }, NOW), options(80)), 'No dead letters.\n');
    const all = failuresText(failuresDocument({ letters: LETTERS, counts: [3] }, NOW), options(80));
    assert.doesNotMatch(all, /more/);
  });
});

describe('the blocks that failures show prints', () => {
  for (const columns of [40, 80]) {
    it(`in ${columns} columns`, () =>
      assertGolden(`failures-show-${columns}`, failureBlocks(document, options(columns))));
  }
});

describe('what failures retry and discard say', () => {
  it('names each entity, how many, and what comes of it', () => {
    const changed = [
      { entity: 'Users', rows: 2 },
      { entity: 'Org "Object"', rows: 1 },
    ];
    assert.equal(
      changeText('retry', changed, 200),
      'Users: 2 dead letters due: the next run tries them again (tamhr-sync run --entity Users).\n' +
        'Org "Object": 1 dead letter due: the next run tries it again (tamhr-sync run --entity "Org \\"Object\\"").\n',
    );
    assert.equal(
      changeText('discard', changed.slice(0, 1), 200),
      'Users: 2 dead letters discarded: sent only once their rows change (tamhr-sync failures retry --entity Users undoes that).\n',
    );
    assertMeetsSchema('failures-changed', changeDocument(changed));
  });
});

it('a time to try again that is past is none, in the published document', () => {
  assertMeetsSchema('failures', document);
  assert.deepEqual(
    document.failures.map(({ nextTryAt, httpStatus, lastFailedAt }) => [nextTryAt, httpStatus, lastFailedAt]),
    [
      [null, 422, '2026-11-23T20:00:07.000Z'],
      ['2026-11-29T20:00:07.000Z', 200, '2026-11-22T20:00:07.000Z'],
      [null, null, null],
    ],
  );
});

it('whatever the rows hold, no line is too long and nothing steers the terminal', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.constant('組織'.repeat(90)));
  const date = fc.date({ noInvalidDate: false });
  const letter = fc.record(
    {
      entity: text,
      key: text,
      reason: text,
      httpStatus: fc.integer(),
      attempts: fc.nat(),
      firstFailedAt: date,
      lastFailedAt: date,
      nextTryAt: date,
      state: fc.constantFrom('waiting', 'discarded'),
    },
    { requiredKeys: ['entity', 'key', 'reason', 'attempts', 'firstFailedAt', 'lastFailedAt', 'state'] },
  );
  fc.assert(
    fc.property(fc.array(letter, { maxLength: 3 }), fc.integer({ min: 40, max: 200 }), (letters, columns) => {
      const list = { letters: letters as StoredDeadLetter[], counts: [letters.length + 1] };
      const view = options(columns);
      const made = failuresDocument(list, NOW);
      const changed = letters.map(({ entity, attempts }) => ({ entity, rows: attempts }));
      for (const printed of [
        failuresText(made, view),
        failureBlocks(made, view),
        changeText('retry', changed, columns),
      ]) {
        for (const line of printed.split('\n')) {
          assert.ok(stringWidth(line) <= columns, line);
          assert.doesNotMatch(line, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
        }
      }
    }),
    { numRuns: 200 },
  );
});
