/** A dry run with something of everything, as it is watched and as it ends. */
import { createPlanWatch, type PlanDocument, type PlanWatch } from '../../src/report/plan-json.ts';
import { createBatchBuilder } from '../../src/sync/batch-builder.ts';
import type { Batch, EntitySummary, Operation, RunSummary } from '../../src/sync/ports.ts';
import { emptyTally } from '../../src/sync/tally.ts';

/** A batch of these payloads (JSON text) by key. */
export function batchOf(operation: Operation, payloads: Readonly<Record<string, string>>): Batch {
  const builder = createBatchBuilder(operation, { batchSize: 1000 }, () => '11111111-0000-4000-8000-000000000000');
  for (const [key, json] of Object.entries(payloads))
    builder.add({ key, json: Buffer.from(json), hash: new Uint8Array(16) });
  return builder.flush() as Batch;
}

/** An entity of a dry run; counts that are not given are 0. */
export function dryEntity(changes: Partial<EntitySummary>): EntitySummary {
  return {
    entity: 'Users',
    state: 'done',
    startedAt: '2026-11-23T20:00:00.000Z',
    durationMs: 1,
    ...emptyTally(),
    ...changes,
  };
}

/** A dry run of these entities. */
export function dryRun(entities: readonly EntitySummary[], exitCode = 0): RunSummary {
  return {
    runId: '00000000-0000-4000-8000-000000000001',
    dryRun: true,
    startedAt: '2026-11-23T20:00:00.000Z',
    durationMs: 14_100,
    exitCode,
    entities,
  };
}

const batches = (pending: number) => ({ pending, accepted: 0, refused: 0, unresolved: 0, split: 0 });

const EVENTFUL: RunSummary = dryRun(
  [
    dryEntity({
      read: 1015,
      tracked: 970,
      pending: 64,
      changed: 12,
      deletions: 17,
      newDeadLetters: 2,
      oldDeadLetters: 3,
      hashesTaken: 250,
      batches: batches(2),
      bytes: 31_245,
      durationMs: 12_345,
      comparison: {
        method: 'rowversion',
        why: 'dbo.MDM_USER has the rowversion column RowVer',
        fullBecause: 'the map has changed since the last comparison',
        mapChanged: true,
      },
    }),
    dryEntity({
      entity: '組織オブジェクト',
      read: 1_200_000,
      tracked: 1_190_000,
      pending: 10_000,
      heldDeletions: 180_000,
      batches: batches(4),
      bytes: 1_234_567,
      durationMs: 61_000,
      comparison: { method: 'hash', why: 'dbo.MDM_ORG_OBJECT is a view', mapChanged: false },
    }),
    dryEntity({
      entity: 'ActualOrg',
      state: 'failed',
      durationMs: 300,
      error: {
        code: 'SOURCE_MISSING',
        message: 'ActualOrg: the table dbo.MDM_ACTUAL_ORGANIZATION_STRUCTURE is not in TAMHR_MDM.',
        hint: 'Correct source.table, or grant the login SELECT on it.',
      },
    }),
    dryEntity({
      entity: 'EventsCalendar',
      state: 'stopped',
      stoppedBy: 'deadline',
      read: 500,
      pending: 1,
      batches: batches(1),
      bytes: 120,
      durationMs: 800,
      comparison: { method: 'keys', why: 'changes is new', mapChanged: false },
    }),
  ],
  1,
);

/** Tells a watch what that dry run would have told it. */
export function watched({ observer }: PlanWatch): void {
  observer.planned?.(
    'Users',
    batchOf('upsert', {
      '4711':
        '{"Code":4711,"Name":"Ani Wijaya","Email":null,"Salary":12500000.50,"created_at_system":"2026-11-24T03:00:00"}',
      '4712':
        '{"Code":4712,"Name":"Budi \\u001b[2J","Email":"budi@example.com","Salary":1.00,"created_at_system":"2026-11-24T03:00:00"}',
      '4713':
        '{"Code":4713,"Name":"Citra","Email":"c@example.com","Salary":2,"created_at_system":"2026-11-24T03:00:00"}',
    }),
  );
  observer.planned?.('Users', batchOf('delete', { '0815': '{"Code":"0815"}' }));
  observer.planned?.('EventsCalendar', batchOf('upsert', { 'a\u202eb|c\nd': '{"Id":"x"}' }));
  observer.warning?.('Users', '2 rows cannot be sent (2 new), such as 17: Email: longer than 100 characters');
  observer.warning?.(
    '組織オブジェクト',
    '180,000 of 1,370,000 tracked rows are gone from the source, more than maxDeletePercent (10) allows: none is deleted',
  );
}

/** The document of that dry run. */
export function eventfulPlan(showValues = false): PlanDocument {
  const watch = createPlanWatch({ sample: 2, showValues });
  watched(watch);
  return watch.document(EVENTFUL);
}
