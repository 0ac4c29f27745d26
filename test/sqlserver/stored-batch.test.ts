import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { packBatch, unpackBatch, unpackKeys } from '../../src/sqlserver/stored-batch.ts';
import { batchOf } from './fixture.ts';

describe('a stored batch', () => {
  it('comes back byte for byte', async () => {
    const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 255 });
    await fc.assert(
      fc.asyncProperty(fc.array(key, { minLength: 1, maxLength: 50 }), async (keys) => {
        const batch = batchOf(keys);
        const {
          id,
          keys: storedKeys,
          hashes,
          offsets,
          body,
        } = await unpackBatch(batch.id, 'upsert', await packBatch(batch));
        assert.equal(id, batch.id);
        assert.deepEqual(storedKeys, keys);
        assert.deepEqual(Buffer.from(hashes), Buffer.from(batch.hashes));
        assert.deepEqual([...offsets], [...batch.offsets]);
        assert.deepEqual(Buffer.from(body), Buffer.from(batch.body));
      }),
      { numRuns: 50 },
    );
  });

  it('takes less room than the body it holds', async () => {
    const batch = batchOf(Array.from({ length: 3000 }, (_, index) => `key ${index}`));
    const { body, rowKeys } = await packBatch(batch);
    assert.ok(body.length + rowKeys.length < batch.body.length);
  });

  for (const part of ['body', 'rowKeys'] as const) {
    it(`is refused by its id where a byte of its ${part} has changed`, async () => {
      const batch = batchOf(['a', 'b']);
      const stored = await packBatch(batch);
      const damaged = Buffer.from(stored[part]);
      const middle = damaged.length >> 1;
      damaged[middle] = (damaged[middle] ?? 0) ^ 1;
      await assert.rejects(unpackBatch(batch.id, 'upsert', { ...stored, [part]: damaged }), (error: Error) => {
        assert.match(error.message, new RegExp(`Batch ${batch.id} .* is damaged`));
        return true;
      });
    });
  }

  it('gives its keys without its body, and is refused where they are not there', async () => {
    const batch = batchOf(['a', '三😀']);
    const { rowKeys } = await packBatch(batch);
    assert.deepEqual(await unpackKeys(batch.id, rowKeys), batch.keys);
    await assert.rejects(unpackKeys(batch.id, null), { code: 'LOG_DATABASE_REFUSED', message: new RegExp(batch.id) });
  });

  it('is refused where its body is another one of the same kind', async () => {
    const batch = batchOf(['a']);
    const stored = await packBatch(batch);
    const { body } = await packBatch(batchOf(['b']));
    await assert.rejects(unpackBatch(batch.id, 'upsert', { ...stored, body }), { code: 'LOG_DATABASE_REFUSED' });
  });
});
