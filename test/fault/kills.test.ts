import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe } from 'node:test';
import { itOnStandIn } from '../support/sqlserver.ts';
import {
  atCall,
  beforeCommitOf,
  beforeStatement,
  KILLS_A_ROUND,
  killAt,
  killRound,
  type Moment,
  RESERVES,
  SETTLES,
} from './kills.ts';
import { createRandom, freshSeed } from './random.ts';
import { createRig, misbehaviours, type Rig } from './rig.ts';

const BATCH_ROWS = 50;

/** Rows after a kill: taken by the receiver, in the ledger, in unresolved batches. */
interface Left {
  readonly taken: number;
  readonly tracked: number;
  readonly unresolved: number;
}

const nothing: Left = { taken: 0, tracked: 0, unresolved: 0 };
const reservedOnly: Left = { taken: 0, tracked: 0, unresolved: 1 };
const takenUnseen: Left = { taken: 1, tracked: 0, unresolved: 1 };
const settled: Left = { taken: 1, tracked: 1, unresolved: 0 };

const ENDS_RUN = /UPDATE dbo\.TB_R_SYNC_RUN/;

/** The crash table of src/sync/run-entity.ts for the only batch of a run, and what the kill leaves, in batches. */
const STEPS: readonly (readonly [when: string, left: Left, moment: Moment])[] = [
  ['before the batch is stored', nothing, (rig) => beforeStatement(rig, RESERVES)],
  ['before the stored batch is committed', nothing, (rig) => beforeCommitOf(rig, RESERVES)],
  ['before its first byte is sent', reservedOnly, (rig) => rig.gate.stopAfter('requests', 0)],
  ['in the middle of its bytes', reservedOnly, (rig) => rig.gate.stopAfter('requests', 5000)],
  ['before its rows are taken', reservedOnly, (rig) => atCall(rig, 1, 'before its rows are taken')],
  ['after they are, before the answer', takenUnseen, (rig) => atCall(rig, 1, 'after they are')],
  ['in the middle of the answer', takenUnseen, (rig) => during(rig, 1, () => rig.gate.stopAfter('answers', 20))],
  ['before it is settled', takenUnseen, (rig) => during(rig, 1, () => beforeStatement(rig, SETTLES))],
  ['before its settling is committed', takenUnseen, (rig) => during(rig, 1, () => beforeCommitOf(rig, SETTLES))],
  ['after it is settled', settled, (rig) => during(rig, 1, () => beforeStatement(rig, ENDS_RUN))],
];

/** A moment that is set up while the n-th call is answered. */
async function during(rig: Rig, call: number, moment: () => Promise<unknown>): Promise<void> {
  await atCall(rig, call);
  await moment();
}

/** Steps of a search for the one bad row of a batch, which is its last. */
const SEARCH_STEPS: readonly (readonly [when: string, left: Left, moment: Moment])[] = [
  ['before its halves are stored', reservedOnly, (rig) => during(rig, 1, () => beforeStatement(rig, RESERVES))],
  ['before they are committed', reservedOnly, (rig) => during(rig, 1, () => beforeCommitOf(rig, RESERVES))],
  ['before one of them is sent', reservedOnly, (rig) => during(rig, 1, () => rig.gate.stopAfter('requests', 0))],
];

/** When the next piece after one that the receiver takes is about to be sent: which one that is, is left to chance. */
async function afterGoodPiece({ receiver, gate, refuses }: Rig): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  receiver.respond((_call, rows) => {
    if (!rows.some(refuses)) resolve();
    return undefined;
  });
  await promise;
  await gate.stopAfter('requests', 0);
}

async function leftBy({ receiver, log, options }: Rig): Promise<Left> {
  const [row] = await log(
    `SELECT (SELECT COUNT(*) FROM dbo.TB_R_SYNC_TRACKING) AS tracked,
       (SELECT COALESCE(SUM(RowsInBatch), 0) FROM dbo.TB_R_SYNC_BATCH WHERE State = N'sending') AS unresolved`,
  );
  const batches = (rows: unknown) => Number(rows) / options.batchSize;
  return {
    taken: batches(receiver.accepted('/users').size),
    tracked: batches(row?.tracked),
    unresolved: batches(row?.unresolved),
  };
}

/** Completes what kills have left, and proves it; how many times a batch was taken again. */
async function completed(rig: Rig, kills: number): Promise<number> {
  await rig.changeSource(createRandom(1), 80);
  const runs = await rig.complete();
  const { problems, batchesTwice } = await rig.verify(kills);
  assert.deepEqual([...misbehaviours(runs), ...problems], []);
  return batchesTwice;
}

