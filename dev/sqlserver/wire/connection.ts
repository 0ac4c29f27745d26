/**
 * One client's connection, from its first byte to its last: PRELOGIN, TLS, LOGIN7, then a loop of one message and its
 * answer. Bytes that no client would send close the connection and nothing else.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContext } from 'node:tls';
import { type Engine, type EngineEvent, type LoginRequest, type Session, SqlServerError } from '../engine.ts';
import { type Faults, faultMessage, type Strike } from '../faults.ts';
import { BulkLoad, BulkLoadCanceled } from './bulk.ts';
import { ByteWriter, OutOfBytes, ProtocolError } from './bytes.ts';
import { readLogin } from './login.ts';
import { Answer, ClientMessage, ConnectionGone, endStream } from './messages.ts';
import { makeChallenge, provesPassword, type WindowsLogin } from './ntlm.ts';
import { type Packet, PacketDecoder, PacketStatus, PacketType } from './packets.ts';
import { agreeOnEncryption, readPrelogin, type TlsMode, writePrelogin } from './prelogin.ts';
import { PreparedStatements } from './prepared.ts';
import { aborted, ConnectionLost, Reply } from './reply.ts';
import { type RpcCall, readBatch, readRpc, readTransactionRequest, transactionText } from './requests.ts';
import { startTls, type TlsLayer } from './tls.ts';
import {
  writeCollationChange,
  writeDone,
  writeLoginAck,
  writeMessage,
  writeResetChange,
  writeSspi,
  writeTextChange,
  writeTransactionChange,
} from './tokens.ts';

/** What all connections of a server share. */
export interface ConnectionOptions {
  readonly engine: Engine;
  readonly faults: Faults;
  readonly tlsMode: TlsMode;
  readonly secureContext: SecureContext;
  /** The Windows account that may log in, and the SQL login that its sessions run as. */
  readonly windowsLogin: (WindowsLogin & { readonly runsAs: Pick<LoginRequest, 'userName' | 'password'> }) | undefined;
  /** The largest packet the server agrees to, in bytes. */
  readonly packetSize: number;
  /** Called with each statement's text before it runs. */
  readonly record: (statement: string) => void;
}

type Events = AsyncIterable<EngineEvent> | Iterable<EngineEvent>;

const INITIAL_PACKET_SIZE = 4096;
const LEAST_PACKET_SIZE = 512;
const LANGUAGE = 'us_english';
const TDS_7_4 = 0x74000004;
const DEADLOCK_VICTIM = 1205;
const INSERT_BULK = /^\s*insert\s+bulk\s/i;

