/** What commands do that change entities' state while a run may be at work on some of them. */
import { SyncError } from '../sync/errors.ts';
import type { CommandContext } from './context.ts';

/** Undefined where a run holds the entity's lock; stderr says which. */
export async function unlessLocked<T>({ io }: CommandContext, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'LOCK_HELD') throw error;
    io.stderr.write(`error: ${error.message}\n${error.hint}\n`);
    return undefined;
  }
}
