/** An engine without a database: it answers texts with scripted events and remembers what it was asked. */
import {
  type Engine,
  type EngineEvent,
  type LoginRequest,
  type Parameter,
  type ResultColumn,
  type Session,
  SqlServerError,
  type SqlValue,
} from '../../../../dev/sqlserver/engine.ts';

type Events = Iterable<EngineEvent> | AsyncIterable<EngineEvent>;
type Script = (parameters: readonly Parameter[] | undefined, signal: AbortSignal) => Events;

/** What the fake was asked, in order, one line each. */
export class FakeEngine implements Engine {
  readonly log: string[] = [];
  readonly bulkRows: (readonly SqlValue[])[] = [];
  bulkColumns: readonly ResultColumn[] = [];
  readonly scripts = new Map<string, Script>();
  logins = 0;

  on(sql: string, script: Script): void {
    this.scripts.set(sql, script);
  }

  login(request: LoginRequest): Session {
    if (request.password !== 'Secret-1') {
      const message = `Login failed for user '${request.userName}'.`;
      throw new SqlServerError({ number: 18_456, severity: 14, state: 1, message, line: 1 });
    }
    if (request.database === 'missing') {
      const message = 'Cannot open database "missing" requested by the login. The login failed.';
      throw new SqlServerError({ number: 4060, severity: 11, state: 1, message, line: 1 });
    }
    this.log.push(`login ${request.userName} ${request.database} ${request.appName}`);
    this.logins += 1;
    return this.#session(request.database);
  }

  close(): void {
    this.log.push('close engine');
  }

  #session(database: string): Session {
    const { log, scripts } = this;
    let transaction = 0n;
    const begin = (): readonly EngineEvent[] => {
      transaction = 7n;
      return [{ kind: 'transaction', change: 'begin', descriptor: 7n }, { kind: 'done' }];
    };
    const end = (change: 'commit' | 'rollback'): readonly EngineEvent[] => {
      const descriptor = transaction;
      transaction = 0n;
      return [{ kind: 'transaction', change, descriptor }, { kind: 'done' }];
    };
    const run = (text: string, parameters: readonly Parameter[] | undefined, signal: AbortSignal): Events => {
      log.push(text);
      return scripts.get(text)?.(parameters, signal) ?? [{ kind: 'done' }];
    };
    return {
      id: 50 + this.logins,
      database,
      get transaction() {
        return transaction;
      },
      execute: run,
      call: (procedure, parameters, signal) => run(`call ${procedure}`, parameters, signal),
      begin: async (isolation) => {
        log.push(`begin ${isolation}`);
        return begin();
      },
      commit: async () => end('commit'),
      rollback: async (savepoint) => {
        log.push(`rollback ${savepoint ?? ''}`);
        return savepoint === undefined ? end('rollback') : [{ kind: 'done' }];
      },
      save: async (savepoint) => {
        log.push(`save ${savepoint}`);
        return [{ kind: 'done' }];
      },
      bulkInsert: async (sql, columns, rows) => {
        log.push(sql);
        this.bulkColumns = columns;
        let count = 0;
        for await (const row of rows) {
          if (row[0] === -1) {
            throw new SqlServerError({ number: 2627, severity: 14, state: 1, message: 'Violation', line: 1 });
          }
          this.bulkRows.push(row);
          count += 1;
        }
        return count;
      },
      reset: () => {
        log.push('reset');
        transaction = 0n;
      },
      close: () => {
        log.push('close session');
      },
    };
  }
}