/** Serves one socket until either side closes it. */
export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #scratch = new ByteWriter(64 * 1024);
  readonly #prepared = new PreparedStatements();
  #decoder = new PacketDecoder();
  #tls: TlsLayer | undefined;
  #output: Writable;
  #packetSize = INITIAL_PACKET_SIZE;
  /** Complete or arriving messages that have not been taken yet, oldest first. */
  readonly #waiting: ClientMessage[] = [];
  #arriving: ClientMessage | undefined;
  #latest: ClientMessage | undefined;
  #wake: () => void = () => {};
  #session: Session | undefined;
  /** The INSERT BULK statement whose rows come next. */
  #insertBulk: string | undefined;
  readonly #serving: Promise<void>;

  /** Resolves when the socket is closed and the session has ended. */
  readonly closed: Promise<void>;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#output = socket;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) =>
      this.#guard(() => (this.#tls === undefined ? this.#receive(chunk) : this.#tls.receive(chunk))),
    );
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#lose();
        resolve(this.#serving);
      });
    });
    this.#serving = this.#serve();
  }

  /** Cuts the connection at once, with an end or, as a dying process does, with a reset. */
  destroy(how: 'end' | 'reset'): void {
    if (how === 'end') this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  /** Runs a piece of the receiving side; bytes that make no sense end the connection. */
  #guard(receive: () => void): void {
    try {
      receive();
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #giveUp(error: unknown): void {
    const expected =
      error instanceof ProtocolError ||
      error instanceof OutOfBytes ||
      error instanceof ConnectionGone ||
      this.#socket.destroyed;
    if (!expected) process.emitWarning(error instanceof Error ? error : String(error));
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    for (const packet of this.#decoder.decode(chunk)) this.#accept(packet);
  }

  #accept(packet: Packet): void {
    if (packet.type === PacketType.attention) {
      this.#latest?.cancel();
      const attention = new ClientMessage(packet);
      attention.receive(packet);
      this.#enqueue(attention);
      return;
    }
    if (this.#arriving === undefined) {
      this.#arriving = new ClientMessage(packet);
      this.#latest = this.#arriving;
      this.#enqueue(this.#arriving);
    }
    const message = this.#arriving;
    if (message.type !== packet.type) throw new ProtocolError('a packet of another type inside a message');
    message.receive(packet);
    if ((packet.status & PacketStatus.endOfMessage) !== 0) this.#arriving = undefined;
    else if (message.isFull) {
      message.onRead = () => this.#socket.resume();
      this.#socket.pause();
    }
  }

  #enqueue(message: ClientMessage): void {
    this.#waiting.push(message);
    this.#wake();
  }

  async #nextMessage(): Promise<ClientMessage> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) return message;
      if (this.#socket.destroyed) throw new ConnectionGone();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #lose(): void {
    this.#latest?.lose();
    for (const message of this.#waiting) message.lose();
    this.#wake();
  }

  async #serve(): Promise<void> {
    try {
      const loginOnly = await this.#prelogin();
      if (await this.#login(loginOnly)) {
        for (;;) await this.#respond(await this.#nextMessage());
      }
    } catch (error) {
      if (error instanceof ConnectionLost) await this.#hangUp();
      else this.#giveUp(error);
    } finally {
      this.#session?.close();
    }
  }

  /** Answers PRELOGIN and starts TLS where it was agreed on; true where TLS covers the login alone. */
  async #prelogin(): Promise<boolean> {
    const message = await this.#nextMessage();
    if (message.type !== PacketType.prelogin) throw new ProtocolError('a connection that begins without PRELOGIN');
    const { encryption, answer } = agreeOnEncryption(readPrelogin(await message.body()), this.#options.tlsMode);
    const reply = this.#newAnswer();
    reply.out.raw(writePrelogin(answer));
    await reply.end();
    if (encryption === 'login' || encryption === 'all') this.#startTls();
    return encryption === 'login';
  }

  #startTls(): void {
    const tls = startTls(this.#socket, this.#options.secureContext);
    tls.stream.on('error', () => this.#socket.destroy());
    tls.stream.on('data', (chunk: Buffer) => this.#guard(() => this.#receive(chunk)));
    this.#tls = tls;
    this.#output = tls.stream;
  }

  async #login(tlsForLoginOnly: boolean): Promise<boolean> {
    const message = await this.#nextMessage();
    if (message.type !== PacketType.login7) throw new ProtocolError('a message before the login');
    const login = readLogin(await message.body());
    if (tlsForLoginOnly) {
      this.#tls = undefined;
      this.#output = this.#socket;
    }
    let refusal: SqlServerError | undefined;
    try {
      await this.#meetLoginFault(login.request.database, message.signal);
      const identity = login.integratedSecurity ? await this.#authenticateWindows() : {};
      this.#session = this.#options.engine.login({ ...login.request, ...identity });
    } catch (error) {
      if (!(error instanceof SqlServerError)) throw error;
      refusal = error;
    }
    const answer = this.#newAnswer();
    const { out } = answer;
    if (refusal !== undefined) {
      writeMessage(out, refusal.info);
      // SQL Server says both: which database it could not open, and that the login failed for it.
      if (refusal.info.number === 4060) writeMessage(out, loginFailed(login.request.userName).info);
      writeDone(out, 'done', { failed: true });
      await answer.end();
      await this.#hangUp();
      return false;
    }
    const { database } = this.#session as Session;
    const packetSize = Math.min(
      Math.max(login.packetSize || INITIAL_PACKET_SIZE, LEAST_PACKET_SIZE),
      this.#options.packetSize,
    );
    writeTextChange(out, 'database', database, 'master');
    writeMessage(out, information(5701, `Changed database context to '${database}'.`));
    writeCollationChange(out);
    writeTextChange(out, 'language', LANGUAGE, '');
    writeMessage(out, information(5703, `Changed language setting to ${LANGUAGE}.`));
    writeLoginAck(out, Math.min(login.tdsVersion, TDS_7_4));
    writeTextChange(out, 'packetSize', String(packetSize), String(INITIAL_PACKET_SIZE));
    writeDone(out, 'done', {});
    await answer.end();
    this.#packetSize = packetSize;
    return true;
  }

  /** Challenges the client to prove its Windows password; the SQL login to go on as. Throws SqlServerError 18452, 18456. */
  async #authenticateWindows(): Promise<Pick<LoginRequest, 'userName' | 'password'>> {
    const { windowsLogin } = this.#options;
    if (windowsLogin === undefined) {
      throw refusedLogin(18_452, 'Login failed. The login is from an untrusted domain and cannot be used.');
    }
    const { message, nonce } = makeChallenge(windowsLogin.domain);
    const answer = this.#newAnswer();
    writeSspi(answer.out, message);
    await answer.end();
    const proof = await this.#nextMessage();
    if (proof.type !== PacketType.sspi) throw new ProtocolError('no answer to the NTLM challenge');
    if (provesPassword(await proof.body(), nonce, windowsLogin)) return windowsLogin.runsAs;
    throw loginFailed(`${windowsLogin.domain}\\${windowsLogin.userName}`);
  }

  async #meetLoginFault(database: string, signal: AbortSignal): Promise<void> {
    const strike = this.#options.faults.meet(`LOGIN ${database}`);
    if (strike === undefined) return;
    const { action } = strike;
    if ('error' in action) throw new SqlServerError(faultMessage(action));
    if ('drop' in action) throw new ConnectionLost(false);
    await outlast(strike, signal);
  }

  /** Closes the connection after what has been written. */
  async #hangUp(): Promise<void> {
    if (!this.#output.writableEnded) await endStream(this.#output);
    this.#socket.destroySoon();
  }

  #newAnswer(): Answer {
    return new Answer(this.#output, this.#packetSize, this.#session?.id ?? 0, this.#scratch);
  }

  async #respond(message: ClientMessage): Promise<void> {
    const session = this.#session as Session;
    const answer = this.#newAnswer();
    try {
      const fatal = await this.#answerTo(message, session, answer);
      await answer.end();
      if (fatal) throw new ConnectionLost(false);
    } catch (error) {
      if (error instanceof ConnectionLost && error.sendRest) await answer.cut();
      throw error;
    }
  }

  /** Writes the whole answer; true where the connection has to end after it. */
  async #answerTo(message: ClientMessage, session: Session, answer: Answer): Promise<boolean> {
    if (message.type === PacketType.attention) {
      writeDone(answer.out, 'done', { attention: true });
      return false;
    }
    if (message.type === PacketType.bulkLoad) return this.#bulkLoad(message, session, answer);
    const body = await message.body();
    if (message.ignored) {
      writeDone(answer.out, 'done', {});
      return false;
    }
    this.#reset(message, session, answer);
    switch (message.type) {
      case PacketType.sqlBatch:
        return this.#batch(readBatch(body), message.signal, session, answer);
      case PacketType.rpc:
        return this.#calls(readRpc(body), message.signal, session, answer);
      case PacketType.transactionManager:
        return this.#transaction(body, message.signal, session, answer);
      default:
        throw new ProtocolError(`message type 0x${message.type.toString(16)}`);
    }
  }

  #reset(message: ClientMessage, session: Session, answer: Answer): void {
    const keepsTransaction = (message.status & PacketStatus.resetConnectionSkipTransaction) !== 0;
    if (!keepsTransaction && (message.status & PacketStatus.resetConnection) === 0) return;
    if (keepsTransaction && session.transaction !== 0n) {
      throw new ProtocolError('a reset that keeps the transaction, which the stand-in lacks');
    }
    const { database, transaction } = session;
    session.reset();
    this.#prepared.clear();
    this.#insertBulk = undefined;
    if (transaction !== 0n) writeTransactionChange(answer.out, 'rollback', transaction);
    if (session.database !== database) writeTextChange(answer.out, 'database', session.database, database);
    writeResetChange(answer.out);
  }

  async #batch(sql: string, signal: AbortSignal, session: Session, answer: Answer): Promise<boolean> {
    if (INSERT_BULK.test(sql)) {
      // The rows come in a message of their own; faults meet the statement there, once.
      this.#insertBulk = sql;
      writeDone(answer.out, 'done', {});
      return false;
    }
    const reply = new Reply(answer, 'batch', signal);
    await this.#perform(sql, reply, signal, session, () => session.execute(sql, undefined, signal));
    reply.finishBatch(session.transaction !== 0n);
    return reply.isFatal;
  }

  async #calls(calls: readonly RpcCall[], signal: AbortSignal, session: Session, answer: Answer): Promise<boolean> {
    for (const [i, call] of calls.entries()) {
      const reply = new Reply(answer, 'call', signal);
      let outputs: readonly Extract<EngineEvent, { kind: 'output' }>[] = [];
      try {
        const execution = this.#prepared.resolve(call);
        outputs = execution.outputs.map(({ name, value }) => ({ kind: 'output', name, type: { name: 'int' }, value }));
        const { run, call: procedure } = execution;
        if (run !== undefined) {
          await this.#perform(run.sql, reply, signal, session, () => session.execute(run.sql, run.parameters, signal));
        } else if (procedure !== undefined) {
          await this.#perform(`EXEC ${procedure.procedure}`, reply, signal, session, () =>
            session.call(procedure.procedure, procedure.parameters, signal),
          );
        }
      } catch (error) {
        reply.fail(error);
      }
      const ordinalOf = (name: string): number =>
        Math.max(
          0,
          call.parameters.findIndex((one) => one.name.toLowerCase() === name.toLowerCase()),
        );
      reply.finishCall(outputs, ordinalOf, i < calls.length - 1);
      if (reply.isFatal) return true;
    }
    return false;
  }

  async #transaction(body: Buffer, signal: AbortSignal, session: Session, answer: Answer): Promise<boolean> {
    const request = readTransactionRequest(body);
    const reply = new Reply(answer, 'batch', signal);
    await this.#perform(transactionText(request), reply, signal, session, async () => {
      switch (request.kind) {
        case 'begin':
          return session.begin(request.isolation);
        case 'save':
          return session.save(request.savepoint);
        case 'commit':
        case 'rollback': {
          const ended = await (request.kind === 'commit' ? session.commit() : session.rollback(request.savepoint));
          return request.beginsNext === undefined ? ended : [...ended, ...(await session.begin(request.beginsNext))];
        }
      }
    });
    reply.finishBatch(session.transaction !== 0n);
    return reply.isFatal;
  }

  async #bulkLoad(message: ClientMessage, session: Session, answer: Answer): Promise<boolean> {
    const sql = this.#insertBulk;
    if (sql === undefined) throw new ProtocolError('a bulk load without INSERT BULK');
    this.#insertBulk = undefined;
    const load = new BulkLoad(message);
    const reply = new Reply(answer, 'batch', message.signal);
    try {
      await this.#perform(sql, reply, message.signal, session, async () => {
        const columns = await load.columns();
        return [{ kind: 'done', rowCount: await session.bulkInsert(sql, columns, load.rows()) }];
      });
    } catch (error) {
      if (!(error instanceof BulkLoadCanceled)) throw error;
    }
    await load.drain();
    reply.finishBatch(session.transaction !== 0n);
    return reply.isFatal;
  }

  /** Records and runs one statement, with the fault that is planted for it. */
  async #perform(
    statement: string,
    reply: Reply,
    signal: AbortSignal,
    session: Session,
    run: () => Events | Promise<Events>,
  ): Promise<void> {
    this.#options.record(statement);
    const strike = this.#options.faults.meet(statement);
    if (strike !== undefined) {
      const { action } = strike;
      if ('error' in action) {
        if (action.error === DEADLOCK_VICTIM && session.transaction !== 0n) await reply.write(await session.rollback());
        reply.fail(new SqlServerError(faultMessage(action)));
        return;
      }
      if ('drop' in action && action.drop === 'before') throw new ConnectionLost(false);
      if ('truncateAfterRows' in action || 'stallAfterRows' in action) reply.breakRows(action);
      if ('hang' in action) await Promise.race([strike.released, once(this.#socket, 'close')]);
      await outlast(strike, signal);
    }
    if (signal.aborted) return;
    const events = await this.#tryRun(run, reply);
    if (strike !== undefined && 'drop' in strike.action) {
      for await (const _event of events);
      throw new ConnectionLost(false);
    }
    await reply.write(events);
  }

  /** An error that is thrown before the first event is answered like one that comes later. */
  async #tryRun(run: () => Events | Promise<Events>, reply: Reply): Promise<Events> {
    try {
      return await run();
    } catch (error) {
      reply.fail(error);
      return [];
    }
  }
}

function information(number: number, message: string): Parameters<typeof writeMessage>[1] {
  return { number, severity: 10, state: 1, message, line: 1 };
}

function loginFailed(userName: string): SqlServerError {
  return refusedLogin(18_456, `Login failed for user '${userName}'.`);
}

function refusedLogin(number: number, message: string): SqlServerError {
  return new SqlServerError({ number, severity: 14, state: 1, message, line: 1 });
}

/** Waits as long as a fault delays or holds a statement, or until the client cancels. */
async function outlast({ action, released }: Strike, signal: AbortSignal): Promise<void> {
  if ('delayMs' in action) await sleep(action.delayMs, undefined, { signal }).catch(() => {});
  if ('hold' in action) await Promise.race([released, aborted(signal)]);
}
