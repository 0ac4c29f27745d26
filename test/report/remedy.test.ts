import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { remedyOf } from '../../src/report/remedy.ts';

describe('what to do about an error', () => {
  it('is what stopped the entity said, where it said so', () => {
    assert.equal(remedyOf({ hint: 'Check source.table.', httpStatus: 401 }), 'Check source.table.');
  });

  for (const [httpStatus, remedy] of [
    [undefined, /can be reached/],
    [400, /failures list/],
    [401, /destination\.auth/],
    [404, /destination\.url/],
    [409, /failures list/],
    [413, /destination\.batchSize/],
    [422, /failures list/],
    [429, /destination\.requestsPerSecond/],
    [500, /Ask who runs/],
    [501, /destination\.method/],
    [503, /Ask who runs/],
  ] as const) {
    it(`for ${httpStatus === undefined ? 'no answer' : `status ${httpStatus}`} leads to ${remedy}`, () => {
      assert.match(remedyOf(httpStatus === undefined ? {} : { httpStatus }), remedy);
    });
  }
});
