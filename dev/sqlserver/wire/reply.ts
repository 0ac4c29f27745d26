/** Turns what the engine says about one batch or call into tokens of the answer, with backpressure and planted faults. */
import { type EngineEvent, type ServerMessage, SqlServerError } from '../engine.ts';
import type { FaultAction } from '../faults.ts';
import type { Answer } from './messages.ts';
import {
  type DoneKind,
  writeColumns,
  writeDone,
  writeMessage,
  writeReturnStatus,
  writeReturnValue,
  writeRow,
  writeTextChange,
  writeTransactionChange,
} from './tokens.ts';
import type { Encoder } from './values.ts';

/** Thrown where a planted fault loses the connection; what has been written may still be sent first (`sendRest`). */
export class ConnectionLost extends Error {
  readonly sendRest: boolean;
  constructor(sendRest: boolean) {
    super('the connection was lost by a planted fault');
    this.name = 'ConnectionLost';
    this.sendRest = sendRest;
  }
}

type Output = Extract<EngineEvent, { kind: 'output' }>;
type DoneEvent = Extract<EngineEvent, { kind: 'done' }>;

/** Severity from which SQL Server closes the connection after the message. */
const FATAL = 20;

/** One batch's or one call's part of an answer. */
export class Reply {
  readonly #answer: Answer;
  readonly #statementDone: DoneKind;
  readonly #signal: AbortSignal;
  readonly #outputs: Output[] = [];
  /** A batch's last DONE lacks the "more" bit, so each waits until something follows it. */
  #pendingDone: DoneEvent | undefined;
  #encoders: readonly Encoder[] = [];
  #rows = 0;
  #rowsFault: FaultAction | undefined;
  #returnStatus: number | undefined;
  #unfinishedError: number | undefined;
  #lastError = 0;
  #fatal = false;

  constructor(answer: Answer, part: 'batch' | 'call', signal: AbortSignal) {
    this.#answer = answer;
    this.#statementDone = part === 'batch' ? 'done' : 'doneInProc';
    this.#signal = signal;
  }

  /** An error so severe was sent that the connection must be closed. */
  get isFatal(): boolean {
    return this.#fatal;
  }

  /** From now on the rows are counted for a fault that cuts or stalls the answer among them. */
  breakRows(fault: FaultAction): void {
    this.#rowsFault = fault;
  }

  /**
   * Writes all events, sending as the buffer fills. Stops early where the client cancels. An engine's SqlServerError, and
   * a row that can't be encoded, become an error message. Throws ConnectionLost by a planted fault, ConnectionGone.
   */
  async write(events: AsyncIterable<EngineEvent> | Iterable<EngineEvent>): Promise<void> {
    try {
      if (Symbol.asyncIterator in events) {
        for await (const event of events) {
          if (this.#signal.aborted) break;
          if (this.#accept(event)) await this.#pause();
        }
      } else {
        for (const event of events) {
          if (this.#signal.aborted) break;
          if (this.#accept(event)) await this.#pause();
        }
      }
    } catch (error) {
      this.fail(error);
    }
    if (this.#rowsFault !== undefined && 'truncateAfterRows' in this.#rowsFault) throw new ConnectionLost(true);
  }

  /** Writes an error's message; what is neither SQL Server's nor the connection's is a bug of the stand-in, and says so. */
  fail(error: unknown): void {
    if (error instanceof SqlServerError) {
      this.#message(error.info);
      return;
    }
    if (!(error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError)) throw error;
    const where = error.stack?.split('\n')[1]?.trim() ?? '';
    const message = `The stand-in failed: ${error.message} (${where})`;
    this.#message({ number: 50_000, severity: 16, state: 1, message, line: 0 });
  }

  /** Ends a batch. */
  finishBatch(inTransaction: boolean): void {
    const { rowCount, failed } = this.#pendingDone ?? {
      rowCount: undefined,
      failed: this.#unfinishedError !== undefined,
    };
    writeDone(this.#answer.out, 'done', { rowCount, failed, inTransaction });
  }

  /**
   * Ends a call: return status, output values, DONEPROC.
   *
   * @param outputs values known besides those that the engine gave
   * @param ordinalOf position of an output parameter in the call
   */
  finishCall(outputs: readonly Output[], ordinalOf: (name: string) => number, more: boolean): void {
    const { out } = this.#answer;
    this.#writePendingDone();
    writeReturnStatus(out, this.#returnStatus ?? this.#lastError);
    for (const { name, type, value } of [...outputs, ...this.#outputs]) {
      writeReturnValue(out, ordinalOf(name), name, type, value);
    }
    writeDone(out, 'doneProc', { more, failed: this.#unfinishedError !== undefined });
  }

  /** Writes one event; true where it is time to pause. */
  #accept(event: EngineEvent): boolean {
    const { out } = this.#answer;
    switch (event.kind) {
      case 'row':
        if (this.#rowsFault !== undefined) return this.#breakRow(this.#rowsFault, event.values);
        writeRow(out, this.#encoders, event.values);
        return this.#answer.isDue;
      case 'columns':
        this.#writePendingDone();
        this.#encoders = writeColumns(out, event.columns);
        return false;
      case 'done':
        this.#writePendingDone();
        this.#pendingDone = this.#unfinishedError === undefined ? event : { ...event, failed: true };
        this.#unfinishedError = undefined;
        return this.#answer.isDue;
      case 'message':
        this.#message(event.message);
        return false;
      case 'database':
        this.#writePendingDone();
        writeTextChange(out, 'database', event.to, event.from);
        return false;
      case 'transaction':
        this.#writePendingDone();
        writeTransactionChange(out, event.change, event.descriptor);
        return false;
      case 'output':
        this.#outputs.push(event);
        return false;
      case 'returnStatus':
        this.#returnStatus = event.value;
        return false;
    }
  }

  #message(message: ServerMessage): void {
    this.#writePendingDone();
    writeMessage(this.#answer.out, message);
    if (message.severity <= 10) return;
    this.#unfinishedError = message.number;
    this.#lastError = message.number;
    if (message.severity >= FATAL) this.#fatal = true;
  }

  #writePendingDone(): void {
    if (this.#pendingDone === undefined) return;
    const { rowCount, failed } = this.#pendingDone;
    writeDone(this.#answer.out, this.#statementDone, { rowCount, failed, more: true });
    this.#pendingDone = undefined;
  }

  #breakRow(fault: FaultAction, values: Parameters<typeof writeRow>[2]): boolean {
    const { out } = this.#answer;
    if ('stallAfterRows' in fault && this.#rows >= fault.stallAfterRows) return true;
    const start = out.length;
    writeRow(out, this.#encoders, values);
    if ('truncateAfterRows' in fault && this.#rows >= fault.truncateAfterRows) {
      out.truncate(start + Math.ceil((out.length - start) / 2));
      throw new ConnectionLost(true);
    }
    this.#rows += 1;
    return this.#answer.isDue;
  }

  async #pause(): Promise<void> {
    await this.#answer.flush();
    const fault = this.#rowsFault;
    if (fault === undefined || !('stallAfterRows' in fault) || this.#rows < fault.stallAfterRows) return;
    await aborted(this.#signal);
  }
}

/** Resolves when the client cancels or goes. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
