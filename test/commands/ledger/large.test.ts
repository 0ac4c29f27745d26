import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sampleRows } from '../../../dev/sqlserver/sample-rows.ts';
import { useLedger } from './fixture.ts';

const TRACKED = 200_000;
/** The others have left since; to read them all takes the stand-in a minute more, and proves no more. */
const IN_SOURCE = 40_000;
const FORGOTTEN = 7000;

describe('a ledger of 200,000 rows that the old job left', () => {
  const { job, file } = useLedger({ rows: { Users: IN_SOURCE }, oldJob: { rows: TRACKED } });

  // In processes of their own: this one has the server to itself, and its promises are watched by node:test.
  async function documentOf(expectedCode: number, ...args: string[]) {
    const { code, stdout, stderr } = await job.run([...args, '--entity', 'Users', '--json']);
    assert.equal(code, expectedCode, stderr);
    return JSON.parse(stdout);
  }

  it('is adopted, forgotten in part, sent again and verified, under both labels', async () => {
    const [adopted] = (await documentOf(0, 'ledger', 'adopt')).entities;
    assert.deepEqual([adopted.added, adopted.rehashed, adopted.unchanged], [0, IN_SOURCE, 0]);

    const keys = [...sampleRows('Users', FORGOTTEN)].map(({ Id }) => Id);
    const name = await file('forget.csv', `Id\n${keys.join('\n')}\n`);
    assert.equal((await documentOf(0, 'ledger', 'forget', '--keys', name, '--yes')).total, FORGOTTEN);
    assert.equal((await documentOf(0, 'run')).entities[0].accepted, FORGOTTEN);
    assert.deepEqual(new Set(job.receiver.accepted('/users').keys()), new Set(keys));

    const [verified] = (await documentOf(1, 'ledger', 'verify')).entities;
    const { sourceRows, trackedRows, missing, stale, withoutHash, orphaned } = verified;
    assert.deepEqual([sourceRows, trackedRows], [IN_SOURCE, TRACKED]);
    assert.deepEqual([missing.count, stale.count, withoutHash.count], [0, 0, 0]);
    assert.equal(orphaned.count, TRACKED - IN_SOURCE);
  });
});
