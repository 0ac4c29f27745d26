import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPlanWatch } from '../../src/report/plan-json.ts';
import { batchOf, dryEntity, dryRun, eventfulPlan } from './plan-fixture.ts';
import { assertMeetsSchema } from './schema.ts';

const watchOf = (sample: number) => createPlanWatch({ sample, showValues: true });

describe('the document that plan prints', () => {
  it('meets its published schema', () => {
    assertMeetsSchema('plan', eventfulPlan());
    assertMeetsSchema('plan', eventfulPlan(true));
    assertMeetsSchema('plan', watchOf(1).document(dryRun([])));
    assert.throws(() => assertMeetsSchema('plan', { ...eventfulPlan(), exitCode: '0' }), /exitCode/);
  });

  it('tells new rows from changed ones, deletions and dead letters', () => {
    const summary = dryEntity({ pending: 20, changed: 5, deletions: 3, newDeadLetters: 2, hashesTaken: 7 });
    const [entity] = watchOf(0).document(dryRun([summary])).entities;
    assert.deepEqual(
      [entity?.newRows, entity?.changedRows, entity?.deletions, entity?.newDeadLetters, entity?.withoutHash],
      [12, 5, 3, 2, 7],
    );
  });

  it('has at most so many samples of each operation of each entity, over several batches, in the order of sending', () => {
    const watch = watchOf(3);
    watch.observer.planned?.('Users', batchOf('delete', { d1: '{}' }));
    watch.observer.planned?.('Users', batchOf('upsert', { u1: '{"A":1.0}', u2: '{"A":2.00}' }));
    watch.observer.planned?.('Users', batchOf('upsert', { u3: '{"A":3}', u4: '{"A":4}' }));
    watch.observer.planned?.('Other', batchOf('upsert', { o1: '{}' }));
    watch.observer.planned?.('Users', batchOf('delete', { d2: '{}', d3: '{}', d4: '{}' }));
    const { entities } = watch.document(dryRun([dryEntity({}), dryEntity({ entity: 'Other' })]));
    assert.deepEqual(
      entities.map(({ samples }) => samples.map(({ operation, key }) => `${operation} ${key}`)),
      [['upsert u1', 'upsert u2', 'upsert u3', 'delete d1', 'delete d2', 'delete d3'], ['upsert o1']],
    );
    assert.equal(
      JSON.stringify(entities[0]?.samples.slice(0, 3).map(({ payload }) => payload)),
      '[{"A":1.0},{"A":2.00},{"A":3}]',
    );
  });

  it('has no samples where none are wanted', () => {
    const watch = watchOf(0);
    watch.observer.planned?.('Users', batchOf('upsert', { u1: '{}' }));
    assert.deepEqual(watch.document(dryRun([dryEntity({})])).entities[0]?.samples, []);
  });

  it('says that a deletion whose URL says it all has no payload, masked or not', () => {
    for (const showValues of [false, true]) {
      const watch = createPlanWatch({ sample: 1, showValues });
      watch.observer.planned?.('Users', batchOf('delete', { d1: 'null' }));
      const [entity] = watch.document(dryRun([dryEntity({})])).entities;
      assert.deepEqual(entity?.samples, [{ operation: 'delete', key: 'd1', payload: null }]);
    }
  });

  it('holds no value of a row unless that is asked for', () => {
    const text = JSON.stringify(eventfulPlan());
    for (const value of ['Ani', 'budi@', '12500000', '2026-11-24T03']) assert.ok(!text.includes(value), value);
    assert.ok(JSON.stringify(eventfulPlan(true)).includes('"Salary":12500000.50'));
  });
});
