import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scaleTop } from '../../src/report/scale.ts';

describe('the top of a scale', () => {
  it('is the greatest amount', () => {
    assert.equal(scaleTop([3, 0, 7]), 7);
    assert.equal(scaleTop([0, Number.NaN, -4]), 0);
    assert.equal(scaleTop([]), 0);
  });

  it('leaves out a first load that is far above every other night', () => {
    assert.equal(scaleTop([200_000, 118, 120, 90]), 120);
    assert.equal(scaleTop([200_000, 118, 120, 90, 7000]), 120);
  });

  it('leaves nothing out where little else is known, or much is as great', () => {
    assert.equal(scaleTop([200_000, 118]), 200_000);
    assert.equal(scaleTop([9000, 8000, 7000, 6000, 10, 12]), 9000);
  });
});
