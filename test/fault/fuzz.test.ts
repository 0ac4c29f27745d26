import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { itOnStandIn } from '../support/sqlserver.ts';
import { fuzzAnswers, fuzzRuns } from './fuzz-answers.ts';
import { type FuzzReport, fuzzConfigurations, fuzzConnectionStrings } from './fuzz-config.ts';
import { watchMemory } from './memory.ts';
import { createRandom, freshSeed, type Random } from './random.ts';
import { createRig, type Rig } from './rig.ts';

const TRIED = 500;

describe('broken input never leads to a stack trace, exit code 70 or memory without bound:', () => {
  const seed = freshSeed();
  let rig: Rig;
  before(async () => {
    rig = await createRig({ idempotency: true, concurrency: 1, batchSize: 10, rows: 10 });
  });
  after(() => rig.close());

  const kinds: readonly (readonly [name: string, work: (random: Random) => Promise<FuzzReport>])[] = [
    [`${TRIED} configurations`, (random) => fuzzConfigurations(TRIED, random, rig)],
    [`${TRIED} connection strings`, (random) => fuzzConnectionStrings(TRIED, random, rig)],
    [`${TRIED} HTTP answers`, (random) => fuzzAnswers(TRIED, random)],
    ['20 runs that get nothing but broken HTTP answers', (random) => fuzzRuns(20, random)],
  ];
  for (const [name, work] of kinds) {
    itOnStandIn(`${name} (seed ${seed})`, async () => {
      const { result, problems } = await watchMemory(() => work(createRandom(seed)));
      assert.deepEqual([...result.problems, ...problems], []);
    });
  }
});
