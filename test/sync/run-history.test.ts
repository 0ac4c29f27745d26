import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { findRun, shortIds } from '../../src/sync/run-history.ts';

const runsOf = (...ids: string[]) => ids.map((runId) => ({ runId, startedAt: new Date(0) }));
const [A, B, C] = [
  'aaaaaaaa-0000-4000-8000-000000000001',
  'aaaaaaaa-0000-4000-8000-000000000002',
  'cccccccc-0000-4000-8000-000000000003',
] as const;

describe('finding a run by what somebody typed', () => {
  it('a beginning that one run has names it; one that several have names none of them', () => {
    assert.deepEqual(findRun('c', runsOf(A, B, C)), { runId: C });
    assert.deepEqual(findRun('AAAAAAAA-0', runsOf(A, B, C)), { fitting: runsOf(A, B) });
  });

  it('last is the newest', () => {
    assert.deepEqual(findRun('last', runsOf(B, A)), { runId: B });
    assert.deepEqual(findRun('last', []), { near: [] });
  });

  it('where none fits, those are near that have the longest beginning in common; else the newest five', () => {
    assert.deepEqual(findRun('aaaaaaaa-1', runsOf(C, A, B)), { near: runsOf(A, B) });
    const many = runsOf(...Array.from('12345678', (digit) => digit.repeat(8)));
    assert.deepEqual(findRun('nonsense', many), { near: many.slice(0, 5) });
    assert.deepEqual(findRun('', many), { near: many.slice(0, 5) });
  });

  it('the shortened id of a list finds its run in that list', () => {
    const ids = fc.uniqueArray(
      fc.uuid().map((id) => id.replace(/^.{7}/, 'aaaaaaa')),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(ids, (list) => {
        const short = shortIds(list);
        for (const id of list) assert.deepEqual(findRun(short(id), runsOf(...list)), { runId: id });
      }),
    );
  });
});
