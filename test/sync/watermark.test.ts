import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareWatermarks, decodeTime, encodeTime } from '../../src/sync/watermark.ts';

/** What SQL Server can hold. */
const time = fc.date({
  min: new Date('0001-01-01T00:00:00.000Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});

test('a time comes back from its watermark', () => {
  fc.assert(fc.property(time, (date) => assert.deepEqual(decodeTime(encodeTime(date)), date)));
});

test('watermarks sort as their times do, before 1970 too', () => {
  fc.assert(
    fc.property(time, time, (a, b) => {
      assert.equal(Math.sign(compareWatermarks(encodeTime(a), encodeTime(b))), Math.sign(a.getTime() - b.getTime()));
    }),
  );
});

test('a watermark of a time is eight bytes, which stay what they are from release to release', () => {
  const hex = (text: string) => Buffer.from(encodeTime(new Date(text))).toString('hex');
  assert.equal(hex('1970-01-01T00:00:00.000Z'), '8000000000000000');
  assert.equal(hex('1969-12-31T23:59:59.999Z'), '7fffffffffffffff');
  assert.equal(hex('2026-11-25T15:44:40.123Z'), '800001a2136166bb');
});

test('a watermark is read from a view of a larger buffer', () => {
  const date = new Date('2026-11-25T15:44:40.123Z');
  const larger = Buffer.concat([Buffer.from([1, 2, 3]), encodeTime(date), Buffer.from([4])]);
  assert.deepEqual(decodeTime(larger.subarray(3, 11)), date);
});

test('bytes that no time was made of are refused', () => {
  for (const bytes of [new Uint8Array(7), new Uint8Array(9), new Uint8Array(8)]) {
    assert.throws(() => decodeTime(bytes), RangeError);
  }
  assert.throws(() => encodeTime(new Date(Number.NaN)), RangeError);
});
