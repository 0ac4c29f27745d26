import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { createBatchBuilder } from '../../src/sync/batch-builder.ts';
import { halvesOf } from '../../src/sync/halves.ts';
import type { Batch } from '../../src/sync/ports.ts';

/** Taken apart to single rows, in order. */
function rowsOf(batch: Batch): Batch[] {
  return batch.keys.length === 1 ? [batch] : halvesOf(batch, () => 'half').flatMap(rowsOf);
}

test('halves hold the rows of their batch in order, byte for byte, however often they are halved', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { minLength: 2, maxLength: 40 }), (values) => {
      const rows = values.map((value, index) => ({
        key: String(index),
        json: Buffer.from(JSON.stringify({ é: value })),
        hash: Buffer.alloc(16, index),
      }));
      const builder = createBatchBuilder('upsert', { batchSize: rows.length }, () => 'whole');
      const [batch] = rows.flatMap((row) => builder.add(row));
      assert.ok(batch);
      const [first, second] = halvesOf(batch, () => 'half');
      assert.deepEqual([...first.keys, ...second.keys], batch.keys);
      assert.ok(first.keys.length - second.keys.length <= 1);
      for (const [index, single] of rowsOf(batch).entries()) {
        const row = rows[index];
        assert.deepEqual(single.keys, [row?.key]);
        assert.equal(Buffer.from(single.body).toString(), `[${row?.json.toString()}]`);
        assert.deepEqual(Buffer.from(single.hashes), row?.hash);
        assert.deepEqual([...single.offsets], [1]);
      }
    }),
  );
});
