/** What an attempt's answer means for its batch. The one table of it; README and tests follow it line by line. */
import type { Attempt, Batch } from './ports.ts';

/**
 *   accepted  the destination took the batch, but for the rows that the answer reports
 *   retry     the same bytes again, later; where that is over: unknown after an ambiguous attempt, else refused
 *   halve     refused for what stands in it: isolate the bad rows
 *   shrink    refused for its size: halve it, and send smaller ones from now on
 *   unknown   it may have been taken, and this answer does not tell: leave it unresolved
 *   stop      no batch of the entity would be taken: stop the entity
 */
export type Verdict = 'accepted' | 'retry' | 'halve' | 'shrink' | 'unknown' | 'stop';

/** One line of the table. */
interface Rule {
  readonly answer: string;
  readonly fits: (attempt: Attempt) => boolean;
  readonly verdict: Verdict;
  /**
   * After an ambiguous attempt only a 2xx resolves a batch: its halves would have keys of their own, under which the
   * destination could take rows twice.
   */
  readonly afterAmbiguous: Verdict;
  /** Whether the destination may have taken the batch although it did not say so. */
  readonly ambiguous: boolean;
}

const between = (from: number, to: number) => (attempt: Attempt) =>
  attempt.status !== undefined && attempt.status >= from && attempt.status <= to;
const oneOf =
  (...statuses: readonly number[]) =>
  (attempt: Attempt) =>
    attempt.status !== undefined && statuses.includes(attempt.status);

/**
 * The first line that fits counts. Statuses: https://www.rfc-editor.org/rfc/rfc9110#section-15; 409 is what a receiver that
 * honours Idempotency-Key answers while the first request is in progress
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
 */
export const RULES: readonly Rule[] = [
  {
    answer: '2xx',
    fits: (attempt) => between(200, 299)(attempt) && attempt.error === undefined,
    verdict: 'accepted',
    afterAmbiguous: 'accepted',
    ambiguous: false,
  },
  {
    answer: '2xx whose report of rejected rows cannot be read',
    fits: between(200, 299),
    verdict: 'retry',
    afterAmbiguous: 'retry',
    ambiguous: true,
  },
  { answer: '400, 422', fits: oneOf(400, 422), verdict: 'halve', afterAmbiguous: 'unknown', ambiguous: false },
  { answer: '409', fits: oneOf(409), verdict: 'halve', afterAmbiguous: 'retry', ambiguous: false },
  { answer: '413', fits: oneOf(413), verdict: 'shrink', afterAmbiguous: 'unknown', ambiguous: false },
  { answer: '408, 425, 429', fits: oneOf(408, 425, 429), verdict: 'retry', afterAmbiguous: 'retry', ambiguous: false },
  { answer: '501, 505', fits: oneOf(501, 505), verdict: 'stop', afterAmbiguous: 'stop', ambiguous: false },
  { answer: 'any other 5xx', fits: between(500, 599), verdict: 'retry', afterAmbiguous: 'retry', ambiguous: true },
  {
    answer: '3xx, any other 4xx',
    fits: ({ status }) => status !== undefined,
    verdict: 'stop',
    afterAmbiguous: 'stop',
    ambiguous: false,
  },
  {
    answer: 'no byte was sent (no connection, no tunnel, TLS failed)',
    fits: ({ notSent }) => notSent === true,
    verdict: 'retry',
    afterAmbiguous: 'retry',
    ambiguous: false,
  },
  {
    answer: 'no answer (timeout, reset, cut off)',
    fits: () => true,
    verdict: 'retry',
    afterAmbiguous: 'retry',
    ambiguous: true,
  },
];

/** Of a deletion these say that the destination does not have what it is to delete. */
const GONE = oneOf(404, 410);

/** Whether it tells of the one row of a deletion that the destination did not have it. */
export function isAlreadyGone({ operation, keys }: Pick<Batch, 'operation' | 'keys'>, attempt: Attempt): boolean {
  return operation === 'delete' && keys.length === 1 && GONE(attempt);
}

/**
 * The verdict on an attempt; `ambiguous`: whether an earlier one of its batch was, or this is a replay.
 *
 * 404 and 410 end the deletion of one row. To several they say nothing of the others: these are halved, also after an
 * ambiguous attempt, since a row may be deleted twice.
 */
export function judge(attempt: Attempt, ambiguous: boolean, batch: Pick<Batch, 'operation' | 'keys'>): Verdict {
  if (isAlreadyGone(batch, attempt)) return 'accepted';
  if (batch.operation === 'delete' && GONE(attempt)) return 'halve';
  const rule = ruleOf(attempt);
  return ambiguous ? rule.afterAmbiguous : rule.verdict;
}

/** Whether the destination may have taken the batch by this attempt, although it did not say so. */
export function isAmbiguous(attempt: Attempt): boolean {
  return ruleOf(attempt).ambiguous;
}

function ruleOf(attempt: Attempt): Rule {
  // The last rule fits everything.
  return RULES.find(({ fits }) => fits(attempt)) as Rule;
}
