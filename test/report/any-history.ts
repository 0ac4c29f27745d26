/** Any history that the log database could hold, for property tests of the status reports. */
import fc from 'fast-check';
import type { History } from '../../src/sync/history.ts';

/** Texts that a report must survive. */
export const weirdText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '\u001b[31mred',
    '\u009b2J',
    '組織'.repeat(40),
    '👩‍👩‍👧‍👦'.repeat(30),
    'e\u0301'.repeat(99),
    'x'.repeat(500),
    '\ud800',
    '\u0600',
    '<script>alert(1)</script>',
    '" onload="alert(1)',
    "' onmouseover='alert(1)",
    '</title></style></svg><img src=x onerror=alert(1)>',
    ']]><!--',
    '&lt;b&gt;&#60;i>',
  ),
);
const anyDate = fc.date({ noInvalidDate: false });
const anyCount = fc.oneof(fc.nat(), fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.NaN, -1));
const anyCounts = fc.record({
  rowsAccepted: anyCount,
  rowsRefused: anyCount,
  rowsUnresolved: anyCount,
  batchesAccepted: anyCount,
  batchesRefused: anyCount,
  batchesUnresolved: anyCount,
  newDeadLetters: anyCount,
  rowsChanged: anyCount,
  rowsDeleted: anyCount,
  deletionsHeld: anyCount,
});
const always = { requiredKeys: ['runId', 'startedAt', 'state', 'host', 'processId', 'version', 'arguments'] } as const;
const anyRun = fc.record(
  {
    runId: fc.uuid(),
    startedAt: anyDate,
    finishedAt: anyDate,
    state: fc.constantFrom('running', 'finished', 'aborted'),
    exitCode: fc.integer(),
    host: weirdText,
    processId: fc.integer(),
    version: weirdText,
    arguments: weirdText,
    counts: anyCounts,
  },
  { requiredKeys: [...always.requiredKeys] },
);
const anyLastRun = fc.record(
  {
    run: anyRun,
    state: fc.constantFrom('done', 'resolved', 'stopped', 'locked', 'failed'),
    stoppedBy: fc.constantFrom('signal', 'limit', 'deadline', 'breaker'),
    durationMs: anyCount,
    counts: anyCounts,
  },
  { requiredKeys: ['run', 'counts'] },
);
const anyBatch = fc.record(
  {
    batchId: fc.uuid(),
    rows: anyCount,
    createdAt: anyDate,
    runsTried: anyCount,
    lastTriedAt: anyDate,
    error: weirdText,
    httpStatus: fc.integer(),
  },
  { requiredKeys: ['batchId', 'rows', 'createdAt', 'runsTried', 'lastTriedAt'] },
);
const anyError = fc.record(
  { at: anyDate, text: weirdText, httpStatus: fc.integer(), hint: weirdText },
  { requiredKeys: ['at', 'text'] },
);
const anyReason = fc.record(
  { reason: weirdText, httpStatus: fc.integer(), rows: anyCount, lastFailedAt: anyDate, exampleKey: weirdText },
  { requiredKeys: ['reason', 'rows', 'lastFailedAt', 'exampleKey'] },
);
const anyEntityRun = fc.record(
  {
    runId: fc.uuid(),
    startedAt: anyDate,
    counts: anyCounts,
    durations: fc.record({ batches: anyCount, totalMs: anyCount, slowestMs: anyCount }),
  },
  { requiredKeys: ['runId', 'startedAt'] },
);
const anyEntity = fc.record(
  {
    entity: weirdText,
    lastRun: anyLastRun,
    trackedRows: anyCount,
    lastSuccessAt: anyDate,
    lastGoodRunAt: anyDate,
    lastError: anyError,
    errors: fc.array(anyError, { maxLength: 3 }),
    unresolved: fc.array(anyBatch, { maxLength: 5 }),
    deadLetters: anyCount,
    deadLetterReasons: fc.array(anyReason, { maxLength: 3 }),
    runs: fc.array(anyEntityRun, { maxLength: 4 }),
    lockedSince: anyDate,
  },
  { requiredKeys: ['entity', 'trackedRows', 'errors', 'unresolved', 'deadLetters', 'deadLetterReasons', 'runs'] },
);
/** Histories of any shape, with weird texts, counts and times. */
export const anyHistory: fc.Arbitrary<History> = fc.record({
  migrated: fc.boolean(),
  entities: fc.array(anyEntity, { maxLength: 4 }),
  runs: fc.array(anyRun, { maxLength: 4 }),
}) as fc.Arbitrary<History>;
