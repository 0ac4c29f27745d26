/** The one table of exit codes: what each means, and which a run or an error ends with. */
import type { ErrorCode } from './errors.ts';
import type { RunSummary } from './ports.ts';

/** Every exit code with its meaning, as `--help` and the README print it. */
export const EXIT_CODES: Readonly<Record<number, string>> = {
  0: 'all that was pending was accepted (or nothing was pending)',
  1: 'some batches or entities failed, are unknown or were left, rows became dead letters, or deletions were held back; the rest was accepted',
  2: 'something was pending and nothing was accepted',
  64: 'wrong usage',
  69: 'the log database, or every source, could not be reached or used',
  70: 'a bug: unexpected error',
  75: 'another run holds the lock of every entity asked for',
  78: 'configuration invalid',
  130: 'stopped by SIGINT after finishing what was in flight',
  143: 'stopped by SIGTERM after finishing what was in flight',
};

/** The exit code of a command that an error of this code ends. */
export function exitCodeOfError(code: ErrorCode): number {
  if (code === 'USAGE') return 64;
  if (code === 'LOCK_HELD') return 75;
  if (code.startsWith('CONFIG_') || code.startsWith('SECRET_')) return 78;
  if (code.startsWith('LOG_DATABASE_') || code.startsWith('SOURCE_') || code.startsWith('MIGRATION_')) return 69;
  return 1;
}

/**
 * The exit code of a run, the first that applies: 69 (no entity could use its source and the log database), 130/143, 75,
 * 2, 1, 0. That the run's end could not be stored is known only later, and is 69 as well.
 *
 * `signal` is what stopped the run, if anything did. Usage, configuration and bugs end a command before this is asked.
 */
export function exitCodeOfRun(
  { dryRun, entities }: Pick<RunSummary, 'dryRun' | 'entities'>,
  signal?: NodeJS.Signals,
): number {
  const codes = entities.map((entity) => entity.error?.code ?? '');
  if (entities.length > 0 && codes.every((code) => /^(LOG_DATABASE|SOURCE)_/.test(code))) return 69;
  if (signal !== undefined) return signal === 'SIGTERM' ? 143 : 130;
  if (entities.length > 0 && entities.every((entity) => entity.state === 'locked')) return 75;
  if (entities.some((entity) => entity.pending > 0) && !dryRun && entities.every((entity) => entity.accepted === 0)) {
    return 2;
  }
  const failed = entities.some(
    (entity) =>
      entity.state === 'failed' ||
      entity.state === 'locked' ||
      entity.stoppedBy === 'deadline' ||
      entity.stoppedBy === 'breaker' ||
      entity.heldDeletions > 0 ||
      (!dryRun && entity.refused + entity.unresolved + entity.newDeadLetters > 0),
  );
  return failed ? 1 : 0;
}
