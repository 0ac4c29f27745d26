/** What to do about an error of an entity, for the status report. README's "What the receiver answers" says the same at length. */
import type { EntityError } from '../sync/history.ts';
import { refusalHint } from '../sync/refusal.ts';

/** One sentence that says what to do. */
export function remedyOf({ hint, httpStatus }: Pick<EntityError, 'hint' | 'httpStatus'>): string {
  if (hint !== undefined) return hint;
  if (httpStatus === undefined) {
    return 'See whether the destination can be reached from the machine that runs the job; the next run sends the same bytes again.';
  }
  if ([400, 409, 422].includes(httpStatus)) {
    return 'Rows that are refused by themselves become dead letters, the others go through: tamhr-sync failures list.';
  }
  if (httpStatus === 413) return 'Too large a batch is halved; a smaller destination.batchSize spares the attempts.';
  if ([408, 425, 429].includes(httpStatus)) {
    return 'The destination asks for a slower pace: destination.requestsPerSecond and rowsPerSecond set one.';
  }
  if (httpStatus >= 500 && ![501, 505].includes(httpStatus)) {
    return 'Ask who runs the destination what happened there; the next run sends what is left.';
  }
  return refusalHint(httpStatus, 'destination');
}
