import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tooOldLine } from '../../src/report/max-age.ts';
import { statusDocument } from '../../src/report/status-json.ts';
import { NOW, SCHEDULE } from './status-fixture.ts';

const HOUR_MS = 3_600_000;

function lineFor(goodHoursAgo: Record<string, number | undefined>, maxAgeHours: number): string | undefined {
  const entities = Object.entries(goodHoursAgo).map(([entity, hours]) => ({
    entity,
    trackedRows: 0,
    unresolved: [],
    deadLetters: 0,
    errors: [],
    deadLetterReasons: [],
    runs: [],
    ...(hours !== undefined && { lastGoodRunAt: new Date(NOW.getTime() - hours * HOUR_MS) }),
  }));
  const document = statusDocument({ migrated: true, entities, runs: [] }, SCHEDULE, NOW);
  return tooOldLine(document, maxAgeHours * HOUR_MS, SCHEDULE.timeZone);
}

test('all entities with a good run within the age are fine, its border included', () => {
  assert.equal(lineFor({ Users: 5, OrgObject: 26 }, 26), undefined);
});

test('one line names each entity whose last good run is older, and each that never had one', () => {
  assert.equal(
    lineFor({ Users: 5, ActualOrg: 53, OrgObject: undefined }, 26),
    'no good run within 1 d 2 h: ActualOrg (2026-11-22 03:00 +07:00, 2 d 5 h ago), OrgObject (no good run is known)',
  );
});
