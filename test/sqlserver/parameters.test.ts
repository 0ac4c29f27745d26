import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binary, cut, nvarchar } from '../../src/sqlserver/parameters.ts';

describe('parameters', () => {
  it('cut text to the length of their column', () => {
    assert.deepEqual(nvarchar('abcdef', 3), { type: 'NVarChar', value: 'abc', length: 3 });
    assert.deepEqual(nvarchar(null, 3), { type: 'NVarChar', value: null, length: 3 });
  });

  it('never cut a character in two', () => {
    assert.equal(cut('ab😀', 3), 'ab');
    assert.equal(cut('ab😀', 4), 'ab😀');
  });

  it('take any bytes, views of a larger buffer too', () => {
    const bytes = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
    assert.deepEqual(binary(bytes, 3).value, Buffer.from([1, 2, 3]));
  });
});
