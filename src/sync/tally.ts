/** Counts of an entity's run while they grow. */
import type { EntitySummary } from './ports.ts';

/** The counts of an EntitySummary. */
export type Tally = {
  -readonly [Count in
    | 'read'
    | 'tracked'
    | 'pending'
    | 'accepted'
    | 'refused'
    | 'unresolved'
    | 'newDeadLetters'
    | 'oldDeadLetters'
    | 'left']: EntitySummary[Count];
} & { readonly batches: { -readonly [Count in keyof EntitySummary['batches']]: number } };

/** All counts at zero. */
export function emptyTally(): Tally {
  return {
    read: 0,
    tracked: 0,
    pending: 0,
    accepted: 0,
    refused: 0,
    unresolved: 0,
    newDeadLetters: 0,
    oldDeadLetters: 0,
    left: 0,
    batches: { pending: 0, accepted: 0, refused: 0, unresolved: 0, split: 0 },
  };
}
