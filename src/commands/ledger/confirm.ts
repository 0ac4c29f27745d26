/** A question that is answered by yes or no on a terminal. */
import { createInterface } from 'node:readline/promises';
import type { Readable } from 'node:stream';
import type { TextStream } from '../context.ts';

/**
 * Whether the answer is yes: `y` or `yes` in any case. Everything else is no, the end of the input included. Rejects when
 * `signal` aborts.
 */
export async function confirm(
  input: Readable,
  output: TextStream,
  question: string,
  signal: AbortSignal,
): Promise<boolean> {
  // The terminal's own line mode: Ctrl-C stays a signal, which the command handles as at any other time.
  const lines = createInterface({ input, terminal: false });
  const closed = Promise.withResolvers<string>();
  lines.once('close', () => closed.resolve(''));
  try {
    output.write(`${question} [y/N] `);
    const answer = await Promise.race([lines.question('', { signal }), closed.promise]);
    return /^\s*y(es)?\s*$/i.test(answer);
  } catch (error) {
    // What is said of it begins a line.
    output.write('\n');
    throw error;
  } finally {
    lines.close();
    input.pause();
  }
}
