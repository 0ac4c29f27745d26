import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attempt } from '../../src/sync/ports.ts';
import { isAlreadyGone, isAmbiguous, judge, RULES, type Verdict } from '../../src/sync/verdict.ts';

type Facts = Omit<Attempt, 'startedAt' | 'durationMs'>;

const status = (code: number): Facts => ({ status: code, ...(code >= 300 && { error: `HTTP ${code}` }) });
const upsert = { operation: 'upsert', keys: ['1'] } as const;
const statuses = (...codes: readonly number[]): Facts[] => codes.map(status);

/** Answer in the table → examples, verdict, verdict after an ambiguous attempt, whether it is ambiguous itself. */
const EXPECTED: Readonly<
  Record<string, readonly [examples: readonly Facts[], verdict: Verdict, afterAmbiguous: Verdict, ambiguous: boolean]>
> = {
  '2xx': [statuses(200, 201, 202, 204, 207, 299), 'accepted', 'accepted', false],
  '2xx whose report of rejected rows cannot be read': [
    [{ status: 200, error: 'its report of rejected rows cannot be read' }],
    'retry',
    'retry',
    true,
  ],
  '400, 422': [statuses(400, 422), 'halve', 'unknown', false],
  '409': [statuses(409), 'halve', 'retry', false],
  '413': [statuses(413), 'shrink', 'unknown', false],
  '408, 425, 429': [statuses(408, 425, 429), 'retry', 'retry', false],
  '501, 505': [statuses(501, 505), 'stop', 'stop', false],
  'any other 5xx': [statuses(500, 502, 503, 504, 507, 599), 'retry', 'retry', true],
  '3xx, any other 4xx': [
    statuses(301, 302, 307, 308, 401, 403, 404, 405, 406, 410, 411, 415, 418, 451),
    'stop',
    'stop',
    false,
  ],
  'no byte was sent (no connection, no tunnel, TLS failed)': [
    [{ error: 'ECONNREFUSED', notSent: true }],
    'retry',
    'retry',
    false,
  ],
  'no answer (timeout, reset, cut off)': [[{ error: 'ECONNRESET' }], 'retry', 'retry', true],
};

describe('what an answer means', () => {
  for (const { answer } of RULES) {
    it(answer, () => {
      const [examples, verdict, afterAmbiguous, ambiguous] = EXPECTED[answer] ?? [[]];
      assert.ok(examples.length > 0, 'a line of the table without an expectation');
      for (const facts of examples) {
        const attempt: Attempt = { startedAt: new Date(), durationMs: 1, ...facts };
        assert.deepEqual(
          [judge(attempt, false, upsert), judge(attempt, true, upsert), isAmbiguous(attempt)],
          [verdict, afterAmbiguous, ambiguous],
          JSON.stringify(facts),
        );
      }
    });
  }

  it('is in the table for every line expected here', () => {
    assert.deepEqual(RULES.map(({ answer }) => answer).sort(), Object.keys(EXPECTED).sort());
  });
});

describe('404 and 410', () => {
  const attemptOf = (code: number): Attempt => ({ startedAt: new Date(), durationMs: 1, ...status(code) });

  it('end the deletion of one row, and halve that of several, after an ambiguous attempt too', () => {
    for (const code of [404, 410]) {
      for (const ambiguous of [false, true]) {
        assert.equal(judge(attemptOf(code), ambiguous, { operation: 'delete', keys: ['1'] }), 'accepted');
        assert.equal(judge(attemptOf(code), ambiguous, { operation: 'delete', keys: ['1', '2'] }), 'halve');
      }
      assert.equal(isAlreadyGone({ operation: 'delete', keys: ['1'] }, attemptOf(code)), true);
    }
  });

  it('stop an entity whose rows are sent, and other answers mean the same to a deletion', () => {
    assert.equal(judge(attemptOf(404), false, upsert), 'stop');
    assert.equal(isAlreadyGone(upsert, attemptOf(404)), false);
    assert.equal(judge(attemptOf(403), false, { operation: 'delete', keys: ['1'] }), 'stop');
    assert.equal(judge(attemptOf(200), false, { operation: 'delete', keys: ['1'] }), 'accepted');
  });
});
