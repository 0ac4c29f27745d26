import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { useSqlServer } from '../support/sqlserver.ts';
import { createHistoryBench, HISTORY_KINDS, type HistoryBench, histories } from './histories.ts';

/** Of each kind; thousands by `npm run fault -- --histories`. */
const HISTORIES = 10;
const LONGEST_MS = 120_000;

describe('whatever happens to source, receiver, runs, map and mode, the receiver ends up right', () => {
  const server = useSqlServer();
  let bench: HistoryBench;
  before(async () => {
    bench = await createHistoryBench(server);
  });
  after(() => bench.close());

  for (const kind of HISTORY_KINDS) {
    it(`changes ${kind.mode}, by ${kind.mode === 'new' ? 'keys' : kind.detection}`, async () => {
      await fc.assert(
        fc.asyncProperty(histories(kind), async (history) => assert.deepEqual(await bench.live(kind, history), [])),
        // A counterexample is told of although it could be made smaller yet.
        { numRuns: HISTORIES, interruptAfterTimeLimit: LONGEST_MS, markInterruptAsFailure: true },
      );
    });
  }
});
