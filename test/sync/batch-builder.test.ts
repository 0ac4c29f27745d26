import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BatchRow, createBatchBuilder } from '../../src/sync/batch-builder.ts';
import type { Batch } from '../../src/sync/ports.ts';

const rowOf = (json: string, index: number): BatchRow => ({
  key: `${index}`,
  json: Buffer.from(json),
  hash: Buffer.alloc(16, index),
});
const jsonRow = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => JSON.stringify({ text }));

function build(rows: readonly BatchRow[], limits: { batchSize: number; maxBatchBytes?: number }): Batch[] {
  let ids = 0;
  const builder = createBatchBuilder('upsert', limits, () => `id ${ids++}`);
  const batches = rows.flatMap((row) => builder.add(row));
  const rest = builder.flush();
  return rest ? [...batches, rest] : batches;
}

test('10,000 rows at 3,000 a batch are 3,000 + 3,000 + 3,000 + 1,000', () => {
  const rows = Array.from({ length: 10_000 }, (_, index) => rowOf('{}', index));
  assert.deepEqual(
    build(rows, { batchSize: 3000 }).map((batch) => batch.keys.length),
    [3000, 3000, 3000, 1000],
  );
});

test('batches hold every row once, in order, and as JSON, whatever the limits', () => {
  fc.assert(
    fc.property(
      fc.array(jsonRow, { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.option(fc.integer({ min: 150, max: 400 }), { nil: undefined }),
      (jsons, batchSize, maxBatchBytes) => {
        const rows = jsons.map(rowOf);
        const batches = build(rows, { batchSize, ...(maxBatchBytes !== undefined && { maxBatchBytes }) });
        assert.deepEqual(
          batches.flatMap((batch) => JSON.parse(Buffer.from(batch.body).toString())),
          jsons.map((json) => JSON.parse(json)),
        );
        assert.deepEqual(
          batches.flatMap((batch) => batch.keys),
          rows.map((row) => row.key),
        );
        for (const batch of batches) {
          assert.ok(batch.keys.length <= batchSize && batch.keys.length > 0);
          assert.ok(batch.body.length <= (maxBatchBytes ?? Number.POSITIVE_INFINITY));
          assert.equal(batch.hashes.length, 16 * batch.keys.length);
        }
        if (maxBatchBytes === undefined) {
          for (const batch of batches.slice(0, -1)) assert.equal(batch.keys.length, batchSize);
        }
      },
    ),
  );
});

test('no row is lost when batchSize falls while rows wait, even where the next row is too many bytes as well', () => {
  fc.assert(
    fc.property(
      fc.array(jsonRow, { maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 100, max: 300 }),
      (jsons, sizes, maxBatchBytes) => {
        const limits = { batchSize: 8, maxBatchBytes };
        const builder = createBatchBuilder('upsert', limits, () => 'id');
        const batches = jsons.flatMap((json, index) => {
          limits.batchSize = Math.min(limits.batchSize, sizes[index % sizes.length] as number);
          return builder.add(rowOf(json, index));
        });
        const rest = builder.flush();
        assert.deepEqual(
          [...batches, ...(rest ? [rest] : [])].flatMap((batch) => batch.keys),
          jsons.map((_, index) => String(index)),
        );
      },
    ),
  );
});

test("a row's offset is where its JSON begins in the body", () => {
  fc.assert(
    fc.property(fc.array(jsonRow, { minLength: 1, maxLength: 10 }), (jsons) => {
      const [batch] = build(jsons.map(rowOf), { batchSize: 100 });
      assert.ok(batch);
      for (const [index, offset] of batch.offsets.entries()) {
        const json = Buffer.from(jsons[index] as string);
        assert.deepEqual(Buffer.from(batch.body.subarray(offset, offset + json.length)), json);
      }
    }),
  );
});

test('a payload fits exactly when a batch of it alone is within maxBatchBytes', () => {
  const builder = createBatchBuilder('upsert', { batchSize: 10, maxBatchBytes: 12 }, () => 'id');
  assert.equal(builder.fits(Buffer.from('"12345678"')), true);
  assert.equal(builder.fits(Buffer.from('"123456789"')), false);
  assert.equal(builder.fits(Buffer.from('"1234567é"')), false);
});
