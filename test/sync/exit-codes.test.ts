import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOfRun } from '../../src/sync/exit-codes.ts';
import type { EntitySummary } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';

const entity = (changes: Partial<EntitySummary>): EntitySummary => ({
  entity: 'Users',
  state: 'done',
  startedAt: '2026-11-23T20:00:00.000Z',
  durationMs: 1,
  ...emptyTally(),
  ...changes,
});
const failed = (code: string) => entity({ state: 'failed', error: { code, message: '', hint: '' } });
const ok = entity({ pending: 3, accepted: 3 });
const locked = entity({ state: 'locked', error: { code: 'LOCK_HELD', message: '', hint: '' } });

const cases: readonly [string, number, EntitySummary[], NodeJS.Signals?][] = [
  ['all accepted', 0, [ok]],
  ['nothing pending', 0, [entity({})]],
  ['old dead letters only', 0, [entity({ oldDeadLetters: 2 })]],
  ['one batch refused', 1, [entity({ pending: 6, accepted: 3, refused: 3 })]],
  ['new dead letters', 1, [entity({ pending: 4, accepted: 3, newDeadLetters: 1 })]],
  ['one entity failed, another sent', 1, [failed('SOURCE_MISSING'), ok]],
  ['one entity failed, the other had nothing', 1, [failed('SOURCE_MISSING'), entity({})]],
  ['some locked', 1, [locked, ok]],
  ['nothing accepted of what was pending', 2, [entity({ pending: 3, refused: 3 })]],
  ['left by the breaker', 1, [ok, entity({ state: 'stopped', stoppedBy: 'breaker', pending: 3, accepted: 3 })]],
  ['left by the deadline', 1, [ok, entity({ state: 'stopped', stoppedBy: 'deadline' })]],
  ['left by --limit', 0, [entity({ state: 'stopped', stoppedBy: 'limit', pending: 3, accepted: 3 })]],
  ['an outcome that is unknown', 1, [entity({ pending: 6, accepted: 3, unresolved: 3 })]],
  ['all locked', 75, [locked, locked]],
  ['every source failed', 69, [failed('SOURCE_MISSING'), failed('SOURCE_UNAVAILABLE')]],
  ['log database gone after a success', 1, [ok, failed('LOG_DATABASE_UNAVAILABLE')]],
  ['log database gone for all', 69, [failed('LOG_DATABASE_UNAVAILABLE'), failed('SOURCE_MISSING')]],
  ['interrupted', 130, [entity({ state: 'stopped', pending: 3, refused: 3 })], 'SIGINT'],
  ['terminated', 143, [ok], 'SIGTERM'],
  ['log database gone while interrupted', 69, [failed('LOG_DATABASE_UNAVAILABLE')], 'SIGINT'],
];

for (const [name, code, entities, signal] of cases) {
  test(`${name}: exit code ${code}`, () => assert.equal(exitCodeOfRun({ dryRun: false, entities }, signal), code));
}

test('a dry run with pending rows ends with 0', () => {
  assert.equal(exitCodeOfRun({ dryRun: true, entities: [entity({ pending: 3, newDeadLetters: 1 })] }), 0);
});
