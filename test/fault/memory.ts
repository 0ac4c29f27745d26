/** Tells work that takes memory without bound. */
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What work may need at its highest, and keep when it is over: far more than it should, and far less than there is. */
const MAX_PEAK_BYTES = 512 * 1024 * 1024;
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/** Does the work; what it gives, and what is wrong with the memory it took, a sentence each. */
export async function watchMemory<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly problems: string[] }> {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  /** What is being closed is let go of in the next turn of the event loop. */
  const collectGarbage = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn += 1) {
      await setImmediate();
      gc();
    }
  };
  const bytesInUse = (): number => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  await collectGarbage();
  const before = bytesInUse();
  let peak = before;
  const sampler = setInterval(() => {
    peak = Math.max(peak, bytesInUse());
  }, 20);
  const result = await work().finally(() => clearInterval(sampler));
  await collectGarbage();
  const kept = bytesInUse() - before;
  const problems: string[] = [];
  if (peak - before > MAX_PEAK_BYTES) problems.push(`it took ${megabytes(peak - before)} MB at its highest`);
  if (kept > MAX_KEPT_BYTES) problems.push(`it kept ${megabytes(kept)} MB`);
  return { result, problems };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
