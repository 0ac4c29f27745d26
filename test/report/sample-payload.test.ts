import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { masked, payloadAt } from '../../src/report/sample-payload.ts';

/** A batch's body and where its rows begin, from the JSON of each row. */
function batchOf(rows: readonly string[]) {
  const offsets = rows.map((_, index) => Buffer.byteLength(`[${rows.slice(0, index).join(',')}`) + (index > 0 ? 1 : 0));
  return { offsets: Uint32Array.from(offsets), body: Buffer.from(`[${rows.join(',')}]`) };
}

describe('a sample payload', () => {
  it('is what stands in the body, to the last digit', () => {
    const rows = [
      '{"Id":1,"Salary":12.50,"Big":12345678901234567890.123456789}',
      '{"Name":"日本 \\" ,]","Left":null}',
      '{}',
    ];
    const batch = batchOf(rows);
    for (const [index, row] of rows.entries()) assert.equal(JSON.stringify(payloadAt(batch, index)), row);
  });

  it('is any JSON of any row', () => {
    // A member with that name would set the prototype of what it is assigned to.
    const json = fc.json().map((text) => JSON.stringify(JSON.parse(text)));
    fc.assert(
      fc.property(fc.array(json, { minLength: 1, maxLength: 5 }), (rows) => {
        const batch = batchOf(rows);
        for (const [index, row] of rows.entries()) assert.equal(JSON.stringify(payloadAt(batch, index)), row);
      }),
    );
  });

  it('when masked keeps its fields, and of their values only which are null', () => {
    const [payload] = [payloadAt(batchOf(['{"Id":1,"Name":"Ani","Left":null,"On":true,"__proto__":2.50,"E":""}']), 0)];
    assert.equal(
      JSON.stringify(masked(payload)),
      '{"Id":"***","Name":"***","Left":null,"On":"***","__proto__":"***","E":"***"}',
    );
  });

  it('when masked does not tell how long anything is', () => {
    const maskedOf = (json: string) => JSON.stringify(masked(payloadAt(batchOf([json]), 0)));
    assert.equal(maskedOf('{"Tags":[1,"two",{"x":3}],"In":{"Deep":1e400}}'), '{"Tags":["***"],"In":{"Deep":"***"}}');
    assert.equal(maskedOf('"only a key"'), '"***"');
    assert.equal(maskedOf('[]'), '[]');
  });

  it('when masked holds no value, whatever the values are', () => {
    const value = fc.oneof(
      fc.string({ minLength: 4 }),
      fc.integer({ min: 1000 }),
      fc.double({ min: 1000, noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), (values) => {
        const json = JSON.stringify({
          F: values,
          G: Object.fromEntries(values.map((one, index) => [`f${index}`, one])),
        });
        const text = JSON.stringify(masked(payloadAt(batchOf([json]), 0)));
        assert.match(text, /^\{"F":\[("\*\*\*")?\],"G":\{("f\d":"\*\*\*",?)*\}\}$/);
      }),
    );
  });
});
