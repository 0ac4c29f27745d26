/** Documents of `tamhr-sync ledger` with something of everything. */
import {
  adoptDocument,
  type ShowDocument,
  showDocument,
  type VerifyDocument,
  verifiedEntity,
  verifyDocument,
} from '../../src/report/ledger-json.ts';
import { noExamples } from '../../src/sync/ledger-examples.ts';
import type { ShownRow } from '../../src/sync/ledger-show.ts';
import type { BatchRecord } from '../../src/sync/ledger-store.ts';
import type { Verified } from '../../src/sync/ledger-verify.ts';

const NOW = new Date('2026-11-24T01:00:00Z');
const KEY = '36f678c1-b98b-d2e5-6768-8375920b5924';
const keys = (count: number) => Array.from({ length: Math.min(count, 5) }, (_, index) => `${KEY.slice(0, -1)}${index}`);
const examples = (count: number, reason?: string) => ({ count, keys: keys(count), ...(reason && { reason }) });

const QUIET: Verified = {
  sourceRows: 200_000,
  trackedRows: 200_000,
  deadLetters: 0,
  incremental: false,
  inDoubt: noExamples(),
  missing: noExamples(),
  stale: noExamples(),
  orphaned: noExamples(),
  duplicate: noExamples(),
  unreadable: noExamples(),
  colliding: noExamples(),
  unmappable: noExamples(),
  withoutHash: noExamples(),
};

const EVENTFUL: Verified = {
  ...QUIET,
  deadLetters: 2,
  inDoubt: examples(3000),
  missing: examples(12),
  stale: examples(1),
  orphaned: examples(7),
  duplicate: examples(2),
  unreadable: { count: 1, keys: ['札幌\u001b[2J|7'] },
  colliding: examples(1),
  unmappable: examples(2, 'field Name: column Name is not a number (as: number)'),
  withoutHash: examples(12_345),
};

/** An entity that agrees, and three with every kind of difference, one of them repaired. */
export const VERIFIED: VerifyDocument = verifyDocument(
  [
    verifiedEntity({ name: 'ActualOrg', changes: 'new' }, QUIET, false, undefined),
    verifiedEntity({ name: 'Users', changes: 'new' }, EVENTFUL, true, undefined),
    verifiedEntity({ name: 'イベント', changes: 'changed' }, EVENTFUL, false, 2),
    verifiedEntity(
      { name: 'OrgObject', changes: 'mirror' },
      { ...EVENTFUL, duplicate: examples(1), incremental: true },
      false,
      undefined,
    ),
  ],
  [],
  NOW,
);

const BATCH: BatchRecord = {
  id: '0198a000-0000-4000-8000-00000000000b',
  runId: '0198a000-0000-4000-8000-0000000000a1',
  operation: 'upsert',
  state: 'accepted',
  createdAt: new Date('2026-11-23T20:01:00Z'),
  settledAt: new Date('2026-11-23T20:01:02Z'),
  httpStatus: 200,
};
const SENT = { label: 'User', syncedAt: new Date('2026-11-23T20:01:02Z'), batchId: BATCH.id, batch: BATCH };
const OLD = { label: 'Users', syncedAt: new Date('2026-01-01T20:00:00Z') };
const PRUNED = { label: 'User', syncedAt: new Date('2026-02-01T20:00:00Z'), batchId: BATCH.id };
const row = (known: Partial<ShownRow>): ShownRow => ({
  entity: 'Users',
  key: KEY,
  inSource: 'yes',
  tracked: [],
  incremental: false,
  ...known,
});
const { settledAt: _, httpStatus: __, ...SENDING } = { ...BATCH, state: 'sending' };

const ROWS: readonly ShownRow[] = [
  row({}),
  row({ entity: 'Mirror', incremental: true }),
  row({ tracked: [OLD, SENT], hash: 'same' }),
  row({ tracked: [OLD], hash: 'none' }),
  row({ tracked: [PRUNED], hash: 'different' }),
  row({ entity: 'Mirror', tracked: [SENT], hash: 'different' }),
  row({ entity: 'Mirror', tracked: [SENT], inSource: 'no' }),
  row({ tracked: [SENT], inSource: 'leftOut' }),
  row({ inSource: 'leftOut' }),
  row({ tracked: [SENT], inSource: 'unknown' }),
  row({ key: 'Ä\u001b[2J "x"', unmappable: 'field Name: column Name is not a number (as: number)' }),
  row({ key: 'abc', collidesWith: 'ABC' }),
  row({ unresolved: SENDING }),
  row({
    deadLetter: {
      entity: 'Users',
      key: KEY,
      reason: 'HTTP 422 Unprocessable Content: NoReg *** belongs to another person.',
      httpStatus: 422,
      attempts: 3,
      firstFailedAt: new Date('2026-11-20T20:00:07Z'),
      lastFailedAt: new Date('2026-11-23T20:00:07Z'),
      state: 'waiting',
    },
  }),
];

/** A row for each verdict. */
export const SHOWN: ShowDocument = showDocument(
  { rows: ROWS, unknown: ['4711'] },
  [
    { name: 'Users', changes: 'new' },
    { name: 'Mirror', changes: 'mirror' },
  ],
  true,
  NOW,
);

/** Two entities, one with rows that could not be marked. */
export const ADOPTED = (dryRun: boolean) =>
  adoptDocument(dryRun, [
    {
      entity: 'Users',
      adopted: {
        added: 199_900,
        rehashed: 90,
        unchanged: 2,
        inDoubt: 3000,
        deadLetters: 1,
        notFound: examples(6),
        unmappable: examples(1, 'field Name: column Name is not a number (as: number)'),
        colliding: examples(1, 'its key differs from a tracked one only in what the ledger does not tell apart'),
      },
    },
    {
      entity: 'OrgObject',
      adopted: {
        added: 1,
        rehashed: 0,
        unchanged: 0,
        inDoubt: 0,
        deadLetters: 0,
        notFound: noExamples(),
        unmappable: noExamples(),
        colliding: noExamples(),
      },
    },
  ]);
