import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogObserver } from '../../src/report/log-observer.ts';
import type { EntitySummary, Outcome, RunObserver } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';

type Entry = readonly [level: string, message: string, fields: Readonly<Record<string, unknown>> | undefined];

/** What the observer logs while `watch` uses it. */
function logged(watch: (observer: RunObserver) => void): Entry[] {
  const entries: Entry[] = [];
  const at =
    (level: string) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      entries.push([level, message, fields]);
    };
  watch(createLogObserver({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }));
  return entries;
}

const BATCH = { number: 2, rows: 3000, id: '11111111-0000-4000-8000-000000000000' };
const ended = (outcome: Outcome) => logged((observer) => observer.batchEnded?.('Users', BATCH, outcome))[0];
const attempt = { startedAt: new Date(0), durationMs: 412 };
const summary = (changes: Partial<EntitySummary>): EntitySummary => ({
  entity: 'Users',
  state: 'done',
  startedAt: '2026-11-23T20:00:00.000Z',
  durationMs: 2100,
  ...emptyTally(),
  ...changes,
});
const entityEnded = (changes: Partial<EntitySummary>) =>
  logged((observer) => observer.entityEnded?.(summary(changes)))[0]?.slice(0, 2);

describe('the lines that a run logs', () => {
  it('an accepted batch: rows, status, time, and the same as fields', () => {
    assert.deepEqual(ended({ state: 'accepted', attempts: [{ ...attempt, status: 201 }] }), [
      'info',
      'Users: batch 2 accepted (3000 rows, HTTP 201, 0.4 s)',
      {
        entity: 'Users',
        batch: 2,
        batchId: BATCH.id,
        rows: 3000,
        outcome: 'accepted',
        attempts: 1,
        httpStatus: 201,
        durationMs: 412,
      },
    ]);
  });

  it('a refused batch is a warning with the reason', () => {
    const attempts = [{ ...attempt, status: 500, error: 'HTTP 500 Internal Server Error: disk full' }];
    assert.deepEqual(ended({ state: 'refused', attempts })?.slice(0, 2), [
      'warn',
      'Users: batch 2 refused (3000 rows, 0.4 s): HTTP 500 Internal Server Error: disk full',
    ]);
  });

  it('a batch whose outcome is unknown is a warning with its attempts', () => {
    const failed = { ...attempt, status: 503, error: 'HTTP 503 Service Unavailable' };
    assert.deepEqual(ended({ state: 'unknown', attempts: [failed, failed] })?.slice(0, 2), [
      'warn',
      'Users: batch 2 unknown (3000 rows, 2 attempts, 0.8 s): HTTP 503 Service Unavailable',
    ]);
    assert.deepEqual(
      ended({ state: 'unknown', attempts: [], note: 'not sent: the deadline has passed' })?.slice(0, 2),
      ['warn', 'Users: batch 2 unknown (3000 rows, 0.0 s): not sent: the deadline has passed'],
    );
  });

  it('a batch that was split is no warning, since its halves follow', () => {
    const attempts = [{ ...attempt, status: 422, error: 'HTTP 422: Email' }];
    assert.deepEqual(ended({ state: 'split', attempts })?.slice(0, 2), [
      'info',
      'Users: batch 2 split (3000 rows, 0.4 s): HTTP 422: Email',
    ]);
  });

  it('an attempt that is made again is a warning with its number, which begins anew with each batch', () => {
    const failed = { ...attempt, status: 503, error: 'HTTP 503 Service Unavailable' };
    const entries = logged((observer) => {
      observer.retrying?.('Users', BATCH, failed, 1234.5);
      observer.retrying?.('Users', BATCH, { ...attempt, error: 'connection reset' }, 70_000);
      observer.batchEnded?.('Users', BATCH, { state: 'accepted', attempts: [failed, failed, attempt] });
      observer.retrying?.('Users', BATCH, failed, 0);
    });
    assert.deepEqual(
      entries.map(([level, message]) => `${level} ${message}`),
      [
        'warn Users: batch 2, attempt 1 failed (HTTP 503 Service Unavailable); again in 1.2 s',
        'warn Users: batch 2, attempt 2 failed (connection reset); again in 1 min 10 s',
        'info Users: batch 2 accepted (3000 rows, 3 attempts, 1.2 s)',
        'warn Users: batch 2, attempt 1 failed (HTTP 503 Service Unavailable); again in 0.0 s',
      ],
    );
    assert.deepEqual(entries[0]?.[2], {
      entity: 'Users',
      batch: 2,
      batchId: BATCH.id,
      attempt: 1,
      httpStatus: 503,
      delayMs: 1235,
    });
  });

  it('a batch that was cut off says so', () => {
    assert.deepEqual(ended({ state: 'aborted', attempts: [{ ...attempt, error: 'stopped' }] })?.slice(0, 2), [
      'warn',
      'Users: batch 2 cut off (3000 rows, 0.4 s): stopped',
    ]);
  });

  it('an entity that is done', () => {
    const batches = { pending: 4, accepted: 4, refused: 0, unresolved: 0, split: 0 };
    assert.deepEqual(entityEnded({ read: 10_000, pending: 10_000, accepted: 10_000, batches }), [
      'info',
      'Users: done, 10000 read, 0 already tracked, 10000 sent, 0 refused, 4 batches, 2.1 s',
    ]);
  });

  it('an entity that had changed rows and deletions tells them', () => {
    const batches = { pending: 2, accepted: 2, refused: 0, unresolved: 0, split: 0 };
    const counts = { read: 20, tracked: 5, pending: 18, accepted: 18, changed: 12, deletions: 3, deleted: 3, batches };
    assert.deepEqual(entityEnded(counts), [
      'info',
      'Users: done, 20 read, 5 already tracked, 18 sent, 12 changed, 3 deleted, 0 refused, 2 batches, 2.1 s',
    ]);
  });

  it('an entity whose deletions were held back is a warning; hashes that were taken are none', () => {
    const held = entityEnded({ heldDeletions: 1, hashesTaken: 2 });
    assert.deepEqual(held, [
      'warn',
      'Users: done, 0 read, 0 already tracked, 0 sent, 0 refused, 1 deletion held back, 2 hashes taken, 0 batches, 2.1 s',
    ]);
    assert.equal(entityEnded({ hashesTaken: 1 })?.[0], 'info');
  });

  it('how rows are looked for, and why; of keys alone only in detail', () => {
    const why = 'dbo.MDM_USER has the rowversion column RowVer';
    const entries = logged((observer) => {
      observer.comparing?.('Users', { method: 'rowversion', why, mapChanged: false });
      observer.comparing?.('Users', { method: 'rowversion', why, fullBecause: 'it was asked for', mapChanged: true });
      observer.comparing?.('Users', { method: 'hash', why: 'dbo.V is a view', mapChanged: false });
      observer.comparing?.('Users', { method: 'keys', why: 'changes is new', mapChanged: false });
    });
    assert.deepEqual(
      entries.map(([level, message]) => `${level} ${message}`),
      [
        `info Users: compares by rowversion, changed rows only (${why})`,
        `info Users: compares by rowversion, all rows this time (it was asked for; ${why}); rows whose payload the changed mapping changes are sent again`,
        'info Users: compares all rows by hash (dbo.V is a view)',
        'debug Users: compares keys alone (changes is new)',
      ],
    );
    assert.deepEqual(entries[1]?.[2], {
      entity: 'Users',
      method: 'rowversion',
      why,
      fullBecause: 'it was asked for',
      mapChanged: true,
    });
  });

  it('an entity that left rows behind is a warning', () => {
    const batches = { pending: 1, accepted: 0, refused: 1, unresolved: 0, split: 0 };
    assert.deepEqual(entityEnded({ read: 3001, refused: 3000, newDeadLetters: 1, batches }), [
      'warn',
      'Users: done, 3001 read, 0 already tracked, 0 sent, 3000 refused, 1 new dead letter, 1 batch, 2.1 s',
    ]);
  });

  it('an entity that was stopped, or left batches whose outcome is unknown, is a warning', () => {
    const batches = { pending: 2, accepted: 1, refused: 0, unresolved: 1, split: 0 };
    const counts = { read: 9000, accepted: 3000, unresolved: 3000, left: 3000, batches };
    assert.deepEqual(entityEnded({ state: 'stopped', stoppedBy: 'breaker', ...counts }), [
      'warn',
      'Users: stopped (breaker), 9000 read, 0 already tracked, 3000 sent, 0 refused, 3000 unknown, 3000 left, 2 batches, 2.1 s',
    ]);
    assert.equal(entityEnded({ ...counts, left: 0 })?.[0], 'warn');
    assert.equal(entityEnded({ state: 'resolved' })?.[0], 'info');
  });

  it('a failed entity is an error that says what to do', () => {
    const error = { code: 'SOURCE_MISSING', message: 'The table dbo.X is missing.', hint: 'Correct source.table.' };
    assert.deepEqual(entityEnded({ state: 'failed', error }), [
      'error',
      'Users: failed, 0 read, 0 already tracked, 0 sent, 0 refused, 0 batches, 2.1 s: The table dbo.X is missing. Correct source.table.',
    ]);
  });

  it('a locked entity says who holds the lock, without counts', () => {
    const error = { code: 'LOCK_HELD', message: 'Held by hr-1.', hint: 'Wait.' };
    assert.deepEqual(entityEnded({ state: 'locked', error }), ['warn', 'Users: locked: Held by hr-1. Wait.']);
  });

  it('a warning names its entity', () => {
    assert.deepEqual(
      logged((observer) => observer.warning?.('Users', 'the ledger is empty')),
      [['warn', 'Users: the ledger is empty', { entity: 'Users' }]],
    );
  });
});
