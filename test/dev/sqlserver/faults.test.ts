import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Faults, faultMessage } from '../../../dev/sqlserver/faults.ts';

describe('planted faults', () => {
  it('strike every matching statement unless told which', () => {
    const faults = new Faults();
    const fault = faults.add({ match: /insert/i, action: { error: 2627 } });
    const struck = ['INSERT a', 'SELECT', 'insert b'].map((statement) => faults.meet(statement)?.action);
    assert.deepEqual(struck, [{ error: 2627 }, undefined, { error: 2627 }]);
    assert.equal(fault.hits, 2);
  });

  it('strike the n-th matching statement alone', () => {
    const faults = new Faults();
    const second = faults.add({ match: /x/, on: 2, action: { drop: 'before' } });
    const some = faults.add({ match: /x/, on: [1, 4], action: { drop: 'after' } });
    const struck = ['x', 'x', 'y', 'x', 'x'].map((statement) => faults.meet(statement)?.action);
    assert.deepEqual(struck, [{ drop: 'after' }, { drop: 'before' }, undefined, undefined, { drop: 'after' }]);
    assert.deepEqual([second.hits, some.hits], [1, 2]);
  });

  it('match a pattern with the g flag each time anew', () => {
    const faults = new Faults();
    const fault = faults.add({ match: /x/g, action: { error: 1 } });
    faults.meet('x');
    faults.meet('x');
    assert.equal(fault.hits, 2);
  });

  it('are gone once removed or cleared, and let held statements go', async () => {
    const faults = new Faults();
    const fault = faults.add({ match: /x/, action: { hold: true } });
    const strike = faults.meet('x');
    await fault.struck;
    fault.remove();
    await strike?.released;
    faults.add({ match: /x/, action: { error: 1 } });
    faults.clear();
    assert.equal(faults.meet('x'), undefined);
  });

  it('know the severities that decide what a client does', () => {
    assert.deepEqual(
      [1205, 2627, 4060, 18_456, 40_197, 77_777].map((error) => faultMessage({ error }).severity),
      [13, 14, 11, 14, 20, 16],
    );
    assert.equal(faultMessage({ error: 547, message: 'said so' }).message, 'said so');
  });
});