for (const idempotency of [true, false]) {
  describe(`a run that is killed, at a receiver that ${idempotency ? 'honours' : 'ignores'} Idempotency-Key,`, () => {
    let rig: Rig;
    beforeEach(async () => {
      rig = await createRig({ idempotency, concurrency: 1, batchSize: BATCH_ROWS, rows: BATCH_ROWS });
    });
    afterEach(() => rig.close());

    // What was not taken before the kill is no test of the key.
    for (const [when, left, moment] of STEPS.filter((step) => !idempotency || step[1] === takenUnseen)) {
      itOnStandIn(`${when}, is completed by the next one`, async () => {
        assert.ok(await killAt(rig, moment));
        assert.deepEqual(await leftBy(rig), left);
        assert.equal(await completed(rig, 1), !idempotency && left === takenUnseen ? 1 : 0);
      });
    }

    itOnStandIn('and killed again while it replays, is completed by the third', async () => {
      for (let kill = 1; kill <= 2; kill += 1) {
        assert.ok(await killAt(rig, (bench) => atCall(bench, 1, 'after they are')));
        assert.deepEqual(await leftBy(rig), { taken: 1, tracked: 0, unresolved: 1 });
      }
      assert.equal(await completed(rig, 2), idempotency ? 0 : 2);
    });
  });
}

describe('a run that is killed while one batch is settled, one delivered and one reserved', () => {
  for (const idempotency of [true, false]) {
    itOnStandIn(`is completed by the next one; the receiver ${idempotency ? 'honours' : 'ignores'} keys`, async () => {
      const rig = await createRig({ idempotency, concurrency: 1, batchSize: BATCH_ROWS, rows: 5 * BATCH_ROWS });
      try {
        // While none can be settled, the second one is sent and the third reserved, and no more.
        const moment: Moment = async (bench) => {
          await atCall(bench, 1);
          await bench.server.faults.add({ match: SETTLES, action: { hold: true } }).struck;
          while ((await leftBy(bench)).unresolved < 3 || bench.receiver.accepted('/users').size < 2 * BATCH_ROWS) {
            await new Promise(setImmediate);
          }
        };
        assert.ok(await killAt(rig, moment));
        assert.deepEqual(await leftBy(rig), { taken: 2, tracked: 0, unresolved: 3 });
        assert.equal(await completed(rig, 1), idempotency ? 0 : 2);
      } finally {
        await rig.close();
      }
    });
  }
});

describe('a run that is killed while it looks for a bad row', () => {
  let rig: Rig;
  // The bad row is to be in the only batch.
  beforeEach(async () => {
    rig = await createRig({ idempotency: true, concurrency: 1, batchSize: 20, rows: 20, badRows: 1 });
  });
  afterEach(() => rig.close());

  for (const [when, left, moment] of SEARCH_STEPS) {
    itOnStandIn(`${when}, is completed by the next ones`, async () => {
      assert.ok(await killAt(rig, moment));
      assert.deepEqual(await leftBy(rig), left);
      assert.equal(await completed(rig, 1), 0);
    });
  }

  itOnStandIn('between two pieces of the batch, is completed by the next ones', async () => {
    assert.ok(await killAt(rig, afterGoodPiece));
    const { taken, tracked, unresolved } = await leftBy(rig);
    assert.ok(taken > 0 && unresolved > 0, `taken ${taken}, unresolved ${unresolved}`);
    // The bad row may have been found before.
    const [letters] = await rig.log('SELECT COUNT(*) AS buried FROM dbo.TB_R_SYNC_FAILURE');
    const rows = (taken + unresolved) * rig.options.batchSize + Number(letters?.buried);
    assert.deepEqual([tracked, Math.round(rows)], [taken, rig.options.batchSize]);
    assert.equal(await completed(rig, 1), 0);
  });
});

describe('runs that are killed at random moments while batches are in flight', () => {
  const seed = freshSeed();
  const random = createRandom(seed);
  for (let round = 0; round < 5; round += 1) {
    const name = `lose no row, and send no more twice than may be (round ${round}, ${KILLS_A_ROUND} kills, seed ${seed})`;
    const ofRound = createRandom(random.below(2 ** 32));
    itOnStandIn(name, async () => {
      const { kills, problems } = await killRound(round, KILLS_A_ROUND, ofRound);
      assert.deepEqual(problems, []);
      assert.equal(kills, KILLS_A_ROUND);
    });
  }
});
