/**
 * The one error class for what stops a run, an entity or a command. A failed batch is not an error but an Outcome
 * (ports.ts).
 */

/**
 * Stable codes, in the groups that exit-codes.ts knows: USAGE 64, CONFIG and SECRET 78, LOG_DATABASE and SOURCE (69 when
 * every entity fails so), LOCK_HELD (75 when every entity is locked). LOCK_LOST: the lock's connection was closed, or
 * another run has taken over. DESTINATION_REFUSED: an answer that no batch of the entity would change. OUTPUT_FAILED: what
 * a command prints could not be written. LOG_FILE_UNREADABLE: the program's own log. SCHEDULE_INEXACT: a scheduler cannot
 * keep the schedule exactly. SCHEDULER_FAILED: the scheduler's own program refused, or is not there.
 */
export type ErrorCode =
  | 'USAGE'
  | 'CONFIG_NOT_FOUND'
  | 'CONFIG_INVALID'
  | 'SECRET_UNRESOLVED'
  | 'LOG_DATABASE_UNAVAILABLE'
  | 'LOG_DATABASE_NOT_MIGRATED'
  | 'LOG_DATABASE_REFUSED'
  | 'MIGRATION_CHANGED'
  | 'SOURCE_UNAVAILABLE'
  | 'SOURCE_MISSING'
  | 'SOURCE_COLUMN_MISSING'
  | 'SOURCE_KEY_INVALID'
  | 'SOURCE_TOO_SMALL'
  | 'SOURCE_REFUSED'
  | 'MAP_INVALID'
  | 'DESTINATION_REFUSED'
  | 'LOCK_HELD'
  | 'LOCK_LOST'
  | 'OUTPUT_FAILED'
  | 'LOG_FILE_UNREADABLE'
  | 'SCHEDULE_INEXACT'
  | 'SCHEDULER_FAILED';

/**
 * Something that stops a run, an entity or a command, told to a person.
 *
 * `message` is one sentence that says what happened and where; `hint` one that says what to do. Neither holds a secret,
 * nor of a row more than its key.
 */
export class SyncError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SyncError';
    this.code = code;
    this.hint = hint;
  }
}

/** A sentence about an entity, its name first. */
export function ofEntity(name: string, text: string): string {
  return text.startsWith(`${name}: `) ? text : `${name}: ${text}`;
}
