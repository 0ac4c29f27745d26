import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { createPlanWatch } from '../../src/report/plan-json.ts';
import { planText } from '../../src/report/plan-text.ts';
import type { EntitySummary } from '../../src/sync/ports.ts';
import { assertGolden } from './golden.ts';
import { batchOf, dryEntity, dryRun, eventfulPlan } from './plan-fixture.ts';

const textOf = (columns: number, showValues = false) => planText(eventfulPlan(showValues), { columns, colour: false });

describe('the plan as text', () => {
  for (const columns of [60, 80, 200]) {
    it(`says what would be sent and why, ${columns} columns`, () =>
      assertGolden(`plan-eventful-${columns}`, textOf(columns)));
  }
  it('shows the values of samples when that is asked for', () => assertGolden('plan-values-80', textOf(80, true)));
  it('of nothing to do is short', () => {
    const comparison = { method: 'rowversion', why: 'dbo.T has the rowversion column V', mapChanged: false } as const;
    const watch = createPlanWatch({ sample: 3, showValues: false });
    const document = watch.document(dryRun([dryEntity({ read: 3, tracked: 3, comparison })]));
    assertGolden('plan-quiet-60', planText(document, { columns: 60, colour: false }));
  });
  it('of no entity says so', () => {
    const watch = createPlanWatch({ sample: 3, showValues: false });
    assert.match(planText(watch.document(dryRun([], 130)), { colour: false }), /^No entity was read\.$/m);
  });

  it('says the same in colour', () => {
    const coloured = planText(eventfulPlan(), { columns: 80, colour: true });
    assert.notEqual(coloured, textOf(80));
    assert.equal(stripVTControlCharacters(coloured), textOf(80));
  });

  it('is 80 columns wide where the stream has no width', () => {
    assert.equal(planText(eventfulPlan(), { colour: false }), textOf(80));
  });

  it('has no line longer than the terminal, and nothing that steers it', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
    const comparison = fc.record({
      method: fc.constantFrom('keys', 'hash', 'rowversion', 'modifiedAt'),
      why: text,
      fullBecause: text,
      mapChanged: fc.boolean(),
    });
    const changes = fc.record({
      entity: text,
      state: fc.constantFrom('done', 'stopped', 'failed'),
      stoppedBy: fc.constantFrom('signal', 'deadline'),
      read: fc.maxSafeNat(),
      pending: fc.maxSafeNat(),
      changed: fc.maxSafeNat(),
      deletions: fc.maxSafeNat(),
      heldDeletions: fc.nat(),
      hashesTaken: fc.nat(),
      newDeadLetters: fc.nat(),
      oldDeadLetters: fc.nat(),
      bytes: fc.maxSafeNat(),
      comparison,
      error: fc.record({ code: text, message: text, hint: text }),
    });
    fc.assert(
      fc.property(
        fc.array(changes, { maxLength: 3 }),
        text,
        fc.dictionary(text, text, { maxKeys: 3 }),
        fc.integer({ min: 40, max: 200 }),
        (list, message, payload, columns) => {
          const watch = createPlanWatch({ sample: 1, showValues: true });
          for (const { entity } of list) {
            watch.observer.planned?.(entity, batchOf('upsert', { [message]: JSON.stringify(payload) }));
            watch.observer.warning?.(entity, message);
          }
          const document = watch.document(dryRun(list.map((one) => dryEntity(one as Partial<EntitySummary>))));
          for (const line of planText(document, { columns, colour: false }).split('\n')) {
            assert.ok(stringWidth(line) <= columns, line);
            assert.doesNotMatch(line, /\p{Cc}/u);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
