import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { forgetDocument, pruneDocument, rehashDocument } from '../../src/report/ledger-json.ts';
import { showText } from '../../src/report/ledger-show-text.ts';
import {
  adoptProblems,
  adoptText,
  forgetProblems,
  forgetQuestion,
  forgetText,
  pruneText,
  rehashProblems,
  rehashText,
} from '../../src/report/ledger-text.ts';
import { verifyText } from '../../src/report/ledger-verify-text.ts';
import { noExamples } from '../../src/sync/ledger-examples.ts';
import { assertGolden } from './golden.ts';
import { ADOPTED, SHOWN, VERIFIED } from './ledger-fixture.ts';
import { assertMeetsSchema } from './schema.ts';

const show = (columns: number, colour = false) => showText(SHOWN, { columns, colour, timeZone: 'Asia/Jakarta' });
const verify = (columns: number, colour = false) => verifyText(VERIFIED, { columns, colour });
const REHASHED = rehashDocument(false, [
  {
    entity: 'Users',
    result: {
      rehashed: 12,
      hashed: 1,
      unchanged: 3000,
      unmappable: { count: 1, keys: ['7'], reason: 'x' },
      deadLetters: { count: 7, keys: ['1', '2', '3', '4', '5\u001b[2J'] },
    },
  },
]);
const FORGOTTEN = [
  { entity: 'Users', rows: 1234 },
  { entity: 'OrgObject', rows: 1 },
];
const PRUNED = pruneDocument(true, new Date('2026-08-26T01:00:00Z'), { runs: 1, batches: 12_000, logEntries: 0 });

/** All that the other commands print, one after the other. */
function changes(columns: number): string {
  return [
    adoptText(ADOPTED(false), columns),
    adoptText(ADOPTED(true), columns),
    adoptProblems(ADOPTED(false)).join('\n'),
    rehashText(REHASHED, columns),
    rehashText({ ...REHASHED, dryRun: true }, columns),
    rehashProblems(REHASHED).join('\n'),
    forgetQuestion(FORGOTTEN),
    forgetText(forgetDocument(false, FORGOTTEN, noExamples()), columns),
    forgetText(forgetDocument(true, FORGOTTEN, noExamples()), columns),
    forgetText(forgetDocument(false, [], noExamples()), columns),
    forgetProblems(forgetDocument(false, [], { count: 2, keys: ['a\u001b[2J', 'b'] })).join('\n'),
    pruneText(PRUNED, 'Asia/Jakarta', columns),
    pruneText({ ...PRUNED, dryRun: false }, 'Asia/Jakarta', columns),
  ].join('\n');
}

describe('the screens of the ledger commands', () => {
  for (const columns of [60, 80, 200]) {
    it(`show, in ${columns} columns`, () => assertGolden(`ledger-show-${columns}`, show(columns)));
    it(`verify, in ${columns} columns`, () => assertGolden(`ledger-verify-${columns}`, verify(columns)));
    it(`adopt, rehash, forget and prune, in ${columns} columns`, () =>
      assertGolden(`ledger-changes-${columns}`, changes(columns)));
  }

  it('colour changes nothing but the colour', () => {
    for (const screen of [show, verify]) {
      assert.notEqual(screen(80, true), screen(80));
      assert.equal(stripVTControlCharacters(screen(80, true)), screen(80));
    }
  });

  it('no line is wider than the terminal, no text steers it', () => {
    for (const columns of [40, 60, 80, 200]) {
      for (const line of `${show(columns)}${verify(columns)}`.split('\n')) {
        assert.ok(stringWidth(line) <= columns, line);
        assert.doesNotMatch(line, /\p{Cc}/u);
      }
    }
    assert.doesNotMatch(changes(80), /(?!\n)\p{Cc}/u);
  });

  it('each verdict is told, and stands for nothing else', () => {
    const verdicts = SHOWN.rows.map(({ verdict }) => verdict);
    assert.equal(new Set(verdicts).size, 12);
    assert.deepEqual(verdicts, [
      'pending',
      'pending',
      'sent',
      'sent',
      'outdated',
      'changed',
      'toDelete',
      'stays',
      'leftOut',
      'sourceUnread',
      'unmappable',
      'colliding',
      'inDoubt',
      'deadLetter',
    ]);
  });

  it('nothing is shown where nothing is known', () => {
    assert.equal(showText({ ...SHOWN, rows: [], more: false }, { colour: false, timeZone: 'UTC' }), '');
  });
});

describe('the documents of the ledger commands', () => {
  it('meet their schemas', () => {
    assertMeetsSchema('ledger-show', SHOWN);
    assertMeetsSchema('ledger-verify', VERIFIED);
    assertMeetsSchema('ledger-adopt', ADOPTED(true));
    assertMeetsSchema('ledger-rehash', REHASHED);
    assertMeetsSchema('ledger-forget', forgetDocument(false, FORGOTTEN, noExamples()));
    assertMeetsSchema('ledger-prune', PRUNED);
  });

  it('verify: without hash is no difference, removed duplicates are none any more', () => {
    assert.deepEqual(
      VERIFIED.entities.map(({ agrees }) => agrees),
      [true, false, false, false],
    );
    assert.equal(VERIFIED.agrees, false);
  });
});
