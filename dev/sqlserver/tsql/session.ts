/** A session as the wire sees it: drives the statements' generators, waits where they wait, stops where the client says so. */
import type { EngineEvent, LoginRequest, Parameter, ResultColumn, Session, SqlValue } from '../engine.ts';
import { SqlServerError } from '../engine.ts';
import { message, messageInfo } from './errors.ts';
import { runRequest } from './run/batch.ts';
import { runBulk } from './run/bulk.ts';
import { SessionCore, type Step } from './run/core.ts';
import { callProcedure } from './run/procedures.ts';
import type { Server } from './run/server.ts';
import { storer } from './values/stored.ts';

/** How long a request runs before it lets the event loop have a turn. */
const sliceMs = 50;

const killed = message(596, 21, 1, 'Cannot continue the execution because the session is in the kill state.', 1).info;

const isolationLevels = [
  '',
  'READ UNCOMMITTED',
  'READ COMMITTED',
  'REPEATABLE READ',
  'SERIALIZABLE',
  'SNAPSHOT',
] as const;

/** The Session that engine.ts hands out. */
export class StandInSession implements Session {
  readonly id: number;
  private readonly core: SessionCore;
  private readonly server: Server;
  private isClosed = false;
  /** Aborted when the session ends, so that nothing waits for its locks. */
  private readonly ending = new AbortController();

  constructor(server: Server, request: LoginRequest, database: string) {
    this.server = server;
    this.core = new SessionCore(server, request, database);
    this.id = this.core.sessionId;
    server.sessions.add(this);
  }

  get database(): string {
    return this.core.database;
  }

  get transaction(): bigint {
    return this.core.transaction;
  }

  get activeRowversion(): bigint | undefined {
    return this.core.activeRowversion;
  }

  execute(sql: string, parameters: readonly Parameter[] | undefined, signal: AbortSignal): AsyncIterable<EngineEvent> {
    return this.drive(runRequest(this.core, sql, parameters), signal);
  }

  call(procedure: string, parameters: readonly Parameter[], signal: AbortSignal): AsyncIterable<EngineEvent> {
    return this.drive(this.callSteps(procedure, parameters), signal);
  }

  private *callSteps(procedure: string, parameters: readonly Parameter[]): Generator<Step> {
    const { core } = this;
    core.pushFrame();
    core.startClock();
    try {
      const args = parameters.map((parameter) => ({
        name: parameter.name === '' ? undefined : parameter.name,
        type: parameter.type,
        value: storer(parameter.type)(parameter.value),
      }));
      const status = yield* callProcedure(core, procedure, args);
      yield { kind: 'returnStatus', value: Number(status) };
      yield { kind: 'done' };
    } catch (error) {
      if (!(error instanceof SqlServerError)) throw error;
      yield { kind: 'message', message: messageInfo(error, 1) };
      yield { kind: 'done', failed: true };
    } finally {
      core.popBatchFrame();
    }
  }

  /** Runs steps to their end: events go out, waits are waited for. */
  private async *drive(steps: Generator<Step, unknown>, signal: AbortSignal): AsyncGenerator<EngineEvent, void> {
    this.core.signal = AbortSignal.any([signal, this.ending.signal]);
    let sliceEnd = performance.now() + sliceMs;
    let isOver = false;
    if (this.isClosed) {
      // ALTER DATABASE … WITH ROLLBACK IMMEDIATE has ended it behind its client's back.
      yield { kind: 'message', message: killed };
      yield { kind: 'done', failed: true };
      return;
    }
    try {
      while (!signal.aborted && !this.isClosed) {
        const step = steps.next();
        if (step.done) {
          isOver = true;
          return;
        }
        if (step.value instanceof Promise) await step.value;
        else yield step.value;
        if (performance.now() > sliceEnd) {
          await new Promise((resolve) => setImmediate(resolve));
          sliceEnd = performance.now() + sliceMs;
        }
      }
    } finally {
      if (!isOver && !this.isClosed) steps.return(undefined);
    }
  }

  private async collect(steps: Generator<Step, unknown>): Promise<EngineEvent[]> {
    const events: EngineEvent[] = [];
    for await (const event of this.drive(steps, new AbortController().signal)) events.push(event);
    return events;
  }

  async begin(isolation: number): Promise<readonly EngineEvent[]> {
    const level = isolationLevels[isolation];
    if (level !== undefined && level !== '') this.core.settings.isolation = level;
    return this.collect(this.core.begin());
  }

  async commit(): Promise<readonly EngineEvent[]> {
    return this.collect(this.core.commit());
  }

  async rollback(savepoint?: string): Promise<readonly EngineEvent[]> {
    return this.collect(this.core.rollback(savepoint));
  }

  async save(savepoint: string): Promise<readonly EngineEvent[]> {
    this.core.save(savepoint);
    return [];
  }

  async bulkInsert(
    insertBulkSql: string,
    columns: readonly ResultColumn[],
    rows: AsyncIterable<readonly SqlValue[]>,
  ): Promise<number> {
    const { core } = this;
    let count = 0;
    const run = function* (): Generator<Step> {
      count = yield* runBulk(core, insertBulkSql, { columns, rows });
    };
    core.pushFrame();
    core.startClock();
    try {
      await this.collect(run());
    } finally {
      if (!this.isClosed) core.popBatchFrame();
    }
    return count;
  }

  reset(): void {
    this.core.reset();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.server.sessions.delete(this);
    this.ending.abort();
    this.core.close();
  }
}
