/**
 * Faults that a test plants in the stand-in: on the n-th statement that matches a pattern, an error, a lost connection,
 * a delay, an answer that is cut off or stalls. This file says what and when; wire/ carries it out.
 *
 * Statements are the text of SQL batches and sp_executesql calls, `EXEC name` for other procedures, the INSERT BULK
 * statement for a bulk load's rows, `BEGIN TRANSACTION`, `COMMIT TRANSACTION`, `ROLLBACK TRANSACTION` for transaction
 * manager requests, and `LOGIN database` for a login.
 */
import type { ServerMessage } from './engine.ts';

/** What befalls a statement. */
export type FaultAction =
  /** The statement is not run and fails with this number. 1205 also rolls the transaction back; severity 20 and more closes. */
  | { readonly error: number; readonly message?: string }
  /** The connection is lost before the statement runs, or after it has run and before its answer. */
  | { readonly drop: 'before' | 'after' }
  | { readonly delayMs: number }
  /** The statement waits until the fault is released, or the client cancels. */
  | { readonly hold: true }
  /** The statement waits until the fault is released or the connection ends; a client that cancels gets no answer either. */
  | { readonly hang: true }
  /** After this many rows the answer ends in the middle of the next one, and the connection is lost. */
  | { readonly truncateAfterRows: number }
  /** After this many rows nothing more comes, until the client cancels. */
  | { readonly stallAfterRows: number };

/** When a fault strikes. */
export interface FaultRule {
  readonly match: RegExp;
  /** Which of the matching statements, counted from 1 since the fault was planted; every one if absent. */
  readonly on?: number | readonly number[];
  readonly action: FaultAction;
}

/** A planted fault. */
export interface Fault {
  /** How often it has struck. */
  readonly hits: number;
  /** Resolves when it strikes for the first time. */
  readonly struck: Promise<void>;
  /** Lets statements that are held go on, now and later. */
  release(): void;
  /** Takes it away; held statements go on. */
  remove(): void;
}

/** A fault that has to be carried out now. */
export interface Strike {
  readonly action: FaultAction;
  /** Resolves when a held statement may go on. */
  readonly released: Promise<void>;
}

class PlantedFault implements Fault {
  readonly rule: FaultRule;
  readonly #all: Set<PlantedFault>;
  readonly #struck = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();
  #matches = 0;
  hits = 0;

  constructor(rule: FaultRule, all: Set<PlantedFault>) {
    this.rule = rule;
    this.#all = all;
  }

  get struck(): Promise<void> {
    return this.#struck.promise;
  }

  get released(): Promise<void> {
    return this.#released.promise;
  }

  /** Counts the statement; true where the fault strikes it. */
  meets(statement: string): boolean {
    if (statement.search(this.rule.match) < 0) return false;
    this.#matches += 1;
    const { on } = this.rule;
    return on === undefined || (typeof on === 'number' ? on === this.#matches : on.includes(this.#matches));
  }

  strike(): Strike {
    this.hits += 1;
    this.#struck.resolve();
    return { action: this.rule.action, released: this.released };
  }

  release(): void {
    this.#released.resolve();
  }

  remove(): void {
    this.#all.delete(this);
    this.release();
  }
}

/** All faults of one server. */
export class Faults {
  readonly #planted = new Set<PlantedFault>();

  /** Plants a fault. Where several would strike one statement, the first planted does. */
  add(rule: FaultRule): Fault {
    const fault = new PlantedFault(rule, this.#planted);
    this.#planted.add(fault);
    return fault;
  }

  /** Takes all faults away; held statements go on. */
  clear(): void {
    for (const fault of [...this.#planted]) fault.remove();
  }

  /** The fault that strikes this statement, if any. Every planted fault counts the statement. */
  meet(statement: string): Strike | undefined {
    const meeting = [...this.#planted].filter((fault) => fault.meets(statement));
    return meeting[0]?.strike();
  }
}

/** Severity and text of the numbers that tests use most. https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors */
const MESSAGES: Readonly<Record<number, readonly [severity: number, message: string]>> = {
  1205: [
    13,
    'Transaction (Process ID 51) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.',
  ],
  1222: [16, 'Lock request time out period exceeded.'],
  2601: [
    14,
    "Cannot insert duplicate key row in object 'dbo.T' with unique index 'UQ_T'. The duplicate key value is (1).",
  ],
  2627: [
    14,
    "Violation of PRIMARY KEY constraint 'PK_T'. Cannot insert duplicate key in object 'dbo.T'. The duplicate key value is (1).",
  ],
  3906: [16, 'Failed to update database "TAMHR_LOG" because the database is read-only.'],
  4060: [11, 'Cannot open database "missing" requested by the login. The login failed.'],
  4221: [16, "Login to read-secondary failed due to long wait on 'HADR_DATABASE_WAIT_FOR_TRANSITION_TO_VERSIONING'."],
  9002: [17, "The transaction log for database 'TAMHR_LOG' is full due to 'LOG_BACKUP'."],
  10928: [16, 'Resource ID: 1. The request limit for the database is 60 and has been reached.'],
  10929: [
    16,
    'Resource ID: 1. The server is currently too busy to support requests greater than 60 for this database.',
  ],
  18456: [14, "Login failed for user 'sa'."],
  40197: [20, 'The service has encountered an error processing your request. Please try again. Error code 40540.'],
  40501: [16, 'The service is currently busy. Retry the request after 10 seconds.'],
  40613: [
    17,
    "Database 'TAMHR_LOG' on server 'standin' is not currently available. Please retry the connection later.",
  ],
  49918: [16, 'Cannot process request. Not enough resources to process request.'],
};

/** The message that a fault with an error number puts before the client. */
export function faultMessage(action: { readonly error: number; readonly message?: string }): ServerMessage {
  const [severity, text] = MESSAGES[action.error] ?? [16, `Error ${action.error}, planted by a test.`];
  return { number: action.error, severity, state: 1, message: action.message ?? text, line: 1 };
}
