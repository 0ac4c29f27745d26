import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { itOnStandIn } from '../support/sqlserver.ts';
import { dropAtStatements } from './drops.ts';
import { createRandom, freshSeed } from './random.ts';

/** Of the statements of a run, others each time; `npm run fault -- --drops all` takes each. */
const SHARE = 0.4;

describe('a run that loses its connection to the server', () => {
  const seed = freshSeed();
  itOnStandIn(
    `before or after any statement, alone or with all others, goes on: no row lost, none sent twice (seed ${seed})`,
    async () => {
      const { drops, survived, problems } = await dropAtStatements(SHARE, createRandom(seed));
      assert.deepEqual(problems, []);
      assert.equal(survived, drops);
      // Lock, replay, reserve, settle and split take more statements than this together.
      assert.ok(drops > 30, `only ${drops} connections were cut off`);
    },
  );
});
