/** What every command gets: the outside world (Io), the loaded configuration, and the way to set the exit code. */
import type { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import type { Config } from '../config/config.ts';
import type { Redactor } from '../log/redact.ts';

/** A text stream of the process. `columns` is the terminal's width, absent where it is none. */
export interface TextStream {
  /** `written` is called once the text has left the process, or cannot: with the error; in the order of the texts. */
  write(text: string, written?: (error?: Error | null) => void): void;
  readonly isTTY: boolean;
  readonly columns?: number | undefined;
}

/** The outside world of one start of the program; bin/ passes the process's, tests their own. */
export interface Io {
  /** Results only. */
  readonly stdout: TextStream;
  /** Log, progress, warnings and errors. */
  readonly stderr: TextStream;
  /** Standard input, which is opened when this is called. */
  readonly stdin?: () => Readable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Emits SIGINT, SIGTERM, SIGHUP and SIGBREAK as `process` does. */
  readonly signals: EventEmitter;
}

/** Passed to each command's `register`. */
export interface CommandContext {
  /** Both streams redact what `redactor` knows. */
  readonly io: Io;
  readonly redactor: Redactor;
  /** Sets the exit code that main returns; without a call it is 0. */
  exit(code: number): void;
  /**
   * Loads the configuration that --config and --secrets name (once), hands its secrets to the redactor and prints its
   * warnings on stderr, unless `warn` is false. Throws SyncError CONFIG_* or SECRET_UNRESOLVED.
   */
  loadConfig(warn?: boolean): Promise<Config>;
}
